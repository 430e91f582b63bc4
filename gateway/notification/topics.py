"""What has happened: from a record before and after a change to the topics that are told of it.

Topics are data (``mappings/topics``): tier and urgency each. A topic above the receiver's tier goes out as
``known-status-changed``. Adoption raises no notice; that is ruled where changes are applied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from gateway.fhir.codes import SHIELDING
from gateway.fhir.dates import first_day
from gateway.fhir.elements import extension_parts, flag_detail

Resource = Mapping[str, Any]
STATUS_CHANGED = "known-status-changed"
SIGNAL_ENDED = "signal-ended"
RETRACTED = "record-retracted"

STARTED = {
    "inpatient": "admitted",
    "inpatient-mother-baby": "admitted",
    "on-leave": "leave-started",
    "absent-without-leave": "absent-without-leave",
    "cp-plan": "child-protection-plan-started",
    "cp-plan-unborn": "child-protection-plan-started",
    "looked-after": "looked-after-started",
}
ENDED = {
    "inpatient": "discharged",
    "inpatient-mother-baby": "discharged",
    "on-leave": "leave-ended",
    "cp-plan": "child-protection-plan-ended",
    "cp-plan-unborn": "child-protection-plan-ended",
    "looked-after": "looked-after-ended",
}


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as ``mappings/topics`` describes it."""

    code: str
    title: str
    tier: int | None  # None: as told before (record-retracted)
    urgent: bool


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to one person at one agency."""

    topic: str
    happened: str  # FHIR date or dateTime
    status: bool  # whether the person's status changed by it
    reason: str = "new"  # new | update | delete, of the MessageHeader
    undoes: frozenset[str] = frozenset()  # of a retraction: the topics under which the record was told; empty: any


AS_TOLD = "as-told"


def load_topics(folder: Path) -> dict[str, Topic]:
    """All topics by code. Raises ValueError naming the file."""
    topics = {}
    for path in sorted(folder.glob("*.json")):
        try:
            raw = json.loads(path.read_text())
            topics[raw["code"]] = Topic(raw["code"], raw["title"], _tier(raw["tier"]), raw["urgent"] is True)
        except (KeyError, TypeError, ValueError) as fault:
            raise ValueError(f"{path}: {fault!r}") from fault
    return topics


def _tier(stated: Any) -> int | None:
    """The tier of a topic. What is neither 0 to 3 nor as-told must not pass as told to everybody."""
    if stated == AS_TOLD:
        return None
    if type(stated) is not int or stated not in range(4):
        raise ValueError("tier is 0 to 3 or as-told")
    return stated


def flag_changes(before: Resource | None, after: Resource, on: date) -> list[Change]:
    """What the change of a Flag means: a stay begun or ended, a plan begun or ended, a record taken back.

    ``before`` counts as it stood when it was stored, so that a start or end that lay ahead then is told once its day
    has come and the record is sent again. What ended long before it was first told is history and no news.
    """
    detail = flag_detail(after)
    if not detail or detail in SHIELDING:
        return []
    was, now = _was_open(before), _open(after, on)
    if after.get("status") == "entered-in-error":
        undone = frozenset({STATUS_CHANGED, STARTED.get(detail, STATUS_CHANGED), ENDED.get(detail, STATUS_CHANGED)})
        return [] if was is None else [Change(RETRACTED, on.isoformat(), True, "delete", undone)]
    if now and (not was or flag_detail(before or {}) != detail):
        return [_begun(detail, before, after, on)]
    if now is False and (was or (before is None and _has_just_ended(after, on))):
        return [_ended(detail, after, on)]
    return [Change("lead-professional-changed", on.isoformat(), False, "update")] if now and _lead_changed(before, after) else []


def _begun(detail: str, before: Resource | None, flag: Resource, on: date) -> Change:
    """New; or, where an end was taken back (a cancelled discharge), an update of what was told."""
    taken_back = _was_open(before) is False and bool((before or {}).get("period", {}).get("end"))
    reason = "update" if taken_back else "new"
    return Change(STARTED.get(detail, STATUS_CHANGED), flag.get("period", {}).get("start") or on.isoformat(), True, reason)


def _ended(detail: str, flag: Resource, on: date) -> Change:
    end = first_day(flag.get("period", {}).get("end"))
    if end is None or end > on:  # it did not end: its start was put off
        return Change(STATUS_CHANGED, on.isoformat(), True, "update")
    return Change(ENDED.get(detail, STATUS_CHANGED), flag["period"]["end"], True)


NEWS = timedelta(days=7)  # an end that is first told later than this is history


def _has_just_ended(flag: Resource, on: date) -> bool:
    end = first_day(flag.get("period", {}).get("end"))
    return end is not None and on - NEWS <= end <= on


def _has_begun(flag: Resource, on: date) -> bool:
    start = first_day(flag.get("period", {}).get("start"))
    return start is None or start <= on


def _open(flag: Resource, on: date) -> bool | None:
    """Whether an involvement is open on a day; None where it was entered in error."""
    if flag.get("status") == "entered-in-error":
        return None
    end = first_day(flag.get("period", {}).get("end"))
    return _has_begun(flag, on) and (end is None or end > on)


def _was_open(flag: Resource | None) -> bool | None:
    """Whether an involvement was open when it was stored (its status was set then); None where there was none."""
    if flag is None or flag.get("status") == "entered-in-error":
        return None
    return flag.get("status") == "active"


def _lead_changed(before: Resource | None, after: Resource) -> bool:
    return before is not None and before.get("contained", []) != after.get("contained", []) and "contained" in after


MOVES = {ENDED[detail]: STARTED[detail] for detail in ENDED if detail in STARTED}


def of_one_person(changes: Sequence[Change]) -> list[Change]:
    """The changes of one person in one record, without what only looks like an end and a new start.

    A child who moves from one placement to the next is looked after all the while: the end of the one and the start
    of the other, on the same or the next day, are one change of the care plan.
    """
    left = list(changes)
    for end in changes:
        start = next((one for one in left if one.topic == MOVES.get(end.topic) and _follows(end, one)), None)
        if start is not None and end in left:
            left[left.index(end)] = Change("care-plan-changed", start.happened, False, "update")
            left.remove(start)
    return left


def _follows(end: Change, start: Change) -> bool:
    ended, begun = first_day(end.happened), first_day(start.happened)
    return ended is not None and begun is not None and timedelta(0) <= begun - ended <= timedelta(days=1)


def relationship_changes(before: Resource | None, after: Resource, on: date) -> list[Change]:
    """A relationship begun, ended, or with another role or responsibility."""
    if before is not None and _relation(before) == _relation(after):
        return []
    return [Change("relationship-changed", on.isoformat(), False, "new" if before is None else "update")]


def _relation(related: Resource) -> tuple[Any, ...]:
    responsibility = extension_parts(related, "parental-responsibility")
    return (related.get("active", True), related.get("relationship"), responsibility, related.get("period"))


def consent_changes(on: date, *, is_new: bool) -> list[Change]:
    """A wish was written down or changed; what it says is not told."""
    return [Change("wishes-changed", on.isoformat(), False, "new" if is_new else "update")]


def patient_changes(before: Resource | None, after: Resource, on: date) -> list[Change]:
    """A death, the first time it is told."""
    if _died(after) and not _died(before or {}):
        return [Change("person-died", str(after.get("deceasedDateTime") or on.isoformat()), True)]
    return []


def _died(patient: Resource) -> bool:
    return bool(patient.get("deceasedBoolean") or patient.get("deceasedDateTime"))


def hears(subscribed: str, change: Change) -> bool:
    """Whether a subscription to a topic is told of a change. Whoever may have been told of a record hears that it is
    taken back."""
    if change.topic == RETRACTED:
        return not change.undoes or subscribed in change.undoes or subscribed == RETRACTED
    return subscribed == change.topic or (subscribed == STATUS_CHANGED and change.status)


# The class of data that a topic tells, where its tier does not say it.
TELLS = {"relationship-changed": "relative-identity", "crisis-plan-updated": "marker", "contact-arrangements-changed": "marker"}
OF_TIER = {0: {"existence"}, 1: {"status"}, 2: {"contact"}, 3: {"status", "detail"}}


def told_to(topic: Topic, classes: frozenset[str]) -> str | None:
    """The topic under which a receiver who may hear these classes hears of it; None where nothing may be told.

    The tier alone would tell a receiver who may hear the contact, and nothing else, that the status has changed.
    """
    needed = {TELLS[topic.code]} if topic.code in TELLS else OF_TIER[topic.tier or 0]
    if topic.tier is None or needed <= classes:
        return topic.code
    return STATUS_CHANGED if "status" in classes else None
