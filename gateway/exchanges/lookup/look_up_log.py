"""The access log of a lookup: one line for each agency and person, the first standing for the request itself."""

from __future__ import annotations

from gateway.audit.against_wishes import AGAINST_WISH, OBLIGATION
from gateway.audit.entry import DONE, REFUSED, Entry, Kind
from gateway.disclosure.decision import Permit
from gateway.disclosure.question import Withheld
from gateway.exchanges.context import entry_id
from gateway.exchanges.lookup.lookups import Finding, LookupRequest
from gateway.exchanges.records.dossiers import Known
from gateway.fhir import systems
from gateway.store.ledger import Moment

NAME = "look_up_status"
NOBODY = Finding(None, "", Known("self", "", []))


def entries(ask: LookupRequest, moment: Moment, identifier: str, policy: str, findings: list[Finding]) -> tuple[Entry, ...]:
    """One line for each agency and person; exactly one, the first, stands for the request as the asker's auditor sees it.

    Where nobody shares anything for this purpose, and where danger to life is claimed, the request has a line of its
    own, without a custodian.
    """
    if ask.is_override:
        mine = _line(ask, moment, identifier, policy, NOBODY, first=True)._replace(outcome=DONE, kind=Kind.OVERRIDE)
        return (mine, *(_line(ask, moment, identifier, policy, one, first=False) for one in findings))
    if not any(one.group or one.reason != "no-agreement" for one in findings):
        mine = gate_entry(ask, moment, identifier, policy, "no-agreement")
        return (mine, *(_line(ask, moment, identifier, policy, one, first=False) for one in findings))
    first = _line(ask, moment, identifier, policy, findings[0], first=True)
    return (first, *[_line(ask, moment, identifier, policy, one, first=False) for one in findings[1:]])


def gate_entry(ask: LookupRequest, moment: Moment, identifier: str, policy: str, reason: str) -> Entry:
    """A request that was refused before any agency was reached."""
    return _line(ask, moment, identifier, policy, NOBODY._replace(reason=reason), first=True)


def _line(ask: LookupRequest, moment: Moment, identifier: str, policy: str, finding: Finding, *, first: bool) -> Entry:
    """A line of the access log for this request: what came of one agency and one person."""
    requester, permit = ask.requester, finding.permit
    done = permit is not None or finding.reason == "not-known"
    return Entry(
        id=entry_id(moment.at),
        recorded=moment.at,
        exchange=NAME,
        outcome=DONE if done else REFUSED,
        kind=Kind.DISCLOSURE if permit else Kind.NEGATIVE,
        requester=requester.agency,
        custodian=finding.custodian,
        client=requester.client_id,
        user=requester.user,
        role=requester.role,
        purpose=ask.purpose,
        case_reference=ask.case_reference,
        patient=ask.patient,
        found=_found(finding.known),
        basis=(permit.basis,) if permit else (),
        tier=permit.tier if permit else None,
        policy=policy,
        consents=finding.consents,
        refusal="" if permit else finding.reason,
        disclosure=identifier,
        request_id=ask.request_id,
        detail=_detail(ask, finding),
        asked=first,
    )


def _detail(ask: LookupRequest, finding: Finding) -> tuple[tuple[str, str], ...]:
    if finding.withheld:
        return (*why(ask), *decided_by(finding.withheld))
    if finding.permit and finding.permit.against_wish:
        return (*why(ask), *passed_over(finding.permit))
    return why(ask)


def passed_over(permit: Permit | None) -> tuple[tuple[str, str], ...]:
    """Which classes leave although a wish on record refuses them, and what is asked of whoever hears them: for the owner's
    auditor alone."""
    if permit is None or not permit.against_wish:
        return ()
    return ((AGAINST_WISH, " ".join(sorted(permit.against_wish))), (OBLIGATION, " ".join(permit.obligations)))


def decided_by(withheld: Withheld | None) -> tuple[tuple[str, str], ...]:
    """By which decision of the owner, and whose, a record is withheld: for the owner's auditor alone."""
    return (("withholding", withheld.id), ("decided-by", withheld.decider)) if withheld else ()


def _found(known: Known) -> tuple[str, ...]:
    """Who was found beside the person asked about: for the holder's eyes."""
    if known.about == "self" or not known.nhs or not (known.rows or known.hidden):
        return ()
    return (f"{systems.NHS_NUMBER}|{known.nhs}",)


def why(ask: LookupRequest) -> tuple[tuple[str, str], ...]:
    """What was asked beside the person, and why: from the request alone."""
    kind, reason, justification = ask.override or ("", "", "")
    if ask.about == ("self",) and not ask.reason and ask.override is None:
        return ()
    about = "" if ask.about == ("self",) else " ".join(ask.about)
    stated = (
        ("about", about), ("reason", ask.reason), ("override", kind), ("override-reason", reason), ("justification", justification),
    )  # fmt: skip
    return tuple((name, value) for name, value in stated if value)
