"""What a reviewer is shown of agreements that compile, and what a new version would have changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from gateway.disclosure.agreement_checks import Finding, check_agreements
from gateway.disclosure.agreement_simulation import Decided, Effect, simulate
from gateway.disclosure.agreements import Agreements, compile_agreements, document_id, labels
from gateway.listing.agreement_table import agreement_rows, agreements_page, csv_table, worded_rows, words_of
from gateway.settings import HERE
from tests.core.disclosure.made import HEAD, HOLDER, NOW, PURPOSES, agreements

TODAY = NOW.date()
AGENCIES = {HOLDER: "children-social-care", "TMH01": "adult-mental-health", "TVS01": "voluntary"}
KIND, NAMED = 'receiver_kind = "adult-mental-health"', 'receiver = "TMH01"'
CARE, HELP = "amh-care-planning", "early-help"


def line(part: str, to: str = KIND, *more: str, purposes: tuple[str, ...] = (CARE,), tier: int = 1) -> str:
    listed = ", ".join(f'"{code}"' for code in purposes)
    return f'\n[[{part}]]\n{to}\npurposes = [{listed}]\ntier = {tier}\nbasis = "person-wish"\n' + "\n".join(more) + "\n"


def roles(*names: str) -> str:
    return f"roles = [{', '.join(repr(name) for name in names)}]".replace("'", '"')


def days(since: str, until: str) -> str:
    return f"valid_from = {since}\nvalid_until = {until}"


def findings(*parts: str, head: str = HEAD, agencies: dict[str, str] | None = AGENCIES, on: date = TODAY) -> list[Finding]:
    return check_agreements(agreements(*parts, head=head), PURPOSES, on, agencies)


def dead(*parts: str, agencies: dict[str, str] | None = AGENCIES) -> list[str]:
    """The labels of the lines that never decide."""
    return [one.place.rpartition(": ")[2] for one in findings(*parts, agencies=agencies) if one.weight == "error"]


FIRST, LAST, MIDDLE = "2026-01-01", "2028-12-31", "2027-06-30"


@pytest.mark.parametrize(
    ("parts", "never"),
    [
        ([line("default"), line("default")], ["default 2"]),
        ([line("default"), line("default", KIND, roles("consultant"))], ["default 2"]),
        ([line("default", KIND, roles("consultant")), line("default")], []),
        ([line("default", KIND, roles("a", "b")), line("default", KIND, roles("a"))], ["default 2"]),
        (
            [line("default", KIND, roles("a")), line("default", KIND, roles("b")), line("default", KIND, roles("a", "b"))],
            ["default 3"],
        ),
        ([line("default", KIND, roles("a")), line("default", KIND, roles("a", "b"))], []),
        ([line("exception"), line("default")], ["default 1"]),
        ([line("exception", KIND, 'effect = "refuse"'), line("default")], ["default 1"]),
        ([line("exception", NAMED), line("default")], []),
        ([line("exception"), line("default", NAMED)], ["default 1"]),
        ([line("default"), line("default", NAMED)], []),
        (
            [line("default", KIND, days(FIRST, MIDDLE)), line("default", KIND, days("2027-07-01", LAST)), line("default")],
            ["default 3"],
        ),
        ([line("default", KIND, days(FIRST, MIDDLE)), line("default", KIND, days("2027-07-02", LAST)), line("default")], []),
        ([line("default", KIND, days(FIRST, MIDDLE)), line("default")], []),
        ([line("default"), line("default", purposes=(CARE, HELP))], []),
        (
            [line("default", purposes=(CARE,)), line("default", purposes=(HELP,)), line("default", purposes=(CARE, HELP))],
            ["default 3"],
        ),
        ([line("default", 'receiver_kind = "school"', purposes=(HELP,)), line("default", purposes=(HELP,))], []),
        ([line("default", KIND, days("2020-01-01", "2021-01-01"))], ["default 1"]),
    ],
)
def test_a_line_that_never_decides_is_an_error(parts: list[str], never: list[str]) -> None:
    """Where earlier lines leave no purpose, role or day of it; where they leave one, it is none."""
    assert dead(*parts) == never


def test_a_named_agency_of_a_kind_that_nobody_knows_may_be_reached() -> None:
    """Without the register a line for one agency is not called dead because of its kind."""
    parts = [line("exception"), line("default", NAMED)]
    assert (dead(*parts), dead(*parts, agencies=None)) == (["default 1"], [])


def test_each_finding_names_file_and_line_of_text() -> None:
    """As an editor takes it."""
    (found,) = [one for one in findings(line("default"), line("default")) if one.weight == "error"]
    number = (HEAD + line("default") + line("default")).splitlines().index("[[default]]", 8) + 1
    assert str(found) == f"holder.toml:{number}: default 2: error: this line never decides: default 1 always comes first"


def test_lines_that_meet_are_noted_with_the_one_that_wins() -> None:
    """Only where receiver, purpose, role and days can be the same."""
    notes = [str(one) for one in findings(line("exception", NAMED), line("default")) if "comes first" in one.text]
    assert len(notes) == 1
    assert "default 1: note: exception 1 comes first where both match (amh-care-planning)" in notes[0]
    apart = [
        (line("default", KIND, roles("a")), line("default", KIND, roles("b"))),
        (line("default", KIND, days(FIRST, MIDDLE)), line("default", KIND, days("2027-07-01", LAST))),
        (line("default", NAMED), line("default", 'receiver_kind = "voluntary"')),
        (line("default", purposes=(CARE,)), line("default", purposes=(HELP,))),
    ]
    assert not [one for parts in apart for one in findings(*parts) if "comes first" in one.text]


def test_what_nothing_is_shared_for_is_a_note() -> None:
    """Purposes about people, and kinds of agency that are registered beside the source."""
    gaps = [one for one in findings(line("default", NAMED)) if "shares nothing" in one.text]
    assert {one.weight for one in gaps} == {"note"}
    purposes, kinds = (one.text for one in gaps)
    assert "early-help" in purposes and CARE not in purposes and "statistics" not in purposes
    assert kinds == f"{HOLDER} shares nothing with: voluntary"
    refusing = [
        one.text for one in findings(line("default", NAMED, 'effect = "refuse"'), line("default", KIND)) if "with:" in one.text
    ]
    assert refusing == [f"{HOLDER} shares nothing with: voluntary"]


S47, SHARE = "safeguarding-s47", "duty-to-share-16la"
FAMILIES = 'receiver_kind = "voluntary"'


@pytest.mark.parametrize(
    ("part", "on", "says"),
    [
        (line("default", FAMILIES), TODAY, ["error: this line never decides: voluntary may not ask for amh-care-planning"]),
        (
            line("default", 'receiver = "TVS01"'),
            TODAY,
            ["error: this line never decides: voluntary may not ask for amh-care-planning"],
        ),
        (line("default", 'receiver = "TNOBODY"'), TODAY, []),
        (line("default", FAMILIES, 'effect = "refuse"'), TODAY, []),
        (line("default", FAMILIES, purposes=(CARE, HELP)), TODAY, ["warning: voluntary may not ask for amh-care-planning"]),
        (line("default", FAMILIES, purposes=(S47,)).replace("person-wish", "CA1989-s47"), TODAY, []),
        (line("default", KIND, purposes=(SHARE,)).replace("person-wish", "CA2004-16LA"), date(2026, 9, 30), []),
        (
            line("default", KIND, purposes=(SHARE,)).replace("person-wish", "CA2004-16LA"),
            date(2026, 9, 29),
            ["warning: the law of duty-to-share-16la is not in force before 2026-09-30"],
        ),
        (
            line("default", KIND, purposes=(SHARE,)),
            TODAY,
            ["warning: no wish is looked for under duty-to-share-16la: it does not rest on person-wish"],
        ),
    ],
)
def test_what_the_law_lets_nobody_ask_or_not_so_is_found(part: str, on: date, says: list[str]) -> None:
    """A council's enquiry is open to others by its case reference; a named agency of which nobody knows the kind is let be."""
    found = [f"{one.weight}: {one.text}" for one in findings(part, on=on) if "default 1" in one.place]
    assert found == says


def test_an_organisation_whose_every_line_refuses_is_warned_of() -> None:
    """As after the revocation of its last line: that is the widest gap of all."""
    (found,) = findings(line("default", NAMED, 'effect = "refuse"'))
    assert (found.weight, found.text) == ("warning", f"{HOLDER} shares nothing")


@pytest.mark.parametrize(
    ("on", "says"),
    [
        (date(2025, 12, 1), "note: this document is not in force before 2026-01-01"),
        (date(2028, 10, 31), ""),
        (date(2028, 11, 1), "warning: this document runs out on 2028-12-31: within 60 days"),
        (date(2028, 12, 31), "warning: this document runs out on 2028-12-31: within 60 days"),
        (date(2029, 1, 1), "warning: this document ran out on 2028-12-31: it shares nothing"),
    ],
)
def test_the_end_of_a_document_is_seen_coming(on: date, says: str) -> None:
    """Sixty days before, and from then on."""
    told = [str(one) for one in findings(line("default"), on=on) if "document" in one.text]
    assert told == ([f"holder.toml: {says}"] if says else [])


def test_lines_out_of_their_time_are_named() -> None:
    """Run out, or not in force yet."""
    told = [
        f"{one.place.rpartition(': ')[2]} {one.weight} {one.text}"
        for one in findings(line("default", KIND, days(FIRST, "2026-06-30")), line("default", KIND, days("2027-01-01", LAST)))
        if "this line" in one.text
    ]
    assert told == [
        "default 1 warning this line ran out on 2026-06-30",
        "default 2 note this line is not in force before 2027-01-01",
    ]


def test_errors_come_first() -> None:
    """A reviewer who stops reading has seen the worst."""
    weights = [one.weight for one in findings(line("default"), line("default"), on=date(2028, 12, 1))]
    assert weights == sorted(weights, key=["error", "warning", "note"].index)
    assert weights[:2] == ["error", "warning"]


def test_the_example_has_no_errors() -> None:
    """What a first reader copies from is in order."""
    folder = HERE / "mappings" / "agreements" / "example"
    found = compile_agreements([(path.name, path.read_bytes()) for path in sorted(folder.glob("*.toml"))], PURPOSES)
    assert not [one for one in check_agreements(found, PURPOSES, TODAY) if one.weight != "note"]


# -- a line that was revoked -------------------------------------------------------------------------------------------


def test_a_revoked_line_goes_on_matching_and_shares_nothing() -> None:
    """Taking a narrow line away must not let a wider one behind it through."""
    text = (HEAD + line("exception", NAMED, tier=1) + line("default", KIND, tier=3)).encode()
    whole = compile_agreements([("holder.toml", text)], PURPOSES)
    less = compile_agreements([("holder.toml", text)], PURPOSES, {document_id(text): frozenset({"exception 1"})})
    assert labels("holder.toml", text) == ["exception 1", "default 1"]
    assert whole.version != less.version
    for one, permits in ((whole, True), (less, False)):
        found = one.line(HOLDER, "TMH01", "adult-mental-health", CARE, "", TODAY)
        assert found is not None
        assert found.permits is permits
    other = less.line(HOLDER, "TMH02", "adult-mental-health", CARE, "", TODAY)
    assert other is not None
    assert other.permits


def test_who_holds_the_agreements_sees_the_next_version_at_once() -> None:
    """Nothing that was remembered of the version before answers for the new one."""
    mine, newer = agreements(line("default", tier=3)), agreements(line("default", tier=1))
    asked = (HOLDER, "TMH01", "adult-mental-health", CARE, "", TODAY)
    tiers = [one.tier for one in [mine.line(*asked)] if one]
    mine.become(newer)
    tiers += [one.tier for one in [mine.line(*asked)] if one]
    assert (tiers, mine.version) == ([3, 1], newer.version)


# -- what a version would have changed ---------------------------------------------------------------------------------


def asked(requester: str = "TMH01", purpose: str = CARE, role: str = "ward-nurse", *, disclosed: bool = False) -> Decided:
    return Decided(requester, HOLDER, purpose, role, disclosed)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([line("default", tier=1)], [line("default", tier=2)], "tier 1 to 2"),
        ([line("default", tier=2)], [line("default", KIND, 'effect = "refuse"')], "closes"),
        ([line("default", purposes=(HELP,))], [line("default", tier=2)], "opens"),
        ([line("default", tier=2)], [line("default", KIND, 'classes = ["contact"]', tier=2)], "other classes"),
        ([line("default", tier=2)], [line("default", KIND, 'obligations = ["seek-advice"]', tier=2)], "other terms: obligations"),
        ([line("default", tier=2)], [line("default", KIND, roles("ward-nurse"), tier=2)], ""),
        ([line("default", tier=2)], [line("default", KIND, roles("consultant"), tier=2)], "closes"),
    ],
)
def test_a_new_version_is_tried_on_past_decisions(before: list[str], after: list[str], change: str) -> None:
    """Counted by requester, purpose and role, with how many of them had told something."""
    past = [asked(), asked(disclosed=True), asked(requester="GONE")]
    found = simulate(past, agreements(*before), agreements(*after), AGENCIES, TODAY)
    effect = Effect("TMH01", HOLDER, CARE, "ward-nurse", change)
    assert found.decided == 2
    assert dict(found.effects) == ({effect: 2} if change else {})
    assert dict(found.disclosed) == ({effect: 1} if change else {})
    assert found.changed == (2 if change else 0)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ('negatives = "explicit"', 'negatives = "blanket"', "negatives"),
        ('negatives = "explicit"', 'negatives = "explicit"\naccepts_own_wishes = true', "wishes that the requester recorded"),
    ],
)
def test_other_terms_of_a_document_are_a_change_too(before: str, after: str, change: str) -> None:
    """Who may hear a careful "not known", or be opened to by its own record of a wish, learns more than before."""
    assert before in HEAD
    found = simulate(
        [asked()], agreements(line("default")), agreements(line("default"), head=HEAD.replace(before, after)), AGENCIES, TODAY
    )
    assert [one.change for one in found.effects] == [f"other terms: {change}"]


# -- who learns what, in words -----------------------------------------------------------------------------------------


def worded(found: Agreements) -> list[tuple[str, ...]]:
    words = words_of(HERE / "mappings", PURPOSES, {HOLDER: "Southshire Council"})
    return [tuple(row) for row in worded_rows(found, words)]


def test_the_table_speaks_in_words() -> None:
    """Names, purposes with their law, classes and bases as they are published; no codes."""
    (row,) = worded(agreements(line("default", KIND, 'why = "Planning"', 'classes = ["status"]')))[1:]
    assert row[:2] == ("Southshire Council (TLA01)", "Every agency of the kind: Adult mental health")
    assert row[2] == "Planning an adult's mental health care: the person's own agreement"
    assert row[4] == "That records exist; Coarse status and dates"
    assert row[8] == "Planning"
    assert worded(agreements(line("default", KIND, 'effect = "refuse"')))[1][4] == "Nothing"


LAW = "duty-to-share-16la"
LAW_NAME = PURPOSES[LAW].display
NEVER = "never: the law is in force from 2028-01-01 only"
# first day of the law, purposes of the line -> how long it holds, with {} for the name of the purpose
FROM = [
    (date(2020, 1, 1), (LAW,), "2026-01-01 to 2027-06-30"),
    (date(2027, 1, 1), (LAW,), "2027-01-01 to 2027-06-30"),
    (date(2027, 1, 1), (LAW, HELP), "2026-01-01 to 2027-06-30; {} from 2027-01-01"),
    (date(2028, 1, 1), (LAW,), NEVER),
    (date(2028, 1, 1), (LAW, HELP), f"2026-01-01 to 2027-06-30; {{}} {NEVER}"),
]


@pytest.mark.parametrize(("since", "codes", "holds"), FROM)
def test_no_line_holds_before_the_law_of_its_purpose(since: date, codes: tuple[str, ...], holds: str) -> None:
    """The table says for each purpose the later of the two first days, the document's or the law's."""
    purposes = {**PURPOSES, LAW: replace(PURPOSES[LAW], since=since)}
    found = agreements(line("default", KIND, days(FIRST, MIDDLE), purposes=codes))
    assert agreement_rows(found, purposes)[1][7] == holds.format(LAW)
    assert worded_rows(found, words_of(HERE / "mappings", purposes, {}))[1][7] == holds.format(LAW_NAME)


def test_the_page_is_whole_and_takes_nothing_in() -> None:
    """One table with headings for columns and rows, a language, no script; what a document says stays text."""
    page = agreements_page("v1", worded(agreements(line("default", KIND, 'why = "<script>alert(1)</script>"'))))
    assert page.startswith('<!doctype html>\n<html lang="en-GB">')
    assert page.count('scope="col"') == 9
    assert page.count('scope="row"') == 1
    assert "<script" not in page and "http" not in page and "<caption>" in page


def test_a_spreadsheet_takes_no_cell_for_a_formula() -> None:
    """A reason that begins like one is quoted."""
    text = csv_table(worded(agreements(line("default", KIND, 'why = "=1+1"'))))
    assert text.splitlines()[1].endswith(",'=1+1")
