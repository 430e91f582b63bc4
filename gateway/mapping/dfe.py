"""The DfE children's social care API 1.0.1: an array of up to 100 children, partial payloads, purge at every level.

Keys are hierarchical: ``child/<id>``, ``child/<id>/episode/<id>``, ``child/<id>/episode/<id>/cp-plan/<id>``. A key that
ends with ``/`` retracts every record below it: the sender need not repeat what an episode held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from gateway.fhir import systems
from gateway.fhir.outcomes import Issue
from gateway.mapping import flags, people
from gateway.mapping.engine import RecordMap
from gateway.mapping.formats import Format
from gateway.mapping.json_reader import read_json
from gateway.mapping.records import Mapped, Op, Resource, Sender, Sourced
from gateway.mapping.transforms import boolean
from gateway.mapping.unreadable import Unreadable
from gateway.mapping.values import Unusable, Work, work_for
from gateway.mapping.vocabulary import RESTRICTION_RANK

CHILDREN: Final = 100
ITEMS: Final = 2_000  # episodes of a child, or records of an episode
RECORD_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
EPISODES: Final = "social_care_episodes"
REFERRAL_FIELDS: Final = frozenset(
    {"referral_date", "referral_no_further_action_flag", "closure_date", "closure_reason", "care_worker_details"}
)


def read(fmt: Format, data: bytes, sender: Sender) -> Iterator[Mapped]:
    """One Mapped per child, in the order of the array."""
    found = read_json(data)
    alone = isinstance(found, dict)
    children = [found] if alone else found
    if not isinstance(children, list):
        raise Unreadable(Issue("An array of children is due.", "structure"))
    if len(children) > CHILDREN:
        raise Unreadable(Issue(f"More than {CHILDREN} children: send them in batches of {CHILDREN}.", "too-long"))
    return (child(fmt, index, record, sender, alone) for index, record in enumerate(children))


def child(fmt: Format, index: int, record: Any, sender: Sender, alone: bool = False) -> Mapped:
    """One child, whole or in part; refused whole where one field cannot be read."""
    work = work_for(sender, f"child {index + 1} (index {index})", ".", fmt.label)
    if alone:
        work.warn("The API takes an array of children: one child alone was read as an array of one.", "", "structure")
    if not isinstance(record, dict):
        work.fault("A child is an object.", "", "structure")
    elif identified(record, work):
        describe(fmt, record, work)
    return work.mapped()


def identified(record: dict[str, Any], work: Work) -> bool:
    """Whether the child has an identifier that keeps the published rule; it becomes the person of the work."""
    value = record.get("la_child_id")
    if isinstance(value, int) and not isinstance(value, bool):
        work.warn("An identifier is text: the number was read as text.", "la_child_id")
        value = str(value)
    if not isinstance(value, str) or not people.CHILD_ID.fullmatch(value.strip()):
        work.fault("la_child_id is required: 1 to 20 letters and digits.", "la_child_id", "required")
        return False
    system = systems.local_child_id(work.sender.la_code) if work.sender.la_code else own_system(work.sender)
    work.person = people.logical({"system": system, "value": value.strip()})
    return True


def own_system(sender: Sender) -> str:
    """The child identifier system of a sender that has no local authority code."""
    return systems.local_id(sender.agency, "child-id")


def describe(fmt: Format, record: dict[str, Any], work: Work) -> None:
    """The child's Patient, then a Flag for each record of each episode."""
    key = f"child/{people.segment(work.person['identifier']['value'])}"
    if flagged(record, work):
        patient = {"resourceType": "Patient", "identifier": [work.person["identifier"]]}
        work.resources.append(Sourced(key, patient, Op.PURGE_PERSON, "child"))
        return
    patient = person(fmt, record, work)
    work.resources.append(Sourced(key, patient, rule="child"))
    place = work.place
    for number, episode in items(record, EPISODES, work):
        work.place = f"{place}.{EPISODES}[{number}]"
        one_episode(fmt, episode, key, patient, work)
    work.place = place
    settle_restriction(patient, work)


def flagged(record: dict[str, Any], work: Work) -> bool:
    """Whether a purge is asked for; a purge that cannot be read refuses the child."""
    value = record.get("purge", False)
    try:
        return value is True or (value not in (False, None) and boolean(value, work) is True)
    except Unusable as problem:
        work.unusable(problem, "purge")
        return False


def known(fmt: Format, record: dict[str, Any], level: str, work: Work) -> None:
    """Warns of members that the published format does not have; they are not kept."""
    for name in sorted(record.keys() - fmt.levels[level]):
        shown = name if FIELD_NAME.fullmatch(name) else "a member"
        work.warn(f"This is not a field of {fmt.label} and was not kept.", shown, "not-supported")


def person(fmt: Format, record: dict[str, Any], work: Work) -> Resource:
    """The Patient of a child: identifiers always, details where they were sent or purged."""
    known(fmt, record, "", work)
    patient: Resource = {"resourceType": "Patient"}
    details = record.get("child_details")
    if details is not None and not isinstance(details, dict):
        work.fault("child_details is an object.", "child_details", "structure")
    elif details is not None:
        work.place += ".child_details"
        known(fmt, details, "child_details", work)
        purged = flagged(details, work)
        work.place = work.place.removesuffix(".child_details")
        patient.update(forgotten(work) if purged else fmt.maps["child"].run(record, work))
    others = [one or {"system": systems.UPN, "value": None} for one in patient.get("identifier", [])]
    patient["identifier"] = [work.person["identifier"], *others]
    return patient


def forgotten(work: Work) -> Resource:
    """What a purge of the details removes: all that tells who the child is, save the council's own identifier."""
    expected = {"url": systems.extension("expected-birth-date", work.base), "valueDate": None}
    return {"identifier": [None], "name": None, "birthDate": None, "gender": None, "extension": [expected]}


def items(record: dict[str, Any], name: str, work: Work) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a list; absent and null mean that nothing is said, never that nothing is left."""
    found = record.get(name)
    if found is None:
        return
    if not isinstance(found, list) or len(found) > ITEMS:
        work.fault(f"A list of up to {ITEMS} objects is due here.", name, "structure")
        return
    for number, one in enumerate(found):
        if isinstance(one, dict):
            yield number, one
        else:
            work.fault("An object is due here.", f"{name}[{number}]", "structure")


def record_id(record: dict[str, Any], name: str, work: Work) -> str:
    """The identifier of a record, or a fault and the empty text."""
    value = record.get(name)
    found = value.strip() if isinstance(value, str) else str(value) if type(value) is int else ""
    if RECORD_ID.fullmatch(found):
        return found
    work.fault(f"{name} is required: up to 36 letters, digits, hyphens and underscores.", name, "required")
    return ""


def one_episode(fmt: Format, episode: dict[str, Any], child_key: str, patient: Resource, work: Work) -> None:
    """The referral itself, and what was opened under it."""
    known(fmt, episode, EPISODES, work)
    found = record_id(episode, "social_care_episode_id", work)
    key = f"{child_key}/episode/{found}"
    if flagged(episode, work):
        referral = fmt.maps["referral"]
        work.resources.append(flags.retracted(key, referral, work))
        work.resources.append(flags.retracted(f"{key}/", referral, work))
        return
    restrict(fmt.maps["episode-person"], episode, patient, work)
    if REFERRAL_FIELDS & episode.keys():
        referral = fmt.maps["referral"]
        flag = flags.involvement(referral, referral.run(episode, work), work)
        work.resources.append(Sourced(key, flag, rule=referral.name))
    for name, thread in fmt.threads.items():
        one_list(fmt, episode, name, thread, key, patient, work)
    singles(fmt, episode, key, patient, work)


def one_list(fmt: Format, episode: dict[str, Any], name: str, thread: RecordMap, key: str, patient: Resource, work: Work) -> None:
    """Every plan, assessment or placement of one kind."""
    place = work.place
    for number, record in items(episode, name, work):
        work.place = f"{place}.{name}[{number}]"
        known(fmt, record, thread.each, work)
        own = f"{key}/{thread.key}/{record_id(record, thread.id, work)}"
        if flagged(record, work):
            work.resources.append(flags.retracted(own, thread, work))
            continue
        flag = flags.involvement(thread, thread.run(record, work), work)
        work.resources.append(Sourced(own, flag, rule=thread.name))
        if thread.key == "placement":
            restrict(fmt.maps["placement-person"], record, patient, work)
    work.place = place


def singles(fmt: Format, episode: dict[str, Any], key: str, patient: Resource, work: Work) -> None:
    """Adoption and care leaving: one object each per episode."""
    place = work.place
    for name in ("adoption", "care_leavers"):
        record = episode.get(name)
        if record is None:
            continue
        work.place = f"{place}.{name}"
        if not isinstance(record, dict):
            work.fault("An object is due here.", "", "structure")
            continue
        known(fmt, record, f"{EPISODES}.{name}", work)
        (adoption if name == "adoption" else care_leaver)(fmt, record, key, patient, work)
    work.place = place


def adoption(fmt: Format, record: dict[str, Any], key: str, patient: Resource, work: Work) -> None:
    """A placement for adoption restricts the child; a purge lifts nothing by itself."""
    if flagged(record, work):
        work.warn("Adoption details were purged: a restriction stays until people lift it.", "purge", "business-rule")
    else:
        restrict(fmt.maps["adoption-person"], record, patient, work)


def care_leaver(fmt: Format, record: dict[str, Any], key: str, patient: Resource, work: Work) -> None:
    """One care leaver thread per episode."""
    thread = fmt.maps["care-leaver"]
    own = f"{key}/{thread.key}"
    if flagged(record, work):
        work.resources.append(flags.retracted(own, thread, work))
        return
    flag = flags.involvement(thread, thread.run(record, work), work)
    work.resources.append(Sourced(own, {"status": "active", **flag}, rule=thread.name))


def restrict(record_map: RecordMap, record: dict[str, Any], patient: Resource, work: Work) -> None:
    """Adds what a record says of the person: a restriction, a death. A null says nothing here."""
    found = record_map.run(record, work)
    patient.setdefault("extension", []).extend(one for one in found.pop("extension", []) if one["valueCode"])
    patient.update({name: value for name, value in found.items() if value is not None})


def settle_restriction(patient: Resource, work: Work) -> None:
    """Keeps the strictest of the restrictions found, and drops an empty list of extensions."""
    url = systems.extension("restriction", work.base)
    extensions = patient.pop("extension", [])
    found = sorted((one for one in extensions if one["url"] == url), key=lambda one: RESTRICTION_RANK[one["valueCode"]])
    kept = [one for one in extensions if one["url"] != url] + found[:1]
    if kept:
        patient["extension"] = kept
