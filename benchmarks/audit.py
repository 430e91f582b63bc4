"""The access log by itself: sealing an entry, and checking a log of a hundred thousand entries."""

from __future__ import annotations

import os
import time

from benchmarks.stand import result
from gateway.audit.checkpoint import Key, sign
from gateway.audit.entry import Entry, Kind
from gateway.audit.merkle import Frontier
from gateway.audit.verify import verify
from gateway.exchanges.context import entry_id
from gateway.store import audit_log, clock
from gateway.store.vault import load_keys, make_keys

ENTRIES = 100_000


def main() -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        make_keys(keys, "test")
        vault = load_keys(keys)
        now = clock.now()
        year = audit_log.year_of(now)
        vault.learn_year(year, vault.new_year_key(year))
        begun = time.process_time()
        sealed = audit_log.seal_entries(vault, [entry(now + place) for place in range(ENTRIES)])
        frontier = Frontier().extend(sealed.leaves)
        result("audit_append_cpu_ms", (time.process_time() - begun) / ENTRIES * 1000)
        rows = [(place, row, leaf) for place, (row, leaf) in enumerate(zip(sealed.rows, sealed.leaves, strict=True))]
        note = sign("bench.example/log", frontier.size, frontier.root(), vault.signing)
        begun = time.process_time()
        verdict = verify(rows, frontier, [note], [Key.of("bench.example/log", vault.signing)])
        taken = time.process_time() - begun
        if not verdict.ok:
            raise RuntimeError(verdict.says)
        result("verify_entries_per_second", ENTRIES / taken)


def entry(recorded: int) -> Entry:
    return Entry(
        id=entry_id(recorded), recorded=recorded, exchange="look_up_status", outcome=0, kind=Kind.DISCLOSURE, requester="TLA01",
        custodian="TMH01", client="council-system", user="sw1", role="social-worker", purpose="safeguarding-s47",
        patient=f"https://fhir.nhs.uk/Id/nhs-number|{recorded % 10**10}", basis=("CA1989-s47",), tier=2, policy="0" * 16,
        disclosure=os.urandom(16).hex(), request_id=os.urandom(16).hex(), asked=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
