"""SMART Backend Services: discovery, token endpoint, introspection, our public keys."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api import smart
from gateway.api.edge import Edge, base_headers, body_of, caller, put_on_record, request_id
from gateway.api.tokens import ClientKeys, TokenRefused, peek_client_id, verify_assertion
from gateway.exchanges.access.issue_token import Claimed, TokenRequest, issue_token
from gateway.exchanges.lines import SUPERSEDED
from gateway.fhir.outcomes import NotAuthenticated, TooLarge
from gateway.store.notice_keys import key_id
from gateway.store.sql import Read
from gateway.store.standing import STANDING

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
    """JWKs of the key that signs access tokens and of those that sign notices, or did: the newest first."""
    vault = edge.context.vault
    notices = [*(key.public_key().public_bytes_raw() for key in vault.notices), *vault.retired]
    return [dict(edge.tokens.public_jwk), *(_notice_jwk(public) for public in notices)]


def _notice_jwk(public: bytes) -> dict[str, object]:
    encoded = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": encoded, "use": "sig", "kid": key_id(public)}


async def token(edge: Edge, request: Request) -> Response:
    """``/oauth2/token``: one assertion, one access token of 300 seconds."""
    try:
        body = await body_of(request, MAX_FORM)
        form = smart.parse_token_form(body, request.headers.get("content-type", ""))
        grant = await edge.ledger.run_alone(issue_token, _request(edge, form, request_id(request)))
    except TooLarge:
        return await _refused(edge, request, "token", smart.OAuthError(400, "invalid_request", "The form is too large."))
    except smart.OAuthError as error:
        return await _refused(edge, request, "token", error)
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
    """RFC 7662, for the tokens of the caller's own organisation; all others are not active, whatever they are."""
    requester = caller(edge, request)
    stamp = (await edge.ledger.read([Read(STANDING)]))[0][0][1]
    if requester.stamp != stamp:
        raise NotAuthenticated(SUPERSEDED)
    try:
        form = smart.form_fields(await body_of(request, MAX_FORM), request.headers.get("content-type", ""))
    except smart.OAuthError as error:
        return await _refused(edge, request, "introspect", error)
    if "token" not in form:
        return await _refused(
            edge, request, "introspect", smart.OAuthError(400, "invalid_request", "The field token is missing.")
        )
    return JSONResponse(_described(edge, form["token"], requester.agency, stamp), headers=base_headers(request))


def _described(edge: Edge, text: str, agency: str, stamp: str) -> dict[str, object]:
    try:
        expires, found = edge.tokens.lookup(text, time.time())
    except TokenRefused:
        return {"active": False}
    if found.agency != agency or found.stamp != stamp:
        return {"active": False}
    return {"active": True, "client_id": found.client_id, "scope": smart.scope_text(found.scopes), "exp": expires}


async def _refused(edge: Edge, request: Request, operation: str, error: smart.OAuthError) -> Response:
    """A refusal in the words of OAuth, once it is on record."""
    await put_on_record(edge, request, operation, error.status)
    return _oauth_error(error, request)


def _oauth_error(error: smart.OAuthError, request: Request) -> Response:
    return JSONResponse(error.as_json(), error.status, base_headers(request))
