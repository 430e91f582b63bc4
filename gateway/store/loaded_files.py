"""Which files were loaded from watched folders, by their content."""

from __future__ import annotations

from sqlalchemy import LargeBinary, bindparam, select

from gateway.store.sql import Added, Statement
from gateway.store.tables import loaded_file

LOADED_FILE = Statement(
    select(loaded_file.c.loaded, loaded_file.c.report).where(loaded_file.c.id == bindparam("id", type_=LargeBinary))
)
ADD_LOADED_FILE = Added(loaded_file, new_only=True)
