"""The access log as a bundle that can be checked without the gateway: a line for each exchange, hashes, signed heads, keys.

Written in one pass over a snapshot, in memory that does not grow with the log. It ends with the last signed head: what
came after is in the next one. Nothing in it names anybody; the lines show times, exchanges and organisations.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from gateway.audit import offline
from gateway.audit.checkpoint import COSIGNATURE, Key
from gateway.audit.leaf import UNREADABLE, leaf_of
from gateway.store import migrate
from gateway.store.log_pages import PAGE, Rows, pages
from gateway.store.tables import audit_checkpoint, audit_cosignature, audit_leaf, audit_restore, audit_witness
from gateway.store.upkeep import log_keys
from gateway.store.vault import Vault

VERIFIER = Path(offline.__file__).parent / "verify.py"
README = """An export of the access log: {size} entries, one for each exchange.

Check it with Python 3.9 or newer and the package cryptography:

    python verify.py .

entries.jsonl    one line for each exchange, in order: when, which exchange, which organisation asked, and a commitment
                 to all else that was put on record. It names nobody, and does not tell whether anybody was found.
hashes.bin       the hash of each line, 32 bytes each
checkpoints.txt  the signed heads of the log, with the signatures of other agencies
restores.txt     restores from backup that were declared
keys.txt         public keys. Compare them with those that you were given otherwise, or give those: --key NAME+ID+KEY
verify.py        the check; --help says what it finds
"""


class ExportFault(Exception):
    """The log cannot be exported; the text says why and what to do."""


def export_log(database: Path | str, vault: Vault, out: Path, step: Callable[[int, int], None] = lambda *_: None) -> int:
    """Write a bundle into a folder that is empty or not there; gives the number of entries. ``step`` is called with entries
    written so far and in all. Raises ExportFault, DatabaseFault, OSError."""
    if out.exists() and any(out.iterdir()):
        raise ExportFault(f"{out} is not empty: an export goes into a folder of its own")
    out.mkdir(parents=True, exist_ok=True)
    with migrate.told(), migrate.engine_of(database).connect() as connection:
        size = connection.execute(select(audit_checkpoint.c.size).order_by(audit_checkpoint.c.size.desc()).limit(1)).scalar()
        if size is None:
            raise ExportFault("no head of the log is signed yet: start the gateway, it signs one within a minute")
        restores = connection.execute(select(audit_restore.c.entry, audit_restore.c.note).order_by(audit_restore.c.size)).all()
        _write_entries(connection, out, size, step)
        witnesses = [Key.parse(text) for text in connection.execute(select(audit_witness.c.key)).scalars()]
        _write_notes(out / "checkpoints.txt", "checkpoint", enumerate(_notes(connection, {key.name for key in witnesses})))
        _write_notes(out / "restores.txt", "restore", _restores(connection, restores))
        _write_keys(out / "keys.txt", [*log_keys(vault, len(restores)), *witnesses])
    shutil.copyfile(VERIFIER, out / "verify.py")
    (out / "README.txt").write_text(README.format(size=size))
    return int(size)


def _write_entries(connection: Connection, out: Path, size: int, step: Callable[[int, int], None]) -> None:
    written = 0
    with (out / "entries.jsonl").open("wb") as lines, (out / "hashes.bin").open("wb") as hashes:
        for page in pages(connection, size):
            for _, rows, leaf in page:
                lines.write(_line(rows) + b"\n")
                hashes.write(leaf)
            written += len(page)
            step(written, size)


def _line(rows: Rows) -> bytes:
    """The bytes of a leaf. What is not there or cannot be read leaves an empty line, which the check will name."""
    try:
        return leaf_of(rows) if rows else b""
    except UNREADABLE:
        return b""


def _notes(connection: Connection, known: set[str]) -> Iterator[str]:
    """Signed heads with the signatures of witnesses below, by size."""
    start = -1
    while True:
        chosen = select(audit_checkpoint.c.size, audit_checkpoint.c.note).where(audit_checkpoint.c.size > start)
        page = connection.execute(chosen.order_by(audit_checkpoint.c.size).limit(PAGE)).all()
        if not page:
            return
        lines = _cosignatures(connection, start, page[-1][0], known)
        for size, note in page:
            yield note + "".join(lines.get(size, ()))
        start = page[-1][0]


def _cosignatures(connection: Connection, after: int, up_to: int, known: set[str]) -> dict[int, list[str]]:
    table, found = audit_cosignature, dict[int, list[str]]()
    chosen = select(table.c.size, table.c.witness, table.c.line).where(table.c.size > after, table.c.size <= up_to)
    for size, witness, line in connection.execute(chosen.order_by(table.c.size, table.c.witness)):
        if witness in known:
            found.setdefault(size, []).append(line)
    return found


def _restores(connection: Connection, restores: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """Each declared restore under the place of the entry that declares it."""
    for entry, note in restores:
        yield int(connection.execute(select(audit_leaf.c.place).where(audit_leaf.c.entry == entry)).scalar() or 0), note


def _write_notes(path: Path, word: str, notes: Iterable[tuple[int, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, note in notes:
            file.write(f"{word} {number}\n{note}\n")


def _write_keys(path: Path, keys: Iterable[Key]) -> None:
    path.write_text("".join(f"{'witness' if key.type == COSIGNATURE else 'log'} {key.text}\n" for key in keys))
