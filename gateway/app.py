"""The only place where objects are wired: settings to keys, database, context, ledger, deliverer and the HTTP app."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import ipaddress
import logging
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import __version__
from gateway.api import openapi
from gateway.api.application import App
from gateway.api.edge import Edge, OurFault, Served, from_http_exception, outcome_response
from gateway.api.identifiers import register_convertors
from gateway.api.operations import OPERATIONS
from gateway.api.tokens import AccessTokens, SigningKey
from gateway.deliverer import Deliverer
from gateway.disclosure.agreements import Documents, documents_in
from gateway.disclosure.purposes import load_purposes
from gateway.disclosure.wording import load_wording
from gateway.exchanges.agreements_in_force import compiled, take_up
from gateway.exchanges.context import Context
from gateway.mapping.load import load
from gateway.notification.schedule import STEPS
from gateway.notification.topics import load_topics
from gateway.partners.delivery import Courier
from gateway.settings import Settings
from gateway.store import agreements, migrate
from gateway.store.ledger import Ledger
from gateway.store.ledger_postgres import PostgresLedger
from gateway.store.ledger_sqlite import SqliteLedger
from gateway.store.sql import Read
from gateway.store.standing import STANDING
from gateway.store.upkeep import keep_up
from gateway.store.vault import KeyFault, Vault, load_keys, make_keys

log = logging.getLogger("gateway")

SEAL_EVERY = 0.5  # seconds, PostgreSQL
FOLLOW_EVERY = 0.5  # seconds: how soon agreements that were published elsewhere are taken up
EXAMPLE_BASE = "https://gateway.example/fhir"


class StartRefused(Exception):
    """The gateway does not start; the text says in one plain line why."""


@dataclass(slots=True)
class Gateway:
    """A wired gateway: what ``serve``, ``deliver`` and the administration commands run on."""

    settings: Settings
    context: Context
    ledger: Ledger
    edge: Edge
    deliverer: Deliverer


def prepare(settings: Settings) -> Vault:
    """Keys and database of a deployment, made on a first start. Raises StartRefused."""
    database = _database(settings)
    first = isinstance(database, Path) and not database.exists()
    if not settings.keys_folder.exists():
        if not first:  # gateway migrate makes the keys of a new PostgreSQL deployment
            raise StartRefused(f"the keys {settings.keys_folder} are missing: restore them; without them nothing can be opened")
        make_keys(settings.keys_folder, settings.kind)
        log.warning(
            "new keys were made: back them up apart from the data; lost, nothing can be opened again",
            extra={"folder": str(settings.keys_folder)},
        )
    try:
        vault = load_keys(settings.keys_folder)
    except KeyFault as fault:
        raise StartRefused(str(fault)) from fault
    if vault.kind != settings.kind:
        raise StartRefused(
            f"the keys in {settings.keys_folder} belong to a {vault.kind} deployment, this is a {settings.kind} one"
        )
    if first:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        migrate.upgrade(migrate.engine_of(database), settings.kind)
    _refuse_unfit(settings)
    try:
        migrate.check(migrate.engine_of(database), settings.kind, vault)
    except migrate.DatabaseFault as fault:
        raise StartRefused(str(fault)) from fault
    return vault


def _refuse_unfit(settings: Settings) -> None:
    """What a production deployment must not run with."""
    if settings.kind != "production":
        return
    if settings.canonical_base == EXAMPLE_BASE:
        raise StartRefused("production needs a canonical base of its own: set GATEWAY_CANONICAL_BASE")
    if not settings.url.startswith("https://"):
        raise StartRefused("production is reached over https: set GATEWAY_URL to its https address")


def refuse_unsigned(settings: Settings) -> None:
    """Production shares by published agreements alone; a folder of others would look as if it counted. Raises StartRefused."""
    if settings.kind == "production" and (found := documents_in(settings.agreements)):
        raise StartRefused(
            f"production takes no unsigned agreements, and {settings.agreements} holds {found[0][0]}: "
            "have it signed, run gateway agreements publish, and keep the file elsewhere"
        )


def unsigned_agreements(settings: Settings) -> Documents:
    """The documents of the folder, by which demo and test deployments share besides; in production there are none."""
    return [] if settings.kind == "production" else documents_in(settings.agreements)


def _database(settings: Settings) -> Path | str:
    return settings.database_url if settings.on_postgres else settings.database_file


def make_context(settings: Settings, vault: Vault) -> Context:
    """Policy, maps, topics and wording, compiled. Raises ValueError naming file and line, DatabaseFault."""
    purposes = load_purposes(settings.mappings / "purposes.toml")
    wording = tomllib.loads((settings.mappings / "cards" / "explanations.toml").read_text())
    return Context(
        vault=vault,
        agreements=compiled(vault, purposes, agreements.stored_at(_database(settings)), unsigned_agreements(settings)),
        purposes=purposes,
        explanations=_Explanations(
            {f"{mode}/{answer}": text for mode, lines in wording.items() for answer, text in lines.items()}
        ),
        topics=load_topics(settings.mappings / "topics"),
        mappings=_mappings(settings.mappings),
        url=f"{settings.url.rstrip('/')}/fhir",
        base=settings.canonical_base,
        loopback_allowed=settings.kind != "production",
        quota=settings.quota_persons_per_hour,
        wording=load_wording(settings.mappings / "cards"),
    )


_mappings = cache(load)  # the maps of a folder are compiled once in a process


class _Explanations(dict[str, str]):
    """Texts by mode and answer; a pair that cannot occur has the most careful text."""

    def __missing__(self, key: str) -> str:
        return self["wish/no-information"]


async def open_gateway(settings: Settings) -> Gateway:
    """Wire everything. Raises StartRefused in one plain line."""
    vault = prepare(settings)
    try:
        context = make_context(settings, vault)
    except ValueError as fault:
        raise StartRefused(str(fault)) from fault
    ledger: Ledger
    if settings.on_postgres:
        postgres = PostgresLedger(settings.database_url, context, vault)
        await postgres.start()
        ledger = postgres
    else:
        ledger = SqliteLedger(settings.database_file, context, vault)
    courier = Courier(context.loopback_allowed, _networks(settings))
    deliverer = Deliverer(ledger, context, courier, settings.retry_steps or STEPS)
    root = settings.url.rstrip("/")
    tokens = AccessTokens(root, context.url, SigningKey.from_pem((settings.keys_folder / "tokens.pem").read_bytes()))
    edge = Edge(ledger, context, tokens, f"{root}/oauth2/token", SCOPES, _interactions(), wake=deliverer.wake)
    return Gateway(settings, context, ledger, edge, deliverer)


SCOPES = (
    "system/$known-to-services", "system/$check-share", "system/$process-message", "system/records.c", "system/AuditEvent.rs",
    "system/$shield", "system/review.us", "system/Consent.crus", "system/Flag.crus", "system/Patient.rs", "system/RelatedPerson.crus", "system/Subscription.cruds",
)  # fmt: skip


def _interactions() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for operation in OPERATIONS:
        if operation.type and operation.interaction:
            found.setdefault(operation.type, []).append(operation.interaction)
    return found


def _networks(settings: Settings) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in settings.private_receivers.split(",") if part.strip())
    except ValueError as fault:
        raise StartRefused(f"setting GATEWAY_PRIVATE_RECEIVERS: {fault}") from fault


async def close_gateway(gateway: Gateway) -> None:
    """Let what is under way finish, then close connections and files."""
    await gateway.deliverer.courier.close()
    await gateway.ledger.close()


def hold_folder(settings: Settings) -> Any:
    """One embedded folder has one long-lived process. Raises StartRefused where another has it."""
    if settings.on_postgres:
        return None
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = open(settings.data / "lock", "w")  # noqa: SIM115 - held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StartRefused(f"another gateway is serving from {settings.data}: stop it first") from None
    return lock


def make_app(settings: Settings) -> App:
    """The HTTP application. Starting it wires the gateway; stopping it lets what is under way finish."""
    register_convertors()

    @contextlib.asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        lock = hold_folder(settings)
        gateway = app.state.gateway = await open_gateway(settings)
        refuse_unsigned(settings)
        gateway.context.agreements.become(await gateway.ledger.run_alone(take_up, unsigned_agreements(settings)))
        routes = _routes(gateway.edge)
        app.router.routes[:0] = routes
        app.fixed = {(method, one.path): one.app for one in routes if "{" not in one.path for method in _methods(one)}
        tasks = background(gateway)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 10, 10)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await close_gateway(gateway)
            if lock is not None:
                lock.close()

    app = App(
        title="Think Family Gateway",
        version=__version__,
        lifespan=lifespan,
        openapi_url="/openapi.json",
        redoc_url=None,
        redirect_slashes=False,
    )
    app.fixed = {}
    app.openapi = openapi.document  # type: ignore[method-assign]  # FastAPI's own way to serve another document
    app.add_exception_handler(HTTPException, _http_fault)
    app.add_exception_handler(Exception, _our_fault)
    return app


def _routes(edge: Edge) -> list[Route]:
    return [
        Route(_starlette_path(one.path), Served(edge, one.name, one.handler, one.type), methods=[one.method])
        for one in OPERATIONS
    ]


def _methods(route: Route) -> list[str]:
    return sorted((route.methods or set()) - {"HEAD"})


def _starlette_path(path: str) -> str:
    return path.replace("{id}", "{id:fhirid}").replace("{version}", "{version:fhirid}")


def background(gateway: Gateway) -> list[asyncio.Task[None]]:
    """What goes on beside the requests: delivery, sealing (PostgreSQL), signed heads of the log, agreements of others."""
    tasks = [asyncio.create_task(_sign_heads(gateway)), asyncio.create_task(follow(gateway))]
    if gateway.settings.deliver:
        tasks.append(asyncio.create_task(gateway.deliverer.run()))
    if isinstance(gateway.ledger, PostgresLedger):
        tasks.append(asyncio.create_task(_seal(gateway.ledger)))
    return tasks


async def follow(gateway: Gateway) -> None:
    """Take up what other processes put in force, for ever. What cannot be taken up is refused by, lookup for lookup."""
    told = ""
    while True:
        await asyncio.sleep(FOLLOW_EVERY)
        try:
            state = await follow_once(gateway)
        except Exception:
            state = "unreadable"
            if told != state:
                log.exception("the agreements in force cannot be taken up; trying again, and deciding by no others meanwhile")
        if state not in ("", "unreadable", told):
            log.warning("other agreements are in force than this process has; it answers nothing until they are the same")
        told = state


async def follow_once(gateway: Gateway) -> str:
    """Take up the agreements in force where they have changed; gives their version where this process has others."""
    mine = gateway.context.agreements
    ((standing,),) = await gateway.ledger.read([Read(STANDING)])
    if standing[0] == mine.version:
        return ""
    ((standing,), *stored) = await gateway.ledger.read([Read(STANDING), *agreements.STORED])
    folder = unsigned_agreements(gateway.settings)
    found = await asyncio.to_thread(compiled, gateway.context.vault, gateway.context.purposes, stored, folder)
    if found.version != standing[0]:
        return str(standing[0])
    mine.become(found)
    log.info("other agreements were put in force")
    return ""


async def _seal(ledger: PostgresLedger[Context]) -> None:
    while True:
        try:
            sealed = await ledger.seal()
        except Exception:
            log.exception("the access log could not be sealed; trying again")
            sealed = 0
        if not sealed:
            await asyncio.sleep(SEAL_EVERY)


async def _sign_heads(gateway: Gateway) -> None:
    """Sign the head of the log at least every minute, if it has grown."""
    while True:
        await asyncio.sleep(min(gateway.settings.checkpoint_seconds, 60.0))
        with contextlib.suppress(Exception):
            await keep_up(gateway.ledger, gateway.context.vault)


def _http_fault(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    return outcome_response(from_http_exception(fault), request)


def _our_fault(request: Request, fault: Exception) -> Response:
    return outcome_response(OurFault("Something went wrong on our side. Please try again."), request)
