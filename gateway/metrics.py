"""Figures for monitoring, in the text format of Prometheus, on a listener of their own that only this machine reaches.

No label differs by person, cause, agency or purpose: whoever reads the figures learns nothing about anybody.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import Mapping, Sequence

from gateway.deliverer import Deliverer
from gateway.store import clock
from gateway.store.ledger import Ledger
from gateway.store.outbox_view import FIGURES
from gateway.store.sql import Read

log = logging.getLogger("gateway.metrics")

TYPE = b"text/plain; version=0.0.4; charset=utf-8"
SECONDS = 5.0  # for a whole request
Sample = tuple[Mapping[str, str], float]


def exposition(name: str, kind: str, text: str, samples: Sequence[Sample]) -> str:
    """One metric: its help, its type, its samples."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        shown = ",".join(f'{label}="{stated}"' for label, stated in labels.items())
        lines.append(f"{name}{{{shown}}} {value:g}" if shown else f"{name} {value:g}")
    return "\n".join(lines) + "\n"


async def figures(ledger: Ledger, deliverer: Deliverer) -> str:
    """Everything that is told."""
    ((waiting, failing, sending, dead, oldest),) = (await ledger.read([Read(FIGURES)]))[0]
    states = {"waiting": waiting, "failing": failing, "sending": sending, "dead": dead}
    age = (clock.now() - oldest) / clock.SECOND if oldest else 0.0
    counted = [({"result": one}, deliverer.counts[one]) for one in ("delivered", "failed", "dead", "given-back")]
    used = resource.getrusage(resource.RUSAGE_SELF)
    parts: list[tuple[str, str, str, Sequence[Sample]]] = [
        ("gateway_up", "gauge", "1 while the database answers", [({}, 1)]),
        (
            "gateway_outbox_notices",
            "gauge",
            "Notices in the outbox by state",
            [({"state": n}, c or 0) for n, c in states.items()],
        ),
        ("gateway_outbox_oldest_seconds", "gauge", "Age of the oldest notice that has not arrived", [({}, age)]),
        ("gateway_delivery_attempts_total", "counter", "Attempts settled by this process", counted),
        (
            "gateway_destinations_left_alone",
            "gauge",
            "Destinations with an open breaker",
            [({}, deliverer.breakers.open_count())],
        ),
        ("process_cpu_seconds_total", "counter", "Processor time", [({}, used.ru_utime + used.ru_stime)]),
        ("process_max_resident_memory_bytes", "gauge", "Highest resident memory", [({}, used.ru_maxrss * 1024)]),
        ("gateway_scrape_time_seconds", "gauge", "When this was told, since 1970", [({}, time.time())]),
    ]
    return "".join(exposition(*part) for part in parts)


async def serve_metrics(ledger: Ledger, deliverer: Deliverer, port: int) -> None:
    """Answer GET /metrics on 127.0.0.1, for ever. A port that is taken is said once, and nothing else depends on it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                asked = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _response(asked, ledger, deliverer))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.debug("a request for figures was broken off")
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, "127.0.0.1", port)
    except OSError:
        log.exception("there are no figures: the port of GATEWAY_METRICS_PORT cannot be listened on")
        return
    async with server:
        await server.serve_forever()


async def _response(asked: bytes, ledger: Ledger, deliverer: Deliverer) -> bytes:
    if not asked.startswith((b"GET /metrics ", b"GET /metrics?")):
        return _http(b"404 Not Found", b"")
    try:
        body = (await figures(ledger, deliverer)).encode()
    except Exception:
        log.exception("the outbox cannot be read")
        body = exposition("gateway_up", "gauge", "1 while the database answers", [({}, 0)]).encode()
    return _http(b"200 OK", body)


def _http(status: bytes, body: bytes) -> bytes:
    head = (b"HTTP/1.1 " + status, b"Content-Type: " + TYPE, b"Content-Length: %d" % len(body), b"Connection: close", b"", body)
    return b"\r\n".join(head)
