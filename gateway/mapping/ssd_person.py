"""One person of the Standard Safeguarding Dataset: who it is, what goes on, whom to ring, whose mother she is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.fhir import systems
from gateway.mapping import flags, people, relatives, returns
from gateway.mapping.care import contradiction, has_ended, is_adult
from gateway.mapping.formats import Format
from gateway.mapping.records import Resource, Sourced
from gateway.mapping.runs import Row, Tables
from gateway.mapping.threads import Around, Keys, Standing, child_id, child_key, own_system, restrict, settle_death, thread
from gateway.mapping.values import Work, day_of, is_mask

MOTHER: Final = "ssd_mother"  # two columns and no map: both directions are a rule of this module
EXTRACT: Final = Standing()  # the extract does not say of which day it speaks
# Table, its map, the record's identifier, the referral it belongs to, its start; whether it can only end with its episode.
THREADS: Final = (
    ("ssd_cin_assessments", "assessment", "cina_assessment_id", "cina_referral_id", "cina_assessment_start_date", True),
    ("ssd_cin_plans", "cin-plan", "cinp_cin_plan_id", "cinp_referral_id", "cinp_cin_plan_start_date", False),
    ("ssd_s47_enquiry", "section-47", "s47e_s47_enquiry_id", "s47e_referral_id", "s47e_s47_start_date", True),
    ("ssd_cp_plans", "cp-plan", "cppl_cp_plan_id", "cppl_referral_id", "cppl_cp_plan_start_date", False),
    ("ssd_pre_proceedings", "pre-proceedings", "prep_table_id", "", "prep_pre_pro_decision_date", False),
    ("ssd_early_help_episodes", "early-help", "earl_episode_id", "", "earl_episode_start_date", False),
)
RESTRICTING: Final = (
    ("ssd_cin_episodes", "referral-person"),
    ("ssd_cla_episodes", "care-person"),
    ("ssd_cla_placement", "placement-person"),
    ("ssd_permanence", "permanence-person"),
    ("ssd_permanence", "permanence-order"),
)
WORDS = re.compile(r"[0-9A-Za-z]{1,4}")


@dataclass(slots=True)
class Joined:
    """What tables that name no person add to those that do."""

    workers: dict[str, dict[str, str]] = field(default_factory=dict)
    teams: dict[str, str] = field(default_factory=dict)

    def note(self, table: str, cells: dict[str, str]) -> None:
        """Remembers a professional or a team."""
        if table == "ssd_professionals":
            self.workers.update(
                {cells[column]: cells for column in ("prof_professional_id", "prof_staff_id") if cells.get(column)}
            )
        if table == "ssd_department" and cells.get("dept_team_id"):
            self.teams[cells["dept_team_id"]] = cells.get("dept_team_name", "")


@dataclass(slots=True)
class Person:
    """A person while they are described."""

    fmt: Format
    rows: Tables
    key: str
    patient: Resource
    whom: Resource
    keys: Keys = field(default_factory=Keys)
    episodes: dict[str, tuple[str, str]] = field(default_factory=dict)  # referral -> the day it came, the day it was closed

    def holder(self, referral: str) -> str:
        """The key of the episode that a record belongs to."""
        return f"{self.key}/episode/{people.segment(referral)}" if referral else f"{self.key}/ssd"

    def own(self, holder: str, name: str, identifier: str, start: str) -> str:
        """The key of a record: by its identifier, else by the day it began."""
        if identifier and not is_mask(identifier):
            return f"{holder}/{name}/{people.segment(identifier)}"
        return self.keys.of(f"{holder}/{name}", returns.plain_day(start))


def describe(fmt: Format, rows: Tables, key: str, joined: Joined, work: Work) -> None:
    """The Patient, then a Flag for each record, then the relationships of a mother."""
    patient: Resource = {"resourceType": "Patient"}
    work.resources.append(Sourced(key, patient, rule="person"))
    place = work.place
    identify(fmt, rows, patient, work)
    for table, name in RESTRICTING:
        for row in rows.get(table, []):
            work.place = row.place
            restrict(fmt.maps[name].run(row.cells, work), patient)
    one = Person(fmt, rows, key, patient, worker(fmt, rows.get("ssd_involvements", []), joined, work))
    referrals(one, work)
    for listed in THREADS:
        threads(one, *listed, work=work)
    care(one, work)
    leaving_care(one, work)
    young_carer(one, work)
    for row in rows.get("ssd_mother", []):
        work.place = row.place
        mother(row.cells, key, work)
    work.place = place
    settle_death(patient)


def identify(fmt: Format, rows: Tables, patient: Resource, work: Work) -> None:
    """Who the person is: the council's identifier first, then the number that agencies share."""
    numbers: list[Resource] = []
    pupil: list[Resource] = []
    for row in rows.get("ssd_person", []):
        work.place = row.place
        patient.update(fmt.maps["person"].run(row.cells, work))
        numbers += fmt.maps["nhs-number"].run(row.cells, work).get("identifier", [])
        pupil += fmt.maps["upn"].run(row.cells, work).get("identifier", [])
    for row in rows.get("ssd_linked_identifiers", []):
        work.place = row.place
        if row.cells.get("link_identifier_type", "").casefold().replace(" ", "") in ("nhsnumber", "nhs"):
            numbers += fmt.maps["linked-nhs-number"].run(row.cells, work).get("identifier", [])
    values = list(dict.fromkeys(one["value"] for one in numbers))
    if len(values) > 1:
        work.fault("The tables give two different NHS numbers of one person. The record was refused.", "", "conflict")
    number = [{"system": systems.NHS_NUMBER, "value": one, "use": "official"} for one in values[:1]]
    patient["identifier"] = [work.person["identifier"], *number, *pupil[:1]]


def worker(fmt: Format, rows: list[Row], joined: Joined, work: Work) -> Resource:
    """Whom to ring: the worker whose involvement began last and has not ended, else the team; or nothing."""
    current = [row for row in rows if not has_ended(row.cells.get("invo_involvement_end_date", ""), work.on)]
    if not current:
        return {}
    latest = max(current, key=lambda row: returns.plain_day(row.cells.get("invo_involvement_start_date", "")))
    place, work.place = work.place, latest.place
    cells = joined.workers.get(latest.cells.get("invo_professional_id", ""), {})
    found = fmt.maps["worker"].run(cells, work) if cells else {}
    if not found:
        work.warn(
            "The worker is not among the professionals: send the tables together as a ZIP.", "invo_professional_id", "not-found"
        )
    work.place = place
    return found


def referrals(one: Person, work: Work) -> None:
    """Each referral, and when its episode was closed."""
    for row in one.rows.get("ssd_cin_episodes", []):
        work.place = row.place
        cells = row.cells
        reason, no_action = cells.get("cine_close_reason", ""), returns.flag(cells.get("cine_referral_nfa"))
        missing = bool(reason) and not is_mask(reason) and not cells.get("cine_close_date") and not no_action
        around = Around(contradiction="There is a reason for the closure and no date of it" if missing else "")
        identifier = cells.get("cine_referral_id", "")
        key = (
            one.holder(identifier)
            if identifier
            else one.own(f"{one.key}/ssd", "referral", "", cells.get("cine_referral_date", ""))
        )
        beside = one.whom if not cells.get("cine_close_date") else {}
        sourced, period = thread(one.fmt.maps["referral"], cells, key, work, EXTRACT, around, beside)
        work.resources.append(sourced)
        closed = str(period.get("end") or "") if cells.get("cine_close_date") else ""
        past = work.on is None or closed <= work.on.isoformat()
        one.episodes[identifier] = (str(period.get("start") or ""), closed if past else "")


def threads(
    one: Person, table: str, name: str, id_column: str, referral_column: str, start: str, ends: bool, *, work: Work
) -> None:
    """Every plan, assessment or enquiry of one kind."""
    for row in one.rows.get(table, []):
        work.place = row.place
        referral = row.cells.get(referral_column, "") if referral_column else ""
        referred, closed = one.episodes.get(referral, ("", "")) if referral else ("", "")
        key = one.own(one.holder(referral), name, row.cells.get(id_column, ""), row.cells.get(start, ""))
        record_map = one.fmt.maps[chosen(one, name, row.cells, work)]
        sourced, _ = thread(record_map, row.cells, key, work, EXTRACT, Around(referred, closed, ends))
        work.resources.append(sourced)


def chosen(one: Person, name: str, cells: dict[str, str], work: Work) -> str:
    """The map of a record: of a protection plan also those of another council's, and for an unborn child."""
    if name != "cp-plan":
        return name
    if returns.flag(cells.get("cppl_cp_plan_ola")):
        return "cp-plan-other-area"
    url = systems.extension("expected-birth-date", work.base)
    due = any(found["url"] == url and found.get("valueDate") for found in one.patient.get("extension", []))
    return "cp-plan-unborn" if due and not one.patient.get("birthDate") else "cp-plan"


def care(one: Person, work: Work) -> None:
    """Episodes of care, each under the legal status of its first day; private fostering, which is none."""
    statuses = [(row, law_of(one, row, work)) for row in one.rows.get("ssd_legal_status", [])]
    listed = sorted(one.rows.get("ssd_cla_episodes", []), key=began)
    adult = is_adult(one.patient, work)
    for number, row in enumerate(listed):
        work.place = row.place
        after = listed[number + 1].cells.get("clae_cla_episode_start_date", "") if number + 1 < len(listed) else ""
        one_episode(one, row.cells, after, adult, law_at(began(row), statuses), work)
    for row, law in statuses:
        if any(coding["code"] == "private-fostering" for coding in law):
            work.place = row.place
            key = one.own(f"{one.key}/ssd", "private-fostering", row.cells.get("lega_legal_status_id", ""), "")
            work.resources.append(thread(one.fmt.maps["private-fostering"], row.cells, key, work, EXTRACT)[0])


def began(row: Row) -> str:
    """The first day of an episode of care."""
    return returns.plain_day(row.cells.get("clae_cla_episode_start_date", ""))


def law_of(one: Person, row: Row, work: Work) -> list[Resource]:
    """What a legal status is told as."""
    work.place = row.place
    law: list[Resource] = (one.fmt.maps["legal-status"].run(row.cells, work).get("code") or {}).get("coding", [])
    return law


def law_at(day: str, statuses: list[tuple[Row, list[Resource]]]) -> list[Resource]:
    """The legal status that held on a day; of several the one that began last."""
    holding = []
    for row, law in statuses:
        start = returns.plain_day(row.cells.get("lega_legal_status_start_date", ""))
        end = returns.plain_day(row.cells.get("lega_legal_status_end_date", "")) or "9999"
        if start <= day < end and law and law[0]["code"] != "private-fostering":
            holding.append((start, law))
    return max(holding, key=lambda pair: pair[0])[1] if holding else []


def one_episode(one: Person, cells: dict[str, str], after: str, adult: bool, law: list[Resource], work: Work) -> None:
    """One episode of care; a series of short breaks is told as that."""
    ended = cells.get("clae_cla_episode_ceased") or cells.get("clae_cla_episode_ceased_date", "")
    reason = cells.get("clae_cla_episode_ceased_reason", "").upper()
    if after and not ended and reason == "X1":
        cells = {**cells, "clae_cla_episode_ceased": after}
        ended = after
    around = Around(contradiction=contradiction({"DEC": ended}, reason, after, adult, work))
    is_break = any(coding["code"] == "short-break" for coding in law)
    holder = one.holder(cells.get("clae_referral_id", ""))
    key = one.own(holder, "care", cells.get("clae_cla_episode_id", ""), cells.get("clae_cla_episode_start_date", ""))
    record_map = one.fmt.maps["short-break" if is_break else "looked-after"]
    sourced, _ = thread(record_map, cells, key, work, EXTRACT, around, one.whom if not ended else {})
    if not is_break:
        sourced.resource["code"]["coding"] += law
    work.resources.append(sourced)


def leaving_care(one: Person, work: Work) -> None:
    """One care leaver record, where the person is one."""
    for row in one.rows.get("ssd_care_leavers", []):
        work.place = row.place
        if one.fmt.maps["eligibility"].run(row.cells, work).get("code"):
            record_map = one.fmt.maps["care-leaver"]
            flag = flags.involvement(record_map, {**record_map.run(row.cells, work), **one.whom}, work)
            work.resources.append(Sourced(f"{one.key}/care-leaver", {"status": "active", **flag}, rule="care-leaver"))


def young_carer(one: Person, work: Work) -> None:
    """The factors of the assessments: each is known or on the review list; one of them is a marker."""
    starts = {
        row.cells.get("cina_assessment_id", ""): returns.plain_day(row.cells.get("cina_assessment_start_date", ""))
        for row in one.rows.get("ssd_cin_assessments", [])
    }
    found: dict[str, Resource] = {}
    for row in one.rows.get("ssd_assessment_factors", []):
        work.place = row.place
        for factor in factors(row.cells.get("cinf_assessment_factors_json", "")):
            marker = one.fmt.maps["young-carer"].run({"cinf_assessment_factors_json": factor}, work).get("code")
            if marker:
                found[starts.get(row.cells.get("cinf_assessment_id", ""), "")] = marker
    if found:
        latest = max(found)
        period = {"start": latest} if day_of(latest) else {}
        marker = flags.marker(found[latest], period, work)
        work.resources.append(Sourced(f"{one.key}/marker/young-carer", marker, rule="young-carer"))


def factors(text: str) -> list[str]:
    """The codes of a cell: a JSON list, a JSON object of those that are set, or codes with commas between."""
    try:
        read: Any = json.loads(text) if text[:1] in "[{" else None
    except (ValueError, RecursionError):
        read = None
    if isinstance(read, dict):
        return [str(name) for name, value in read.items() if returns.flag(value)]
    if isinstance(read, list):
        return [str(one) for one in read if isinstance(one, (str, int))]
    return WORDS.findall(text)


def mother(cells: dict[str, str], key: str, work: Work) -> None:
    """A mother and her child, each as the relative of the other, as the council recorded it."""
    value = child_id(cells.get("moth_childs_person_id", ""), "moth_childs_person_id", work)
    me = work.person["identifier"]
    if not value or value == me["value"]:
        return
    other = {"system": own_system(work.sender), "value": value}
    work.resources.append(Sourced(child_key(value), {"resourceType": "Patient", "identifier": [other]}, rule=MOTHER))
    for patient, relative, role, holder, of in (
        (me, other, "CHILD", key, child_key(value)),
        (other, me, "MTH", child_key(value), key),
    ):
        concept = {"coding": [{"system": systems.V3_ROLE, "code": role}]}
        found = relatives.related(people.logical(patient), [concept], identifier=[relative], active=True)
        work.resources.append(Sourced(people.link_key(holder, of), found, rule=MOTHER))
