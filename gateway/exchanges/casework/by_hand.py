"""What an agency's own staff put on its record by hand: whose it is, and that no feed needs to have told of them yet."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current
from gateway.exchanges.records.held import held_under
from gateway.exchanges.records.persons import Desk
from gateway.exchanges.reviews import NEEDS_USER
from gateway.fhir.dates import whole_day
from gateway.fhir.outcomes import Forbidden, NotFound, Unprocessable
from gateway.fhir.systems import NHS_NUMBER
from gateway.mapping.records import Resource, Sourced
from gateway.store import clock, people
from gateway.store.ledger import Moment
from gateway.store.sql import Read

KEY = "by-hand"  # the beginning of the key of whatever was put down so: no feed has such a key
NOBODY_HERE = "Your organisation's records have nobody with this number: enter the birth date too."
AHEAD = "Enter a day that is not in the future."


class OwnPatient(NamedTuple):
    """A patient of the agency: ten digits, and the birth date where it is known."""

    nhs: str
    birth_date: str = ""

    @property
    def identity(self) -> str:
        return f"{NHS_NUMBER}|{self.nhs}"

    @property
    def identifier(self) -> Resource:
        return {"system": NHS_NUMBER, "value": self.nhs}

    @property
    def reference(self) -> Resource:
        """How a resource names them."""
        return {"type": "Patient", "identifier": self.identifier}


def check_staff(requester: Requester, moment: Moment) -> None:
    """Somebody by name, under what is registered now. Raises NotAuthenticated, Forbidden."""
    check_current(requester, moment)
    if not requester.user:
        raise Forbidden(NEEDS_USER)


def past_day(text: str, moment: Moment, where: str) -> str:
    """A whole day, today's where none is given. Raises Unprocessable for one that lies ahead."""
    today = clock.day(moment.at)
    day = whole_day(text) if text else today
    if day is None or day > today:
        raise Unprocessable(AHEAD, where=where, code="value")
    return day.isoformat()


def put_down(ctx: Context, agency: str, kind: str, key: str, moment: Moment) -> Generator[Any, Any, Resource | None]:
    """What was put down under a key, as the agency's record has it now; None where nothing was."""
    found = yield from held_under(Desk(ctx, agency, moment), kind, key)
    return found[0].body if found else None


def introduced(ctx: Context, agency: str, person: OwnPatient) -> Generator[Any, Any, tuple[Sourced, ...]]:
    """What makes a row of somebody of whom the agency's feed has not told: nothing where it has. Raises NotFound."""
    token = ctx.vault.nhs_token(person.nhs)
    if (yield Read(people.OWN_BY_TOKEN, {"token": token, "agency": agency})):
        return ()
    if not person.birth_date:
        raise NotFound(NOBODY_HERE)
    patient = {"resourceType": "Patient", "identifier": [person.identifier], "birthDate": person.birth_date}
    return (Sourced(f"{KEY}/{person.nhs}", patient),)
