"""Receivers of notices as agencies run them, well and badly, and what is needed to have something to tell them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gateway.demo import people
from gateway.demo.people import Person
from gateway.demo.receiver import number_of, topic_of
from gateway.identity import nhs_number
from tests.world import World

Behaviour = Callable[[BaseHTTPRequestHandler, int], None]


def status(code: int, **headers: str) -> Behaviour:
    """Answer with this status and nothing else."""

    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", "Connection": "close", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return answer


def in_turn(*codes: int) -> Behaviour:
    """Answer with these statuses one after the other, then with 200."""
    return lambda handler, count: status(codes[count - 1] if count <= len(codes) else 200)(handler, count)


@dataclass
class Got:
    """One post as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def bundle(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Desk:
    """An endpoint on this machine that answers as ``behaviour`` says and keeps what came."""

    behaviour: Behaviour = field(default_factory=lambda: status(200))
    got: list[Got] = field(default_factory=list)
    most_at_once: int = 0
    port: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def up(self) -> Desk:
        """Listen, at the same port as before."""
        desk = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # whoever posted it gave up on the way: nothing came
                with desk._lock:
                    desk.got.append(
                        Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body, time.monotonic())
                    )
                    count = len(desk.got)
                    desk._at_once += 1
                    desk.most_at_once = max(desk.most_at_once, desk._at_once)
                try:
                    with contextlib.suppress(OSError):
                        desk.behaviour(self, count)
                finally:
                    with desk._lock:
                        desk._at_once -= 1
                    self.close_connection = True

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        ThreadingHTTPServer.allow_reuse_address = True
        ThreadingHTTPServer.daemon_threads = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client goes away on purpose
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def down(self) -> None:
        """Stop listening: connections are refused."""
        self.stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def hang(self, handler: BaseHTTPRequestHandler, _: int) -> None:
        """Say nothing at all."""
        self.stopping.wait(30)

    def slow_head(self, handler: BaseHTTPRequestHandler, _: int) -> None:
        """One byte of an answer's head at a time."""
        for sign in b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 10_000:
            handler.wfile.write(bytes([sign]))
            handler.wfile.flush()
            if self.stopping.wait(0.05):
                return

    def slow_body(self, handler: BaseHTTPRequestHandler, _: int) -> None:
        """200 at once, then a body that never ends."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(10_000):
            handler.wfile.write(b"a")
            handler.wfile.flush()
            if self.stopping.wait(0.05):
                return

    def huge_body(self, handler: BaseHTTPRequestHandler, _: int) -> None:
        """200 and as much as anybody will read."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
        while not self.stopping.is_set():
            handler.wfile.write(chunk)

    def nonsense(self, handler: BaseHTTPRequestHandler, _: int) -> None:
        """Bytes that are no HTTP."""
        handler.wfile.write(b"\x00\xff 200 perhaps\r\n\r\n")

    def hangs_up(self, handler: BaseHTTPRequestHandler, _: int) -> None:
        """Close in the middle of the head."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        handler.wfile.flush()

    def ids(self) -> list[str]:
        """The webhook ids of what came, repeats too."""
        return [one.headers["webhook-id"] for one in self.got]

    def numbers(self) -> list[int]:
        """The event numbers of what came, each notice once, in order of its first arrival."""
        first = {one.headers["webhook-id"]: one for one in reversed(self.got)}
        return [int(number_of(one.bundle)) for one in sorted(first.values(), key=lambda one: one.at)]

    def topics(self) -> list[str]:
        """The topics of what came, in order of arrival."""
        return [topic_of(one.bundle) for one in self.got]


@contextlib.contextmanager
def desk(behaviour: Behaviour | None = None) -> Iterator[Desk]:
    """A desk for a while; ``behaviour`` may be set later."""
    made = Desk(behaviour or status(200)).up()
    try:
        yield made
    finally:
        made.down()


def numbers(start: int) -> Iterator[str]:
    """Valid numbers of the test range, each once."""
    for body in range(999_200_000 + start, 999_999_999):
        for digit in range(10):
            if nhs_number.parse(f"{body}{digit}"):
                yield f"{body}{digit}"


def patients(count: int, start: int = 0) -> list[Person]:
    """People who do not exist, to be admitted."""
    found = zip(numbers(start), range(count), strict=False)
    return [Person(f"patient {place}", number, "1980-01-01", f"FAMILY{place}", f"GIVEN{place}") for number, place in found]


async def admit(world: World, some: list[Person], event: str = "A01", stay: str = "") -> None:
    """The trust's messages about them, in one file; ``stay`` names another stay than the first."""
    messages = (people.adt(event, person, f"N{person.nhs}") for person in some)
    file = "".join(message.replace("|VN", f"|V{stay}N") for message in messages)
    counts = await world.as_("trust-epr").sends("hl7v2-adt", file)
    assert counts["accepted"] == len(some)


async def subscribe(asker: Any, body: dict[str, Any]) -> dict[str, Any]:
    """A subscription through the API."""
    made = await asker.post("/fhir/Subscription", body)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def council_hears_of(
    world: World, some: list[Person], url: str, topic: str = "known-status-changed", **channel: Any
) -> list[str]:
    """The council's social worker subscribes, under the duty to share, to each of these; gives the subscriptions' ids."""
    found = []
    for person in some:
        body = people.subscription(person, topic, url, "duty-to-share-16la", case="C-9", reason="The plan rests on it")
        found.append(str((await subscribe(world.social_worker(), {**body, "channel": {**body["channel"], **channel}}))["id"]))
    return found


@contextlib.asynccontextmanager
async def delivering(world: World) -> AsyncIterator[None]:
    """The world's deliverer at work beside the test."""
    task = asyncio.create_task(world.gateway.deliverer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until something holds; fail where it does not come to. Looks less often as time goes by: others want the machine."""
    end, pause = time.monotonic() + seconds, 0.005
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.1)
