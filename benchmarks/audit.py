"""The access log by itself: sealing an entry, what it takes on disk, proofs, and checking the log and an export of it.

``audit_append_cpu_ms`` is CPU per entry sealed, its leaf hashed and the tree grown. ``audit_entry_bytes`` is what an entry
takes in an SQLite file, row and leaf with their keys; ``audit_entry_indexed_bytes`` counts the search indexes and marks too.
``verify_entries_per_second`` is the script of an export over ENTRIES lines with a signed head every 5,000, by CPU of a
process of its own, and ``verify_rss_mb`` what that held; ``verify_rows_per_second`` is ``gateway audit verify`` on rows.
ENTRIES=10000000 makes it the full count.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.stand import result
from gateway.audit.checkpoint import Key, sign
from gateway.audit.entry import Entry, Kind
from gateway.audit.leaf import entry_bytes, leaf_of, way_within
from gateway.audit.merkle import Frontier, inclusion_ranges, leaf_hash
from gateway.audit.receipt import Enclosed, Receipt
from gateway.audit.verify import verify
from gateway.exchanges.context import entry_id
from gateway.store import audit_log, clock, migrate
from gateway.store.export_log import VERIFIER
from gateway.store.vault import Vault, load_keys, make_keys

ENTRIES = int(os.environ.get("ENTRIES", "200000"))
ROWS = 20_000
ORIGIN = "bench.example/log"
HEAD_EVERY = 5000
MEASURED = """
import resource, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    used = resource.getrusage(resource.RUSAGE_SELF)
    held = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(used.ru_utime + used.ru_stime, held)
    sys.exit(end.code)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_keys(folder / "keys", "test")
        vault = load_keys(folder / "keys")
        now = clock.now()
        year = audit_log.year_of(now)
        vault.learn_year(year, vault.new_year_key(year))
        append_and_verify(vault, now)
        on_disk(vault, folder, now)
        receipt(vault)
        export(vault, folder / "export")


def append_and_verify(vault: Vault, now: int) -> None:
    """Seal, grow the tree, and check the rows."""
    begun = time.process_time()
    sealed = audit_log.seal_exchanges(vault, [(entry(now + place),) for place in range(ROWS)])
    frontier = Frontier().extend(sealed.leaves)
    result("audit_append_cpu_ms", (time.process_time() - begun) / ROWS * 1000)
    rows = [(place, (row,), leaf) for place, (row, leaf) in enumerate(zip(sealed.rows, sealed.leaves, strict=True))]
    note = sign(ORIGIN, frontier.size, frontier.root(), vault.signing)
    begun = time.process_time()
    verdict = verify(rows, frontier, [note], [Key.of(ORIGIN, vault.signing)])
    taken = time.process_time() - begun
    if not verdict.ok:
        raise RuntimeError(verdict.says)
    result("verify_rows_per_second", ROWS / taken)


def on_disk(vault: Vault, folder: Path, now: int) -> None:
    """What an entry takes in an SQLite file."""
    file = folder / "gateway.sqlite"
    migrate.upgrade(migrate.engine_of(file), "test")
    with sqlite3.connect(file, isolation_level=None) as db:
        for first in range(0, ROWS, 500):
            sealed = audit_log.seal_exchanges(vault, [(entry(now + first + step),) for step in range(500)])
            db.execute("BEGIN")
            db.executemany(audit_log.ADD_ENTRY.many_for_sqlite, sealed.rows)
            db.executemany(audit_log.ADD_LEAF.many_for_sqlite, audit_log.leaf_rows(sealed, first))
            db.executemany(audit_log.ADD_MARK.many_for_sqlite, sealed.marks)
            db.execute("COMMIT")
        sizes = dict(db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
    indexed = {
        name: size for name, size in sizes.items() if any(one in name for one in ("audit_entry", "audit_leaf", "audit_mark"))
    }
    keyed = {name: size for name, size in indexed.items() if not name.startswith("ix_") and "mark" not in name}
    result("audit_entry_bytes", sum(keyed.values()) / ROWS)
    result("audit_entry_indexed_bytes", sum(indexed.values()) / ROWS)


def receipt(vault: Vault) -> None:
    """The largest proof of an entry in a log of ten million, as it is handed out."""
    hashes = max(len(inclusion_ranges(index, 10_000_000)) for index in (0, 1, 9_999_999, 5_000_000))
    rows = audit_log.seal_exchanges(vault, [[entry(clock.now()) for _ in range(9)]]).rows
    enclosed = Enclosed(leaf_of(rows), entry_bytes(rows[1]), way_within(rows, 1))
    text = Receipt(9_999_999, (bytes(32),) * hashes, sign(ORIGIN, 10_000_000, bytes(32), vault.signing), enclosed).text()
    result("inclusion_proof_bytes", len(text.encode()))


def export(vault: Vault, folder: Path) -> None:
    """Write an export and run its script on it."""
    folder.mkdir()
    tree, place = Frontier(), 0
    example = audit_log.seal_exchanges(vault, [(entry(clock.now()),)]).rows[0]
    with (
        (folder / "entries.jsonl").open("wb") as lines,
        (folder / "hashes.bin").open("wb") as hashes,
        (folder / "checkpoints.txt").open("w", encoding="utf-8") as heads,
    ):
        while tree.size < ENTRIES:
            leaves = [
                leaf_of([example._replace(recorded=tree.size + step)]) for step in range(min(HEAD_EVERY, ENTRIES - tree.size))
            ]
            lines.write(b"".join(line + b"\n" for line in leaves))
            hashed = [leaf_hash(line) for line in leaves]
            hashes.write(b"".join(hashed))
            tree, place = tree.extend(hashed), place + 1
            heads.write(f"checkpoint {place - 1}\n{sign(ORIGIN, tree.size, tree.root(), vault.signing)}\n")
    (folder / "restores.txt").touch()
    (folder / "keys.txt").write_text(f"log {Key.of(ORIGIN, vault.signing).text}\n")
    told = subprocess.run([sys.executable, "-c", MEASURED, VERIFIER, folder], capture_output=True, text=True)
    if told.returncode:
        raise RuntimeError(told.stdout + told.stderr)
    seconds, kilobytes = map(float, told.stdout.splitlines()[-1].split())
    result("verify_entries_per_second", ENTRIES / seconds)
    result("verify_rss_mb", kilobytes / 1024)


def entry(recorded: int) -> Entry:
    return Entry(
        id=entry_id(recorded), recorded=recorded, exchange="look_up_status", outcome=0, kind=Kind.DISCLOSURE, requester="TLA01",
        custodian="TMH01", client="council-system", user="sw1", role="social-worker", purpose="safeguarding-s47",
        patient=f"https://fhir.nhs.uk/Id/nhs-number|{recorded % 10**10}", basis=("CA1989-s47",), tier=2, policy="0" * 16,
        disclosure=os.urandom(16).hex(), request_id=os.urandom(16).hex(), asked=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
