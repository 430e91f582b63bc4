"""Bulk exports of the access log, as rows: what an auditor asked for, and where each of its files begins.

Nothing is copied: a file is read from the log when it is fetched. Where files begin is found bit by bit, by whoever asks
how far it is; that touches keys of entries and no content.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, Text, bindparam, delete, select, update

from gateway.store.ledger import Moment, Upkeep
from gateway.store.sql import Added, Statement, Write
from gateway.store.tables import audit_export

PLANNING, READY = "planning", "ready"
ADD_EXPORT = Added(audit_export)
_ID, _OWNER = bindparam("export_id", type_=Text), bindparam("owner", type_=LargeBinary)
EXPORT = Statement(
    select(audit_export.c.body, audit_export.c.state, audit_export.c.asked, audit_export.c.stepped, audit_export.c.expires).where(
        audit_export.c.id == _ID, audit_export.c.owner == _OWNER
    )
)
DROP_EXPORT = Statement(delete(audit_export).where(audit_export.c.id == _ID, audit_export.c.owner == _OWNER))
STEP = Statement(  # of two who ask at once, one goes on
    update(audit_export)
    .where(audit_export.c.id == _ID, audit_export.c.stepped == bindparam("was", type_=BigInteger))
    .values(
        body=bindparam("new_body", type_=LargeBinary),
        state=bindparam("new_state", type_=Text),
        stepped=bindparam("new_stepped", type_=BigInteger),
    )
)


@dataclass(frozen=True, slots=True)
class Stepped:
    """An export as it stands after some more of its files were found."""

    id: str
    body: bytes
    state: str
    was: int


def keep_step(_: Any, step: Stepped, moment: Moment) -> Generator[Any, Any, Upkeep[bool]]:
    """Keep how far it is; false where another worker has been at it."""
    row = {"export_id": step.id, "was": step.was, "new_body": step.body, "new_state": step.state, "new_stepped": moment.at}
    changed = yield Write(STEP, row)
    return Upkeep(bool(changed))
