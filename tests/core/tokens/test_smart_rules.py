"""SMART Backend Services: scopes, the token form, the published documents."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import smart
from gateway.api.smart import OAuthError, TokenForm, allows, granted, parse_scopes, parse_token_form, scope_text

# --- scopes --------------------------------------------------------------------------------------------------------

READABLE = {
    "system/Patient.rs": {"system/Patient.r", "system/Patient.s"},
    "system/Patient.cruds": {f"system/Patient.{letter}" for letter in "cruds"},
    "system/Patient.read": {"system/Patient.r", "system/Patient.s"},
    "system/Patient.write": {"system/Patient.c", "system/Patient.u", "system/Patient.d"},
    "system/Patient.*": {f"system/Patient.{letter}" for letter in "cruds"},
    "system/*.r": {"system/*.r"},
    "system/*.*": {f"system/*.{letter}" for letter in "cruds"},
    "system/$known-to-services": {"system/$known-to-services"},
    "system/$process-message system/records.c": {"system/$process-message", "system/records.c"},
    "system/Patient.r system/Patient.s": {"system/Patient.r", "system/Patient.s"},
    "": set(),
}
UNREADABLE = [
    *("system/Patient.sr", "system/Patient.dc", "system/Patient.rr", "system/Patient.", "system/Patient", "system/Patient.x"),
    *("system/Patient.rs?category=x", "user/Patient.rs", "patient/Patient.rs", "openid", "launch", "*/*.cruds", "system/*"),
    *("system/$", "system/$Known", "system/$a.c", "system/$*", "system/Pat*.r", "system/Patient.r\n", "System/Patient.r"),
    *(" system/Patient.r", "system/Patient.r ", "system/Patient.r  system/Flag.r", "system/Patient.r\tsystem/Flag.r"),
    *("system/Patient.readwrite", "system/Patient.r*", " ", "system/Patiént.r", "x" * 5000, "system/Flag.r " * 150),
]


@pytest.mark.parametrize(("text", "expected"), READABLE.items())
def test_a_scope_is_read_as_single_permissions(text, expected):
    """SMART v2, v1 mapped to v2, operations, and surfaces of our own."""
    assert parse_scopes(text) == expected


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_scope_that_is_not_understood_is_refused(text):
    """Out of order, repeated, limited by a search, of another context: ValueError, never a guess."""
    with pytest.raises(ValueError, match="scope"):
        parse_scopes(text)


ALLOWED = [
    ("system/Patient.rs", "Patient", "r", True),
    ("system/Patient.rs", "Patient", "s", True),
    ("system/Patient.rs", "Patient", "u", False),
    ("system/Patient.rs", "Flag", "r", False),
    ("system/*.r", "Flag", "r", True),
    ("system/*.cruds", "$known-to-services", "", False),
    ("system/*.cruds", "records", "c", False),
    ("system/records.c", "records", "c", True),
    ("system/$known-to-services", "$known-to-services", "", True),
    ("system/$known-to-services", "$process-message", "", False),
    ("system/Patient.rs", "Patient", "rs", False),
    ("system/Patient.rs", "Patient", "", False),
    ("system/Patient.rs", "*", "r", False),
    ("", "Patient", "r", False),
]


@pytest.mark.parametrize(("scopes", "surface", "interaction", "answer"), ALLOWED)
def test_a_permission_covers_what_it_names(scopes, surface, interaction, answer):
    """One letter on one type; a star covers FHIR types and nothing else."""
    assert allows(parse_scopes(scopes), surface, interaction) is answer


GRANTS = [
    ("system/Patient.cruds", "system/Patient.rs", "system/Patient.rs"),
    ("system/Patient.rs", "system/*.r", "system/Patient.r"),
    ("system/*.r", "system/Patient.rs system/Flag.r", "system/Flag.r system/Patient.r"),
    ("system/*.rs", "system/*.r", "system/*.r"),
    ("system/*.cruds", "system/$known-to-services system/records.c", ""),
    ("system/$known-to-services", "system/$known-to-services system/Patient.r", "system/$known-to-services"),
    ("system/Patient.r", "system/Flag.r", ""),
    ("", "system/Flag.r", ""),
]


@pytest.mark.parametrize(("requested", "registered", "expected"), GRANTS)
def test_what_is_granted_is_asked_for_and_registered(requested, registered, expected):
    """The intersection, permission by permission, and the same whichever side is called which."""
    both = parse_scopes(requested), parse_scopes(registered)
    assert scope_text(granted(*both)) == scope_text(granted(*reversed(both))) == expected


SCOPES = st.builds(
    "system/{}.{}".format,
    st.sampled_from(["Patient", "Flag", "*", "records"]),
    st.lists(st.sampled_from("cruds"), min_size=1, unique=True).map(lambda some: "".join(sorted(some, key="cruds".index))),
) | st.sampled_from(["system/$match", "system/$check-share"])


@given(asked=st.lists(SCOPES), had=st.lists(SCOPES))
def test_a_grant_never_exceeds_either_side(asked, had):
    """Whatever the grant allows, the request and the registration allow; a text survives being read and written."""
    requested, registered = parse_scopes(" ".join(asked)), parse_scopes(" ".join(had))
    assert parse_scopes(scope_text(requested)) == requested
    given_scopes = granted(requested, registered)
    for surface in ("Patient", "Flag", "Consent", "records", "$match"):
        for letter in "cruds":
            both = allows(requested, surface, letter) and allows(registered, surface, letter)
            assert allows(given_scopes, surface, letter) == both


# --- the form ------------------------------------------------------------------------------------------------------

FORM = {
    "grant_type": "client_credentials",
    "client_assertion_type": smart.ASSERTION_KIND,
    "client_assertion": "a.b.c",
    "scope": "system/Patient.rs",
}


def form(**more: str) -> bytes:
    return urlencode({name: value for name, value in (FORM | more).items() if value is not None}).encode()


def test_a_well_formed_form_is_read():
    """Assertion, permissions and the optional client id; unknown fields are ignored."""
    expected = TokenForm("a.b.c", parse_scopes("system/Patient.rs"), "ward")
    content_type = "Application/x-www-form-urlencoded; charset=UTF-8"
    assert parse_token_form(form(client_id="ward", colour="red"), content_type) == expected


BAD_FORMS = {
    "another grant": ("unsupported_grant_type", form(grant_type="authorization_code")),
    "password grant": ("unsupported_grant_type", form(grant_type="password")),
    "no grant": ("invalid_request", form(grant_type=None)),
    "empty grant": ("invalid_request", form(grant_type="")),
    "another assertion type": ("invalid_client", form(client_assertion_type="urn:x")),
    "no assertion type": ("invalid_request", form(client_assertion_type=None)),
    "no assertion": ("invalid_request", form(client_assertion=None)),
    "a client secret as well": ("invalid_request", form(client_secret="x")),
    "no scope": ("invalid_scope", form(scope=None)),
    "scope out of order": ("invalid_scope", form(scope="system/Patient.sr")),
    "scope with a search": ("invalid_scope", form(scope="system/Patient.rs?a=b")),
    "a field twice": ("invalid_request", form() + b"&scope=system/Flag.r"),
    "an unknown field twice": ("invalid_request", form() + b"&a=1&a=2"),
    "an empty field twice": ("invalid_request", form() + b"&scope="),
    "too large": ("invalid_request", form(colour="x" * 17000)),
    "too many fields": ("invalid_request", form(**{f"f{i}": "x" for i in range(30)})),
    "empty body": ("invalid_request", b""),
    "JSON": ("invalid_request", b'{"grant_type":"client_credentials"}'),
    "not UTF-8 inside": ("invalid_request", form() + b"&x=%FF"),
    "not ASCII outside": ("invalid_request", form() + b"&x=\xff"),
}


@pytest.mark.parametrize(("error", "body"), BAD_FORMS.values(), ids=BAD_FORMS.keys())
def test_a_bad_form_gives_an_oauth_error(error, body):
    """RFC 6749 section 5.2: status 400, a registered error code, a description that quotes nothing."""
    with pytest.raises(OAuthError) as refused:
        parse_token_form(body, smart.FORM_TYPE)
    assert (refused.value.status, refused.value.as_json()["error"]) == (400, error)
    assert "a.b.c" not in str(refused.value)


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data; boundary=x"])
def test_only_a_form_is_a_form(content_type):
    """Any other content type is an invalid request."""
    with pytest.raises(OAuthError, match="content type"):
        parse_token_form(form(), content_type)


@given(body=st.binary(max_size=300))
def test_random_bytes_give_an_oauth_error(body):
    """No body raises anything else."""
    with pytest.raises(OAuthError):
        parse_token_form(body, smart.FORM_TYPE)


def test_a_form_shows_nothing_of_itself():
    """Its text form, as a log would show it, holds no assertion."""
    assert "a.b.c" not in repr(parse_token_form(form(), smart.FORM_TYPE))


# --- documents -----------------------------------------------------------------------------------------------------


def test_the_configuration_has_what_smart_requires():
    """Required and recommended members for backend services, all URLs absolute, plain challenges never offered."""
    found = smart.smart_configuration("https://g.test/", "https://g.test/oauth2/token", ["system/Patient.rs"])
    assert found["token_endpoint"] == "https://g.test/oauth2/token"
    assert found["introspection_endpoint"] == "https://g.test/oauth2/introspect"
    assert found["jwks_uri"] == "https://g.test/oauth2/jwks"
    assert found["grant_types_supported"] == ["client_credentials"]
    assert found["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert found["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert found["scopes_supported"] == ["system/Patient.rs"]
    assert found["capabilities"] == ["client-confidential-asymmetric", "permission-v2"]
    assert found["code_challenge_methods_supported"] == ["S256"]


def test_the_configuration_refuses_relative_addresses():
    """SMART wants absolute URLs; a wrong setting is found at start."""
    with pytest.raises(ValueError, match="absolute"):
        smart.smart_configuration("/fhir", "https://g.test/oauth2/token")


def test_the_keys_document_never_holds_a_private_member(forge):
    """Even a private JWK handed in by mistake is published without its secret."""
    assert smart.jwks([dict(forge.own.jwk) | {"d": "secret"}]) == {"keys": [dict(forge.own.jwk)]}


def test_the_token_answer_states_what_was_granted():
    """RFC 6749 section 5.1; SMART wants token_type bearer and the granted scope."""
    assert smart.token_answer("t", 300, parse_scopes("system/Patient.read")) == {
        "access_token": "t",
        "token_type": "bearer",
        "expires_in": 300,
        "scope": "system/Patient.rs",
    }
