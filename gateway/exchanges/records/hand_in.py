"""A file handed in to be loaded while its sender waits elsewhere: taken in whole and durable, asked after, given up; on record.

It belongs to the client and user who handed it in. Its parts are sealed, and are deleted when it is in or given up; its report
is kept for a week.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import check_current, line
from gateway.fhir.outcomes import NotFound, TooLarge, TooMany
from gateway.store import clock, handed_in
from gateway.store.ledger import Ledger, Moment, Outcome, Story
from gateway.store.sql import Read, Write
from gateway.store.vault import open_sealed, seal

NAME: Final = "hand_in"
ARRIVES_WITHIN: Final = 6 * clock.HOUR
KEPT: Final = 7 * clock.DAY
PART_BYTES: Final = 256 << 10
MOST_WAITING: Final = 16  # files of one agency that are not in yet
GONE: Final = "There is no such load here: it was ended, its report has expired, or it is another's."
BUSY: Final = f"{MOST_WAITING} files of your organisation are still to be loaded. Send this one when some of them are in."


@dataclass(frozen=True, slots=True)
class Handed:
    """A file that was handed in, as it stands. ``report`` is FHIR Parameters, None while it is loaded."""

    id: str
    requester: Requester
    format: str
    request_id: str = ""
    digest: str = ""
    size: int = 0
    records: int = 0
    report: dict[str, Any] | None = None
    expires: int = 0


@dataclass(frozen=True, slots=True)
class HandedOf:
    """A file by its id, for whoever asks."""

    requester: Requester
    id: str
    request_id: str = ""


async def take_in(ctx: Context, ledger: Ledger, file: Handed, body: AsyncIterator[bytes]) -> str:
    """Take a file in as it arrives, sealed part by part; gives its id once all of it is durable. Raises TooLarge, TooMany,
    and what reading the body raises: nothing of it is kept then."""
    file = replace(file, id=new_id())
    now = clock.now()
    row = {
        "id": file.id, "owner": _owner(ctx, file.requester), "agency": file.requester.agency, "body": _sealed(ctx, file),
        "state": handed_in.ARRIVING, "asked": now, "records": 0, "tries": 0, "leased_until": 0, "expires": now + ARRIVES_WITHIN,
    }  # fmt: skip
    await _check_room(ledger, file.requester.agency)
    await ledger.run_alone(handed_in.keep_file, row)
    try:
        whole = await _keep_parts(ctx, ledger, file, body)
        await ledger.run_alone(hand_in, whole)
    except BaseException:
        await ledger.run_alone(handed_in.drop_arriving, file.id)
        raise
    return file.id


async def _check_room(ledger: Ledger, agency: str) -> None:
    (rows,) = await ledger.read([Read(handed_in.WAITING_OF, {"agency": agency, "at": clock.now()})])
    if rows[0][0] >= MOST_WAITING:
        raise TooMany(BUSY, code="throttled", headers={"Retry-After": "60"})


async def _keep_parts(ctx: Context, ledger: Ledger, file: Handed, body: AsyncIterator[bytes]) -> Handed:
    digest, size, number, held = hashlib.sha256(), 0, 0, bytearray()
    async for piece in body:
        size += len(piece)
        if size > ctx.most_handed_in:
            raise TooLarge(f"The file is larger than {ctx.most_handed_in} bytes: send it in parts, or ask for gateway load.")
        digest.update(piece)
        held += piece
        while len(held) >= PART_BYTES:
            await _keep_part(ctx, ledger, file.id, number, bytes(held[:PART_BYTES]))
            del held[:PART_BYTES]
            number += 1
    await _keep_part(ctx, ledger, file.id, number, bytes(held))
    return replace(file, digest=digest.hexdigest(), size=size)


async def _keep_part(ctx: Context, ledger: Ledger, file: str, number: int, part: bytes) -> None:
    sealed = seal(_shelf(ctx), part, f"{file}/{number}")
    await ledger.run_alone(handed_in.keep_part, {"file": file, "number": number, "body": sealed})


def hand_in(ctx: Context, file: Handed, moment: Moment) -> Story[None]:
    """A file is in as a whole, and waits to be loaded. Raises NotFound where it took too long to arrive."""
    check_current(file.requester, moment)
    if not (yield Write(handed_in.TAKE_IN, {"file_id": file.id, "sealed": _sealed(ctx, file), "now": moment.at})):
        raise NotFound(GONE)
    return Outcome(None, (_line(file.requester, moment, file.request_id, ("format", file.format), ("result", "taken-in")),))


def settle_hand_in(ctx: Context, settled: tuple[Handed, int], moment: Moment) -> Story[bool]:
    """A file has been loaded as far as it can be, and has its report; false where this worker has lost it meanwhile."""
    file, was = settled
    params = {"file_id": file.id, "was": was, "sealed": _sealed(ctx, file), "until": moment.at + KEPT}
    done = yield Write(handed_in.SETTLE, params)
    result = "reported" if done else "lost"
    return Outcome(bool(done), (_line(file.requester, moment, file.request_id, ("format", file.format), ("result", result)),))


def end_hand_in(ctx: Context, wanted: HandedOf, moment: Moment) -> Story[None]:
    """Give a file up: no more of it is loaded, what is in stays. Raises NotFound where it is not the caller's."""
    check_current(wanted.requester, moment)
    if not (yield Write(handed_in.DROP_FILE, {"file_id": wanted.id, "owner": _owner(ctx, wanted.requester)})):
        raise NotFound(GONE)
    return Outcome(None, (_line(wanted.requester, moment, wanted.request_id, ("result", "ended")),))


async def handed_of(ctx: Context, ledger: Ledger, wanted: HandedOf) -> Handed:
    """A file of the caller's. Raises NotFound."""
    params = {"file_id": wanted.id, "owner": _owner(ctx, wanted.requester), "at": clock.now()}
    (rows,) = await ledger.read([Read(handed_in.OWN_FILE, params)])
    if not rows:
        raise NotFound(GONE)
    sealed, _, records, expires = rows[0]
    return replace(_opened(ctx, wanted.id, bytes(sealed)), records=records, expires=expires)


async def handed_by_id(ctx: Context, ledger: Ledger, file: str) -> Handed | None:
    """A file for the worker that has it; None where its sender has given it up."""
    (rows,) = await ledger.read([Read(handed_in.BODY, {"file_id": file})])
    return _opened(ctx, file, bytes(rows[0][0])) if rows else None


def open_part(ctx: Context, file: str, number: int, sealed: bytes) -> bytes:
    """The bytes of a part. Raises Broken."""
    return open_sealed(_shelf(ctx), sealed, f"{file}/{number}")


def _sealed(ctx: Context, file: Handed) -> bytes:
    who = {"client_id": file.requester.client_id, "agency": file.requester.agency}
    who |= {"user": file.requester.user, "role": file.requester.role}
    told = {"format": file.format, "request_id": file.request_id, "digest": file.digest, "size": file.size}
    return seal(_shelf(ctx), orjson.dumps({"requester": who, **told, "report": file.report}), file.id)


def _opened(ctx: Context, identifier: str, sealed: bytes) -> Handed:
    """What was sealed. The token of who handed it in was looked at then, and counts until the file is in."""
    body = orjson.loads(open_sealed(_shelf(ctx), sealed, identifier))
    requester = Requester(scopes=frozenset(), **body.pop("requester"))
    return Handed(identifier, requester, **body)


def _shelf(ctx: Context) -> AESGCM:
    return ctx.vault.shelf("handed-in")


def _owner(ctx: Context, requester: Requester) -> bytes:
    return ctx.vault.token("handed-in", requester.agency, requester.client_id, requester.user)


def _line(requester: Requester, moment: Moment, request_id: str, *detail: tuple[str, str]) -> Entry:
    return line(NAME, requester, moment, Kind.RECEIVED, DONE, request_id=request_id, detail=detail)
