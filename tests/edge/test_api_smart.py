"""SMART Backend Services: discovery, tokens good and bad, introspection, keys, and tokens that have been overtaken."""

import asyncio
import json
from typing import Any

import httpx
import jwt
import pytest
from httpx import ASGITransport

from gateway import app as wiring
from gateway import deployment
from gateway.demo import people
from gateway.demo.client import assertion, new_key
from gateway.demo.people import AMINA, LEO
from gateway.exchanges import administer
from gateway.settings import Settings
from tests.data.edge import flag, log_of, message, outcome
from tests.world import BASE, At, World, settings_for

SCOPE = "system/Flag.rs"
ENDPOINT = f"{BASE}/oauth2/token"


async def test_discovery_names_absolute_addresses_and_only_what_is_offered(world: World) -> None:
    """JSON whatever Accept says; every scope it lists can be asked for."""
    answer = await world.client.get("/.well-known/smart-configuration", headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["token_endpoint"] == ENDPOINT
    assert document["grant_types_supported"] == ["client_credentials"]
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert {"client-confidential-asymmetric", "permission-v2"} <= set(document["capabilities"])
    assert "plain" not in document["code_challenge_methods_supported"]
    for name in ("token_endpoint", "introspection_endpoint", "jwks_uri"):
        path = document[name].removeprefix(BASE)
        assert (await world.client.options(path)).status_code == 405, name


async def test_a_good_assertion_gets_a_token_of_five_minutes_that_others_can_verify(world: World) -> None:
    """expires_in 300, the scopes that were asked for and are registered, signed by the key in our JWKS."""
    answer = await world.token_answer(
        world.sign("council-system", user="sw22", role="social-worker"), f"{SCOPE} system/AuditEvent.rs"
    )
    body = answer.json()
    assert (body["expires_in"], body["token_type"], body["scope"]) == (300, "bearer", SCOPE)
    keys = jwt.PyJWKSet.from_dict(
        {"keys": [one for one in (await world.client.get("/oauth2/jwks")).json()["keys"] if one["kty"] == "EC"]}
    )
    claims = jwt.decode(body["access_token"], keys.keys[0].key, ["ES256"], audience=f"{BASE}/fhir", issuer=BASE)
    assert claims["agency"] == people.COUNCIL
    assert claims["exp"] - claims["iat"] == 300
    assert claims["extensions"]["ihe_iua"]["subject_organization_id"] == people.COUNCIL


async def test_published_keys_hold_nothing_private(world: World) -> None:
    """Public members only, of the key of tokens and of the key of notices."""
    keys = (await world.client.get("/oauth2/jwks")).json()["keys"]
    assert {key["kty"] for key in keys} == {"EC", "OKP"}
    assert not {name for key in keys for name in key} & {"d", "p", "q", "dp", "dq", "qi", "k"}


BAD: list[tuple[str, dict[str, Any]]] = [
    ("another audience", {"audience": "https://elsewhere.example/token"}),
    ("the FHIR base as audience", {"audience": f"{BASE}/fhir"}),
    ("a purpose beyond the registration", {"purposes": ("amh-care-planning",)}),
    ("a role beyond the registration", {"role": "ward-nurse"}),
    ("another organisation", {"agency": people.TRUST}),
]


@pytest.mark.parametrize(("name", "acting"), BAD, ids=[name for name, _ in BAD])
async def test_an_assertion_that_claims_too_much_is_refused_in_the_words_for_all(
    world: World, name: str, acting: dict[str, Any]
) -> None:
    """invalid_client, the same bytes as for a client that nobody knows and for a wrong signature."""
    stated = {key: value for key, value in acting.items() if key != "audience"}
    signed = assertion("council-system", acting.get("audience", ENDPOINT), world.keys / "council-system.pem", **stated)
    refused = await world.token_answer(signed, SCOPE)
    unknown = await world.token_answer(assertion("nobody", ENDPOINT, world.keys / "council-system.pem"), SCOPE)
    forged = await world.token_answer(assertion("council-system", ENDPOINT, _other_key(world)), SCOPE)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client")
    assert refused.content == unknown.content == forged.content
    entries = [one for one in await log_of(world.auditor("council"), exchange="issue_token") if one["outcome"] == "4"]
    assert len(entries) == 2  # of the client that is known; the unknown one has no agency that could see it


def _other_key(world: World) -> Any:
    path = world.settings.data / "council-system.pem"
    if not path.exists():
        new_key(path)
    return path


FORMS: list[tuple[str, Any, str, str]] = [
    ("no form", b"{}", "application/json", "invalid_request"),
    ("no assertion", "grant_type=client_credentials", "", "invalid_request"),
    ("another grant", "grant_type=password&username=a", "", "unsupported_grant_type"),
    ("a field twice", "grant_type=client_credentials&grant_type=client_credentials", "", "invalid_request"),
    ("a secret", "grant_type=client_credentials&client_secret=a", "", "invalid_request"),
    ("not ASCII", "é=1".encode("latin-1"), "", "invalid_request"),
    ("too large", "a=" + "b" * 20_000, "", "invalid_request"),
]


@pytest.mark.parametrize(("name", "body", "kind", "error"), FORMS, ids=[row[0] for row in FORMS])
async def test_a_malformed_form_is_refused_and_on_record(world: World, name: str, body: Any, kind: str, error: str) -> None:
    """The words of RFC 6749; one entry a minute for strangers, with their number."""
    headers = {"Content-Type": kind or "application/x-www-form-urlencoded"}
    before = await _refusals(world)
    answers = [await world.client.post("/oauth2/token", content=body, headers=headers) for _ in range(3)]
    assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {(400, error)}
    assert await _refusals(world) == before + 1


async def _refusals(world: World) -> int:
    from tests.data.edge import count_rows

    return (await count_rows(world))["audit_entry"]


async def test_an_assertion_counts_once_whatever_worker_sees_it(
    settings: Settings, database_kind: str, world: World, client_keys: tuple[Any, dict[str, Any]], keys_folder: Any, tmp_path: Any
) -> None:
    """Two workers on one PostgreSQL at the same moment, and one after a restart: a jti buys one token."""
    signed = world.sign("council-system")
    if database_kind == "sqlite":
        both = await asyncio.gather(*(world.token_answer(signed, SCOPE) for _ in range(4)))
        assert sorted(answer.status_code for answer in both) == [200, 400, 400, 400]
        await wiring.close_gateway(world.gateway)  # what follows is another process's turn
        settings_again = settings
    else:
        settings_again = settings_for(tmp_path / "other", keys_folder, settings.database_url)
    again = wiring.make_app(settings_again) if database_kind == "postgres" else None
    if again is None:
        gateway = await wiring.open_gateway(settings_again)
        try:
            assert (await _exchange(gateway, signed)).requester is None
            assert (await _exchange(gateway, world.sign("council-system"))).requester is not None
        finally:
            world.gateway = gateway
        return
    async with again.router.lifespan_context(again), httpx.AsyncClient(transport=ASGITransport(again), base_url=BASE) as other:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": signed,
            "scope": SCOPE,
        }
        tries = [post("/oauth2/token", data=form) for post in (world.client.post, other.post) * 3]
        answers = await asyncio.gather(*tries)
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400, 400]


async def _exchange(gateway: deployment.Gateway, signed: str) -> Any:
    """The token exchange as the endpoint runs it."""
    from gateway.api import oauth, smart
    from gateway.exchanges.access.issue_token import issue_token

    form = smart.TokenForm(signed, smart.parse_scopes(SCOPE))
    return await gateway.ledger.run_alone(issue_token, oauth._request(gateway.edge, form, "r"))


async def test_introspection_is_for_ones_own_tokens(world: World) -> None:
    """RFC 7662: active with client, scope and expiry; another organisation's token and rubbish are alike not active."""
    mine, other = await world.token("council-system"), await world.token("trust-epr")

    async def introspect(token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {mine}"}
        return await world.client.post("/oauth2/introspect", data={"token": token}, headers=headers)

    found = (await introspect(mine)).json()
    assert found["active"] is True
    assert found["client_id"] == "council-system"
    assert found["exp"] > 0
    assert (await introspect(other)).content == (await introspect("rubbish")).content == b'{"active":false}'
    outcome(await world.client.post("/oauth2/introspect", data={"token": mine}), 401)
    bad = await world.client.post("/oauth2/introspect", content=b"{}", headers={"Authorization": f"Bearer {mine}"})
    assert (bad.status_code, bad.json()["error"]) == (400, "invalid_request")
    await world.gateway.ledger.run_alone(administer.revoke_client, "trust-epr")
    world.tokens.clear()
    held, mine = mine, await world.token("council-system")
    assert (await introspect(held)).json() == {"active": False}


def _uses(at: At) -> dict[str, Any]:
    """One request for every kind of exchange, as a callable."""
    subscription = people.subscription(LEO, "admitted", "https://sw.example/fhir", "duty-to-share-16la", case="C", reason="x")
    return {
        "lookup": lambda: at.asks(AMINA, "safeguarding-s47", case="C"),
        "read": lambda: at.get("/fhir/Flag/abc"),
        "search": lambda: at.get("/fhir/Flag"),
        "create": lambda: at.post("/fhir/Flag", flag(LEO)),
        "update": lambda: at.put("/fhir/Flag/abc", flag(LEO), 'W/"1"'),
        "records": lambda: at.post("/records/dfe-csc-api", people.children(), "application/json"),
        "children": lambda: at.post("/children_social_care_data/999/children", people.children(), "application/json"),
        "message": lambda: at.post("/fhir/$process-message", message(flag(LEO))),
        "subscribe": lambda: at.post("/fhir/Subscription", subscription),
        "subscriptions": lambda: at.get("/fhir/Subscription"),
        "subscription": lambda: at.get("/fhir/Subscription/abc"),
        "status": lambda: at.get("/fhir/Subscription/abc/$status"),
        "events": lambda: at.get("/fhir/Subscription/abc/$events"),
        "end": lambda: at.delete("/fhir/Subscription/abc"),
    }


async def test_after_a_client_is_revoked_no_older_token_opens_anything(world: World) -> None:
    """From the commit on: every surface says 401, in the same words; a new token of another client works."""
    worker = world.as_("council-system", "sw22", "social-worker", "safeguarding-s47", "duty-to-share-16la")
    auditor = world.auditor("council")
    await worker.headers()
    await auditor.headers()
    await world.gateway.ledger.run_alone(administer.revoke_client, "trust-epr")
    uses = {**_uses(worker), "log": lambda: auditor.get("/fhir/AuditEvent"), "entry": lambda: auditor.get("/fhir/AuditEvent/abc")}
    for name, use in uses.items():
        answer = await use()
        assert answer.status_code == 401, (name, answer.status_code, answer.text)
        assert answer.headers["www-authenticate"].startswith("Bearer"), name
    assert (await world.token_answer(world.sign("trust-epr"), SCOPE)).json()["error"] == "invalid_client"
    world.tokens.clear()
    assert {name: (await use()).status_code for name, use in _uses(worker).items()} == {
        "lookup": 200, "read": 404, "search": 200, "create": 201, "update": 404, "records": 200, "children": 200, "message": 200,
        "subscribe": 201, "subscriptions": 200, "subscription": 404, "status": 404, "events": 404, "end": 404,
    }  # fmt: skip
    assert json.loads((await auditor.get("/fhir/AuditEvent")).content)["entry"]
