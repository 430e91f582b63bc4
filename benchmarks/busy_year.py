"""The access log of a busy county's year, filled in bulk: sealed once, on SQLite, and copied from there to PostgreSQL.

Records in, lookups both ways, answers on a wish, refusals, notices and what became of them, tokens, searches and
administration: of PEOPLE people, some asked about far more often than others, by USERS users of forty organisations, most of
it in working hours. The indexes are dropped while it is filled, and made at the end. Leaves and heads are left out.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg
from sqlalchemy import Engine, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, DropIndex

from benchmarks.stand import Deployment, nhs_numbers
from gateway.audit.entry import DONE, FAULT, REFUSED, Entry, Kind
from gateway.audit.marks import AGAINST_WISH
from gateway.demo.people import COUNCIL, SCHOOL_NURSING, TRUST
from gateway.exchanges.context import entry_id
from gateway.fhir.systems import NHS_NUMBER
from gateway.store import audit_log, clock, migrate
from gateway.store.ledger_sqlite import connect
from gateway.store.tables import audit_entry, audit_mark

PEOPLE, USERS, OTHERS, CONSENTS = 200_000, 3000, 40, 40_000
YEAR, HOURS = 365 * clock.DAY, 365 * 24
NUMBERS = list(nhs_numbers(PEOPLE))
RARE_CONSENT, RARE_USER, RARE_EVERY = "Consent/rare", "seldom", 50_000
AT_ONCE = 50_000
CASE = "https://example.org/cases|C-2026-1"
POLICY = "0" * 16


def fill_sqlite(deployed: Deployment, entries: int) -> None:
    """The year up to now, on the deployment's SQLite file."""
    migrated = migrate.engine_of(deployed.settings.database_file)
    _without_indexes(migrated)
    db = connect(deployed.settings.database_file)
    db.execute("PRAGMA synchronous=OFF")
    db.execute("CREATE TEMP TABLE mark (token BLOB, at INTEGER)")
    for sealed in _sealed(deployed, entries):
        db.execute("BEGIN")
        db.executemany(audit_log.ADD_ENTRY.many_for_sqlite, sealed.rows)
        db.executemany("INSERT INTO mark VALUES (?, ?)", sealed.marks)
        db.execute("COMMIT")
    db.execute("INSERT INTO audit_mark SELECT DISTINCT token, at FROM mark WHERE true ORDER BY token, at ON CONFLICT DO NOTHING")
    db.execute("DROP TABLE mark")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    _with_indexes(migrated)


def copy_to_postgres(filled: Deployment, deployed: Deployment) -> None:
    """The same year on a deployment that has the keys of the one that was filled."""
    migrated = migrate.engine_of(deployed.settings.database_url)
    _without_indexes(migrated)
    source = connect(filled.settings.database_file, read_only=True)
    with psycopg.connect(deployed.settings.database_url) as connection:
        connection.execute("CREATE TEMP TABLE mark (LIKE audit_mark) ON COMMIT DROP")
        _copy(source, connection, audit_entry, "audit_entry")
        _copy(source, connection, audit_mark, "mark")
        connection.execute("INSERT INTO audit_mark SELECT * FROM mark ON CONFLICT DO NOTHING")
    source.close()
    _with_indexes(migrated)
    with psycopg.connect(deployed.settings.database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _copy(source: sqlite3.Connection, connection: psycopg.Connection[Any], table: Table, into: str) -> None:
    names = ", ".join(column.name for column in table.columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY {into} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types([str(column.type.compile(dialect=postgresql.dialect())).lower() for column in table.columns])
        for row in source.execute(f"SELECT {names} FROM {table.name}"):
            copy.write_row(row)


def _without_indexes(engine: Engine) -> None:
    with engine.begin() as connection:
        for index in audit_entry.indexes:
            connection.execute(DropIndex(index))


def _with_indexes(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        for index in sorted(audit_entry.indexes, key=lambda one: str(one.name)):
            connection.execute(CreateIndex(index))


def _sealed(deployed: Deployment, entries: int) -> Iterator[audit_log.Sealed]:
    """Hour by hour, oldest first."""
    year = Year(random.Random(1))
    for start, places in hours(entries, clock.now()):
        step = clock.HOUR // max(1, len(places))
        yield audit_log.seal_exchanges(
            deployed.vault, [(year.entry(place, start + step * number),) for number, place in enumerate(places)]
        )


def hours(entries: int, until: int) -> Iterator[tuple[int, range]]:
    """The beginning of each hour of the year before, and which of the entries fall into it."""
    first = until // clock.HOUR * clock.HOUR - YEAR
    weights = [_weight(first + clock.HOUR * number) for number in range(HOURS)]
    total, before = sum(weights), 0
    for number, weight in enumerate(weights):
        yield first + clock.HOUR * number, range(entries * before // total, entries * (before + weight) // total)
        before += weight


def _weight(at: int) -> int:
    """Ten times as much in working hours."""
    moment = clock.moment(at)
    return 10 if moment.weekday() < 5 and 8 <= moment.hour < 18 else 1


class Year:
    """Makes the entries of a year; the same dice give the same year."""

    def __init__(self, dice: random.Random):
        self._dice = dice
        self._kinds = [kind for kind, share in KINDS for _ in range(share)]

    def entry(self, place: int, at: int) -> Entry:
        """One entry; every 50,000th is of what is looked for and seldom there."""
        if place % RARE_EVERY == RARE_EVERY - 1:
            return self._of(at, "keep_staff", Kind.ADMINISTRATION, TRUST, TRUST, user=RARE_USER, patient="")
        if place % RARE_EVERY == RARE_EVERY // 2:
            return self.told(at)._replace(consents=(f"{RARE_CONSENT}/_history/1",))
        return getattr(self, self._dice.choice(self._kinds))(at)

    def received(self, at: int) -> Entry:
        """A record, mostly from the trust."""
        agency = TRUST if self._dice.random() < 0.7 else COUNCIL
        detail = (("format", "dfe-csc-api@1.0.1"), ("resources", "3"))
        return self._of(at, "receive_record", Kind.RECEIVED, agency, agency, client="epr", detail=detail)

    def told(self, at: int) -> Entry:
        """The council is told of one of the trust's people, under a duty."""
        return self._lookup(at, COUNCIL, TRUST, "safeguarding-s47", "CA1989-s47", case_reference=CASE)

    def told_on_a_wish(self, at: int) -> Entry:
        consent = f"Consent/{self._dice.randrange(CONSENTS):032x}/_history/1"
        return self._lookup(at, COUNCIL, TRUST, "early-help", "person-wish", consents=(consent,))

    def told_against_a_wish(self, at: int) -> Entry:
        consent = f"Consent/{self._dice.randrange(CONSENTS):032x}/_history/1"
        detail = ((AGAINST_WISH, "existence diagnosis"), ("obligation", "tell-only-this-person review-by seek-advice"))
        return self.told(at)._replace(consents=(consent,), detail=detail)

    def other_told(self, at: int) -> Entry:
        """A practice or school asks."""
        return self._lookup(at, f"GP{self._dice.randrange(OTHERS):03}", TRUST, "safeguarding-s47", "CA2004-s11")

    def not_known(self, at: int) -> Entry:
        """A ward asks the council, which does not know the person."""
        found = self._lookup(at, TRUST, COUNCIL, "amh-care-planning", "")
        return found._replace(kind=Kind.NEGATIVE, refusal="not-known", basis=(), tier=None)

    def refused(self, at: int) -> Entry:
        found = self._lookup(at, SCHOOL_NURSING, TRUST, "early-help", "")
        return found._replace(kind=Kind.NEGATIVE, outcome=REFUSED, refusal="no-agreement", basis=(), tier=None)

    def noticed(self, at: int) -> Entry:
        """A notice is about to leave for the council."""
        detail = (("notice", f"{at:032x}"), ("topic", "inpatient-admitted"))
        return self._lookup(at, COUNCIL, TRUST, "safeguarding-s47", "CA1989-s47")._replace(
            exchange="lease_notice", kind=Kind.DELIVERY, asked=False, user="", role="", detail=detail
        )

    def settled(self, at: int) -> Entry:
        outcome = FAULT if self._dice.random() < 0.02 else DONE
        return self.noticed(at)._replace(
            exchange="settle_notice", kind=Kind.DELIVERY_RESULT, outcome=outcome, basis=(), tier=None
        )

    def token(self, at: int) -> Entry:
        agency = TRUST if self._dice.random() < 0.5 else COUNCIL
        return self._of(at, "issue_token", Kind.TOKEN, agency, agency, user=self._user(), patient="")

    def searched(self, at: int) -> Entry:
        detail = (("query", "patient"),)
        return self._of(
            at, "search_audit", Kind.SEARCH, TRUST, TRUST, user="aud1", role="auditor", purpose="audit", detail=detail
        )

    def _lookup(self, at: int, requester: str, custodian: str, purpose: str, basis: str, **more: Any) -> Entry:
        role = "ward-nurse" if requester == TRUST else "social-worker"
        return self._of(
            at, "look_up_status", Kind.DISCLOSURE, requester, custodian, user=self._user(), role=role, purpose=purpose,
            basis=(basis,), tier=2, policy=POLICY, disclosure=f"{at:032x}", request_id=f"{at:x}", **more,
        )  # fmt: skip

    def _of(self, at: int, exchange: str, kind: Kind, requester: str, custodian: str, **more: Any) -> Entry:
        told = {"client": "council-system", "patient": self._person(), "asked": True, **more}
        return Entry(entry_id(at), at, exchange, DONE, kind, requester, custodian, **told)

    def _user(self) -> str:
        return f"user{int(USERS * self._dice.random() ** 2)}"

    def _person(self) -> str:
        return f"{NHS_NUMBER}|{NUMBERS[int(PEOPLE * self._dice.random() ** 2)]}"


KINDS = (  # in a thousand
    ("received", 560), ("told", 150), ("told_on_a_wish", 20), ("told_against_a_wish", 2), ("other_told", 40), ("not_known", 100),
    ("refused", 40), ("noticed", 25), ("settled", 25), ("token", 30), ("searched", 8),
)  # fmt: skip
