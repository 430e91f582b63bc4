"""How many lookups there were, counted from two indexes of the access log without a look at its rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, bindparam, func, select

from gateway.store import clock
from gateway.store.sql import Statement
from gateway.store.tables import audit_entry as log

_AGENCY = bindparam("agency", type_=Text)
_SINCE, _UNTIL = bindparam("since", type_=BigInteger), bindparam("until", type_=BigInteger)
_WINDOW = and_(log.c.recorded >= _SINCE, log.c.recorded < _UNTIL, log.c.exchange == bindparam("exchange", type_=Text))
_HOURS: ColumnElement[int] = (log.c.recorded - log.c.recorded % clock.HOUR).label("hour")


def _counted(who: ColumnElement[Any], side: ColumnElement[bool]) -> Select[Any]:
    return select(who, _HOURS, func.count()).where(side, _WINDOW).group_by(who, _HOURS)


# Other organisations' lines about one's own records, by hour; and one's own requests, by user and hour.
BY_ORGANISATION = Statement(_counted(log.c.requester, log.c.custodian == _AGENCY))
BY_USER = Statement(_counted(log.c.user_token, and_(log.c.requester == _AGENCY, log.c.asked == 1)))
ONE_OF_USER = Statement(  # the newest entry of a user: who it is
    select(*log.columns)
    .where(log.c.user_token == bindparam("user", type_=log.c.user_token.type), log.c.requester == _AGENCY, log.c.asked == 1)
    .order_by(log.c.recorded.desc())
    .limit(1)
)
