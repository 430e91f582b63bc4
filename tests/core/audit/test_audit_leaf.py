"""What the tree commits to for a row of the access log."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct

import pytest

from gateway.audit.leaf import (
    UNREADABLE,
    Row,
    commitment,
    entry_bytes,
    entry_hash,
    leaf_hash_of,
    leaf_of,
    way_within,
)
from gateway.audit.merkle import verify_inclusion

FIELDS = ("id", "exchange", "requester", "custodian", "patient_token", "user_token", "purpose", "key_id", "body")


def plain_commitment(row: Row) -> bytes:
    """The same by the standard library, as an offline checker would write it."""
    fields = [getattr(row, name) for name in FIELDS]
    raw = [field.encode() if isinstance(field, str) else field for field in fields]
    message = b"access log row 1\n" + struct.pack(">qqq", row.recorded, row.outcome, row.asked)
    message += b"".join(struct.pack(">I", len(field)) for field in raw) + b"".join(raw)
    return hmac.new(row.salt, message, hashlib.sha256).digest()


def test_the_commitment_is_hmac_over_every_column(row: Row) -> None:
    """Anyone with the row can compute its commitment with HMAC-SHA-256 from the standard library."""
    assert commitment(row) == plain_commitment(row)


def plain_entry(row: Row) -> bytes:
    facts = {
        "commitment": plain_commitment(row).hex(),
        "exchange": row.exchange,
        "outcome": row.outcome,
        "recorded": row.recorded,
        "requester": row.requester,
    }
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_an_entry_can_be_computed_from_its_definition(row: Row) -> None:
    """Its hash is SHA-256 of a nought and the sorted JSON of five facts."""
    assert entry_bytes(row) == plain_entry(row)
    assert entry_hash(row) == hashlib.sha256(b"\x00" + plain_entry(row)).digest()


def plain_root(rows: list[Row]) -> bytes:
    """The tree of an exchange's rows in all its places, as an offline checker would build it."""
    size = 8 if len(rows) <= 8 else 64
    start = int.from_bytes(hashlib.sha256(b"\x02" + rows[0].salt).digest()[:4], "big")
    stand: dict[int, bytes] = {(start + number) % size: entry_hash(row) for number, row in enumerate(rows)}
    height = 0
    while size > 1 or height == 0:
        full = [stand.get(place) for place in range(size)]
        pairs = list(zip(full[::2], full[1::2], strict=True))
        stand = {}
        for parent, (left, right) in enumerate(pairs):
            if left or right:
                blind = [
                    hashlib.sha256(b"\x02" + rows[0].salt + f"{height}/{2 * parent + side}".encode()).digest() for side in (0, 1)
                ]
                stand[parent] = hashlib.sha256(b"\x01" + (left or blind[0]) + (right or blind[1])).digest()
        size, height = size // 2, height + 1
    return stand[0]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 40])
def test_a_leaf_can_be_computed_from_its_definition(rows: list[Row], count: int) -> None:
    """The leaf hash is SHA-256 of a nought and the sorted JSON of four facts of the request; the commitment is a root."""
    first = rows[0]
    facts = {
        "commitment": plain_root(rows[:count]).hex(),
        "exchange": first.exchange,
        "recorded": first.recorded,
        "requester": first.requester,
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert leaf_of(rows[:count]) == text
    assert leaf_hash_of(rows[:count]) == hashlib.sha256(b"\x00" + text).digest()


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9])
def test_every_row_leads_to_the_commitment_of_its_leaf(rows: list[Row], count: int) -> None:
    """An inclusion proof for each; another row, or another place, does not lead there."""
    committed = bytes.fromhex(json.loads(leaf_of(rows[:count]))["commitment"])
    for number in range(count):
        place, hashes = way_within(rows[:count], number)
        size = 1 << len(hashes)
        assert verify_inclusion(entry_hash(rows[number]), place, size, hashes, committed)
        assert not verify_inclusion(entry_hash(rows[50]), place, size, hashes, committed)
        assert not verify_inclusion(entry_hash(rows[number]), place ^ 1, size, hashes, committed)


def test_a_way_does_not_tell_how_many_organisations_hold_the_person(rows: list[Row]) -> None:
    """From one row to eight the way has three hashes, and the first row stands anywhere."""
    ways = [way_within(rows[at : at + count], 0) for at in range(40) for count in (1, 2, 8)]
    assert {len(way.hashes) for way in ways} == {3}
    assert {way.place for way in ways} == set(range(8))
    assert {way_within(rows[at : at + 2], 0).place for at in range(40)} == set(range(8))


def test_another_row_beside_changes_the_leaf(rows: list[Row]) -> None:
    """No row can be added to an exchange, taken from it, or given another's place."""
    whole = leaf_hash_of(rows[:4])
    assert len({whole, leaf_hash_of(rows[:3]), leaf_hash_of(rows[:5]), leaf_hash_of([rows[0], rows[2], rows[1], rows[3]])}) == 4


@pytest.mark.parametrize("which", [0, 1, 8])
@pytest.mark.parametrize("name", Row._fields)
def test_any_column_of_any_row_that_changes_changes_the_leaf(rows: list[Row], name: str, which: int) -> None:
    """There is no column of the log that can be edited without trace."""
    value = getattr(rows[which], name)
    other = value + 1 if isinstance(value, int) else value[:-1] + (b"?" if isinstance(value, bytes) else "?")
    changed = [row._replace(**{name: other}) if number == which else row for number, row in enumerate(rows[:9])]
    assert leaf_hash_of(changed) != leaf_hash_of(rows[:9])


def test_text_cannot_slide_from_one_column_into_the_next(row: Row) -> None:
    """Lengths are committed too, so moving a letter between neighbours is seen."""
    moved = row._replace(exchange=row.exchange + "R", requester="XY")
    assert entry_hash(moved) != entry_hash(row._replace(requester="RXY"))
    one, other = (
        row._replace(patient_token=b"ab", user_token=b"c"),
        row._replace(patient_token=b"a", user_token=b"bc"),
    )
    assert commitment(one) != commitment(other)


def test_a_leaf_names_nobody_and_says_what_the_request_says(rows: list[Row]) -> None:
    """Neither token, custodian, purpose nor body stands in the bytes of an entry, and no outcome in those of a leaf."""
    assert set(json.loads(entry_bytes(rows[0]))) == {"commitment", "exchange", "outcome", "recorded", "requester"}
    assert set(json.loads(leaf_of(rows[:3]))) == {"commitment", "exchange", "recorded", "requester"}


def test_equal_rows_with_other_salts_have_nothing_in_common(row: Row) -> None:
    """Without the salt a leaf cannot be guessed from what a row might hold."""
    other = row._replace(salt=bytes(32))
    assert commitment(other) != commitment(row)
    assert leaf_of([other]) != leaf_of([row])


@pytest.mark.parametrize(
    "change", [{"recorded": None}, {"outcome": 2**70}, {"id": b"x"}, {"body": None}, {"salt": b"short"}, {"purpose": "\ud800"}]
)
def test_a_row_that_nobody_could_have_written_raises_what_is_named(rows: list[Row], change: dict[str, object]) -> None:
    """A damaged column of the wrong type is one of the named errors, never a silent hash."""
    for which in (0, 1):
        damaged = [row._replace(**change) if number == which else row for number, row in enumerate(rows[:2])]
        with pytest.raises(UNREADABLE):
            leaf_hash_of(damaged)
