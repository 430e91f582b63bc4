"""MHSDS v6, the monthly secondary-use set of mental health trusts: prompts and figures, never a link.

It says that an adult is a parent and never of whom. What is kept: whether somebody was asked about children, young
carers, crisis plans. Involvements, relatives and detention come from the trust's own messages, not from a monthly set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from gateway.fhir import systems
from gateway.mapping import flags, people, returns
from gateway.mapping.formats import Format
from gateway.mapping.records import Mapped, Op, Resource, Sender, Sourced
from gateway.mapping.runs import Run, Tables, in_runs, refused, together
from gateway.mapping.sets import Line, Table, foreign_columns, lines_of, read_tables, whole
from gateway.mapping.threads import settle_death
from gateway.mapping.values import Unusable, Work, is_mask, work_for

PATIENT = "LocalPatientID"
INDICATORS, PLANS, INDEX, HEADER = "MHS005PatInd", "MHS008CarePlanType", "MHS001MPI", "MHS000Header"
ASK = "Whether this person is responsible for children is not known: ask, and record it."
NAME_THEM = "This person is responsible for children, and this set names none: record who they are."


def read(versions: tuple[Format, ...], asked: Format | None, source: bytes | BinaryIO, sender: Sender) -> Iterator[Mapped]:
    """One Mapped per patient, or run of rows of one patient, in the order of the file."""
    fmt = asked or versions[-1]
    return patients(fmt, read_tables(fmt, whole(source)), sender)


def patients(fmt: Format, tables: list[Table], sender: Sender) -> Iterator[Mapped]:
    """The patients of one table as its rows go by; of several tables all rows of a patient together."""
    yield from foreign_columns(fmt, tables)
    kept = [one for one in tables if one.name not in fmt.ignored and one.name != HEADER]
    as_of = next((reported(line.cells) for table in tables if table.name == HEADER for line in table.rows), "")
    runs = in_runs(kept[0], name_of) if len(kept) == 1 else together(lines_of(kept), name_of)
    for run in runs:
        yield refused(fmt, run, sender) if run.problem else patient(fmt, run, as_of, sender)


def name_of(line: Line) -> str:
    """The patient that a row is of."""
    return line.cells.get(PATIENT, "")


def reported(cells: dict[str, str]) -> str:
    """The last day of the reporting period; empty where it cannot be read."""
    found = returns.plain_day(cells.get("ReportingPeriodEndDate", ""))
    return found if len(found) == 10 and found[4] == "-" else ""


def patient(fmt: Format, run: Run, as_of: str, sender: Sender) -> Mapped:
    """One patient from all the rows there are."""
    work = work_for(sender, run.place, ", column ", fmt.label, fmt.lenient, masked=True)
    system = sender.authorities.get("MHSDS") or systems.local_id(sender.agency, "local-patient-id")
    try:
        if is_mask(run.name):
            raise Unusable("A placeholder is no identifier.")
        local = people.identifier(system, run.name, sender)
    except Unusable:
        work.fault(f"{PATIENT} is required: the trust's own identifier.", PATIENT, "required")
        return work.mapped()
    work.person = people.logical(local)
    describe(fmt, run.rows, local, as_of or sender.received, work)
    return work.mapped()


def describe(fmt: Format, rows: Tables, local: Resource, as_of: str, work: Work) -> None:
    """The Patient and the markers."""
    found: Resource = {"resourceType": "Patient", "identifier": [local]}
    key = people.person_key(local, work.sender)
    work.resources.append(Sourced(key, found, rule="patient"))
    place = work.place
    for row in rows.get(INDEX, []):
        work.place = row.place
        found.update(fmt.maps["patient"].run(row.cells, work))
        found["identifier"] = [local, *number(fmt, row.cells, work)]
    settle_death(found)
    for row in rows.get(INDICATORS, []):
        work.place = row.place
        indicators(fmt, row.cells, key, as_of, work)
    for row in rows.get(PLANS, []):
        work.place = row.place
        plan(fmt, row.cells, key, work)
    work.place = place


def number(fmt: Format, cells: dict[str, str], work: Work) -> list[Resource]:
    """The NHS number with its verification status; nothing where there is none."""
    listed = fmt.maps["nhs-number"].run(cells, work).get("identifier")
    if not listed:
        return []
    own = {"system": systems.NHS_NUMBER, **listed[0], "use": "official"}
    status = fmt.maps["number-status"].run(cells, work).get("identifier")
    return [people.with_status(own, status[0]) if status else own]


def indicators(fmt: Format, cells: dict[str, str], key: str, as_of: str, work: Work) -> None:
    """Whether somebody was asked about children, and young carers; what was not asked is a prompt to the trust."""
    asked = fmt.maps["children-asked"].run(cells, work).get("code")
    if asked:
        marker = flags.marker(asked, {}, work, as_of)
        work.resources.append(Sourced(f"{key}/marker/children-asked", marker, rule="children-asked"))
    stated = cells.get("ParentalResp", "").upper()
    if stated in ("", "X"):
        work.warn(ASK, "ParentalResp", "informational")
    elif stated == "Y":
        work.warn(NAME_THEM, "ParentalResp", "informational")
    carer = fmt.maps["young-carer"].run(cells, work).get("code")
    if carer:
        withdrawn = cells.get("YoungCarer", "").upper() == "N"
        marker = flags.marker(carer, {}, work, as_of)
        if withdrawn:
            marker["status"] = "entered-in-error"
        op = Op.RETRACT if withdrawn else Op.MERGE
        work.resources.append(Sourced(f"{key}/marker/young-carer", marker, op, "young-carer"))


def plan(fmt: Format, cells: dict[str, str], key: str, work: Work) -> None:
    """A crisis plan, by its own identifier; other plans are not kept."""
    found = fmt.maps["crisis-plan"].run(cells, work)
    if found.get("code"):
        own = people.segment(cells.get("CarePlanID", "") or "plan")
        marker = flags.marker(found["code"], found.get("period") or {}, work)
        work.resources.append(Sourced(f"{key}/marker/crisis-plan/{own}", marker, rule="crisis-plan"))
