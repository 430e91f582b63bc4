"""Where the gateway connects to: what a subscriber may name, and what the operator alone may open."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from gateway.partners.delivery import Courier, Post
from gateway.partners.guard import Refused, Target, check_url, leads_to_the_same, vet
from gateway.partners.lines import MOST_DESTINATIONS, Lines
from gateway.partners.trust import authorities
from tests.edge.desks import desk, until

PUBLIC = "93.184.216.34"
Resolver = Callable[[str, int], Awaitable[list[str]]]


def resolver(*addresses: str) -> Resolver:
    """A name server that always says this."""

    async def found(host: str, port: int) -> list[str]:
        return list(addresses)

    return found


REFUSED_AS_WRITTEN = [
    "http://receiver.example/hook",
    "ftp://receiver.example/hook",
    "file:///etc/passwd",
    "gopher://receiver.example/",
    "//receiver.example/hook",
    "receiver.example/hook",
    "",
    "https://",
    "https:///hook",
    "https://:443/hook",
    "https://user@receiver.example/",
    "https://user:secret@receiver.example/",
    "https://@receiver.example/",
    "https://receiver.example/#fragment",
    "https://receiver.example/#",
    "https://receiver.example:0/",
    "https://receiver.example:99999/",
    "https://receiver.example:22/",
    "https://receiver.example:25/",
    "https://receiver.example\\@127.0.0.1/",
    "https://receiver.example/ hook",
    "https://receiver.example/\r\nHost: other",
    "https://receiver.example/\thook",
    "https://rec\u00e9iver.example/",
    "https://\u2460\u2461\u2466.0.0.1/",
    "https://receiver.example/" + "a" * 1100,
    "https://[::1/",
    "https://[not-an-address]/",
]

REFUSED_BY_ADDRESS = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://0/",
    "https://0.0.0.0/",
    "https://localhost/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://192.0.0.1/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://203.0.113.7/",
    "https://224.0.0.1/",
    "https://239.255.255.250/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[64:ff9b:1::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[fd12:3456::1]/",
    "https://[ff02::1]/",
    "https://[ff0e::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
]


@pytest.mark.parametrize("url", REFUSED_AS_WRITTEN)
def test_what_is_no_plain_https_address_is_refused_as_written(url: str) -> None:
    """Another scheme, credentials, a fragment, hidden characters, another service's port: told from the text alone."""
    with pytest.raises(Refused):
        check_url(url)


@pytest.mark.parametrize("url", REFUSED_BY_ADDRESS)
async def test_an_address_that_is_not_public_is_refused_however_it_is_written(url: str) -> None:
    """Loopback, private, link-local, metadata, multicast and addresses inside addresses, in every notation."""
    with pytest.raises(Refused):
        await vet(url)


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:169.254.169.254", "10.0.0.8", "64:ff9b::a9fe:a9fe", "fe80::1%eth0"])
async def test_a_name_with_one_address_inside_is_refused(address: str) -> None:
    """Every address of a name is vetted, not only the first."""
    with pytest.raises(Refused):
        await vet("https://receiver.example/", resolver=resolver(PUBLIC, address))


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..example", "-.example", "127%2e0%2e0%2e1"])
async def test_a_host_that_cannot_be_a_name_is_an_outcome_not_a_failure(host: str) -> None:
    """A name that nobody can resolve ends the attempt in words, and the deliverer goes on."""
    posted = await Courier().post(Post(f"https://{host}/", b"{}", {}))
    assert posted.status == 0
    assert posted.text.startswith(("refused", "no answer"))


async def test_the_connection_goes_to_the_address_that_was_vetted() -> None:
    """Host, port and path stay as they were given; only the address stands in the name's place."""
    target = await vet("https://receiver.example:8443/a/b?c=d", resolver=resolver(PUBLIC, "2606:2800:220:1::1"))
    assert target.url == f"https://{PUBLIC}:8443/a/b?c=d"
    assert target.host_header == "receiver.example:8443"
    assert (
        await vet("https://receiver.example", resolver=resolver("2606:2800:220:1::1"))
    ).url == "https://[2606:2800:220:1::1]:443/"


async def test_an_address_inside_an_address_is_judged_by_what_it_leads_to() -> None:
    """A public receiver behind a translator (NAT64) is a public receiver; an inner address is never better than itself."""
    assert (await vet("https://receiver.example/", resolver=resolver("64:ff9b::5db8:d822"))).address == "64:ff9b::5db8:d822"
    inner = (ipaddress.ip_network("10.20.0.0/16"),)
    assert await vet("https://receiver.example/", allowed=inner, resolver=resolver("::ffff:10.20.1.1"))


async def test_private_receivers_are_opened_by_the_operator_alone() -> None:
    """Council and health receivers do stand on private networks: those on the operator's list, and no others."""
    networks = (ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd00:20::/32"))
    assert (await vet("https://receiver.example/", allowed=networks, resolver=resolver("10.20.1.1"))).address == "10.20.1.1"
    assert await vet("https://[fd00:20::5]/", allowed=networks)
    for address in ("10.21.1.1", "127.0.0.1", "169.254.169.254", "fd00:21::5"):
        with pytest.raises(Refused):
            await vet("https://receiver.example/", allowed=networks, resolver=resolver(address))
    with pytest.raises(Refused):
        await vet("https://receiver.example/", allowed=networks, resolver=resolver("10.20.1.1", "10.21.1.1"))


async def test_loopback_is_for_demonstrations_alone() -> None:
    """Plain http and this machine: only where the deployment is not production, and only this machine."""
    assert (await vet("http://127.0.0.1:9999/", loopback_allowed=True)).url == "http://127.0.0.1:9999/"
    for url in ("http://receiver.example/", "http://10.0.0.1/", "https://10.0.0.1/", "http://127.0.0.1.receiver.example/"):
        with pytest.raises(Refused):
            await vet(url, loopback_allowed=True)


class Inside:
    """Something on this machine that must not be reached."""

    def __init__(self) -> None:
        outer = self
        self.reached = 0
        self.headers: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.reached += 1
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.end_headers()

            do_CONNECT = do_GET = do_POST

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


async def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    """DNS rebinding: asked once for each attempt; neither the first answer nor a later one leads inside."""
    inside, asked = Inside(), []

    async def flips(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) % 2 else ["127.0.0.1"]

    courier = Courier(resolver=flips, allowed=(ipaddress.ip_network("127.0.0.2/32"),), total=0.3)
    try:
        for _ in range(4):
            posted = await courier.post(Post(f"https://receiver.example:{inside.port}/", b"{}", {}))
            assert posted.status == 0
        assert len(asked) == 4
        assert inside.reached == 0
    finally:
        await courier.close()
        inside.close()


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect to wherever it likes; the environment's is not asked."""
    proxy, receiver = Inside(), Inside()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    courier = Courier(loopback_allowed=True)
    try:
        assert (await courier.post(Post(f"http://127.0.0.1:{receiver.port}/", b"{}", {}))).status == 200
        assert (proxy.reached, receiver.reached) == (0, 1)
        assert receiver.headers[0]["host"] == f"127.0.0.1:{receiver.port}"
    finally:
        await courier.close()
        proxy.close()
        receiver.close()


async def test_a_line_is_for_the_destination_that_was_vetted() -> None:
    """Whatever is posted on it: another name, port or scheme gets nothing over it, and nothing leaves."""
    courier = Courier(loopback_allowed=True)
    with desk() as one:
        opened = await courier.open(one.url)
        for url in (f"http://127.0.0.1:{one.port + 1}/hook", f"http://localhost:{one.port}/hook", "https://127.0.0.1/", "", "x"):
            assert not (await courier.post_on(opened, Post(url, b"{}", {}))).begun
        assert one.got == []
        assert (await courier.post_on(opened, Post(f"{one.url}/other?of=it", b"{}", {}))).delivered
        assert [got.path for got in one.got] == ["/hook/other?of=it"]
        await courier.close_line(opened)
        await courier.close()


def test_destinations_are_told_apart_by_scheme_name_and_port() -> None:
    """The standard port is the port, however it is written."""
    assert leads_to_the_same("https://receiver.example/a", "https://RECEIVER.example:443/b?c")
    for other in ("https://receiver.example:8443/a", "http://receiver.example:443/a", "https://other.example/a", "", "https://"):
        assert not leads_to_the_same("https://receiver.example/a", other)


class Counted(asyncio.Protocol):
    """A server that counts who is connected to it, and answers nothing."""

    connected = 0
    ever = 0

    def connection_made(self, _: asyncio.BaseTransport) -> None:
        Counted.connected += 1
        Counted.ever += 1

    def connection_lost(self, _: Exception | None) -> None:
        Counted.connected -= 1


@contextlib.asynccontextmanager
async def counted() -> AsyncIterator[int]:
    """Its port."""
    Counted.connected = Counted.ever = 0
    server = await asyncio.get_running_loop().create_server(Counted, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_two_names_at_one_address_share_no_connection() -> None:
    """A certificate was checked for one name; the other's notices do not travel over it. One name's do."""
    async with counted() as port:
        lines = Lines(authorities())
        for name in ("one.example", "two.example", "one.example"):
            await lines.give_back(await lines.take(Target("http", name, port, "/", "127.0.0.1")))
        assert (len(lines), Counted.ever) == (2, 2)
        await lines.close()


async def test_a_name_that_leads_elsewhere_now_is_connected_to_anew() -> None:
    """What was vetted is the address: a connection to an earlier one is not used for it."""
    async with counted() as port:
        lines = Lines(authorities())
        await lines.give_back(await lines.take(Target("http", "one.example", port, "/", "127.0.0.1")))
        with pytest.raises(Exception, match="."):
            await lines.take(Target("http", "one.example", port, "/", "127.0.0.9"))
        assert len(lines) == 0
        await lines.close()


async def test_destinations_without_number_do_not_pile_up() -> None:
    """Subscribers choose destinations: connections that are not in use are given up beyond a limit."""
    async with counted() as port:
        lines = Lines(authorities())
        for number in range(MOST_DESTINATIONS + 10):
            await lines.give_back(await lines.take(Target("http", f"r{number}.example", port, "/", "127.0.0.1")))
        assert len(lines) == MOST_DESTINATIONS
        await until(lambda: Counted.connected == MOST_DESTINATIONS)
        await lines.close()
        await until(lambda: Counted.connected == 0)


async def test_four_at_a_time_go_to_one_destination() -> None:
    """The fifth waits until one of them is done, whoever wants it; another destination's do not."""
    async with counted() as port:
        lines = Lines(authorities())
        there, elsewhere = (Target("http", f"{name}.example", port, "/", "127.0.0.1") for name in ("one", "two"))
        taken = [await lines.take(there) for _ in range(4)]
        fifth = asyncio.create_task(lines.take(there))
        await lines.give_back(await lines.take(elsewhere))
        assert not fifth.done()
        await lines.give_back(taken.pop())
        taken.append(await fifth)
        for line in taken:
            await lines.give_back(line)
        assert Counted.ever == 5, "four there and one elsewhere"
        await lines.close()
