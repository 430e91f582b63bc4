"""Files handed in to be loaded later: taken in whole and sealed, loaded once by one worker, reported to their sender alone."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway import app as wiring
from gateway import background, handed_in
from gateway.disclosure.requester import Requester
from gateway.exchanges.records.hand_in import MOST_WAITING, PART_BYTES, Handed, handed_by_id, take_in
from gateway.fhir.outcomes import BadRequest, TooLarge
from gateway.handed_in import Parts, load_handed_in
from gateway.identity import nhs_number
from gateway.settings import Settings
from tests.edge.desks import until
from tests.edge.durable import ask, change
from tests.edge.served import Served, headers
from tests.world import At, World

COUNCIL = "TLA01"
ASYNC = {"Prefer": "respond-async"}
HEAD = "local_system,local_id,nhs_number,verification_status,birth_date,valid_from,valid_to\n"


def crosswalk(start: int, count: int) -> str:
    """A crosswalk of so many children."""
    numbers: list[str] = []
    body = 999_000_000 + start * 2
    while len(numbers) < count:
        body += 1
        digit = nhs_number.check_digit(f"{body}")
        if digit is not None:
            numbers.append(f"{body}{digit}")
    return HEAD + "".join(
        f"la-child-id,H{start}X{place},{number},01,2019-01-01,2020-01-01,\n" for place, number in enumerate(numbers)
    )


@pytest.fixture
def unattended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is loaded but by the test: the gateway's own first look may come after the test has begun."""

    async def nothing(*_: Any) -> bool:
        return False

    monkeypatch.setattr(background, "load_handed_in", nothing)


async def handed(who: At, body: str | bytes, fmt: str = "crosswalk") -> str:
    """Hand a file in; the address to ask after it."""
    answer = await who.post(f"/records/{fmt}", body, "application/octet-stream", **ASYNC)
    assert (answer.status_code, answer.content) == (202, b"")
    return urlsplit(answer.headers["content-location"]).path


async def load_all(world: World) -> int:
    """Load what waits, and delete what is left over; gives how many turns that took."""
    turns = 0
    while await load_handed_in(world.gateway.ledger, world.gateway.context, world.gateway.deliverer.wake):
        turns += 1
    return turns


async def begun(world: World, running: asyncio.Future[bool]) -> None:
    """Until some of a file is in, and not all of it."""
    while not ask(world.settings, "SELECT count(*) FROM person")[0][0]:
        assert not running.done()
        await asyncio.sleep(0.01)


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {one["name"]: one["valueUnsignedInt"] for one in report["parameter"] if "valueUnsignedInt" in one}


def parts(world: World) -> int:
    return int(ask(world.settings, "SELECT count(*) FROM handed_in_part")[0][0])


async def test_a_file_is_taken_in_and_reported_when_it_is_loaded(world: World) -> None:
    """202 with an address at once; how far it is; then the very report that a sender who waits gets, and a page of it."""
    council = world.as_("council-system")
    bad = crosswalk(0, 40) + "la-child-id,H9,1234567890,01,2019-01-01,2020-01-01,\n"
    path = await handed(council, bad)
    answer = await council.get(path)
    for _ in range(600):
        if answer.status_code != 202:
            break
        assert answer.headers["x-progress"].endswith("records so far") and answer.headers["retry-after"]
        await asyncio.sleep(0.05)
        answer = await council.get(path)
    assert answer.status_code == 200
    report = answer.json()
    assert counts(report) == {"received": 41, "accepted": 40, "refused": 1, "written": 0}
    at_once = (await council.post("/records/crosswalk", bad, "application/octet-stream")).json()
    assert [one for one in report["parameter"] if one["name"] == "outcome"] == [
        one for one in at_once["parameter"] if one["name"] == "outcome"
    ]
    page = await council.get(f"{path}/page")
    assert page.headers["content-type"].startswith("text/html")
    assert "Records taken" in page.text and "line 42" in page.text
    assert "1234567890" not in page.text
    assert answer.headers["expires"]


@pytest.mark.usefixtures("unattended")
async def test_a_load_belongs_to_who_handed_it_in(world: World) -> None:
    """Another agency, another user, nobody's id, after its end or its time: the same 404, byte for byte."""
    council = world.as_("council-system")
    path = await handed(council, crosswalk(1, 2))
    for who in (world.as_("trust-epr"), world.social_worker()):
        told = [await who.get(path), await who.get(f"{path}/page"), await who.delete(path), await who.get("/loads/" + "0" * 32)]
        assert [one.status_code for one in told] == [404] * 4
        assert len({one.content for one in told}) == 1
    assert (await council.get(f"{path}/page")).status_code == 409
    await load_all(world)
    assert (await council.get(path)).status_code == 200
    change(world.settings, "UPDATE handed_in SET expires = 1")
    assert (await council.get(path)).status_code == 404


@pytest.mark.usefixtures("unattended")
async def test_a_load_can_be_ended(world: World) -> None:
    """Nothing more of it is loaded, nothing of the file is kept, and it is not there any more."""
    council = world.as_("council-system")
    path = await handed(council, crosswalk(2, 5))
    assert parts(world) == 1
    assert (await council.delete(path)).status_code == 202
    assert [(await council.get(path)).status_code, (await council.delete(path)).status_code] == [404, 404]
    await load_all(world)
    assert parts(world) == 0
    assert ask(world.settings, "SELECT count(*) FROM person") == [(0,)]


@pytest.mark.usefixtures("unattended")
async def test_a_load_that_is_ended_while_it_runs_stops(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in stays; no report comes of it."""
    monkeypatch.setattr(handed_in, "RENEWED", 0.01)
    council = world.as_("council-system")
    path = await handed(council, crosswalk(3, 4000))
    running = asyncio.ensure_future(load_handed_in(world.gateway.ledger, world.gateway.context, world.gateway.deliverer.wake))
    await begun(world, running)
    assert (await council.delete(path)).status_code == 202
    await asyncio.wait_for(running, 20)
    assert 0 < ask(world.settings, "SELECT count(*) FROM person")[0][0] < 4000
    assert ask(world.settings, "SELECT count(*) FROM handed_in") == [(0,)]


@pytest.mark.usefixtures("unattended")
async def test_taking_in_reporting_and_ending_are_on_record(world: World) -> None:
    """With the request's id, beside an entry for each record as ever."""
    council = world.as_("council-system")
    await handed(council, crosswalk(4, 3))
    await load_all(world)
    await council.delete(await handed(council, crosswalk(5, 1)))
    kinds = dict(ask(world.settings, "SELECT exchange, count(*) FROM audit_entry GROUP BY exchange"))
    assert kinds["hand_in"] == 4  # taken in, reported; taken in, ended
    assert kinds["receive_record"] == 3


@pytest.mark.usefixtures("unattended")
async def test_a_file_that_waits_says_nothing_of_anybody(world: World) -> None:
    """Neither its content nor who sent it or what it is stands in the database in plain text."""
    marked = HEAD + "la-child-id,ZEBRAFINCH,9990000018,01,2019-01-01,2020-01-01,\n" * 20_000
    await handed(world.as_("council-system"), marked)
    assert parts(world) == len(marked) // PART_BYTES + 1 > 1
    stored = b"".join(bytes(body) for (body,) in ask(world.settings, "SELECT body FROM handed_in_part"))
    stored += b"".join(bytes(body) for (body,) in ask(world.settings, "SELECT body FROM handed_in"))
    for path in world.settings.data.rglob("*"):
        stored += path.read_bytes() if path.is_file() and path.name != "agreements" else b""
    for mark in (b"ZEBRAFINCH", b"9990000018", b"crosswalk"):
        assert mark not in stored


@pytest.mark.usefixtures("unattended")
async def test_files_of_an_agency_are_loaded_in_their_order(world: World) -> None:
    """A second file waits until the first is in, whoever has it; another agency's does not."""
    council, trust = world.as_("council-system"), world.as_("trust-epr")
    first, second = await handed(council, crosswalk(6, 2)), await handed(council, crosswalk(7, 2))
    other = await handed(trust, crosswalk(8, 2))
    change(world.settings, "UPDATE handed_in SET leased_until = ? WHERE id = ?", 2**60, first.split("/")[-1])
    await load_all(world)
    assert [(await council.get(first)).status_code, (await council.get(second)).status_code] == [202, 202]
    assert (await trust.get(other)).status_code == 200
    change(world.settings, "UPDATE handed_in SET leased_until = 0 WHERE id = ?", first.split("/")[-1])
    await load_all(world)
    assert [(await council.get(first)).status_code, (await council.get(second)).status_code] == [200, 200]


@pytest.mark.usefixtures("unattended")
async def test_a_worker_that_lost_a_file_leaves_it_to_the_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It settles nothing; who has the file now reports it, whole."""
    monkeypatch.setattr(handed_in, "RENEWED", 0.01)
    council = world.as_("council-system")
    path = await handed(council, crosswalk(9, 2000))
    running = asyncio.ensure_future(load_handed_in(world.gateway.ledger, world.gateway.context, world.gateway.deliverer.wake))
    await begun(world, running)
    await asyncio.to_thread(change, world.settings, "UPDATE handed_in SET leased_until = 7")  # the file is renewed meanwhile
    await asyncio.wait_for(running, 20)
    assert (await council.get(path)).status_code == 202
    await load_all(world)
    report = (await council.get(path)).json()
    assert counts(report) == {"received": 2000, "accepted": 2000, "refused": 0, "written": 0}
    assert ask(world.settings, "SELECT count(*) FROM person") == [(2000,)]


@pytest.mark.usefixtures("unattended")
async def test_one_of_several_workers_has_a_file(world: World) -> None:
    """Two look at once, in processes of their own on PostgreSQL: one loads it, and each record is received once."""
    council = world.as_("council-system")
    path = await handed(council, crosswalk(10, 50))
    other = await wiring.open_gateway(world.settings) if world.settings.on_postgres else world.gateway
    try:
        await asyncio.gather(
            *(load_handed_in(one.ledger, one.context, one.deliverer.wake) for one in (world.gateway, other, world.gateway))
        )
    finally:
        if other is not world.gateway:
            await wiring.close_gateway(other)
    assert counts((await council.get(path)).json())["accepted"] == 50
    assert ask(world.settings, "SELECT count(*) FROM audit_entry WHERE exchange = 'receive_record'") == [(50,)]


@pytest.mark.usefixtures("unattended")
async def test_the_same_file_again_is_told_and_not_loaded(world: World) -> None:
    """As with every load of a known file: its report says what came of it the first time."""
    council = world.as_("council-system")
    for turn in range(2):
        path = await handed(council, crosswalk(11, 3))
        await load_all(world)
        report = (await council.get(path)).json()
        assert (report.get("id"), counts(report)["accepted"]) == (("loaded-before" if turn else None), 3)
    assert "loaded before" in (await council.get(f"{path}/page")).text


@pytest.mark.usefixtures("unattended")
async def test_a_file_that_cannot_be_read_is_reported_so(world: World) -> None:
    """With the words that a sender who waits is told, and nothing of it kept."""
    council = world.as_("council-system")
    path = await handed(council, "no,such,columns\n1,2,3\n")
    await load_all(world)
    report = (await council.get(path)).json()
    assert counts(report) == {"accepted": 0}
    told = (await council.post("/records/crosswalk", "no,such,columns\n1,2,3\n", "application/octet-stream")).json()
    assert report["parameter"][1]["resource"]["issue"] == told["issue"]
    assert "What cannot be read" in (await council.get(f"{path}/page")).text
    assert parts(world) == 0


@pytest.mark.usefixtures("unattended")
async def test_what_fails_again_and_again_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose parts do not open is tried a few times, reported, and holds up no other for ever."""
    monkeypatch.setattr(handed_in, "AGAIN", -1)
    council = world.as_("council-system")
    broken, good = await handed(council, crosswalk(12, 3)), await handed(council, crosswalk(13, 3))
    change(world.settings, "UPDATE handed_in_part SET body = ? WHERE file = ?", b"x" * 64, broken.split("/")[-1])
    assert await load_all(world) >= handed_in.MOST_TRIES
    assert "tried several times" in (await council.get(broken)).text
    assert counts((await council.get(good)).json())["accepted"] == 3


@pytest.mark.usefixtures("unattended")
async def test_what_is_refused_before_anything_is_kept(world: World) -> None:
    """An unknown format, no right to send records, more than a sender may leave waiting, more bytes than are taken."""
    council = world.as_("council-system")
    assert (await council.post("/records/no-such", "x", "text/csv", **ASYNC)).status_code == 404
    assert (await world.auditor().post("/records/crosswalk", "x", "text/csv", **ASYNC)).status_code == 403
    assert ask(world.settings, "SELECT count(*) FROM handed_in") == [(0,)]
    for place in range(MOST_WAITING):
        await handed(council, crosswalk(20 + place, 1))
    busy = await council.post("/records/crosswalk", crosswalk(40, 1), "text/csv", **ASYNC)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "60")
    large = {"Content-Length": str(2**40)}
    for headers_ in (large, {**large, **ASYNC}):
        refused = await world.as_("trust-epr").post("/records/crosswalk", "x", "text/csv", **headers_)
        assert refused.status_code == 413
    assert "respond-async" in (await world.as_("trust-epr").post("/records/crosswalk", "x", "text/csv", **large)).text
    assert parts(world) == MOST_WAITING


@pytest.mark.usefixtures("unattended")
async def test_a_file_that_does_not_arrive_whole_is_nothing(world: World) -> None:
    """Broken off, or longer than it may be: no part of it stays, and it is never loaded."""
    ledger, context = world.gateway.ledger, replace(world.gateway.context, most_handed_in=3 * PART_BYTES)
    file = Handed("", Requester("council-system", COUNCIL, frozenset()), "crosswalk")

    async def arriving(pieces: int, ends: bool) -> AsyncIterator[bytes]:
        for _ in range(pieces):
            yield b"x" * PART_BYTES
        if not ends:
            raise BadRequest("The request ended before its body did.")

    for pieces, ends, fault in ((2, False, BadRequest), (4, True, TooLarge)):
        with pytest.raises(fault):
            await take_in(context, ledger, file, arriving(pieces, ends))
        assert parts(world) > 0
        await load_all(world)
        assert (parts(world), ask(world.settings, "SELECT count(*) FROM handed_in")) == (0, [(0,)])


@pytest.mark.usefixtures("unattended")
async def test_a_file_is_read_part_by_part_from_any_place(world: World) -> None:
    """As an archive is read: from its end, back, and on; the bytes are those that were handed in."""
    ledger, context = world.gateway.ledger, world.gateway.context
    content = random.Random(1).randbytes(2 * PART_BYTES + 77)

    async def whole() -> AsyncIterator[bytes]:
        yield content

    file = Handed("", Requester("council-system", COUNCIL, frozenset()), "ssd")
    stored = await handed_by_id(context, ledger, await take_in(context, ledger, file, whole()))
    assert stored is not None
    source = io.BufferedReader(Parts(ledger, context, stored), PART_BYTES)

    def compare() -> None:
        assert source.read() == content
        for place in (0, PART_BYTES - 3, len(content) - 5, PART_BYTES, 7):
            source.seek(place)
            assert source.read(9) == content[place : place + 9]
        assert source.seek(-4, io.SEEK_END) == len(content) - 4
        assert source.read(99) == content[-4:]

    await asyncio.to_thread(compare)


async def test_a_file_that_was_taken_in_survives_a_kill(
    deployed: Settings, tmp_path: Path, client_keys: tuple[Path, dict[str, object]]
) -> None:
    """kill -9 in the middle of it: the next process goes on where it was; every child is received once, and the report is whole."""
    await killed_in_the_middle(deployed, tmp_path, client_keys[0], 3000)


async def killed_in_the_middle(settings: Settings, folder: Path, clients: Path, children: int) -> None:
    """Hand a file in, kill the process that loads it, and let the next one end it."""
    served = Served(settings, folder / "server.log").wait(60)
    council = headers(settings, clients, "council-system") | {"Content-Type": "application/octet-stream"}
    async with httpx.AsyncClient(base_url=settings.url, headers=council, timeout=60) as client:
        answer = await client.post("/records/crosswalk", content=crosswalk(50, children), headers=ASYNC)
        assert answer.status_code == 202, answer.text
        path = answer.headers["content-location"]
        await until(lambda: received(settings) > 0)
        served.kill()
        before = received(settings)
        assert 0 < before < children
        served = Served(settings, folder / "server.log").wait(60)
        try:
            await until(lambda: ask(settings, "SELECT state FROM handed_in") == [("ended",)], 120)
            assert counts((await client.get(path)).json())["accepted"] == children
            await until(lambda: ask(settings, "SELECT count(*) FROM handed_in_part") == [(0,)])
        finally:
            served.kill()
    assert received(settings) == children
    assert ask(settings, "SELECT count(*) FROM person") == [(children,)]


def received(settings: Settings) -> int:
    """How many records are on record as received."""
    return int(ask(settings, "SELECT count(*) FROM audit_entry WHERE exchange = 'receive_record'")[0][0])
