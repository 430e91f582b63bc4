"""SMART App Launch 2.2, Backend Services: scopes, the token endpoint's form and errors, the published documents.

Pure: text in, values and plain dicts out. Keys and signatures are in ``gateway.api.tokens``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

# --- scopes --------------------------------------------------------------------------------------------------------

INTERACTIONS = "cruds"  # create, read, update, delete, search: a suffix keeps this order
MAX_SCOPES = 100
MAX_SCOPE_TEXT = 4096
V1_SUFFIXES = {"read": "rs", "write": "cud", "*": "cruds"}  # SMART 2.2, scopes for requesting FHIR resources
_OPERATION = re.compile(r"system/\$[a-z][a-z0-9-]{0,63}")
_RESOURCE = re.compile(r"system/(\*|[A-Z][A-Za-z]{0,63}|[a-z][a-z-]{0,63})\.(read|write|\*|c?r?u?d?s?)")


def parse_scopes(text: str) -> frozenset[str]:
    """The single permissions of a scope text (RFC 6749 section 3.3): "system/Patient.rs" is .r and .s.

    Takes SMART v2 ``system/Type.cruds`` in order, v1 ``.read`` ``.write`` ``.*``, operations ``system/$name`` and our
    own surfaces ``system/records.c``. ValueError for all else, so also for a search parameter after "?": granting
    such a scope without its limit would widen it.
    """
    if len(text) > MAX_SCOPE_TEXT or text.count(" ") >= MAX_SCOPES:
        raise ValueError("too many scopes")
    return frozenset(permission for scope in text.split(" ") if text for permission in _permissions(scope))


def _permissions(scope: str) -> Iterable[str]:
    if _OPERATION.fullmatch(scope):
        return (scope,)
    match = _RESOURCE.fullmatch(scope)
    if match is None or not match[2]:
        raise ValueError("a scope is not one that this server understands")
    return [f"system/{match[1]}.{letter}" for letter in V1_SUFFIXES.get(match[2], match[2])]


def scope_text(scopes: Collection[str]) -> str:
    """Permissions as a scope text in SMART v2 form, sorted: the reverse of `parse_scopes`."""
    letters: defaultdict[str, set[str]] = defaultdict(set)
    for scope in scopes:
        surface, _, letter = scope.partition(".")
        letters[surface].add(letter)
    return " ".join(_suffixed(surface, letters[surface]) for surface in sorted(letters))


def _suffixed(surface: str, letters: set[str]) -> str:
    suffix = "".join(letter for letter in INTERACTIONS if letter in letters)
    return f"{surface}.{suffix}" if suffix else surface


def allows(scopes: Collection[str], surface: str, interaction: str = "") -> bool:
    """Whether these permissions cover one interaction (a letter of "cruds") on a FHIR type, or an operation ("$name").

    ``*`` stands for every FHIR type; never for an operation or for a surface of our own such as ``records``.
    """
    if surface.startswith("$"):
        return f"system/{surface}" in scopes
    if len(interaction) != 1 or interaction not in INTERACTIONS:
        return False
    return f"system/{surface}.{interaction}" in scopes or (surface[:1].isupper() and f"system/*.{interaction}" in scopes)


def granted(requested: Collection[str], registered: Collection[str]) -> frozenset[str]:
    """What was asked for and is registered, permission by permission; a ``*`` on either side narrows to the other's types."""
    return _covered(requested, registered) | _covered(registered, requested)


def _covered(scopes: Collection[str], by: Collection[str]) -> frozenset[str]:
    return frozenset(scope for scope in scopes if scope in by or allows(by, *scope.removeprefix("system/").split(".")))


# --- the token endpoint's form -------------------------------------------------------------------------------------

MAX_FORM = 16 * 1024
MAX_FIELDS = 20
GRANT_TYPE = "client_credentials"
ASSERTION_KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM_TYPE = "application/x-www-form-urlencoded"


class OAuthError(Exception):
    """A refusal of the token endpoint (RFC 6749 section 5.2). ``description`` is fixed text and names nothing sent."""

    def __init__(self, status: int, error: str, description: str):
        super().__init__(f"{error}: {description}")
        self.status, self.error, self.description = status, error, description

    def as_json(self) -> dict[str, str]:
        """The body of the answer."""
        return {"error": self.error, "error_description": self.description}


@dataclass(frozen=True, slots=True, repr=False)
class TokenForm:
    """A well-formed request for an access token. ``client_id``, if sent, must equal the assertion's (RFC 7521 section 4.2)."""

    assertion: str
    scopes: frozenset[str]
    client_id: str = ""


def parse_token_form(body: bytes, content_type: str) -> TokenForm:
    """The form of a client_credentials grant with a signed assertion (RFC 6749 section 4.4, RFC 7523), or OAuthError.

    No field may stand twice; unknown fields are ignored, as RFC 6749 section 3.2 asks.
    """
    fields = form_fields(body, content_type)
    if fields.get("grant_type", GRANT_TYPE) != GRANT_TYPE:
        raise OAuthError(400, "unsupported_grant_type", "The grant type must be client_credentials.")
    if "client_secret" in fields:
        raise OAuthError(400, "invalid_request", "A client secret is not used here; authenticate by a signed assertion.")
    if fields.get("client_assertion_type", ASSERTION_KIND) != ASSERTION_KIND:
        raise OAuthError(400, "invalid_client", "The client assertion type must be jwt-bearer.")
    for name in ("grant_type", "client_assertion_type", "client_assertion"):
        if name not in fields:
            raise OAuthError(400, "invalid_request", f"The field {name} is missing.")
    return TokenForm(fields["client_assertion"], _asked(fields), fields.get("client_id", ""))


def form_fields(body: bytes, content_type: str) -> dict[str, str]:
    """Each field once; a field without a value counts as not sent (RFC 6749 section 3.2)."""
    if content_type.partition(";")[0].strip().lower() != FORM_TYPE:
        raise OAuthError(400, "invalid_request", f"The content type must be {FORM_TYPE}.")
    if len(body) > MAX_FORM:
        raise OAuthError(400, "invalid_request", "The request is larger than 16 KiB.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise OAuthError(400, "invalid_request", "The body is not a well-formed form.") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise OAuthError(400, "invalid_request", "A field stands more than once.")
    return {name: value for name, value in pairs if value}


def _asked(fields: Mapping[str, str]) -> frozenset[str]:
    if "scope" not in fields:
        raise OAuthError(400, "invalid_scope", "The field scope is missing.")
    try:
        return parse_scopes(fields["scope"])
    except ValueError:
        raise OAuthError(400, "invalid_scope", "A scope is not one that this server understands.") from None


# --- what the endpoints answer -------------------------------------------------------------------------------------

CAPABILITIES = ("client-confidential-asymmetric", "permission-v2")
CLIENT_ALGORITHMS = ("RS384", "ES384")
PUBLIC_MEMBERS = ("kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops")


def smart_configuration(
    base_url: str, token_endpoint: str, scopes: Collection[str] = (), *, introspection_endpoint: str = "", jwks_uri: str = ""
) -> dict[str, Any]:
    """``/.well-known/smart-configuration`` (SMART App Launch 2.2, conformance). All URLs absolute, else ValueError.

    Endpoints not given stand below ``base_url`` at /oauth2/introspect and /oauth2/jwks. ``scopes`` are permissions or
    scope texts that the server may grant.
    """
    base = base_url.rstrip("/")
    urls = {
        "token_endpoint": token_endpoint,
        "introspection_endpoint": introspection_endpoint or f"{base}/oauth2/introspect",
        "jwks_uri": jwks_uri or f"{base}/oauth2/jwks",
    }
    if not all(url.startswith(("https://", "http://")) for url in urls.values()):
        raise ValueError("every endpoint must be an absolute URL")
    return urls | {
        "grant_types_supported": [GRANT_TYPE],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": ["private_key_jwt"],
        "introspection_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "scopes_supported": sorted(scopes),
        "capabilities": list(CAPABILITIES),
        "code_challenge_methods_supported": ["S256"],
    }


def jwks(keys: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The public keys document (RFC 7517): public members only, whatever is handed in."""
    return {"keys": [{name: key[name] for name in PUBLIC_MEMBERS if name in key} for key in keys]}


def token_answer(token: str, expires_in: int, scopes: Collection[str]) -> dict[str, Any]:
    """The answer to a granted request (RFC 6749 section 5.1); ``scope`` says what was granted, perhaps less than asked."""
    return {"access_token": token, "token_type": "bearer", "expires_in": expires_in, "scope": scope_text(scopes)}
