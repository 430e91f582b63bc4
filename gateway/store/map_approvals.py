"""Who approved which maps."""

from __future__ import annotations

from sqlalchemy import Text, bindparam, select

from gateway.store.sql import Added, Statement
from gateway.store.tables import approver, map_approval

ADD_APPROVAL = Added(map_approval)
APPROVED = Statement(
    select(map_approval.c.id).where(
        map_approval.c.agency == bindparam("agency", type_=Text),
        map_approval.c.format == bindparam("format", type_=Text),
        map_approval.c.hash == bindparam("hash", type_=Text),
    )
)
APPROVALS = Statement(
    select(
        map_approval.c.agency, map_approval.c.format, map_approval.c.hash, map_approval.c.approver, approver.c.role,
        map_approval.c.approved,
    )
    .join(approver, approver.c.id == map_approval.c.approver)
    .order_by(map_approval.c.agency, map_approval.c.format, map_approval.c.approved)
)  # fmt: skip
