"""The saved questions of the access log on a year of entries, on SQLite and PostgreSQL: ENTRIES=1000000 sets how many.

The log is filled in bulk, spread over a year: records in, lookups both ways, refusals, notices, searches, administration,
of 50,000 people and 300 users; leaves and heads are left out (``audit`` measures them). Each question is asked three times
by the trust's auditor, on record each time; its seconds are the middle one. ``audit_question_worst_seconds`` is the slowest
of all on either database; ``audit_rare_search_seconds`` is the slowest of searches that find a handful in the whole year
(one person, one consent, one user, a rare kind), which should not grow with ENTRIES. ``console_page_ms`` is the middle page of a
person's time line, rendered, of the slower database.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import psycopg
from httpx import ASGITransport

from benchmarks.stand import Deployment, deployment, nhs_numbers, postgres, result, say
from gateway import app as wiring
from gateway.audit.entry import DONE, REFUSED, Entry, Kind
from gateway.audit.questions import QUESTIONS
from gateway.demo.people import COUNCIL, SCHOOL_NURSING, TRUST
from gateway.disclosure.requester import Requester
from gateway.exchanges.ask_question import Asked, ask_question
from gateway.exchanges.context import entry_id
from gateway.exchanges.keep_staff import StaffLine, StaffRegister, keep_staff
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import audit_log, clock
from gateway.store.ledger_sqlite import connect
from gateway.store.sql import Read
from tests.edge.issuer import Browser, Issuer
from tests.world import World

ENTRIES = int(os.environ.get("ENTRIES", "100000"))
HELD = 1000
PEOPLE, USERS, BATCH = 50_000, 300, 2000
YEAR = 365 * clock.DAY
CONSENT, RARE_USER = "Consent/rare", "seldom"
NUMBERS = list(nhs_numbers(PEOPLE))
RARE = {"person": {}, "consent": {"consent": CONSENT}, "user": {"user": RARE_USER}, "changes": {}}


def entry(place: int, at: int, dice: random.Random) -> Entry:
    """One entry of a busy year; every 50,000th of what is looked for."""
    person, user = f"{NHS_NUMBER}|{NUMBERS[dice.randrange(PEOPLE)]}", f"user{dice.randrange(USERS)}"
    base = Entry(entry_id(at), at, "receive_record", DONE, Kind.RECEIVED, TRUST, TRUST, "trust-epr", patient=person, asked=True)
    if place % 50_000 == 49_999:
        return base._replace(user=RARE_USER, kind=Kind.ADMINISTRATION, exchange="keep_staff", patient="")
    if place % 50_000 == 25_000:
        return lookup(base, user)._replace(consents=(f"{CONSENT}/_history/1",))
    kind = dice.random()
    if kind < 0.6:
        return base._replace(detail=(("format", "dfe-csc-api@1.0.1"), ("resources", "3")))
    if kind < 0.82:
        return lookup(base, user)
    if kind < 0.92:
        return base._replace(
            exchange="look_up_status", kind=Kind.NEGATIVE, custodian=COUNCIL, user=user, role="ward-nurse", purpose="amh-care-planning",
            outcome=REFUSED, refusal="not-known",
        )  # fmt: skip
    if kind < 0.97:
        return lookup(base, user)._replace(
            requester=SCHOOL_NURSING, outcome=REFUSED, refusal="no-agreement", kind=Kind.NEGATIVE, basis=()
        )
    if kind < 0.995:
        notice = f"{place:032x}"
        return lookup(base, user)._replace(exchange="lease_notice", kind=Kind.DELIVERY, asked=False, detail=(("notice", notice),))
    return base._replace(exchange="search_audit", kind=Kind.SEARCH, user="aud1", role="auditor", purpose="audit")


def lookup(base: Entry, user: str) -> Entry:
    """The council is told of one of the trust's people; one in ten on the person's own wish."""
    wish = hash(base.id) % 10 == 0
    return base._replace(
        exchange="look_up_status", kind=Kind.DISCLOSURE, requester=COUNCIL, client="council-system", user=user, role="social-worker",
        purpose="early-help" if wish else "safeguarding-s47", basis=("person-wish" if wish else "CA1989-s47",), tier=2,
        consents=(f"Consent/{base.id[-6:]}/_history/1",) if wish else (), case_reference="" if wish else "C|1", disclosure=base.id,
    )  # fmt: skip


def batches(deployed: Deployment) -> Iterator[audit_log.Sealed]:
    """The entries of a year up to now, oldest first, sealed."""
    dice, now = random.Random(1), clock.now() - clock.SECOND
    for first in range(0, ENTRIES, BATCH):
        places = range(first, min(first + BATCH, ENTRIES))
        yield audit_log.seal_entries(
            deployed.vault, [entry(place, now - YEAR + YEAR * place // ENTRIES, dice) for place in places]
        )


async def learn(deployed: Deployment) -> None:
    """The keys of both years that the entries fall in."""
    opened = await wiring.open_gateway(deployed.settings)
    for year in {audit_log.year_of(clock.now() - age) for age in (0, YEAR)}:
        if not opened.context.vault.knows_year(year):
            fresh = {"id": year, "wrapped": deployed.vault.new_year_key(year)}
            await opened.ledger.run_alone(_add_year, fresh)
    (rows,) = await opened.ledger.read([Read(audit_log.YEARS)])
    for year, wrapped in rows:
        deployed.vault.learn_year(year, wrapped)
    staff = tuple(StaffLine(f"user{number}", f"name{number % 90}", "", NUMBERS[number], "north") for number in range(USERS))
    await opened.ledger.run_alone(keep_staff, StaffRegister(TRUST, staff))
    await wiring.close_gateway(opened)


def _add_year(ctx: Any, fresh: dict[str, Any], moment: Any) -> Any:
    from gateway.exchanges.administer import OPERATOR
    from gateway.exchanges.lines import line
    from gateway.store.ledger import Outcome
    from gateway.store.sql import Write

    yield Write(audit_log.ADD_YEAR, fresh)
    return Outcome(None, (line("learn_year", OPERATOR, moment, Kind.ADMINISTRATION, DONE),))


def fill(deployed: Deployment) -> None:
    """The log, in bulk."""
    settings = deployed.settings
    if settings.on_postgres:
        with psycopg.connect(settings.database_url) as connection, connection.cursor() as cursor:
            for sealed in batches(deployed):
                columns = [list(column) for column in zip(*sealed.rows, strict=True)]
                cursor.execute(audit_log.ADD_ENTRY.many_for_postgres, columns)
                cursor.execute(audit_log.ADD_MARK.many_for_postgres, [list(column) for column in zip(*sealed.marks, strict=True)])
            connection.commit()
            connection.autocommit = True
            connection.execute("VACUUM ANALYZE")
        return
    db = connect(settings.database_file)
    db.execute("PRAGMA synchronous=OFF")
    for sealed in batches(deployed):
        db.execute("BEGIN")
        db.executemany(audit_log.ADD_ENTRY.many_for_sqlite, sealed.rows)
        db.executemany(audit_log.ADD_MARK.many_for_sqlite, sealed.marks)
        db.execute("COMMIT")
    db.close()


async def measure(deployed: Deployment) -> tuple[dict[str, float], float]:
    """Seconds of each question, and of a page in milliseconds."""
    app = wiring.make_app(deployed.settings)
    async with app.router.lifespan_context(app):
        opened = app.state.gateway
        auditor = Requester(f"pages-{TRUST}", TRUST, frozenset(), "aud1", "auditor", frozenset({"audit"}))
        taken = {}
        for question in QUESTIONS:
            given = {"person": f"{NHS_NUMBER}|{NUMBERS[7]}"} if question.name == "person" else RARE.get(question.name, {})
            seconds = []
            for _ in range(3):
                begun = time.perf_counter()
                found = await ask_question(opened.context, opened.ledger, Asked(auditor, question.name, given))
                seconds.append(time.perf_counter() - begun)
            taken[question.name] = statistics.median(seconds)
            say(f"{question.name} {taken[question.name]:.3f} s, {len(found.lines)} lines")
        async with httpx.AsyncClient(transport=ASGITransport(app), base_url=deployed.settings.url) as client:
            return taken, await pages(World(deployed.settings, opened, client, deployed.folder))


async def pages(world: World) -> float:
    """The middle of the time lines of twenty people, as pages."""
    issuer = Issuer(groups=("G-AUDIT",))
    try:
        await issuer.register(world, TRUST)
        browser = Browser(world, world.client)
        await browser.sign_in(issuer, TRUST)
        taken = []
        for number in NUMBERS[:20]:
            begun = time.perf_counter()
            page = await browser.send("/console", number=number)
            taken.append(time.perf_counter() - begun)
            if page.status_code != 200:
                raise RuntimeError(page.text)
        return statistics.median(taken) * 1000
    finally:
        issuer.close()


def main() -> None:
    worst, rare, page = 0.0, 0.0, 0.0
    for kind in ("sqlite", "postgres"):
        with ExitStack() as stack:
            url = stack.enter_context(postgres()) if kind == "postgres" else ""
            deployed = stack.enter_context(deployment(HELD, url))
            asyncio.run(learn(deployed))
            begun = time.perf_counter()
            fill(deployed)
            say(f"{kind}: {ENTRIES} entries in {time.perf_counter() - begun:.0f} s")
            taken, milliseconds = asyncio.run(measure(deployed))
        result(f"audit_question_worst_seconds_{kind}", max(taken.values()))
        worst, page = max(worst, *taken.values()), max(page, milliseconds)
        rare = max(rare, *(taken[name] for name in RARE))
    result("audit_question_worst_seconds", worst)
    result("audit_rare_search_seconds", rare)
    result("console_page_ms", page)


if __name__ == "__main__":
    main()
