"""What a log sends to a witness: the body of ``add-checkpoint`` (C2SP tlog-witness)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.audit.checkpoint import BadCheckpoint, encode, hash_of, number

MOST_LINES: Final = 63
OLD: Final = "old "


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint, and the proof that its tree begins with the one of ``old`` entries. Nothing of it is checked."""

    old: int
    proof: tuple[bytes, ...]
    note: str

    def text(self) -> str:
        """The body as it is posted."""
        return "".join([f"{OLD}{self.old}\n", *(f"{encode(one)}\n" for one in self.proof), "\n", self.note])


def parse_submission(text: str) -> Submission:
    """The submission of a body; BadCheckpoint says what is wrong with its form."""
    head, empty, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if not empty or not first.startswith(OLD):
        raise BadCheckpoint("a submission is the old size, the proof, an empty line and a checkpoint")
    if len(lines) > MOST_LINES:
        raise BadCheckpoint(f"a proof has at most {MOST_LINES} lines")
    return Submission(
        number(first.removeprefix(OLD), "the old size"), tuple(hash_of(line, "a line of the proof") for line in lines), note
    )
