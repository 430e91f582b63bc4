"""HL7 v2 over MLLP: acknowledged after the commit, once by its number, bounded in size and time, bound to one agency."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, STRANGER
from gateway.listeners.configuration import ListenersFault, Mllp, read_listeners
from gateway.listeners.mllp import Limits, Port
from gateway.listening import _sender
from tests.edge.served import free_port
from tests.edge.test_ledger_faults import no_room
from tests.stories.county import S47
from tests.world import World, groups, part


@contextlib.asynccontextmanager
async def listening(world: World, limits: Limits | None = None, **more: Any) -> AsyncIterator[Port]:
    """The trust's port for a while."""
    config = Mllp("TMH01", "127.0.0.1", free_port(), **more)
    port = Port(world.gateway.ledger, world.gateway.context, config, _sender(world.gateway), limits=limits or Limits())
    await port.start()
    try:
        yield port
    finally:
        await port.stop()


async def opened(port: Port, tls: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*port.address, ssl=tls, server_hostname="localhost" if tls else None)


async def sent(port: Port, *messages: str | bytes, tls: ssl.SSLContext | None = None) -> list[list[list[str]]]:
    """Messages over one connection; the acknowledgements as segments of fields."""
    reader, writer = await opened(port, tls)
    answers = []
    for message in messages:
        text = message if isinstance(message, bytes) else message.encode()
        writer.write(b"\x0b" + text + b"\x1c\r")
        frame = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 60)
        assert frame.startswith(b"\x0b")
        answers.append([line.split("|") for line in frame[1:-2].decode().split("\r") if line])
    writer.close()
    return answers


def code(answer: list[list[str]]) -> str:
    """AA, AE or AR."""
    assert answer[1][0] == "MSA"
    return answer[1][1]


def why(answer: list[list[str]]) -> list[str]:
    """The codes of table 0357."""
    return [segment[3].split("^")[0] if segment[1] == "" else segment[1] for segment in answer[2:]]


def admission(number: str = "1", person: Any = AMINA, **more: str) -> str:
    """A message of the trust with a number of its own."""
    text = people.adt("A01", person, "M1").replace("|A01M1|", f"|{number}|")
    for name, value in more.items():
        text = text.replace(name, value)
    return text


async def answer_of(world: World, person: Any) -> str:
    """What the council's enquiry hears from the trust."""
    answer = await world.social_worker().hears(person, S47, case="C-1")
    return str(part(groups(answer)[0], "answer"))


async def test_a_message_is_acknowledged_when_it_is_there(world: World) -> None:
    """AA for its number, to who sent it; at that moment a lookup finds what it said."""
    async with listening(world) as port:
        ((ack),) = await sent(port, admission("77"))
        assert code(ack) == "AA"
        assert ack[1][2] == "77"
        assert ack[0][2:6] == ["TIE", "TMH01", "RIO", "TMH01"]
        assert ack[0][8] == "ACK^A01^ACK"
        assert ack[0][11] == "2.4"
        assert await answer_of(world, AMINA) == "known"


async def test_a_message_counts_once_by_its_number(world: World) -> None:
    """Sent again, also by several connections at once: AA each time, one admission."""
    async with listening(world) as port:
        answers = await asyncio.gather(*(sent(port, admission("5"), admission("5")) for _ in range(5)))
        assert {code(one) for many in answers for one in many} == {"AA"}
    flags = await world.as_("trust-epr").searches_for("Flag", AMINA)
    assert [one["meta"]["versionId"] for one in flags] == ["1"]


async def test_a_number_with_other_content_is_refused(world: World) -> None:
    """AE 205, and the first stands; the same number of another application is another message."""
    async with listening(world) as port:
        first, second, third = await sent(
            port, admission("9"), admission("9", BETH), admission("9", BETH, **{"|RIO|TMH01|TIE": "|PARIS|TMH01|TIE"})
        )
    assert [code(first), code(second), code(third)] == ["AA", "AE", "AA"]
    assert "205" in second[2][1]


@pytest.mark.parametrize(
    ("message", "told", "reason"),
    [
        (admission().replace("ADT^A01", "ORU^R01"), "AR", "200"),
        (admission().replace("|P|2.4", "|P|2.9"), "AR", "203"),
        (admission(""), "AR", "101"),
        (admission("1") + admission("2"), "AR", "100"),
        (admission().replace("9990001006^^^NHS^NH~M1^^^RIO^MR", ""), "AE", ""),
        ("no message at all", "AR", "100"),
        (b"MSH|^~\\&|\xff\xfe\x00", "AR", "100"),
    ],
)
async def test_what_is_not_taken_says_why(world: World, message: Any, told: str, reason: str) -> None:
    """AR for what is not for here, AE for what this message says; code and place of table 0357, and nobody's name."""
    async with listening(world) as port:
        (ack,) = await sent(port, message)
    assert code(ack) == told
    text = "\r".join("|".join(one) for one in ack)
    assert reason in text
    assert len(ack) > 2
    assert ack[2][0] == "ERR"
    assert "EXAMPLE" not in text
    assert AMINA.nhs not in text


async def test_since_2_5_an_error_has_its_fields_apart(world: World) -> None:
    """ERR-2 place, ERR-3 code, ERR-4 severity, ERR-8 words."""
    async with listening(world) as port:
        (ack,) = await sent(port, admission("3").replace("ADT^A01", "ORU^R01").replace("|P|2.4", "|P|2.5"))
    error = ack[2]
    assert error[2] == "MSH^1^9"
    assert error[3] == "200^Unsupported message type^HL70357"
    assert error[4] == "E"
    assert error[8]


@pytest.mark.parametrize(("version", "warned"), [("2.5", True), ("2.8", True), ("2.4", False)])
async def test_what_is_taken_with_a_warning_says_so(world: World, version: str, warned: bool) -> None:
    """AA, and since 2.5 an ERR of severity W: the time that does not stand. A version that knows no severities has no ERR."""
    late = re.sub(r"\rEVN\|([^|]*)\|\d+", r"\rEVN|\1|20990801070624", admission("3")).replace("|P|2.4", f"|P|{version}")
    assert "|20990801070624" in late
    async with listening(world) as port:
        (ack,) = await sent(port, late)
    assert (code(ack), len(ack[1])) == ("AA", 3)
    assert [(one[0], one[3], one[4]) for one in ack[2:]] == ([("ERR", "0^Message accepted^HL70357", "W")] if warned else [])
    assert all("future" in one[8] and AMINA.nhs not in str(one) for one in ack[2:])


async def test_a_message_after_a_bad_one_is_taken(world: World) -> None:
    """One connection, one message at a time; blanks between frames do no harm."""
    async with listening(world) as port:
        answers = await sent(port, "nonsense", admission("1"), "nonsense", admission("2", BETH))
    assert [code(one) for one in answers] == ["AR", "AA", "AR", "AA"]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_what_cannot_be_written_is_not_acknowledged(world: World) -> None:
    """AR, to be sent again; then it is taken."""
    async with listening(world) as port:
        with no_room(world.settings.database_file):
            (refused,) = await sent(port, admission("4"))
        assert code(refused) == "AR"
        assert "207" in refused[2][1]
        (taken,) = await sent(port, admission("4"))
        assert code(taken) == "AA"


async def test_whoever_sends_speaks_for_the_ports_agency_alone(world: World) -> None:
    """A message that names another organisation in MSH-4 is on the trust's record and on nobody else's."""
    async with listening(world) as port:
        (ack,) = await sent(port, admission("6", STRANGER).replace("|RIO|TMH01|", "|RIO|TLA01|"))
        assert code(ack) == "AA"
    assert await world.as_("trust-epr").searches_for("Flag", STRANGER)
    assert not await world.as_("council-system").searches_for("Flag", STRANGER)


# -- peers that behave badly -------------------------------------------------------------------------------------------


async def test_a_frame_that_is_too_large_is_refused_and_the_connection_ends(world: World) -> None:
    """AR, then the end; nothing of it is kept."""
    async with listening(world, Limits(frame_bytes=5000)) as port:
        reader, writer = await opened(port)
        writer.write(b"\x0b" + admission().encode() + b"ZZZ|" + b"x" * 20_000)
        answer = await asyncio.wait_for(reader.read(), 60)
        assert b"MSA|AR" in answer
        writer.close()
    assert not await world.as_("trust-epr").searches_for("Flag", AMINA)


async def test_a_frame_that_does_not_end_is_not_waited_for(world: World) -> None:
    """A byte now and then keeps no connection open; nor does silence."""
    async with listening(world, Limits(frame_seconds=0.3, idle_seconds=0.3)) as port:
        reader, writer = await opened(port)
        writer.write(b"\x0bMSH|^~")
        assert await asyncio.wait_for(reader.read(), 60) == b""
        quiet, other = await opened(port)
        assert await asyncio.wait_for(quiet.read(), 60) == b""
        writer.close()
        other.close()
        (ack,) = await sent(port, admission("1"))
        assert code(ack) == "AA"


async def test_what_is_no_mllp_is_hung_up_on(world: World) -> None:
    """HTTP, for example; and a message that ends in the middle is not taken."""
    async with listening(world) as port:
        reader, writer = await opened(port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
        _, writer = await opened(port)
        writer.write(b"\x0b" + admission().encode())
        writer.close()
        await asyncio.sleep(0.1)
    assert not await world.as_("trust-epr").searches_for("Flag", AMINA)


async def test_more_connections_than_are_allowed_are_refused(world: World) -> None:
    """Those that are open go on."""
    async with listening(world, Limits(connections=2)) as port:
        held = [await opened(port) for _ in range(2)]
        await asyncio.sleep(0.05)
        reader, writer = await opened(port)
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
        held[0][1].write(b"\x0b" + admission().encode() + b"\x1c\r")
        assert b"MSA|AA" in await asyncio.wait_for(held[0][0].readuntil(b"\x1c\r"), 60)
        for _, one in held:
            one.close()


# -- TLS ---------------------------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str, issuer: tuple[Any, Any] | None = None) -> tuple[Any, Any]:
    """A key and certificate in a file of that name, signed by the issuer or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[1].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer[0] if issuer else key, hashes.SHA256())
    )
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.pem").write_bytes(plain + made.public_bytes(serialization.Encoding.PEM))
    return key, made


def client_of(folder: Path, name: str) -> ssl.SSLContext:
    """A client that trusts the authority and shows its certificate, if it has one."""
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    if name:
        context.load_cert_chain(folder / f"{name}.pem")
    return context


async def test_with_a_client_authority_only_its_named_clients_are_heard(world: World, tmp_path: Path) -> None:
    """The trust's own engine is; one without a certificate, a stranger's and another of the same authority are not."""
    authority = certificate(tmp_path, "authority")
    for name in ("localhost", "tie.northmoor.example", "other.northmoor.example"):
        certificate(tmp_path, name, authority)
    certificate(tmp_path, "stranger.example")
    tls = {"certificate": str(tmp_path / "localhost.pem"), "client_ca": str(tmp_path / "authority.pem")}
    async with listening(world, client_names=("tie.northmoor.example",), **tls) as port:
        (ack,) = await sent(port, admission("1"), tls=client_of(tmp_path, "tie.northmoor.example"))
        assert code(ack) == "AA"
        for name in ("", "stranger.example", "other.northmoor.example"):
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await sent(port, admission("2", BETH), tls=client_of(tmp_path, name))
    assert not await world.as_("trust-epr").searches_for("Flag", BETH)


# -- what an operator writes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[mllp]]\nport = 2575\n", "agency is missing"),
        ('[[mllp]]\nagency = "A"\nport = 0\n', "port"),
        ('[[mllp]]\nagency = "A"\nport = 2575\nhsot = "x"\n', "unknown setting hsot"),
        ('[[mllp]]\nagency = "A"\nport = 2575\nhost = "0.0.0.0"\n', "needs certificate and client_ca"),
        ('[[mllp]]\nagency = "A"\nport = 2575\nclient_ca = "x"\n', "client_ca needs a certificate"),
        ('[[folder]]\nagency = "A"\npath = "x"\n', "format is missing"),
        ('[[folder]]\nagency = "A"\npath = "x"\nformat = "fhir"\n' * 2, "stands twice"),
        ("[mllp]\nport = 1\n", r"write \[\[mllp\]\]"),
        ("[[other]]\n", "not other"),
        ("= nonsense", "listeners.toml"),
    ],
)
def test_a_bad_entry_is_named(tmp_path: Path, text: str, said: str) -> None:
    """File, entry and what is wrong; an open port without client certificates is none in production."""
    file = tmp_path / "listeners.toml"
    file.write_text(text)
    with pytest.raises(ListenersFault, match=said):
        read_listeners(file, "production")
