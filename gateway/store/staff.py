"""The staff register: keyed tokens of an employer's staff, and the lookups that they made."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, Text, and_, bindparam, delete, func, select

from gateway.store.sql import Added, Statement
from gateway.store.tables import audit_entry as log
from gateway.store.tables import staff_member
from gateway.store.vault import Vault

_AGENCY = bindparam("agency", type_=Text)
ADD_MEMBER = Added(staff_member)
DROP_MEMBERS = Statement(delete(staff_member).where(staff_member.c.agency == _AGENCY))
MEMBERS = Statement(
    select(
        staff_member.c.user_token, staff_member.c.patient_token, staff_member.c.nhs, staff_member.c.surname,
        staff_member.c.address, staff_member.c.team,
    ).where(staff_member.c.agency == _AGENCY)
)  # fmt: skip
LOADED = Statement(
    select(staff_member.c.agency, func.count(), func.max(staff_member.c.loaded))
    .group_by(staff_member.c.agency)
    .order_by(staff_member.c.agency)
)
_newest = func.max(log.c.recorded)
PAIRS = Statement(  # who asked about whom: how often, first, last, and the newest entry; those of last first
    select(log.c.user_token, log.c.patient_token, func.count(), func.min(log.c.recorded), _newest)
    .where(
        log.c.requester == _AGENCY,
        log.c.exchange == bindparam("exchange", type_=Text),
        log.c.asked == 1,
        and_(log.c.recorded >= bindparam("since", type_=BigInteger), log.c.recorded < bindparam("until", type_=BigInteger)),
    )
    .group_by(log.c.user_token, log.c.patient_token)
    .order_by(_newest.desc(), log.c.user_token, log.c.patient_token)
    .limit(bindparam("count", type_=Integer))
)
ENTRY_OF_PAIR = Statement(
    select(*log.columns).where(
        log.c.requester == _AGENCY,
        log.c.asked == 1,
        log.c.recorded == bindparam("recorded", type_=BigInteger),
        log.c.user_token == bindparam("user", type_=LargeBinary),
        log.c.patient_token == bindparam("patient", type_=LargeBinary),
    )
    .limit(1)
)  # fmt: skip


def staff_token(vault: Vault, agency: str, what: str, text: str) -> bytes:
    """The token of a surname, address or team within one agency's register; b"" for nothing."""
    return vault.token("staff", agency, what, text) if text else b""
