"""One involvement of a return or extract as a Flag, with what its record contradicts.

A record that contradicts itself is neither open nor ended: its Flag says cannot-say, and its sender is told why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from gateway.fhir import systems
from gateway.mapping import flags, people, returns
from gateway.mapping.engine import RecordMap
from gateway.mapping.records import Resource, Sender, Sourced
from gateway.mapping.values import Work, day_of, is_mask
from gateway.mapping.vocabulary import RESTRICTION_RANK

STALE: Final = timedelta(days=2 * 365)  # nobody stands by what a yearly return said two years ago
LONGEST: Final = 60  # characters of a date that nobody can read, in a key


@dataclass(frozen=True, slots=True)
class Standing:
    """On which day a file says how things stood; empty where it does not say."""

    as_of: str = ""

    def is_stale(self, on: date | None) -> bool:
        """Whether what went on then can still be said to go on."""
        then = day_of(self.as_of)
        return on is not None and then is not None and on - then > STALE


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around an involvement: the dates of the episode that it belongs to, and what contradicts it."""

    referred: str = ""
    closed: str = ""
    ends_with_episode: bool = False
    contradiction: str = ""


NOWHERE: Final = Around()


@dataclass(slots=True)
class Keys:
    """Keys of records that have no identifier of their own."""

    counts: dict[str, int] = field(default_factory=dict)

    def of(self, holder: str, start: str) -> str:
        """The key of a record by the day it began; a second one of the same day gets a number."""
        key = f"{holder}/{people.segment(start[:LONGEST]) or 'undated'}"
        self.counts[key] = count = self.counts.get(key, 0) + 1
        return key if count == 1 else f"{key}-{count}"


def thread(
    record_map: RecordMap,
    record: Any,
    key: str,
    work: Work,
    standing: Standing,
    around: Around = NOWHERE,
    beside: Resource | None = None,
) -> tuple[Sourced, Resource]:
    """The Flag of one record, and its period; ``beside`` is what other records say of it (whom to ring)."""
    lost = work.lost
    built = {**record_map.run(record, work), **(beside or {})}
    period = built.get("period") or {}
    if around.ends_with_episode and around.closed and period.get("start") and "end" not in period:
        built["period"] = period = {**period, "end": max(around.closed, period["start"])}
    doubtful = is_doubtful(period, work.lost > lost, work, standing, around)
    flag = flags.involvement(record_map, built, work, spoken(period, work, standing), doubtful=doubtful)
    return Sourced(key, flag, rule=record_map.name), period


def spoken(period: Resource, work: Work, standing: Standing) -> str:
    """The day of which a record speaks: that of the file, save where the record began after it; then that of receipt."""
    latest = max(str(period.get(edge) or "") for edge in ("start", "end"))
    if not standing.as_of or latest <= standing.as_of or (work.on is not None and latest > work.on.isoformat()):
        return standing.as_of
    work.warn("A date lies after the day of which the file speaks.", "", "business-rule")
    return ""


def is_doubtful(period: Resource, lost: bool, work: Work, standing: Standing, around: Around) -> bool:
    """Whether nobody can say if the involvement goes on; each reason is a warning."""
    start, end = str(period.get("start") or ""), str(period.get("end") or "")
    told = [around.contradiction] if around.contradiction else []
    if lost:
        told.append("A date that may begin or end this could not be read")
    elif not start and not end:
        told.append("There is no date of its start")
    elif start and end and end < start:
        told.append("The end lies before the start")
    elif not end or (work.on is not None and end > work.on.isoformat()):
        told += open_reasons(start or standing.as_of, end, work, standing, around)
    for reason in told:
        work.warn(f"{reason}: whether it goes on cannot be said.", "", "conflict")
    if start and around.referred and start < around.referred:
        work.warn("The start lies before the referral; both are kept as sent.", "", "business-rule")
    return bool(told)


def open_reasons(since: str, end: str, work: Work, standing: Standing, around: Around) -> Iterator[str]:
    """What contradicts that something which has not ended goes on."""
    if around.closed:
        yield "The episode is closed and this is not"
    elif not end and since <= standing.as_of and standing.is_stale(work.on):
        yield "The file says how things stood more than two years ago"


def child_id(value: Any, name: str, work: Work) -> str:
    """A council's own identifier of a child; or a fault and the empty text.

    One that breaks the published rule (1 to 20 letters and digits) is taken with a warning; a placeholder never is.
    """
    text = str(value or "").strip()
    if returns.whole_number(text) != text:
        work.warn("The identifier is written as a decimal number: it was read as a whole one.", name)
        text = returns.whole_number(text)
    if not text or is_mask(text) or not people.LOCAL_VALUE.fullmatch(text):
        work.fault(f"{name} is required: 1 to 20 letters and digits.", name, "required")
        return ""
    if not people.CHILD_ID.fullmatch(text):
        work.warn("The identifier breaks the published rule: 1 to 20 letters and digits. It was taken as sent.", name)
    return text


def own_system(sender: Sender) -> str:
    """The identifier system of a sender's children."""
    return systems.local_child_id(sender.la_code) if sender.la_code else systems.local_id(sender.agency, "child-id")


def child_key(found: str) -> str:
    """The key of everything of one child: the same in every format of a council."""
    return f"child/{people.segment(found)}"


def restrict(found: Resource, patient: Resource) -> None:
    """Adds what a record says of the person: a restriction, a death. The strictest restriction stands."""
    extensions = [one for one in found.pop("extension", []) if one["valueCode"]]
    patient.update({name: value for name, value in found.items() if value is not None})
    if not extensions:
        return
    url = extensions[0]["url"]
    there = patient.setdefault("extension", [])
    stated = [one for one in there if one["url"] == url] + extensions
    kept = min(stated, key=lambda one: RESTRICTION_RANK[one["valueCode"]])
    patient["extension"] = [one for one in there if one["url"] != url] + [kept]


def settle_death(patient: Resource) -> None:
    """One way of saying that someone died: the day, where it is known (FHIR allows no two)."""
    if patient.get("deceasedDateTime"):
        patient.pop("deceasedBoolean", None)
