"""By what an entry of the access log is found beside its columns: marks, each for one agency that may see the entry.

A mark is made from what that agency's auditor is *shown* of the entry, so that what is hidden cannot be searched by. Most
are coarse, and say in which hours there is anything of a kind; those of a single thing (a consent, a notice, a person who
was found) and of what is rare say at which instant. Either only narrows where to look: what is found is always judged by what is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.audit.against_wishes import AGAINST_WISH
from gateway.audit.entry import Entry, Kind
from gateway.audit.event import as_asked
from gateway.audit.shapes import CONFIGURATION, OVERRIDE_STARTED, SHAPES

HOUR: Final = 3_600_000_000
NO_CASE: Final = "none"
ANY_CONSENT: Final = "Consent"
ANY: Final = "any"
RARE: Final = frozenset({CONFIGURATION.code, OVERRIDE_STARTED.code})  # subtypes of which a busy hour has one or two
FOR_OURSELVES: Final = ""  # in place of an agency: for checks that the gateway makes by itself


class Mark(NamedTuple):
    """``exact``: at the instant of the entry, else at the beginning of its hour."""

    agency: str
    name: str
    value: str
    exact: bool = False


def marks_of(entry: Entry) -> Iterator[Mark]:
    """The marks of an entry, each once."""
    if entry.custodian:
        yield from _shown(entry.custodian, entry)
    if entry.asked and entry.requester and entry.requester != entry.custodian:
        yield from _shown(entry.requester, as_asked(entry))
    if entry.kind is Kind.RECEIVED:
        for reference in (value for key, value in entry.detail if key == "resource" and value.startswith("Consent/")):
            yield Mark(FOR_OURSELVES, "made", reference, exact=True)


def _shown(agency: str, entry: Entry) -> Iterator[Mark]:
    subtype = SHAPES[entry.kind].subtype.code
    yield Mark(agency, "subtype", subtype)
    if subtype in RARE:
        yield Mark(agency, "rare", subtype, exact=True)
    yield Mark(agency, "subtype", entry.exchange)
    yield Mark(agency, "outcome", str(entry.outcome))
    coarse = [("subtype", entry.refusal), ("purpose", entry.purpose), ("client", entry.client)]
    coarse += [("basis", one) for one in entry.basis]
    if not entry.case_reference:
        coarse.append(("case-reference", NO_CASE))
    yield from (Mark(agency, name, value) for name, value in coarse if value)
    yield from (Mark(agency, name, value, exact=True) for name, value in dict.fromkeys(_things(entry)))


def _things(entry: Entry) -> Iterator[tuple[str, str]]:
    """What a search for one thing finds: references without their version, people who were found, notices."""
    if entry.consents:
        yield "entity", ANY_CONSENT
    yield from (("entity", unversioned(one)) for one in entry.consents)
    yield from (("entity", one) for one in entry.found if one != entry.patient)
    for key, value in entry.detail:
        if key == "resource" and "/" in value:
            yield "entity", unversioned(value)
        elif key == "notice":
            yield "notice", value
        elif key == AGAINST_WISH:
            yield AGAINST_WISH, ANY


def unversioned(reference: str) -> str:
    """``Consent/x`` of ``Consent/x/_history/2``."""
    return reference.partition("/_history/")[0]


def what_marks(entry: Entry) -> Entry:
    """An entry without what makes no difference to its marks."""
    return Entry(  # in order of the fields: nothing of the log is made more often
        "", 0, entry.exchange, entry.outcome, entry.kind, entry.requester, entry.custodian, entry.client, "", "", entry.purpose,
        entry.case_reference and "given", entry.patient if entry.found else "", entry.found, entry.basis, None, "",
        entry.consents, entry.refusal, "", "", entry.detail, entry.asked,
    )  # fmt: skip


def at_of(recorded: int, *, exact: bool) -> int:
    """The time that a mark stands at."""
    return recorded if exact else recorded - recorded % HOUR
