"""The staff register of an employer: loaded whole, kept as keyed tokens alone.

It is what the question about staff who look at their own rests on. No name, address or number is kept: only whether two of
them are the same can be told, within one employer, with the deployment's key.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.audit.close_to_home import plain
from gateway.audit.entry import DONE, Kind
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.fhir.outcomes import NotFound, Unprocessable
from gateway.fhir.systems import NHS_NUMBER
from gateway.identity import nhs_number
from gateway.store import audit_log, staff
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Write

NAME = "keep_staff"
COLUMNS: Final = ("user", "surname", "address_line", "postcode", "nhs_number", "team")
MOST: Final = 200_000


@dataclass(frozen=True, slots=True)
class StaffLine:
    """One of the staff, as the employer gives it; empty for what it does not give."""

    user: str  # as its systems name them in their tokens
    surname: str = ""
    address: str = ""
    nhs: str = ""
    team: str = ""


@dataclass(frozen=True, slots=True)
class StaffRegister:
    """Everybody who works for an agency, in place of what was loaded before."""

    agency: str
    staff: tuple[StaffLine, ...]


def read_staff(text: str) -> tuple[StaffLine, ...]:
    """The lines of a CSV with the columns of ``COLUMNS``; ``user`` is needed, the others as far as they are known.

    Raises Unprocessable, naming line and column, and takes nothing of a file with a fault.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    if "user" not in names or set(names) - set(COLUMNS):
        raise Unprocessable(
            f"The first line names the columns: user, and of {', '.join(COLUMNS[1:])} what is known.", where="line 1"
        )
    reader.fieldnames = names
    found: dict[str, StaffLine] = {}
    for number, row in enumerate(reader, 2):
        one = _read_line(row, f"line {number}")
        if one.user in found:
            raise Unprocessable("This user stands twice.", where=f"line {number}, user", code="duplicate")
        found[one.user] = one
    if not found or len(found) > MOST:
        raise Unprocessable(f"A register has 1 to {MOST} members of staff, this one has {len(found)}.", where="file")
    return tuple(found.values())


def _read_line(row: Mapping[str | None, object], where: str) -> StaffLine:
    if None in row or None in row.values():
        raise Unprocessable("The line has more or fewer cells than there are columns.", where=where, code="structure")
    cells = {str(name): str(value).strip() for name, value in row.items()}
    if not cells["user"]:
        raise Unprocessable("Without a user nobody is meant.", where=f"{where}, user", code="required")
    given = cells.get("nhs_number", "")
    number = nhs_number.parse(given) if given else ""
    if number is None:
        raise Unprocessable(
            "This is not a NHS number: ten digits with a valid check digit.", where=f"{where}, nhs_number", code="value"
        )
    line_, postcode = plain(cells.get("address_line", "")), plain(cells.get("postcode", ""))
    address = f"{line_}/{postcode}" if line_ and postcode else ""  # a postcode alone is a street
    return StaffLine(cells["user"], plain(cells.get("surname", "")), address, number, plain(cells.get("team", "")))


def keep_staff(ctx: Context, register: StaffRegister, moment: Moment) -> Story[int]:
    """Take up the register, in place of the one before; gives how many there are. Raises NotFound for an unknown agency."""
    if register.agency not in moment.feeds:
        raise NotFound(f"No agency {register.agency} is registered here: gateway agency list shows those that are.")
    yield Write(staff.DROP_MEMBERS, {"agency": register.agency})
    rows = tuple(Write(staff.ADD_MEMBER, _row(ctx, register.agency, one, moment.at)) for one in register.staff)
    entry = line(
        NAME, OPERATOR, moment, Kind.ADMINISTRATION, DONE, custodian=register.agency, detail=(("members", str(len(rows))),)
    )
    return Outcome(len(rows), (entry,), rows)


def _row(ctx: Context, agency: str, one: StaffLine, at: int) -> dict[str, object]:
    vault = ctx.vault
    return {
        "agency": agency,
        "user_token": audit_log.user_token(vault, agency, one.user),
        "patient_token": audit_log.patient_token(vault, f"{NHS_NUMBER}|{one.nhs}" if one.nhs else ""),
        "nhs": vault.nhs_token(one.nhs) if one.nhs else b"",
        "surname": staff.staff_token(vault, agency, "surname", one.surname),
        "address": staff.staff_token(vault, agency, "address", one.address),
        "team": staff.staff_token(vault, agency, "team", one.team),
        "loaded": at,
    }
