"""What goes on beside the requests: delivery, sealing, signed heads of the log, agreements put in force elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from gateway.deployment import Gateway, unsigned_agreements
from gateway.exchanges.agreements_in_force import compiled
from gateway.exchanges.context import Context
from gateway.store import agreements
from gateway.store.ledger_postgres import PostgresLedger
from gateway.store.sql import Read
from gateway.store.standing import STANDING
from gateway.store.upkeep import keep_up

log = logging.getLogger("gateway")

SEAL_EVERY = 0.5  # seconds, PostgreSQL
FOLLOW_EVERY = 0.5  # seconds: how soon agreements that were published elsewhere are taken up


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
