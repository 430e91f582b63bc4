"""Signing in with one's own organisation, and out again: on record, once, for one organisation, and ended when it should be."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import jwt
import orjson
import pytest
from sqlalchemy import select

from gateway.audit.entry import Entry
from gateway.demo.people import COUNCIL, TRUST, VOLUNTARY
from gateway.exchanges.access.administer_sign_in import Ending, _check, end_sessions, remove_provider
from gateway.exchanges.access.staff import Provider
from gateway.exchanges.log.search_audit import open_entry
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.store import clock, sessions, tables
from gateway.store.ledger import Feed, Moment
from gateway.store.sql import Read, Statement
from gateway.store.upkeep import keep_up
from gateway.store.vault import open_sealed, seal
from tests.edge.durable import change
from tests.edge.issuer import CLIENT, ROLES, Browser, Issuer
from tests.world import BASE, World

SESSIONS = Read(Statement(select(*tables.session.columns)))
PROVIDERS = Read(Statement(select(*tables.identity_provider.columns)))


async def entries(world: World, exchange: str) -> list[Entry]:
    """What the access log has of an exchange, oldest first."""
    (rows,) = await world.gateway.ledger.read([Read(LOG)])
    found = [open_entry(world.gateway.context, row) for row in rows]
    return [one for one in found if one.exchange == exchange]


LOG = Statement(select(*tables.audit_entry.columns).order_by(tables.audit_entry.c.recorded, tables.audit_entry.c.id))


async def rows(world: World, read: Read) -> list[Any]:
    (found,) = await world.gateway.ledger.read([read])
    return found


async def test_a_worker_signs_in_and_is_of_the_organisation_that_registered_the_issuer(
    world: World, issuer: Issuer, browser: Browser
) -> None:
    """Whatever the token claims of an organisation: the registration says it. The sign-in is one entry."""
    await issuer.register(world, VOLUNTARY)
    issuer.claims = {"organization": TRUST, "agency": TRUST, "ods": TRUST}
    came = await browser.sign_in(issuer, VOLUNTARY)
    assert (came.status_code, came.headers["location"]) == (303, "/inbox")
    page = await browser.get("/inbox")
    assert page.status_code == 200
    assert "Home Hearth Family Support" in page.text and "w1, duty worker" in page.text
    (entry,) = await entries(world, "sign_in")
    assert (entry.requester, entry.user, entry.outcome, entry.kind) == (VOLUNTARY, "w1", 0, "sign-in")
    assert dict(entry.detail)["roles"] == "duty-worker"


async def test_what_leaves_for_the_issuer_is_bound_to_this_attempt(world: World, issuer: Issuer, browser: Browser) -> None:
    """Code flow, PKCE S256, state and nonce; the verifier leaves with the code alone; we prove ourselves by our own key."""
    await issuer.register(world, VOLUNTARY)
    out = await browser.begin(VOLUNTARY)
    asked = dict(httpx.URL(out.headers["location"]).params)
    assert {name: asked[name] for name in ("response_type", "client_id", "redirect_uri", "scope", "code_challenge_method")} == {
        "response_type": "code", "client_id": CLIENT, "redirect_uri": f"{BASE}/sign-in/back", "scope": "openid", "code_challenge_method": "S256",
    }  # fmt: skip
    assert all(len(asked[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    again = dict(httpx.URL((await browser.begin(VOLUNTARY)).headers["location"]).params)
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & set(again.values())
    await browser.sign_in(issuer, VOLUNTARY)
    (form,) = issuer.forms
    assert form["grant_type"] == "authorization_code" and len(form["code_verifier"]) >= 43
    assert jwt.get_unverified_header(form["client_assertion"])["alg"] == "ES256"
    assert "client_secret" not in form


async def test_an_issuer_may_know_us_by_a_secret_which_is_sealed(world: World, browser: Browser) -> None:
    """Some issuers offer nothing better; the secret stands in no row as it is."""
    issuer = Issuer(secret="opensesame-4711")
    try:
        await issuer.register(world, VOLUNTARY)
        assert (await browser.sign_in(issuer, VOLUNTARY)).headers["location"] == "/inbox"
        assert issuer.forms[0]["client_secret"] == "opensesame-4711" and "client_assertion" not in issuer.forms[0]
        assert not [cell for row in await rows(world, PROVIDERS) for cell in row if "opensesame" in str(cell)]
    finally:
        issuer.close()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_the_algorithms_of_common_issuers_are_understood(
    world: World, issuer: Issuer, browser: Browser, algorithm: str
) -> None:
    """Keys without alg beside keys for other uses, as issuers publish them."""
    issuer.algorithm = algorithm
    await issuer.register(world, VOLUNTARY)
    assert (await browser.sign_in(issuer, VOLUNTARY)).headers["location"] == "/inbox"


def none_signed(issuer: Issuer) -> None:
    body = {"iss": issuer.url, "aud": CLIENT, "sub": "w1", "groups": ["G-DUTY"], "iat": 1, "exp": 2**31}
    issuer.token = jwt.encode(body, None, algorithm="none", headers={"kid": "RS"})


def of_a_stranger(issuer: Issuer) -> None:
    issuer.header = {"key": issuer.stranger}


BAD: dict[str, Callable[[Issuer], Any]] = {
    "another issuer": lambda one: one.claims.update(iss="https://elsewhere.example"),
    "another audience": lambda one: one.claims.update(aud="another-client"),
    "an audience beside us": lambda one: one.claims.update(aud=[CLIENT, "another-client"]),
    "authorised for another": lambda one: one.claims.update(azp="another-client"),
    "another nonce": lambda one: one.claims.update(nonce="n" * 43),
    "no nonce": lambda one: one.claims.update(nonce=None),
    "expired": lambda one: one.claims.update(iat=1_700_000_000, exp=1_700_000_300),
    "no expiry": lambda one: one.claims.update(exp=None),
    "expiry as text": lambda one: one.claims.update(exp="2099-01-01"),
    "not yet valid": lambda one: one.claims.update(nbf=4_000_000_000),
    "made in the future": lambda one: one.claims.update(iat=4_000_000_000, exp=4_000_000_300),
    "no subject": lambda one: one.claims.update(sub=None),
    "a subject of blanks and signs": lambda one: one.claims.update(sub="w\x001"),
    "roles as a number": lambda one: one.claims.update(groups=7),
    "signed by a stranger": of_a_stranger,
    "not signed": none_signed,
    "an unknown key": lambda one: one.header.update(kid="other"),
    "critical extensions": lambda one: one.header.update(crit=["b64"], b64=True),
    "a key beside it": lambda one: one.header.update(jku="https://elsewhere.example/jwks"),
    "another kind of token": lambda one: one.header.update(typ="at+jwt"),
    "no token": lambda one: setattr(one, "token", "x"),
}


@pytest.mark.parametrize("fault", BAD)
async def test_an_id_token_that_is_not_the_answer_to_this_attempt_signs_nobody_in(
    world: World, issuer: Issuer, browser: Browser, fault: str
) -> None:
    """The refusal is on record with the agency and no user; there is no session and no cookie of one."""
    await issuer.register(world, VOLUNTARY)
    BAD[fault](issuer)
    came = await browser.sign_in(issuer, VOLUNTARY)
    assert came.status_code == 403 and "Please start again" in came.text
    assert "session" not in browser.client.cookies
    assert await rows(world, SESSIONS) == []
    (entry,) = await entries(world, "sign_in")
    assert (entry.outcome, entry.requester, entry.user) == (4, VOLUNTARY, "")


@pytest.mark.parametrize("groups", [(), ("G-OTHER",), ("auditor", "duty-worker"), None])
async def test_whoever_has_no_role_is_told_so_and_is_not_in(world: World, issuer: Issuer, browser: Browser, groups: Any) -> None:
    """Only mapped values count; our own names of roles are no values. The refusal names the user, for the agency's auditor."""
    await issuer.register(world, VOLUNTARY)
    issuer.groups = groups or ()
    if groups is None:
        issuer.claims = {"groups": None}
    came = await browser.sign_in(issuer, VOLUNTARY)
    assert came.status_code == 403 and "no role in this gateway" in came.text
    (entry,) = await entries(world, "sign_in")
    assert (entry.refusal, entry.user) == ("role-not-allowed", "w1")
    assert await rows(world, SESSIONS) == []


async def test_a_way_back_counts_once_and_in_its_own_browser(world: World, issuer: Issuer, browser: Browser) -> None:
    """A copied address signs nobody in: without the cookie, with another state, a second time, or from another issuer."""
    await issuer.register(world, VOLUNTARY)
    out = (await browser.begin(VOLUNTARY)).headers["location"]
    back = issuer.enter(out)
    kept = dict(browser.client.cookies)
    browser.client.cookies.clear()
    assert (await browser.get(back)).status_code == 403
    browser.client.cookies.update(kept)
    assert (await browser.get(back.replace("state=", "state=x"))).status_code == 403
    assert (await browser.get(f"{back}&iss=https%3A%2F%2Felsewhere.example")).status_code == 403
    assert (await browser.get("/sign-in/back?error=access_denied&state=" + back.split("state=")[1])).status_code == 403
    assert (await browser.get(f"{back}&state=twice")).status_code == 400
    assert issuer.forms == []
    assert (await browser.get(back)).status_code == 303
    browser.client.cookies.clear()
    browser.client.cookies.update(kept)
    assert (await browser.get(issuer.enter(out))).status_code == 403, "a new code for an attempt that was used"
    assert len(await rows(world, SESSIONS)) == 1


async def test_an_attempt_is_over_after_ten_minutes(world: World, issuer: Issuer, browser: Browser) -> None:
    """What travels in the cookie has its end sealed in; altered, it opens for nobody."""
    await issuer.register(world, VOLUNTARY)
    back = issuer.enter((await browser.begin(VOLUNTARY)).headers["location"])
    shelf = world.gateway.context.vault.shelf(sessions.SHELF)
    held = base64.urlsafe_b64decode(browser.client.cookies["sign-in"])
    told = orjson.loads(open_sealed(shelf, held, "sign-in"))
    assert 595 <= told["ends"] - time.time() <= 600
    over = seal(shelf, orjson.dumps({**told, "ends": int(time.time())}), "sign-in")
    for carried in (held[:-1] + bytes([held[-1] ^ 1]), seal(shelf, orjson.dumps(told), "other"), over, b"", b"x" * 5000):
        browser.client.cookies.clear()
        browser.client.cookies.set("sign-in", base64.urlsafe_b64encode(carried).decode())
        assert (await browser.get(back)).status_code == 403
    browser.client.cookies.clear()
    browser.client.cookies.set("sign-in", base64.urlsafe_b64encode(held).decode())
    assert (await browser.get(back)).status_code == 303


@pytest.mark.parametrize(
    "fault",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "http://192.0.2.1/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
    ],
)
async def test_an_issuer_that_publishes_nonsense_is_not_used(
    world: World, issuer: Issuer, browser: Browser, fault: dict[str, Any]
) -> None:
    """A page for people with whom to ring, and no way out."""
    await issuer.register(world, VOLUNTARY)
    issuer.document = fault
    page = await browser.begin(VOLUNTARY)
    assert page.status_code == 503
    assert "does not answer just now" in page.text and "01632 960101" in page.text


async def test_an_issuer_that_is_down_or_refuses_signs_nobody_in(world: World, issuer: Issuer, browser: Browser) -> None:
    """Its failure is told in plain words, before and after the way out."""
    await issuer.register(world, VOLUNTARY)
    issuer.status = 500
    assert (await browser.sign_in(issuer, VOLUNTARY)).status_code == 403
    issuer.close()
    world_issuers = world_web(world).issuers
    world_issuers._known.clear()
    assert (await browser.begin(VOLUNTARY)).status_code == 503


def world_web(world: World) -> Any:
    return world.web


async def test_a_new_key_of_the_issuer_is_fetched_when_it_is_met(world: World, issuer: Issuer, browser: Browser) -> None:
    """Issuers change keys without telling; their set is asked for again, at most once a minute."""
    await issuer.register(world, VOLUNTARY)
    await browser.sign_in(issuer, VOLUNTARY)
    issuer.rsa = issuer.stranger
    issuers = world_web(world).issuers
    known = issuers._known[issuer.url]
    fewer = type(known.keys)([key for key in known.keys._keys.values() if key.kid != "RS"])
    issuers._known[issuer.url] = replace(known, keys=fewer)
    assert (await browser.sign_in(issuer, VOLUNTARY)).status_code == 403, "within a minute"
    issuers._known[issuer.url] = replace(known, keys=fewer, fetched=known.fetched - 61)
    assert (await browser.sign_in(issuer, VOLUNTARY)).status_code == 303


async def test_a_session_is_kept_by_its_keyed_token_and_sealed(world: World, issuer: Issuer, browser: Browser) -> None:
    """A copy of the database signs nobody in and names nobody."""
    await issuer.register(world, VOLUNTARY)
    issuer.user = "farid.worker"
    came = await browser.sign_in(issuer, VOLUNTARY)
    held = browser.client.cookies["session"]
    (row,) = await rows(world, SESSIONS)
    told = b"".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in row)
    assert held.encode() not in told and b"farid" not in told and b"duty-worker" not in told
    stated = [value for name, value in came.headers.multi_items() if name == "set-cookie" and value.startswith("session=")]
    assert re.fullmatch(r"session=[\w-]{43}; HttpOnly; Path=/; SameSite=lax", stated[0])


async def test_over_https_the_cookie_is_bound_to_host_and_transport(world: World, issuer: Issuer, browser: Browser) -> None:
    """``__Host-`` and Secure, but where a test or demonstration is reached over plain http; and HSTS."""
    await issuer.register(world, VOLUNTARY)
    web = world_web(world)
    web.root = "https://gateway.test"
    try:
        browser.client.base_url = httpx.URL("https://gateway.test")
        out = await browser.begin(VOLUNTARY)
        assert out.headers["set-cookie"].startswith("__Host-sign-in=")
        came = await browser.get(issuer.enter(out.headers["location"]).removeprefix("https://gateway.test"))
        stated = [value for name, value in came.headers.multi_items() if name == "set-cookie" and "session=" in value]
        assert re.fullmatch(r"__Host-session=[\w-]{43}; HttpOnly; Path=/; SameSite=lax; Secure", stated[0])
        assert "max-age" in (await browser.get("/inbox")).headers["strict-transport-security"]
    finally:
        web.root = BASE


def grow_older(world: World, by: int) -> None:
    """Time passes for every session, by so many microseconds."""
    change(world.settings, f"UPDATE session SET started = started - {by}, seen = seen - {by}, expires = expires - {by}")


async def test_a_session_ends_by_idleness_and_by_its_hours(world: World, issuer: Issuer, browser: Browser) -> None:
    """Each alone is enough; what is done in it keeps it from idling, and never beyond its hours."""
    await issuer.register(world, VOLUNTARY)
    await browser.sign_in(issuer, VOLUNTARY)
    minute = 60 * clock.SECOND
    for _ in range(42):  # 9 hours 48 minutes
        grow_older(world, 14 * minute)
        assert (await browser.get("/inbox")).status_code == 200
    grow_older(world, 13 * minute)
    assert (await browser.get("/inbox")).headers["location"] == "/sign-in?next=/inbox", "ten hours"
    await browser.sign_in(issuer, VOLUNTARY)
    grow_older(world, 16 * minute)
    assert (await browser.get("/inbox")).status_code == 303, "fifteen minutes without use"


async def test_signing_out_ends_the_session_everywhere_and_is_on_record(world: World, issuer: Issuer, browser: Browser) -> None:
    """The cookie that was copied before is worth nothing after; the way to leave the issuer too is offered."""
    await issuer.register(world, VOLUNTARY)
    issuer.document = {"end_session_endpoint": f"{issuer.url}/leave"}
    await browser.sign_in(issuer, VOLUNTARY)
    kept = dict(browser.client.cookies)
    left = await browser.send("/sign-out")
    assert (left.status_code, left.headers["location"]) == (303, f"/signed-out?agency={VOLUNTARY}")
    assert "session" not in browser.client.cookies
    page = await browser.get(left.headers["location"])
    assert "You are signed out" in page.text and f"{issuer.url}/leave?client_id=" in page.text
    browser.client.cookies.update(kept)
    assert (await browser.get("/inbox")).status_code == 303
    (entry,) = await entries(world, "sign_out")
    (begun,) = await entries(world, "sign_in")
    assert (entry.user, entry.requester, dict(entry.detail)["jti"]) == ("w1", VOLUNTARY, dict(begun.detail)["jti"])


async def test_signing_in_again_ends_the_session_before(world: World, issuer: Issuer, browser: Browser) -> None:
    """A browser has one session; its id is new each time (no fixation)."""
    await issuer.register(world, VOLUNTARY)
    await browser.sign_in(issuer, VOLUNTARY)
    first = browser.client.cookies["session"]
    await browser.sign_in(issuer, VOLUNTARY)
    assert browser.client.cookies["session"] != first
    assert len(await rows(world, SESSIONS)) == 1


async def test_an_operator_ends_sessions_of_one_user_or_of_all(world: World, issuer: Issuer, browser: Browser) -> None:
    """On record; taking the sign-in away ends them too."""
    await issuer.register(world, VOLUNTARY)
    ledger = world.gateway.ledger
    for user in ("w1", "w2"):
        issuer.user = user
        browser.client.cookies.clear()
        await browser.sign_in(issuer, VOLUNTARY)
    assert await ledger.run_alone(end_sessions, Ending(VOLUNTARY, "w1")) == 1
    assert await ledger.run_alone(end_sessions, Ending(TRUST)) == 0
    assert (await browser.get("/inbox")).status_code == 200, "w2"
    assert await ledger.run_alone(end_sessions, Ending(VOLUNTARY)) == 1
    assert (await browser.get("/inbox")).status_code == 303
    await browser.sign_in(issuer, VOLUNTARY)
    await ledger.run_alone(remove_provider, VOLUNTARY)
    assert (await browser.get("/inbox")).status_code == 303
    assert (await browser.begin(VOLUNTARY)).status_code == 404
    assert [dict(one.detail).get("result") for one in await entries(world, "end_sessions")] == ["1", "0", "1"]


async def test_sessions_past_their_hours_are_forgotten(world: World, issuer: Issuer, browser: Browser) -> None:
    """Housekeeping leaves no rows of people who were signed in once."""
    await issuer.register(world, VOLUNTARY)
    await browser.sign_in(issuer, VOLUNTARY)
    await keep_up(world.gateway.ledger, world.gateway.context.vault)
    assert len(await rows(world, SESSIONS)) == 1
    grow_older(world, 11 * clock.HOUR)
    await keep_up(world.gateway.ledger, world.gateway.context.vault)
    assert await rows(world, SESSIONS) == []


async def test_an_issuer_belongs_to_one_agency_and_roles_are_ours(world: World, issuer: Issuer) -> None:
    """Whoever it signs in would else be of two; a role that we do not know, or an issuer at a private address, is refused."""
    await issuer.register(world, VOLUNTARY)
    with pytest.raises(Conflict, match=f"staff of {VOLUNTARY}"):
        await issuer.register(world, COUNCIL)
    with pytest.raises(Conflict, match="has a sign-in already"):
        await issuer.register(world, VOLUNTARY)
    for fault in ({"issuer": "https://x.example/?q"}, {"issuer": "http://x.example"}, {"client_id": ""}, {"role_claim": "\x07"}):
        with pytest.raises(Unprocessable):
            await issuer.register(world, TRUST, **fault)
    ROLES["G-KING"] = "king"
    try:
        with pytest.raises(Unprocessable, match="not king"):
            await issuer.register(world, TRUST, issuer="https://x.example")
    finally:
        del ROLES["G-KING"]
    with pytest.raises(Unprocessable, match="no agency"):
        await issuer.register(world, "XXX99", issuer="https://x.example")


async def test_the_choice_of_organisations_names_those_with_a_sign_in(world: World, issuer: Issuer, browser: Browser) -> None:
    """And leads on to one of our own pages, never elsewhere."""
    assert "No organisation has a sign-in here yet" in (await browser.get("/sign-in")).text
    await issuer.register(world, VOLUNTARY)
    page = await browser.get("/sign-in?next=/inbox/call-backs")
    assert "Home Hearth Family Support" in page.text and "Northmoor" not in page.text
    assert "next=%2Finbox%2Fcall-backs" in page.text
    for elsewhere in ("https://elsewhere.example", "//elsewhere.example", "/oauth2/jwks", "/sign-out"):
        assert "elsewhere" not in (await browser.get(f"/sign-in?next={elsewhere}")).text
        assert (await browser.sign_in(issuer, VOLUNTARY, elsewhere)).headers["location"] == "/inbox"
    assert (await browser.sign_in(issuer, VOLUNTARY, "/inbox/call-backs")).headers["location"] == "/inbox/call-backs"


async def test_production_registers_no_issuer_on_plain_http(world: World, issuer: Issuer) -> None:
    """The demonstration's own sign-in, or any like it, cannot be brought into production."""
    feeds = {VOLUNTARY: Feed(VOLUNTARY, "x", "voluntary", "{}", False, "2020-01-01", None, 48, 1)}
    production = replace(world.gateway.context, loopback_allowed=False)
    new = Provider(VOLUNTARY, issuer.url, CLIENT, "", "sub", "groups", ROLES)
    with pytest.raises(Unprocessable, match="must be https"):
        _check(production, new, Moment(0, "", "", feeds))
    _check(world.gateway.context, new, Moment(0, "", "", feeds))
