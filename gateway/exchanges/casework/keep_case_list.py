"""A case list kept: made, given other members, deleted. Subscriptions that name the list change with it.

Who is added is watched for from the acknowledgement on; of who is taken off nothing more leaves, what waits in the
outbox included. Being on a list tells nothing: each notice is decided for its person when it leaves, and whether
anybody on the list is known has no part in any answer here.

Each person who is newly added counts against a quota of its own, by client and day: generous, so that a whole caseload
can be loaded at once, and with an item in the organisation's own queue where many are added at a time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.audit.entry import DONE, REFUSED, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.charge_list import charge_list
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.notices.subscribe import NO_SUCH_LIST
from gateway.exchanges.outbox.subscriptions import list_token
from gateway.exchanges.reviews import Matter, opening
from gateway.fhir.outcomes import Conflict, NotFound, PreconditionFailed
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import case_lists
from gateway.store.case_lists import Member, open_member, seal_member
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Hold, Read, Row, Write
from gateway.store.vault import open_sealed, seal

MOST_LISTS = 500  # of one agency
MANY_ADDED = 100  # at a time: somebody looks at it
GREW = "case-list-grew"
TOO_MANY_LISTS = f"An organisation keeps up to {MOST_LISTS} lists: delete those that nobody uses."
CHANGED_MEANWHILE = "The list has been changed since you read it. Read it again."


@dataclass(frozen=True, slots=True)
class CaseList:
    """A list as its owner reads it; ``members`` is None where only the list itself was asked for."""

    id: str
    agency: str
    name: str
    version: int
    updated: int
    members: tuple[Member, ...] | None = None


@dataclass(frozen=True, slots=True)
class KeepList:
    """A list as it is to be: its name, and everybody on it. ``expected`` is the version of If-Match."""

    requester: Requester
    name: str
    members: tuple[Member, ...]
    id: str = ""  # empty: create
    expected: int | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class OwnList:
    """One of the caller's lists, by id."""

    requester: Requester
    id: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class OwnLists:
    """A page of the caller's lists, after the id of the last one seen."""

    requester: Requester
    after: str = ""
    count: int = 50
    request_id: str = ""


def keep_case_list(ctx: Context, ask: KeepList, moment: Moment) -> Story[CaseList]:
    """Create or replace. Raises NotFound for another's as for none, PreconditionFailed, Conflict, TooMany."""
    check_current(ask.requester, moment)
    agency = ask.requester.agency
    before = (yield from _mine(ctx, agency, ask.id, lock=True)) if ask.id else None
    if ask.id and before is None:
        raise NotFound(NO_SUCH_LIST)
    if before and ask.expected is not None and ask.expected != before.version:
        raise PreconditionFailed(CHANGED_MEANWHILE)
    if before is None and (yield Read(case_lists.HOW_MANY, {"agency": agency}))[0][0] >= MOST_LISTS:
        raise Conflict(TOO_MANY_LISTS)
    kept = CaseList(ask.id or new_id(), agency, ask.name, before.version + 1 if before else 1, moment.at, ask.members)
    yield from _write(ctx, kept, moment, is_new=before is None)
    added, removed = yield from _move(ctx, kept, ask.requester, moment)
    if len(added) > MANY_ADDED:
        yield _item(ctx, kept, ask.requester, len(added), moment)
    return Outcome(kept, _lines(ask, kept, added, removed, moment))


def _mine(ctx: Context, agency: str, identifier: str, *, lock: bool = False) -> Generator[Any, Any, CaseList | None]:
    rows = yield Read(case_lists.LOCK_LIST if lock else case_lists.LIST, {"id": identifier, "agency": agency})
    return _open(ctx, rows[0]) if rows else None


def _open(ctx: Context, row: Row) -> CaseList:
    identifier, agency, body, version, updated = row
    name = orjson.loads(open_sealed(ctx.vault.shelf("case-list"), body, identifier))["name"]
    return CaseList(identifier, agency, name, version, updated)


def _write(ctx: Context, kept: CaseList, moment: Moment, *, is_new: bool) -> Generator[Any, Any, None]:
    sealed = seal(ctx.vault.shelf("case-list"), orjson.dumps({"name": kept.name}), kept.id)
    if is_new:
        row = {"id": kept.id, "agency": kept.agency, "body": sealed, "version": 1, "updated": moment.at}
        yield Write(case_lists.ADD_LIST, row)
    else:
        yield Write(case_lists.SET_LIST, {"list_id": kept.id, "sealed": sealed, "at": moment.at})


def _move(
    ctx: Context, kept: CaseList, requester: Requester, moment: Moment
) -> Generator[Any, Any, tuple[list[Member], list[Member]]]:
    """Bring who is on the list to what it is to be; gives who was added and who was taken off."""
    watch = list_token(ctx, kept.id)
    stood = {row[1]: open_member(ctx.vault, row) for row in (yield Read(case_lists.MEMBERS, {"watch": watch}))}
    wanted = {ctx.vault.nhs_token(member.nhs): member for member in kept.members or ()}
    added = [member for person, member in wanted.items() if person not in stood]
    gone = [person for person, member in stood.items() if wanted.get(person) != member]
    new = [person for person, member in wanted.items() if stood.get(person) != member]
    yield from charge_list(ctx, requester, [member.nhs for member in added], moment)
    if gone:
        yield Hold(tuple(gone))  # a notice that is being decided on leaves, or finds that they are gone
    for person in gone:
        yield Write(case_lists.DROP_MEMBER, {"watch": watch, "person": person})
    for person in new:
        body = seal_member(ctx.vault, wanted[person], watch, person)
        yield Write(case_lists.ADD_MEMBER, {"watch": watch, "person": person, "body": body, "since": moment.at})
    return added, [member for person, member in stood.items() if person not in wanted]


def _item(ctx: Context, kept: CaseList, requester: Requester, added: int, moment: Moment) -> Write:
    why = (("list", kept.id), ("added", str(added)))
    matter = Matter(requester.agency, requester.user, requester.client_id, requester.role, why=why)
    return opening(ctx, GREW, requester.agency, matter, moment)


def _lines(ask: KeepList, kept: CaseList, added: list[Member], removed: list[Member], moment: Moment) -> tuple[Entry, ...]:
    """One entry for the list, and one for each person who was put on it or taken off."""
    counted = (("list", kept.id), ("added", str(len(added))), ("removed", str(len(removed))))
    whole = line("keep_case_list", ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, detail=counted)
    return (whole, *_each(ask, kept, added, "added", moment), *_each(ask, kept, removed, "removed", moment))


def _each(ask: KeepList | OwnList, kept: CaseList, members: Iterable[Member], result: str, moment: Moment) -> list[Entry]:
    return [
        line(
            "keep_case_list", ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id,
            patient=f"{NHS_NUMBER}|{member.nhs}", case_reference=member.case_reference,
            detail=(("list", kept.id), ("result", result)),
        )
        for member in members
    ]  # fmt: skip


def read_case_list(ctx: Context, ask: OwnList, moment: Moment) -> Story[CaseList | None]:
    """One of the agency's own with everybody on it, or None."""
    check_current(ask.requester, moment)
    found = yield from _mine(ctx, ask.requester.agency, ask.id)
    whole = None if found is None else (yield from _with_members(ctx, found))
    entry = line(
        "read_case_list", ask.requester, moment, Kind.READ, DONE if whole else REFUSED, request_id=ask.request_id,
        refusal="" if whole else "not-known", detail=(("list", ask.id),) if whole else (),
    )  # fmt: skip
    return Outcome(whole, (entry,))


def _with_members(ctx: Context, found: CaseList) -> Generator[Any, Any, CaseList]:
    rows = yield Read(case_lists.MEMBERS, {"watch": list_token(ctx, found.id)})
    members = tuple(sorted((open_member(ctx.vault, row) for row in rows), key=lambda member: member.nhs))
    return CaseList(found.id, found.agency, found.name, found.version, found.updated, members)


def list_case_lists(ctx: Context, ask: OwnLists, moment: Moment) -> Story[tuple[list[CaseList], str]]:
    """The agency's own lists, a page at a time, without who is on them."""
    check_current(ask.requester, moment)
    wanted = {"agency": ask.requester.agency, "after": ask.after, "count": ask.count + 1}
    rows = yield Read(case_lists.OWN_LISTS, wanted)
    found = [_open(ctx, row) for row in rows[: ask.count]]
    entry = line(
        "list_case_lists", ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id, detail=(("resource", "Group"),)
    )
    return Outcome((found, found[-1].id if len(rows) > ask.count else ""), (entry,))


def end_case_list(ctx: Context, ask: OwnList, moment: Moment) -> Story[bool]:
    """Delete a list: everybody is taken off it. Its subscriptions stay, and are about nobody."""
    check_current(ask.requester, moment)
    found = yield from _mine(ctx, ask.requester.agency, ask.id, lock=True)
    if found is None:
        refused = line("end_case_list", ask.requester, moment, Kind.READ, REFUSED, request_id=ask.request_id, refusal="not-known")
        return Outcome(False, (refused,))
    whole = yield from _with_members(ctx, found)
    watch, members = list_token(ctx, found.id), whole.members or ()
    if members:
        yield Hold(tuple(ctx.vault.nhs_token(member.nhs) for member in members))
    yield Write(case_lists.DROP_MEMBERS, {"watch": watch})
    yield Write(case_lists.DROP_LIST, {"list_id": found.id})
    entry = line(
        "end_case_list", ask.requester, moment, Kind.RECEIVED, DONE, request_id=ask.request_id, detail=(("list", found.id),)
    )
    return Outcome(True, (entry, *_each(ask, found, members, "removed", moment)))
