"""Which files were loaded or are being loaded, by their content, and which of their records are in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, Text, bindparam, delete, select, update

from gateway.store.sql import Added, Statement
from gateway.store.tables import load_step, loaded_file

_ID = bindparam("id", type_=LargeBinary)

LOADED_FILE = Statement(
    select(loaded_file.c.loaded, loaded_file.c.report, loaded_file.c.done, loaded_file.c.mappings).where(loaded_file.c.id == _ID)
)
ADD_LOADED_FILE = Added(loaded_file, new_only=True)
SET_LOADED_FILE = Statement(
    update(loaded_file)
    .where(loaded_file.c.id == bindparam("file_id", type_=LargeBinary))
    .values(
        loaded=bindparam("at", type_=BigInteger),
        report=bindparam("sealed", type_=LargeBinary),
        done=bindparam("in_by_now", type_=Integer),
        mappings=bindparam("version", type_=Text),
    )
)
ADD_STEP = Added(load_step)
STEPS = Statement(select(load_step.c.number, load_step.c.written, load_step.c.notices).where(load_step.c.load == _ID))
DROP_STEPS = Statement(delete(load_step).where(load_step.c.load == _ID))
