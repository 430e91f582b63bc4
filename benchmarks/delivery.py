"""Notices: from the commit of a change to its receipt by real receivers on this machine, how many a second on one core, how
flat memory stays while a long outbox is drained, how long a replay takes, and what one dead receiver costs the others.

``DELIVERY_EVENTS`` notices wait (20 thousand unless it says otherwise; 100 thousand for a release), half as many are
replayed, ten thousand at most; ``DELIVERY_SECONDS`` is how long changes come in at 100 a second. ``GATEWAY_HTTP_CLIENT``
chooses the library as in production.

Times are of seven receivers, by one gateway: by themselves, then beside an eighth that takes everything and never
answers, for which ``DELIVERY_UNANSWERED`` notices wait, in ``DELIVERY_ROUNDS`` turns; the ratio is of the two 99th
percentiles over all turns. Throughput is of a deliverer that has a core for itself, over eight
receivers in another process on the other core. ``delivery_cpu_us`` is the processor time of the deliverer for one
notice, which a busy machine distorts least; ``drain_rss_*_mb`` its memory before, half-way and afterwards.
"""

from __future__ import annotations

import asyncio
import base64
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import select

from benchmarks.outbox import change_states, drain, fill_outbox, opened, receivers
from benchmarks.stand import LOAD_CORE, Deployment, deployment, gateway, nhs_numbers, on_core, postgres, result, say
from gateway.demo import people
from gateway.demo.client import Client
from gateway.demo.people import COUNCIL, Person
from gateway.demo.receiver import Receiver
from gateway.exchanges.context import Context
from gateway.exchanges.notices.replay_notices import Replay
from gateway.listing.outbox import replay_all
from gateway.store import migrate
from gateway.store.tables import acknowledgement, outbox, subscription

EVENTS = int(os.environ.get("DELIVERY_EVENTS", "20000"))
SECONDS = int(os.environ.get("DELIVERY_SECONDS", "10"))
ROUNDS = int(os.environ.get("DELIVERY_ROUNDS", "4"))
UNANSWERED = int(os.environ.get("DELIVERY_UNANSWERED", "20000"))
LIBRARY = os.environ.get("GATEWAY_HTTP_CLIENT", "httpx")
RATE = 100
HEALTHY = 7  # receivers
REPLAYED = min(10_000, EVENTS // 2)
UNCHECKED = 4  # of so many notices one signature is checked: receivers share the core of the load


class Timed(Receiver):
    """A receiver that keeps when each notice about whom came."""

    def take(self, headers: dict[str, str], body: bytes) -> int:
        arrived = time.time()
        if len(self.seen) % UNCHECKED:
            self.seen[headers["webhook-id"]] = self.seen.get(headers["webhook-id"], 0) + 1
            status = 200
        else:
            status = super().take(headers, body)
        ARRIVED[body.split(b'nhs-number","value":"', 1)[1][:10].decode()] = arrived
        return status


ARRIVED: dict[str, float] = {}


def main() -> None:
    """Every figure; with a PostgreSQL as well the throughput there."""
    with deployment(UNANSWERED, http_client=LIBRARY) as deployed:
        latency(deployed, "")
    with postgres() as url, deployment(UNANSWERED, url, http_client=LIBRARY) as deployed:
        latency(deployed, "_postgres")
    with deployment(EVENTS, http_client=LIBRARY) as deployed:
        throughput(deployed, "")
    with postgres() as url, deployment(EVENTS // 4, url, http_client=LIBRARY) as deployed:
        throughput(deployed, "_postgres")


def latency(deployed: Deployment, suffix: str) -> None:
    """From the acknowledgement of a change to its notice, at 100 changes a second, without and with a dead receiver: in
    rounds, one after the other by the same gateway, so that what else the machine does falls on both alike."""
    alone: list[float] = []
    beside: list[float] = []
    with opened(deployed) as (_, here):
        ctx = here.context
    with ExitStack() as stack:
        stack.enter_context(on_core(LOAD_CORE))
        server = stack.enter_context(gateway(deployed))
        keys = httpx.get(f"{server.url}/oauth2/jwks", trust_env=False).json()["keys"]
        text = next(one["x"] for one in keys if one.get("crv") == "Ed25519")
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        urls = []
        for _ in range(HEALTHY):
            receiver = Timed("council", key=public).up()
            stack.callback(receiver.down)
            urls.append(receiver.url)
        trust = Client(deployed.credentials, "trust-epr")
        for place in range(ROUNDS):
            some = admitted(deployed, urls, SECONDS * RATE * 2, place * 100_000)
            alone += timed(trust, some[::2])
            with unanswered(deployed, ctx):
                beside += timed(trust, some[1::2])
            say(
                f"  round {place + 1} of {ROUNDS}: "
                + ", ".join(f"{p99(part[-len(some) // 2 :]) * 1000:.0f}" for part in (alone, beside))
            )
    for name, waits in (("delivery", alone), ("delivery_beside_a_dead_one", beside)):
        result(f"{name}_p50_ms{suffix}", statistics.median(waits) * 1000)
        result(f"{name}_p99_ms{suffix}", p99(waits) * 1000)
    result(f"delivery_p99_beside_a_dead_one_ratio{suffix}", p99(beside) / p99(alone))


def p99(waits: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(waits, n=100)[98]


@contextmanager
def unanswered(deployed: Deployment, ctx: Context) -> Iterator[None]:
    """Meanwhile ``DELIVERY_UNANSWERED`` notices wait for a receiver that takes everything and never answers."""
    engine = migrate.engine_of(deployed.settings.database_url or deployed.settings.database_file)
    with receivers(1, silent=1) as ports:
        fill_outbox(deployed, ctx, ports, UNANSWERED)
        time.sleep(1.5)  # the gateway has looked
        try:
            yield
        finally:
            with engine.begin() as connection:
                made = subscription.c.id < f"{UNANSWERED:032x}"
                queued = outbox.c.subscription.in_(select(subscription.c.id).where(made))
                connection.execute(
                    acknowledgement.delete().where(acknowledgement.c.notice.in_(select(outbox.c.id).where(queued)))
                )
                connection.execute(outbox.delete().where(queued))
                connection.execute(subscription.delete().where(made))
    time.sleep(1.5)  # its posts have ended


def timed(trust: Client, mothers: list[Person]) -> list[float]:
    """Discharges, each waited for; gives the seconds from each acknowledgement to its notice."""
    ARRIVED.clear()
    acknowledged = asyncio.run(changes(trust, mothers))
    if not wait(len(mothers)):
        raise RuntimeError(f"{len(mothers) - len(ARRIVED)} notices did not come")
    return [max(0.0, ARRIVED[number] - at) for number, at in acknowledged.items()]


def admitted(deployed: Deployment, urls: list[str], count: int, start: int) -> list[Person]:
    """People in the ward, each with a subscriber to what happens next, one receiver after the other."""
    trust = Client(deployed.credentials, "trust-epr")
    worker = Client(deployed.credentials, "council-system", "sw1", "social-worker", ("duty-to-share-16la",))
    found = [Person("", number, "1990-02-03", "EXAMPLE", "A") for number in nhs_numbers(count, 80_000_000 + start)]
    file = "".join(people.adt("A01", one, f"D{one.nhs}") for one in found)
    check(trust.post("/records/hl7v2-adt", file, "application/hl7-v2"), 200)
    for place, one in enumerate(found):
        url = urls[place % len(urls)]
        wanted = people.subscription(one, "discharged", url, "duty-to-share-16la", case="C-1", reason="benchmark")
        check(worker.post("/fhir/Subscription", wanted), 201)
    say(f"  {count} people admitted and subscribed to")
    return found


def check(answer: httpx.Response, status: int) -> None:
    if answer.status_code != status:
        raise RuntimeError(f"{answer.status_code} {answer.text[:300]}")


async def changes(trust: Client, mothers: list[Person]) -> dict[str, float]:
    """A discharge every hundredth of a second, by the clock whatever the answers take; when each was acknowledged."""
    headers = {**trust.headers(), "Content-Type": "application/hl7-v2"}
    acknowledged: dict[str, float] = {}

    async def discharge(client: httpx.AsyncClient, one: Person) -> None:
        answer = await client.post("/records/hl7v2-adt", content=people.adt("A03", one, f"D{one.nhs}"), headers=headers)
        acknowledged[one.nhs] = time.time()
        check(answer, 200)

    async with httpx.AsyncClient(base_url=trust.credentials["base"].removesuffix("/fhir"), trust_env=False, timeout=30) as client:
        begun, tasks = time.monotonic(), []
        for place, one in enumerate(mothers):
            await asyncio.sleep(max(0.0, begun + place / RATE - time.monotonic()))
            tasks.append(asyncio.create_task(discharge(client, one)))
        await asyncio.gather(*tasks)
    return acknowledged


def wait(count: int, seconds: float = 60) -> bool:
    """Until so many people's notices are there."""
    end = time.monotonic() + seconds
    while len(ARRIVED) < count and time.monotonic() < end:
        time.sleep(0.05)
    return len(ARRIVED) >= count


def throughput(deployed: Deployment, suffix: str) -> None:
    """What waits is drained over eight receivers, then a part of it is sent once more."""
    count = EVENTS if not suffix else EVENTS // 4
    with receivers() as ports, opened(deployed) as (runner, opened_gateway):
        fill_outbox(deployed, opened_gateway.context, ports, count)
        say(f"  {count} notices wait, posted with {LIBRARY}")
        drained = runner.run(drain(opened_gateway, count))
        result(f"deliveries_per_second{suffix}", count / drained.seconds)
        result(f"delivery_cpu_us{suffix}", drained.cpu / count * 1e6)
        for when, memory in zip(("start", "middle", "end"), drained.memory, strict=True):
            result(f"drain_rss_{when}_mb{suffix}", memory)
        result(f"drain_memory_growth_mb{suffix}", drained.highest - drained.memory[0])
        if suffix:
            return
        change_states(deployed, REPLAYED)
        begun = time.monotonic()
        replayed = runner.run(replay_all(opened_gateway.ledger, Replay(COUNCIL)))
        if replayed != REPLAYED:
            raise RuntimeError(f"{replayed} replayed, not {REPLAYED}")
        runner.run(drain(opened_gateway, REPLAYED))
        result("replay_seconds", time.monotonic() - begun)
        say(f"  {replayed} were sent once more")


if __name__ == "__main__":
    main()
