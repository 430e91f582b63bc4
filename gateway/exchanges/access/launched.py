"""Clinicians who came from their record system with a patient open: for which client, in which roles, about whom.

The organisation, the purposes and the roles are those of the client that the record system is registered for, as it
stands at each visit; of the launch itself come the user, their roles there, and the patient. Who and about whom is sealed
with the session and stands in no address.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from gateway.disclosure.requester import Requester
from gateway.store.sessions import SHELF
from gateway.store.sql import Row
from gateway.store.vault import Vault, open_sealed, seal

SURFACE = "system/$known-to-services"  # the scope without which a client opens no page


class PatientInContext(NamedTuple):
    """The patient whose record was open, as the record system has them; number and birth date are sound and verified."""

    nhs: str  # ten digits
    birth_date: str  # YYYY-MM-DD
    name: str = ""
    gender: str = ""  # AdministrativeGender


@dataclass(frozen=True, slots=True)
class LaunchSystem:
    """A record system as it is registered. ``secret`` empty: by our own key or by PKCE alone."""

    iss: str
    client: str
    client_id: str
    secret: str
    role_claim: str
    roles: Mapping[str, str]  # value of the claim, or code of PractitionerRole -> role
    agency: str = ""
    scopes: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()  # roles that the client's users may have; empty: any
    revoked: bool = False

    @property
    def is_open(self) -> bool:
        """Whether clinicians may come from it now."""
        return not self.revoked and SURFACE in self.scopes

    def roles_of(self, stated: Iterable[str]) -> tuple[str, ...]:
        """Our roles for these values: as they are mapped, else as they stand where the client's users may have them."""
        found = (self.roles.get(value, value if value in self.allowed else "") for value in stated)
        return tuple(dict.fromkeys(role for role in found if role and (role in self.allowed or not self.allowed)))


@dataclass(frozen=True, slots=True)
class Launched:
    """Somebody at work with a patient open. ``stamp`` is the version of clients and agencies at this visit."""

    id: str  # of the session, for the access log
    agency: str
    client: str
    user: str
    roles: tuple[str, ...]
    csrf: str
    patient: PatientInContext
    scopes: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    stamp: str = ""
    suggested: str = ""  # the purpose that the card was for, if they came by a card

    def as_requester(self, role: str = "") -> Requester:
        """They, in one of their roles; in their only one where none is named."""
        stated = role or (self.roles[0] if len(self.roles) == 1 else "")
        return Requester(self.client, self.agency, self.scopes, self.user, stated, self.purposes, self.stamp, self.id)


def launch_system_of(vault: Vault, row: Row) -> LaunchSystem:
    """A registration from its row. Raises Broken."""
    iss, client, client_id, secret, role_claim, roles, _, agency, scopes, purposes, allowed, revoked = row
    return LaunchSystem(
        iss, client, client_id, open_sealed(vault.shelf(SHELF), secret, client).decode(), role_claim, orjson.loads(roles),
        agency, frozenset(scopes.split()), frozenset(purposes.split()), frozenset(allowed.split()), bool(revoked),
    )  # fmt: skip


def launch_system_row(vault: Vault, system: LaunchSystem, at: int) -> dict[str, object]:
    """The row of a registration, its secret sealed."""
    return {
        "iss": system.iss, "client": system.client, "client_id": system.client_id,
        "secret": seal(vault.shelf(SHELF), system.secret.encode(), system.client),
        "role_claim": system.role_claim, "roles": orjson.dumps(dict(system.roles)).decode(), "added": at,
    }  # fmt: skip


def sealed_launch(vault: Vault, launched: Launched, token: bytes) -> bytes:
    """The sealed body of a launch's session: opens for its own row only."""
    told = {
        "id": launched.id, "client": launched.client, "user": launched.user, "roles": launched.roles, "csrf": launched.csrf,
        "patient": launched.patient._asdict(), "suggested": launched.suggested,
    }  # fmt: skip
    return seal(vault.shelf(SHELF), orjson.dumps(told), token.hex())


def launched_of(vault: Vault, row: Row, systems: Collection[Row], stamp: str) -> Launched | None:
    """Who is at work by a session's row, as their record system is registered now; None where it no longer is. Raises Broken."""
    token, agency, _, body, *_ = row
    told = orjson.loads(open_sealed(vault.shelf(SHELF), body, token.hex()))
    found = (launch_system_of(vault, one) for one in systems if one[1] == told["client"])
    system = next((one for one in found if one.is_open), None)
    if system is None:
        return None
    roles = tuple(one for one in told["roles"] if one in system.allowed or not system.allowed)
    return Launched(
        told["id"], agency, system.client, told["user"], roles, told["csrf"], PatientInContext(**told["patient"]),
        system.scopes, system.purposes, stamp, told["suggested"],
    )  # fmt: skip
