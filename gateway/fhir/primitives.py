"""The primitive types of FHIR R4 4.0.1 (datatypes.html): what a JSON value of each may be."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

MEGABYTE = 1024 * 1024
WHOLE_DAY = len("2026-01-31")

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_CODE = re.compile(r"[^\s]+(?:\s[^\s]+)*").fullmatch
_URI = re.compile(r"[^\s]+").fullmatch
_OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+").fullmatch
_UUID = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_DATE = re.compile(r"(?!0000)[0-9]{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]))?)?").fullmatch
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_TIME = re.compile(_CLOCK).fullmatch
_INSTANT = re.compile(rf"(?!0000)[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_CLOCK}{_ZONE}").fullmatch
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]").search
_NARRATIVE = re.compile(r"\s*<div[^>]*\sxmlns=([\"'])http://www\.w3\.org/1999/xhtml\1").match
_ACTIVE = re.compile(r"<\s*(?:script|iframe|object|embed|form|base|link|head|body)\b|\son[a-z]+\s*=|javascript:", re.I).search
_TAG = re.compile(r"<[^<>]*>").sub


@dataclass(frozen=True, slots=True)
class Primitive:
    """A primitive type: its name, a test that never raises on any JSON value, and what would be right."""

    name: str
    accepts: Callable[[Any], bool]
    right: str


def is_date(value: Any) -> bool:
    """A year, a month or a day that exists."""
    if type(value) is not str or _DATE(value) is None:
        return False
    return len(value) != WHOLE_DAY or _exists(value)


def is_instant(value: Any) -> bool:
    """Date, time to the second and zone."""
    return type(value) is str and _INSTANT(value) is not None and _exists(value[:WHOLE_DAY])


def is_datetime(value: Any) -> bool:
    """A date of any precision, or an instant."""
    return is_instant(value) or is_date(value)


def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _is_string(value: Any) -> bool:
    if type(value) is not str or not value:
        return False
    if not value.isprintable() and _CONTROL(value):
        return False
    return len(value) <= MEGABYTE and not value.isspace()


def _is_boolean(value: Any) -> bool:
    return value is True or value is False


def _is_decimal(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value - value == 0)


def _is_base64(value: Any) -> bool:
    if type(value) is not str or not value.strip():
        return False
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_narrative(value: Any) -> bool:
    """txt-1 and txt-2 as far as they protect a reader: a div, with content, that runs nothing."""
    if type(value) is not str or _NARRATIVE(value) is None or _ACTIVE(value) is not None:
        return False
    return "<img" in value or bool(_TAG("", value).strip())


def _text(match: Callable[[str], Any]) -> Callable[[Any], bool]:
    return lambda value: type(value) is str and match(value) is not None


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= 2147483647


_LOCATOR = "without spaces, not empty"
_STRING = "a text that is not blank, without control characters, of at most 1 MB"

PRIMITIVES: dict[str, Primitive] = {
    kind.name: kind
    for kind in (
        Primitive("id", _text(_ID), "1 to 64 letters, digits, hyphens and dots"),
        Primitive("code", _text(_CODE), "without spaces at its start or end, with single spaces inside"),
        Primitive("uri", _text(_URI), _LOCATOR),
        Primitive("url", _text(_URI), _LOCATOR),
        Primitive("canonical", _text(_URI), _LOCATOR),
        Primitive("oid", _text(_OID), "urn:oid: and digits with dots"),
        Primitive("uuid", _text(_UUID), "urn:uuid: and 32 hexadecimal digits in five groups"),
        Primitive("string", _is_string, _STRING),
        Primitive("markdown", _is_string, _STRING),
        Primitive("xhtml", _is_narrative, "one xhtml div with its namespace and some content, without scripts or handlers"),
        Primitive("boolean", _is_boolean, "true or false, without quotation marks"),
        Primitive("integer", _whole(-2147483648), "a whole number of 32 bits"),
        Primitive("unsignedInt", _whole(0), "a whole number from 0 to 2147483647"),
        Primitive("positiveInt", _whole(1), "a whole number from 1 to 2147483647"),
        Primitive("decimal", _is_decimal, "a number, without quotation marks"),
        Primitive("base64Binary", _is_base64, "base64"),
        Primitive("date", is_date, "a day that exists: YYYY, YYYY-MM or YYYY-MM-DD"),
        Primitive("dateTime", is_datetime, "a date that exists; if with a time, then to the second and with a zone"),
        Primitive("instant", is_instant, "YYYY-MM-DDThh:mm:ss with a zone (Z or +hh:mm)"),
        Primitive("time", _text(_TIME), "hh:mm:ss"),
    )
}


def after(start: Any, end: Any) -> bool:
    """Whether a dateTime is surely later than another; what the precision leaves open is not."""
    if not (is_datetime(start) and is_datetime(end)):
        return False
    if len(start) > WHOLE_DAY and len(end) > WHOLE_DAY:
        return _moment(start) > _moment(end)
    shared = min(len(start), len(end), WHOLE_DAY)
    return bool(start[:shared] > end[:shared])


def _moment(value: str) -> datetime:
    leap = value[17:19] == "60"
    moment = datetime.fromisoformat(value[:17] + "59" + value[19:] if leap else value)
    return moment + timedelta(seconds=1) if leap and moment.year < datetime.max.year else moment
