"""Lookups of an employer's staff about their own, ranked: by its staff register, its own log and its own records.

Only what the employer gave, holds or asked itself is compared, so that the ranking tells its auditor nothing that another
agency holds. Surnames and relatives are looked up for the newest pairs of user and person, up to a limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from gateway.audit.close_to_home import WORDS, Compared, Member, Scored, plain, score
from gateway.audit.entry import Entry
from gateway.audit.told import Facts
from gateway.exchanges.context import Context
from gateway.exchanges.log.search_audit import AuditQuery, open_entry
from gateway.exchanges.lookup.look_up_log import NAME as LOOKUP
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import people
from gateway.store import staff as register
from gateway.store.ledger import Ledger, Rows
from gateway.store.people import Opened
from gateway.store.sql import Read

MOST_PAIRS: Final = 50_000  # of a user and a person that are compared by tokens
MOST_OPENED: Final = 500  # the newest of them: by surname and relatives too
MOST_SHOWN: Final = 200


class Pair(NamedTuple):
    """A user who asked about a person: how often, from when to when."""

    user: bytes
    patient: bytes
    times: int
    first: int
    last: int


async def close_to_home(ctx: Context, ledger: Ledger, query: AuditQuery, _: Mapping[str, str]) -> tuple[list[Facts], None]:
    """The likeliest first, each with its reasons."""
    agency = query.requester.agency
    wanted = {"agency": agency, "exchange": LOOKUP, "since": query.since, "until": query.until, "count": MOST_PAIRS}
    members, rows = await ledger.read([Read(register.MEMBERS, {"agency": agency}), Read(register.PAIRS, wanted)])
    staff = {row[0]: Member(*row) for row in members}
    by_patient = {one.patient: one for one in staff.values() if one.patient}
    namesakes = Counter(one.surname for one in staff.values())
    pairs = [Pair(*row) for row in rows if row[0] in staff and row[1]]
    known = await _known(ctx, ledger, agency, pairs[:MOST_OPENED], staff)
    ranked = []
    for pair in pairs:
        user, other = staff[pair.user], known.get(pair, Compared())
        compared = Compared(by_patient.get(pair.patient), other.surnames, other.related, other.lives_with)
        scored = score(user, compared, pair.times, namesakes[user.surname])
        if scored.score:
            ranked.append((scored, pair))
    ranked.sort(key=lambda one: (-one[0].score, -one[1].last))
    return await _lines(ctx, ledger, agency, ranked[:MOST_SHOWN]), None


async def _entries(ctx: Context, ledger: Ledger, agency: str, pairs: Sequence[Pair]) -> list[Entry]:
    """The newest entry of each pair."""
    wanted = [{"agency": agency, "recorded": one.last, "user": one.user, "patient": one.patient} for one in pairs]
    answers = await ledger.read([Read(register.ENTRY_OF_PAIR, params) for params in wanted])
    return [open_entry(ctx, rows[0]) for rows in answers]


async def _lines(ctx: Context, ledger: Ledger, agency: str, ranked: Sequence[tuple[Scored, Pair]]) -> list[Facts]:
    entries = await _entries(ctx, ledger, agency, [pair for _, pair in ranked])
    return [
        {
            "score": scored.score, "why": "; ".join(WORDS[one] for one in scored.reasons), "reasons": scored.reasons,
            "who": entry.user, "person": entry.patient, "times": pair.times, "first": pair.first, "last": pair.last,
            "purpose": entry.purpose, "entry": entry.id,
        }
        for (scored, pair), entry in zip(ranked, entries, strict=True)
    ]  # fmt: skip


async def _known(
    ctx: Context, ledger: Ledger, agency: str, pairs: Sequence[Pair], staff: Mapping[bytes, Member]
) -> dict[Pair, Compared]:
    """What the employer's own records say of those who were asked about, for users who gave something to compare."""
    pairs = [one for one in pairs if staff[one.user].surname or staff[one.user].nhs]
    entries = await _entries(ctx, ledger, agency, pairs)
    people_rows = await _own(ctx, ledger, agency, [_nhs_token(ctx, one.patient) for one in entries])
    own = await _own(ctx, ledger, agency, [staff[one.user].nhs for one in pairs])
    wanted = [
        Read(people.OWN_RECORDS_OF, {"agency": agency, "type": "RelatedPerson", "person_id": other.id if user and other else ""})
        for user, other in zip(own, people_rows, strict=True)
    ]
    records = await ledger.read(wanted) if wanted else []
    found = {}
    for pair, user, other, rows in zip(pairs, own, people_rows, records, strict=True):
        if other is not None:
            related, lives_with = _related(user, other, rows)
            found[pair] = Compared(None, _surnames(ctx, agency, other), related, lives_with)
    return found


async def _own(ctx: Context, ledger: Ledger, agency: str, tokens: Sequence[bytes]) -> list[Opened | None]:
    """The employer's own row of each person, None where it has none."""
    distinct = sorted({one for one in tokens if one})
    answers = await ledger.read([Read(people.OWN_BY_TOKEN, {"token": one, "agency": agency}) for one in distinct])
    found = {one: people.open_person(ctx.vault, rows[0]) for one, rows in zip(distinct, answers, strict=True) if rows}
    return [found.get(one) for one in tokens]


def _nhs_token(ctx: Context, patient: str) -> bytes:
    system, _, number = patient.partition("|")
    return ctx.vault.nhs_token(number) if system == NHS_NUMBER else b""


def _surnames(ctx: Context, agency: str, person: Opened) -> frozenset[bytes]:
    names = (plain(str(one.get("family", ""))) for one in person.patient.get("name", ()))
    return frozenset(register.staff_token(ctx.vault, agency, "surname", name) for name in names if name)


def _related(user: Opened | None, other: Opened, rows: Rows) -> tuple[bool, bool]:
    """Whether the records say that the two are related, and that they live together."""
    if user is None:
        return False, False
    held = [people.open_record(other.cipher, row[5:]) for row in rows]
    told = [one.body for one in held if one.related == user.id and one.body.get("active", True)]
    return bool(told), any(_lives_with(one) for one in told)


def _lives_with(body: Mapping[str, Any]) -> bool:
    return any(
        str(one.get("url", "")).endswith("/lives-with") and one.get("valueCode") == "yes" for one in body.get("extension", ())
    )
