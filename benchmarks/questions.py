"""The saved questions of the access log on a year of entries, on SQLite and PostgreSQL: ENTRIES=10000000 sets how many.

The log is that of a busy county (``busy_year``), sealed once on SQLite and copied to PostgreSQL; leaves and heads are left out
(``audit`` measures them). AUDIT_LOG=FOLDER keeps it there for the next run; else it goes with the run. Each question is
asked three times by the trust's auditor, on record each time; its seconds are the middle one, and the processor time beside
them is this process's alone. ``audit_question_worst_seconds`` is the slowest of all on either database;
``audit_rare_search_seconds`` is the slowest of searches that find a handful in the whole year (one person, one consent, one
user, a rare kind), which should not grow with ENTRIES. ``console_page_ms`` is the slowest kind of page (time lines, users,
forms), the middle of twenty, rendered, of the slower database. ``audit_log_bytes`` is what an entry takes on disk with marks
and indexes.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
from httpx import ASGITransport

from benchmarks.busy_year import NUMBERS, RARE_CONSENT, RARE_USER, USERS, YEAR, copy_to_postgres, fill_sqlite
from benchmarks.stand import Deployment, deployment, postgres, result, say
from gateway import app as wiring
from gateway.audit.entry import DONE, Kind
from gateway.audit.questions import BY_NAME, QUESTIONS
from gateway.demo.people import TRUST
from gateway.disclosure.requester import Requester
from gateway.exchanges.access.administer_sign_in import remove_provider
from gateway.exchanges.access.keep_staff import StaffLine, StaffRegister, keep_staff
from gateway.exchanges.log.ask_question import Asked, ask_question
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import audit_log, clock
from gateway.store.sql import Read
from tests.edge.issuer import Browser, Issuer
from tests.world import World

ENTRIES = int(os.environ.get("ENTRIES", "100000"))
KEPT = os.environ.get("AUDIT_LOG", "")  # a folder that the log is kept in for the next run
HELD = 1000
RARE = {"person": {}, "consent": {"consent": RARE_CONSENT}, "user": {"user": RARE_USER}, "changes": {}}


DATABASES = ("sqlite", "postgres")


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


def asked_of() -> list[tuple[str, str, dict[str, str]]]:
    """What is asked: a name for the figure, the question, what is filled in. The busiest person and user beside the rare."""
    person, busiest = f"{NHS_NUMBER}|{NUMBERS[-1]}", f"{NHS_NUMBER}|{NUMBERS[0]}"
    more = [("person, busiest", "person", {"person": busiest}), ("user, busiest", "user", {"user": "user0"})]
    return [
        (one.name, one.name, {"person": person} if one.name == "person" else RARE.get(one.name, {})) for one in QUESTIONS
    ] + more


async def measure(deployed: Deployment) -> tuple[dict[str, float], float]:
    """Seconds of each question, and of a page in milliseconds."""
    app = wiring.make_app(deployed.settings)
    async with app.router.lifespan_context(app):
        opened = app.state.gateway
        auditor = Requester(f"pages-{TRUST}", TRUST, frozenset(), "aud1", "auditor", frozenset({"audit"}))
        taken = {}
        for figure, name, given in asked_of():
            seconds = []
            for _ in range(3):
                begun, used = time.perf_counter(), time.process_time()
                found = await ask_question(opened.context, opened.ledger, Asked(auditor, name, given))
                seconds.append(time.perf_counter() - begun)
                used = time.process_time() - used
            taken[figure] = statistics.median(seconds)
            say(f"{figure} {taken[figure]:.3f} s, {used:.3f} of processor time, {len(found.lines)} lines")
        async with httpx.AsyncClient(transport=ASGITransport(app), base_url=deployed.settings.url) as client:
            return taken, await pages(World(deployed.settings, opened, client, deployed.settings.keys, app))


async def pages(world: World) -> float:
    """The slowest kind of page in milliseconds, of each kind the middle of twenty: time lines, users, forms."""
    issuer = Issuer(groups=("G-AUDIT",))
    try:
        await issuer.register(world, TRUST)
        browser = Browser(world, world.client)
        await browser.sign_in(issuer, TRUST)
        time_lines = [await page(browser, "/console", number=number) for number in NUMBERS[:20]]
        users = [await page(browser, BY_NAME["user"].path, user=f"user{number}") for number in range(20)]
        forms = [await page(browser, BY_NAME["refusals"].path) for _ in range(20)]
        return max(statistics.median(one) for one in (time_lines, users, forms)) * 1000
    finally:
        await world.gateway.ledger.run_alone(remove_provider, TRUST)  # a log that is kept is measured again
        issuer.close()


async def page(browser: Browser, path: str, **form: str) -> float:
    """Seconds of one page; a form where there is nothing to send."""
    begun = time.perf_counter()
    answer = await (browser.send(path, **form) if form else browser.get(path))
    if answer.status_code != 200:
        raise RuntimeError(answer.text)
    return time.perf_counter() - begun


def on_disk(deployed: Deployment) -> float:
    """Bytes that an entry takes with its marks and all its indexes; without a leaf, which takes some 100 more."""
    settings = deployed.settings
    if settings.on_postgres:
        with psycopg.connect(settings.database_url) as connection:
            row = connection.execute(
                "SELECT pg_total_relation_size('audit_entry') + pg_total_relation_size('audit_mark')"
            ).fetchone()
            return float(row[0]) / ENTRIES if row else 0.0
    return settings.database_file.stat().st_size / ENTRIES


def filled(kind: str, url: str, like: Deployment | None, stack: ExitStack) -> Deployment:
    """A deployment with its log; as it was kept, where there is one."""
    kept = Path(KEPT) / kind if KEPT else None
    deployed = stack.enter_context(deployment(HELD, url, kept, like))
    mark = deployed.folder / "entries"
    if not mark.exists():
        asyncio.run(learn(deployed))
        begun = time.perf_counter()
        if like is None:
            fill_sqlite(deployed, ENTRIES)
        else:
            copy_to_postgres(like, deployed)
        mark.write_text(str(ENTRIES))
        say(f"{kind}: {ENTRIES} entries in {time.perf_counter() - begun:.0f} s")
    if mark.read_text() != str(ENTRIES):
        raise RuntimeError(f"{deployed.folder} has a log of {mark.read_text()} entries: set ENTRIES, or remove it")
    return deployed


def main() -> None:
    worst, rare, page = 0.0, 0.0, 0.0
    with ExitStack() as stack:
        like = None
        for kind in DATABASES:
            url = stack.enter_context(postgres(Path(KEPT) / "server" if KEPT else None)) if kind == "postgres" else ""
            deployed = filled(kind, url, like, stack)
            like = like or deployed
            taken, milliseconds = asyncio.run(measure(deployed))
            result(f"audit_question_worst_seconds_{kind}", max(taken.values()))
            result(f"audit_log_bytes_{kind}", on_disk(deployed))
            worst, page = max(worst, *taken.values()), max(page, milliseconds)
            rare = max(rare, *(taken[name] for name in RARE))
    result("audit_question_worst_seconds", worst)
    result("audit_rare_search_seconds", rare)
    result("console_page_ms", page)


if __name__ == "__main__":
    main()
