"""What the tree commits to for a row of the access log."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct

import pytest

from gateway.audit.leaf import UNREADABLE, Row, commitment, leaf_bytes, row_leaf

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


def test_the_leaf_can_be_computed_from_its_definition(row: Row) -> None:
    """The leaf hash is SHA-256 of a nought and the sorted JSON of five facts."""
    facts = {
        "commitment": plain_commitment(row).hex(),
        "exchange": row.exchange,
        "outcome": row.outcome,
        "recorded": row.recorded,
        "requester": row.requester,
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert leaf_bytes(row.recorded, row.exchange, row.requester, row.outcome, commitment(row)) == text
    assert row_leaf(row) == hashlib.sha256(b"\x00" + text).digest()


@pytest.mark.parametrize("name", Row._fields)
def test_any_column_that_changes_changes_the_leaf(row: Row, name: str) -> None:
    """There is no column of the log that can be edited without trace."""
    value = getattr(row, name)
    other = value + 1 if isinstance(value, int) else value[:-1] + (b"?" if isinstance(value, bytes) else "?")
    assert row_leaf(row._replace(**{name: other})) != row_leaf(row)


def test_text_cannot_slide_from_one_column_into_the_next(row: Row) -> None:
    """Lengths are committed too, so moving a letter between neighbours is seen."""
    moved = row._replace(exchange=row.exchange + "R", requester="XY")
    assert row_leaf(moved) != row_leaf(row._replace(requester="RXY"))
    one, other = (
        row._replace(patient_token=b"ab", user_token=b"c"),
        row._replace(patient_token=b"a", user_token=b"bc"),
    )
    assert commitment(one) != commitment(other)


def test_a_leaf_names_nobody(row: Row) -> None:
    """Neither token, custodian, purpose nor body stands in the bytes of a leaf."""
    data = leaf_bytes(row.recorded, row.exchange, row.requester, row.outcome, commitment(row))
    assert set(json.loads(data)) == {"commitment", "exchange", "outcome", "recorded", "requester"}


def test_equal_rows_with_other_salts_have_nothing_in_common(row: Row) -> None:
    """Without the salt a leaf cannot be guessed from what a row might hold."""
    other = row._replace(salt=bytes(32))
    assert commitment(other) != commitment(row)


@pytest.mark.parametrize(
    "change", [{"recorded": None}, {"outcome": 2**70}, {"id": b"x"}, {"body": None}, {"salt": b"short"}, {"purpose": "\ud800"}]
)
def test_a_row_that_nobody_could_have_written_raises_what_is_named(row: Row, change: dict[str, object]) -> None:
    """A damaged column of the wrong type is one of the named errors, never a silent hash."""
    with pytest.raises(UNREADABLE):
        row_leaf(row._replace(**change))  # type: ignore[arg-type]
