"""Where the owner's own records came from, as Provenance: of each version that came in a file or message of its own.

What is told is sealed with the record, so that a Provenance is read out of it and stored nowhere else: it is erased with the
person's key. Its id names the version that it is of. Another agency's is the same as none.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

from gateway.audit.entry import DONE, REFUSED, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.records.resources import LATEST, own_version, patient_of, person_token
from gateway.exchanges.records.unsealed import naming_nobody_sealed, opened_page, own_row
from gateway.store import people
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.people import Held
from gateway.store.sql import Read, Row

TARGETS: Final = ("Consent", "Flag", "RelatedPerson")  # each kept with its versions and their times; in the order of pages


@dataclass(frozen=True, slots=True)
class ProvenanceRead:
    """A Provenance by the version that it is of; ``named`` is its own id, as it was asked for."""

    requester: Requester
    named: str
    type: str
    id: str
    version: int
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class ProvenanceSearch:
    """A search among the agency's own, of what stands now. ``person`` is ``system|value``; ``target`` type and id, and no
    version or one; ``after`` the type and id of the last one of the page before."""

    requester: Requester
    person: str = ""
    target: tuple[str, str, int | None] | None = None
    since: int = 0  # microseconds, inclusive
    until: int = LATEST  # exclusive
    nobody: bool = False  # told by an agent who is not the asker's organisation
    count: int = 50
    after: tuple[str, str] = ("", "")
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class ProvenancePage:
    """Records with where they came from; ``after`` is where the next page begins, None on the last."""

    found: tuple[Held, ...]
    after: tuple[str, str] | None = None


def read_provenance(ctx: Context, ask: ProvenanceRead, moment: Moment) -> Story[Held | None]:
    """One of the agency's own records, where it is known where it came from; else None."""
    check_current(ask.requester, moment)
    known = ask.type in TARGETS
    held = (yield from own_version(ctx, ask.requester.agency, ask.type, ask.id, ask.version)) if known else None
    if held is not None and not held[0].origin:
        held = None
    entry = line(
        "read_provenance", ask.requester, moment, Kind.READ, DONE if held else REFUSED, request_id=ask.request_id,
        refusal="" if held else "not-known", patient=patient_of(held), detail=(("resource", f"Provenance/{ask.named}"),),
    )  # fmt: skip
    return Outcome(held[0] if held else None, (entry,))


def search_provenances(ctx: Context, ask: ProvenanceSearch, moment: Moment) -> Story[ProvenancePage]:
    """The agency's own records that came in a file or message, by what they are of, by person, by time or by none of these."""
    check_current(ask.requester, moment)
    page = yield from _page(ctx, ask)
    kept = tuple(held for held in page.found if held.origin and ask.since <= held.updated < ask.until)
    entry = line(
        "search_provenances", ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id, patient=ask.person,
        detail=(("resource", "Provenance"),),
    )  # fmt: skip
    return Outcome(ProvenancePage(kept, page.after), (entry,))


def _page(ctx: Context, ask: ProvenanceSearch) -> Generator[Any, Any, ProvenancePage]:
    if ask.nobody:
        return ProvenancePage(())
    if ask.target is not None:
        return (yield from _of_target(ctx, ask, *ask.target))
    return (yield from (_of_person(ctx, ask) if ask.person else _all(ctx, ask)))


def _of_target(
    ctx: Context, ask: ProvenanceSearch, kind: str, identifier: str, version: int | None
) -> Generator[Any, Any, ProvenancePage]:
    known = kind in TARGETS
    held = (yield from own_version(ctx, ask.requester.agency, kind, identifier, version)) if known else None
    if held is None or (ask.person and not (yield from _is_of(ctx, ask, held[1]))):
        return ProvenancePage(())
    return ProvenancePage((held[0],))


def _is_of(ctx: Context, ask: ProvenanceSearch, owner: people.Opened) -> Generator[Any, Any, bool]:
    row = yield from _person(ctx, ask)
    return row is not None and row.id == owner.id


def _person(ctx: Context, ask: ProvenanceSearch) -> Generator[Any, Any, people.Opened | None]:
    agency = ask.requester.agency
    row: people.Opened | None = yield from own_row(ctx, agency, person_token(ctx, agency, ask.person))
    return row


def _of_person(ctx: Context, ask: ProvenanceSearch) -> Generator[Any, Any, ProvenancePage]:
    row = yield from _person(ctx, ask)
    if row is None:
        return ProvenancePage(())
    held = yield from naming_nobody_sealed(ctx, [one for records in row.records.values() for one in records])
    rest = sorted((one for one in held if (one.type, one.id) > ask.after), key=lambda one: (one.type, one.id))
    return _cut(rest, ask.count)


def _all(ctx: Context, ask: ProvenanceSearch) -> Generator[Any, Any, ProvenancePage]:
    """Type by type, in the order of their ids, until the page is full."""
    began, last = ask.after
    found: list[Row] = []
    for kind in (one for one in TARGETS if one >= began and len(found) <= ask.count):
        after = last if kind == began else ""
        wanted = {"agency": ask.requester.agency, "type": kind, "since": ask.since, "after": after, "count": ask.count + 1}
        found += yield Read(people.OWN_RECORDS, wanted)
    page = found[: ask.count]
    held = yield from opened_page(ctx, page)
    return ProvenancePage(tuple(held), (page[-1][6], page[-1][5]) if len(found) > ask.count else None)


def _cut(found: list[Held], count: int) -> ProvenancePage:
    page = found[:count]
    return ProvenancePage(tuple(page), (page[-1].type, page[-1].id) if len(found) > count else None)
