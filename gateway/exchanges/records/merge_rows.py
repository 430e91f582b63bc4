"""A merge that the sender declares (HL7 A40): one of its numbers for a person is given up for another.

What the sender says next of a stay or of a relative it says under the number that stays: what came under the other, and is
found by that number, is found by the one that stays from then on.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from gateway.exchanges.context import new_id
from gateway.exchanges.outbox.enqueue import Happened
from gateway.exchanges.records.persons import Desk, absorb, find_or_create, rows_named
from gateway.fhir.elements import identifiers, identity, nhs_number
from gateway.fhir.systems import NHS_NUMBER
from gateway.mapping.people import person_key, segment
from gateway.mapping.records import Resource, Sender
from gateway.store import outbox, people
from gateway.store.people import Opened
from gateway.store.sql import Read, Row, Write


def merge_rows(desk: Desk, patient: Resource) -> Generator[Any, Any, list[Happened]]:
    """The losing identifiers' rows go into the surviving one's; who was told of somebody else under a number that is not the
    survivor's hears that it was another's."""
    losing = [text for text in (identity(link.get("other")) for link in patient.get("link", ())) if text]
    survivor = yield from _survivor(desk, identifiers(patient), losing)
    gone: list[tuple[Opened, str]] = []
    for text in losing:
        other = yield from desk.row_named(text)
        if other is None:
            yield Write(people.ADD_TOKEN, desk.token_row(survivor.id, text))
        elif other.id != survivor.id:
            gone.append((other, nhs_number(other.patient)))
            yield from absorb(desk, survivor, other, declared=True)
    yield from desk.store_patient(survivor, _with_numbers(survivor.patient, patient))
    for text in losing:
        yield from _rekey(desk, survivor, _key(text), _key(_first(identifiers(patient))))
    return (yield from _told(desk, survivor, gone))


def _survivor(desk: Desk, named: list[str], losing: list[str]) -> Generator[Any, Any, Opened]:
    """The row of the sender's own number that stays. Where that is new, the row that has the NHS number, if it is the one
    that changes its number: a shared NHS number is then no contradiction."""
    own = [text for text in named if not text.startswith(f"{NHS_NUMBER}|")]
    if (yield from rows_named(desk, own)):
        return (yield from find_or_create(desk, own))
    known = yield from rows_named(desk, named)
    changing = yield from rows_named(desk, losing)
    if len(known) == 1 and known.keys() <= changing.keys():
        return next(iter(known.values()))
    return (yield from find_or_create(desk, named))


def _with_numbers(held: Resource, sent: Resource) -> Resource:
    """A person with the numbers of a merge beside those that are held: old local numbers stay, one NHS number stands."""
    known = set(identifiers(held))
    new = [one for one in sent.get("identifier", ()) if not known.issuperset(identifiers({"identifier": [one]}))]
    renumbered = any(one["system"] == NHS_NUMBER for one in new)
    kept = [one for one in held.get("identifier", ()) if not (renumbered and one.get("system") == NHS_NUMBER)]
    return {**held, "identifier": [*new, *kept]} if new else held


def _told(desk: Desk, survivor: Opened, gone: list[tuple[Opened, str]]) -> Generator[Any, Any, list[Happened]]:
    """What was told under another NHS number than the survivor's was another's; the rest was told rightly."""
    happened: list[Happened] = []
    for other, number in gone:
        if number == nhs_number(survivor.patient):
            yield Write(outbox.MOVE_NOTICES, {"loser": other.id, "survivor": survivor.id})
        else:
            happened.append(Happened(other.id, desk.taken_back("update"), merged_into=survivor.id))
    return happened


def _first(named: list[str]) -> str:
    return next((text for text in named if not text.startswith(f"{NHS_NUMBER}|")), named[0])


def _key(text: str) -> str:
    system, _, value = text.partition("|")
    return person_key({"system": system, "value": value}, Sender(""))


def _rekey(desk: Desk, survivor: Opened, old: str, new: str) -> Generator[Any, Any, None]:
    """What stands under the keys of a number goes under those of another; where something stands there, what goes on stands there."""
    for columns in (yield Read(people.RECORDS_OF_PERSON, {"person_id": survivor.id})):
        held = people.open_record(survivor.cipher, columns)
        if held.key.startswith(f"{old}/"):
            yield from _under(desk, survivor, held, new + held.key.removeprefix(old))
    for columns in (yield Read(people.RELATED_TO, {"person_id": survivor.id})):
        yield from _rekey_relative(desk, columns, old, new)


def _rekey_relative(desk: Desk, columns: Row, old: str, new: str) -> Generator[Any, Any, None]:
    owner = people.open_person(desk.ctx.vault, columns[:5])
    held = people.open_record(owner.cipher, columns[5:])
    last = f"/relative/{segment(old)}"
    if held.key.endswith(last):
        yield from _under(desk, owner, held, f"{held.key.removesuffix(last)}/relative/{segment(new)}")


def _under(desk: Desk, owner: Opened, held: people.Held, key: str) -> Generator[Any, Any, None]:
    rows = yield Read(people.RECORD_BY_SOURCE, {"agency": desk.agency, "type": held.type, "source": _source(desk, held, key)})
    if not rows:
        yield _set_source(desk, owner, held, key)
    elif rows[0][-1] == owner.id:
        other = people.open_record(owner.cipher, rows[0][:-1])
        if held.body.get("status") == "active" != other.body.get("status"):  # what goes on is what is spoken of next
            for one, its_key in ((other, new_id()), (held, key), (other, held.key)):
                yield _set_source(desk, owner, one, its_key)


def _set_source(desk: Desk, owner: Opened, held: people.Held, key: str) -> Write:
    sealed = people.seal_record(owner.cipher, held.id, key, held.body, held.origin)
    return Write(people.SET_SOURCE, {"record_id": held.id, "new_source": _source(desk, held, key), "sealed": sealed})


def _source(desk: Desk, held: people.Held, key: str) -> bytes:
    return desk.ctx.vault.token("source", desk.agency, held.type, key)
