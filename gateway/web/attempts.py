"""Attempts on their way through another party's sign-in: what a browser carries meanwhile, and how we prove ourselves there.

What an attempt is bound to (RFC 6749 state, nonce, the verifier of RFC 7636) travels in a sealed cookie of ten minutes.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from gateway.fhir.outcomes import BadRequest, Forbidden
from gateway.store import sessions
from gateway.store.vault import Broken, open_sealed, seal
from gateway.web.visits import Visit, Web

SECONDS = 600  # that an attempt lasts
MOST = 4096  # characters of a code or an error
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AGAIN = "The sign-in could not be completed. Please start again."
REFUSED = "Your organisation's sign-in did not let you in."


def onward(endpoint: str, asked: dict[str, str]) -> str:
    """An authorization endpoint with a request."""
    return endpoint + ("&" if "?" in endpoint else "?") + urlencode(asked)


def code_of(visit: Visit, state: str, issuer: str = "") -> str:
    """The code of the answer, if it is the answer to this attempt. Raises Forbidden, BadRequest."""
    query = visit.request.query_params
    if len(query.multi_items()) != len(query) or any(len(value) > MOST for value in query.values()):
        raise BadRequest(AGAIN)
    if not secrets.compare_digest(query.get("state", "").encode(), state.encode()):
        raise Forbidden(AGAIN)
    if issuer and query.get("iss", issuer) != issuer:  # RFC 9207: the answer of another issuer
        raise Forbidden(AGAIN)
    if "error" in query:
        raise Forbidden(REFUSED)
    if not query.get("code"):
        raise BadRequest(AGAIN)
    return query["code"]


def signed_proof(web: Web, client_id: str, audience: str) -> dict[str, str]:
    """That we are who we say, by our own key (RFC 7523; the key stands in our JWKS)."""
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + 60}
    signed = web.key.sign("JWT", orjson.dumps({**claims, "jti": secrets.token_hex(16)}))
    return {"client_assertion_type": ASSERTION, "client_assertion": signed}


def keep(web: Web, response: Response, name: str, attempt: Any) -> None:
    """Give the browser an attempt (a dataclass), sealed."""
    body = seal(web.context.vault.shelf(sessions.SHELF), orjson.dumps(asdict(attempt)), name)
    keep_cookie(web, response, name, base64.urlsafe_b64encode(body).decode(), SECONDS)


def opened(web: Web, visit: Visit, name: str) -> dict[str, Any]:
    """The attempt that a browser carries. Raises Forbidden where there is none, or no longer."""
    held = visit.request.cookies.get(web.cookie(name), "")
    try:
        raw = base64.b64decode(held.encode(), altchars=b"-_", validate=True)
        attempt: dict[str, Any] = orjson.loads(open_sealed(web.context.vault.shelf(sessions.SHELF), raw, name))
    except (binascii.Error, ValueError, Broken) as fault:
        raise Forbidden(AGAIN) from fault
    if attempt["ends"] <= time.time():
        raise Forbidden(AGAIN)
    return attempt


def keep_cookie(web: Web, response: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Set a cookie that scripts cannot read and other sites' forms do not carry."""
    response.set_cookie(
        web.cookie(name), value, max_age=seconds, path="/", secure=web.secure, httponly=True, samesite="lax"
    )  # fmt: skip


def drop_cookie(web: Web, response: Response, name: str) -> None:
    """Take a cookie back."""
    response.delete_cookie(web.cookie(name), path="/", secure=web.secure, httponly=True, samesite="lax")
