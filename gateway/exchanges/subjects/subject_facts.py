"""What a report to a person is made of: what one agency holds of them, and what its access log has, as facts in codes.

Nothing here can name another person: of relatives the role alone is taken, of workers the organisation and role.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.directives import compile_consent
from gateway.disclosure.purposes import Purpose
from gateway.disclosure.rules import Effect, Rule
from gateway.disclosure.subject_report import (
    ANOTHER,
    DUTY,
    ENQUIRING,
    ENQUIRY,
    HELD,
    LOG,
    OVERRIDE,
    PROTECTED,
    WISHES,
    Fact,
    involvement_text,
)
from gateway.exchanges.agencies import profile
from gateway.exchanges.records import dossiers
from gateway.exchanges.records.withholdings import is_withholding
from gateway.fhir.codes import CHILDREN, MARKERS, PARENTS, SHIELDING
from gateway.fhir.elements import coding, flag_detail, identifiers
from gateway.store import clock
from gateway.store.ledger import Feed
from gateway.store.people import Held, Opened

PARTNERS: Final = frozenset({"SPS", "HUSB", "WIFE", "DOMPART", "SIGOTHR", "FMRSPS"})
SIBLINGS: Final = frozenset(
    {"SIB", "BRO", "SIS", "HBRO", "HSIS", "HSIB", "NSIB", "NBRO", "NSIS", "STPSIB", "STPBRO", "STPSIS", "TWIN"}
)
RELATIVES: Final = (
    ("child", CHILDREN),
    ("parent", PARENTS),
    ("partner", PARTNERS),
    ("sibling", SIBLINGS),
    ("carer", frozenset({"Carer"})),
)
# How an exchange stands in the log of a person; what is not here depends on the kind of its entry.
ACTS: Final = {
    "record_wish": "wish", "search_audit": "checked", "explain_decision": "checked", "close_review": "checked",
    "subscribe": "subscribed", "keep_case_list": "subscribed", "give_report": "subject-access",
    **dict.fromkeys(("set_shield", "lift_shield", "withhold", "lift_withholding"), "protected"),
    **dict.fromkeys(("set_hold", "lift_hold", "ask_erasure", "ask_expired", "withdraw_erasure"), "other"),
}  # fmt: skip
KINDS: Final = {Kind.RECEIVED: "record", Kind.READ: "read", Kind.SEARCH: "read", Kind.OVERRIDE: "override"}
# Working on a report is no looking at the record by anybody else; what it decided to keep back must not show in the next one.
OWN_WORK: Final = frozenset(
    {"prepare_report", "look_at_report", "decide_on_report", "approve_report", "withdraw_report", "list_reports"}
)
ENQUIRIES: Final = frozenset(
    {
        "set_hold",
        "lift_hold",
        "ask_erasure",
        "ask_expired",
        "withdraw_erasure",
        "close_review",
        "search_audit",
        "explain_decision",
    }
)
PROTECTIONS: Final = frozenset({"set_shield", "lift_shield", "withhold", "lift_withholding"})
GUARDED: Final = frozenset({"shielded", "adopted", "owner-withheld", "conflict-of-interest"})  # refusal reasons
RESULTS: Final = frozenset({Kind.DELIVERY_RESULT})  # the line before them says that a message was sent


@dataclass(frozen=True, slots=True)
class Looked:
    """What the log is read with: whose it is, who of their family is protected, what purposes and agencies are."""

    own: frozenset[str]  # identifiers of the person
    agency: str
    closed: bool  # the agency keeps the person's own record closed
    protected: frozenset[str]  # NHS numbers (system|value) of others whose record the agency keeps closed
    purposes: Mapping[str, Purpose]
    feeds: Mapping[str, Feed]


def held_facts(row: Opened, protected: Collection[str], holds: Iterable[str]) -> Iterator[Fact]:
    """What an agency holds of a person. ``protected``: ids of relatives' rows that it keeps closed; ``holds``: ids of holds."""
    for one in row.of_type("Flag"):
        yield _flag_fact(one)
    for one in row.of_type("RelatedPerson"):
        yield _relative_fact(one, protected)
    for one in row.of_type("Consent"):
        yield _wish_fact(one, row)
    if dossiers.restriction(row):
        yield Fact("protection", HELD, "held", "protection", (PROTECTED,))
    if any(is_withholding(one) for one in row.patient.get("extension", ())):
        yield Fact("withheld", HELD, "held", "protection", (PROTECTED, DUTY))
    for hold in holds:
        yield Fact(hold, HELD, "held", "preserved", (ENQUIRY,))


def _flag_fact(one: Held) -> Fact:
    detail = flag_detail(one.body)
    marker = coding(one.body.get("code"), "/CodeSystem/marker")
    period = one.body.get("period", {})
    dates = {"since": period.get("start", ""), "until": period.get("end", "")}
    mistake = one.body.get("status") == "entered-in-error"
    if marker:
        code = "children-asked" if marker.startswith("children-asked") else marker
        table = "marker" if marker in MARKERS else "involvement"
        return Fact(one.id, HELD, table, code if marker in MARKERS else "other", mistake=mistake, **dates)
    reasons = (PROTECTED,) if detail in SHIELDING else (ENQUIRY,) if detail in ENQUIRING else ()
    return Fact(one.id, HELD, "involvement", involvement_text(detail), reasons, mistake=mistake, **dates)


def _relative_fact(one: Held, protected: Collection[str]) -> Fact:
    roles = dossiers.roles(one.body)
    code = next((name for name, codes in RELATIVES if roles & codes), "other")
    closed = one.related in protected or dossiers.is_restricted(one.body)
    return Fact(one.id, HELD, "relative", code, (PROTECTED,) if closed else (), mistake=one.body.get("active") is False)


def _wish_fact(one: Held, row: Opened) -> Fact:
    directive = compile_consent(one.body, one.ref, row.agency, one.updated)
    when = str(one.body.get("dateTime", "")) or clock.instant(one.updated)
    if directive is None or directive.rule is None:
        return Fact(one.id, WISHES, "wish", "unclear", when=when)
    if not directive.in_force:
        return Fact(one.id, WISHES, "wish", "withdrawn", when=when)
    if directive.performers and directive.performers.isdisjoint(identifiers(row.patient)):
        return Fact(one.id, WISHES, "wish", "by-other", (ANOTHER,), when=when)
    return Fact(one.id, WISHES, "wish", _effect(directive.rule), when=when)


def _effect(rule: Rule) -> str:
    """Agreed without limits, with some, or not at all."""
    permits = rule.effect is Effect.PERMIT
    if permits and not rule.exceptions and not rule.actors and not rule.purposes and not rule.classes:
        return "agreed"
    return "agreed-some" if permits or any(_effect(one) != "refused" for one in rule.exceptions) else "refused"


def log_facts(entries: Iterable[Entry], looked: Looked) -> Iterator[Fact]:
    """What the agency's access log has about a person, each entry once, oldest first. Raises nothing."""
    seen: set[str] = set()
    for one in sorted(entries, key=lambda entry: (entry.recorded, entry.id)):
        about = one.patient in looked.own or not looked.own.isdisjoint(one.found)
        if about and one.id not in seen and one.kind not in RESULTS and one.exchange not in OWN_WORK:
            seen.add(one.id)
            yield _log_fact(one, looked)


def _log_fact(one: Entry, looked: Looked) -> Fact:
    feed = looked.feeds.get(one.requester)
    return Fact(
        id=one.id, section=LOG, table="act", code=_act(one, looked), reasons=_reasons(one, looked),
        when=clock.instant(one.recorded), organisation=feed.name if feed else one.requester, role=one.role,
        purpose=one.purpose if one.purpose in looked.purposes else "",
    )  # fmt: skip


def _act(one: Entry, looked: Looked) -> str:
    if one.exchange in ACTS:
        return ACTS[one.exchange]
    if one.patient not in looked.own:
        return "with-relative"
    if one.kind is Kind.DELIVERY:
        return "notice" if one.outcome == DONE else "notice-stopped"
    if one.kind is Kind.DISCLOSURE:
        return "family" if one.found else "told"
    if one.kind in (Kind.NEGATIVE, Kind.DECISION, Kind.ERROR):
        return "asked"
    return KINDS.get(one.kind, "other")


def _reasons(one: Entry, looked: Looked) -> tuple[str, ...]:
    """Why an entry waits for a decision; several may stand against one."""
    purpose = looked.purposes.get(one.purpose)
    feed = looked.feeds.get(one.requester)
    elsewhere = one.requester != looked.agency
    detail = dict(one.detail)
    checks = {
        DUTY: purpose is not None and purpose.is_duty,
        OVERRIDE: one.kind is Kind.OVERRIDE or bool(detail.get("override")) or one.purpose == "emergency",
        ENQUIRY: one.purpose in ("safeguarding-s47", "audit") or one.exchange in ENQUIRIES,
        PROTECTED: one.exchange in PROTECTIONS
        or one.refusal in GUARDED
        or (looked.closed and elsewhere)
        or not looked.protected.isdisjoint((one.patient, *one.found))
        or (feed is not None and elsewhere and profile(feed).sensitive),
        ANOTHER: one.patient not in looked.own,
    }
    return tuple(name for name, holds in checks.items() if holds)


def shown_name(patient: Mapping[str, Any]) -> str:
    """The person's own name, as the agency holds it."""
    for one in patient.get("name", ()):
        parts = [*one.get("given", ()), one.get("family", "")]
        return " ".join(str(part) for part in parts if part)
    return ""
