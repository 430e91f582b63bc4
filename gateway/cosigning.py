"""Having our heads signed by other agencies: each witness is asked after each new head, and from time to time without one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.audit.checkpoint import BadCheckpoint, Key
from gateway.audit.cosignature import answered
from gateway.audit.merkle import verify_consistency
from gateway.audit.submission import Submission
from gateway.audit.vouched import INCONSISTENT, REFUSES, SIGNS, SILENT, Vouched
from gateway.partners.witnesses import Replied
from gateway.store import clock, witnesses
from gateway.store.ledger import Ledger
from gateway.store.log_tree import prove_consistency
from gateway.store.sql import Read
from gateway.store.upkeep import Rewritten, Signed, keep_up, last_signed, read_signed
from gateway.store.vault import Vault

log = logging.getLogger("gateway.cosigning")

AGAIN_AFTER = 10 * 60 * clock.SECOND  # a head that has not grown is signed anew, so that silence can be told from quiet
SIZE_KIND = "text/x.tlog.size"


class Post(Protocol):
    """The way to a witness."""

    async def post(self, url: str, text: str) -> Replied: ...


class Asked(NamedTuple):
    """A witness as it is asked."""

    name: str
    key: Key
    url: str
    known: int


@dataclass(frozen=True, slots=True)
class Desk:
    """What a round of asking stands on."""

    ledger: Ledger
    vault: Vault
    way: Post


async def sign_and_ask(desk: Desk, vouched: Vouched) -> None:
    """One round: sign the head if it has grown, have it signed, and take up how it stands."""
    try:
        await keep_up(desk.ledger, desk.vault)
    except Rewritten:
        log.critical("the access log is not the one that was signed before; nothing is signed, run gateway audit verify")
        for row in (await desk.ledger.read([Read(witnesses.WITNESSES)]))[0]:
            await desk.ledger.run_alone(witnesses.store_told, witnesses.Told(row[0], INCONSISTENT))
    else:
        await ask_witnesses(desk, clock.now())
    await take_up(desk.ledger, vouched)


async def take_up(ledger: Ledger, vouched: Vouched) -> None:
    """Take up how it stands with all witnesses, as any worker found it."""
    vouched.take(witnesses.states((await ledger.read([Read(witnesses.STATES)]))[0]))


async def ask_witnesses(desk: Desk, now: int) -> None:
    """Have the last signed head signed by each witness that has not, or not lately. One that fails delays no other's turn."""
    (rows,) = await desk.ledger.read([Read(witnesses.WITNESSES)])
    signed = await last_signed(desk.ledger, desk.vault) if rows else None
    if signed is None:
        return
    for name, key, url, state, known, vouched, _ in rows:
        if known != signed.head.size or state != SIGNS or now - vouched > AGAIN_AFTER:
            told = await _ask(desk, Asked(name, Key.parse(key), url, known), signed)
            if told.state not in (state, SIGNS):
                log.error("a witness does not sign the head of the access log", extra={"state": told.state})
            await desk.ledger.run_alone(witnesses.store_told, told)


async def _ask(desk: Desk, one: Asked, signed: Signed) -> witnesses.Told:
    """Ask one witness; once more from the size that it knows, where it knows another than we thought."""
    size = signed.head.size
    old = min(one.known, size)
    replied = await _submit(desk, one, signed, old)
    known = _size_in(replied)
    if known is not None and known > size:
        return witnesses.Told(one.name, INCONSISTENT)  # it has signed entries that are not in this log any more
    if known is not None and known != old:
        old = known
        replied = await _submit(desk, one, signed, old)
    if replied.status == 200:
        return _taken(one, signed, replied.text)
    if replied.status == 422 or _size_in(replied) == old:
        return witnesses.Told(one.name, await _who_is_wrong(desk, one, signed, old))
    return witnesses.Told(one.name, REFUSES if 400 <= replied.status < 500 else SILENT)


async def _submit(desk: Desk, one: Asked, signed: Signed, old: int) -> Replied:
    proof = await prove_consistency(desk.ledger, old, signed.head.size) if old else ()
    return await desk.way.post(one.url, Submission(old, proof, signed.note).text())


def _taken(one: Asked, signed: Signed, text: str) -> witnesses.Told:
    try:
        given = answered(signed.note, text, one.key)
    except BadCheckpoint:
        return witnesses.Told(one.name, REFUSES)
    return witnesses.Told(one.name, SIGNS, signed.head.size, given.line, given.at)


def _size_in(replied: Replied) -> int | None:
    """The size in a 409, if it is one of this protocol."""
    text = replied.text.strip()
    if replied.status != 409 or not replied.kind.startswith(SIZE_KIND) or not (text.isascii() and text.isdigit()):
        return None
    return int(text[:19])


async def _who_is_wrong(desk: Desk, one: Asked, signed: Signed, old: int) -> str:
    """A witness finds our tree to be another one. Where it signed the head of that size and ours goes on from there, it errs."""
    (rows,) = await desk.ledger.read([Read(witnesses.COSIGNED_NOTE, {"size": old, "witness_name": one.name})])
    if not rows:
        return INCONSISTENT
    then, now = read_signed(desk.vault, rows[0][0], signed.restores).head, signed.head
    proof = await prove_consistency(desk.ledger, old, now.size)
    return REFUSES if verify_consistency(old, now.size, then.root, now.root, proof) else INCONSISTENT
