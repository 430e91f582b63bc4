"""The Standard Safeguarding Dataset: CSV tables out of a council's case management system, one by one or as a ZIP.

Some tables name no person: placements, assessment factors, professionals and teams join others in a set and say nothing
alone. Keys are those of the daily API, which is made of the same records: ``child/<id>/episode/<referral>/cp-plan/<id>``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from gateway.fhir.outcomes import Issue
from gateway.mapping import people
from gateway.mapping.formats import Format
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.runs import Run, in_runs, refused, together
from gateway.mapping.sets import Line, Table, foreign_columns, lines_of, read_tables, whole
from gateway.mapping.ssd_person import Joined, describe
from gateway.mapping.threads import child_id, child_key, own_system
from gateway.mapping.unreadable import Unreadable
from gateway.mapping.values import work_for

PERSON: Final = {
    "ssd_person": "pers_person_id", "ssd_linked_identifiers": "link_person_id", "ssd_mother": "moth_person_id",
    "ssd_cin_episodes": "cine_person_id", "ssd_cin_assessments": "cina_person_id", "ssd_cin_plans": "cinp_person_id",
    "ssd_s47_enquiry": "s47e_person_id", "ssd_cp_plans": "cppl_person_id", "ssd_pre_proceedings": "prep_person_id",
    "ssd_cla_episodes": "clae_person_id", "ssd_legal_status": "lega_person_id", "ssd_permanence": "perm_person_id",
    "ssd_care_leavers": "clea_person_id", "ssd_early_help_episodes": "earl_person_id", "ssd_involvements": "invo_person_id",
    "ssd_cla_placement": "clap_person_id",
}  # fmt: skip
JOINING: Final = frozenset({"ssd_assessment_factors", "ssd_professionals", "ssd_department"})  # no column of a person
ADRIFT: Final = JOINING | {"ssd_cla_placement"}  # whose person another table tells
TOLD_TWICE: Final = "Two tables of the ZIP are the same: send each table once."


@dataclass(slots=True)
class Owners:
    """Whose record a row is of that names another record in place of a person."""

    by_record: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, line: Line) -> None:
        """Remembers the records of a person that other tables speak of."""
        person = line.cells.get(PERSON.get(line.table, ""), "")
        for column in ("clae_cla_id", "clae_cla_episode_id", "cina_assessment_id"):
            if person and line.cells.get(column):
                self.by_record[(column, line.cells[column])] = person

    def of(self, line: Line) -> str:
        """The person of a row; empty where nothing tells."""
        cells = line.cells
        if line.table == "ssd_assessment_factors":
            return self.by_record.get(("cina_assessment_id", cells.get("cinf_assessment_id", "")), "")
        if line.table == "ssd_cla_placement" and not cells.get("clap_person_id"):
            episode = ("clae_cla_episode_id", cells.get("clap_cla_episode_id", ""))
            return self.by_record.get(episode) or self.by_record.get(("clae_cla_id", cells.get("clap_cla_id", "")), "")
        return cells.get(PERSON.get(line.table, ""), "")


def read(versions: tuple[Format, ...], asked: Format | None, source: bytes | BinaryIO, sender: Sender) -> Iterator[Mapped]:
    """One Mapped per person, or run of rows of one person, in the order of the file."""
    fmt = asked or versions[-1]
    tables = read_tables(fmt, whole(source))
    if len({one.name for one in tables}) < len(tables):
        raise Unreadable(Issue(TOLD_TWICE, "structure"))
    return persons(fmt, tables, sender)


def persons(fmt: Format, tables: list[Table], sender: Sender) -> Iterator[Mapped]:
    """The persons of one table as its rows go by; of several tables all rows of a person together."""
    yield from foreign_columns(fmt, tables)
    kept = [one for one in tables if one.name not in fmt.ignored]
    joined = Joined()
    if len(kept) > 1:
        runs = of_set(kept, joined)
    elif not kept or kept[0].name in JOINING:
        runs = alone(kept)
    else:
        runs = in_runs(kept[0], Owners().of)
    for run in runs:
        yield refused(fmt, run, sender) if run.problem else person(fmt, run, joined, sender)


def alone(tables: list[Table]) -> Iterator[Run]:
    """A table that says nothing by itself."""
    for table in tables:
        yield Run(table.name, "", {}, "This table joins others and says nothing alone: send the tables together as a ZIP.")


def of_set(tables: list[Table], joined: Joined) -> Iterator[Run]:
    """Every person of a set, with what professionals and teams add."""
    owners, lines = Owners(), list(lines_of(tables))
    for _, line in lines:
        owners.note(line)
        joined.note(line.table, line.cells)
    spoken = [(table, line) for table, line in lines if table.name not in ("ssd_professionals", "ssd_department")]
    return together(spoken, owners.of)


def person(fmt: Format, run: Run, joined: Joined, sender: Sender) -> Mapped:
    """One person from all the rows there are."""
    work = work_for(sender, run.place, ", column ", fmt.label, fmt.lenient, masked=True)
    column = next((PERSON[table] for table in run.rows if table in PERSON), "pers_person_id")
    if not run.name and not ADRIFT.isdisjoint(run.rows):
        work.fault("The record that this row belongs to is not here: send the tables together as a ZIP.", "", "not-found")
        return work.mapped()
    found = child_id(run.name, column, work)
    if found:
        work.person = people.logical({"system": own_system(sender), "value": found})
        describe(fmt, run.rows, child_key(found), joined, work)
    return work.mapped()
