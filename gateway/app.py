"""The only place where objects are wired: settings to keys, database, context, ledger, deliverer and the HTTP app."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import tomllib
from collections.abc import AsyncIterator
from functools import cache, partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import __version__
from gateway.api import definitions, openapi
from gateway.api.application import App
from gateway.api.cds_hooks_doors import Doors
from gateway.api.edge import Edge, OurFault, Served, from_http_exception, outcome_response
from gateway.api.identifiers import register_convertors, route_path
from gateway.api.operations import OPERATIONS
from gateway.api.scopes import SCOPES
from gateway.api.tokens import AccessTokens, SigningKey
from gateway.background import background
from gateway.cosigning import take_up as take_up_witnesses
from gateway.deliverer import Deliverer
from gateway.deployment import Gateway, StartRefused, database_of, hold_folder, prepare, refuse_unsigned, unsigned_agreements
from gateway.disclosure.purposes import load_purposes
from gateway.disclosure.subject_texts import load_subject_texts
from gateway.disclosure.wording import load_wording
from gateway.disclosure.working_days import load_holidays
from gateway.erasing import replay
from gateway.exchanges.agreements.agreements_in_force import compiled, take_up
from gateway.exchanges.context import Context
from gateway.listening import listen
from gateway.mapping.load import load
from gateway.notification.schedule import STEPS
from gateway.notification.topics import load_topics
from gateway.partners.delivery import Courier
from gateway.partners.issuers import Issuers
from gateway.partners.key_sets import KeySets
from gateway.partners.record_systems import RecordSystems
from gateway.settings import Settings
from gateway.store import agreements, clock
from gateway.store.ledger import Ledger
from gateway.store.ledger_postgres import PostgresLedger
from gateway.store.ledger_sqlite import SqliteLedger
from gateway.store.sql import Read
from gateway.store.standing import FEEDS, feeds_of
from gateway.store.vault import Vault
from gateway.web.routes import is_for_people, not_served
from gateway.web.routes import routes as page_routes
from gateway.web.visits import Web


def make_context(settings: Settings, vault: Vault) -> Context:
    """Policy, maps, topics and wording, compiled. Raises ValueError naming file and line, DatabaseFault."""
    purposes = load_purposes(settings.mappings / "purposes.toml")
    wording = tomllib.loads((settings.mappings / "cards" / "explanations.toml").read_text())
    return Context(
        vault=vault,
        agreements=compiled(vault, purposes, agreements.stored_at(database_of(settings)), unsigned_agreements(settings)),
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
        list_quota=settings.quota_listed_per_day,
        unapproved_maps=settings.unapproved_maps,
        most_records=settings.records_mb << 20,
        most_handed_in=settings.handed_in_mb << 20,
        wording=_wording(settings.mappings / "cards"),
        subject_texts=_subject_texts(settings.mappings / "subject_access"),
        holidays=load_holidays(settings.mappings / "bank_holidays.toml"),
    )


_mappings, _wording, _subject_texts = cache(load), cache(load_wording), cache(load_subject_texts)  # a folder once in a process


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
    courier = Courier(context.loopback_allowed, _networks(settings), library=settings.http_client)
    deliverer = Deliverer(ledger, context, courier, settings.retry_steps or STEPS)
    root = settings.url.rstrip("/")
    tokens = AccessTokens(root, context.url, SigningKey.from_pem((settings.keys_folder / "tokens.pem").read_bytes()))
    doors = Doors(KeySets(context.loopback_allowed, _networks(settings)))
    edge = Edge(
        ledger, context, tokens, f"{root}/oauth2/token", SCOPES, _interactions(),
        wake=deliverer.wake, hooks=doors, definitions=definitions.compiled(context),
    )  # fmt: skip
    return Gateway(settings, context, ledger, edge, deliverer)


async def open_web(gateway: Gateway) -> Web:
    """What the pages stand on; whom to ring is known from the start."""
    settings, context = gateway.settings, gateway.context
    (rows,) = await gateway.ledger.read([Read(FEEDS)])
    issuers = Issuers(context.loopback_allowed, _networks(settings))
    return Web(
        ledger=gateway.ledger,
        context=context,
        issuers=issuers,
        record_systems=RecordSystems(issuers),
        key=SigningKey.from_pem((settings.keys_folder / "tokens.pem").read_bytes()),
        root=settings.url.rstrip("/"),
        idle=settings.session_idle_minutes * 60 * clock.SECOND,
        lasts=settings.session_hours * clock.HOUR,
        kind=settings.kind,
        feeds=feeds_of(rows),
    )


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


def make_app(settings: Settings, *, alone: bool = False) -> App:
    """The HTTP application. Starting it wires the gateway; stopping it lets what is under way finish. Where it is
    ``alone`` in its process, what was loaded is put aside from the garbage collector."""
    register_convertors()

    @contextlib.asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        lock = hold_folder(settings)
        gateway = app.state.gateway = await open_gateway(settings)
        refuse_unsigned(settings)
        gateway.context.agreements.become(await gateway.ledger.run_alone(take_up, unsigned_agreements(settings)))
        await take_up_witnesses(gateway.ledger, gateway.context.vouched)
        await replay(gateway.ledger, settings.keys_folder)
        routes = _routes(gateway.edge)
        web = app.state.web = await open_web(gateway)
        app.router.routes[:0] = [*routes, *page_routes(web)]
        app.fixed = {(method, one.path): one.app for one in routes if "{" not in one.path for method in _methods(one)}
        listeners = await listen(gateway)
        tasks = background(gateway)
        if alone:
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 10, 10)
        try:
            yield
        finally:
            await listeners.stop()
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
        docs_url=None,  # a page of our own: gateway.web.calls
        redoc_url=None,
        redirect_slashes=False,
    )
    app.fixed = {}
    app.openapi = partial(openapi.document, settings.canonical_base)  # type: ignore[method-assign]  # FastAPI's own way to serve another document
    app.add_exception_handler(HTTPException, _http_fault)
    app.add_exception_handler(Exception, _our_fault)
    return app


def _routes(edge: Edge) -> list[Route]:
    return [
        Route(route_path(one.path), Served(edge, one.name, one.handler, one.type), methods=[one.method]) for one in OPERATIONS
    ]


def _methods(route: Route) -> list[str]:
    return sorted((route.methods or set()) - {"HEAD"})


def _http_fault(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    if is_for_people(request):
        return not_served(request.app.state.web, request, fault.status_code)
    return outcome_response(from_http_exception(fault), request)


def _our_fault(request: Request, fault: Exception) -> Response:
    return outcome_response(OurFault("Something went wrong on our side. Please try again."), request)
