"""Overrides (break-glass) as the Summary Care Record has them: SCR-AlertType with SCR-AlertReason, and a justification."""

from __future__ import annotations

from collections.abc import Mapping

ALERT_TYPES: Mapping[str, str] = {"1": "I create the working relationship myself", "2": "I look without one"}
ALERT_REASONS: Mapping[str, str] = {
    "1": "It is in the public interest",
    "2": "A law requires it",
    "3": "A court has ordered it",
    "4": "I claim an emergency myself",
    "5": "It is an emergency",
    "6": "Another reason, which I give below",
}
FORBIDDEN_PAIRS = frozenset({("1", "5"), ("2", "4"), ("2", "6")})  # as the Summary Care Record refuses them
LEAST_JUSTIFICATION = 20  # characters


def goes_together(kind: str, reason: str) -> bool:
    """Whether these are codes of SCR-AlertType and SCR-AlertReason that the Summary Care Record takes together."""
    return kind in ALERT_TYPES and reason in ALERT_REASONS and (kind, reason) not in FORBIDDEN_PAIRS


def is_justified(text: str) -> bool:
    """Whether a justification says enough."""
    return len(text.strip()) >= LEAST_JUSTIFICATION
