"""The check of a whole log: whatever is done to it is found, and the first bad entry is named."""

from __future__ import annotations

import dataclasses
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.checkpoint import sign
from gateway.audit.leaf import Row, leaf_hash_of
from gateway.audit.merkle import Frontier
from gateway.audit.verify import CHUNK, Fault, Line, Verdict, verify

ORIGIN = "gateway.example/log"
COLUMNS = list(Row._fields)
MUTATIONS = 2_000


def check(log: Any, **changed: Any) -> Verdict:
    """The verdict on a log of which some parts were changed."""
    parts = {name: changed.get(name, getattr(log, name)) for name in ("lines", "head", "checkpoints", "keys")}
    return verify(parts["lines"], parts["head"], parts["checkpoints"], parts["keys"])


def last_held(log: Any, index: int) -> int:
    """The size of the last checkpoint that does not cover an index."""
    return max((size for size in log.sizes if size <= index), default=0)


def edited(rows: tuple[Row, ...], chance: random.Random) -> tuple[Row, ...]:
    """An exchange's rows with one byte, letter or number of one column of one of them changed."""
    which = chance.randrange(len(rows))
    return tuple(_edited(row, chance) if number == which else row for number, row in enumerate(rows))


def _edited(row: Row, chance: random.Random) -> Row:
    name = chance.choice([name for name in COLUMNS if getattr(row, name) != ""])
    value = getattr(row, name)
    if isinstance(value, int):
        return row._replace(**{name: value ^ (1 << chance.randrange(40))})
    at = chance.randrange(len(value))
    if isinstance(value, str):
        return row._replace(**{name: value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]})
    return row._replace(**{name: value[:at] + bytes([value[at] ^ (1 << chance.randrange(8))]) + value[at + 1 :]})


Broken = tuple[dict[str, Any], int, set[Fault]]


def edit_column(log: Any, chance: random.Random) -> Broken:
    lines = list(log.lines)
    at = chance.randrange(len(lines))
    lines[at] = (at, edited(lines[at][1], chance), lines[at][2])
    return {"lines": lines}, at, {Fault.ALTERED}


def edit_leaf(log: Any, chance: random.Random) -> Broken:
    lines = list(log.lines)
    at = chance.randrange(len(lines))
    leaf = bytearray(lines[at][2])
    leaf[chance.randrange(32)] ^= 1 << chance.randrange(8)
    lines[at] = (at, lines[at][1], bytes(leaf))
    return {"lines": lines}, at, {Fault.ALTERED}


def edit_row_and_leaf(log: Any, chance: random.Random) -> Broken:
    """The keeper changes a row and recomputes its leaf: only roots can tell."""
    lines = list(log.lines)
    at = chance.randrange(len(lines))
    rows = tuple(row._replace(body=b"another body", salt=bytes(32)) for row in lines[at][1])
    lines[at] = (at, rows, leaf_hash_of(rows))
    return {"lines": lines}, last_held(log, at), {Fault.CHECKPOINT if at < log.sizes[-1] else Fault.HEAD}


def delete_row(log: Any, chance: random.Random) -> Broken:
    lines = list(log.lines)
    at = chance.randrange(len(lines))
    lines[at] = (at, (), lines[at][2])
    return {"lines": lines}, at, {Fault.MISSING}


def add_row(log: Any, chance: random.Random) -> Broken:
    """A row of one exchange is said to be of another."""
    lines = list(log.lines)
    at, other = chance.sample(range(len(lines)), 2)
    lines[at] = (at, (*lines[at][1], lines[other][1][0]), lines[at][2])
    return {"lines": lines}, at, {Fault.ALTERED}


def take_row_out(log: Any, chance: random.Random) -> Broken:
    """One row of several, and every word of it."""
    lines = list(log.lines)
    at = chance.choice([at for at, (_, rows, _) in enumerate(lines) if len(rows) > 1])
    gone = chance.randrange(len(lines[at][1]))
    lines[at] = (at, lines[at][1][:gone] + lines[at][1][gone + 1 :], lines[at][2])
    return {"lines": lines}, at, {Fault.ALTERED}


def delete_line(log: Any, chance: random.Random) -> Broken:
    at = chance.randrange(len(log.lines) - 1)
    return {"lines": log.lines[:at] + log.lines[at + 1 :]}, at, {Fault.GAP}


def delete_and_close_up(log: Any, chance: random.Random) -> Broken:
    """The keeper removes an entry and renumbers the rest."""
    at = chance.randrange(len(log.lines))
    lines = [(number, row, leaf) for number, (_, row, leaf) in enumerate(log.lines[:at] + log.lines[at + 1 :])]
    fault = Fault.CHECKPOINT if at < log.sizes[-1] else Fault.TRUNCATED
    return {"lines": lines}, last_held(log, at) if at < log.sizes[-1] else len(lines), {fault}


def swap_rows(log: Any, chance: random.Random) -> Broken:
    lines = list(log.lines)
    one, other = sorted(chance.sample(range(len(lines)), 2))
    lines[one], lines[other] = (one, lines[other][1], lines[one][2]), (other, lines[one][1], lines[other][2])
    return {"lines": lines}, one, {Fault.REORDERED}


def swap_lines(log: Any, chance: random.Random) -> Broken:
    """Rows and leaves change places together: only roots can tell."""
    lines = list(log.lines)
    one, other = sorted(chance.sample(range(len(lines)), 2))
    lines[one], lines[other] = (one, *lines[other][1:]), (other, *lines[one][1:])
    return {"lines": lines}, last_held(log, one), {Fault.CHECKPOINT if one < log.sizes[-1] else Fault.HEAD}


def cut_tail(log: Any, chance: random.Random) -> Broken:
    left = chance.randrange(len(log.lines))
    return {"lines": log.lines[:left]}, left, {Fault.TRUNCATED}


def cut_tail_and_head(log: Any, chance: random.Random) -> Broken:
    """The keeper cuts the tail and recomputes the head: the last checkpoint still tells."""
    left = chance.randrange(log.sizes[-1])
    head = Frontier().extend(leaf for _, _, leaf in log.lines[:left])
    return {"lines": log.lines[:left], "head": head}, left, {Fault.TRUNCATED}


def insert_line(log: Any, chance: random.Random) -> Broken:
    at = chance.randrange(1, len(log.lines))
    return {"lines": [*log.lines[:at], log.lines[at - 1], *log.lines[at:]]}, at, {Fault.REORDERED}


def copy_row(log: Any, chance: random.Random) -> Broken:
    lines = list(log.lines)
    at, other = chance.sample(range(len(lines)), 2)
    lines[at] = (at, lines[other][1], lines[at][2])
    return {"lines": lines}, at, {Fault.REORDERED}


def edit_checkpoint(log: Any, chance: random.Random) -> Broken:
    which = chance.randrange(len(log.checkpoints))
    text = log.checkpoints[which]
    at = chance.randrange(len(text))
    checkpoints = list(log.checkpoints)
    checkpoints[which] = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
    return {"checkpoints": checkpoints}, [0, *log.sizes][which], {Fault.CHECKPOINT}


def sign_other_root(log: Any, chance: random.Random) -> Broken:
    """The log's own key signs a tree that never was."""
    which = chance.randrange(len(log.checkpoints))
    checkpoints = list(log.checkpoints)
    checkpoints[which] = sign(ORIGIN, log.sizes[which], chance.randbytes(32), log.private_key)
    return {"checkpoints": checkpoints}, [0, *log.sizes][which], {Fault.CHECKPOINT}


def edit_head(log: Any, chance: random.Random) -> Broken:
    peaks = [bytearray(peak) for peak in log.head.peaks]
    chance.choice(peaks)[chance.randrange(32)] ^= 1 << chance.randrange(8)
    return {"head": Frontier(log.head.size, tuple(map(bytes, peaks)))}, log.sizes[-1], {Fault.HEAD}


def set_head_back(log: Any, chance: random.Random) -> Broken:
    size = chance.randrange(len(log.lines))
    return {"head": Frontier().extend(leaf for _, _, leaf in log.lines[:size])}, size, {Fault.HEAD}


WAYS: list[Callable[[Any, random.Random], Broken]] = [
    edit_column, edit_column, edit_column, edit_leaf, edit_row_and_leaf, delete_row, add_row, take_row_out, delete_line,
    delete_and_close_up, swap_rows, swap_lines, cut_tail, cut_tail_and_head, insert_line, copy_row, edit_checkpoint, sign_other_root, edit_head, set_head_back,
]  # fmt: skip


def test_an_untouched_log_is_in_order(log: Any) -> None:
    """Nothing is found where nothing was done, and the auditor is told how far signatures reach."""
    verdict = check(log)
    assert verdict == Verdict(
        True, 60, says="All 60 entries are as they were written; signed checkpoints vouch for the first 50."
    )


@pytest.mark.parametrize("part", range(8))
def test_whatever_is_done_to_the_log_is_found(log: Any, part: int) -> None:
    """Of two thousand random changes every one is found, with the right kind and the right first bad entry."""
    chance = random.Random(part)
    for number in range(MUTATIONS // 8):
        way = WAYS[number % len(WAYS)]
        changed, first_bad, faults = way(log, chance)
        verdict = check(log, **changed)
        assert not verdict.ok, way.__name__
        assert (verdict.first_bad, verdict.fault in faults) == (first_bad, True), (way.__name__, verdict)
        assert verdict.says.endswith(".")


def test_the_bound_of_a_root_that_differs_is_named(log: Any) -> None:
    """Where only roots differ, the entry is bounded by the last good and the first bad checkpoint."""
    lines = list(log.lines)
    lines[20], lines[25] = (20, *lines[25][1:]), (25, *lines[20][1:])
    verdict = check(log, lines=lines)
    assert (verdict.first_bad, verdict.before, verdict.fault) == (16, 31, Fault.CHECKPOINT)


def test_an_altered_row_is_named_before_the_checkpoint_that_covers_it(log: Any) -> None:
    """Two faults in one log: the one that stands first is told."""
    lines = list(log.lines)
    lines[40], lines[3] = (40, (), lines[40][2]), (3, (lines[3][1][0]._replace(outcome=7), *lines[3][1][1:]), lines[3][2])
    verdict = check(log, lines=lines, checkpoints=[*log.checkpoints[:2], "nonsense"])
    assert (verdict.first_bad, verdict.fault, verdict.entries) == (3, Fault.ALTERED, 3)


def test_a_log_without_checkpoints_is_only_as_good_as_its_head(log: Any) -> None:
    """The auditor is told when nobody outside vouches for the log."""
    verdict = check(log, checkpoints=[])
    assert verdict.ok and verdict.says.endswith("no signed checkpoint vouches for any entry.")


def test_an_empty_log_is_in_order(log: Any) -> None:
    """A log that nobody has used yet has nothing to find, and a head for nought entries may be signed."""
    start = sign(ORIGIN, 0, Frontier().root(), log.private_key)
    assert check(log, lines=[], head=Frontier(), checkpoints=[start]).ok


def test_two_heads_of_one_size_must_agree(log: Any) -> None:
    """Cosigned copies of a head are fine; a second history is not."""
    again = log.checkpoints[1]
    assert check(log, checkpoints=[*log.checkpoints[:2], again]).ok
    fork = sign(ORIGIN, 16, bytes(32), log.private_key)
    verdict = check(log, checkpoints=[*log.checkpoints[:2], fork])
    assert (verdict.fault, verdict.first_bad, verdict.before) == (Fault.CHECKPOINT, 16, 16)


def test_a_head_that_shrinks_is_a_fault(log: Any) -> None:
    """A log never signs fewer entries after more."""
    verdict = check(log, checkpoints=[log.checkpoints[2], log.checkpoints[0]])
    assert (verdict.fault, verdict.first_bad) == (Fault.CHECKPOINT, 31)


def test_a_head_of_another_log_is_a_fault(log: Any) -> None:
    """A restored log starts under a new origin, and its heads are not mixed with the old."""
    body = log.checkpoints[2].replace(ORIGIN, "gateway.example/log2")
    keys = [*log.keys, dataclasses.replace(log.keys[0], name="gateway.example/log2")]
    size = log.sizes[2]
    root = Frontier().extend(leaf for _, _, leaf in log.lines[:size]).root()
    other = sign("gateway.example/log2", size, root, log.private_key)
    assert body != other
    verdict = check(log, checkpoints=[log.checkpoints[0], other], keys=keys)
    assert (verdict.fault, verdict.first_bad) == (Fault.CHECKPOINT, 7)


def test_heads_that_only_strangers_signed_vouch_for_nothing(log: Any) -> None:
    """Without a known key the check fails rather than trusts."""
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    verdict = check(log, checkpoints=[sign(ORIGIN, 60, log.head.root(), stranger)])
    assert (verdict.fault, verdict.first_bad) == (Fault.CHECKPOINT, 0)


@pytest.mark.parametrize(
    "change", [{"recorded": None}, {"recorded": "now"}, {"outcome": 2**80}, {"body": None}, {"salt": b""}, {"id": 5}]
)
def test_a_column_of_the_wrong_type_is_an_altered_entry(log: Any, change: dict[str, Any]) -> None:
    """A database that holds text for a number gives a verdict, not a crash."""
    lines = list(log.lines)
    lines[11] = (11, (lines[11][1][0]._replace(**change), *lines[11][1][1:]), lines[11][2])
    verdict = check(log, lines=lines)
    assert (verdict.first_bad, verdict.fault) == (11, Fault.ALTERED)


@pytest.fixture(scope="module")
def long_log(log_of: Callable[..., Any]) -> Any:
    return log_of(3 * CHUNK, [1000, 2 * CHUNK, 2 * CHUNK + 5], rows_each=(1,))


@pytest.mark.parametrize(("one", "other"), [(CHUNK - 3, CHUNK + 3), (10, 2 * CHUNK + 100), (CHUNK, 3 * CHUNK - 1)])
def test_rows_that_moved_far_are_named_with_their_place(long_log: Any, one: int, other: int) -> None:
    """A moved row is recognised across chunks, and at any distance where the store can look a leaf up."""
    lines = list(long_log.lines)
    lines[one], lines[other] = (one, lines[other][1], lines[one][2]), (other, lines[one][1], lines[other][2])
    stored = {leaf: index for index, _, leaf in lines}
    verdict = verify(lines, long_log.head, long_log.checkpoints, long_log.keys, elsewhere=stored.get)
    assert (verdict.first_bad, verdict.fault) == (one, Fault.REORDERED)
    assert f"written as entry {other}" in verdict.says
    assert check(long_log, lines=lines).first_bad == one


def test_a_long_log_is_checked_in_little_memory(long_log: Any) -> None:
    """Rows are let go when they are checked: four times the log takes no more room."""

    def peak(times: int) -> int:
        lines: list[Line] = long_log.lines
        many = ((number, *lines[number % len(lines)][1:]) for number in range(len(lines) * times))
        tracemalloc.start()
        verify(many, Frontier(), [], long_log.keys)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(4) < peak(1) * 1.5


def test_every_sentence_can_be_read_to_an_auditor(log: Any) -> None:
    """One plain sentence for each fault, with the number of the entry in it."""
    chance = random.Random(1)
    for way in WAYS:
        changed, first_bad, _ = way(log, chance)
        verdict = check(log, **changed)
        assert verdict.says[0].isupper() and "\n" not in verdict.says
        assert str(first_bad) in verdict.says or verdict.fault in {Fault.CHECKPOINT, Fault.TRUNCATED, Fault.HEAD}
