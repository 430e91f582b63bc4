"""A restore from backup, put on record: from here on the log goes on under another origin, and witnesses start anew.

To be declared once, after data were put back and before anything else is done: what was signed after the backup is lost,
and a log never signs two histories under one name (C2SP tlog-checkpoint).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.audit.checkpoint import BadCheckpoint, Checkpoint, parse_and_verify
from gateway.audit.entry import DONE, Kind
from gateway.audit.merkle import Frontier
from gateway.audit.restore import Restore, next_origin
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.store import audit_log, upkeep, witnesses
from gateway.store.ledger import Ledger, Moment, Outcome, Story
from gateway.store.log_tree import roots_of
from gateway.store.sql import Added, Read, Write
from gateway.store.tables import audit_restore

NAME = "declare_restore"
ADD_RESTORE = Added(audit_restore)
GROWN = (
    "The log has grown past this head since the restore, with other entries. Put the backup back once more and declare the "
    "restore before the gateway serves: what it wrote meanwhile would look like entries that were exchanged."
)


@dataclass(frozen=True, slots=True)
class Lost:
    """A signed head from before the restore, as a witness or an export has it."""

    note: str


class Declared(NamedTuple):
    """Where the log was taken back to, what it is called from now on, and the size of the lost tree."""

    size: int
    origin: str
    lost: int


async def check_lost(ctx: Context, ledger: Ledger, lost: Lost) -> Checkpoint:
    """The head from before, which this log signed and does not contain. Raises Unprocessable, and Conflict where it does."""
    (restores,) = await ledger.read([Read(upkeep.RESTORES)])
    try:
        head = parse_and_verify(lost.note, upkeep.log_keys(ctx.vault, len(restores)))
    except BadCheckpoint as fault:
        raise Unprocessable(f"The signed head cannot be used: {fault}.") from fault
    (frontier,) = await ledger.read([Read(audit_log.HEAD)])
    if head.size > Frontier.from_bytes(frontier[0][0]).size:
        return head
    if (await roots_of(ledger, [(0, head.size)]))[0] == head.root:
        raise Conflict("Nothing was lost: the log still contains every entry of this head, so there is no restore to declare.")
    raise Unprocessable(GROWN)


def declare_restore(ctx: Context, lost: Checkpoint, moment: Moment) -> Story[Declared]:
    """Declare that the log was restored to what it holds now, and that the tree of ``lost`` is gone."""
    frontier, restores = yield (Read(audit_log.LOCK_HEAD), Read(upkeep.RESTORES))
    head = Frontier.from_bytes(frontier[0][0])
    origin = upkeep.origin_of(ctx.vault, len(restores))
    if lost.origin != origin:
        raise Conflict("The restore that lost this head is declared already.")
    restore = Restore(origin, head.size, head.root(), next_origin(origin), lost.size)
    entry = line(
        NAME, OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian="",
        detail=(("kept", str(head.size)), ("lost", str(lost.size)), ("root", lost.root.hex()), ("origin", restore.after)),
    )  # fmt: skip
    row = {"size": head.size, "entry": entry.id, "note": restore.note(ctx.vault.signing), "declared": moment.at}
    writes: tuple[Any, ...] = (Write(ADD_RESTORE, row), Write(witnesses.FORGET_STATES, {}))
    return Outcome(Declared(head.size, restore.after, lost.size), (entry,), writes)
