"""What a receiver says in the body of its answer to a notice that was posted as a FHIR message.

A 2xx status says that the message arrived; the response message in its body may say more (FHIR R4 messaging): that it
could not be processed now, or never, or what somebody makes of it. What cannot be read says nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gateway.notification.schedule import Posted

OK, TRANSIENT, FATAL = "ok", "transient-error", "fatal-error"
CODES = frozenset({OK, TRANSIENT, FATAL})
ACKNOWLEDGEMENTS = ("taken-up", "already-known", "passed-on", "not-ours", "more-needed")
ACKNOWLEDGED = "notice-acknowledged"
MOST = 64 << 10
UNAVAILABLE, UNPROCESSABLE = 503, 422  # as which HTTP statuses the two errors count


@dataclass(frozen=True, slots=True)
class Answered:
    """``code``: ok, transient-error, fatal-error, or empty where the HTTP status alone counts. ``acknowledgement``: what
    the receiver makes of the notice, empty where it does not say."""

    code: str = ""
    acknowledgement: str = ""


NOTHING = Answered()


def answered(notice: str, body: bytes) -> Answered:
    """The answer to one notice, by its id. Whatever the body is, there is an answer."""
    header = _header(body)
    response = header.get("response")
    if not isinstance(response, dict) or response.get("identifier") != notice:
        return NOTHING
    code = response.get("code")
    if not isinstance(code, str) or code not in CODES:
        return NOTHING
    return Answered(code, acknowledgement_of(header) if code == OK else "")


def as_said(posted: Posted, said: Answered) -> Posted:
    """What came of a post, counting what the receiver says in its answer: an error in a 200 is no delivery."""
    if said.code == TRANSIENT:
        return Posted(UNAVAILABLE, TRANSIENT, posted.retry_after)
    return Posted(UNPROCESSABLE, FATAL) if said.code == FATAL else posted


def _header(body: bytes) -> dict[str, Any]:
    """The MessageHeader of a message bundle; empty where the body is none."""
    if not body or len(body) > MOST:
        return {}
    try:
        header = json.loads(body)["entry"][0]["resource"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return {}
    return header if isinstance(header, dict) and header.get("resourceType") == "MessageHeader" else {}


def acknowledgement_of(header: dict[str, Any]) -> str:
    """The acknowledgement that a MessageHeader of ``notice-acknowledged`` gives as its reason; empty where it gives none."""
    event = header.get("eventCoding")
    if not isinstance(event, dict) or event.get("code") != ACKNOWLEDGED:
        return ""
    reason = header.get("reason")
    codings = reason.get("coding") if isinstance(reason, dict) else None
    stated = [one.get("code") for one in codings if isinstance(one, dict)] if isinstance(codings, list) else []
    return next((code for code in stated if code in ACKNOWLEDGEMENTS), "")
