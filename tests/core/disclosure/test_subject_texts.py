"""The fixed texts of subject access: every language whole, and a report that says the same in each."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from gateway.disclosure import subject_report
from gateway.disclosure.purposes import PolicyFault, load_purposes
from gateway.disclosure.subject_report import (
    HELD,
    INVOLVEMENT,
    LOG,
    WISHES,
    About,
    Fact,
    as_text,
    fact_of,
    report_of,
    stored,
    told,
)
from gateway.disclosure.subject_texts import SHIPPED, load_subject_texts, shipped_subject_texts
from gateway.exchanges.subjects.subject_facts import ACTS, KINDS, RELATIVES
from gateway.fhir.codes import DETAILS, MARKERS, SENT_AS

TEXTS = shipped_subject_texts()
ABOUT = About("Amina Example", "1991-03-14", "999 000 1006", ("M1",), "Northmoor", "2026-11-22T10:00:00.000Z", "2026-01-02")
FACTS = (
    Fact("1", HELD, "involvement", "hospital", (), "2026-11-19", "2026-11-21"),
    Fact("2", HELD, "involvement", "enquiry", ("enquiry",), "2026-11-01"),
    Fact("3", HELD, "relative", "child", mistake=True),
    Fact("4", WISHES, "wish", "agreed-some", when="2026-11-20"),
    Fact(
        "5",
        LOG,
        "act",
        "told",
        when="2026-11-20T09:30:00.000Z",
        organisation="Council",
        role="social-worker",
        purpose="early-help",
    ),
    Fact(
        "6",
        LOG,
        "act",
        "asked",
        ("duty", "enquiry"),
        when="2026-11-21T09:30:00.000Z",
        organisation="Council",
        purpose="safeguarding-s47",
    ),
)


def test_there_are_english_easy_read_and_five_languages_more() -> None:
    """English first; Urdu is read from right to left."""
    assert list(TEXTS)[:2] == ["en", "en-easy"]
    assert {"pl", "ro", "so", "ur", "bn"} <= set(TEXTS)
    assert [code for code, one in TEXTS.items() if one.direction == "rtl"] == ["ur"]


def test_every_code_that_may_be_told_has_a_text() -> None:
    """Purposes, kinds of involvement, markers, what exchanges do, relatives: in the original, and so in every language."""
    english = TEXTS["en"]
    assert set(english["purpose"]) == {*load_purposes(SHIPPED.parent / "purposes.toml"), "none"}
    details = [*DETAILS, *SENT_AS, *INVOLVEMENT, "cla-s31", "never-heard-of"]
    assert {subject_report.involvement_text(one) for one in details} <= set(english["involvement"])
    assert {"children-asked" if one.startswith("children-asked") else one for one in MARKERS} == set(english["marker"])
    assert {*ACTS.values(), *KINDS.values()} <= set(english["act"])
    assert {name for name, _ in RELATIVES} <= set(english["relative"])


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_a_translation_is_no_copy(code: str) -> None:
    """A text that was left in English would be a text that the reader cannot read."""
    if code.startswith("en"):
        return
    same = [
        f"[{table}] {name}"
        for table, texts in TEXTS["en"].tables.items()
        for name, text in texts.items()
        if TEXTS[code][table][name] == text
    ]
    assert not same


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('when = "Kiedy"\n', "", r"no text for \[page\] when"),
        ('when = "Kiedy"', 'when = " "', r"no text for \[page\] when"),
        ('when = "Kiedy"', 'when = "Kiedy"\nwhere = "Gdzie"', r"\[page\] where is no text"),
        ('since = "od {since}"', 'since = "od"', r"\[dates\] since: its places are since"),
        ('since = "od {since}"', 'since = "od {since"', r"\[dates\] since"),
        ('"stycznia", ', "", "twelve names"),
        ('dir = "ltr"', 'dir = "up"', "dir is one of"),
        ("[page]", "[page", "pl.toml"),
    ],
)
def test_a_language_that_is_not_whole_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    """The message names the file and the text."""
    folder = tmp_path / "subject_access"
    shutil.copytree(SHIPPED, folder)
    path = folder / "pl.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(PolicyFault, match=says) as refused:
        load_subject_texts(folder)
    assert "pl.toml" in str(refused.value)


def test_without_the_original_nothing_is_taken(tmp_path: Path) -> None:
    """The texts of English say which there are."""
    (tmp_path / "pl.toml").write_text((SHIPPED / "pl.toml").read_text())
    with pytest.raises(PolicyFault, match="original"):
        load_subject_texts(tmp_path)


def test_what_waits_is_told_only_where_it_was_released() -> None:
    """Anything that is not released by its id stays out."""
    assert [one.id for one in told(FACTS, frozenset())] == ["1", "3", "4", "5"]
    assert [one.id for one in told(FACTS, frozenset({"6", "else"}))] == ["1", "3", "4", "5", "6"]


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_every_language_says_the_same_lines(code: str) -> None:
    """As many sections, lines and cells as in English; days in the language's own words; no place left unfilled."""
    english, made = (report_of(ABOUT, told(FACTS, {"6"}), TEXTS[one]) for one in ("en", code))
    assert [len(one.rows) for one in made.sections] == [len(one.rows) for one in english.sections]
    assert [[len(row.cells) for row in one.rows] for one in made.sections] == [
        [len(row.cells) for row in one.rows] for one in english.sections
    ]
    text = as_text(made)
    assert "{" not in text and "2026-1" not in text
    assert TEXTS[code].months[10] in text
    assert TEXTS[code]["page"]["left_out"] in text


def test_that_something_may_be_left_out_stands_in_every_report() -> None:
    """The words do not depend on whether anything was: with the enquiry kept back or never made, the report is the same."""
    without = tuple(one for one in FACTS if not one.waits())
    for texts in TEXTS.values():
        assert as_text(report_of(ABOUT, told(FACTS, frozenset()), texts)) == as_text(report_of(ABOUT, without, texts))


def test_plain_text_reads_line_by_line() -> None:
    """What a person reads, in English."""
    text = as_text(report_of(ABOUT, told(FACTS, frozenset()), TEXTS["en"]))
    for said in (
        "- Name: Amina Example\n", "- Date of birth: 14 March 1991\n", "- Covers the time from: 2 January 2026\n",
        "- Stay in hospital: from 19 November 2026 until 21 November 2026\n",
        "- Somebody is recorded as your child: recorded by mistake and marked as such\n",
        "When: 20 November 2026\nWho: Council (social worker)\nWhat happened: Asked about you and was given an answer\nWhy: Early help for a family\n",
    ):  # fmt: skip
        assert said in text, said
    assert "enquiry" not in text.lower()


def test_facts_are_kept_and_read_again() -> None:
    """Nothing of a fact is lost on the way to the database and back."""
    assert tuple(fact_of(stored(one)) for one in FACTS) == FACTS


def test_easy_read_is_short() -> None:
    """No sentence of more than fifteen words but the law's name of an office."""
    easy = tomllib.loads((SHIPPED / "en-easy.toml").read_text())
    texts = [text for table, one in easy.items() if table != "language" for text in one.values()]
    long = [one for text in texts for one in re.split(r"[.?!]", text) if len(one.split()) > 15]
    assert not long
