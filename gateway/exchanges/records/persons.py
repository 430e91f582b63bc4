"""An agency's rows of people: found by any identifier, made when new, joined within the agency alone."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from gateway.exchanges.context import Context, new_id
from gateway.exchanges.outbox.enqueue import Happened
from gateway.exchanges.records.dossiers import SHIELD, is_shielded
from gateway.exchanges.records.erased_before import look_at_return
from gateway.exchanges.records.match_terms import terms_moved, terms_written
from gateway.exchanges.records.withholdings import is_withholding
from gateway.fhir import systems
from gateway.fhir.elements import identifiers, in_order, nhs_number
from gateway.fhir.outcomes import Unprocessable
from gateway.identity import nhs_number as nhs
from gateway.notification.topics import RETRACTED, Change
from gateway.store import clock, outbox, people, subjects
from gateway.store.ledger import Moment
from gateway.store.people import Opened
from gateway.store.sql import Read, Row, Write

Resource = dict[str, Any]
KEPT_YEARS = 8  # until a row may expire; a deployment sets its own with its retention schedule
SAME_NUMBER = (
    "This NHS number already stands under another local identifier of yours. "
    "If both are one person, send a merge (ADT A40); if not, correct the number."
)


@dataclass(slots=True)
class Desk:
    """One sender's rows during one exchange: each opened once."""

    ctx: Context
    agency: str
    moment: Moment
    opened: dict[str, Opened] = field(default_factory=dict)
    renumbered: list[Happened] = field(default_factory=list)  # people whose NHS number was another one
    chosen_id: str = ""  # the id that a FHIR create gave
    origin: people.Source | None = None  # from what comes what is being applied
    known: dict[bytes, str] = field(default_factory=dict)  # rows by token as found or made here, empty: there is none
    records: dict[tuple[str, str], list[Row]] = field(default_factory=dict)  # by type and key, read ahead, each for once

    def next_id(self) -> str:
        return new_id()

    def open_row(self, row: str) -> Generator[Any, Any, Opened]:
        if row not in self.opened:
            found = yield Read(people.OWN_PERSON, {"id": row, "agency": self.agency})
            self.opened[row] = people.open_person(self.ctx.vault, found[0])
        return self.opened[row]

    def row_named(self, text: str) -> Generator[Any, Any, Opened | None]:
        """The row that an identifier leads to, asked for once."""
        token, _ = self.token(text)
        if token not in self.known:
            self.learn(token, (yield Read(people.OWN_BY_TOKEN, {"token": token, "agency": self.agency})))
        return self.opened.get(self.known[token])

    def learn(self, token: bytes, found: list[Row]) -> None:
        """To which row a token leads, if to any."""
        self.known[token] = found[0][0] if found else ""
        if found and found[0][0] not in self.opened:
            self.opened[found[0][0]] = people.open_person(self.ctx.vault, found[0])

    def forget(self) -> None:
        """What was read ahead may no longer be so."""
        self.known.clear()
        self.records.clear()

    def forget_all(self) -> None:
        """Nor may what was opened."""
        self.forget()
        self.opened.clear()

    def store_patient(self, row: Opened, patient: Resource) -> Generator[Any, Any, None]:
        """Write a person's identity if it changed, and its tokens."""
        patient = in_order(_still_told(row.patient, _still_shielded(row.patient, patient)))
        if patient == row.patient:
            return
        yield from _check_number(self, row, patient)
        number = nhs_number(row.patient)
        renumbered = number not in ("", nhs_number(patient))
        yield from terms_written(self.ctx, self.agency, row, patient)
        row.patient, row.origin = patient, self.origin
        sealed = people.seal_patient(row.cipher, row.id, patient, row.origin)
        yield Write(people.SET_IDENTITY, {"person_id": row.id, "sealed": sealed, "at": self.moment.at}, later=True)
        if renumbered:  # old local numbers stay findable, a corrected NHS number does not
            yield Write(people.DROP_NHS_TOKENS, {"person_id": row.id})
            self.forget()
            self.renumbered.append(Happened(row.id, self.taken_back("update"), number=number))
        for text in identifiers(patient):
            yield Write(people.ADD_TOKEN, self.token_row(row.id, text), later=True)

    def taken_back(self, reason: str) -> Change:
        """That what was told is no longer so."""
        return Change(RETRACTED, clock.day(self.moment.at).isoformat(), True, reason)

    def mark_shielded(self, row: Opened, *, shielded: bool) -> Generator[Any, Any, None]:
        """Put the mark of a shield on a row, or take it away: the owner's people alone do."""
        told = [one for one in row.patient.get("extension", ()) if not _is_shield(one)]
        mark = [{"url": systems.extension(SHIELD, self.ctx.base), "valueInstant": clock.instant(self.moment.at)}]
        yield from self._mark(row, [*told, *(mark if shielded else [])])

    def mark_withheld(self, row: Opened, marks: list[Resource]) -> Generator[Any, Any, None]:
        """Put these marks of what is withheld on a row, in place of those that stand there: the owner's people alone do."""
        told = [one for one in row.patient.get("extension", ()) if not is_withholding(one)]
        yield from self._mark(row, [*told, *marks])

    def _mark(self, row: Opened, extensions: list[Resource]) -> Generator[Any, Any, None]:
        row.patient = _with_extensions(row.patient, extensions)
        sealed = people.seal_patient(row.cipher, row.id, row.patient, row.origin)
        yield Write(people.SET_IDENTITY, {"person_id": row.id, "sealed": sealed, "at": self.moment.at})

    def token_row(self, row: str, text: str) -> dict[str, Any]:
        token, kind = self.token(text)
        return {"token": token, "agency": self.agency, "person": row, "kind": kind}

    def token(self, text: str) -> tuple[bytes, str]:
        """The keyed token of an identifier ``system|value``; NHS numbers share theirs across agencies."""
        system, value = text.split("|", 1)
        if system == systems.NHS_NUMBER:
            number = nhs.parse(value)
            if number is None:
                where, hint = "identifier (NHS number)", "Check digit and length are wrong: send the traced number or none."
                raise Unprocessable(f"Not a valid NHS number. {hint}", where=where, code="value")
            return self.ctx.vault.nhs_token(number), "nhs"
        return self.ctx.vault.token("local-id", self.agency, system, value), "local"


def _still_told(before: Resource, patient: Resource) -> Resource:
    """A number that is merely named again keeps what was told of it: that it is verified, from when it holds."""
    held = {(one.get("system"), one.get("value")): one for one in before.get("identifier", ())}
    if not held or "identifier" not in patient:
        return patient
    named = [{**held.get((one.get("system"), one.get("value")), {}), **one} for one in patient["identifier"]]
    return {**patient, "identifier": named}


def _still_shielded(before: Resource, patient: Resource) -> Resource:
    """A shield, and what is withheld, stands whatever a feed sends, and no feed sets either."""
    sent = patient.get("extension") or []
    told = [one for one in sent if not _is_mark(one)]
    held = [one for one in before.get("extension", ()) if _is_mark(one)]
    return _with_extensions(patient, [*told, *held]) if held or len(told) != len(sent) else patient


def _with_extensions(patient: Resource, extensions: list[Resource]) -> Resource:
    rest = {name: value for name, value in patient.items() if name != "extension"}
    return {**rest, "extension": extensions} if extensions else rest


def _is_mark(extension: Resource) -> bool:
    return _is_shield(extension) or is_withholding(extension)


def _is_shield(extension: Resource) -> bool:
    return str(extension.get("url", "")).endswith(f"/StructureDefinition/{SHIELD}")


def _check_number(desk: Desk, row: Opened, patient: Resource) -> Generator[Any, Any, None]:
    """A NHS number that another row of this sender holds: joined if that row has no number of its own kind."""
    number = nhs_number(patient)
    if not number or number == nhs_number(row.patient):
        return
    token, _ = desk.token(f"{systems.NHS_NUMBER}|{number}")
    found = yield Read(people.OWN_BY_TOKEN, {"token": token, "agency": desk.agency})
    if found and found[0][0] != row.id:
        other = yield from desk.open_row(found[0][0])
        yield from absorb(desk, row, other)


def find_or_create(desk: Desk, named: list[str]) -> Generator[Any, Any, Opened]:
    """The sender's row of a person with any of these identifiers; rows that prove to be one person are joined."""
    rows = yield from rows_named(desk, named)
    if not rows:
        return (yield from _create(desk, named))
    survivor, *others = sorted(rows.values(), key=_local_first)
    for other in others:
        yield from absorb(desk, survivor, other)
    yield from _check_local(desk, survivor, named)
    return survivor


def rows_named(desk: Desk, named: list[str]) -> Generator[Any, Any, dict[str, Opened]]:
    """The sender's rows with any of these identifiers, by id, opened."""
    rows: dict[str, Opened] = {}
    for text in named:
        found = yield from desk.row_named(text)
        if found is not None:
            rows[found.id] = found
    return rows


def _check_local(desk: Desk, row: Opened, named: list[str]) -> Generator[Any, Any, None]:
    """A local identifier that is new, for a row that has another of the same system: two records under one NHS number."""
    held = _by_system(row.patient)
    for text in named:
        system, value = text.split("|", 1)
        other = held.get(system)
        if system == systems.NHS_NUMBER or other in (None, value) or f"{system}|{other}" in named:
            continue
        token, _ = desk.token(text)
        if not (yield Read(people.OWN_BY_TOKEN, {"token": token, "agency": desk.agency})):
            raise Unprocessable(SAME_NUMBER, where="identifier (NHS number)", code="duplicate")


def _local_first(row: Opened) -> tuple[bool, str]:
    return (all(text.startswith(systems.NHS_NUMBER) for text in identifiers(row.patient)), row.id)


def _create(desk: Desk, named: list[str]) -> Generator[Any, Any, Opened]:
    identifier = new_id()
    key = desk.ctx.vault.new_person_key(identifier)
    cipher = desk.ctx.vault.person_key(identifier, key.wrapped)
    patient: Resource = {
        "resourceType": "Patient",
        "id": identifier,
        "identifier": [dict(zip(("system", "value"), text.split("|", 1), strict=True)) for text in named],
    }
    patient = in_order(patient)
    at = desk.moment.at
    row = {
        "id": identifier,
        "agency": desk.agency,
        "content_key": key.wrapped,
        "identity": people.seal_patient(cipher, identifier, patient, desk.origin),
        "version": 1,
        "expires": f"{clock.day(at).year + KEPT_YEARS}-{clock.day(at).month:02d}",
        "updated": at,
    }
    yield Write(people.ADD_PERSON, row)
    for text in named:
        yield Write(people.ADD_TOKEN, desk.token_row(identifier, text), later=True)
    yield from look_at_return(desk.ctx, desk.agency, identifier, named, desk.moment)
    desk.known |= {desk.token(text)[0]: identifier for text in named}
    desk.opened[identifier] = Opened(identifier, desk.agency, 1, cipher, patient, origin=desk.origin)
    return desk.opened[identifier]


def absorb(desk: Desk, survivor: Opened, other: Opened, *, declared: bool = False) -> Generator[Any, Any, None]:
    """Move everything of one row to another of the same sender, sealed anew under the survivor's key; notices stay where a
    merge is ``declared``."""
    _check_joinable(survivor, other, declared=declared)
    rows = yield Read(people.RECORDS_OF_PERSON, {"person_id": other.id})
    for held in (people.open_record(other.cipher, columns) for columns in rows):
        yield from reseal_versions(held.id, other, survivor)
        yield from _move(desk, held, survivor)
    for columns in (yield Read(people.RELATED_TO, {"person_id": other.id})):
        yield from _repoint(desk, columns, survivor)
    yield Write(people.MOVE_TOKENS, {"loser": other.id, "survivor": survivor.id})
    desk.forget()
    yield from _take_along(survivor, other)
    joined = _joined_identity(survivor.patient, other.patient)
    yield from terms_moved(desk.ctx, desk.agency, survivor, other, joined)
    survivor.patient = joined
    sealed = people.seal_patient(survivor.cipher, survivor.id, joined, desk.origin)
    yield Write(people.SET_IDENTITY, {"person_id": survivor.id, "sealed": sealed, "at": desk.moment.at})
    link = {"other": {"reference": f"Patient/{survivor.id}"}, "type": "replaced-by"}
    gone: Resource = {"resourceType": "Patient", "id": other.id, "active": False, "link": [link]}
    sealed = people.seal_patient(other.cipher, other.id, gone)
    yield Write(people.SET_IDENTITY, {"person_id": other.id, "sealed": sealed, "at": desk.moment.at})
    other.patient = gone
    if not declared:
        yield Write(outbox.MOVE_NOTICES, {"loser": other.id, "survivor": survivor.id})


def _take_along(survivor: Opened, other: Opened) -> Generator[Any, Any, None]:
    """Holds that stand on a row, and reports that were made of it, are the survivor's from now on."""
    yield Write(subjects.MOVE_HOLDS, {"loser": other.id, "survivor": survivor.id})
    for columns in (yield Read(subjects.REPORTS_OF, {"person_id": other.id})):
        sealed = people.reseal(other.cipher, survivor.cipher, columns[0], columns[4])
        yield Write(subjects.MOVE_REPORT, {"report_id": columns[0], "sealed": sealed, "survivor": survivor.id})


def _check_joinable(survivor: Opened, other: Opened, *, declared: bool) -> None:
    """Rows are joined by a shared number only where they do not contradict each other, and never across an adoption."""
    for row in (survivor, other):
        if is_shielded(row.patient) or any(
            str(one.get("url", "")).endswith("/restriction") or is_withholding(one) for one in row.patient.get("extension", ())
        ):
            raise Unprocessable("A record that is restricted is never joined with another.", code="business-rule")
    if declared:
        return
    mine, theirs = _by_system(survivor.patient), _by_system(other.patient)
    if any(mine[system] != theirs[system] for system in mine.keys() & theirs.keys()):
        raise Unprocessable(SAME_NUMBER, where="identifier (NHS number)", code="duplicate")


def _by_system(patient: Resource) -> dict[str, str]:
    return dict(text.split("|", 1) for text in identifiers(patient))


def _joined_identity(survivor: Resource, other: Resource) -> Resource:
    """The survivor's identity, with what only the other row had; old identifiers stay findable."""
    mine = set(identifiers(survivor))
    extra = [one for one in other.get("identifier", ()) if f"{one.get('system')}|{one.get('value')}" not in mine]
    kept = {key: value for key, value in other.items() if key not in ("id", "identifier")}
    return in_order({**kept, **survivor, "identifier": [*survivor.get("identifier", ()), *extra]})


def reseal_versions(record: str, before: Opened, after: Opened) -> Generator[Any, Any, None]:
    """Earlier versions of a record that goes to another row open with that row's key from now on."""
    for version, body in (yield Read(people.VERSIONS_OF, {"id": record})):
        sealed = people.reseal(before.cipher, after.cipher, record, body)
        yield Write(people.SET_VERSION, {"record_id": record, "the_version": version, "sealed": sealed})


def _move(desk: Desk, held: people.Held, survivor: Opened) -> Generator[Any, Any, None]:
    sealed = people.seal_record(survivor.cipher, held.id, held.key, held.body, held.origin)
    yield Write(
        people.SET_RECORD,
        {
            "record_id": held.id,
            "person_id": survivor.id,
            "related_id": held.related,
            "sealed": sealed,
            "new_version": held.version + 1,
            "at": desk.moment.at,
        },
    )
    kept = {"record": held.id, "version": held.version + 1, "body": sealed, "updated": desk.moment.at}
    yield Write(people.ADD_VERSION, kept)


def _repoint(desk: Desk, columns: Row, survivor: Opened) -> Generator[Any, Any, None]:
    owner = people.open_person(desk.ctx.vault, columns[:5])
    held = people.open_record(owner.cipher, columns[5:])
    yield Write(
        people.SET_RECORD,
        {
            "record_id": held.id,
            "person_id": owner.id,
            "related_id": survivor.id,
            "sealed": people.seal_record(owner.cipher, held.id, held.key, held.body, held.origin),
            "new_version": held.version,
            "at": desk.moment.at,
        },
    )
