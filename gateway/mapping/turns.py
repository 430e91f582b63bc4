"""Which of two messages about one stay counts, when they come out of their order: the one that was recorded later.

A *turn* of a stay, a leave or a wait is that it begins, ends, or that either is taken back. Its Flag says when the sender
recorded the last one (extension ``turned``). What was recorded before it only fills in what is missing: a late record never
opens again what is over, and never ends what was reopened. A Flag without turns, of another format, is not touched by this.
"""

from __future__ import annotations

from typing import Final

from gateway.fhir import systems
from gateway.fhir.elements import extension_of, extension_parts, extension_value
from gateway.mapping import dates
from gateway.mapping.records import Resource

AS_OF, TURNED, LAST_RETURN, WITH_STAY = "status-as-of", "turned", "last-return", "ended-with-stay"
LEAVE: Final = "/leave"  # the key of a leave is that of its stay, and this


def recorded(flag: Resource) -> str:
    """When the sender recorded what a Flag says; empty where it is not said."""
    return str(extension_value(flag, AS_OF, "valueDateTime") or "")


def turned(flag: Resource) -> str:
    """When the sender recorded its last turn; empty where none is known."""
    return str(extension_value(flag, TURNED, "valueDateTime") or "")


def is_stale(stored: Resource, sent: Resource) -> bool:
    """Whether what is sent was recorded before the last turn of what stands. Times that are equal count as they come."""
    last, own = turned(stored), recorded(sent)
    return bool(last and own) and dates.later(last, own)


def is_cancelled(flag: Resource) -> bool:
    """Whether it was recorded in error, by a message whose time is known."""
    return flag.get("status") == "entered-in-error" and bool(turned(flag))


def ended_with_stay(leave: Resource) -> bool:
    """Whether a leave ended because its stay did, and not by the person's return."""
    return "end" in leave.get("period", {}) and bool(extension_value(leave, WITH_STAY, "valueBoolean"))


def may_end(stored: Resource) -> bool:
    """Whether an end still counts: a return that is told late says more than the end of the stay."""
    return not stored.get("period", {}).get("end") or ended_with_stay(stored)


def without(sent: Resource, name: str) -> Resource:
    """What is sent without one of our extensions."""
    found = extension_of(sent, name)
    return {**sent, "extension": [one for one in sent["extension"] if one is not found]} if found else sent


def newer_return(stored: Resource, sent: Resource) -> Resource | None:
    """The return from leave that is sent with a stay, where none that is stored was recorded after it."""
    known, found = (extension_parts(one, LAST_RETURN).get("recorded", "") for one in (stored, sent))
    return None if not found or (known and dates.later(known, found)) else dict(extension_of(sent, LAST_RETURN) or {})


def to_put_over(stored: Resource, sent: Resource) -> Resource:
    """What is sent, without a return that is older than one that is known."""
    return sent if newer_return(stored, sent) else without(sent, LAST_RETURN)


def filled(stored: Resource, sent: Resource) -> Resource:
    """What stands, with what a late message tells that was missing: since when, whom to ask, a return from leave."""
    if stored.get("status") == "entered-in-error":
        return stored
    missing = {name: sent[name] for name in ("contained",) if name in sent and name not in stored}
    start = stored.get("period", {}).get("start") or sent.get("period", {}).get("start")
    period = {**({"start": start} if start else {}), **stored.get("period", {})}
    back = newer_return(stored, sent)
    told = [*without(stored, LAST_RETURN).get("extension", []), back] if back else stored.get("extension", [])
    return {**stored, **missing, "period": period, "extension": told}


def part_of(
    stay: Resource | None, before: Resource | None, leave: Resource, sent: Resource, base: str = systems.BASE
) -> Resource | None:
    """A leave as its stay lets it stand: it does not outlast it, and a return that came first ends it. None where what is
    sent is nothing of that stay: the stay was cancelled, or was reopened since. ``before`` is the leave that stood."""
    if stay is None or leave.get("status") == "entered-in-error":
        return leave
    if not is_within(stay, leave, sent):
        return None
    period = leave.get("period", {})
    if period.get("end"):
        return leave
    back, end = extension_parts(stay, LAST_RETURN), stay.get("period", {}).get("end")
    if back and turned(before or {}) != back["recorded"] and not dates.later(recorded(leave), back["recorded"]):
        return {**leave, "period": {**period, "end": back["day"]}}
    if not end:
        return leave
    told = [*without(leave, WITH_STAY).get("extension", []), with_stay(True, base)]
    return {**leave, "period": {**period, "end": end}, "extension": told}


def is_within(stay: Resource, leave: Resource, sent: Resource) -> bool:
    """Whether what is sent is of this stay as it stands now."""
    if stay.get("status") == "entered-in-error":
        return False
    if not is_stale(stay, sent):
        return True
    if extension_value(sent, WITH_STAY, "valueBoolean"):  # by a discharge that was taken back since
        return False
    began, left = stay.get("period", {}).get("start"), leave.get("period", {}).get("start")
    return not (began and left and left < began)


def with_stay(ended: bool | None, base: str) -> Resource:
    """The mark of a leave that ended because its stay did; None takes it away."""
    return {"url": systems.extension(WITH_STAY, base), "valueBoolean": ended}


def turn(moment: str, base: str) -> Resource:
    """The mark of a turn that was recorded at a moment."""
    return {"url": systems.extension(TURNED, base), "valueDateTime": moment}


def last_return(moment: str, day: str, base: str) -> Resource:
    """The mark on a stay of the return from leave that was recorded last, and of its day."""
    parts = [{"url": "recorded", "valueDateTime": moment}, {"url": "day", "valueDate": day}]
    return {"url": systems.extension(LAST_RETURN, base), "extension": parts}
