"""Sign-in by OpenID Connect: authorization code with PKCE (S256), state and nonce, at the agency's own issuer.

What an attempt is bound to travels in a sealed cookie of ten minutes; the session that comes of it is kept by the
gateway, and the browser holds its random id alone.
"""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.exchanges.access.sign_in import Proved, SignedIn, SignIn, sign_in
from gateway.exchanges.access.sign_out import SignOut, sign_out
from gateway.exchanges.access.staff import Provider, provider_of
from gateway.fhir.outcomes import Forbidden, NotFound, Unavailable
from gateway.partners.id_tokens import Attempt, Expected, kid_of, user_and_roles
from gateway.partners.issuers import IssuerFault, Published
from gateway.partners.jose_strict import IssuerKeys, TokenRefused
from gateway.store import clock, sessions
from gateway.store.ledger import Rows
from gateway.store.sql import Read
from gateway.store.standing import FEEDS, feeds_of
from gateway.web.attempts import AGAIN, SECONDS, code_of, drop_cookie, keep, keep_cookie, onward, opened, signed_proof
from gateway.web.visits import DOORS, Visit, Web

log = logging.getLogger("gateway.web")

BACK = "/sign-in/back"
ATTEMPT = "sign-in"  # the cookie of an attempt
NO_SIGN_IN = "This organisation has no sign-in here."
NOT_ANSWERING = "Your organisation's sign-in does not answer just now. Please try again, or ask your IT service desk."
NO_ROLE = (
    "Your organisation has signed you in, but gives you no role in this gateway. "
    "Ask whoever manages access there for the role that your work needs."
)


@dataclass(frozen=True, slots=True)
class Outward:
    """An attempt on its way: at whose issuer, what it is bound to, where it leads, and when it ends (seconds)."""

    agency: str
    issuer: str
    state: str
    nonce: str
    verifier: str
    then: str
    ends: int


async def choose(visit: Visit) -> Response:
    """``GET /sign-in``: which organisation somebody works for."""
    rows = await _read(visit.web, Read(sessions.PROVIDERS))
    then = _own_page(visit.request.query_params.get("next", ""))
    links = [(row[1], "/sign-in/start?" + urlencode({"agency": row[0], "next": then})) for row in rows]
    return visit.page("sign_in.html", links=links)


async def start(visit: Visit) -> Response:
    """``GET /sign-in/start``: on to the organisation's issuer."""
    web, query = visit.web, visit.request.query_params
    provider = await _provider(web, query.get("agency", ""))
    published = await _published(web, provider.issuer)
    attempt = Attempt.new()
    outward = Outward(
        provider.agency, provider.issuer, attempt.state, attempt.nonce, attempt.verifier,
        _own_page(query.get("next", "")), int(time.time()) + SECONDS,
    )  # fmt: skip
    asked = {
        "response_type": "code", "client_id": provider.client_id, "redirect_uri": web.root + BACK, "scope": "openid",
        "state": attempt.state, "nonce": attempt.nonce,
        "code_challenge": attempt.challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    response = visit.to(onward(published.authorization_endpoint, asked))
    keep(web, response, ATTEMPT, outward)
    return response


async def back(visit: Visit) -> Response:
    """``GET /sign-in/back``: back from the issuer with a code; a session if all holds. Raises Forbidden, Unavailable."""
    web = visit.web
    outward = Outward(**opened(web, visit, ATTEMPT))
    code = code_of(visit, outward.state, outward.issuer)
    provider = await _provider(web, outward.agency)
    token, keys = await _redeemed(web, provider, outward, code)
    held = secrets.token_urlsafe(32)
    ask = SignIn(
        agency=outward.agency,
        state=outward.state,
        attempt_ends=(outward.ends + 60) * clock.SECOND,
        verify=lambda registered: _proved(registered, outward, token, keys),
        token=sessions.session_token(web.context.vault, held),
        csrf=secrets.token_urlsafe(32),
        lasts=web.lasts,
        before=visit.token,
        request_id=visit.request_id,
    )
    return _done(visit, await web.ledger.run_alone(sign_in, ask), held, outward.then)


def _done(visit: Visit, came: SignedIn, held: str, then: str) -> Response:
    """On to where they wanted, or why not; the refusal is on record by its exchange."""
    web, staff = visit.web, came.staff
    if staff is None:
        response = visit.page("error.html", 403, code=403, texts=[NO_ROLE if came.reason == "no-role" else AGAIN], desks=[])
    else:
        home = next((path for scope, path, _ in DOORS if staff.acting(scope)), "/sign-in")
        response = visit.to(then or home)
        keep_cookie(web, response, "session", held)
    drop_cookie(web, response, ATTEMPT)
    return response


async def leave(visit: Visit) -> Response:
    """``POST /sign-out``."""
    web, staff = visit.web, visit.staff
    assert staff is not None
    await web.ledger.run(sign_out, SignOut(staff, visit.token, visit.request_id))
    response = visit.to("/signed-out?" + urlencode({"agency": staff.agency}))
    drop_cookie(web, response, "session")
    return response


async def left(visit: Visit) -> Response:
    """``GET /signed-out``: with the way to leave the organisation's own sign-in too, if it has one."""
    web, elsewhere = visit.web, ""
    try:
        provider = await _provider(web, visit.request.query_params.get("agency", ""))
        published = await web.issuers.published(provider.issuer)
        if published.end_session_endpoint:
            said = {"client_id": provider.client_id, "post_logout_redirect_uri": f"{web.root}/sign-in"}
            elsewhere = onward(published.end_session_endpoint, said)
    except (NotFound, IssuerFault):
        pass
    return visit.page("signed_out.html", elsewhere=elsewhere)


# -- the way out and back --------------------------------------------------------------------------------------------


async def _provider(web: Web, agency: str) -> Provider:
    rows = await _read(web, Read(sessions.PROVIDER, {"agency_code": agency[:64]}))
    if not rows:
        raise NotFound(NO_SIGN_IN)
    return provider_of(web.context.vault, rows[0])


async def _read(web: Web, wanted: Read) -> Rows:
    """Some rows; the agencies are read beside them, so that whom to ring is known before anybody is signed in."""
    rows, feeds = await web.ledger.read([wanted, Read(FEEDS)])
    web.feeds = feeds_of(feeds)
    return rows


async def _published(web: Web, issuer: str) -> Published:
    try:
        return await web.issuers.published(issuer)
    except IssuerFault as fault:
        log.warning("an issuer cannot be used", extra={"operation": "sign_in", "state": str(fault)})
        raise Unavailable(NOT_ANSWERING) from fault


async def _redeemed(web: Web, provider: Provider, outward: Outward, code: str) -> tuple[str, IssuerKeys]:
    """The ID token for a code, and the issuer's keys. Raises Unavailable, Forbidden."""
    published = await _published(web, outward.issuer)
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": web.root + BACK,
        "code_verifier": outward.verifier, "client_id": provider.client_id, **_proof(web, provider, published.token_endpoint),
    }  # fmt: skip
    try:
        token = await web.issuers.redeem(published.token_endpoint, form)
        keys = (await web.issuers.published(outward.issuer, kid=kid_of(token))).keys
    except IssuerFault as fault:
        log.warning("an issuer gave no token for a code", extra={"operation": "sign_in", "state": str(fault)})
        raise Forbidden(AGAIN) from fault
    return token, keys


def _proof(web: Web, provider: Provider, audience: str) -> dict[str, str]:
    """How we prove ourselves to an issuer: by its secret, else by our own key (RFC 7523; the key stands in our JWKS)."""
    return {"client_secret": provider.secret} if provider.secret else signed_proof(web, provider.client_id, audience)


def _proved(registered: Provider, outward: Outward, token: str, keys: IssuerKeys) -> Proved:
    """What the ID token proves by the registration as it stands now. Raises ValueError with a machine reason."""
    if registered.issuer != outward.issuer:
        raise ValueError("another-issuer")
    expected = Expected(
        registered.issuer, registered.client_id, outward.nonce, registered.user_claim, registered.role_claim
    )  # fmt: skip
    try:
        return Proved(*user_and_roles(token, keys, expected, time.time()))
    except TokenRefused as refused:
        raise ValueError(refused.reason) from None


def _own_page(path: str) -> str:
    """Where to go afterwards: one of our own pages, or nothing."""
    return path if path in {door[1] for door in DOORS} else ""
