"""Our own access tokens: issued, verified, remembered, and refused."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.api.tokens import AccessTokens, TokenRefused
from gateway.disclosure.requester import Requester

NURSE = Requester(
    client_id="ward-client",
    agency="RX1",
    scopes=frozenset({"system/Patient.r", "system/Patient.s", "system/$known-to-services"}),
    user="u-17",
    role="R8000",
    purposes=frozenset({"care-planning", "section-47"}),
    stamp="clients-4.policy-9",
    token_id="t-1",
)


def forged(forge: Any, header: Any = None, key: Any = None, drop: str = "", **claims: Any) -> str:
    """An access token with changed claims, signed with our true key unless another is given."""
    token, _ = forge.fresh().issue(NURSE, forge.now)
    body = pyjwt.decode(token, options={"verify_signature": False}) | claims
    body.pop(drop, None)
    head = pyjwt.get_unverified_header(token) | (header or {})
    return forge.token(head, body, key or forge.p256, hashes.SHA256())


def test_what_is_issued_is_what_is_verified(forge):
    """A requester comes back whole, user, role, purposes, stamp and token id included."""
    tokens = forge.fresh()
    token, expires_in = tokens.issue(NURSE, forge.now)
    assert (tokens.verify(token, forge.now), expires_in) == (NURSE, 300)
    assert tokens.lookup(token, forge.now) == (forge.now + 300, NURSE)


def test_a_token_may_speak_for_a_system_alone(forge):
    """Without user, role and purposes the claims are absent and the fields empty."""
    tokens, plain = forge.fresh(), dataclasses.replace(NURSE, user="", role="", purposes=frozenset(), scopes=frozenset())
    assert tokens.verify(tokens.issue(plain, forge.now)[0], forge.now) == plain


def test_the_token_has_the_shape_of_rfc_9068(forge):
    """Header typ at+jwt; iss, aud, sub, client_id, iat, exp, jti, scope; the IUA extension as in the contract."""
    token, _ = forge.fresh().issue(NURSE, forge.now + 0.9)
    assert pyjwt.get_unverified_header(token) == {"alg": "ES256", "typ": "at+jwt", "kid": forge.own.public.kid}
    assert pyjwt.decode(token, forge.p256.public_key(), ["ES256"], audience="https://gateway.test/fhir") == {
        "iss": "https://gateway.test",
        "aud": "https://gateway.test/fhir",
        "sub": "ward-client",
        "client_id": "ward-client",
        "agency": "RX1",
        "scope": "system/$known-to-services system/Patient.rs",
        "stamp": "clients-4.policy-9",
        "jti": "t-1",
        "iat": forge.now,
        "exp": forge.now + 300,
        "extensions": {
            "ihe_iua": {
                "subject_organization_id": "RX1",
                "person_id": "u-17",
                "subject_role": "R8000",
                "purpose_of_use": ["care-planning", "section-47"],
            }
        },
    }


UNFIT = {
    "no token id": {"token_id": ""},
    "no stamp": {"stamp": ""},
    "no agency": {"agency": ""},
    "no client": {"client_id": ""},
    "user too long": {"user": "u" * 65},
    "scope not understood": {"scopes": frozenset({"system/Patient.x"})},
    "scopes too many": {"scopes": frozenset(f"system/$op-{i}" for i in range(200))},
    "more than 8 KiB in all": {
        "purposes": frozenset(chr(0x20000 + i) * 64 for i in range(20)),
        "scopes": frozenset(f"system/$operation-{i}" for i in range(90)),
    },
    "purpose with a space": {"purposes": frozenset({"a b"})},
}


@pytest.mark.parametrize("change", UNFIT.values(), ids=UNFIT.keys())
def test_nothing_is_issued_that_could_not_be_verified(forge, change):
    """A requester that would not come back the same is a mistake of ours: ValueError at issue."""
    with pytest.raises(ValueError, match="does not fit"):
        forge.fresh().issue(dataclasses.replace(NURSE, **change), forge.now)


BAD: dict[str, tuple[str, Any]] = {
    "typ of an assertion": ("type", lambda f: forged(f, {"typ": "JWT"})),
    "critical extension": ("header-members", lambda f: forged(f, {"crit": ["x"]})),
    "unknown kid": ("unknown-key", lambda f: forged(f, {"kid": "x"})),
    "alg none": ("algorithm", lambda f: forged(f, {"alg": "none"})),
    "alg HS256": ("algorithm", lambda f: forged(f, {"alg": "HS256"})),
    "alg ES384": ("algorithm", lambda f: forged(f, {"alg": "ES384"})),
    "signed by a client's key": ("signature", lambda f: forged(f, key=f.e1)),
    "another issuer": ("issuer", lambda f: forged(f, iss="https://other.test")),
    "no issuer": ("issuer", lambda f: forged(f, drop="iss")),
    "another audience": ("audience", lambda f: forged(f, aud="https://gateway.test/oauth2/token")),
    "no audience": ("audience", lambda f: forged(f, drop="aud")),
    "no exp": ("exp", lambda f: forged(f, drop="exp")),
    "no iat": ("iat", lambda f: forged(f, drop="iat")),
    "expired": ("expired", lambda f: forged(f, exp=f.now)),
    "an hour long": ("lives-too-long", lambda f: forged(f, exp=f.now + 3600)),
    "from the future": ("not-yet-valid", lambda f: forged(f, iat=f.now + 60, exp=f.now + 90)),
    "no token id": ("token-id", lambda f: forged(f, drop="jti")),
    "no client": ("client", lambda f: forged(f, drop="client_id")),
    "another subject": ("subject", lambda f: forged(f, sub="other")),
    "no agency": ("agency", lambda f: forged(f, drop="agency")),
    "agency not the organisation": ("organization", lambda f: forged(f, agency="RX2")),
    "no stamp": ("stamp", lambda f: forged(f, drop="stamp")),
    "stamp a number": ("stamp", lambda f: forged(f, stamp=4)),
    "no scope": ("scope", lambda f: forged(f, drop="scope")),
    "scope out of order": ("scope", lambda f: forged(f, scope="system/Patient.sr")),
    "user a list": ("user", lambda f: forged(f, extensions={"ihe_iua": {"subject_organization_id": "RX1", "person_id": []}})),
    "extension missing": ("organization", lambda f: forged(f, drop="extensions")),
    "a client assertion": ("type", lambda f: f.token()),
    "half a surrogate": ("not-text", lambda f: "\ud800"),
    "not text": ("too-large", lambda f: 5),
    "too large": ("too-large", lambda f: "x" * 9000),
}


@pytest.mark.parametrize(("reason", "make"), BAD.values(), ids=BAD.keys())
def test_a_bad_access_token_is_refused_and_not_remembered(forge, reason, make):
    """TokenRefused with its word, each time anew: only full verification fills the memory."""
    tokens, token = forge.fresh(), make(forge)
    for _ in range(2):
        with pytest.raises(TokenRefused, match=f"^{reason}$"):
            tokens.verify(token, forge.now)
    assert not tokens._seen


def test_an_access_token_is_no_assertion(forge):
    """The two kinds exclude each other (RFC 8725 section 3.12)."""
    from gateway.api.tokens import peek_client_id

    with pytest.raises(TokenRefused, match="type"):
        peek_client_id(forge.fresh().issue(NURSE, forge.now)[0])


def test_a_remembered_token_still_expires(forge):
    """exp is checked on every hit, and the expired one is forgotten."""
    tokens = forge.fresh()
    token, _ = tokens.issue(NURSE, forge.now)
    assert tokens.verify(token, forge.now + 299.9) is tokens.verify(token, forge.now)
    for _ in range(2):
        with pytest.raises(TokenRefused, match="expired"):
            tokens.verify(token, forge.now + 300)
    assert not tokens._seen


def test_the_memory_is_bounded_and_forgets_the_oldest(forge):
    """Never more than asked for; what was forgotten is verified again."""
    tokens = AccessTokens(forge.issuer, "a", forge.own, remember=2)
    issued = [tokens.issue(dataclasses.replace(NURSE, token_id=f"t-{i}"), forge.now)[0] for i in range(3)]
    for token in issued:
        tokens.verify(token, forge.now)
    assert len(tokens._seen) == 2
    assert tokens.verify(issued[0], forge.now).token_id == "t-0"


def test_the_memory_holds_no_token(forge):
    """Keys of the memory are digests: no bearer secret can be read from it."""
    tokens = forge.fresh()
    token, _ = tokens.issue(NURSE, forge.now)
    tokens.verify(token, forge.now)
    assert [len(key) for key in tokens._seen] == [32]
    assert token not in repr(tokens._seen)


def test_a_retired_key_still_verifies(forge):
    """After rotation, tokens of the old key live out their five minutes; without it they are refused."""
    old, _ = forge.fresh().issue(NURSE, forge.now)
    fresh_key = type(forge.own).from_pem(new_pem())
    rotated = AccessTokens(forge.issuer, f"{forge.issuer}/fhir", fresh_key, [forge.own.public, fresh_key.public])
    assert rotated.verify(old, forge.now) == NURSE
    with pytest.raises(TokenRefused, match="unknown-key"):
        AccessTokens(forge.issuer, f"{forge.issuer}/fhir", fresh_key).verify(old, forge.now)


def new_pem() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), new=st.characters(), warm=st.booleans())
def test_no_changed_access_token_is_accepted(forge, at, new, warm):
    """One character changed anywhere is refused, whether or not the good one is remembered."""
    tokens = forge.fresh()
    good, _ = tokens.issue(NURSE, forge.now)
    if warm:
        tokens.verify(good, forge.now)
    at %= len(good)
    changed = good[:at] + new + good[at + 1 :]
    if changed != good:
        with pytest.raises(TokenRefused):
            tokens.verify(changed, forge.now)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["iss", "aud", "sub", "exp", "iat", "jti", "scope", "agency", "stamp", "extensions"]), value=st.data()
)
def test_a_changed_claim_is_refused_or_says_what_it_says(forge, name, value):
    """Even signed by us, a claim of the wrong type never gets in and never raises anything else."""
    wrong = value.draw(st.none() | st.booleans() | st.floats() | st.lists(st.integers()) | st.integers(max_value=0))
    with pytest.raises(TokenRefused):
        forge.fresh().verify(forged(forge, **{name: json.loads(json.dumps(wrong))}), forge.now)
