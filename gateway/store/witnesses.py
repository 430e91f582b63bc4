"""Co-signing, as rows: the agencies that sign our heads, and the logs of others whose heads we sign.

Signing for another log is housekeeping, with no entry of its own: two gateways that witness each other would otherwise
grow each other's log for ever. Who is a witness, and of whom, is administration and on record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import BigInteger, LargeBinary, Text, bindparam, delete, select, update

from gateway.audit.checkpoint import COSIGNATURE, BadCheckpoint, Checkpoint, Key, parse_and_verify, parts
from gateway.audit.cosignature import cosign
from gateway.audit.merkle import EMPTY_ROOT, verify_consistency
from gateway.audit.submission import Submission
from gateway.audit.vouched import NEW, Witness
from gateway.store import clock
from gateway.store.ledger import Moment, Rows, Upkeep
from gateway.store.sql import Added, Read, Statement, Write
from gateway.store.tables import audit_checkpoint, audit_cosignature, audit_witness, witnessed_log
from gateway.store.vault import Vault

ADD_WITNESS, ADD_WITNESSED = Added(audit_witness), Added(witnessed_log)
ADD_COSIGNATURE = Added(audit_cosignature, new_only=True)
_NAME, _ORIGIN = bindparam("witness_name", type_=Text), bindparam("log_origin", type_=Text)
WITNESSES = Statement(select(*audit_witness.columns).order_by(audit_witness.c.name))
STATES = Statement(select(audit_witness.c.name, audit_witness.c.state, audit_witness.c.vouched))
DROP_WITNESS = Statement(delete(audit_witness).where(audit_witness.c.name == _NAME))
FORGET_STATES = Statement(update(audit_witness).values(state=NEW, known=0))
SET_STATE = Statement(update(audit_witness).where(audit_witness.c.name == _NAME).values(state=bindparam("new_state", type_=Text)))
SET_VOUCHED = Statement(
    update(audit_witness)
    .where(audit_witness.c.name == _NAME)
    .values(
        state=bindparam("new_state", type_=Text),
        known=bindparam("new_known", type_=BigInteger),
        vouched=bindparam("new_vouched", type_=BigInteger),
    )
)
COSIGNATURES = Statement(
    select(audit_cosignature.c.line)
    .where(audit_cosignature.c.size == bindparam("size", type_=BigInteger))
    .order_by(audit_cosignature.c.witness)
)
COSIGNED_NOTE = Statement(  # the head that a witness signed at a size, if it did
    select(audit_checkpoint.c.note)
    .join(audit_cosignature, audit_cosignature.c.size == audit_checkpoint.c.size)
    .where(audit_cosignature.c.size == bindparam("size", type_=BigInteger), audit_cosignature.c.witness == _NAME)
)
WITNESSED = Statement(select(*witnessed_log.columns).order_by(witnessed_log.c.origin))
LOG_OF = Statement(
    select(witnessed_log.c.key, witnessed_log.c.size, witnessed_log.c.root).where(witnessed_log.c.origin == _ORIGIN)
)
DROP_WITNESSED = Statement(delete(witnessed_log).where(witnessed_log.c.origin == _ORIGIN))
GROW = Statement(  # compare and store in one: of two submissions at once, one finds that the size has changed
    update(witnessed_log)
    .where(
        witnessed_log.c.origin == _ORIGIN,
        witnessed_log.c.size == bindparam("old", type_=BigInteger),
        witnessed_log.c.root == bindparam("old_root", type_=LargeBinary),
    )
    .values(
        size=bindparam("new_size", type_=BigInteger),
        root=bindparam("new_root", type_=LargeBinary),
        signed=bindparam("at", type_=BigInteger),
    )
)


def witness_key(vault: Vault) -> Ed25519PrivateKey:
    """The key that this gateway signs other agencies' heads with: made from the signing key, and not the same."""
    secret = vault.signing.private_bytes_raw()
    return Ed25519PrivateKey.from_private_bytes(hashlib.blake2b(secret, digest_size=32, person=b"witness").digest())


def witness_name(vault: Vault) -> str:
    """The name that it signs them under."""
    mark = hashlib.sha256(witness_key(vault).public_key().public_bytes_raw()).hexdigest()[:16]
    return f"gateway.example/witness/{mark}"


def public_witness_key(vault: Vault) -> Key:
    """What another agency's gateway needs to know of this one, to have its heads signed here."""
    return Key.of(witness_name(vault), witness_key(vault), COSIGNATURE)


def states(rows: Rows) -> list[Witness]:
    """How it stands with each witness."""
    return [Witness(*row) for row in rows]


class Answer(NamedTuple):
    """What a witness answers: an HTTP status of tlog-witness, and the body that goes with 200 and 409, else what is wrong."""

    status: int
    says: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """A head to be signed for another agency's log, and our keys."""

    submission: Submission
    vault: Vault


def cosign_head(_: Any, asked: Submitted, moment: Moment) -> Generator[Any, Any, Upkeep[Answer]]:
    """Sign the head of a log that we witness, if it goes on from the last one that we signed; durable before it is answered."""
    body = asked.submission
    try:
        origin = parts(body.note)[0].split("\n", 1)[0]
    except BadCheckpoint as error:
        return Upkeep(Answer(400, str(error)))
    rows = yield Read(LOG_OF, {"log_origin": origin})
    if not rows:
        return Upkeep(Answer(404, "this log is not witnessed here"))
    try:
        head = parse_and_verify(body.note, [Key.parse(rows[0][0])])
    except BadCheckpoint as error:
        return Upkeep(Answer(403, str(error)))
    refused = _judged(body, head, rows[0][1], rows[0][2])
    if refused is not None:
        return Upkeep(refused)
    row = {"log_origin": origin, "old": rows[0][1], "old_root": rows[0][2]}
    row |= {"new_size": head.size, "new_root": head.root, "at": moment.at}
    if (yield Write(GROW, row)) != 1:
        return Upkeep(Answer(409, f"{(yield Read(LOG_OF, {'log_origin': origin}))[0][1]}\n"))
    line = cosign(body.note, witness_name(asked.vault), witness_key(asked.vault), moment.at // clock.SECOND)
    return Upkeep(Answer(200, line))


def _judged(body: Submission, head: Checkpoint, known: int, root: bytes) -> Answer | None:
    """Why a head is not signed, in the order of the tlog-witness page; None where it is."""
    if body.old > head.size:
        return Answer(400, "the old size is larger than the checkpoint's")
    if body.old != known:
        return Answer(409, f"{known}\n")
    if known == 0:
        return None if not body.proof else Answer(422, "the proof from nothing is empty")
    if head.size == known and head.root != root:
        return Answer(409, f"{known}\n")
    if not verify_consistency(known, head.size, root, head.root, body.proof):
        return Answer(422, "the proof does not lead from the tree that was signed before to this one")
    return None


@dataclass(frozen=True, slots=True)
class Told:
    """What came of asking a witness: its new state, and its signature where it gave one."""

    name: str
    state: str
    size: int = 0
    line: str = ""
    at: int = 0  # seconds


def store_told(_: Any, told: Told, moment: Moment) -> Generator[Any, Any, Upkeep[None]]:
    """Keep what came of asking a witness. Its own time counts, as far as it is not ahead of ours."""
    yield from ()
    if not told.line:
        return Upkeep(None, (Write(SET_STATE, {"witness_name": told.name, "new_state": told.state}),))
    at = min(told.at * clock.SECOND, moment.at)
    kept = {"size": told.size, "witness": told.name, "line": told.line, "signed": at}
    stands = {"witness_name": told.name, "new_state": told.state, "new_known": told.size, "new_vouched": at}
    return Upkeep(None, (Write(ADD_COSIGNATURE, kept), Write(SET_VOUCHED, stands)))


NOTHING_SIGNED = {"size": 0, "root": EMPTY_ROOT, "signed": None}
