"""An access token for a client (SMART Backend Services): its assertion is used once, whatever worker sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.audit.entry import DONE, REFUSED, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.lines import line
from gateway.store import clock
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Added, Read, Write
from gateway.store.standing import CLIENT
from gateway.store.tables import seen_assertion

NAME = "issue_token"
ADD_ASSERTION = Added(seen_assertion, new_only=True)


@dataclass(frozen=True, slots=True)
class Registered:
    """A client as it is registered."""

    id: str
    agency: str
    name: str
    scopes: str
    purposes: frozenset[str]
    roles: frozenset[str]
    jwks: str
    revoked: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a verified assertion claims."""

    client_id: str
    jti: str
    expires: int  # seconds
    organization: str
    user: str
    role: str
    purposes: frozenset[str]


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request at the token endpoint. ``verify`` checks signature and claims with the registered keys, and
    ``grant`` gives the scopes; both raise ValueError with a machine reason."""

    client_id: str
    verify: Callable[[str], Claimed]
    grant: Callable[[str], frozenset[str]]
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """Who the token will speak for; None with a reason where there is none. The reason is for the log."""

    requester: Requester | None
    reason: str = ""


def issue_token(ctx: Context, request: TokenRequest, moment: Moment) -> Story[TokenGrant]:
    """Decide on one token request; reads its own writes, for an assertion counts once."""
    rows = yield Read(CLIENT, {"id": request.client_id})
    client = _registered(rows[0]) if rows else None
    if client is None or client.revoked:
        return _refused(request, moment, "unknown-client", "")
    try:
        claimed = request.verify(client.jwks)
        scopes = request.grant(client.scopes)
    except ValueError as fault:
        return _refused(request, moment, str(fault)[:80], client.agency)
    reason = _claim_fault(client, claimed)
    if reason:
        return _refused(request, moment, reason, client.agency)
    row = {"client": client.id, "jti": claimed.jti, "expires": claimed.expires * clock.SECOND}
    if (yield Write(ADD_ASSERTION, row)) != 1:
        return _refused(request, moment, "replayed", client.agency)
    purposes = claimed.purposes or client.purposes
    requester = Requester(client.id, client.agency, scopes, claimed.user, claimed.role, purposes, moment.stamp, token_id=new_id())
    entry = line(NAME, requester, moment, Kind.TOKEN, DONE, request_id=request.request_id, detail=(("jti", requester.token_id),))
    return Outcome(TokenGrant(requester), (entry,))


def _registered(row: tuple[object, ...]) -> Registered:
    identifier, agency, name, scopes, purposes, roles, jwks, revoked = (str(value) for value in row[:8])
    return Registered(
        identifier, agency, name, scopes, frozenset(purposes.split()), frozenset(roles.split()), jwks, revoked != "0"
    )


def _claim_fault(client: Registered, claimed: Claimed) -> str:
    """Whether the assertion claims more than the client is registered for."""
    if claimed.organization and claimed.organization != client.agency:
        return "another-organisation"
    if not claimed.purposes <= client.purposes:
        return "purpose-not-yours"
    if claimed.role and client.roles and claimed.role not in client.roles:
        return "role-not-allowed"
    return ""


def _refused(request: TokenRequest, moment: Moment, reason: str, agency: str) -> Outcome[TokenGrant]:
    known = request.client_id[:64] if agency else ""
    nobody = Requester(known, agency, frozenset())
    entry = line(
        NAME, nobody, moment, Kind.TOKEN, REFUSED, request_id=request.request_id, refusal="error",
        detail=(("result", reason),),
    )  # fmt: skip
    return Outcome(TokenGrant(None, reason), (entry,))
