"""Receivers that fail in every way: each attempt is bounded, each outcome is on record, nothing is dropped silently."""

from __future__ import annotations

import datetime
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.demo.people import TRUST
from gateway.partners import delivery
from gateway.partners.delivery import Courier, Post
from gateway.store.outbox_view import UNDELIVERED
from gateway.store.sql import Read
from tests.edge.desks import Desk, admit, council_hears_of, desk, patients, status
from tests.edge.durable import ask, change
from tests.world import World

NEVER_ANSWER = ["hang", "slow_head"]
NO_HTTP = ["nonsense", "hangs_up"]
ANSWER_AND_GO_ON = ["slow_body", "huge_body"]


async def one_post(one: Desk, total: float = 1.0, **headers: str) -> tuple[Any, float]:
    """One post by a courier of its own; what came of it and how long it took."""
    courier = Courier(loopback_allowed=True, total=total)
    started = time.monotonic()
    try:
        return await courier.post(Post(one.url, b"{}", headers)), time.monotonic() - started
    finally:
        one.stopping.set()
        await courier.close()


def test_an_attempt_takes_fifteen_seconds_at_most() -> None:
    """The bound is on all of it together, and it ends well before the lease does."""
    from gateway.exchanges.notices.lease_notice import LEASE
    from gateway.store import clock

    assert Courier().total == delivery.TOTAL == 15.0
    assert LEASE >= 3 * delivery.TOTAL * clock.SECOND


@pytest.mark.parametrize("how", NEVER_ANSWER)
async def test_a_receiver_that_never_comes_to_an_answer_is_left_after_the_total_time(how: str) -> None:
    """Silence, or one byte now and then: a read that goes on does not lengthen the attempt."""
    with desk() as one:
        one.behaviour = getattr(one, how)
        posted, took = await one_post(one)
    assert (posted.status, posted.delivered) == (0, False)
    assert 0.9 < took < 1.5


@pytest.mark.parametrize("how", NO_HTTP)
async def test_an_answer_that_is_none_is_a_failure(how: str) -> None:
    """Bytes that are no HTTP, or a connection closed in the middle."""
    with desk() as one:
        one.behaviour = getattr(one, how)
        posted, took = await one_post(one)
    assert (posted.status, posted.delivered) == (0, False)
    assert took < 1.5


@pytest.mark.parametrize("how", ANSWER_AND_GO_ON)
async def test_an_endless_answer_is_not_read_to_its_end(how: str) -> None:
    """The status says what became of the notice; the rest is read up to a limit of size and time."""
    with desk() as one:
        one.behaviour = getattr(one, how)
        posted, took = await one_post(one, total=2.0)
    assert (posted.status, posted.delivered) == (200, True)
    assert took < 1.5


async def test_nobody_there_is_a_failure() -> None:
    """A refused connection is an outcome like any other."""
    one = Desk().up()
    one.down()
    posted, _ = await one_post(one)
    assert (posted.status, posted.delivered) == (0, False)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(code: int) -> None:
    """What stands at the other address was not vetted, and is not asked."""
    with desk() as elsewhere, desk(status(code, Location=elsewhere.url)) as one:
        posted, _ = await one_post(one)
        assert (posted.status, posted.delivered) == (code, False)
        assert (len(one.got), elsewhere.got) == (1, [])


@pytest.mark.parametrize(
    ("code", "arrived"),
    [(200, True), (201, True), (202, True), (204, True), (400, False), (401, False), (429, False), (500, False), (503, False)],
)
async def test_only_2xx_is_delivery(code: int, arrived: bool) -> None:
    """Every other status is a failure."""
    with desk(status(code)) as one:
        posted, _ = await one_post(one)
        assert (posted.status, posted.delivered) == (code, arrived)


@pytest.mark.parametrize(
    ("stated", "seconds"), [("120", 120.0), ("999999999999", 999999999999.0), ("-5", 0.0), ("soon", 0.0), ("\u0661", 0.0)]
)
async def test_a_receiver_may_ask_for_time(stated: str, seconds: float) -> None:
    """Retry-After in seconds is heard; the schedule caps it."""
    with desk(
        lambda handler, _: handler.wfile.write(
            f"HTTP/1.1 503 Later\r\nRetry-After: {stated}\r\nContent-Length: 0\r\n\r\n".encode()
        )
    ) as one:
        posted, _ = await one_post(one)
        assert posted.retry_after == seconds


@pytest.mark.parametrize("value", ["line\nbreak", "\u2713", "\x00"])
async def test_a_header_that_cannot_be_sent_is_an_outcome(value: str) -> None:
    """Whatever a subscriber wrote: an attempt ends in words, not in an exception."""
    with desk() as one:
        posted, _ = await one_post(one, X_Odd=value)
        assert posted.status == 0
        assert one.got == []


async def undelivered(world: World, agency: str) -> list[tuple[Any, ...]]:
    """What an agency is shown as not arrived."""
    found = (await world.gateway.ledger.read([Read(UNDELIVERED, {"agency": agency, "count": 100})]))[0]
    return [(row[1], row[2], row[3], row[4]) for row in found]


async def test_after_the_last_attempt_a_notice_stays_where_both_agencies_see_it(world: World) -> None:
    """Four attempts of four: the letter is dead, not gone; both agencies are shown it, the subscription says error, and
    the receiver still gets it by asking for its events."""
    some = patients(1)
    with desk(status(503)) as one:
        (made,) = await council_hears_of(world, some, one.url)
        await admit(world, some)
        await world.settle()
        assert len(one.ids()) == 4
        assert len(set(one.ids())) == 1
    for agency in ("TLA01", TRUST):
        assert await undelivered(world, agency) == [("TLA01", TRUST, "dead", 4)]
    assert await undelivered(world, "THV01") == []
    shown = (await world.social_worker().get(f"/fhir/Subscription/{made}")).json()
    assert shown["status"] == "error"
    answer = await world.social_worker().get(f"/fhir/Subscription/{made}/$events")
    told = [part for part in answer.json()["entry"][0]["resource"]["parameter"] if part["name"] == "notification-event"]
    assert [part["part"][0]["valueString"] for part in told] == ["1"]
    results = ask(world.settings, "SELECT outcome FROM audit_entry WHERE exchange = 'settle_notice'")
    assert results == [(8,)] * 4


async def test_a_dead_letter_does_not_hold_up_what_follows(world: World) -> None:
    """A receiver that was down for days gets the next notice when it is back, and sees by the number that one is missing."""
    some = patients(1)
    with desk(status(503)) as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        await world.settle()
        one.behaviour, one.got = status(200), []
        await admit(world, some, "A03")
        await world.settle()
        assert one.numbers() == [2]


async def test_a_receiver_that_says_it_is_gone_is_not_written_to_again(world: World) -> None:
    """410: the subscription is in error at once; later notices are numbered, shown as undelivered and served to who asks,
    but posted to nobody; the subscriber brings it back."""
    some = patients(1)
    with desk(status(410)) as one:
        (made,) = await council_hears_of(world, some, one.url)
        await admit(world, some)
        await world.settle()
        assert len(one.got) == 1
        one.behaviour, one.got = status(200), []
        await admit(world, some, "A03")
        await world.settle()
        assert one.got == []
        assert [row[2] for row in await undelivered(world, "TLA01")] == ["dead", "dead"]
        worker = world.social_worker()
        shown = await worker.get(f"/fhir/Subscription/{made}")
        assert shown.json()["status"] == "error"
        told = (await worker.get(f"/fhir/Subscription/{made}/$events")).json()["entry"][0]["resource"]["parameter"]
        assert [part["part"][0]["valueString"] for part in told if part["name"] == "notification-event"] == ["1", "2"]
        again = {
            **shown.json(),
            "status": "requested",
            "channel": {key: value for key, value in shown.json()["channel"].items() if key != "header"},
        }
        assert (await worker.put(f"/fhir/Subscription/{made}", again, shown.headers["etag"])).status_code == 200
        await admit(world, some, stay="2")
        await world.settle()
        assert one.numbers() == [3]


async def test_a_subscription_that_has_run_out_hears_nothing_more(world: World) -> None:
    """Its end is looked at when the notice is due, not only when the change came: withheld, on record."""
    some = patients(1)
    with desk() as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        change(world.settings, "UPDATE subscription SET ends = ?", int(time.time() * 1e6) - 1)
        await world.settle()
        assert one.got == []
    assert ask(world.settings, "SELECT state, number FROM outbox") == [("withheld", None)]
    assert ask(world.settings, "SELECT outcome FROM audit_entry WHERE exchange = 'lease_notice'") == [(4,)]


async def test_a_fault_of_the_database_between_post_and_settling_costs_no_repeat(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome is put on record as soon as the database is back; the receiver is not written to again."""
    from gateway import deliverer

    monkeypatch.setattr(deliverer, "POLL", 0.01)
    some = patients(1)

    class Away:
        """The ledger, away for the first two times that an outcome is to be settled."""

        def __init__(self, ledger: Any) -> None:
            self.ledger, self.refused = ledger, 0

        async def run_alone(self, exchange: Any, request: Any) -> Any:
            if exchange.__name__ == "settle_notice" and self.refused < 2:
                self.refused += 1
                from gateway.fhir.outcomes import Unavailable

                raise Unavailable("away")
            return await self.ledger.run_alone(exchange, request)

        run = run_alone

        async def read(self, reads: Any) -> Any:
            return await self.ledger.read(reads)

    with desk() as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        away = world.gateway.deliverer.ledger = Away(world.gateway.ledger)  # type: ignore[assignment]  # a ledger that is away now and then
        await world.settle()
        assert (away.refused, len(one.got)) == (2, 1)
    assert ask(world.settings, "SELECT state, attempts FROM outbox") == [("delivered", 1)]


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate for receiver.example: as its server has it, and as somebody who trusts it does."""
    folder: Path = tmp_path_factory.mktemp("named")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("receiver.example")]), critical=False)
    certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(certificate + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem")
    return server, ssl.create_default_context(cadata=certificate.decode())


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
async def test_a_receiver_is_who_its_certificate_says(named: tuple[ssl.SSLContext, ssl.SSLContext], library: str) -> None:
    """A notice goes to the name that is vouched for, and to another name at the same address it does not."""

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with desk() as one:
        assert one._server is not None
        one._server.socket = named[0].wrap_socket(one._server.socket, server_side=True, do_handshake_on_connect=False)
        courier = Courier(loopback_allowed=True, resolver=here, trusted=named[1], library=library)
        for name, arrives in (("receiver.example", True), ("other.example", False), ("receiver.example", True)):
            posted = await courier.post(Post(f"https://{name}:{one.port}/hook", b"{}", {}))
            assert posted.delivered == arrives, posted.text
        await courier.close()
        assert len(one.got) == 2
        assert {got.headers["host"] for got in one.got} == {f"receiver.example:{one.port}"}
