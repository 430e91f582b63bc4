"""What goes on beside the requests: delivery, sealing, signed heads of the log, agreements put in force elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from gateway.cosigning import Desk, sign_and_ask, take_up
from gateway.deployment import Gateway, unsigned_agreements
from gateway.erasing import keeping_register
from gateway.exchanges.agreements.agreements_in_force import compiled
from gateway.exchanges.context import Context
from gateway.follow_up import follow_up
from gateway.handed_in import load_handed_in
from gateway.heartbeats import send_heartbeats
from gateway.metrics import serve_metrics
from gateway.partners.witnesses import Asking
from gateway.reconciling import find_daily
from gateway.store import agreements, clock
from gateway.store.ledger_postgres import PostgresLedger
from gateway.store.ledger_sequencer import TURN
from gateway.store.sql import Read
from gateway.store.standing import STANDING

log = logging.getLogger("gateway")

SEAL_EVERY = 0.5  # seconds, PostgreSQL: how soon sealing begins where there was nothing to seal
SEAL_AGAIN = 0.1  # ... and where there was: each turn is a commit of its own, and its entries are read and sent
LOOK_EVERY = 600.0  # seconds: how soon after midnight (UTC) the day's reconciliation begins
BEAT_EVERY = 5.0  # seconds: how soon a heartbeat that is due goes out
LOAD_EVERY = 0.5  # seconds: how soon a file that was handed in is begun
FOLLOW_EVERY = 0.5  # seconds: how soon agreements that were published elsewhere are taken up


def background(gateway: Gateway) -> list[asyncio.Task[None]]:
    """What goes on beside the requests: delivery, sealing (PostgreSQL), signed heads of the log, agreements of others."""
    tasks = [
        asyncio.create_task(_sign_heads(gateway)),
        asyncio.create_task(follow(gateway)),
        asyncio.create_task(_reconcile(gateway)),
        asyncio.create_task(keeping_register(gateway.ledger, gateway.settings.keys_folder)),
        asyncio.create_task(loading(gateway)),
    ]
    if gateway.settings.deliver:
        tasks.append(asyncio.create_task(gateway.deliverer.run()))
        tasks.append(asyncio.create_task(following_up(gateway)))
        tasks.append(asyncio.create_task(heartbeats(gateway)))
    if gateway.settings.metrics_port:
        tasks.append(asyncio.create_task(metering(gateway)))
    if isinstance(gateway.ledger, PostgresLedger):
        tasks.append(asyncio.create_task(_seal(gateway.ledger)))
    return tasks


async def following_up(gateway: Gateway) -> None:
    """Follow notices and messages up, for ever, by the ways of the deliverer."""
    deliverer = gateway.deliverer
    await follow_up(gateway.ledger, gateway.context, deliverer.courier, deliverer.steps)


async def metering(gateway: Gateway) -> None:
    """Tell the figures for monitoring, where a port is set."""
    if gateway.settings.metrics_port:
        await serve_metrics(gateway.ledger, gateway.deliverer, gateway.settings.metrics_port)


async def heartbeats(gateway: Gateway) -> None:
    """Send heartbeats that are due, for ever, by the ways of the deliverer."""
    while True:
        try:
            sent = await send_heartbeats(gateway.ledger, gateway.context, gateway.deliverer.courier)
        except Exception:
            log.exception("heartbeats could not be sent; trying again")
            sent = 0
        if not sent:
            await asyncio.sleep(BEAT_EVERY)


async def loading(gateway: Gateway) -> None:
    """Load what was handed in, for ever, one file at a time."""
    while True:
        try:
            loaded = await load_handed_in(gateway.ledger, gateway.context, gateway.deliverer.wake)
        except Exception:
            log.exception("files that were handed in could not be loaded; trying again")
            loaded = False
        if not loaded:
            await asyncio.sleep(LOAD_EVERY)


async def follow(gateway: Gateway) -> None:
    """Take up what other processes put in force, for ever. What cannot be taken up is refused by, lookup for lookup."""
    told = ""
    while True:
        await asyncio.sleep(FOLLOW_EVERY)
        with contextlib.suppress(Exception):
            await take_up(gateway.ledger, gateway.context.vouched)
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
        if sealed < TURN:
            await asyncio.sleep(SEAL_AGAIN if sealed else SEAL_EVERY)


async def _sign_heads(gateway: Gateway) -> None:
    """Sign the head of the log at least every minute, if it has grown, and have other agencies sign it."""
    courier, vouched, said = gateway.deliverer.courier, gateway.context.vouched, "ok"
    desk = Desk(gateway.ledger, gateway.context.vault, Asking(courier.loopback_allowed, courier.allowed))
    while True:
        try:
            await sign_and_ask(desk, vouched)
        except Exception:
            log.exception("the head of the access log could not be signed; trying again")
        state = vouched.state(clock.now())
        if state not in ("ok", said):
            log.critical("no other agency vouches for the access log; see gateway audit witness list", extra={"state": state})
        said = state
        await asyncio.sleep(min(gateway.settings.checkpoint_seconds, 60.0))


async def _reconcile(gateway: Gateway) -> None:
    """Once a day, by one of all workers: what past lookups give cause to look at."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        try:
            await find_daily(gateway.ledger, gateway.context, clock.now())
        except Exception:
            log.exception("past lookups could not be gone through; what was missed is found tomorrow, or by gateway reviews find")
