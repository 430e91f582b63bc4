"""A file of records loaded through the exchange, on SQLite and on PostgreSQL: children of the DfE daily JSON and of a census.

One exchange a record, durable before it counts, with its audit entry and its step. Loaded in the process that measures, as
``gateway load`` does it. The yardstick is the same file mapped and not applied.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import time

from benchmarks.records import census, child
from benchmarks.stand import deployment, postgres, result, say
from gateway import app as wiring
from gateway.api.load_report import Report
from gateway.api.loading import Desk, load_once
from gateway.api.records import sender_of
from gateway.deployment import Gateway
from gateway.disclosure.requester import Requester
from gateway.exchanges.records.load_file_once import FileLoaded
from gateway.mapping.reading import read
from gateway.settings import Settings

COUNCIL = "TLA01"
CHILDREN = 1_000
DAILY = 100  # children of one file of the daily JSON


async def loaded(gateway: Gateway, fmt: str, files: list[bytes]) -> float:
    """Children a second, from the first byte of the first file to the last report."""
    requester = Requester("command-line", COUNCIL, frozenset())
    sender = await sender_of(gateway.ledger, gateway.context, COUNCIL)
    report, begun = Report(), time.perf_counter()
    for data in files:
        file = FileLoaded(requester, fmt, hashlib.sha256(data).hexdigest(), len(data))
        desk = Desk(gateway.ledger, gateway.context, requester, digest=file.digest)
        await load_once(desk, file, io.BytesIO(data), sender, report)
    taken = time.perf_counter() - begun
    if report.accepted < CHILDREN:
        raise RuntimeError(f"{report.accepted} of {CHILDREN} children were taken")
    return report.accepted / taken


def mapped(gateway: Gateway, fmt: str, files: list[bytes]) -> float:
    """Children a second, mapped alone."""
    from gateway.mapping.records import Sender

    begun = time.perf_counter()
    for data in files:
        for _ in read(gateway.context.mappings, fmt, data, Sender(COUNCIL, "999", received="2026-11-21T08:00:00Z")):
            pass
    return CHILDREN / (time.perf_counter() - begun)


async def measured(settings: Settings, name: str) -> None:
    """Both formats on one database."""
    daily = [json.dumps([child(place) for place in range(start, start + DAILY)]).encode() for start in range(0, CHILDREN, DAILY)]
    gateway = await wiring.open_gateway(settings)
    try:
        for fmt, files in (("dfe-csc-api", daily), ("dfe-cin-census", [census(CHILDREN)])):
            rate = await loaded(gateway, fmt, files)
            short = fmt.split("-")[1]
            result(f"load_{short}_{name}_per_s", rate)
            say(f"  {rate / mapped(gateway, fmt, files):.2f} of the same file mapped alone")
    finally:
        await wiring.close_gateway(gateway)


def main() -> None:
    with deployment(100) as deployed:
        asyncio.run(measured(deployed.settings, "sqlite"))
    with postgres() as url, deployment(100, url) as deployed:
        asyncio.run(measured(deployed.settings, "postgres"))


if __name__ == "__main__":
    main()
