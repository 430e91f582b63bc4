"""JSON from strangers: one meaning or a plain refusal."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fhir import strict_json
from gateway.fhir.outcomes import BadRequest, GatewayError, TooLarge

MEBIBYTE = 1024 * 1024


def read(data: bytes, **limits: int) -> Any:
    """The value of a text of at most a mebibyte."""
    return strict_json.loads(data, max_bytes=limits.pop("max_bytes", MEBIBYTE), **limits)


REFUSED = {
    "empty": (b"", "empty"),
    "only blanks": (b" \n", "empty"),
    "cut short": (b'{"a":', "not JSON"),
    "two values": (b"{} {}", "not JSON"),
    "comment": (b"{} // x", "not JSON"),
    "trailing comma": (b"[1,]", "not JSON"),
    "single quotes": (b"{'a':1}", "not JSON"),
    "NaN": (b'{"a":NaN}', "NaN is not"),
    "Infinity": (b'{"a":-Infinity}', "Infinity is not"),
    "latin-1": (b'{"a":"\xe9"}', "not UTF-8"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "not UTF-8"),
    "encoded surrogate": (b'"\xed\xa0\x80"', "not UTF-8"),
    "lone surrogate": (b'{"a":"\\ud800"}', "surrogate"),
    "lone low surrogate": (b'"\\udc00"', "surrogate"),
    "escaped NUL": (b'{"a":"x\\u0000y"}', "U+0000"),
    "escaped NUL in a name": (b'{"a\\u0000":1}', "U+0000"),
    "raw NUL": (b'"\x00"', "not JSON"),
    "duplicate": (b'{"a":1,"a":1}', "twice"),
    "duplicate by escape": (b'{"a":1,"\\u0061":2}', "twice"),
    "duplicate hidden behind an escaped colon": (b'{"b":"\\u003a","a":1,"a":2}', "twice"),
    "duplicate deep inside": (b'{"a":[{"b":{"c":1,"c":2}}]}', "twice"),
    "duplicate of an object": (b'{"a":{"x":1},"a":{"y":2}}', "twice"),
    "33 levels": (b"[" * 33 + b"]" * 33, "nested"),
    "900 levels": (b"[" * 900 + b"]" * 900, "nested"),
    "2,000 levels": (b'{"levels":' * 2000 + b"1" + b"}" * 2000, "nested"),
    "100,000 levels": (b'{"levels":' * 100_000, "nested"),
    "only brackets": (b"[" + b"[]," * 3000 + b"[]]", "brackets"),
    "whole number over 2^53": (b"[9007199254740993]", "too large"),
    "whole number over 2^64": (b"18446744073709551616", "too large"),
    "10,000 digits": (b"1" * 10_000, ""),
    "1e400": (b"1e400", "double"),
}


@pytest.mark.parametrize(("data", "says"), REFUSED.values(), ids=REFUSED)
def test_text_with_no_meaning_or_two_is_refused(data: bytes, says: str) -> None:
    """Each odd text gives a BadRequest that says what is wrong with it."""
    with pytest.raises(BadRequest) as refused:
        read(data)
    assert says in str(refused.value)


def test_over_the_limit_is_too_large() -> None:
    """One byte over the limit is refused before it is parsed."""
    assert read(b"[1]", max_bytes=3) == [1]
    with pytest.raises(TooLarge):
        read(b"[1] ", max_bytes=3)


def test_place_of_a_duplicate() -> None:
    """A duplicate is named with its path, as far as the path is made of plain element names."""
    with pytest.raises(BadRequest) as refused:
        read(b'{"entry":[{"resource":{"gender":"male","gender":"female"}}]}')
    assert refused.value.issues[0].where == "entry[0].resource.gender"


def test_no_name_is_repeated_that_could_be_personal() -> None:
    """The name of a member that is not an element's is shown as a star."""
    with pytest.raises(BadRequest) as refused:
        read(b'{"9990548609":{"Ada Okafor":1,"Ada Okafor":2}}')
    assert refused.value.issues[0].where == "*.*"


def test_place_of_a_syntax_error() -> None:
    """A syntax error is named with line and column."""
    with pytest.raises(BadRequest) as refused:
        read(b'{\n  "a": x}')
    assert refused.value.issues[0].where.startswith("line 2")


def test_byte_order_mark_and_depth_are_tolerated_up_to_the_limit() -> None:
    """A leading byte order mark is skipped; 32 levels are taken."""
    assert read(b'\xef\xbb\xbf{"a":1}') == {"a": 1}
    assert read(b"[" * 32 + b"]" * 32)
    assert read(b"[[1]]", max_depth=2) == [[1]]


def test_colons_and_backslashes_in_strings_are_no_duplicates() -> None:
    """Strings may hold colons, quotes and escaped backslashes before u0000."""
    value = {"a": ':":', "b": '\\u0000 "x": 1', "c": "é", "d:": {"e": ["::", 1.5, None, True]}}
    assert read(json.dumps(value).encode()) == value
    assert read(json.dumps(value, ensure_ascii=False).encode()) == value


scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text().filter(lambda text: "\x00" not in text)
names = st.text().filter(lambda text: "\x00" not in text)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4))


@settings(deadline=None)
@given(values, st.booleans())
def test_reads_what_json_writes(value: Any, ascii_only: bool) -> None:
    """Every good JSON value comes back as it was written, with and without escapes."""
    assert read(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", ":", '":', "\\u003a", "é"]), scalars), min_size=1, max_size=5))
def test_duplicates_are_found_however_they_are_written(members: list[tuple[str, Any]]) -> None:
    """An object is refused exactly when two of its names are the same."""
    text = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=False)}" for name, value in members) + "}"
    if len(dict(members)) == len(members):
        assert read(text.encode()) == dict(members)
    else:
        with pytest.raises(BadRequest):
            read(text.encode())


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]:,"\\u0da1eE+-.NIn ', max_size=40).map(str.encode))
def test_never_anything_but_a_refusal(data: bytes) -> None:
    """Any bytes give a value or one of our own errors."""
    try:
        read(data)
    except GatewayError as refused:
        assert refused.issues


BOMBS = {
    "many keys": b"{" + b",".join(b'"k%d":1' % number for number in range(80_000)) + b"}",
    "many escaped keys": b"{" + b",".join(b'"\\u0061%d":1' % number for number in range(60_000)) + b"}",
    "many brackets": b"[" * MEBIBYTE,
    "many lists": b"[" + b"[]," * 340_000 + b"[]]",
    "many spaced lists": b"[" + b"[]   ," * 170_000 + b"[]]",
    "wide at the bottom": b"[" * 31 + b"1," * 500_000 + b"1" + b"]" * 31,
    "long string": b'"' + b"\\\\" * 500_000 + b'"',
    "long number": b"1" * MEBIBYTE,
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_megabyte_of_anything_is_judged_quickly(data: bytes) -> None:
    """The worst megabyte takes a fraction of a second (200 ms are wanted; a wide margin for slow machines)."""
    assert min(_seconds(data) for _ in range(3)) < 0.6


def _seconds(data: bytes) -> float:
    begun = time.process_time()
    with suppress(GatewayError):
        read(data)
    return time.process_time() - begun
