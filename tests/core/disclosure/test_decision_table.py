"""The decision table: every case of ``tests/data/decisions``, and the page that a data protection officer reads."""

from __future__ import annotations

import pytest

from tests import decision_table
from tests.decision_table import Case

CASES = decision_table.read_cases()
REASONS = {
    "no-agreement", "purpose-not-yours", "role-not-allowed", "case-reference-missing", "duty-not-in-force", "wish-missing",
    "wish-refused", "wish-condition-not-met", "wishes-conflict", "no-relationship", "not-certain", "shielded", "adopted",
    "feed-stale", "owner-withheld",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_decision_is_as_the_table_says(case: Case) -> None:
    """In whatever order wishes and relationships are on file."""
    expected = {name: value for name, value in case.stated.items() if name in decision_table.OUTCOMES}
    for backwards in (False, True):
        found = decision_table.told(case, backwards=backwards)
        assert {name: found.get(name) for name in expected} == expected
        assert set(found) & {"leaves", "refused", "stopped"} == set(expected) & {"leaves", "refused", "stopped"}


def test_the_table_is_large_enough_and_says_each_thing_once() -> None:
    """At least 150 cases, each with a name of its own and one outcome."""
    names = [case.name for case in CASES]
    assert len(names) >= 150
    assert len(set(names)) == len(names)
    assert all(len({"leaves", "refused", "stopped"} & set(case.stated)) == 1 for case in CASES)


def test_every_reason_that_the_decision_has_stands_in_the_table() -> None:
    """What is known, stale or an error of the store is not for the decision to say."""
    assert {case.stated.get("refused") or case.stated.get("stopped") for case in CASES} - {None} == REASONS


def test_the_page_is_the_table() -> None:
    """Written anew by ``python -m tests.decision_table``."""
    assert decision_table.PAGE.read_text() == decision_table.page()


def test_a_column_that_is_not_known_is_refused(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip of the pen must not be passed over: the case would say less than it seems to."""
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "slip.toml").write_text('heading = "x"\n[[case]]\nname = "a slip"\nwish = []\nrefused = "wish-missing"\n')
    monkeypatch.setattr(decision_table, "CASES", folder)
    with pytest.raises(ValueError, match=r"slip\.toml: a slip: unknown columns \['wish'\]"):
        decision_table.read_cases()
