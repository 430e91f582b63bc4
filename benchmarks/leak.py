"""Whether the time at which an answer leaves tells its cause.

A voluntary service asks a trust, in wish mode, about strangers and about people who did not agree, refused, agreed for
another situation, are shielded, are adopted, and about some of whom it is told. 5,000 lookups of each, in random order
over 16 connections to a real server on the other core; the clock runs from the request's last byte sent to the answer's
last byte read. For each pair of causes: how often a lookup of the one took longer than one of the other (AUC, 0.5 where
they cannot be told apart; its standard error at 5,000 is 0.006, and the worst of 21 pairs is shown). The same of asking to
be rung back, of subscribing, and of looking for somebody among the charity's own people, which answer everybody alike. ``LEAK_EACH`` sets another count.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.stand import BORN, LOAD_CORE, TRUST, Deployment, deployment, gateway, lookup_body, nhs_numbers, result, say
from gateway.demo import people
from gateway.demo.people import VOLUNTARY, Person
from gateway.fhir import systems

EACH, PEOPLE, CONNECTIONS = int(os.environ.get("LEAK_EACH", "5000")), 20, 16
PURPOSE, TICK = "early-help", 0.050


@dataclass(frozen=True, slots=True)
class Surface:
    """Where a person can be named, and what a lookup's body becomes there."""

    name: str
    path: str
    body: Callable[[str], str]


def to_be_rung(lookup: str) -> str:
    body = json.loads(lookup)
    said = {"name": "Sam Field", "phone": "01632 960123"}
    body["parameter"] += [{"name": name, "valueString": value} for name, value in said.items()]
    return json.dumps(body)


def to_be_told(lookup: str) -> str:
    number = json.loads(lookup)["parameter"][0]["resource"]["identifier"][0]["value"]
    person = Person("", number, BORN, "", "")
    return json.dumps(people.subscription(person, "discharged", "https://families.example/fhir", PURPOSE))


def to_be_matched(lookup: str) -> str:
    asked: dict[str, Any] = json.loads(lookup)["parameter"][0]["resource"]
    return json.dumps({**asked, "name": [{"family": "EXAMPLE", "given": ["P1"]}]})


LOOKUP = Surface("lookup", "/fhir/Patient/$known-to-services", str)
SURFACES = (
    LOOKUP,
    Surface("call-back", "/fhir/Patient/$request-contact", to_be_rung),
    Surface("subscription", "/fhir/Subscription", to_be_told),
    Surface("match", "/fhir/Patient/$match", to_be_matched),
)


def main() -> None:
    with deployment(PEOPLE * 10) as deployed, gateway(deployed) as server:
        os.sched_setaffinity(0, {int(LOAD_CORE)} & os.sched_getaffinity(0) or os.sched_getaffinity(0))
        causes = prepared(deployed, server.url)
        found = []
        for surface in SURFACES:
            token = deployed.token("voluntary-system", "fw1", "family-worker", (PURPOSE,))  # lasts five minutes
            times = asyncio.run(measured(server.url, surface, causes, token))
            found.append(worst_of(surface, times))
            if surface is LOOKUP:
                late = [taken for each in times.values() for taken in each if taken > 2 * TICK]
                result("lookup_tick_overrun_share", len(late) / sum(map(len, times.values())))
    result("leak_auc_worst", max(found, key=lambda one: abs(one - 0.5)))


def worst_of(surface: Surface, times: dict[str, list[float]]) -> float:
    """The value furthest from a half."""
    found = {pair: auc(times[pair[0]], times[pair[1]]) for pair in combinations(times, 2)}
    for (one, other), value in found.items():
        say(f"  {surface.name}: {one} against {other}: {value:.4f}")
    return max(found.values(), key=lambda one: abs(one - 0.5))


def prepared(deployed: Deployment, url: str) -> dict[str, list[str]]:
    """Cause -> bodies of lookups; what the trust's system sends so that each is so."""
    numbers = iter(list(nhs_numbers(PEOPLE * 10)))
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {deployed.token('trust-epr', 'n1', 'ward-nurse', ())}"}
    ) as trust:
        may = people.permit(VOLUNTARY, PURPOSE, "existence", "status", "contact")
        return {
            "not known": [lookup_body(number, PURPOSE) for number in nhs_numbers(PEOPLE, start=50_000_000)],
            "no wish on file": [lookup_body(next(numbers), PURPOSE) for _ in range(PEOPLE)],
            "refused": list(wishing(trust, numbers, [])),
            "condition not met": list(wishing(trust, numbers, [may], only_inpatient=True)),
            "shielded": list(restricted(trust, numbers, "protected")),
            "adopted": list(restricted(trust, numbers, "adopted")),
            "told": list(wishing(trust, numbers, [may])),
        }


def wishing(trust: httpx.Client, numbers: Iterator[str], rules: list[dict[str, Any]], **more: Any) -> Iterator[str]:
    """Lookups of people who said what they want."""
    for _ in range(PEOPLE):
        person = Person("", next(numbers), BORN, "", "")
        wish = people.consent(person, person, rules, agency=TRUST, when="2026-11-01", **more)
        trust.post("/fhir/Consent", json=wish, headers={"Content-Type": "application/fhir+json"}).raise_for_status()
        yield lookup_body(person.nhs, PURPOSE)


def restricted(trust: httpx.Client, numbers: Iterator[str], why: str) -> Iterator[str]:
    """Lookups of people whose record is opened to nobody by machine."""
    for _ in range(PEOPLE):
        number = next(numbers)
        patient = {
            "resourceType": "Patient", "birthDate": BORN, "identifier": [{"system": systems.NHS_NUMBER, "value": number}],
            "extension": [{"url": systems.extension("restriction"), "valueCode": why}],
        }  # fmt: skip
        trust.post("/records/fhir", json=patient, headers={"Content-Type": "application/fhir+json"}).raise_for_status()
        yield lookup_body(number, PURPOSE)


async def measured(url: str, surface: Surface, causes: dict[str, list[str]], token: str) -> dict[str, list[float]]:
    """Seconds of each request, by cause."""
    chance = random.Random(1)
    asked = {cause: [surface.body(body) for body in bodies] for cause, bodies in causes.items()}
    waiting = [(cause, chance.choice(bodies)) for cause, bodies in asked.items() for _ in range(EACH)]
    chance.shuffle(waiting)
    times: dict[str, list[float]] = {cause: [] for cause in causes}
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    head = (
        f"POST {surface.path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/fhir+json\r\n"
        f"Authorization: Bearer {token}\r\n"
    )

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        while waiting:
            cause, body = waiting.pop()
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            begun = time.perf_counter()
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
                raise RuntimeError(answer.decode())
            size = next(int(line[15:]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            content = await reader.readexactly(size)
            times[cause].append(time.perf_counter() - begun)
            if surface is LOOKUP and (b'"agency"' in content) != (cause == "told"):
                raise RuntimeError(f"{cause}: {json.loads(content)}")
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return times


def auc(one: list[float], other: list[float]) -> float:
    """How often a value of the one is above a value of the other: 0.5 where they cannot be told apart."""
    pooled = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks, place = {0: 0.0, 1: 0.0}, 0
    while place < len(pooled):
        end = place
        while end < len(pooled) and pooled[end][0] == pooled[place][0]:
            end += 1
        for _, group in pooled[place:end]:
            ranks[group] += (place + 1 + end) / 2
        place = end
    return (ranks[0] - len(one) * (len(one) + 1) / 2) / (len(one) * len(other))


if __name__ == "__main__":
    main()
