"""Record systems that launch the clinician's page, and the sessions that come of it, as rows.

A launch's session stands in the table of sessions under a token of its own kind: what the browser holds for one opens
nothing as the other. It is read together with the record systems of its agency as they are registered now.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, bindparam, delete, select

from gateway.store import sessions
from gateway.store.ledger import Moment, Rows, Upkeep
from gateway.store.sql import Added, Read, Statement
from gateway.store.tables import agency, client, launch_system
from gateway.store.vault import Vault

_REGISTERED = (
    select(
        *launch_system.columns, client.c.agency, client.c.scopes, client.c.purposes, client.c.roles, client.c.revoked
    ).join(client, client.c.id == launch_system.c.client)
)  # fmt: skip
AT_ISS = Statement(_REGISTERED.where(launch_system.c.iss == bindparam("iss_url", type_=Text)))
OF_AGENCY = Statement(_REGISTERED.where(client.c.agency == bindparam("agency_code", type_=Text)))
LAUNCH_SYSTEMS = Statement(
    select(agency.c.name, launch_system.c.iss, client.c.agency, client.c.id, launch_system.c.client_id)
    .select_from(launch_system.join(client, client.c.id == launch_system.c.client).join(agency, agency.c.code == client.c.agency))
    .where(client.c.revoked == 0)
    .order_by(agency.c.name, launch_system.c.iss)
)
ADD_LAUNCH_SYSTEM = Added(launch_system, new_only=True)
_THIS = launch_system.c.client == bindparam("of_client", type_=Text)
OF_CLIENT = Statement(_REGISTERED.where(_THIS))
REMOVE_LAUNCH_SYSTEM = Statement(delete(launch_system).where(_THIS))


def launch_token(vault: Vault, held: str) -> bytes:
    """The keyed token of what a browser holds for a launch."""
    return vault.token("launch", held)


@dataclass(frozen=True, slots=True)
class LaunchStanding:
    """What stands at the moment of a visit: as for any session, with the agency's record systems as they are registered."""

    session: sessions.Standing
    systems: Rows


def resume_launch(_: Any, shown: sessions.Shown, moment: Moment) -> Generator[Any, Any, Upkeep[LaunchStanding]]:
    """Find a launch's session and remember that it was used: what is done in it is an exchange of its own."""
    found = yield from sessions.resume(_, shown, moment)
    row = found.answer.row
    systems = (yield Read(OF_AGENCY, {"agency_code": row[1]})) if row else []
    return Upkeep(LaunchStanding(found.answer, systems), found.writes)
