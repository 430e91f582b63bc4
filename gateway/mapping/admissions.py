"""Several admissions under one key, and the waits that they end: a visit number is used again, a stay without a number is
always the current one, and a plan may come after the admission that it was for.

A stay says of each admission (A01) of which its sender told when that was recorded, and of which day it was (extension
``admission``). What is sent of a plan or a cancel says which visit and which admission it names (``about-stay``); that is
not stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.fhir import systems
from gateway.fhir.elements import extension_of, extension_parts
from gateway.mapping import dates, turns
from gateway.mapping.records import Resource

ADMISSION, ABOUT = "admission", "about-stay"
WAITING: Final = "/waiting"  # the key of a wait is that of its person, and this
MOST: Final = 20  # admissions that are remembered of one key


def admission(recorded: str, day: str, base: str) -> Resource:
    """The mark of an admission of a day, recorded at a moment."""
    parts = [{"url": "recorded", "valueDateTime": recorded}, {"url": "day", "valueDate": day}]
    return {"url": systems.extension(ADMISSION, base), "extension": parts}


def about(stay: str, day: str, base: str) -> Resource:
    """The mark of what is sent: the visit that it names (the last part of a stay's key), the day of the admission that it
    names; empty where it names none."""
    named = [{"url": "stay", "valueString": stay}, {"url": "admitted", "valueDate": day}]
    return {"url": systems.extension(ABOUT, base), "extension": [one for one in named if all(one.values())]}


def by_day(stay: Resource) -> dict[str, Resource]:
    """The marks of its admissions, by their days."""
    found = [one for one in stay.get("extension", ()) if str(one.get("url", "")).endswith(f"/{ADMISSION}")]
    return {part["valueDate"]: one for one in found for part in one["extension"] if part["url"] == "day"}


def admissions(stay: Resource) -> list[tuple[str, str]]:
    """When each admission was recorded, and its day."""
    told = by_day(stay)
    return [(part["valueDateTime"], day) for day, one in told.items() for part in one["extension"] if part["url"] == "recorded"]


def last_day(stay: Resource) -> str:
    """The day of the admission that was recorded last; empty where none is known."""
    last = ("", "")
    for one in admissions(stay):
        last = one if not last[0] or not dates.later(last[0], one[0]) else last
    return last[1]


def noted(stands: Resource, told: Resource) -> Resource:
    """What stands, with the admissions that another tells of: of each day one, and the last of them where there are many."""
    own = by_day(stands)
    known = {**by_day(told), **own}
    if len(known) == len(own):
        return stands
    rest = [one for one in stands.get("extension", ()) if one not in own.values()]
    return {**stands, "extension": [*rest, *list(known.values())[-MOST:]]}


def put_over(stored: Resource, sent: Resource) -> Resource:
    """What is sent of an admission, with those that are known. Where it is the next, the end of the last stay is taken
    away, and the start remembered: that admission may not have been told."""
    if not by_day(sent):
        return sent
    if not is_next(stored, sent):
        return noted(sent, stored)
    (mark,) = by_day(sent).values()
    began = stored.get("period", {}).get("start")
    last = {**mark, "extension": [{"url": "recorded", "valueDateTime": began}, {"url": "day", "valueDate": began}]}
    known = {**stored, "extension": [*([last] if began else []), *stored.get("extension", ())]}
    return noted({**sent, "period": {**sent["period"], "end": None}}, known)


def is_next(stored: Resource, sent: Resource) -> bool:
    """Whether an admission is the next under a key whose last stay has ended."""
    before, end = (stored.get("period", {}).get(edge, "") for edge in ("start", "end"))
    start = sent["period"]["start"]
    return bool(end and start >= end and start > before)


def is_of_earlier(stay: Resource | None, sent: Resource) -> bool:
    """Whether a cancel names the day of an admission that was followed by another under the same key."""
    day = extension_parts(sent, ABOUT).get("admitted")
    if not day or stay is None or day in (stay.get("period", {}).get("start"), last_day(stay)):
        return False
    return any(day == one for _, one in admissions(stay))


def wait_beside(wait: Resource, sent: Resource, stays: Mapping[str, Resource]) -> Resource | None:
    """A wait as the stays of its person (by key) let it stand: it ended with the first admission that was recorded after
    it. None where nobody waited: the visit that it plans had begun when it was recorded."""
    visit = extension_parts(sent, ABOUT).get("stay", "")
    own = next((stay for key, stay in stays.items() if visit and f"/{key}".endswith(f"/{visit}")), None)
    began = wait.get("period", {}).get("start", "")
    days = [day for stay in stays.values() for day in ending(stay, sent, is_own=stay is own)]
    if not days and own is not None and has_begun(own, sent):
        start = own.get("period", {}).get("start", "")
        if start <= began:
            return None
        days = [start]
    return {**wait, "period": {**wait["period"], "end": max(min(days), began)}} if days else wait


def ending(stay: Resource, sent: Resource, *, is_own: bool) -> list[str]:
    """The days of the admissions that were recorded after a plan; where both are of one moment, of the visit that it plans."""
    recorded = turns.recorded(sent)
    return [day for told, day in admissions(stay) if dates.later(told, recorded) or (is_own and not dates.later(recorded, told))]


def has_begun(stay: Resource, sent: Resource) -> bool:
    """Whether a stay had begun when a plan for its visit was recorded, whether or not its admission was told."""
    if stay.get("status") == "entered-in-error" and not stay.get("period", {}).get("start"):
        return False
    return turns.is_stale(stay, sent) or goes_on(stay)


def goes_on(stay: Resource) -> bool:
    """Whether a stay has neither ended nor been entered in error."""
    return stay.get("status") != "entered-in-error" and not stay.get("period", {}).get("end")


def is_stay(key: str) -> bool:
    """Whether a key is that of a stay in hospital."""
    return ("/stay/" in f"/{key}" or key.endswith("/current-stay")) and not key.endswith(turns.LEAVE)


def plain(sent: Resource) -> Resource:
    """What is sent without what it names, which is not stored."""
    found = extension_of(sent, ABOUT)
    return {**sent, "extension": [one for one in sent["extension"] if one is not found]} if found else sent
