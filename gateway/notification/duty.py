"""Whom to ring at this time: the desk on duty by the clock, the out-of-hours desk at all other times, and who comes after.

Contacts are PractitionerRole resources of one agency. Their hours are those of England (``availableTime``); a duty desk that
states none is taken to be there on working days from nine to five. Nobody is at a duty desk on a bank holiday.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Resource = Mapping[str, Any]
ENGLAND = ZoneInfo("Europe/London")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OFFICE_HOURS: Resource = {"daysOfWeek": list(DAYS[:5]), "availableStartTime": "09:00:00", "availableEndTime": "17:00:00"}
DUTY, OUT_OF_HOURS = "duty-desk", "out-of-hours-desk"
ESCALATION = ("escalation-manager", "safeguarding-lead")


def on_duty(contacts: Sequence[Resource], at: datetime, holidays: Collection[date] = ()) -> Resource | None:
    """The desk that answers at a time with a zone: the duty desk in its hours, else the out-of-hours desk.

    Where neither is there, the duty desk all the same: a contact that is asleep is better than none. None where the agency
    has named no desk.
    """
    local = at.astimezone(ENGLAND)
    duty = [one for one in contacts if kind_of(one) == DUTY]
    night = [one for one in contacts if kind_of(one) == OUT_OF_HOURS]
    there = [one for one in duty if is_there(one, local, holidays)]
    awake = [one for one in night if not one.get("availableTime") or is_there(one, local, ())]
    return next(iter([*there, *awake, *night, *duty]), None)


def escalation_contact(contacts: Sequence[Resource], at: datetime, holidays: Collection[date] = ()) -> Resource | None:
    """Who is told when the desk on duty has not answered either: a manager, else a safeguarding lead, else the desk again."""
    named = (one for kind in ESCALATION for one in contacts if kind_of(one) == kind)
    return next(named, None) or on_duty(contacts, at, holidays)


def kind_of(contact: Resource) -> str:
    """The contact-kind of a PractitionerRole; empty where it has none."""
    codings = (coding for code in contact.get("code", ()) for coding in code.get("coding", ()))
    return next((str(one["code"]) for one in codings if str(one.get("system", "")).endswith("/contact-kind")), "")


def is_there(contact: Resource, local: datetime, holidays: Collection[date]) -> bool:
    """Whether a contact is there at a local time: in one of its hours, and not on a bank holiday."""
    if local.date() in holidays:
        return False
    return any(_covers(hours, local) for hours in contact.get("availableTime") or (OFFICE_HOURS,))


def _covers(hours: Resource, local: datetime) -> bool:
    """Whether one of the hours covers a time; hours that end before they begin go on into the next day."""
    days = hours.get("daysOfWeek") or DAYS
    today, yesterday = DAYS[local.weekday()] in days, DAYS[(local - timedelta(days=1)).weekday()] in days
    if hours.get("allDay"):
        return today
    begins, ends = _time(hours, "availableStartTime", time.min), _time(hours, "availableEndTime", time.max)
    now = local.time()
    if begins <= ends:
        return today and begins <= now < ends
    return (today and now >= begins) or (yesterday and now < ends)


def _time(hours: Resource, name: str, otherwise: time) -> time:
    stated = hours.get(name)
    return time.fromisoformat(stated) if stated else otherwise


def check_hours(hours: Any) -> str:
    """What is wrong with the hours of a contact; empty where nothing is."""
    if not isinstance(hours, list) or not all(isinstance(one, dict) for one in hours):
        return "hours are a list of availableTime"
    for one in hours:
        days = one.get("daysOfWeek", [])
        if not isinstance(days, list) or not set(days) <= set(DAYS):
            return f"days are {', '.join(DAYS)}"
        try:
            _time(one, "availableStartTime", time.min)
            _time(one, "availableEndTime", time.max)
        except (TypeError, ValueError):
            return "times are written HH:MM:SS"
    return ""
