"""Acknowledgements of HL7 v2 messages (original mode): AA taken, AE not to be sent again as it is, AR not for here or not now.

A NACK says why in ERR, for people: codes of HL7 table 0357, the place, and what to do. What was taken with a warning says so
the same way with severity W, since version 2.5: before, an ERR can only be an error. No value of the message stands in it but
its own number and the names of its applications.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.fhir.outcomes import Issue
from gateway.mapping.hl7_reader import Message

TAKEN, ERROR, REJECT = "AA", "AE", "AR"
PLACE = re.compile(r"\b([A-Z][A-Z0-9]{2})(?:-(\d{1,3}))?\b")
ESCAPED = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\", "\r": " ", "\n": " "})
STANDARD = "|^~\\&"
REASONS = {  # HL7 table 0357
    "structure": ("100", "Segment sequence error"),
    "required": ("101", "Required field missing"),
    "value": ("102", "Data type error"),
    "code-invalid": ("103", "Table value not found"),
    "not-supported": ("200", "Unsupported message type"),
    "duplicate": ("205", "Duplicate key identifier"),
}
INTERNAL = ("207", "Application internal error")
ACCEPTED = ("0", "Message accepted")
BY_PLACE = {"MSH-11": ("202", "Unsupported processing id"), "MSH-12": ("203", "Unsupported version id")}
MOST_ERRORS = 10
SEVERITIES_SINCE = "2.5"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a message: the code of MSA-1, and why; or, of what was taken, what its sender is warned of."""

    code: str
    issues: tuple[Issue, ...] = ()
    repeated: bool = False


def acknowledgement(message: Message | None, verdict: Verdict, stamp: str, control: str) -> bytes:
    """The acknowledgement as it goes over the wire, without its frame. ``stamp`` is our time (YYYYMMDDHHMMSS+ZZZZ),
    ``control`` our own number; ``message`` is None where what came is none."""
    version = (message.value("MSH", 12) if message else "") or "2.5"
    event = message.value("MSH", 9, 2) if message else ""
    kind = f"ACK^{_plain(event)}^ACK" if event and version >= "2.4" else "ACK"
    number = _plain(message.value("MSH", 10)) if message else ""
    processing = (_plain(message.value("MSH", 11)) if message else "") or "P"
    there = [_echo(message, place) for place in (5, 6, 3, 4)]
    taken = verdict.code == TAKEN
    first = verdict.issues[0].text if verdict.issues and not taken else ("Taken before." if verdict.repeated else "")
    told = verdict.issues[:MOST_ERRORS] if version >= SEVERITIES_SINCE or not taken else ()
    lines = [
        "|".join(["MSH", STANDARD[1:], *there, stamp, "", kind, control, processing, _plain(version)]),
        "|".join(["MSA", verdict.code, number, _plain(first)]).rstrip("|"),
        *(_err(issue, version, taken=taken) for issue in told),
    ]
    return "".join(f"{line}\r" for line in lines).encode()


def _plain(text: str) -> str:
    """A text of a field: delimiters escaped, nothing that cannot be printed."""
    return "".join(sign if sign.isprintable() else " " for sign in text).translate(ESCAPED)


def _echo(message: Message | None, place: int) -> str:
    """An application or facility as the sender wrote it; empty where it writes by other delimiters than ours."""
    segment = message.first("MSH") if message else None
    if segment is None or (segment.raw(1) + segment.raw(2))[:5] != STANDARD:
        return ""
    return "".join(sign for sign in segment.raw(place) if sign.isprintable())[:227]


def _err(issue: Issue, version: str, *, taken: bool) -> str:
    """Since 2.5 place, code, severity and words apart; before, all in one field."""
    code, name = BY_PLACE.get(_where(issue)[0], REASONS.get(issue.code, ACCEPTED if taken else INTERNAL))
    field, segment, number = _where(issue)
    place = f"{segment}^1^{number}".rstrip("^") if field else ""
    if version >= SEVERITIES_SINCE:
        return f"ERR||{place}|{code}^{name}^HL70357|{'W' if taken else 'E'}||||{_plain(issue.text)}"
    return f"ERR|{segment}^^{number}^{code}&{_plain(issue.text)}&HL70357"


def _where(issue: Issue) -> tuple[str, str, str]:
    """The place in the message: ``PID-3``, segment and number; empty where it is not said."""
    found = list(PLACE.finditer(issue.where))
    if not found:
        return "", "", ""
    segment, number = found[-1][1], found[-1][2] or ""
    return (f"{segment}-{number}" if number else segment), segment, number


def rejects(issues: Iterable[Issue]) -> bool:
    """Whether it is the kind of message that is not taken, rather than what this one says."""
    return any(issue.code == "not-supported" and _where(issue)[1] == "MSH" for issue in issues)
