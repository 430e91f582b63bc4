"""SMART Backend Services: discovery, token endpoint, introspection, our public keys."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api import smart
from gateway.api.edge import NO_STORE, Edge, allowed, base_headers, body_of, request_id
from gateway.api.tokens import ClientKeys, TokenRefused, peek_client_id, verify_assertion
from gateway.exchanges.issue_token import Claimed, TokenRequest, issue_token
from gateway.fhir.outcomes import TooLarge

MAX_FORM = 16 << 10
REFUSED = smart.OAuthError(400, "invalid_client", "The client could not be authenticated.")


async def configuration(edge: Edge, request: Request) -> Response:
    """``/.well-known/smart-configuration``, JSON whatever Accept says."""
    root = edge.token_endpoint.removesuffix("/oauth2/token")
    document = smart.smart_configuration(
        edge.context.url,
        edge.token_endpoint,
        edge.scopes,
        introspection_endpoint=f"{root}/oauth2/introspect",
        jwks_uri=f"{root}/oauth2/jwks",
    )
    return JSONResponse(document, headers=base_headers(request))


async def keys(edge: Edge, request: Request) -> Response:
    """Our public keys: of access tokens (ES256) and of notices (Ed25519)."""
    return JSONResponse(smart.jwks(public_keys(edge)), headers=base_headers(request))


def public_keys(edge: Edge) -> list[dict[str, object]]:
    notices = edge.context.vault.signing.public_key().public_bytes_raw()
    encoded = base64.urlsafe_b64encode(notices).rstrip(b"=").decode()
    return [dict(edge.tokens.public_jwk), {"kty": "OKP", "crv": "Ed25519", "x": encoded, "use": "sig", "kid": f"notices-{encoded[:8]}"}]


async def token(edge: Edge, request: Request) -> Response:
    """``/oauth2/token``: one assertion, one access token of 300 seconds."""
    try:
        body = await body_of(request, MAX_FORM)
        form = smart.parse_token_form(body, request.headers.get("content-type", ""))
        grant = await edge.ledger.run_alone(issue_token, _request(edge, form, request_id(request)))
    except TooLarge:
        return _oauth_error(smart.OAuthError(400, "invalid_request", "The form is too large."), request)
    except smart.OAuthError as error:
        return _oauth_error(error, request)
    if grant.requester is None:
        return _oauth_error(REFUSED, request)
    made, seconds = edge.tokens.issue(grant.requester, time.time())
    return JSONResponse(smart.token_answer(made, seconds, grant.requester.scopes), headers=base_headers(request))


def _request(edge: Edge, form: smart.TokenForm, request_id: str) -> TokenRequest:
    try:
        client_id = peek_client_id(form.assertion)
    except TokenRefused:
        client_id = ""
    if form.client_id and form.client_id != client_id:
        client_id = ""
    return TokenRequest(client_id, _verifier(edge, form, client_id), _granter(form), request_id)


def _verifier(edge: Edge, form: smart.TokenForm, client_id: str) -> Callable[[str], Claimed]:
    def verify(jwks: str) -> Claimed:
        try:
            assertion = verify_assertion(
                form.assertion,
                ClientKeys.parse(orjson.loads(jwks)),
                client_id=client_id,
                audience=(edge.token_endpoint,),
                now=time.time(),
            )
        except TokenRefused as refused:
            raise ValueError(refused.reason) from None
        return Claimed(
            client_id, assertion.jti, assertion.exp, assertion.organization, assertion.user, assertion.role, assertion.purposes
        )

    return verify


def _granter(form: smart.TokenForm) -> Callable[[str], frozenset[str]]:
    def grant(registered: str) -> frozenset[str]:
        held = smart.parse_scopes(registered)
        scopes = smart.granted(form.scopes, held) if form.scopes else held
        if not scopes:
            raise ValueError("no-scope")
        return scopes

    return grant


async def introspect(edge: Edge, request: Request) -> Response:
    """RFC 7662, for a client's own tokens only."""
    requester = allowed(edge, request, "introspect")
    form = smart.form_fields(await body_of(request, MAX_FORM), request.headers.get("content-type", ""))
    try:
        expires, found = edge.tokens.lookup(form.get("token", ""), time.time())
    except TokenRefused:
        return JSONResponse({"active": False}, headers=base_headers(request))
    if found.agency != requester.agency:
        return JSONResponse({"active": False}, headers=base_headers(request))
    document = {"active": True, "client_id": found.client_id, "scope": smart.scope_text(found.scopes), "exp": expires}
    return JSONResponse(document, headers=base_headers(request))


def _oauth_error(error: smart.OAuthError, request: Request) -> Response:
    return JSONResponse(error.as_json(), error.status, {**NO_STORE, **base_headers(request)})
