"""A circuit breaker for each destination: one that does not answer is left alone for a while, then tried with one notice.

What waits meanwhile loses no attempt. A notice that is as old as its schedule is long is tried whatever the breaker
says, so that it comes to an end. Time is an argument, in seconds of any clock that does not jump.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ENOUGH = 5  # failures in a row
FIRST, LONGEST = 5.0, 120.0  # seconds that it stays open; twice as long each time
REMEMBERED = 4096


@dataclass(slots=True)
class Breaker:
    """One destination: how often it failed in a row, and until when it is left alone."""

    failures: int = 0
    until: float = 0.0
    pause: float = FIRST
    trying: bool = False  # half open: one notice is on its way

    @property
    def is_open(self) -> bool:
        return self.failures >= ENOUGH


@dataclass(slots=True)
class Breakers:
    """The destinations that have failed since they last answered."""

    _failing: dict[str, Breaker] = field(default_factory=dict)

    def may_start(self, destination: str, now: float) -> bool:
        """Whether a post may go there now; where the breaker is open, one at a time once its pause is over."""
        breaker = self._failing.get(destination)
        if breaker is None or not breaker.is_open:
            return True
        return now >= breaker.until and not breaker.trying

    def left_alone(self, now: float) -> list[str]:
        """Where no post may start now."""
        return [one for one in self._failing if not self.may_start(one, now)]

    def started(self, destination: str) -> None:
        """A post is on its way there."""
        breaker = self._failing.get(destination)
        if breaker is not None and breaker.is_open:
            breaker.trying = True

    def answered(self, destination: str) -> bool:
        """It answers; True where it had been left alone, so that what waits for it may be brought forward."""
        breaker = self._failing.pop(destination, None)
        return breaker is not None and breaker.is_open

    def failed(self, destination: str, now: float) -> None:
        """It did not answer, or says that it cannot take anything just now."""
        if destination not in self._failing and len(self._failing) >= REMEMBERED:
            return
        breaker = self._failing.setdefault(destination, Breaker())
        breaker.failures += 1
        breaker.trying = False
        if breaker.is_open and now >= breaker.until:
            breaker.until = now + breaker.pause
            breaker.pause = min(breaker.pause * 2, LONGEST)

    def given_back(self, destination: str) -> None:
        """Nothing was posted after all."""
        breaker = self._failing.get(destination)
        if breaker is not None:
            breaker.trying = False

    def open_count(self) -> int:
        """How many destinations are left alone just now."""
        return sum(breaker.is_open for breaker in self._failing.values())
