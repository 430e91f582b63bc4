"""People and their records: sealed rows found by keyed tokens.

Each agency's rows are its own. Rows of different agencies meet only in the token of a NHS number, and only within
one dossier, for one decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import BigInteger, Integer, LargeBinary, Text, and_, bindparam, delete, or_, select, update

from gateway.store.sql import Added, Keyed, Row, Statement
from gateway.store.tables import match_term, person, person_token, record, record_version, unmatched_code
from gateway.store.vault import Vault, open_sealed, seal

Resource = dict[str, Any]
Source = dict[str, str]  # from which file, map and rule: sealed with what was made of it
ORIGIN = "_origin"  # where it stands beside the elements of a person

PERSON_COLUMNS = (person.c.id, person.c.agency, person.c.content_key, person.c.identity, person.c.version)
RECORD_COLUMNS = (record.c.id, record.c.type, record.c.body, record.c.version, record.c.related, record.c.updated)

_BESIDE = person_token.alias("beside")
_JOINED = person_token.join(person, person.c.id == person_token.c.person).outerjoin(record, record.c.person == person.c.id)

# Everything that any agency holds of the person with a NHS number.
DOSSIER = Keyed(select(person_token.c.token, *PERSON_COLUMNS, *RECORD_COLUMNS).select_from(_JOINED), person_token.c.token)
# The same for one row of one agency, where no NHS number is known.
DOSSIER_BY_ROW = Keyed(
    select(person.c.id, *PERSON_COLUMNS, *RECORD_COLUMNS).select_from(person.outerjoin(record, record.c.person == person.c.id)),
    person.c.id,
)
NHS_TOKENS = Keyed(select(person_token.c.person, person_token.c.token).where(person_token.c.kind == "nhs"), person_token.c.person)
OWN_BY_TOKEN = Keyed(
    select(*PERSON_COLUMNS)
    .join(person_token, person_token.c.person == person.c.id)
    .where(person_token.c.agency == bindparam("agency", type_=Text)),
    person_token.c.token, name="token", others=("agency",), untold=True,
)  # fmt: skip
# Every token of the row that one of them leads to.
TOKENS_BESIDE = Keyed(
    select(_BESIDE.c.person, _BESIDE.c.token, _BESIDE.c.kind)
    .select_from(person_token.join(_BESIDE, _BESIDE.c.person == person_token.c.person))
    .where(person_token.c.agency == bindparam("agency", type_=Text)),
    person_token.c.token, name="token", others=("agency",), untold=True,
)  # fmt: skip
OWN_PERSON = Keyed(
    select(*PERSON_COLUMNS).where(person.c.agency == bindparam("agency", type_=Text)), person.c.id, name="id", others=("agency",)
)
# An agency's people under one of the terms of gateway.identity.described.
OWN_BY_TERM = Statement(
    select(*PERSON_COLUMNS)
    .join(match_term, match_term.c.person == person.c.id)
    .where(
        match_term.c.token == bindparam("token", type_=LargeBinary),
        person.c.agency == bindparam("agency", type_=Text),
    )
    .order_by(match_term.c.person)
    .limit(bindparam("count", type_=Integer))
)
ADD_PERSON = Added(person)
ADD_TOKEN = Added(person_token, new_only=True)
SET_IDENTITY = Statement(
    update(person)
    .where(person.c.id == bindparam("person_id", type_=Text))
    .values(
        identity=bindparam("sealed", type_=LargeBinary),
        version=person.c.version + 1,
        updated=bindparam("at", type_=BigInteger),
    )
)
MOVE_TOKENS = Statement(
    update(person_token)
    .where(person_token.c.person == bindparam("loser", type_=Text))
    .values(person=bindparam("survivor", type_=Text))
)
DROP_TOKENS = Statement(delete(person_token).where(person_token.c.person == bindparam("person_id", type_=Text)))
DROP_NHS_TOKENS = Statement(
    delete(person_token).where(person_token.c.person == bindparam("person_id", type_=Text), person_token.c.kind == "nhs")
)
ADD_TERM = Added(match_term, new_only=True)
DROP_TERM = Statement(
    delete(match_term).where(
        match_term.c.token == bindparam("token", type_=LargeBinary), match_term.c.person == bindparam("person_id", type_=Text)
    )
)
DROP_TERMS = Statement(delete(match_term).where(match_term.c.person == bindparam("person_id", type_=Text)))
# The records of a person, and those of the same sender's other people that say what this one is to them.
_OF_OR_ABOUT = or_(record.c.person == bindparam("person_id", type_=Text), record.c.related == bindparam("person_id", type_=Text))
DROP_RECORDS = Statement(delete(record).where(_OF_OR_ABOUT))
DROP_VERSIONS = Statement(delete(record_version).where(record_version.c.record.in_(select(record.c.id).where(_OF_OR_ABOUT))))

_OWN = and_(record.c.agency == bindparam("agency", type_=Text), record.c.type == bindparam("type", type_=Text))
RECORD_BY_SOURCE = Keyed(
    select(*RECORD_COLUMNS, record.c.person).where(_OWN), record.c.source, name="source", others=("agency", "type"), untold=True
)
_WITH_PERSON = record.join(person, person.c.id == record.c.person)
OWN_RECORD = Statement(
    select(*PERSON_COLUMNS, *RECORD_COLUMNS).select_from(_WITH_PERSON).where(_OWN, record.c.id == bindparam("id", type_=Text))
)
OWN_RECORDS_OF = Statement(
    select(*PERSON_COLUMNS, *RECORD_COLUMNS)
    .select_from(_WITH_PERSON)
    .where(_OWN, record.c.person == bindparam("person_id", type_=Text))
    .order_by(record.c.updated.desc(), record.c.id)
)
OWN_RECORDS = Statement(
    select(*PERSON_COLUMNS, *RECORD_COLUMNS)
    .select_from(_WITH_PERSON)
    .where(_OWN, record.c.updated >= bindparam("since", type_=BigInteger), record.c.id > bindparam("after", type_=Text))
    .order_by(record.c.id)
    .limit(bindparam("count", type_=Integer))
)
RECORDS_OF_PERSON = Statement(select(*RECORD_COLUMNS).where(record.c.person == bindparam("person_id", type_=Text)))
RELATED_TO = Statement(
    select(*PERSON_COLUMNS, *RECORD_COLUMNS)
    .select_from(_WITH_PERSON)
    .where(record.c.related == bindparam("person_id", type_=Text))
)
ADD_RECORD = Added(record)
ADD_VERSION = Added(record_version)
SET_RECORD = Statement(
    update(record)
    .where(record.c.id == bindparam("record_id", type_=Text))
    .values(
        person=bindparam("person_id", type_=Text),
        related=bindparam("related_id", type_=Text),
        body=bindparam("sealed", type_=LargeBinary),
        version=bindparam("new_version", type_=Integer),
        updated=bindparam("at", type_=BigInteger),
    )
)
SET_SOURCE = Statement(
    update(record)
    .where(record.c.id == bindparam("record_id", type_=Text))
    .values(source=bindparam("new_source", type_=LargeBinary), body=bindparam("sealed", type_=LargeBinary))
)
VERSION_OF = Statement(
    select(record_version.c.body, record_version.c.updated).where(
        record_version.c.record == bindparam("id", type_=Text), record_version.c.version == bindparam("version", type_=Integer)
    )
)
VERSIONS_OF = Statement(
    select(record_version.c.version, record_version.c.body).where(record_version.c.record == bindparam("id", type_=Text))
)
SET_VERSION = Statement(
    update(record_version)
    .where(
        record_version.c.record == bindparam("record_id", type_=Text),
        record_version.c.version == bindparam("the_version", type_=Integer),
    )
    .values(body=bindparam("sealed", type_=LargeBinary))
)
ADD_UNMATCHED = Added(unmatched_code, new_only=True)
COUNT_UNMATCHED = Statement(
    update(unmatched_code)
    .where(
        unmatched_code.c.agency == bindparam("agency_code", type_=Text),
        unmatched_code.c.code_table == bindparam("table_name", type_=Text),
        unmatched_code.c.code == bindparam("the_code", type_=Text),
    )
    .values(seen=unmatched_code.c.seen + 1, last_seen=bindparam("at", type_=BigInteger))
)
UNMATCHED = Statement(
    select(*unmatched_code.columns)
    .where(unmatched_code.c.agency == bindparam("agency", type_=Text))
    .order_by(unmatched_code.c.seen.desc())
)


class Held(NamedTuple):
    """One FHIR resource as an agency holds it."""

    id: str
    type: str
    version: int
    updated: int
    related: str | None
    key: str  # the sender's own key of the record
    body: Resource
    origin: Source | None = None

    @property
    def ref(self) -> str:
        return f"{self.type}/{self.id}/_history/{self.version}"


@dataclass(slots=True)
class Opened:
    """An agency's row of a person, unsealed: its Patient resource and records."""

    id: str
    agency: str
    version: int
    cipher: AESGCM
    patient: Resource
    records: dict[str, list[Held]] = field(default_factory=dict)  # by FHIR type
    seen: Any = None  # what its flags come to, once somebody has looked
    origin: Source | None = None

    def of_type(self, kind: str) -> Sequence[Held]:
        return self.records.get(kind, ())


def open_person(vault: Vault, columns: Row) -> Opened:
    """Unseal a person's row, columns in the order of PERSON_COLUMNS. Raises Broken."""
    identifier, agency, wrapped, identity, version = columns
    cipher = vault.person_key(identifier, wrapped)
    patient = orjson.loads(open_sealed(cipher, identity, identifier))
    origin = patient.pop(ORIGIN, None)
    return Opened(identifier, agency, version, cipher, patient, origin=origin)


def open_record(cipher: AESGCM, columns: Row) -> Held:
    """Unseal a record, columns in the order of RECORD_COLUMNS. Raises Broken."""
    identifier, kind, body, version, related, updated = columns
    content = orjson.loads(open_sealed(cipher, body, identifier))
    return Held(identifier, kind, version, updated, related, content["key"], content["resource"], content.get("origin"))


def open_dossier(vault: Vault, rows: Iterable[Row]) -> list[Opened]:
    """Unseal the rows of DOSSIER: one Opened for each agency's row, with its records."""
    found: dict[str, Opened] = {}
    for row in rows:
        opened = found.get(row[1])
        if opened is None:
            opened = found[row[1]] = open_person(vault, row[1:6])
        if row[6] is not None:
            held = open_record(opened.cipher, row[6:12])
            opened.records.setdefault(held.type, []).append(held)
    return list(found.values())


def seal_record(cipher: AESGCM, row: str, key: str, resource: Resource, origin: Source | None) -> bytes:
    """The sealed content of a record: the resource, under which key its sender sent it, and from what it was made."""
    content = {"key": key, "resource": resource}
    return seal(cipher, orjson.dumps({**content, "origin": origin} if origin else content), row)


def reseal(before: AESGCM, after: AESGCM, row: str, sealed: bytes) -> bytes:
    """The sealed content of a record under another key. Raises Broken."""
    return seal(after, open_sealed(before, sealed, row), row)


def seal_patient(cipher: AESGCM, row: str, patient: Resource, origin: Source | None = None) -> bytes:
    """The sealed identity of a person's row, and from what it was last changed."""
    return seal(cipher, orjson.dumps({**patient, ORIGIN: origin} if origin else patient), row)
