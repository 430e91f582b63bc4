"""The check that ships inside an export: it runs alone, passes what is whole, and names the first bad entry of what is not."""

from __future__ import annotations

import ast
import importlib.util
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import offline
from gateway.audit.checkpoint import COSIGNATURE, ED25519, Key, sign
from gateway.audit.cosignature import cosign
from gateway.audit.leaf import Row, leaf_of
from gateway.audit.merkle import Frontier, leaf_hash
from gateway.audit.restore import Restore, next_origin
from tests.conftest import count

WORDS = {ED25519: "log", COSIGNATURE: "witness"}
SCRIPT = Path(offline.__file__).parent / "verify.py"
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESSES = {f"witness.example/{one}": Ed25519PrivateKey.from_private_bytes(bytes([one] * 32)) for one in (1, 2)}
ORIGIN = "gateway.example/access-log/a"
AFTER = next_origin(ORIGIN)
SIZES = (3, 8, 31, 32, 50, 77, 120)
KEPT, DECLARED = 40, 43  # restored at 40 entries, as entry 43 declares
KEYS = [Key.of(ORIGIN, LOG), Key.of(AFTER, LOG), *(Key.of(name, key, COSIGNATURE) for name, key in WITNESSES.items())]


def load() -> ModuleType:
    """The script as a module, apart from the gateway."""
    spec = importlib.util.spec_from_file_location("offline_verify", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["offline_verify"] = module
    spec.loader.exec_module(module)
    return module


VERIFY = load()


@dataclass(frozen=True)
class Bundle:
    """An export as its parts."""

    lines: list[bytes]
    hashes: list[bytes]
    notes: list[str]
    restores: list[tuple[int, str]]
    keys: list[str]

    def write(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        (folder / "entries.jsonl").write_bytes(b"".join(line + b"\n" for line in self.lines))
        (folder / "hashes.bin").write_bytes(b"".join(self.hashes))
        write_notes(folder / "checkpoints.txt", "checkpoint", list(enumerate(self.notes)))
        write_notes(folder / "restores.txt", "restore", self.restores)
        (folder / "keys.txt").write_text("".join(f"{line}\n" for line in self.keys))
        return folder


def write_notes(path: Path, word: str, notes: list[tuple[int, str]]) -> None:
    path.write_text("".join(f"{word} {number}\n{note}\n" for number, note in notes), encoding="utf-8")


def line_of(place: int, exchange: str = "look_up_status") -> bytes:
    """A line as an export has it: the bytes of the leaf of an exchange with one entry."""
    at, salt = 1_790_000_000_000_000 + place, place.to_bytes(32, "big")
    return leaf_of([Row(f"{place:032}", at, exchange, 0, "TLA01", "", b"", b"", "", 1, "2026", salt, b"sealed")])


def make() -> Bundle:
    lines = [line_of(place, "declare_restore" if place == DECLARED else "look_up_status") for place in range(SIZES[-1])]
    hashes = [leaf_hash(line) for line in lines]
    notes = []
    for size in SIZES:
        note = sign(ORIGIN if size <= KEPT else AFTER, size, Frontier().extend(hashes[:size]).root(), LOG)
        notes.append(note + "".join(cosign(note, name, key, size) for name, key in WITNESSES.items()))
    root = Frontier().extend(hashes[:KEPT]).root()
    restores = [(DECLARED, Restore(ORIGIN, KEPT, root, AFTER, 60).note(LOG))]
    return Bundle(lines, hashes, notes, restores, [f"{WORDS[key.type]} {key.text}" for key in KEYS])


WHOLE = make()


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return WHOLE.write(tmp_path / "export")


def fault_of(folder: Path, **more: object) -> tuple[int, str] | None:
    """The first bad index and the kind of fault; None where the export passes."""
    try:
        VERIFY.verify(folder, **more)
    except VERIFY.Fault as fault:
        return fault.index, fault.kind
    return None


def test_it_needs_the_standard_library_and_cryptography_alone() -> None:
    """One file that imports nothing of the gateway."""
    tree = ast.parse(SCRIPT.read_text())
    modules = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in modules} - sys.stdlib_module_names == {"cryptography"}


def test_it_runs_alone_and_says_what_it_found(export: Path) -> None:
    """From the command line in another folder: entries, heads, who vouches, and the restore that was declared."""
    shutil.copy(SCRIPT, export / "verify.py")
    run = [sys.executable, "-I", str(export / "verify.py"), str(export)]
    told = subprocess.run(run, capture_output=True, text=True, timeout=60, cwd=export)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(
        "OK: all 120 entries are as they were signed, by 7 heads. witness.example/1 vouches for the first 120"
    )
    assert "Restored from backup at 40 entries, as entry 43 declares, 20 entries were lost." in told.stdout
    (export / "entries.jsonl").write_bytes(b"".join(line + b"\n" for line in [*WHOLE.lines[:17], b"{}", *WHOLE.lines[18:]]))
    told = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stdout) == (1, "FAULT at entry 17 (edited): entry 17 is not what was written.\n")
    (export / "keys.txt").unlink()
    assert subprocess.run(run, capture_output=True, text=True, timeout=60).returncode == 2


def before(place: int) -> int:
    """The first entry that rests on a head."""
    return 0 if place == 0 else SIZES[place - 1]


Mutation = tuple[Bundle | None, int, set[str]]


def changed(data: bytes, chance: random.Random) -> bytes:
    """One byte changed to another."""
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ chance.randrange(1, 256)]) + data[at + 1 :]


def with_(lines: list[bytes] | None = None, hashes: list[bytes] | None = None, notes: list[str] | None = None) -> Bundle:
    return Bundle(lines or WHOLE.lines, hashes or WHOLE.hashes, notes or WHOLE.notes, WHOLE.restores, WHOLE.keys)


def mutate_lines(chance: random.Random) -> Mutation:
    """An entry edited, taken out, put in, swapped, or the tail cut."""
    lines, what = list(WHOLE.lines), chance.choice(["edit", "edits", "take", "put", "swap", "cut"])
    one, other = sorted(chance.sample(range(len(lines)), 2))
    if what in ("edit", "edits"):
        lines[one] = changed(lines[one], chance)
        lines[other] = changed(lines[other], chance) if what == "edits" else lines[other]
        return with_(lines), one, {"edited", "added", "missing"}
    if what == "take":
        del lines[one]
        return with_(lines), one, {"missing"}
    if what == "put":
        lines.insert(one, chance.choice([WHOLE.lines[other], line_of(one + 1000)]))
        return with_(lines), one, {"added"}
    if what == "swap":
        lines[one], lines[other] = lines[other], lines[one]
        return with_(lines), one, {"reordered"}
    return with_(lines[: max(1, other)]), max(1, other), {"cut"}


def mutate_hashes(chance: random.Random) -> Mutation:
    """A proof changed, swapped, cut or prolonged."""
    hashes, what = list(WHOLE.hashes), chance.choice(["edit", "swap", "cut", "more"])
    one, other = sorted(chance.sample(range(len(hashes)), 2))
    if what == "edit":
        hashes[one] = changed(hashes[one], chance)
    elif what == "swap":
        hashes[one], hashes[other] = hashes[other], hashes[one]
    elif what == "cut":
        one, hashes = other, hashes[:other]
    else:
        one, hashes = len(hashes), [*hashes, bytes(32)]
    return with_(hashes=hashes), one, {"proof"}


def mutate_heads(chance: random.Random) -> Mutation:
    """A signed head forged, swapped, left out, or with another's cosignature."""
    notes, what = list(WHOLE.notes), chance.choice(["edit", "swap", "drop", "forge", "history", "cosign", "last"])
    one, other = sorted(chance.sample(range(len(notes)), 2))
    if what == "edit":
        at = chance.randrange(len(notes[one]))
        letter = chance.choice([sign for sign in "Aa0+/= \n\u2014x1" if sign != notes[one][at]])
        notes[one] = notes[one][:at] + letter + notes[one][at + 1 :]
    elif what == "swap":
        notes[one], notes[other] = notes[other], notes[one]
        return (
            with_(notes=notes),
            SIZES[other],
            {"checkpoint", "restore"},
        )  # up to the larger all is proved; the smaller comes late
    elif what == "forge":  # by another key
        root = Frontier().extend(WHOLE.hashes[: SIZES[one]]).root()
        notes[one] = sign(ORIGIN if SIZES[one] <= KEPT else AFTER, SIZES[one], root, WITNESSES["witness.example/1"])
    elif what == "history":  # by the log itself, of other entries
        notes[one] = sign(ORIGIN if SIZES[one] <= KEPT else AFTER, SIZES[one], bytes(32), LOG)
    elif what == "cosign":
        lines = notes[other].rstrip("\n").rsplit("\n", 2)[1:]
        notes[one] = notes[one].rstrip("\n").rsplit("\n", 2)[0] + "\n" + "\n".join(lines) + "\n"
    elif what == "last":
        return with_(notes=notes[:-1]), SIZES[-2], {"unsigned"}
    else:
        return None, one, set()
    kept_back = KEPT if what == "history" and SIZES[one] > KEPT >= before(one) else before(one)
    return with_(notes=notes), kept_back, {"checkpoint", "cosignature", "restore"}


def leave_out(folder: Path, place: int) -> int:
    """A head that was taken out of the file; the first entry that rests on it."""
    notes = [(number, note) for number, note in enumerate(WHOLE.notes) if number != place]
    write_notes(folder / "checkpoints.txt", "checkpoint", notes)
    return before(place)


def test_every_mutation_is_found_with_the_right_index(tmp_path: Path) -> None:
    """Rows, proofs, heads, tails and swaps, thousands of them at random: none passes, and each is named where it is."""
    chance, folder = random.Random(20261121), WHOLE.write(tmp_path / "export")
    assert fault_of(folder) is None
    for round_ in range(count(600, 10_000)):
        mutated, index, kinds = chance.choice([mutate_lines, mutate_hashes, mutate_heads])(chance)
        WHOLE.write(folder)
        if mutated is None:
            index, kinds = leave_out(folder, index), {"checkpoint", "unsigned"}
        else:
            mutated.write(folder)
        found = fault_of(folder)
        assert found is not None, (round_, index, kinds)
        assert found[0] == index and found[1] in kinds, (round_, found, index, kinds)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_key_that_was_changed_is_found(export: Path, place: int) -> None:
    """A letter of any key, or another key in its place: nothing is proved."""
    keys = list(WHOLE.keys)
    keys[place] = keys[place][:-3] + ("AA=" if keys[place][-3:] != "AA=" else "BB=")
    (export / "keys.txt").write_text("\n".join(keys) + "\n")
    assert fault_of(export) == (0, "key")
    word, _, text = WHOLE.keys[place].partition(" ")
    other = Key(Key.parse(text).name, bytes(range(100, 132)), Key.parse(text).type)
    (export / "keys.txt").write_text("\n".join([*keys[:place], f"{word} {other.text}", *WHOLE.keys[place + 1 :]]) + "\n")
    found = fault_of(export)
    assert found is not None and found[1] in ("checkpoint", "cosignature", "restore")


def test_an_export_made_with_other_keys_passes_only_where_no_key_is_expected(export: Path) -> None:
    """Whoever rewrites everything writes their own keys too: the auditor's own copy of the key tells."""
    expected = [key.text for key in KEYS]
    assert fault_of(export, expected=expected) is None
    stranger = Key.of(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes([9] * 32)))
    assert fault_of(export, expected=[stranger.text]) == (0, "key")


def test_a_head_that_is_held_elsewhere_shows_a_cut_that_the_export_hides(tmp_path: Path) -> None:
    """Entries, hashes and heads cut together look whole; the head that somebody else has does not fit."""
    short = Bundle(WHOLE.lines[:77], WHOLE.hashes[:77], WHOLE.notes[:-1], WHOLE.restores, WHOLE.keys)
    folder = short.write(tmp_path / "short")
    assert fault_of(folder) is None
    assert fault_of(folder, held=WHOLE.notes[-1]) == (77, "cut")
    assert fault_of(folder, held=WHOLE.notes[3]) is None


def test_another_history_is_shown_by_a_head_that_is_held(export: Path) -> None:
    """A head of the same log over other entries: at its own size, and between the heads of the export."""
    for size in (50, 60):
        assert fault_of(export, held=sign(AFTER, size, bytes(32), LOG)) is not None
    honest = sign(AFTER, 60, Frontier().extend(WHOLE.hashes[:60]).root(), LOG)
    assert fault_of(export, held=honest) is None


def test_a_declared_restore_explains_exactly_the_heads_that_were_lost(export: Path, tmp_path: Path) -> None:
    """A head from before the restore is accepted and said to be lost; without the declaration it is a fault."""
    lost = sign(ORIGIN, 60, bytes(range(32)), LOG)
    found = VERIFY.verify(export, held=lost)
    assert "lost by the restore that entry 43 declares" in VERIFY.says(found)
    undeclared = Bundle(WHOLE.lines, WHOLE.hashes, WHOLE.notes, [], WHOLE.keys).write(tmp_path / "undeclared")
    assert fault_of(undeclared) == (32, "restore")
    elsewhere = Bundle(WHOLE.lines, WHOLE.hashes, WHOLE.notes, [(50, WHOLE.restores[0][1])], WHOLE.keys).write(tmp_path / "else")
    assert fault_of(elsewhere) == (43, "restore")
    forged = Restore(ORIGIN, KEPT, bytes(32), AFTER).note(LOG)
    assert fault_of(Bundle(WHOLE.lines, WHOLE.hashes, WHOLE.notes, [(43, forged)], WHOLE.keys).write(tmp_path / "forged")) == (
        32, "checkpoint",
    )  # fmt: skip
    stranger = Restore(ORIGIN, KEPT, bytes(32), AFTER).note(WITNESSES["witness.example/1"])
    assert fault_of(Bundle(WHOLE.lines, WHOLE.hashes, WHOLE.notes, [(43, stranger)], WHOLE.keys).write(tmp_path / "stranger")) == (
        0, "restore",
    )  # fmt: skip


def test_an_export_without_a_head_proves_nothing(tmp_path: Path) -> None:
    """Nothing signed is not the same as nothing wrong."""
    assert fault_of(Bundle([], [], [], [], WHOLE.keys).write(tmp_path / "empty")) == (0, "unsigned")
    assert fault_of(Bundle(WHOLE.lines, WHOLE.hashes, [], [], WHOLE.keys).write(tmp_path / "bare")) == (0, "unsigned")


def test_the_tree_is_that_of_the_gateway() -> None:
    """Two implementations, grown in pieces of any size, agree."""
    chance, leaves = random.Random(3), [leaf_hash(number.to_bytes(3, "big")) for number in range(2000)]
    for _ in range(50):
        tree, at = VERIFY.Tree(), 0
        while at < len(leaves):
            step = chance.choice([1, 2, 3, 100, 256, 700])
            tree.grow(leaves[at : at + step])
            at += step
        assert tree.root() == Frontier().extend(leaves).root()
    assert VERIFY.Tree().root() == Frontier().root()
