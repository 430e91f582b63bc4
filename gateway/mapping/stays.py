"""What an ADT event says of a stay, a leave or a wait for admission: each a Flag of its own.

Keys: ``<person>/stay/<visit number>``, for a visit number need be no other person's; where PV1-19 is empty
``<person>/current-stay``, or ``<person>/community`` for contact in the community; a leave stands below its stay, so that both
are told; a wait for admission is the person's. Each Flag says when its sender recorded it (``turns``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.fhir import systems
from gateway.mapping import admissions, dates, flags, people, turns
from gateway.mapping.engine import RecordMap
from gateway.mapping.formats import Format
from gateway.mapping.hl7_reader import Segment
from gateway.mapping.records import Op, Resource, Sourced
from gateway.mapping.values import Unusable, Work

Source = dict[str, Segment]
OUTPATIENT: Final = frozenset({"O", "R", "C"})  # table 0004: outpatient, recurring, commercial account
PLANNED: Final = "planned-end"


def visit_number(source: Source) -> str:
    """PV1-19, empty where none is sent."""
    found = source["PV1"].text(19) if "PV1" in source else ""
    return found if isinstance(found, str) else ""


def stay_key(source: Source, key: str, community: bool) -> str:
    """The key of a stay: its visit number, else the person's current stay or time with a community team."""
    visit = visit_number(source)
    if visit:
        return f"{key}/stay/{people.segment(visit)}"
    return f"{key}/community" if community else f"{key}/current-stay"


def patient_class(source: Source) -> str:
    """PV1-2, in capitals."""
    found = source["PV1"].text(2) if "PV1" in source else ""
    return found.upper() if isinstance(found, str) else ""


def outpatient(source: Source) -> bool:
    """Whether PV1-2 speaks of contact in the community."""
    return patient_class(source) in OUTPATIENT


def stated_time(source: Source) -> tuple[str, str]:
    """When the sender recorded this (EVN-2, else MSH-7), and the field that says so; empty where none can be read."""
    for name, number in (("EVN", 2), ("MSH", 7)):
        text = source[name].text(number) if name in source else None
        if isinstance(text, str):
            try:
                return dates.hl7_instant(text), f"{name}-{number}"
            except Unusable:
                continue
    return "", ""


def lies_ahead(stated: str, work: Work) -> bool:
    """Whether a recorded time lies after its receipt."""
    return bool(stated and work.sender.received) and dates.later(stated, work.sender.received)


def check_time(source: Source, work: Work) -> None:
    """Warns of a recorded time that does not stand."""
    stated, field = stated_time(source)
    if lies_ahead(stated, work):
        work.warn("The recorded time lies in the future; the time of receipt stands instead.", field, "business-rule")


def as_of(source: Source, work: Work) -> str:
    """When the sender recorded this; the time of receipt where that is not said, or lies ahead of it."""
    stated, _ = stated_time(source)
    return work.sender.received if not stated or lies_ahead(stated, work) else stated


def timed(flag: Resource, source: Source, work: Work) -> Resource:
    """A Flag with the time of the turn that it tells of; what tells of none leaves out the mark where it is applied."""
    moment = as_of(source, work)
    if moment:
        flag["extension"] = [*flag.get("extension", []), turns.turn(moment, work.base)]
    return flag


def put(record_map: RecordMap, source: Source, own: str, work: Work, op: Op = Op.MERGE) -> Resource:
    """Appends the Flag of a map under its key."""
    flag = timed(flags.involvement(record_map, record_map.run(source, work), work, as_of(source, work)), source, work)
    work.resources.append(Sourced(own, flag, op, record_map.name))
    return flag


def go_on(fmt: Format, source: Source, key: str, work: Work, op: Op = Op.CONTINUE) -> tuple[str, Resource]:
    """Says that the stay, or the time with a community team, goes on; gives its key and its Flag."""
    outside = outpatient(source)
    own = stay_key(source, key, outside)
    return own, put(fmt.maps["community-moved" if outside else "moved"], source, own, work, op)


def end_of(flag: Resource) -> str:
    """The day on which a Flag says that it ended."""
    return str(flag.get("period", {}).get("end") or "")


def until(record_map: RecordMap, source: Source, day: str, work: Work) -> Resource:
    """The Flag that says on which day something ended, and nothing else of it."""
    return flags.involvement(record_map, {"period": {"end": day}}, work, as_of(source, work))


def ended(record_map: RecordMap, source: Source, own: str, day: str, work: Work) -> Sourced:
    """Ends what stands open under a key on a day; nothing is made where nothing does."""
    return Sourced(own, timed(until(record_map, source, day, work), source, work), Op.END, record_map.name)


def taken_back(record_map: RecordMap, source: Source, own: str, work: Work, op: Op = Op.CANCEL) -> Sourced:
    """What was recorded in error; also where its record is still on its way."""
    found = flags.retracted(own, record_map, work, op)
    moment = as_of(source, work)
    stated = [{"url": systems.extension("status-as-of", work.base), "valueDateTime": moment}] if moment else []
    flag = timed({**found.resource, "extension": stated}, source, work)
    return Sourced(own, flag, op, record_map.name)


def admit(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A01: a stay begins, and a wait for it ends. A stay without a number is the current one, so an earlier end goes."""
    flag = put(fmt.maps["admitted"], source, stay_key(source, key, False), work)
    if "period" not in flag:
        work.fault("No date of admission: send PV1-44, EVN-2 or MSH-7.", "PV1-44", "required")
        return
    moment = as_of(source, work)
    if moment:
        flag["extension"].append(admissions.admission(moment, flag["period"]["start"], work.base))
    reopen(flag, source)
    work.resources.append(ended(fmt.maps["waiting"], source, f"{key}{admissions.WAITING}", flag["period"]["start"], work))


def reopen(flag: Resource, source: Source) -> None:
    """A new start without a visit number takes away the end of the last time, and what was planned for it."""
    if not visit_number(source) and flag.get("period"):
        flag["period"]["end"] = None


def await_admission(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A05: an admission is planned; the person waits for it."""
    flag = put(fmt.maps["waiting"], source, f"{key}{admissions.WAITING}", work)
    if "start" in flag.get("period", {}):
        flag["period"]["end"] = None
        if visit_number(source):
            visit = stay_key(source, key, False).removeprefix(f"{key}/")
            flag["extension"].append(admissions.about(visit, "", work.base))
    else:
        work.fault("No date of the planning: send EVN-2 or MSH-7.", "EVN-2", "required")


def cancel_wait(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A38: the planned admission was recorded in error, or will not take place."""
    work.resources.append(taken_back(fmt.maps["waiting"], source, f"{key}{admissions.WAITING}", work))


def register(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A04: known to a community team, unless the registration is of an inpatient."""
    if patient_class(source) != "I":
        reopen(put(fmt.maps["registered"], source, stay_key(source, key, True), work), source)


def move(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A02, A12: another ward and clinician, or the former ones again; the stay goes on."""
    go_on(fmt, source, key, work)


def amend(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A08: ward, clinician and start of a stay that is known; none is made from it."""
    if patient_class(source) or visit_number(source):
        go_on(fmt, source, key, work, Op.AMEND)


def discharge(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A03: the stay, or the time with a community team, ends; so does a leave from it, and what was planned is done."""
    outside = outpatient(source)
    own = stay_key(source, key, outside)
    flag = put(fmt.maps["community-ended" if outside else "discharged"], source, own, work, Op.TURN)
    end = end_of(flag)
    if not end:
        work.fault("No date of discharge: send PV1-45, EVN-2 or MSH-7.", "PV1-45", "required")
        return
    plan(flag, None, work)
    leave = until(fmt.maps["on-leave"], source, end, work)
    leave["extension"].append(turns.with_stay(True, work.base))
    work.resources.insert(-1, Sourced(f"{own}{turns.LEAVE}", leave, Op.END, "on-leave"))


def cancel_admission(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A11: the stay was recorded in error."""
    retract_stay(fmt, source, key, work)


def delete_visit(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A23: the visit is deleted. Which one it is, is never guessed."""
    if visit_number(source) or patient_class(source):
        retract_stay(fmt, source, key, work)
    else:
        work.fault("Which visit is deleted cannot be told: send PV1-19.", "PV1-19", "required")


def retract_stay(fmt: Format, source: Source, key: str, work: Work) -> None:
    """Takes back a stay with all that is below it, and says of which day its admission was, where the message does."""
    outside = outpatient(source)
    own = stay_key(source, key, outside)
    leave = taken_back(fmt.maps["on-leave"], source, f"{own}{turns.LEAVE}", work, Op.RETRACT)
    stay = taken_back(fmt.maps["registered" if outside else "admitted"], source, own, work)
    day = admitted_on(source)
    for one in (leave, stay) if day and not outside else ():
        one.resource["extension"].append(admissions.about("", day, work.base))
    work.resources += [leave, stay]


def admitted_on(source: Source) -> str:
    """The day of PV1-44, empty where none can be read."""
    text = source["PV1"].text(44) if "PV1" in source else None
    try:
        return dates.hl7_date(text) if isinstance(text, str) else ""
    except Unusable:
        return ""


def cancel_discharge(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A13: the end is taken back, and the stay goes on; so does a leave that ended with it."""
    own, flag = go_on(fmt, source, key, work, Op.TURN)
    reach_on(flag, work)
    leave = leave_goes_on(fmt, source, work)
    work.resources.append(Sourced(f"{own}{turns.LEAVE}", leave, Op.REOPEN, "on-leave"))


def leave_goes_on(fmt: Format, source: Source, work: Work) -> Resource:
    """The Flag of a leave whose end is taken away."""
    flag = timed(flags.involvement(fmt.maps["on-leave"], {}, work, as_of(source, work)), source, work)
    reach_on(flag, work)
    flag["extension"].append(turns.with_stay(None, work.base))
    return flag


def reach_on(flag: Resource, work: Work) -> None:
    """Takes the end of a Flag away."""
    flag["period"] = {**flag.get("period", {}), "end": None}
    detail = next(one["code"] for one in flag["code"]["coding"] if one["system"].endswith("involvement-detail"))
    flag["status"] = "active"
    flag["code"] = flags.code(detail, flags.coarse_of(detail, flag["period"], work), work.base)


def plan(flag: Resource, day: str | None, work: Work) -> None:
    """The day on which a stay is planned to end; None takes a plan away."""
    url = systems.extension(PLANNED, work.base)
    flag["extension"] = [one for one in flag["extension"] if one["url"] != url] + [{"url": url, "valueDate": day}]


def plan_discharge(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A16: a discharge is planned for a day."""
    _, flag = go_on(fmt, source, key, work)
    found = fmt.maps["planned-discharge"].run(source, work).get("extension")
    if found:
        plan(flag, found[0]["valueDate"], work)
    else:
        work.warn("The planned day of discharge is missing: no plan was noted.", "PV2-9", "required")


def cancel_plan(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A25: the planned discharge is called off."""
    _, flag = go_on(fmt, source, key, work)
    plan(flag, None, work)


def start_leave(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A21: the person goes on leave; the stay goes on."""
    own, _ = go_on(fmt, source, key, work)
    flag = put(fmt.maps["on-leave"], source, f"{own}{turns.LEAVE}", work)
    if "start" in flag.get("period", {}):
        flag["period"]["end"] = None
        flag["extension"].append(turns.with_stay(None, work.base))
    else:
        work.fault("No date of the leave: send EVN-6, EVN-2 or MSH-7.", "EVN-6", "required")


def end_leave(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A22: the person is back."""
    own, stay = go_on(fmt, source, key, work)
    back = fmt.maps["leave-ended"].run(source, work).get("period")
    if back:
        stay["extension"].append(turns.last_return(as_of(source, work), back["end"], work.base))
        leave = ended(fmt.maps["on-leave"], source, f"{own}{turns.LEAVE}", back["end"], work)
        leave.resource["extension"].append(turns.with_stay(None, work.base))
        work.resources.append(leave)
    else:
        work.fault("No date of the return: send EVN-6, EVN-2 or MSH-7.", "EVN-6", "required")


def cancel_leave(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A52: the leave was recorded in error."""
    own, _ = go_on(fmt, source, key, work)
    work.resources.append(taken_back(fmt.maps["on-leave"], source, f"{own}{turns.LEAVE}", work))


def cancel_return(fmt: Format, source: Source, key: str, work: Work) -> None:
    """A53: the person is not back; the leave goes on."""
    own, _ = go_on(fmt, source, key, work)
    work.resources.append(Sourced(f"{own}{turns.LEAVE}", leave_goes_on(fmt, source, work), rule="on-leave"))


Change = Callable[[Format, Source, str, Work], Any]
EVENTS: Final[dict[str, Change | None]] = {
    "A01": admit,
    "A02": move,
    "A03": discharge,
    "A04": register,
    "A05": await_admission,
    "A08": amend,
    "A11": cancel_admission,
    "A12": move,
    "A13": cancel_discharge,
    "A16": plan_discharge,
    "A18": None,
    "A21": start_leave,
    "A22": end_leave,
    "A23": delete_visit,
    "A25": cancel_plan,
    "A28": None,
    "A31": None,
    "A34": None,
    "A38": cancel_wait,
    "A40": None,
    "A52": cancel_leave,
    "A53": cancel_return,
}
MERGES: Final = frozenset({"A18", "A34", "A40"})  # A18 and A34 are what 2.3 has for A40
