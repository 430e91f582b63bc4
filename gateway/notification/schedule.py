"""When a delivery is tried again: ten attempts over about 76 hours (the schedule of Standard Webhooks), with jitter."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE, HOUR = 60.0, 3600.0
STEPS = (0.0, 5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
JITTER = 0.2
LONGEST_WAIT_ASKED = HOUR
GONE = 410
TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of a post. ``status`` is 0 where no answer came."""

    status: int
    text: str  # for the log: no body, no address
    retry_after: float = 0.0
    body: bytes = b""  # the beginning of what the receiver said, 64 KiB at most; neither kept nor logged
    begun: bool = True  # False: no byte of it has left

    @property
    def delivered(self) -> bool:
        """Only 2xx is delivery; a redirect is a failure."""
        return 200 <= self.status < 300

    @property
    def answers(self) -> bool:
        """Whether the receiver is at work at all: it may refuse this notice and take the next one."""
        return self.status not in (0, TOO_MANY) and self.status < 500


NOT_BEGUN = Posted(0, "not begun", begun=False)


@dataclass(frozen=True, slots=True)
class Next:
    """What follows: ``delivered``, ``pending`` after ``wait`` seconds, or ``dead``; ``disable`` the subscription."""

    state: str
    wait: float = 0.0
    disable: bool = False


LATE = 1 + JITTER + 0.05  # of the schedule's length: by then every attempt has been made, or could not be


def horizon(steps: tuple[float, ...] = STEPS) -> float:
    """How long a notice is tried at least, in seconds: what the schedule comes to where every wait is a short one."""
    return sum(steps) * (1 - JITTER)


def next_step(attempts: int, posted: Posted, chance: float, steps: tuple[float, ...] = STEPS, age: float | None = None) -> Next:
    """The step after attempt number ``attempts`` (from 1) of a notice that has been tried for ``age`` seconds.

    ``chance`` in 0..1 spreads the waits. An attempt that was brought forward, since the receiver seemed to be back,
    counts like any other, and shortens nothing: before its time has passed no notice is given up. One that waited
    while its destination was left alone has fewer attempts behind it, and no more time.
    """
    if posted.delivered:
        return Next("delivered")
    if posted.status == GONE:
        return Next("dead", disable=True)
    left = 0.0 if age is None else horizon(steps) - age
    if attempts >= len(steps) or (age is not None and 0 < sum(steps) * LATE < age):
        return Next("dead") if left <= 0 else Next("pending", min(steps[-1], left))
    wait = steps[attempts] * (1 - JITTER + 2 * JITTER * chance)
    return Next("pending", max(wait, min(posted.retry_after, LONGEST_WAIT_ASKED)))
