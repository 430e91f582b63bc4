"""A record system asks for cards (CDS Hooks): its signed token is used once, whatever worker sees it.

The token proves the software, as an assertion at the token endpoint does. Organisation, purpose and keys are those that
are registered for its issuer; a user and a role that it states are taken, more than is registered is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.audit.entry import DONE, REFUSED, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.access.issue_token import ADD_ASSERTION, Claimed
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.exchanges.lookup.look_up_status import as_asked, covering
from gateway.exchanges.lookup.lookups import LookupRequest
from gateway.store import clock
from gateway.store.cards import CARD_CLIENT
from gateway.store.ledger import Feed, Moment, Outcome, Story
from gateway.store.sql import Read, Row, Write

NAME = "admit_card_client"


class CardClient(NamedTuple):
    """A client as it is registered for cards."""

    id: str
    jku: str
    purpose: str
    agency: str
    scopes: str
    purposes: frozenset[str]
    roles: frozenset[str]
    jwks: str
    revoked: bool


@dataclass(frozen=True, slots=True)
class Knock:
    """A request for cards. ``verify`` checks signature and claims by the registered client; ``grant`` gives the scopes that
    count here. Both raise ValueError with a machine reason."""

    issuer: str
    verify: Callable[[CardClient], Claimed]
    grant: Callable[[str], frozenset[str]]
    user: str = ""  # who works in the record system, and in which roles, as its request says
    roles: tuple[str, ...] = ()
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Whom the token speaks for, None where for nobody; of what kind their organisation is, and whom they may hear from."""

    requester: Requester | None
    purpose: str = ""
    kind: str = ""
    covered: tuple[Feed, ...] = ()


def card_client(row: Row) -> CardClient:
    """A registration from its row."""
    identifier, jku, purpose, agency, scopes, purposes, roles, jwks, revoked = row
    return CardClient(
        identifier, jku, purpose, agency, scopes, frozenset(purposes.split()), frozenset(roles.split()), jwks, bool(revoked)
    )


def admit_card_client(ctx: Context, knock: Knock, moment: Moment) -> Story[Admitted]:
    """Decide on one token; reads its own writes, for a token counts once."""
    rows = yield Read(CARD_CLIENT, {"issuer": knock.issuer})
    client = card_client(rows[0]) if rows else None
    if client is None or client.revoked:
        return _refused(knock, moment, "unknown-client", None)
    try:
        claimed = knock.verify(client)
        scopes = knock.grant(client.scopes)
    except ValueError as fault:
        return _refused(knock, moment, str(fault)[:80], client)
    reason = _claim_fault(client, claimed)
    if reason:
        return _refused(knock, moment, reason, client)
    row = {"client": client.id, "jti": claimed.jti, "expires": claimed.expires * clock.SECOND}
    if (yield Write(ADD_ASSERTION, row)) != 1:
        return _refused(knock, moment, "replayed", client)
    user, role = claimed.user or knock.user, claimed.role or _one_role(client, knock.roles)
    purposes = frozenset({client.purpose})
    requester = Requester(client.id, client.agency, scopes, user, role, purposes, moment.stamp, new_id())
    entry = line(NAME, requester, moment, Kind.TOKEN, DONE, request_id=knock.request_id, detail=(("jti", requester.token_id),))
    feed = moment.feeds.get(client.agency)
    return Outcome(Admitted(requester, client.purpose, feed.kind if feed else "", _covered(ctx, requester, moment)), (entry,))


def _one_role(client: CardClient, stated: tuple[str, ...]) -> str:
    """The one role, of those that the request states, that the client's users may have; none where there are several."""
    fitting = [role for role in stated if role in client.roles or not client.roles]
    return fitting[0] if len(fitting) == 1 else ""


def _covered(ctx: Context, requester: Requester, moment: Moment) -> tuple[Feed, ...]:
    (purpose,) = requester.purposes
    asked = as_asked(ctx, LookupRequest(requester, "", "", verified=False, purpose=purpose), moment)
    return tuple(covering(ctx, asked, moment)) if asked else ()


def _claim_fault(client: CardClient, claimed: Claimed) -> str:
    """Whether the token claims more than the client is registered for."""
    if claimed.organization and claimed.organization != client.agency:
        return "another-organisation"
    if client.purpose not in client.purposes or (claimed.purposes and client.purpose not in claimed.purposes):
        return "purpose-not-yours"
    if claimed.role and client.roles and claimed.role not in client.roles:
        return "role-not-allowed"
    return ""


def _refused(knock: Knock, moment: Moment, reason: str, client: CardClient | None) -> Outcome[Admitted]:
    nobody = Requester(client.id, client.agency, frozenset()) if client else Requester("", "", frozenset())
    entry = line(
        NAME, nobody, moment, Kind.TOKEN, REFUSED, request_id=knock.request_id, refusal="error",
        detail=(("result", reason),),
    )  # fmt: skip
    return Outcome(Admitted(None), (entry,))
