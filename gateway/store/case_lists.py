"""Case lists: named lists of people that an agency keeps. Who is on one stands as keyed tokens; names and numbers are sealed."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from sqlalchemy import BigInteger, Integer, LargeBinary, Text, bindparam, delete, func, select, update

from gateway.store.sql import Added, Row, Statement
from gateway.store.tables import case_list, case_list_member
from gateway.store.vault import Vault, open_sealed, seal

ADD_LIST = Added(case_list)
_THE_LIST = select(*case_list.columns).where(
    case_list.c.id == bindparam("id", type_=Text), case_list.c.agency == bindparam("agency", type_=Text)
)
LIST = Statement(_THE_LIST)
LOCK_LIST = Statement(_THE_LIST, _THE_LIST.with_for_update())
OWN_LISTS = Statement(
    select(*case_list.columns)
    .where(case_list.c.agency == bindparam("agency", type_=Text), case_list.c.id > bindparam("after", type_=Text))
    .order_by(case_list.c.id)
    .limit(bindparam("count", type_=Integer))
)
HOW_MANY = Statement(select(func.count()).select_from(case_list).where(case_list.c.agency == bindparam("agency", type_=Text)))
SET_LIST = Statement(
    update(case_list)
    .where(case_list.c.id == bindparam("list_id", type_=Text))
    .values(
        body=bindparam("sealed", type_=LargeBinary),
        version=case_list.c.version + 1,
        updated=bindparam("at", type_=BigInteger),
    )
)
DROP_LIST = Statement(delete(case_list).where(case_list.c.id == bindparam("list_id", type_=Text)))

ADD_MEMBER = Added(case_list_member)
MEMBERS = Statement(select(*case_list_member.columns).where(case_list_member.c.watch == bindparam("watch", type_=LargeBinary)))
_ONE = (
    case_list_member.c.watch == bindparam("watch", type_=LargeBinary),
    case_list_member.c.person == bindparam("person", type_=LargeBinary),
)
MEMBER = Statement(select(*case_list_member.columns).where(*_ONE))
DROP_MEMBER = Statement(delete(case_list_member).where(*_ONE))
DROP_MEMBERS = Statement(delete(case_list_member).where(case_list_member.c.watch == bindparam("watch", type_=LargeBinary)))


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody on a list, by NHS number, with the case reference that the list names for them, if it does."""

    nhs: str
    case_reference: str = ""  # system|value
    case_owner: str = ""  # ODS code of another agency whose reference it is


def seal_member(vault: Vault, member: Member, watch: bytes, person: bytes) -> bytes:
    """The sealed column of a member; it opens for this person on this list only."""
    body = orjson.dumps([member.nhs, member.case_reference, member.case_owner])
    return seal(vault.shelf("case-list"), body, f"{watch.hex()}/{person.hex()}")


def open_member(vault: Vault, row: Row) -> Member:
    """A row of the table, columns in its order. Raises Broken."""
    watch, person, body, _ = row
    return Member(*orjson.loads(open_sealed(vault.shelf("case-list"), body, f"{watch.hex()}/{person.hex()}")))
