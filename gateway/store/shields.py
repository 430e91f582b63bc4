"""Shields that stand: sealed, by the owner's row of the person."""

from __future__ import annotations

from sqlalchemy import LargeBinary, Text, bindparam, delete, select, update

from gateway.store.sql import Added, Statement
from gateway.store.tables import shield

_THIS = shield.c.person == bindparam("person_id", type_=Text)
SHIELD = Statement(select(shield.c.body, shield.c.since).where(_THIS))
ADD_SHIELD = Added(shield, new_only=True)
SET_SHIELD = Statement(update(shield).where(_THIS).values(body=bindparam("sealed", type_=LargeBinary)))
DROP_SHIELD = Statement(delete(shield).where(_THIS))
