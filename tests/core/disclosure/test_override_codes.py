"""Overrides: which alert types and reasons go together, and how much a justification says at least."""

from __future__ import annotations

import itertools

from gateway.disclosure.override import ALERT_REASONS, ALERT_TYPES, goes_together, is_justified


def test_pairs_that_the_summary_care_record_refuses_are_refused() -> None:
    """Three pairs; and what is no code at all."""
    refused = {pair for pair in itertools.product(ALERT_TYPES, ALERT_REASONS) if not goes_together(*pair)}
    assert refused == {("1", "5"), ("2", "4"), ("2", "6")}
    assert not any(goes_together(*pair) for pair in (("3", "1"), ("1", "7"), ("", "")))


def test_a_justification_has_twenty_characters_that_are_not_blank() -> None:
    """Blanks around it do not count."""
    assert is_justified(f"  {'x' * 20}  ")
    assert not is_justified(f"  {'x' * 19}  ")
