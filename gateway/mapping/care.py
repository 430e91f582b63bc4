"""One looked-after child of SSDA903: the person, the episodes of care, leaving care."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from gateway.mapping import flags, returns
from gateway.mapping.formats import Format
from gateway.mapping.records import Resource, Sourced
from gateway.mapping.runs import Row, Tables
from gateway.mapping.threads import Around, Keys, Standing, restrict, thread
from gateway.mapping.values import Work, day_of

ADULT: Final = 18
CONTINUES: Final = "X1"
UNDATED: Final = Standing()  # the return does not say of which day it speaks


def describe(fmt: Format, rows: Tables, key: str, work: Work) -> None:
    """The child's Patient, then a Flag for each episode, and for leaving care."""
    patient: Resource = {"resourceType": "Patient", **fmt.maps["child"].run(identity(rows, work), work)}
    patient["identifier"] = [work.person["identifier"], *patient.get("identifier", [])]
    work.resources.append(Sourced(key, patient, rule="child"))
    place = work.place
    for table, name in (("PlacedAdoption", "placed-for-adoption"), ("AD1", "adopted"), ("OC3", "care-leaver-person")):
        for row in rows.get(table, []):
            work.place = row.place
            restrict(fmt.maps[name].run(row.cells, work), patient)
    episodes(fmt, rows, key, patient, work)
    for row in rows.get("OC3", []):
        work.place = row.place
        care_leaver(fmt, row.cells, key, work)
    work.place = place


def identity(rows: Tables, work: Work) -> dict[str, str]:
    """Who the child is, from every table that says so. What two tables say differently is a text that nobody can read."""
    found: dict[str, str] = {}
    for column in ("DOB", "SEX", "UPN"):
        told = [row.cells[column] for listed in rows.values() for row in listed if row.cells.get(column)]
        different = list(dict.fromkeys(returns.plain_day(one) if column == "DOB" else one for one in told))
        if len(different) > 1:
            work.warn("The rows of one child say different things here.", column, "conflict")
        if told:
            found[column] = told[0] if len(different) == 1 else "|".join(different)
    return found


def episodes(fmt: Format, rows: Tables, key: str, patient: Resource, work: Work) -> None:
    """The episodes in the order in which they began: what comes after one tells what it left open."""
    listed = sorted(rows.get("Episodes", []), key=lambda row: returns.plain_day(row.cells.get("DECOM", "")))
    keys, adult = Keys(), is_adult(patient, work)
    whom = social_worker(fmt, rows.get("SWEpisodes", []), work)
    if whom and not listed:
        work.warn("A worker stands with an episode: send the tables together as a ZIP, or as XML.", "SW_ID", "not-supported")
    for number, row in enumerate(listed):
        work.place = row.place
        restrict(fmt.maps["episode-person"].run(row.cells, work), patient)
        after = listed[number + 1].cells.get("DECOM", "") if number + 1 < len(listed) else ""
        one_episode(
            fmt, row.cells, after, keys.of(f"{key}/care", returns.plain_day(row.cells.get("DECOM", ""))), adult, whom, work
        )


def one_episode(fmt: Format, cells: dict[str, str], after: str, key: str, adult: bool, whom: Resource, work: Work) -> None:
    """One episode of care; a series of short breaks is told as that."""
    law = (fmt.maps["legal-status"].run(cells, work).get("code") or {}).get("coding", [])
    is_break = any(one["code"] == "short-break" for one in law)
    reason = cells.get("REC", "").upper()
    if after and not cells.get("DEC") and reason == CONTINUES:
        cells = {**cells, "DEC": after}
    around = Around(contradiction=contradiction(cells, reason, after, adult, work))
    record_map = fmt.maps["short-break" if is_break else "looked-after"]
    beside = whom if not cells.get("DEC") else {}
    sourced, _ = thread(record_map, cells, key, work, UNDATED, around, beside)
    if not is_break:
        sourced.resource["code"]["coding"] += law
    work.resources.append(sourced)


def contradiction(cells: dict[str, str], reason: str, after: str, adult: bool, work: Work) -> str:
    """Why nobody can say whether the episode goes on; empty where that is plain."""
    ended = bool(cells.get("DEC"))
    if ended and reason == CONTINUES and not after:
        return "The episode continues in another that is not here"
    if ended:
        return ""
    if reason and reason != CONTINUES:
        return "There is a reason for the end and no date of it"
    if after:
        return "A later episode began and this one has no end"
    if adult:
        return "The person is of age"
    if reason:
        work.warn("The episode is said to continue in another, and has no end: it counts as going on.", "REC", "conflict")
    return ""


def is_adult(patient: Resource, work: Work) -> bool:
    """Whether the person is known to be 18 or over: nobody is looked after then."""
    born = day_of(str(patient.get("birthDate") or ""))
    if born is None or work.on is None:
        return False
    return (work.on.year - born.year) - ((work.on.month, work.on.day) < (born.month, born.day)) >= ADULT


def social_worker(fmt: Format, rows: list[Row], work: Work) -> Resource:
    """The social worker whose time began last and has not ended, as what a Flag says of whom to ring; or nothing."""
    current = [row for row in rows if row.cells.get("SW_ID") and not has_ended(row.cells.get("SW_DEC", ""), work.on)]
    if not current:
        return {}
    latest = max(current, key=lambda row: returns.plain_day(row.cells.get("SW_DECOM", "")))
    place, work.place = work.place, latest.place
    found = fmt.maps["social-worker"].run(latest.cells, work)
    work.place = place
    return found


def has_ended(end: str, on: date | None) -> bool:
    """Whether an end is there and not to come; one that cannot be read may have been."""
    day = day_of(returns.plain_day(end)) if end else None
    return bool(end) and (day is None or on is None or day <= on)


def care_leaver(fmt: Format, cells: dict[str, Any], key: str, work: Work) -> None:
    """Somebody who left care, where the table does not say that this is over."""
    if fmt.maps["in-touch"].run(cells, work).get("code"):
        flag = flags.involvement(fmt.maps["care-leaver"], {}, work)
        work.resources.append(Sourced(f"{key}/care-leaver", {"status": "active", **flag}, rule="care-leaver"))
