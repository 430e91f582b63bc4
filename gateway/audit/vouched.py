"""How long the gateway may go on disclosing, given what other agencies say of its log (behaviour section 5).

Only where witnesses are set: an hour without any of their signatures is an alert; after four hours what rests on
wishes is not answered; a tree that they find to be another one than before stops all but overrides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

HOUR: Final = 3_600_000_000  # microseconds
ALERT_AFTER: Final = HOUR
WISHES_STOP_AFTER: Final = 4 * HOUR
NEVER: Final = 1 << 62

NEW, SIGNS, SILENT, REFUSES, INCONSISTENT = "new", "signs", "silent", "refuses", "inconsistent"
UNWITNESSED: Final = "log-unwitnessed"  # code system refusal-reason


class Witness(NamedTuple):
    """How it stands with one witness. ``vouched`` is when it signed last, or was added."""

    name: str
    state: str
    vouched: int


@dataclass(slots=True)
class Vouched:
    """The times up to which wishes and duties are answered: what a lookup compares with. Taken up in place by each worker."""

    wishes_until: int = NEVER
    duties_until: int = NEVER
    alert_at: int = NEVER

    def take(self, witnesses: Iterable[Witness]) -> None:
        """Take up how it stands with all witnesses; without any, nothing ever stops."""
        listed = list(witnesses)
        if not listed:
            self.wishes_until = self.duties_until = self.alert_at = NEVER
            return
        last = max(one.vouched for one in listed)
        stopped = any(one.state == INCONSISTENT for one in listed)
        self.duties_until = 0 if stopped else NEVER
        self.wishes_until = 0 if stopped else last + WISHES_STOP_AFTER
        self.alert_at = last + ALERT_AFTER

    def refuses(self, at: int, *, duty: bool) -> bool:
        """Whether a question of this kind is not answered now. An override is never asked about."""
        return at >= (self.duties_until if duty else self.wishes_until)

    def state(self, at: int) -> str:
        """In one word, for whoever watches the gateway."""
        if at >= self.duties_until:
            return "stopped"
        if at >= self.wishes_until:
            return "wishes-stopped"
        return "alert" if at >= self.alert_at else "ok"
