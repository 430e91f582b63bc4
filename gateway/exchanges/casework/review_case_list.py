"""A case list gone through by who manages a team: of each on it, whether they were asked about children, from the agency's
own record. Nothing of another agency is read here; whether a family is known elsewhere is a lookup each, decided and charged.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.audit.entry import DONE, Kind
from gateway.exchanges.casework.keep_case_list import CaseList, OwnList, read_case_list
from gateway.exchanges.casework.markers import ASKED
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.fhir.elements import coding
from gateway.store import people
from gateway.store.case_lists import Member
from gateway.store.ledger import Moment, Outcome, Rows, Story
from gateway.store.people import Opened
from gateway.store.sql import Read

NAME = "review_case_list"
PAGE = 100


@dataclass(frozen=True, slots=True)
class ListPage(OwnList):
    """One of the caller's lists, from the place of its first person on."""

    start: int = 0


@dataclass(frozen=True, slots=True)
class CaseLine:
    """Somebody on the list: name and birth date as the agency's own record has them, and what they answered about children
    (a marker), with its day; empty where nobody has asked."""

    member: Member
    name: str
    birth_date: str
    asked: str
    asked_on: str


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A page of a list, and how many are on it."""

    whole: CaseList
    lines: tuple[CaseLine, ...]
    count: int


def review_case_list(ctx: Context, ask: ListPage, moment: Moment) -> Story[Reviewed | None]:
    """A page of the agency's own list; None where there is no such list."""
    outcome = yield from read_case_list(ctx, ask, moment)
    whole = outcome.answer
    if whole is None:
        return Outcome(None, outcome.audit)
    members = whole.members or ()
    page = members[ask.start : ask.start + PAGE]
    lines = yield from _lines(ctx, ask.requester.agency, page)
    entry = line(
        NAME, ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id,
        detail=(("list", ask.id), ("people", str(len(page)))),
    )  # fmt: skip
    return Outcome(Reviewed(replace(whole, members=None), tuple(lines), len(members)), (*outcome.audit, entry))


def _lines(ctx: Context, agency: str, page: Sequence[Member]) -> Generator[Any, Any, list[CaseLine]]:
    """Two reads for each person, all of a kind at once."""
    if not page:
        return []
    reads = tuple(Read(people.OWN_BY_TOKEN, {"token": ctx.vault.nhs_token(one.nhs), "agency": agency}) for one in page)
    rows = [people.open_person(ctx.vault, found[0]) if found else None for found in (yield reads)]
    held = [row for row in rows if row is not None]
    wanted = tuple(Read(people.OWN_RECORDS_OF, {"agency": agency, "type": "Flag", "person_id": row.id}) for row in held)
    flags = dict(zip([row.id for row in held], (yield wanted) if wanted else [], strict=True))
    return [_line(member, row, flags.get(row.id, []) if row else []) for member, row in zip(page, rows, strict=True)]


def _line(member: Member, row: Opened | None, flags: Rows) -> CaseLine:
    if row is None:
        return CaseLine(member, "", "", "", "")
    found = [people.open_record(row.cipher, columns[5:]).body for columns in flags]
    answers = [
        (str(one.get("period", {}).get("start", "")), code)
        for one in found
        if one.get("status") == "active" and (code := coding(one.get("code"), "/CodeSystem/marker")) in ASKED
    ]
    on, code = max(answers, default=("", ""))
    return CaseLine(member, _name(row.patient), str(row.patient.get("birthDate", "")), code, on)


def _name(patient: dict[str, Any]) -> str:
    """First and last name, as far as the record has them."""
    first: dict[str, Any] = next(iter(patient.get("name", ())), {})
    return " ".join(filter(None, [*first.get("given", ())[:1], first.get("family", "")]))
