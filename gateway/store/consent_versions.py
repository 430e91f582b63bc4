"""Versions of a consent, whoever's it is: for the check that nothing rests on one that had ended."""

from __future__ import annotations

from sqlalchemy import Integer, Text, bindparam, or_, select

from gateway.store.people import PERSON_COLUMNS
from gateway.store.sql import Statement
from gateway.store.tables import person, record, record_version

_VERSION = record_version.c.version
TWO_VERSIONS = Statement(  # the columns of a person, then those of the record as it was
    select(
        *PERSON_COLUMNS, record.c.id, record.c.type, record_version.c.body, _VERSION, record.c.related, record_version.c.updated
    )
    .select_from(record.join(person, person.c.id == record.c.person).join(record_version, record_version.c.record == record.c.id))
    .where(
        record.c.id == bindparam("id", type_=Text),
        or_(bindparam("version", type_=Integer) == _VERSION, bindparam("following", type_=Integer) == _VERSION),
    )
)
