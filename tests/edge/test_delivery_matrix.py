"""Receivers of twelve kinds at once, well and badly behaved: each gets its own outcome, and none another's."""

from __future__ import annotations

import datetime
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import count
from tests.edge.desks import Behaviour, Desk, admit, council_hears_of, delivering, patients, status, until
from tests.edge.durable import ask
from tests.world import World

EACH = count(4, 84)  # notices for each kind: a thousand together in the full run


def slowly(handler: Any, number: int) -> None:
    """An answer after a while."""
    time.sleep(0.05)
    status(200)(handler, number)


def resets(handler: Any, _: int) -> None:
    """The connection is torn down."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def flaps(handler: Any, number: int) -> None:
    """Every other time."""
    status(200 if number % 2 else 503)(handler, number)


def of(one: Desk) -> dict[str, tuple[Behaviour, str]]:
    """The twelve kinds: what each does, and what becomes of notices to it."""
    return {
        "slow": (slowly, "delivered"),
        "hanging": (one.hang, "dead"),
        "reset": (resets, "dead"),
        "5xx": (status(500), "dead"),
        "429": (status(429, Retry_After="0"), "dead"),
        "3xx": (status(307, Location="http://127.0.0.1:1/"), "dead"),
        "410": (status(410), "dead"),
        "huge body": (one.huge_body, "delivered"),
        "bad TLS": (status(200), "dead"),
        "garbage": (one.nonsense, "dead"),
        "204": (status(204), "delivered"),
        "flapping": (flaps, "delivered"),
    }


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """TLS with a certificate that nobody vouches for."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    (folder / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.fixture
def desks(untrusted: ssl.SSLContext) -> Iterator[dict[str, Desk]]:
    """A receiver of each kind."""
    with ExitStack() as stack:
        found = {}
        for kind in of(Desk()):
            one = found[kind] = Desk().up()
            stack.callback(one.down)
            one.behaviour = of(one)[kind][0]
        server = found["bad TLS"]._server
        assert server is not None
        server.socket = untrusted.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        yield found


async def test_each_receiver_has_its_own_outcome(world: World, desks: dict[str, Desk]) -> None:
    """What can arrive arrives once, in numbers without a gap; what cannot is given up, in sight; nothing is lost or sent to
    another; the well-behaved are done while the hanging one still hangs."""
    world.gateway.deliverer.courier.total = float(count(1, 2))  # what is well-behaved is never late
    world.gateway.deliverer.steps = (0.0,) * 8
    everybody = []
    for place, (kind, one) in enumerate(desks.items()):
        some = patients(EACH, place * 1000)
        scheme = "https" if kind == "bad TLS" else "http"
        await council_hears_of(world, some, f"{scheme}://127.0.0.1:{one.port}/hook")
        everybody.append(some)
    for some in everybody:
        await admit(world, some)
    assert ask(world.settings, "SELECT count(*) FROM outbox") == [(12 * EACH,)]
    async with delivering(world):
        unfinished = "SELECT 1 FROM outbox WHERE state IN ('pending', 'leased') LIMIT 1"
        await until(lambda: not ask(world.settings, unfinished), count(90, 1200))
    found = Counter(ask(world.settings, "SELECT destination, state FROM outbox"))
    assert len(found) == 12, "each destination ended in one state"
    assert set(found.values()) == {EACH}
    for place, (kind, one) in enumerate(desks.items()):
        expected = of(one)[kind][1]
        mine = [person.nhs for person in everybody[place]]
        assert all(any(number in got.body.decode() for number in mine) for got in one.got), f"{kind} got another's"
        if expected == "delivered":
            assert len(set(one.ids())) == EACH, kind
        if kind in ("204", "slow", "huge body"):
            assert len(one.got) == EACH, f"{kind} got a repeat"
        if kind == "bad TLS":
            assert one.got == []
        if kind == "410":
            assert len(one.got) <= EACH
    states = Counter(state for (state,) in ask(world.settings, "SELECT state FROM outbox"))
    assert states == {"delivered": 4 * EACH, "dead": 8 * EACH}
    recorded = ask(world.settings, "SELECT count(*) FROM audit_entry WHERE exchange = 'lease_notice' AND outcome = 0")[0][0]
    assert recorded >= sum(len(one.got) for one in desks.values()), "something was sent that was not on record"
