"""What has happened: from a record before and after a change to the topics that are told of it.

Topics are data (``mappings/topics``): tier and urgency each. A topic above the receiver's tier goes out as
``known-status-changed``. Adoption raises no notice; that is ruled where changes are applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from gateway.fhir.codes import INPATIENT, SHIELDING
from gateway.fhir.dates import first_day
from gateway.fhir.elements import coding, extension_parts, extension_value, flag_detail

Resource = Mapping[str, Any]
STATUS_CHANGED = "known-status-changed"
SIGNAL_ENDED = "signal-ended"
RETRACTED = "record-retracted"
OVERDUE = "notice-overdue"
# Sent by themselves to whoever was told before, on the subscription by which they were told: nobody subscribes to them.
BY_THEMSELVES = frozenset({SIGNAL_ENDED, RETRACTED})
# About an agency and no person: their subscriptions name neither a person nor a case list.
WITHOUT_A_PERSON = frozenset({"accessed", "override-used", "feed-stale", "notice-overdue"})
# Of these, what no exchange raises: refused, for a subscription that never hears is worse than none.
NOT_RAISED = frozenset({"notice-overdue"})

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
    respond_hours: int = 0  # within how many hours somebody is to take it up; 0: nobody needs to


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to one person at one agency."""

    topic: str
    happened: str  # FHIR date or dateTime
    status: bool  # whether the person's status changed by it
    reason: str = "new"  # new | update | delete, of the MessageHeader
    undoes: frozenset[str] = frozenset()  # topics of earlier notices that it proves wrong; of a retraction, empty: any


def offered(topics: Iterable[str]) -> list[str]:
    """The topics that can be subscribed to."""
    return [code for code in topics if code not in BY_THEMSELVES | NOT_RAISED]


AS_TOLD = "as-told"


def topic_of(topics: Mapping[str, Topic], code: str) -> Topic:
    """The topic of a code; one that is not described any more is of the highest tier."""
    return topics.get(code) or Topic(code, code, 3, False)


def load_topics(folder: Path) -> dict[str, Topic]:
    """All topics by code. Raises ValueError naming the file."""
    topics = {}
    for path in sorted(folder.glob("*.json")):
        try:
            raw = json.loads(path.read_text())
            topics[raw["code"]] = Topic(raw["code"], raw["title"], _tier(raw["tier"]), raw["urgent"] is True, _hours(raw))
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


MOST_HOURS = 14 * 24


def _hours(raw: Mapping[str, Any]) -> int:
    """Within how many hours a notice of this topic is to be taken up."""
    stated = raw["respond_within_hours"]
    if type(stated) is not int or stated not in range(MOST_HOURS + 1):
        raise ValueError(f"respond_within_hours is a whole number from 0 (never) to {MOST_HOURS}")
    return stated


def flag_changes(before: Resource | None, after: Resource, on: date) -> list[Change]:
    """What the change of a Flag means: a stay begun or ended, a plan begun or ended, a record taken back.

    ``before`` counts as it stood when it was stored, so that a start or end that lay ahead then is told once its day
    has come and the record is sent again. What ended long before it was first told is history and no news.
    """
    detail = flag_detail(after)
    if not detail:
        return _marker_changes(before, after, on)
    if detail in SHIELDING:
        return []
    return [*_involvement_changes(detail, before, after, on), *_plans(detail, before, after, on)]


def _involvement_changes(detail: str, before: Resource | None, after: Resource, on: date) -> list[Change]:
    was, now = _was_open(before), _open(after, on)
    if after.get("status") == "entered-in-error":
        undone = frozenset({STATUS_CHANGED, STARTED.get(detail, STATUS_CHANGED), ENDED.get(detail, STATUS_CHANGED)})
        return [] if was is None else [Change(RETRACTED, on.isoformat(), True, "delete", undone)]
    if now and (not was or flag_detail(before or {}) != detail):
        return [_begun(detail, before, after, on)]
    if now is False and (was or (before is None and _has_just_ended(after, on))):
        return [_ended(detail, after, on)]
    return [Change("lead-professional-changed", on.isoformat(), False, "update")] if now and _lead_changed(before, after) else []


# What is planned for a day that lies ahead, and the extension of a Flag that says so.
PLANNED_END, NEXT_REVIEW = "planned-end", "next-review"


def _plans(detail: str, before: Resource | None, after: Resource, on: date) -> list[Change]:
    """A discharge or a review planned, put on another day, or called off. It is told with the day for which it is planned."""
    if not _open(after, on):
        return []
    told = _plan("review-planned", _review_day(before), _review_day(after), on)
    return told + (_plan("discharge-planned", _end_day(before), _end_day(after), on) if detail in INPATIENT else [])


def _plan(topic: str, before: str, after: str, on: date) -> list[Change]:
    """What changed of one plan, if it is still ahead."""
    day, was = first_day(after), first_day(before)
    if before == after or (day is not None and day <= on):
        return []
    if day is not None:
        return [Change(topic, after, False, "update" if was is not None and was > on else "new")]
    return [Change(topic, on.isoformat(), False, "delete")] if was is not None and was > on else []


def _review_day(flag: Resource | None) -> str:
    return str(extension_value(flag or {}, NEXT_REVIEW, "valueDate") or "")


def _end_day(flag: Resource | None) -> str:
    """The day on which a stay is planned to end; an end of its period that lies ahead says as much."""
    known = flag or {}
    return str(extension_value(known, PLANNED_END, "valueDate") or known.get("period", {}).get("end") or "")


# The markers whose making, change and end are told; of others nothing is.
OF_MARKER = {
    "crisis-plan": "crisis-plan-updated",
    "crisis-plan-names-childcare": "crisis-plan-updated",
    "contact-arrangements": "contact-arrangements-changed",
}


def _marker_changes(before: Resource | None, after: Resource, on: date) -> list[Change]:
    """A crisis plan or contact arrangements made, changed, ended or taken back."""
    topic = OF_MARKER.get(coding(after.get("code"), "/CodeSystem/marker"))
    stood = before is not None and before.get("status") != "entered-in-error"
    if topic is None or (not stood and after.get("status") != "active"):
        return []
    if after.get("status") == "entered-in-error":
        return [Change(RETRACTED, on.isoformat(), False, "delete", frozenset({topic}))]
    if stood and before is not None and _marked(before) == _marked(after):
        return []
    return [Change(topic, on.isoformat(), False, "update" if stood else "new")]


def _marked(flag: Resource) -> tuple[Any, ...]:
    return (flag.get("status"), flag.get("code"), flag.get("period"), flag.get("contained"))


def _begun(detail: str, before: Resource | None, flag: Resource, on: date) -> Change:
    """New; or, where an end was taken back (a cancelled discharge), an update of what was told."""
    taken_back = _was_open(before) is False and _is_same_time(before or {}, flag)
    topic, happened = STARTED.get(detail, STATUS_CHANGED), flag.get("period", {}).get("start") or on.isoformat()
    if not taken_back:
        return Change(topic, happened, True)
    ended = ENDED.get(flag_detail(before or {}), STATUS_CHANGED)
    return Change(topic, happened, True, "update", frozenset({ended}))


def _is_same_time(before: Resource, after: Resource) -> bool:
    """Whether an involvement that had ended is the one that is open now: the next leave begins when the last was over."""
    was, now = before.get("period", {}), after.get("period", {})
    return bool(was.get("end")) and not (was.get("start") != now.get("start") and (now.get("start") or "") >= was["end"])


def _ended(detail: str, flag: Resource, on: date) -> Change:
    end = first_day(flag.get("period", {}).get("end"))
    if end is None or end > on:  # it did not end: its start was put off
        return Change(STATUS_CHANGED, on.isoformat(), True, "update", frozenset({STARTED.get(detail, STATUS_CHANGED)}))
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
    died, had_died = _died(after), _died(before or {})
    if died and not had_died:
        return [Change("person-died", str(after.get("deceasedDateTime") or on.isoformat()), True)]
    return [Change(RETRACTED, on.isoformat(), True, "delete", frozenset({"person-died"}))] if had_died and not died else []


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
