"""Who signs the heads of our log, and whose heads we sign: each change by the operator, on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.audit.checkpoint import COSIGNATURE, ED25519, BadCheckpoint, Key
from gateway.audit.entry import DONE, Kind
from gateway.audit.vouched import NEW
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.partners.guard import Refused, check_url
from gateway.store import witnesses
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Read, Write


@dataclass(frozen=True, slots=True)
class NewWitness:
    """Another agency's gateway that is to sign our heads: its key as it gave it, and where its ``add-checkpoint`` stands."""

    key: str
    url: str


def add_witness(ctx: Context, new: NewWitness, moment: Moment) -> Story[str]:
    """From now on this witness is asked; gives its name. Raises Unprocessable or Conflict."""
    key = _key(new.key, COSIGNATURE, "a witness's key is what its `gateway audit keys` prints as witness")
    if key == witnesses.public_witness_key(ctx.vault):
        raise Unprocessable("This is our own key: a witness is another agency's gateway.")
    try:
        check_url(new.url, loopback_allowed=ctx.loopback_allowed)
    except Refused as fault:
        raise Unprocessable(str(fault)) from fault
    if any(row[0] == key.name for row in (yield Read(witnesses.WITNESSES))):
        raise Conflict(f"{key.name} is a witness already.")
    row = {"name": key.name, "key": key.text, "url": new.url, "state": NEW, "known": 0, "vouched": moment.at, "added": moment.at}
    yield Write(witnesses.ADD_WITNESS, row)
    return Outcome(key.name, (_line("add_witness", moment, key.name),))


def remove_witness(ctx: Context, name: str, moment: Moment) -> Story[str]:
    """This witness is asked no longer. Raises Unprocessable where it is none."""
    if not (yield Write(witnesses.DROP_WITNESS, {"witness_name": name})):
        raise Unprocessable(f"{name} is not a witness of this log.")
    return Outcome(name, (_line("remove_witness", moment, name),))


def witness_log(ctx: Context, text: str, moment: Moment) -> Story[str]:
    """From now on we sign the heads of another agency's log; gives its origin. Raises Unprocessable or Conflict."""
    key = _key(text, ED25519, "a log's key is what its `gateway audit keys` prints as log")
    if (yield Read(witnesses.LOG_OF, {"log_origin": key.name})):
        raise Conflict(f"{key.name} is witnessed already.")
    row = {"origin": key.name, "key": key.text, "added": moment.at, **witnesses.NOTHING_SIGNED}
    yield Write(witnesses.ADD_WITNESSED, row)
    return Outcome(key.name, (_line("witness_log", moment, key.name),))


def _key(text: str, wanted: bytes, says: str) -> Key:
    try:
        key = Key.parse(text.strip())
    except (BadCheckpoint, ValueError) as fault:
        raise Unprocessable(f"The key cannot be read: {says}.") from fault
    if key.type != wanted:
        raise Unprocessable(f"The key is of another kind: {says}.")
    return key


def _line(name: str, moment: Moment, of: str) -> Any:
    return line(name, OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian="", detail=(("key", of),))
