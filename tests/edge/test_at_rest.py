"""What a thief of the database, a backup or the logs can read: nothing about anybody."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, HEALTH_VISITING, LEO, RUBY, STRANGER, TRUST, VOLUNTARY
from gateway.demo.receiver import Receiver
from gateway.logs import JsonLines
from gateway.store.upkeep import keep_up
from gateway.store.vault import Broken, open_sealed, seal
from tests.edge.durable import all_sealed, change
from tests.world import At, World

CASES = ("C-MARK-1001", "RIO-MARK-77")
USERS = ("worker-mark-22", "nurse7", "coordinator-mark-4", "family-mark-9")
FAMILY, GIVEN = "QUILLFEATHER", "ZEBEDIAH"  # how the council writes Leo's name
REASON = "Marked reason of a subscription"
PEOPLE = (AMINA, BETH, LEO, RUBY, STRANGER)
STATUSES = (
    "cp-plan",
    "inpatient",
    "looked-after",
    "section-47",
    "cin-plan",
    "high-intensity",
    "child-protection",
    "discharged",
    "admitted",
)
# Marks of fewer than five signs could stand in random bytes by chance.
LOCAL_IDS = ("RUBY1", "RUBY1CPP", "LEO1CPP", "LEO1E1", "LEO1CIN", "la-child-id|LEO1")


def marks() -> dict[str, list[bytes]]:
    """What must not be found, by what it is; every form in which a database or a log would hold it."""
    born = [person.born for person in PEOPLE]
    found = {
        "name": [
            "AMINA",
            "Amina",
            FAMILY,
            FAMILY.title(),
            FAMILY.lower(),
            GIVEN,
            GIVEN.title(),
            GIVEN.lower(),
            "NOBODY",
            "SAMPLE",
        ],
        "birth date": [*born, *(date.replace("-", "") for date in born)],
        "number": [form for person in PEOPLE for form in (person.nhs, f"{person.nhs[:3]} {person.nhs[3:6]} {person.nhs[6:]}")],
        "local id": list(LOCAL_IDS),
        "case": list(CASES),
        "user": list(USERS),
        "reason": [REASON, "Care plan of"],
        "status": list(STATUSES),
        "phone or ward": ["ROSE WARD", "CLINICIAN"],
    }
    return {kind: [form for text in texts for form in (text.encode(), text.encode("utf-16-le"))] for kind, texts in found.items()}


# What the tables may say by design: an agency's kind and purposes, and topics of the outbox are of no person by themselves.
PLAIN_TABLES = {"agency", "client", "standing", "alembic_version", "unmatched_code"}


def leaks(content: bytes, *, apart_from: tuple[str, ...] = ()) -> list[str]:
    """Which marks stand in these bytes."""
    return [f"{kind}: {form!r}" for kind, forms in marks().items() if kind not in apart_from for form in forms if form in content]


@pytest.fixture
def captured() -> Iterator[io.StringIO]:
    """Everything that is logged while the test runs, as the gateway writes it."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


def marked_worker(world: World) -> At:
    """The council's social worker, by a name that is not found anywhere by chance."""
    return world.as_("council-system", USERS[0], "social-worker", "safeguarding-s47", "duty-to-share-16la")


def children(**what: bool) -> list[dict[str, Any]]:
    """The council's daily JSON, Leo by a name that is not found anywhere by chance."""
    leo, *others = people.children(**what)
    return [{**leo, "child_details": {**leo["child_details"], "surname": FAMILY, "first_name": GIVEN}}, *others]


async def live_through_a_day(world: World, desk: Receiver) -> None:
    """Records in, wishes, lookups of every outcome, subscriptions, notices delivered and not, faults, the auditor."""
    await world.feed()
    worker, council, trust = marked_worker(world), world.as_("council-system"), world.as_("trust-epr")
    await council.sends("dfe-csc-api", children())
    wishes = [people.permit(VOLUNTARY, "early-help", "existence", "status", "contact", "detail")]
    assert (
        await trust.post("/fhir/Consent", people.consent(AMINA, AMINA, wishes, agency=TRUST, when=people.day(2)))
    ).status_code == 201
    rules = [people.permit(HEALTH_VISITING, "early-help", "existence", "contact")]
    assert (
        await council.post("/fhir/Consent", people.consent(LEO, AMINA, rules, agency=COUNCIL, when=people.day(2)))
    ).status_code == 201
    for person in PEOPLE:
        await worker.hears(person, "safeguarding-s47", "self", "children", case=CASES[0], reason=REASON)
        await world.ward().hears(person, "amh-care-planning", "children")
    desk.key = world.gateway.context.vault.signing.public_key()
    family = world.as_("voluntary-system", USERS[3], "family-worker", "early-help")
    for asker, body in (
        (worker, people.subscription(AMINA, "discharged", desk.url, "duty-to-share-16la", case=CASES[0], reason=REASON)),
        (family, people.subscription(AMINA, "known-status-changed", desk.url, "early-help")),
        (
            world.as_("trust-epr", USERS[2], "care-coordinator", "duty-to-share-16la"),
            people.subscription(
                LEO, "known-status-changed", "http://127.0.0.1:1025/gone", "duty-to-share-16la", case=CASES[1], reason=REASON
            ),
        ),
    ):
        made = await asker.post("/fhir/Subscription", body)
        assert made.status_code == 201, made.text
    await council.sends("dfe-csc-api", children(plan=True, enquiry=True, placed=True))
    await trust.sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
    await world.settle()
    await _go_wrong(world)
    await world.auditor().searches_for("AuditEvent", AMINA)
    await all_sealed(world.settings, world.gateway.ledger)
    await keep_up(world.gateway.ledger, world.gateway.context.vault)


async def _go_wrong(world: World) -> None:
    """Requests that fail in every way, each naming a person."""
    worker, council = marked_worker(world), world.as_("council-system")
    await council.post("/records/crosswalk", f"local_system,local_id,nhs_number\nla-child-id,LEO1,{LEO.nhs[:-1]}0\n", "text/csv")
    await council.post(
        "/records/dfe-csc-api",
        json.dumps([{"la_child_id": "LEO1", "child_details": {"surname": FAMILY, "date_of_birth": "never"}}]),
        "application/json",
    )
    await council.post("/fhir/Consent", {"resourceType": "Consent", "patient": people.reference(LEO), "id": AMINA.given})
    await worker.post("/fhir/Patient/$known-to-services", {"resourceType": "Parameters", "parameter": [{"name": AMINA.family}]})
    await worker.get(f"/fhir/Patient/{AMINA.nhs}")
    await worker.get(f"/fhir/Patient?identifier={AMINA.nhs}")
    await worker.asks(replace(AMINA, nhs=AMINA.nhs[:-1] + "9"), "safeguarding-s47", case=CASES[0])
    await world.ward().asks(AMINA, "safeguarding-s47", case=CASES[1])
    await world.client.post(
        "/fhir/Patient/$known-to-services", headers={"Authorization": f"Bearer {AMINA.nhs}"}, content=AMINA.family
    )


def stored_bytes(world: World) -> dict[str, bytes]:
    """Everything that the database holds, by where it stands."""
    if not world.settings.on_postgres:
        return {path.name: path.read_bytes() for path in Path(world.settings.data).glob("gateway.sqlite*")}
    found: dict[str, bytes] = {}
    with psycopg.connect(world.settings.database_url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in names:
            rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
            found[name] = b"\n".join(b"|".join(_plain(value) for value in row) for row in rows)
    return found


def _plain(value: Any) -> bytes:
    return bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()


async def test_the_database_says_nothing_of_anybody(world: World, captured: io.StringIO) -> None:
    """After a day of records, lookups, notices and faults: no name, birth date, number, local id, status, case or user in
    the bytes of the database and its log, nor in what was logged."""
    desk = Receiver("desk").up()
    try:
        await live_through_a_day(world, desk)
    finally:
        desk.down()
    assert desk.notices, "notices went out"
    held = stored_bytes(world)
    assert sum(map(len, held.values())) > 50_000
    # The topic of a notice stands beside a keyed lane: see test_the_topic_of_a_notice_is_not_in_plain_text.
    found = {where: leaks(content, apart_from=("status",)) for where, content in held.items()}
    assert not {where: what for where, what in found.items() if what}
    logged = captured.getvalue()
    assert "notice settled" in logged
    assert leaks(logged.encode()) == []


async def test_the_topic_of_a_notice_is_not_in_plain_text(world: World) -> None:
    """'child-protection-plan-started' beside a subscription tells a thief what befell somebody, if not whom."""
    desk = Receiver("desk").up()
    try:
        await live_through_a_day(world, desk)
    finally:
        desk.down()
    held = stored_bytes(world)
    assert not {where: what for where, content in held.items() if (what := leaks(content)) and where not in PLAIN_TABLES}


async def test_the_marks_would_be_found(world: World) -> None:
    """The search itself works: what is stored in plain text is found in the bytes of the database."""
    change(world.settings, "UPDATE standing SET stamp = ?", f"{FAMILY} {CASES[0]} inpatient {LEO.nhs}")
    found = [line for content in stored_bytes(world).values() for line in leaks(content)]
    assert {line.partition(":")[0] for line in found} == {"name", "case", "status", "number"}


async def test_a_stolen_row_opens_in_no_other_place(fed: World) -> None:
    """Sealed content is bound to its row: moved to another row it does not open, whoever holds the database."""
    vault = fed.gateway.context.vault
    key = vault.new_person_key("p1")
    cipher = vault.person_key("p1", key.wrapped)
    sealed = seal(cipher, b"content", "row1")
    assert open_sealed(cipher, sealed, "row1") == b"content"
    for attempt in (lambda: open_sealed(cipher, sealed, "row2"), lambda: vault.person_key("p2", key.wrapped)):
        with pytest.raises(Broken):
            attempt()
    for place in range(len(sealed)):
        altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(Broken):
            open_sealed(cipher, altered, "row1")
