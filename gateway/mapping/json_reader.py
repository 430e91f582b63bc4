"""JSON in (RFC 8259), strict where a tolerant reader is dangerous.

Duplicate members, NaN, NUL and nesting below 32 levels are refused: two readers would not agree on them.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

from gateway.fhir.outcomes import Issue
from gateway.mapping.unreadable import Unreadable, text_of

JSON_BYTES: Final = 20_000_000
DEPTH: Final = 32
STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
BRACKETS = re.compile(r"[\[\]{}]")


class Duplicate(ValueError):
    """An object names a member twice."""


def read_json(data: bytes) -> Any:
    """The value of a JSON file; Unreadable where it is not JSON that every reader reads alike."""
    if len(data) > JSON_BYTES:
        raise Unreadable(Issue(f"The file is longer than {JSON_BYTES} bytes: send it in parts.", "too-long"))
    text = text_of(data)
    if "\\u0000" in text:
        raise Unreadable(Issue("A text holds the NUL character: remove it.", "structure"))
    if depth(text) > DEPTH:
        raise Unreadable(Issue(f"The JSON is nested more than {DEPTH} levels deep.", "structure"))
    return parsed(text)


def parsed(text: str) -> Any:
    """Read twice: once for what JSON forbids, once for members named twice."""
    try:
        orjson.loads(text)
        return json.loads(text, object_pairs_hook=members)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Unreadable(Issue("The file is not valid JSON from here on.", "structure", place)) from None
    except (Duplicate, ValueError, RecursionError):
        raise Unreadable(Issue("An object names the same member twice, or a number is too long.", "structure")) from None


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, each member named once."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Duplicate
    return found


def depth(text: str) -> int:
    """How deep brackets nest outside of strings, counted before anything is parsed."""
    level = deepest = 0
    for bracket in BRACKETS.findall(STRINGS.sub("", text)):
        level += 1 if bracket in "[{" else -1
        deepest = max(deepest, level)
    return deepest
