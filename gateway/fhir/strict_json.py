"""JSON as a stranger sends it: one meaning or none (RFC 8259, narrowed as I-JSON, RFC 7493, does).

What two readers could take for different things is refused, so that what was checked is what is used later:
duplicate members, NaN and Infinity, lone surrogates, U+0000, numbers that a double cannot hold, text that is not UTF-8.
Good input takes the fast way: one parse, one look for depth and large numbers, and one count of colons. Written out again, a value
has exactly as many colons as it was sent with, unless a member was lost as a duplicate; escapes could hide a colon,
so text with ``\\u`` in it takes the slower way, which looks at every member.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import orjson

from gateway.fhir.outcomes import BadRequest, TooLarge

BOM = b"\xef\xbb\xbf"
LARGEST = 2.0**53  # whole numbers above this are not the same in every reader (RFC 7493, 2.2)
BRACKETS_FREE, BYTES_PER_BRACKET = 1000, 6  # records have one for twenty bytes or more; each costs memory
_NUMBERS, _HOLDERS = frozenset({int, float}), frozenset({dict, list})
_DIGITS_ALIKE = bytes.maketrans(b"123456789E", b"000000000e")
PLAIN_MEMBER = re.compile(r"_?[a-z][A-Za-z]{0,39}")


class _Members(list[tuple[str, Any]]):
    """The members of an object as sent, duplicates included."""


def loads(data: bytes, *, max_bytes: int, max_depth: int = 32) -> Any:
    """The value of a JSON text.

    Raises TooLarge over ``max_bytes`` (bytes as received), else BadRequest, with a sentence and, where there is one,
    the place: a path to a member or a line and column. A leading byte order mark is tolerated. The sentence never
    repeats a value of the text.
    """
    if len(data) > max_bytes:
        raise TooLarge(f"The body has {len(data)} bytes; at most {max_bytes} are taken.")
    if data.startswith(BOM):
        data = data[len(BOM) :]
    brackets = data.count(b"[") + data.count(b"{")
    if brackets > BRACKETS_FREE + len(data) // BYTES_PER_BRACKET:
        raise BadRequest("The body is made of little but brackets.", code="too-costly")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        _refuse_syntax(data, error.lineno, error.colno)
    if brackets > max_depth or _may_hold_large(data):
        _refuse_depth_and_numbers(value, max_depth)
    if b"\\u" in data or orjson.dumps(value).count(b":") != data.count(b":"):
        _refuse_hidden(data)
    return value


def _may_hold_large(data: bytes) -> bool:
    """Whether a number beyond LARGEST can be in this text at all: it would have sixteen digits in a row or an exponent."""
    shape = data.translate(_DIGITS_ALIKE)
    return b"0000000000000000" in shape or b"0e" in shape


def _refuse_depth_and_numbers(value: Any, max_depth: int) -> None:
    level = [value]
    for _ in range(max_depth + 1):
        kinds = set(map(type, level))
        if not kinds.isdisjoint(_NUMBERS):
            _refuse_large(level)
        if kinds.isdisjoint(_HOLDERS):
            return
        below: list[Any] = []
        for holder in level:
            if type(holder) is dict:
                below += holder.values()
            elif type(holder) is list:
                below += holder
        level = below
    raise BadRequest(f"The JSON is nested more than {max_depth} levels deep.", code="too-costly")


def _refuse_large(values: list[Any]) -> None:
    """Refuse numbers that readers would round differently."""
    for value in values:
        if (type(value) is float or type(value) is int) and not -LARGEST <= value <= LARGEST:
            raise BadRequest("A number is too large: whole numbers are exact up to 9007199254740992.", code="value")


def _refuse_hidden(data: bytes) -> None:
    """Look at every member as sent: duplicates and U+0000. The text is known to parse and not to be deep."""
    waiting: list[tuple[Any, str]] = [(json.loads(data, object_pairs_hook=_Members), "")]
    while waiting:
        value, place = waiting.pop()
        if isinstance(value, _Members):
            _refuse_duplicates(value, place)
            waiting += [(member, _below(place, name)) for name, member in value]
        elif isinstance(value, list):
            waiting += [(item, f"{place}[{number}]") for number, item in enumerate(value)]
        elif isinstance(value, str) and "\x00" in value:
            raise BadRequest("A string contains the character U+0000.", where=place, code="value")


def _refuse_duplicates(members: _Members, place: str) -> None:
    seen: set[str] = set()
    for name, _ in members:
        if "\x00" in name:
            raise BadRequest("The name of a member contains the character U+0000.", where=place, code="value")
        if name in seen:
            raise BadRequest("An object has the same member twice.", where=_below(place, name))
        seen.add(name)


def _below(place: str, name: str) -> str:
    """The path of a member; a name that does not look like a FHIR element is not repeated."""
    step = name if PLAIN_MEMBER.fullmatch(name) else "*"
    return f"{place}.{step}" if place else step


def _refuse_syntax(data: bytes, line: int, column: int) -> NoReturn:
    where = f"line {line}, column {column}"
    if not data.strip():
        raise BadRequest("The body is empty.") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest("The body is not UTF-8.", where=f"byte {error.start}") from None
    raise BadRequest(_cause(text), where=where) from None


def _cause(text: str) -> str:
    """Why a strict parser refused what a lenient one may take."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        return "The JSON is nested too deep."
    except BadRequest as error:
        return str(error)
    except ValueError:
        return "The body is not JSON."
    if re.search(r"\\u[dD][89a-fA-F]", text):
        return "A string contains half of a surrogate pair."
    return "A number cannot be held by a double, or the JSON is nested too deep."


def _refuse_constant(name: str) -> NoReturn:
    raise BadRequest(f"{name} is not a JSON number.")
