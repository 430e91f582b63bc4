"""Entries of the access log and their canonical bytes (RFC 8785)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.entry import DICTIONARY, OUTCOMES, Entry, Kind, canonical, packed, parse

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
ENTRIES = st.builds(
    Entry,
    id=st.binary(min_size=16, max_size=16).map(bytes.hex),
    recorded=st.integers(0, 2**53 - 1),
    exchange=TEXT,
    outcome=st.sampled_from(OUTCOMES),
    kind=st.sampled_from(Kind),
    requester=TEXT,
    custodian=TEXT,
    client=TEXT,
    user=TEXT,
    role=TEXT,
    purpose=TEXT,
    case_reference=TEXT,
    patient=TEXT,
    found=TEXTS,
    basis=TEXTS,
    tier=st.none() | st.integers(0, 3),
    policy=TEXT,
    consents=TEXTS,
    refusal=TEXT,
    disclosure=TEXT,
    request_id=TEXT,
    detail=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    asked=st.booleans(),
)
LEAST = Entry("0" * 32, 1, "look_up_status", 0, Kind.NEGATIVE)
KEPT = "01834716fdd33d31b1008c08dc00e8216804c10b195cd103548a3dec811248010be2901fae28b90000"  # the same, packed
SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain_jcs(value: Any) -> str:
    """RFC 8785 for strings, integers, lists and objects, written from its text."""
    if isinstance(value, str):
        return '"' + "".join(SHORT.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in value) + '"'
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(plain_jcs(one) for one in value) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(f"{plain_jcs(key)}:{plain_jcs(value[key])}" for key in keys) + "}"


def as_plain(entry: Entry) -> dict[str, Any]:
    fields = entry._asdict()
    return {**fields, "kind": str(entry.kind), "asked": int(entry.asked), "tier": -1 if entry.tier is None else entry.tier}


@given(ENTRIES)
def test_canonical_bytes_are_those_of_rfc_8785(entry: Entry) -> None:
    """An auditor with any RFC 8785 tool gets the bytes that were sealed."""
    assert canonical(entry) == plain_jcs(as_plain(entry)).encode()


@given(ENTRIES)
def test_an_entry_survives_being_written_and_read(entry: Entry) -> None:
    """What is read back from the log is the entry that was written."""
    assert parse(canonical(entry)) == parse(packed(entry)) == entry


def test_what_entries_are_packed_against_never_changes() -> None:
    """Entries of past years open with these bytes and no others; another dictionary needs another mark."""
    assert sha256(DICTIONARY).hexdigest() == "bf4021aca10c1b438c6f626c6845b203ac5fda1943e5d97ef30df33830dba417"
    assert parse(bytes.fromhex(KEPT)) == LEAST
    with pytest.raises(ValueError):
        parse(bytes.fromhex(KEPT)[:-9])


def test_every_field_is_in_the_canonical_form_in_order() -> None:
    """No field of an entry escapes the seal, and the keys stand sorted."""
    keys = list(orjson.loads(canonical(LEAST)))
    assert keys == sorted(Entry._fields)


@pytest.mark.parametrize("recorded", [2**53, -(2**53)])
def test_a_time_that_json_numbers_cannot_hold_is_refused(recorded: int) -> None:
    """Beyond 53 bits RFC 8785 would round, so nothing is written."""
    with pytest.raises(TypeError):
        canonical(LEAST._replace(recorded=recorded))


def test_text_that_is_no_unicode_is_refused() -> None:
    """A lone surrogate has no UTF-8 form and is not written."""
    with pytest.raises(TypeError):
        canonical(LEAST._replace(user="\ud800"))


def test_an_entry_of_an_older_version_reads_with_defaults() -> None:
    """A field that did not exist when the entry was written is empty."""
    old = {"id": "a", "recorded": 1, "exchange": "look_up_status", "outcome": 4, "kind": "negative"}
    assert parse(orjson.dumps(old)) == Entry("a", 1, "look_up_status", 4, Kind.NEGATIVE)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"7", b'{"id":"a"}', b'{"kind":"gossip"}', canonical(LEAST)[:-1] + b',"zodiac":"x"}']
)
def test_what_is_no_entry_is_refused(data: bytes) -> None:
    """Bytes that this version did not write are never half understood."""
    with pytest.raises(ValueError):
        parse(data)
