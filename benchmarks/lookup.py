"""Audited section 47 lookups against a FastAPI hello on the same core, in interleaved rounds of one run.

80 of 100 people asked about are known to the trust; every lookup is decided, released and on record durably before its
answer leaves. Servers are pinned to one core, the load to the other (64 connections). Rounds are short and take turns, and
a ratio is the median of the ratios of neighbouring rounds, so that a machine that slows down slows both sides of it. CPU
is user and system time of the server process; the floor is that of a lookup in wish mode, whose answer waits for the beat. The yardstick returns a dict and has the same collector settings.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks import load
from benchmarks.stand import Deployment, Server, deployment, gateway, hello, lookup_body, nhs_numbers, postgres, result, say

PEOPLE = 100_000
SMALL, LARGE = 10_000, 1_000_000
ROUNDS, SECONDS = 20, 1.0
PATH = "/fhir/Patient/$known-to-services"
WISH = "early-help"
ASKING_BY_WISH = ("voluntary-system", "fw1", "family-worker", (WISH,))


@dataclass(slots=True)
class Case:
    """One server under load, round by round."""

    name: str
    server: Server
    path: str
    bodies: list[str]
    token: Callable[[], str]
    rates: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)  # microseconds a request
    tails: list[float] = field(default_factory=list)
    p50s: list[float] = field(default_factory=list)

    def round(self, seed: int, seconds: float = SECONDS, connections: int = 64) -> None:
        before = self.server.cpu()
        got = load.run(
            self.server.url, self.path, self.bodies, token=self.token(), seconds=seconds, seed=seed, connections=connections
        )
        if got.errors:
            raise RuntimeError(f"{self.name}: {got.errors} of {got.requests} answers were errors")
        self.rates.append(got.rate)
        self.cpus.append((self.server.cpu() - before) / got.requests * 1e6)
        self.tails.append(got.p99 / got.p50)
        self.p50s.append(got.p50)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def cpu(self) -> float:
        return statistics.median(self.cpus)

    def rate_over(self, other: Case) -> float:
        """The median of this server's rate over the other's, round by round."""
        return statistics.median(mine / its for mine, its in zip(self.rates, other.rates, strict=True))

    def cpu_over(self, other: Case) -> float:
        """The same of processor time a request."""
        return statistics.median(mine / its for mine, its in zip(self.cpus, other.cpus, strict=True))


def bodies(people: int, purpose: str = "safeguarding-s47") -> list[str]:
    """Lookups: 80 % about people who are known, 20 % about strangers."""
    known = random.Random(1).sample(list(nhs_numbers(people)), 4000)
    strangers = list(nhs_numbers(1000, start=50_000_000))
    return [lookup_body(number, purpose) for number in known + strangers]


def lookup_case(name: str, deployed: Deployment, server: Server, people: int) -> Case:
    return Case(name, server, PATH, bodies(people), lambda: deployed.token("council-system"))


def hello_case(server: Server) -> Case:
    return Case("hello", server, "/hello", ["{}"], lambda: "none")


def compare(cases: list[Case], rounds: int = ROUNDS) -> None:
    """Interleaved rounds, the first of each thrown away."""
    for place in range(rounds + 1):
        for case in cases:
            case.round(place)
    for case in cases:
        for figures in (case.rates, case.cpus, case.tails, case.p50s):
            del figures[0]
        say(
            f"  {case.name}: {case.rate:,.0f}/s, {case.cpu:.0f} us CPU, p50 {statistics.median(case.p50s):.1f} ms, p99/p50 {statistics.median(case.tails):.2f}"
        )


def main() -> None:
    with ExitStack() as stack:
        sqlite = stack.enter_context(deployment(PEOPLE))
        url = stack.enter_context(postgres())
        on_postgres = stack.enter_context(deployment(PEOPLE, url))
        yardstick = hello_case(stack.enter_context(hello()))
        server = stack.enter_context(gateway(sqlite))
        first = lookup_case("lookup on SQLite", sqlite, server, PEOPLE)
        second = lookup_case("lookup on PostgreSQL", on_postgres, stack.enter_context(gateway(on_postgres)), PEOPLE)
        floor = Case("lookup in wish mode", server, PATH, bodies(PEOPLE, WISH), lambda: sqlite.token(*ASKING_BY_WISH))
        compare([yardstick, first, second, floor])
        result("lookup_sqlite_ratio", first.rate_over(yardstick))
        result("lookup_postgres_ratio", second.rate_over(yardstick))
        result("lookup_cpu_ratio", first.cpu_over(yardstick))
        result("lookup_postgres_cpu_ratio", second.cpu_over(yardstick))
        result("lookup_floor_cpu_ratio", floor.cpu_over(yardstick))
        result("lookup_tail_ratio", max(statistics.median(case.tails) for case in (first, second)))
        alone(first, second)
        result("serve_rss_mb", server.rss())
        result("start_seconds", server.started)
    scale()


def alone(first: Case, second: Case) -> None:
    """One request at a time."""
    for case in (first, second):
        case.p50s.clear()
        for place in range(3):
            case.round(place, 2.0, connections=1)
    result("lookup_alone_ms", max(statistics.median(case.p50s) for case in (first, second)))


def scale() -> None:
    """CPU of a lookup among a million people over that among ten thousand."""
    with ExitStack() as stack:
        cases = []
        for people in (SMALL, LARGE):
            say(f"  filling {people:,} people")
            deployed = stack.enter_context(deployment(people))
            cases.append(lookup_case(f"lookup among {people:,}", deployed, stack.enter_context(gateway(deployed)), people))
        compare(cases)
        result("lookup_scale_ratio", cases[1].cpu_over(cases[0]))


if __name__ == "__main__":
    main()
