"""What monitoring is told: figures, by state and result alone, on a port of this machine."""

from __future__ import annotations

import asyncio
import re

import httpx

from gateway.metrics import figures, serve_metrics
from tests.edge.desks import admit, council_hears_of, desk, patients, status, until
from tests.edge.served import free_port, listens
from tests.world import World

LINE = re.compile(r'(?:# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+(?:\{(state|result)="[a-z-]+"\})? [0-9.e+-]+)')


async def told(world: World) -> dict[str, float]:
    """The samples by name and label."""
    text = await figures(world.gateway.ledger, world.gateway.deliverer)
    assert all(LINE.fullmatch(line) for line in text.splitlines()), text
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}


async def test_figures_tell_how_the_outbox_stands(world: World) -> None:
    """Waiting, failing, given up, attempts: counts, and nothing of whom."""
    some = patients(3)
    with desk(status(503)) as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        before = await told(world)
        assert (before['gateway_outbox_notices{state="waiting"}'], before["gateway_up"]) == (3, 1)
        await world.settle()
        one.behaviour = status(200)
        await admit(world, some, "A03")
        await world.settle()
    after = await told(world)
    assert after['gateway_outbox_notices{state="dead"}'] == 3
    assert after['gateway_outbox_notices{state="waiting"}'] == 0
    assert after['gateway_delivery_attempts_total{result="delivered"}'] == 3
    assert after['gateway_delivery_attempts_total{result="failed"}'] == 9
    world.gateway.deliverer.counts["given-back"] += 2
    assert (await told(world))['gateway_delivery_attempts_total{result="given-back"}'] == 2
    text = await figures(world.gateway.ledger, world.gateway.deliverer)
    assert not any(secret in text for secret in (some[0].nhs, "TLA01", "TMH01", "admitted", "duty"))


async def test_figures_are_served_on_a_port_of_their_own(world: World) -> None:
    """GET /metrics and nothing else; what breaks off or talks nonsense disturbs nobody."""
    port = free_port()
    serving = asyncio.create_task(serve_metrics(world.gateway.ledger, world.gateway.deliverer, port))
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            await until(lambda: listens(port))
            assert not serving.done()
            answer = await client.get(f"http://127.0.0.1:{port}/metrics")
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert "gateway_up 1" in answer.text
            assert (await client.get(f"http://127.0.0.1:{port}/health/live")).status_code == 404
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x00\r\n\r\n")
            assert b"404" in await reader.read(100)
            writer.close()
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            assert (await client.get(f"http://127.0.0.1:{port}/metrics")).status_code == 200
        assert (await world.client.get("/metrics")).status_code == 404, "not where agencies reach it"
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_a_port_that_is_taken_costs_the_figures_alone(world: World) -> None:
    """It is said in the log; the gateway goes on."""
    with desk() as one:
        await serve_metrics(world.gateway.ledger, world.gateway.deliverer, one.port)
    assert (await world.client.get("/health/live")).status_code == 200
