"""Notices: from the commit of a change to its receipt by a real receiver on this machine, and how many a second.

Each of 200 people has a subscriber; every discharge is one change. The receiver checks each signature.
"""

from __future__ import annotations

import base64
import statistics
import time
from contextlib import ExitStack

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from benchmarks.stand import deployment, gateway, nhs_numbers, result, say
from gateway.demo import people
from gateway.demo.client import Client
from gateway.demo.people import Person
from gateway.demo.receiver import Receiver

PEOPLE = 200


class Timed(Receiver):
    """A receiver that keeps when each notice came."""

    def take(self, headers: dict[str, str], body: bytes) -> int:
        status = super().take(headers, body)
        ARRIVED.append(time.time())
        return status


ARRIVED: list[float] = []


def main() -> None:
    with ExitStack() as stack:
        deployed = stack.enter_context(deployment(10))
        server = stack.enter_context(gateway(deployed))
        keys = httpx.get(f"{server.url}/oauth2/jwks", trust_env=False).json()["keys"]
        text = next(one["x"] for one in keys if one.get("crv") == "Ed25519")
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        receiver = Timed("council", key=public).up()
        trust = Client(deployed.credentials, "trust-epr")
        worker = Client(deployed.credentials, "council-system", "sw1", "social-worker", ("duty-to-share-16la",))
        mothers = [
            Person("", number, "1990-02-03", "EXAMPLE", f"M{place}")
            for place, number in enumerate(nhs_numbers(PEOPLE, 80_000_000))
        ]
        for place, mother in enumerate(mothers):
            check(trust.post("/records/hl7v2-adt", people.adt("A01", mother, f"D{place}"), "application/hl7-v2"), 200)
            wanted = people.subscription(mother, "discharged", receiver.url, "duty-to-share-16la", case="C-1", reason="benchmark")
            check(worker.post("/fhir/Subscription", wanted), 201)
        say(f"  {PEOPLE} people admitted and subscribed to")
        one_at_a_time(trust, mothers[: PEOPLE // 2], receiver)
        at_once(trust, mothers[PEOPLE // 2 :], receiver)
        receiver.down()


def check(answer: httpx.Response, status: int) -> None:
    if answer.status_code != status:
        raise RuntimeError(f"{answer.status_code} {answer.text[:300]}")


def one_at_a_time(trust: Client, mothers: list[Person], receiver: Receiver) -> None:
    """From the acknowledgement of a change to its notice."""
    waits = []
    for place, mother in enumerate(mothers):
        count = len(ARRIVED)
        check(trust.post("/records/hl7v2-adt", people.adt("A03", mother, f"D{place}"), "application/hl7-v2"), 200)
        acknowledged = time.time()
        if not receiver.wait(count + 1):
            raise RuntimeError("a notice did not come")
        waits.append(max(0.0, ARRIVED[count] - acknowledged))
    result("delivery_p50_ms", statistics.median(waits) * 1000)
    result("delivery_p99_ms", statistics.quantiles(waits, n=100)[98] * 1000)


def at_once(trust: Client, mothers: list[Person], receiver: Receiver) -> None:
    """Many changes in one file."""
    count = len(ARRIVED)
    start = len(mothers)
    file = "".join(people.adt("A03", mother, f"D{start + place}") for place, mother in enumerate(mothers))
    begun = time.time()
    check(trust.post("/records/hl7v2-adt", file, "application/hl7-v2"), 200)
    if not receiver.wait(count + len(mothers), 60):
        raise RuntimeError("not all notices came")
    result("deliveries_per_second", len(mothers) / (ARRIVED[-1] - begun))


if __name__ == "__main__":
    main()
