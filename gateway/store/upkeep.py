"""Housekeeping: signed heads of the access log (C2SP tlog-checkpoint), assertions that have run out, quotas of past hours."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, bindparam, delete

from gateway.audit.checkpoint import sign
from gateway.audit.merkle import Frontier
from gateway.store.audit_log import ADD_CHECKPOINT, HEAD, LAST_CHECKPOINT
from gateway.store.charges import FORGET_CHARGES, hour_mark
from gateway.store.ledger import Ledger, Moment, Upkeep
from gateway.store.sql import Read, Statement, Write
from gateway.store.tables import seen_assertion
from gateway.store.vault import Vault

FORGET = Statement(delete(seen_assertion).where(seen_assertion.c.expires < bindparam("at", type_=BigInteger)))
MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose log it is, and the key that signs for it."""

    name: str
    vault: Vault


def origin_of(vault: Vault) -> str:
    """The origin line of this deployment's log: stays the same for as long as its signing key does."""
    mark = hashlib.sha256(vault.signing.public_key().public_bytes_raw()).hexdigest()[:16]
    return f"gateway.example/access-log/{mark}"


async def keep_up(ledger: Ledger, vault: Vault) -> int:
    """Sign the head of the log if it has grown since; gives its size."""
    size: int = await ledger.run_alone(_sign, Origin(origin_of(vault), vault))
    return size


def _sign(_: Any, origin: Origin, moment: Moment) -> Generator[Any, Any, Upkeep[int]]:
    head = Frontier.from_bytes((yield Read(HEAD))[0][0])
    last = yield Read(LAST_CHECKPOINT)
    yield Write(FORGET, {"at": moment.at - MINUTE})
    yield Write(FORGET_CHARGES, {"before": hour_mark(moment.at - MINUTE)})
    if head.size == 0 or (last and last[0][0] == head.size):
        return Upkeep(head.size)
    note = sign(origin.name, head.size, head.root(), origin.vault.signing)
    row = {"size": head.size, "note": note, "signed": moment.at}
    return Upkeep(head.size, (Write(ADD_CHECKPOINT, row),))
