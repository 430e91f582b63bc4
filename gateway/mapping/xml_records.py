"""An element of an XML file as a record of its format: known fields by name, each text or a list as the format has it."""

from __future__ import annotations

from typing import Any

from gateway.mapping.formats import Format
from gateway.mapping.values import Work
from gateway.mapping.xml_reader import Found

FIELD_NAME = 60  # characters of a foreign element's name that an issue repeats


def unknown_paths(value: dict[str, list[Any]], fmt: Format, path: str = "") -> list[str]:
    """The elements that the format does not have."""
    found: list[str] = []
    known = fmt.levels.get(path, frozenset())
    for name, listed in value.items():
        here = f"{path}.{name}" if path else name
        if name not in known:
            found.append(here)
        elif here in fmt.levels:
            found += [one for part in listed if isinstance(part, dict) for one in unknown_paths(part, fmt, here)]
    return list(dict.fromkeys(found))


def shaped(found: Found, fmt: Format, unknown: list[str], work: Work) -> dict[str, Any]:
    """The record of an element. Warns of what is not kept: foreign elements, text between fields, fields told twice."""
    for path in unknown:
        shown = path if path.isascii() and len(path) <= FIELD_NAME else "an element"
        work.warn(f"This is not a field of {fmt.label} and was not kept.", shown, "not-supported")
    for holder in dict.fromkeys(found.stray):
        work.warn("Text stands between the fields and was not read.", holder, "structure")
    return level(found.value, fmt, "", work)


def level(value: dict[str, list[Any]], fmt: Format, path: str, work: Work) -> dict[str, Any]:
    """The known parts of one object."""
    made: dict[str, Any] = {}
    known = fmt.levels.get(path, frozenset())
    for name, listed in value.items():
        here = f"{path}.{name}" if path else name
        if name not in known:
            continue
        parts = [one for one in (part(each, fmt, here, work) for each in listed) if one]
        if here in fmt.lists:
            made[name] = parts
        elif parts:
            made[name] = single(parts, here, work)
    return made


def part(value: Any, fmt: Format, path: str, work: Work) -> Any:
    """One part: an object, or a text. What is the one where the other is due says nothing."""
    if isinstance(value, dict):
        if path in fmt.levels:
            return level(value, fmt, path, work)
    elif path not in fmt.levels or not value:
        return value
    work.warn("The element does not have the form of its format and was not read.", path, "structure")
    return ""


def single(parts: list[Any], path: str, work: Work) -> Any:
    """The one value of a field. Told twice with different words it is a text that no rule can read: nobody guesses."""
    if all(isinstance(one, dict) for one in parts):
        if len(parts) > 1:
            work.warn("The element stands more than once: the first was read.", path, "structure")
        return parts[0]
    different = list(dict.fromkeys(parts))
    if len(different) > 1:
        work.warn("The field stands more than once with different values.", path, "conflict")
    return "|".join(different)
