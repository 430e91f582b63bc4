"""When a delivery is tried again: ten attempts over about 76 hours (the schedule of Standard Webhooks), with jitter."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE, HOUR = 60.0, 3600.0
STEPS = (0.0, 5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
JITTER = 0.2
LONGEST_WAIT_ASKED = HOUR
GONE = 410


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of a post. ``status`` is 0 where no answer came."""

    status: int
    text: str  # for the log: no body, no address
    retry_after: float = 0.0

    @property
    def delivered(self) -> bool:
        """Only 2xx is delivery; a redirect is a failure."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Next:
    """What follows: ``delivered``, ``pending`` after ``wait`` seconds, or ``dead``; ``disable`` the subscription."""

    state: str
    wait: float = 0.0
    disable: bool = False


def next_step(attempts: int, posted: Posted, chance: float, steps: tuple[float, ...] = STEPS) -> Next:
    """The step after attempt number ``attempts`` (from 1). ``chance`` in 0..1 spreads the waits."""
    if posted.delivered:
        return Next("delivered")
    if posted.status == GONE:
        return Next("dead", disable=True)
    if attempts >= len(steps):
        return Next("dead")
    wait = steps[attempts] * (1 - JITTER + 2 * JITTER * chance)
    return Next("pending", max(wait, min(posted.retry_after, LONGEST_WAIT_ASKED)))
