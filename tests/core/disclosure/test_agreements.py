"""Agreements: precedence, dates, lint; purposes: what each needs."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from gateway.disclosure.agreements import BASES, CLASS_TIERS, OBLIGATIONS, Agreements, compile_agreements, load_agreements
from gateway.disclosure.purposes import PolicyFault, load_purposes
from gateway.listing import agreement_rows
from gateway.settings import HERE
from tests.core.disclosure.made import HEAD, HOLDER, LINE, NOW, PURPOSES, agreements, published

TODAY = NOW.date()
EXAMPLE = HERE / "mappings" / "agreements" / "example"


def line(part: str = "default", to: str = 'receiver_kind = "adult-mental-health"', tier: int = 1, *more: str) -> str:
    return (
        f'\n[[{part}]]\n{to}\npurposes = ["amh-care-planning"]\ntier = {tier}\nbasis = "person-wish"\n' + "\n".join(more) + "\n"
    )


KIND, NAMED = 'receiver_kind = "adult-mental-health"', 'receiver = "TMH01"'
REFUSAL = 'effect = "refuse"'


def tier_for(found: Agreements, on: date = TODAY, receiver: str = "TMH01", role: str = "ward-nurse") -> int | None:
    """The tier that is shared, None where nothing is."""
    one = found.line(HOLDER, receiver, "adult-mental-health", "amh-care-planning", role, on)
    return one.tier if one is not None and one.permits else None


@pytest.mark.parametrize(
    ("parts", "tier"),
    [
        ([line("default", KIND, 1), line("exception", KIND, 2)], 2),
        ([line("exception", KIND, 2), line("default", NAMED, 1)], 2),
        ([line("default", KIND, 1), line("default", NAMED, 2)], 2),
        ([line("exception", KIND, 1), line("exception", NAMED, 2)], 2),
        ([line("default", KIND, 1), line("default", KIND, 2)], 1),
        ([line("default", NAMED, 2), line("exception", KIND, 0, REFUSAL)], None),
        ([line("default", KIND, 2), line("default", NAMED, 0, REFUSAL)], None),
        ([line("exception", NAMED, 3), line("default", NAMED, 0, REFUSAL)], 3),
        ([line("default", KIND, 2, 'roles = ["consultant"]'), line("default", KIND, 1)], 1),
        ([line("default", KIND, 2, 'roles = ["ward-nurse"]'), line("default", KIND, 1)], 2),
        ([line("default", KIND, 2, "valid_until = 2026-11-20"), line("default", KIND, 1)], 1),
        ([line("default", KIND, 2, "valid_until = 2026-11-21")], 2),
        ([line("default", KIND, 2, "valid_from = 2026-11-22")], None),
        ([line("default", 'receiver_kind = "school"', 3)], None),
        ([line("default", 'receiver = "OTHER"', 3)], None),
        ([], None),
    ],
)
def test_exceptions_before_defaults_named_before_kind_first_match_wins(parts: list[str], tier: int | None) -> None:
    """Where none matches nothing is shared; a refusing line decides like any other."""
    assert tier_for(agreements(*(parts or [""]))) == tier


@pytest.mark.parametrize(
    ("on", "shares"),
    [(date(2025, 12, 31), False), (date(2026, 1, 1), True), (date(2028, 12, 31), True), (date(2029, 1, 1), False)],
)
def test_a_document_outside_of_its_dates_shares_nothing(on: date, shares: bool) -> None:
    """Whatever dates its lines name for themselves."""
    wide = agreements(line("default", KIND, 1, "valid_from = 2020-01-01", "valid_until = 2040-01-01"))
    assert (tier_for(wide, on) is not None) is shares
    assert (tier_for(agreements(line()), on) is not None) is shares


def test_existence_goes_with_every_line_and_classes_narrow_the_tier() -> None:
    """An empty list of classes is none but existence, not all of them."""
    found = agreements(line("default", KIND, 2, 'classes = ["contact"]')).line(
        HOLDER, "TMH01", "adult-mental-health", "amh-care-planning", "", TODAY
    )
    assert found is not None
    assert found.classes == {"existence", "contact"}
    none = agreements(line("default", KIND, 3, "classes = []")).line(
        HOLDER, "TMH01", "adult-mental-health", "amh-care-planning", "", TODAY
    )
    assert none is not None
    assert none.classes == {"existence"}


def test_coverage_is_whom_a_requester_may_hear_from() -> None:
    """By purpose, kind and role; never itself, never one that refuses."""
    found = agreements(LINE, '\n[[exception]]\nreceiver = "RX9"\npurposes = ["amh-care-planning"]\neffect = "refuse"\n')
    assert found.coverage("TMH01", "adult-mental-health", "amh-care-planning", "", TODAY) == (HOLDER,)
    assert found.coverage("RX9", "adult-mental-health", "amh-care-planning", "", TODAY) == ()
    assert found.coverage("RX9", "adult-mental-health", "safeguarding-s47", "", TODAY) == (HOLDER,)
    assert found.coverage(HOLDER, "adult-mental-health", "amh-care-planning", "", TODAY) == ()
    assert found.coverage("TMH01", "adult-mental-health", "early-help", "", TODAY) == ()
    assert found.coverage("TMH01", "adult-mental-health", "amh-care-planning", "", date(2029, 1, 1)) == ()


FAULTS = [
    ("holder.toml", HEAD + "[[default]\n", "holder.toml: Expected"),
    ("holder.toml", HEAD.replace("source", "sauce"), "missing settings ['source']"),
    ("holder.toml", HEAD + "colour = 1\n", "unknown settings ['colour']"),
    ("holder.toml", HEAD.replace('"explicit"', '"loud"'), "negatives is explicit or blanket"),
    ("holder.toml", HEAD + 'accepts_own_wishes = "false"\n', "accepts_own_wishes is true or false"),
    ("holder.toml", HEAD.replace("2028-12-31", '"2028-12-31"'), "dates are dates"),
    ("holder.toml", HEAD.replace("2028-12-31", "2028-12-31T00:00:00Z"), "dates are dates"),
    ("holder.toml", HEAD.replace("2028-12-31", "2025-12-31"), "valid_from is not after valid_until"),
    ("holder.toml", HEAD + "[default]\ntier = 1\n", "[[lists]]"),
    ("holder.toml", HEAD + line() + line("default", KIND, 7), "holder.toml: default 2: tier is 0 to 3"),
    ("holder.toml", HEAD + line("exception") + line("default", KIND, 7), "holder.toml: default 1: tier"),
    ("holder.toml", HEAD + line().replace("tier = 1", "tier = true"), "tier is 0 to 3"),
    ("holder.toml", HEAD + line().replace("amh-care-planning", "gossip"), "unknown purpose gossip"),
    ("holder.toml", HEAD + line().replace('["amh-care-planning"]', "[]"), "unknown purpose (none)"),
    ("holder.toml", HEAD + line().replace('["amh-care-planning"]', '"amh-care-planning"'), "purposes is a list"),
    ("holder.toml", HEAD + line("default", KIND, 1, 'roles = "ward-nurse"'), "roles is a list"),
    ("holder.toml", HEAD + line("default", KIND, 1, 'classes = ["diagnosis"]'), "unknown class diagnosis"),
    ("holder.toml", HEAD + line("default", KIND, 1, 'classes = ["detail"]'), "no class is above the tier"),
    ("holder.toml", HEAD + line("default", KIND, 1, 'obligations = ["gossip"]'), "unknown obligation gossip"),
    ("holder.toml", HEAD + line().replace('"person-wish"', '"because"'), "names its basis, one of CA1989-s17, CA1989-s47,"),
    ("holder.toml", HEAD + line("default", KIND, 1, 'effect = "maybe"'), "effect is permit or refuse"),
    ("holder.toml", HEAD + line("default", KIND, 1, 'receiver = "TMH01"'), "either receiver or receiver_kind"),
    ("holder.toml", HEAD + line("exception", 'receiver_kind = "volunary"', 1, REFUSAL), "receiver_kind is a kind of agency"),
    ("holder.toml", HEAD + line("default", KIND, 1, "colour = 1"), "unknown setting colour"),
    (
        "holder.toml",
        HEAD + line("default", KIND, 1, "valid_from = 2027-01-01", "valid_until = 2026-01-01"),
        "valid_from is not after",
    ),
]


@pytest.mark.parametrize(("name", "text", "says"), FAULTS, ids=[case[2] for case in FAULTS])
def test_a_bad_line_refuses_to_start_and_names_its_place(name: str, text: str, says: str) -> None:
    """File, part and number, in words that whoever wrote it understands."""
    with pytest.raises(PolicyFault) as fault:
        compile_agreements([(name, text.encode())], PURPOSES)
    assert name in str(fault.value)
    assert says in str(fault.value)


def test_a_file_that_is_not_text_is_named() -> None:
    """A damaged file stops the start, it is not passed over."""
    with pytest.raises(PolicyFault, match=r"holder\.toml"):
        compile_agreements([("holder.toml", b"\xff\xfe")], PURPOSES)


def test_two_documents_of_one_source_on_one_day_are_refused() -> None:
    """Else the second one's exceptions would stand behind the first one's defaults."""
    with pytest.raises(PolicyFault, match=r"b\.toml: a\.toml is in force"):
        compile_agreements([("a.toml", HEAD.encode()), ("b.toml", HEAD.encode())], PURPOSES)
    later = HEAD.replace("2026-01-01", "2029-01-01").replace("2028-12-31", "2031-12-31")
    found = compile_agreements(
        [("a.toml", (HEAD + line()).encode()), ("b.toml", (later + line("default", KIND, 2)).encode())], PURPOSES
    )
    assert [tier_for(found, day) for day in (TODAY, date(2029, 1, 1))] == [1, 2]


def test_the_version_changes_with_any_byte() -> None:
    """Of a document, its name, or the purposes."""
    text = (HEAD + LINE).encode()
    versions = {
        compile_agreements([("a.toml", text[:place] + b" " + text[place:])], PURPOSES).version
        for place in (len(text), text.index(b"\n"))
    }
    versions |= {
        compile_agreements([("a.toml", text)], PURPOSES).version,
        compile_agreements([("b.toml", text)], PURPOSES).version,
    }
    moved = {**PURPOSES, "early-help": __import__("dataclasses").replace(PURPOSES["early-help"], roles=frozenset({"x"}))}
    versions.add(compile_agreements([("a.toml", text)], moved).version)
    assert len(versions) == 5
    assert compile_agreements([("a.toml", text)], PURPOSES).version in versions


@pytest.mark.parametrize(("begins", "in_order"), [("2027-01-01", True), ("2026-12-31", False)])
def test_a_document_that_follows_another_begins_on_the_day_after_its_last(begins: str, in_order: bool) -> None:
    """On a day that both cover nobody could say which of them counts."""
    before = HEAD.replace("2028-12-31", "2026-12-31").encode()
    after = HEAD.replace("2026-01-01", begins).encode()
    if in_order:
        assert len(compile_agreements([("a.toml", before), ("b.toml", after)], PURPOSES).documents) == 2
        return
    with pytest.raises(PolicyFault, match=r"b.toml: a.toml is in force for TLA01 until 2026-12-31"):
        compile_agreements([("a.toml", before), ("b.toml", after)], PURPOSES)


def test_an_empty_folder_shares_nothing(tmp_path: Path) -> None:
    """And so does one that is not there."""
    for folder in (tmp_path, tmp_path / "none"):
        found = load_agreements(folder, PURPOSES)
        assert found.sources == ()
        assert list(found.every_line()) == []


def test_the_example_is_in_order_and_its_table_says_who_may_learn_what() -> None:
    """One row for each line, receiver and purposes in words."""
    found = load_agreements(EXAMPLE, PURPOSES)
    rows = agreement_rows(found, PURPOSES)
    assert rows[0][:3] == ("from", "to", "for")
    assert ("TLA01", "any health-visiting", "early-help", "any", "contact, existence") in [tuple(row[:5]) for row in rows]
    assert len(rows) == 1 + sum(text.read_text().count("[[") for text in EXAMPLE.glob("*.toml"))


def test_the_words_of_agreements_are_those_that_are_published() -> None:
    """Bases and obligations are all of their code systems; classes are those that may ever leave."""
    assert published("basis") == BASES
    assert published("obligation") == OBLIGATIONS
    assert set(CLASS_TIERS) < published("data-class")


MODES = {
    "duty": {"safeguarding-s47", "duty-to-share-16la", "emergency", "mha-assessment-s13"},
    "wish": {"child-in-need-s17", "early-help", "amh-care-planning"},
    "none": {"subject-access", "audit", "statistics"},
}


def test_every_published_purpose_has_its_mode() -> None:
    """Duty, wish or about no person: none is missing and none is more."""
    assert {mode: {code for code, one in PURPOSES.items() if one.mode == mode} for mode in MODES} == MODES
    assert set(PURPOSES) == published("purpose")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('display = "x"\nmode = "duty"\nneeds = ["user", "role", "case-reference"]', "basis and its law"),
        ('display = "x"\nmode = "duty"\nbasis = "b"\nneeds = ["user", "role", "case-reference"]', "basis and its law"),
        ('display = "x"\nmode = "duty"\nlaw = "l"\nneeds = ["user", "role", "case-reference"]', "basis and its law"),
        ('display = "x"\nmode = "duty"\nbasis = "b"\nlaw = "l"\nneeds = ["user", "role"]', "needs user, role and case"),
        ('display = "x"\nmode = "sometimes"', "mode is"),
        ('mode = "wish"', "display"),
        ('display = "x"\nmode = "wish"\nneeds = ["luck"]', "needs are among"),
        ('display = "x"\nmode = "wish"\nneeds = "user"', "needs must be a list"),
        ('display = "x"\nmode = "wish"\nasked_by = ["scool"]', "kinds of agency"),
        ('display = "x"\nmode = "wish"\nsince = "2099-01-01"', "since is a date"),
        ('display = "x"\nmode = "wish"\nsince = 2099-01-01T00:00:00Z', "since is a date"),
        ('display = "x"\nmode = "wish"\ncolour = 1', "unknown setting colour"),
    ],
)
def test_a_purpose_that_is_not_in_order_names_file_and_purpose(tmp_path: Path, text: str, says: str) -> None:
    """A switch whose date cannot be read must not stand open."""
    path = tmp_path / "purposes.toml"
    path.write_text(f"[purpose.made-up]\n{text}\n")
    with pytest.raises(PolicyFault) as fault:
        load_purposes(path)
    assert f"{path}: purpose made-up" in str(fault.value)
    assert says in str(fault.value)


def test_purposes_that_cannot_be_read_name_the_file(tmp_path: Path) -> None:
    """Not TOML, or without any purpose."""
    for text in ("[purpose", "colour = 1"):
        path = tmp_path / "purposes.toml"
        path.write_text(text)
        with pytest.raises(PolicyFault, match="purposes"):
            load_purposes(path)


def test_a_line_that_is_asked_for_on_many_days_stays_right() -> None:
    """What is remembered of earlier questions never answers another one."""
    found = agreements(line("default", KIND, 2, "valid_until = 2026-11-21"), line("default", KIND, 1))
    days = [TODAY + timedelta(days=step) for step in (0, 1, 0, 1)]
    assert [tier_for(found, day) for day in days] == [2, 1, 2, 1]
    assert tier_for(found, TODAY, role="x") == 2
