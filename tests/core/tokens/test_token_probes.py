"""What is accepted, what python-jose alone would accept and we refuse, and random mutations: none gets in."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import jwt as pyjwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.api.tokens import Assertion, TokenRefused, peek_client_id, verify_assertion

SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def verify(forge: Any, token: str, now: float | None = None) -> Assertion:
    return verify_assertion(
        token, forge.keys, client_id=forge.client_id, audience={forge.audience}, now=forge.now if now is None else now
    )


def accepted(forge: Any, token: str, now: float | None = None) -> bool:
    """Whether it is accepted; any error but TokenRefused fails the test."""
    try:
        verify(forge, token, now)
    except TokenRefused:
        return False
    return True


def pyjwt_accepts(forge: Any, token: str) -> bool:
    """Whether a second library, told to be strict, accepts it too; both read the true clock."""
    kid = pyjwt.get_unverified_header(token)["kid"]
    jwk = pyjwt.PyJWK(next(key for key in forge.jwks if key["kid"] == kid), {"e1": "ES384"}.get(kid, "RS384"))
    required = {"require": ["exp", "iss", "sub", "aud", "jti"]}
    try:
        pyjwt.decode(
            token,
            jwk,
            algorithms=[jwk.algorithm_name],
            audience=forge.audience,
            issuer=forge.client_id,
            subject=forge.client_id,
            leeway=30,
            options=required,
        )
    except pyjwt.PyJWTError:
        return False
    return True


# --- accepted ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["token", "es384"])
def test_a_good_assertion_says_who_and_why(forge, kind):
    """RS384 and ES384 both prove the client, and carry the user, role, organisation and purposes."""
    expected = Assertion(
        "ward-client", "j-1", forge.now + 240, "RX1", "u-17", "R8000", frozenset({"care-planning", "section-47"})
    )
    assert verify(forge, getattr(forge, kind)()) == expected


def test_a_good_assertion_without_a_user(forge):
    """The IUA extension, iat and nbf are optional: a system may ask for itself."""
    assert verify(forge, forge.token(claims=forge.without("extensions", "iat"))) == Assertion(
        "ward-client", "j-1", forge.now + 240
    )


GOOD = {
    "exactly five minutes": {"exp": 300},
    "a second left": {"exp": 1, "iat": -200},
    "a client whose clock is 30 s ahead": {"iat": 30, "exp": 330},
    "a client that backdates iat by 30 s": {"iat": -30, "exp": 300},
    "nbf now": {"nbf": 0, "exp": 300},
}


@pytest.mark.parametrize("seconds", GOOD.values(), ids=GOOD.keys())
def test_times_at_the_edge_are_accepted(forge, seconds):
    """The five minutes count from iat when that is within the 30 s of skew."""
    assert accepted(forge, forge.token(claims=forge.claims(**{name: forge.now + ahead for name, ahead in seconds.items()})))


def test_aud_may_be_a_list_of_one(forge):
    """RFC 7519 allows a list; a list of exactly our address is the same statement."""
    assert accepted(forge, forge.token(claims=forge.claims(aud=[forge.audience])))


def test_an_audience_given_as_one_text_is_compared_whole(forge):
    """A caller that passes a text instead of a set does not turn equality into "is a part of"."""
    with pytest.raises(TokenRefused, match="audience"):
        verify_assertion(forge.token(), forge.keys, client_id=forge.client_id, audience=forge.audience + "/more", now=forge.now)


def test_unknown_claims_are_ignored(forge):
    """RFC 7519 section 4: claims that are not understood are ignored."""
    assert accepted(forge, forge.token(claims=forge.claims(colour="red", extensions={"other": 1})))


def test_the_client_is_found_before_anything_is_proved(forge):
    """The unverified issuer leads to the registered keys."""
    assert peek_client_id(forge.token(key=forge.stranger)) == "ward-client"


def test_the_same_token_again_carries_the_same_id(forge):
    """Replay is refused by the caller: the id and the time to forget it are handed over."""
    assert verify(forge, forge.token()).jti == verify(forge, forge.token()).jti


def test_two_keys_with_one_kid_are_told_apart_by_type(forge):
    """SMART: the key is picked by kid and kty."""
    keys = type(forge.keys).parse([forge.jwks[0] | {"kid": "k"}, forge.jwks[2] | {"kid": "k"}])
    for alg, key in (("RS384", forge.r1), ("ES384", forge.e1)):
        token = forge.token(forge.header(kid="k", alg=alg), key=key)
        assert verify_assertion(token, keys, client_id=forge.client_id, audience=[forge.audience], now=forge.now).jti == "j-1"


def test_the_pure_python_curves_are_never_loaded():
    """The ecdsa and rsa packages (CVE-2024-23342) are installed with python-jose but not on our path."""
    check = "import sys, gateway.api.tokens as t; sys.exit(bool({'ecdsa', 'rsa', 'pyasn1'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


# --- mutations -----------------------------------------------------------------------------------------------------


@SETTINGS
@given(data=st.data())
def test_no_changed_text_is_accepted(forge, data):
    """Flip, insert, drop, cut or swap anything in a good token: only the very same text is accepted."""
    good = data.draw(st.sampled_from([forge.token(), forge.es384()]))
    changed = data.draw(changes(good))
    assert accepted(forge, changed) == (changed == good)


def changes(good: str) -> st.SearchStrategy[str]:
    spot, text = st.integers(0, len(good) - 1), st.text(max_size=3)
    return st.one_of(
        st.builds(lambda at, new: good[:at] + new + good[at + 1 :], spot, text),
        st.builds(lambda at, new: good[:at] + new + good[at:], spot, text),
        st.builds(lambda at: good[:at], spot),
        st.builds(lambda at: good[at:], spot),
        st.builds(".".join, st.permutations(good.split("."))),
        st.builds(".".join, st.lists(st.sampled_from(good.split(".")), max_size=5)),
        st.builds(lambda at: good[:at] + good[at].swapcase() + good[at + 1 :], spot),
    )


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
HEADER_NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "jku", "jwk", "x5c", "b64", "zip"]) | st.text(max_size=5)


@SETTINGS
@given(name=HEADER_NAMES, value=JSON | st.sampled_from(["none", "HS256", "RS256", "ES384", "e1", "r2", "at+jwt"]))
def test_no_other_header_is_accepted_even_well_signed(forge, name, value):
    """A header with one member changed or added, signed by the right key, is refused."""
    header = forge.header(**{name: value})
    assert accepted(forge, forge.token(header)) == (header == forge.header())


@SETTINGS
@given(claims=st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "jti", "iat", "x"]), JSON))
def test_random_claims_are_not_accepted_even_well_signed(forge, claims):
    """Claims made at random never add up to an assertion."""
    assert not accepted(forge, forge.token(claims=claims))


@SETTINGS
@given(raw=st.binary(max_size=200))
def test_random_bytes_as_claims_are_refused(forge, raw):
    """Whatever the signed bytes are, the answer is a refusal."""
    assert not accepted(forge, forge.token(claims=raw))
    assert not accepted(forge, forge.token(header=raw))


NAMES = st.sampled_from(["iss", "sub", "aud", "exp", "jti", "iat", "nbf", "extensions", "colour"])
AHEAD = st.sampled_from([-3600, -31, -30, -1, 0, 1, 29, 31, 200, 299, 331, 400])


@SETTINGS
@given(name=NAMES, value=JSON | AHEAD.map(lambda s: ("ahead", s)), ec=st.booleans())
def test_what_we_accept_a_second_library_accepts(forge, name, value, ec):
    """Ours is within PyJWT's strict reading: one claim replaced at will, well signed, judged by both."""
    now = int(time.time())
    value = now + value[1] if isinstance(value, tuple) else value
    claims = forge.claims(exp=now + 240, iat=now, jti="j") | {name: value}
    token = forge.es384(claims) if ec else forge.token(claims=claims)
    if accepted(forge, token, time.time()):
        assert pyjwt_accepts(forge, token)
        assert (claims["iss"], claims["sub"], type(claims["exp"])) == (forge.client_id, forge.client_id, int)


def test_both_libraries_accept_the_good_ones(forge):
    """The comparison means something: good tokens pass both."""
    for token in (forge.token(claims=forge.claims(jti="a")), forge.es384()):
        assert accepted(forge, token)
        assert pyjwt_accepts(forge, token)


def test_a_refusal_never_quotes_the_token(forge):
    """The text of the error, and of what caused it as shown in a trace, holds nothing that was sent."""
    import traceback

    secret = forge.token(claims=json.dumps(forge.claims(jti="very-private"))[:-1].encode() + b"]")
    with pytest.raises(TokenRefused) as refused:
        verify(forge, secret)
    shown = "".join(traceback.format_exception_only(refused.value))
    assert "very-private" not in shown and refused.value.__suppress_context__
