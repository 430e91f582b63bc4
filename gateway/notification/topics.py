"""What has happened: from a record before and after a change to the topics that are told of it.

Topics are data (``mappings/topics``): tier and urgency each. A topic above the receiver's tier goes out as
``known-status-changed``. Adoption raises no notice; that is ruled where changes are applied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

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


def load_topics(folder: Path) -> dict[str, Topic]:
    """All topics by code. Raises ValueError naming the file."""
    topics = {}
    for path in sorted(folder.glob("*.json")):
        raw = json.loads(path.read_text())
        try:
            tier = raw["tier"] if isinstance(raw["tier"], int) else None
            topics[raw["code"]] = Topic(raw["code"], raw["title"], tier, bool(raw["urgent"]))
        except KeyError as fault:
            raise ValueError(f"{path}: {fault} is missing") from fault
    return topics


def flag_changes(before: Resource | None, after: Resource, on: date) -> list[Change]:
    """What the change of a Flag means: a stay begun or ended, a plan begun or ended, a record taken back."""
    detail = flag_detail(after)
    if not detail:
        return []
    was, now = _open(before, on), _open(after, on)
    if after.get("status") == "entered-in-error":
        return [Change(RETRACTED, on.isoformat(), True, "delete")] if before is not None and was is not None else []
    if not was and now:
        return [_begun(detail, after, on)]
    if was and now is False:
        return [_ended(detail, after, on)]
    return [Change("lead-professional-changed", on.isoformat(), False, "update")] if now and _lead_changed(before, after) else []


def _begun(detail: str, flag: Resource, on: date) -> Change:
    return Change(STARTED.get(detail, STATUS_CHANGED), flag.get("period", {}).get("start") or on.isoformat(), True)


def _ended(detail: str, flag: Resource, on: date) -> Change:
    return Change(ENDED.get(detail, STATUS_CHANGED), flag.get("period", {}).get("end") or on.isoformat(), True)


def _open(flag: Resource | None, on: date) -> bool | None:
    """Whether an involvement is open on a day; None where there is none, or it was entered in error."""
    if flag is None or flag.get("status") == "entered-in-error":
        return None
    period = flag.get("period", {})
    start, end = first_day(period.get("start")), first_day(period.get("end"))
    return (start is None or start <= on) and (end is None or end > on)


def _lead_changed(before: Resource | None, after: Resource) -> bool:
    return before is not None and before.get("contained", []) != after.get("contained", []) and "contained" in after


def relationship_changes(before: Resource | None, after: Resource, on: date) -> list[Change]:
    """A relationship begun, ended, or with another role or responsibility."""
    if before is not None and _relation(before) == _relation(after):
        return []
    return [Change("relationship-changed", on.isoformat(), False, "new" if before is None else "update")]


def _relation(related: Resource) -> tuple[Any, ...]:
    responsibility = extension_parts(related, "parental-responsibility")
    return (related.get("active", True), related.get("relationship"), responsibility, related.get("period"))


def consent_changes(on: date, *, is_new: bool) -> list[Change]:
    return [Change("wishes-changed", on.isoformat(), False, "new" if is_new else "update")]


def patient_changes(before: Resource | None, after: Resource, on: date) -> list[Change]:
    """A death, the first time it is told."""
    if _died(after) and not _died(before or {}):
        return [Change("person-died", str(after.get("deceasedDateTime") or on.isoformat()), True)]
    return []


def _died(patient: Resource) -> bool:
    return bool(patient.get("deceasedBoolean") or patient.get("deceasedDateTime"))


def hears(subscribed: str, change: Change) -> bool:
    """Whether a subscription to a topic is told of a change."""
    return subscribed == change.topic or (subscribed == STATUS_CHANGED and change.status)


def told_as(topic: Topic, tier: int) -> str | None:
    """The topic under which a receiver of this tier hears of it; None where nothing may be told."""
    if topic.tier is None or topic.tier <= tier:
        return topic.code
    return STATUS_CHANGED if tier >= 1 else None
