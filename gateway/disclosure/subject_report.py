"""What a subject access report says to the person: facts in codes, put into fixed texts of a language.

A fact names no other person: there is no place in it for a name. Whether a fact is told is decided by people, one by one,
where a reason stands against it; the report never says that anything was left out, and always says that something may be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gateway.disclosure.subject_texts import Texts

HELD, WISHES, LOG = "held", "wishes", "log"
# Why a fact waits for a decision (Data Protection Act 2018 schedules 2 and 3).
DUTY: Final = "duty"  # told, or asked for, under a duty: it may be an enquiry that the person does not know of
OVERRIDE: Final = "override"  # danger to life was claimed
ENQUIRY: Final = "enquiry"  # a child protection enquiry, or somebody checking how records are used
PROTECTED: Final = "protected"  # it may say where a protected person is, or that there is protection at all
ANOTHER: Final = "another-person"  # it is about somebody else as much
REASONS: Final = {
    DUTY: "under a legal duty",
    OVERRIDE: "danger to life was claimed",
    ENQUIRY: "part of an enquiry",
    PROTECTED: "could place or show a protected person",
    ANOTHER: "about another person as well",
}
INVOLVEMENT: Final = {
    **dict.fromkeys(("cp-plan", "cp-plan-unborn", "cp-plan-other-area"), "child-protection-plan"),
    **dict.fromkeys(("looked-after", "short-break", "private-fostering"), "looked-after"),
    **dict.fromkeys(("section-47", "pre-proceedings"), "enquiry"),
    **dict.fromkeys(("inpatient", "inpatient-mother-baby", "on-leave", "absent-without-leave"), "hospital"),
    **dict.fromkeys(("detained", "recalled"), "hospital"),
    **dict.fromkeys(("crisis-team", "community", "cto", "conditional-discharge", "guardianship"), "community"),
    "cin-plan": "child-in-need", "early-help": "early-help", "assessment": "assessment", "referral": "referral",
    "referred": "referral", "care-leaver": "care-leaver", "waiting": "waiting",
}  # fmt: skip
ENQUIRING: Final = frozenset({"section-47", "pre-proceedings", "cp-plan", "cp-plan-unborn", "cp-plan-other-area"})


def involvement_text(detail: str) -> str:
    """The code of the text for a kind of involvement; what stays inside stands as the kind that it is sent as."""
    return "looked-after" if detail.startswith("cla-") else INVOLVEMENT.get(detail, "other")


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a report in codes. ``id`` is that of the stored thing; ``reasons`` keep it back until it is released."""

    id: str
    section: str  # held | wishes | log
    table: str  # of the texts
    code: str
    reasons: tuple[str, ...] = ()
    since: str = ""  # FHIR date
    until: str = ""
    when: str = ""  # instant
    organisation: str = ""
    role: str = ""
    purpose: str = ""
    mistake: bool = False

    def waits(self) -> bool:
        """Whether somebody has to decide on it."""
        return bool(self.reasons)


@dataclass(frozen=True, slots=True)
class About:
    """Whom a report is about, in the agency's own words, and what it covers."""

    name: str
    born: str
    number: str
    others: tuple[str, ...]
    organisation: str
    prepared: str  # instant
    since: str = ""  # date


class Row(NamedTuple):
    """A line of a section: its cells, in the order of the section's heads; without heads, one text."""

    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report under its heading."""

    heading: str
    rows: tuple[Row, ...]
    heads: tuple[str, ...] = ()
    before: str = ""
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A report in one language, ready for a page or for plain text."""

    lang: str
    direction: str
    title: str
    intro: str
    sections: tuple[Section, ...]
    easy: bool = False


def told(facts: Iterable[Fact], released: Collection[str]) -> list[Fact]:
    """The facts that are told: those that nothing stands against, and those that were released."""
    return [one for one in facts if not one.waits() or one.id in released]


def report_of(about: About, facts: Iterable[Fact], texts: Texts) -> Report:
    """A report of facts that may all be told."""
    listed, page = list(facts), texts["page"]
    sections = (
        Section(page["about"], _about(about, texts)),
        _held([one for one in listed if one.section == HELD], texts),
        _wishes([one for one in listed if one.section == WISHES], texts),
        _log([one for one in listed if one.section == LOG], texts),
        Section(page["rights"], tuple(Row((page[name],)) for name in ("rights_correct", "rights_help", "rights_complain"))),
    )
    return Report(texts.lang, texts.direction, page["title"], page["intro"], sections, texts.code.endswith("-easy"))


def _about(about: About, texts: Texts) -> tuple[Row, ...]:
    page = texts["page"]
    stated = (
        ("name", about.name), ("born", texts.day(about.born)), ("number", about.number),
        ("other_numbers", ", ".join(about.others)), ("organisation", about.organisation),
        ("prepared", texts.day(about.prepared)), ("period", texts.day(about.since)),
    )  # fmt: skip
    return tuple(Row((page[name], value)) for name, value in stated if value)


def _held(facts: list[Fact], texts: Texts) -> Section:
    page = texts["page"]
    rows = tuple(Row((_line(one, texts),)) for one in facts)
    return Section(page["held"], rows, before="" if rows else page["held_none"], after=(page["versions"],) if rows else ())


def _line(one: Fact, texts: Texts) -> str:
    """What is held, with its dates."""
    said = texts[one.table][one.code]
    dates = {"since": texts.day(one.since), "until": texts.day(one.until)}
    wanted = "both" if one.since and one.until else "since" if one.since else "until" if one.until else ""
    more = [texts["dates"][wanted].format(**dates)] if wanted else []
    more += [texts["held"]["mistake"]] if one.mistake else []
    return f"{said.rstrip('.')}: {'; '.join(more)}" if more else said


def _wishes(facts: list[Fact], texts: Texts) -> Section:
    page = texts["page"]
    rows = tuple(Row((texts.day(one.when), texts[one.table][one.code])) for one in facts)
    heads = (page["when"], page["what"])
    return Section(page["wishes"], rows, heads if rows else (), before="" if rows else page["wishes_none"])


def _log(facts: list[Fact], texts: Texts) -> Section:
    page = texts["page"]
    rows = tuple(Row((texts.day(one.when), _who(one), texts[one.table][one.code], _why(one, texts))) for one in facts)
    heads = tuple(page[name] for name in ("when", "who", "what", "why"))
    before = page["log_lead"] if rows else page["log_none"]
    return Section(page["log"], rows, heads if rows else (), before, (page["left_out"],))


def _who(one: Fact) -> str:
    return f"{one.organisation} ({one.role.replace('-', ' ')})" if one.role else one.organisation


def _why(one: Fact, texts: Texts) -> str:
    return texts["purpose"][one.purpose or "none"]


def as_text(report: Report, width: int = 78) -> str:
    """The report as plain text: for a letter, for a reader's own software, for braille."""
    lines = [report.title, "=" * min(len(report.title), width), "", report.intro, ""]
    for section in report.sections:
        lines += [section.heading, "-" * min(len(section.heading), width), ""]
        lines += [section.before, ""] if section.before else []
        for row in section.rows:
            lines += _as_lines(row, section.heads)
        lines += ["", *(text for one in section.after for text in (one, ""))]
    return "\n".join(lines).rstrip() + "\n"


def _as_lines(row: Row, heads: tuple[str, ...]) -> list[str]:
    if heads:
        return [*(f"{head}: {cell}" for head, cell in zip(heads, row.cells, strict=True)), ""]
    return [f"- {': '.join(row.cells)}"]


def stored(fact: Fact) -> dict[str, Any]:
    """A fact as it is kept: what is empty is left out."""
    return {name: value for name in Fact.__slots__ if (value := getattr(fact, name)) not in ("", (), False)}


def fact_of(raw: Mapping[str, Any]) -> Fact:
    """A fact as it was kept."""
    return Fact(**{**raw, "reasons": tuple(raw.get("reasons", ()))})
