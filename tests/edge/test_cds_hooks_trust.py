"""Who may ask for cards, what is refused and how, and which browsers may read it (CDS Hooks 2.0, security and CORS)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from gateway.demo.client import new_key
from gateway.demo.people import STRANGER
from gateway.exchanges import administer
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.partners import key_sets
from gateway.partners.key_sets import KeySets, KeysUnavailable
from tests.edge.desks import desk
from tests.edge.record_system import ISSUER, RecordSystem, call_body, person_of, record_system
from tests.world import BASE, World

PATH = "/cds-services/family-patient-view"
URL = f"{BASE}{PATH}"


async def refused(world: World) -> list[str]:
    """Why tokens were refused, as it stands in the log."""
    await world.seal()
    found = await world.auditor().get("/fhir/AuditEvent?_count=200")
    texts = [json.dumps(entry["resource"]) for entry in found.json()["entry"]]
    return [text for text in texts if "admit_card_client" in text]


# -- tokens ------------------------------------------------------------------------------------------------------------

BAD: dict[str, Callable[[RecordSystem], str]] = {
    "another address": lambda epr: epr.token(f"{BASE}/cds-services"),
    "an address with a slash more": lambda epr: epr.token(f"{URL}/"),
    "several audiences": lambda epr: epr.token(URL, aud=[URL, "https://x.example"]),
    "run out": lambda epr: epr.token(URL, exp=int(time.time()) - 1),
    "a day long": lambda epr: epr.token(URL, exp=int(time.time()) + 86400),
    "without an end": lambda epr: epr.token(URL, exp=None),
    "without a beginning": lambda epr: epr.token(URL, iat=None),
    "from tomorrow": lambda epr: epr.token(URL, iat=int(time.time()) + 86400, exp=int(time.time()) + 86500),
    "without an id": lambda epr: epr.token(URL, jti=None),
    "another issuer": lambda epr: epr.token(URL, iss="https://other.example"),
    "a key set of its own choice": lambda epr: RecordSystem(epr.world, header={"jku": "https://evil.example/jwks"}).token(URL),
    "a key that is not registered": lambda epr: RecordSystem(epr.world, header={"kid": "k2"}).token(URL),
    "signed by another client": lambda epr: RecordSystem(epr.world, "council-system", header={"kid": "trust-epr"}).token(URL),
    "HMAC": lambda epr: RecordSystem(epr.world, header={"alg": "HS256"}).token(URL),
    "no algorithm": lambda epr: RecordSystem(epr.world, header={"alg": "none"}).token(URL),
    "an unknown critical member": lambda epr: RecordSystem(epr.world, header={"crit": ["x"], "x": 1}).token(URL),
    "an access token's type": lambda epr: RecordSystem(epr.world, header={"typ": "at+jwt"}).token(URL),
    "another organisation": lambda epr: epr.token(URL, extensions={"ihe_iua": {"subject_organization_id": "TLA01"}}),
    "a role that is not registered": lambda epr: epr.token(URL, extensions={"ihe_iua": {"subject_role": "surgeon"}}),
    "another purpose alone": lambda epr: epr.token(URL, extensions={"ihe_iua": {"purpose_of_use": ["duty-to-share-16la"]}}),
    "cut": lambda epr: epr.token(URL)[:-3],
    "no token": lambda epr: "x.y.z",
}


@pytest.mark.parametrize("fault", BAD)
async def test_a_token_that_proves_nothing_gets_no_card(fed: World, fault: str) -> None:
    """401 in the same words, whatever is wrong with it."""
    epr = await record_system(fed)
    answer = await epr.posts(PATH, call_body(STRANGER), BAD[fault](epr))
    assert answer.status_code == 401
    assert "cards" not in answer.json()
    assert answer.json()["issue"][0]["code"] == "login"


async def test_every_call_needs_a_token_and_an_access_token_is_none(fed: World) -> None:
    """None at all, and one of the token endpoint."""
    await record_system(fed)
    answer = await fed.client.post(PATH, json=call_body(STRANGER))
    assert answer.status_code == 401
    assert (await fed.ward().post(PATH, call_body(STRANGER), "application/json")).status_code == 401


async def test_a_token_counts_once_however_many_use_it_at_once(fed: World) -> None:
    """Of twelve calls with one token one is answered; afterwards none."""
    epr = await record_system(fed)
    token = epr.token(URL)
    answers = await asyncio.gather(*(epr.posts(PATH, call_body(STRANGER), token) for _ in range(12)))
    assert sorted(one.status_code for one in answers) == [200] + [401] * 11
    assert (await epr.posts(PATH, call_body(STRANGER), token)).status_code == 401
    assert any("replayed" in text for text in await refused(fed))


async def test_a_client_that_is_not_registered_for_cards_or_revoked_gets_none(fed: World) -> None:
    """A good key is not enough; a revoked client's registration is void at once."""
    stranger = RecordSystem(fed)
    assert (await stranger.posts(PATH, call_body(STRANGER))).status_code == 401
    epr = await record_system(fed)
    assert (await epr.calls(STRANGER)).status_code == 200
    await fed.gateway.ledger.run_alone(administer.revoke_client, "trust-epr")
    assert (await epr.calls(STRANGER)).status_code == 401


async def test_a_client_without_the_scope_of_a_lookup_gets_none(fed: World) -> None:
    """Cards enter at the lookup: its scope is needed."""
    jwks = new_key(fed.keys / "no-lookups.pem")
    client = administer.NewClient("no-lookups", "TMH01", "x", "system/records.c", ("amh-care-planning",), (), jwks)
    await fed.gateway.ledger.run_alone(administer.add_client, client)
    epr = await record_system(fed, "no-lookups", issuer="https://third.example")
    assert (await epr.calls(STRANGER)).status_code == 401


async def test_registering_is_refused_for_what_cards_cannot_be(fed: World) -> None:
    """A duty, a purpose that is not the client's, an issuer of somebody else, an address that is none; twice changes it."""
    for more in (
        {"purpose": "duty-to-share-16la"},
        {"purpose": "early-help"},
        {"purpose": "nonsense"},
        {"jku": "ftp://x.example/jwks"},
        {"origins": ("https://x.example/path",)},
        {"client": "nobody"},
    ):
        with pytest.raises(Unprocessable):
            await record_system(fed, **more)
    await record_system(fed)
    await record_system(fed, issuer="https://new.example")
    assert (await RecordSystem(fed).calls(STRANGER)).status_code == 401
    with pytest.raises(Conflict):
        await record_system(fed, "council-system", issuer="https://new.example", purpose="child-in-need-s17")


# -- keys that are fetched ---------------------------------------------------------------------------------------------


def serves(documents: list[Any], **headers: str) -> Callable[[BaseHTTPRequestHandler, int], None]:
    """A key set, the first document of the list as it stands at the moment."""

    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        body = json.dumps(documents[0]).encode()
        handler.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


async def test_keys_are_fetched_from_the_registered_address_alone(fed: World) -> None:
    """A key that is published there counts, one that is registered with the client does not; jku may be named."""
    made = new_key(fed.keys / "published.pem")
    with desk(serves([made])) as publisher:
        await record_system(fed, jku=publisher.url)
        good = RecordSystem(fed, "published", ISSUER)
        assert (await good.calls(STRANGER)).status_code == 200
        good.header = {"jku": publisher.url}
        assert (await good.calls(STRANGER)).status_code == 200
        good.header = {"jku": f"{publisher.url}2"}
        assert (await good.calls(STRANGER)).status_code == 401
        assert (await RecordSystem(fed).calls(STRANGER)).status_code == 401
        assert len(publisher.got) == 1


async def test_a_publisher_that_is_away_lets_nobody_in_and_is_not_asked_without_end(fed: World) -> None:
    """401, on record; ten calls are one question."""
    with desk() as publisher:
        url = publisher.url
    await record_system(fed, jku=url)
    for _ in range(10):
        assert (await RecordSystem(fed).calls(STRANGER)).status_code == 401
    assert any("keys-unavailable" in text for text in await refused(fed))


async def test_a_key_set_is_kept_as_long_as_its_publisher_says() -> None:
    """no-store is asked again each time; max-age is kept; a set too large, a redirect and an inner address are refused."""
    documents: list[Any] = [{"keys": []}]
    with desk(serves(documents, Cache_Control="no-store")) as publisher:
        sets = KeySets(loopback_allowed=True)
        await sets.at(publisher.url)
        documents[0] = {"keys": [1]}
        assert json.loads(await sets.at(publisher.url)) == {"keys": [1]}
        assert len(publisher.got) == 2
    with desk(serves(documents, Cache_Control="max-age=600")) as publisher:
        sets = KeySets(loopback_allowed=True)
        await asyncio.gather(*(sets.at(publisher.url) for _ in range(5)))
        assert len(publisher.got) == 1
        assert sets._kept[publisher.url].until - time.monotonic() <= key_sets.MOST_KEPT
        with pytest.raises(KeysUnavailable):
            await KeySets(loopback_allowed=False).at(publisher.url)
    documents[0] = {"keys": ["x" * key_sets.MOST_READ]}
    with desk(serves(documents)) as publisher:
        with pytest.raises(KeysUnavailable):
            await KeySets(loopback_allowed=True).at(publisher.url)


# -- bodies ------------------------------------------------------------------------------------------------------------


def without(*names: str) -> dict[str, Any]:
    """A call that lacks something, by its path."""
    body = call_body(STRANGER)
    holder = body
    for name in names[:-1]:
        holder = holder[name]
    del holder[names[-1]]
    return body


BROKEN: dict[str, tuple[Any, int]] = {
    "not JSON": ("{", 400),
    "a list": ([], 400),
    "another hook": (call_body(STRANGER, "order-sign"), 400),
    "no hook": (without("hook"), 400),
    "no hookInstance": (without("hookInstance"), 400),
    "hookInstance is no UUID": (call_body(STRANGER, hookInstance="1"), 400),
    "no context": (without("context"), 400),
    "no user": (without("context", "userId"), 400),
    "no patient in the context": (without("context", "patientId"), 400),
    "the patient as user": (call_body(STRANGER, context={"userId": "Patient/1", "patientId": "pat-1"}), 400),
    "a user without a type": (call_body(STRANGER, context={"userId": "nurse7", "patientId": "pat-1"}), 400),
    "authorization without a server": ({**without("fhirServer"), "fhirAuthorization": {"access_token": "x"}}, 400),
    "prefetch is a list": (call_body(STRANGER, prefetch=[]), 400),
    "no prefetch": (without("prefetch"), 412),
    "no patient sent along": (without("prefetch", "patient"), 412),
    "null for the patient": (call_body(STRANGER, prefetch={"patient": None}), 412),
    "another patient sent along": (call_body(STRANGER, prefetch={"patient": person_of(STRANGER, id="pat-2")}), 400),
    "an Observation sent along": (call_body(STRANGER, prefetch={"patient": {"resourceType": "Observation"}}), 400),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_call_that_is_none_is_refused_with_its_place(fed: World, fault: str) -> None:
    """400, or 412 where the patient was not sent along; nobody is looked up."""
    epr = await record_system(fed)
    body, status = BROKEN[fault]
    answer = await epr.posts(PATH, body)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_an_encounter_is_needed_where_the_hook_names_one(fed: World) -> None:
    """encounter-start and encounter-discharge without an encounter are refused."""
    epr = await record_system(fed)
    for hook in ("encounter-start", "encounter-discharge"):
        body = call_body(STRANGER, hook, context={"userId": "Practitioner/nurse7", "patientId": "pat-1"})
        assert (await epr.posts(f"/cds-services/family-{hook}", body)).status_code == 400


async def test_a_service_that_is_not_there_is_404(fed: World) -> None:
    """Whatever is sent."""
    epr = await record_system(fed)
    for name in ("family-order-sign", "patient-view", "x"):
        assert (await epr.posts(f"/cds-services/{name}", call_body(STRANGER))).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"identifier": []},
        {"identifier": "x"},
        {"identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990001048"}]},
        {"identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": one} for one in ("9990001006", "9990001014")]},
        {"birthDate": "1990"},
        {"birthDate": "soon"},
        {"birthDate": None},
    ],
)
async def test_a_patient_whose_record_is_not_sound_gets_the_ordinary_card(fed: World, change: dict[str, Any]) -> None:
    """No number, a wrong one, two, half a date: nothing can be told, and that is all the card says."""
    epr = await record_system(fed)
    card = await epr.card(STRANGER, prefetch={"patient": person_of(STRANGER, **change)})
    assert "not a no" in card["summary"]


# -- browsers ----------------------------------------------------------------------------------------------------------

PAGE = "https://epr.northmoor.example"


@pytest.mark.parametrize("path", ["/cds-services", PATH, f"{PATH}/feedback"])
async def test_a_registered_page_may_call_and_no_other(fed: World, path: str) -> None:
    """A preflight names methods and headers for the registered origin; another origin gets nothing of it, never a star."""
    await record_system(fed, origins=(PAGE,))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    answer = await fed.client.options(path, headers={"Origin": PAGE, **asked})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in answer.headers
    for other in ("https://evil.example", f"{PAGE}.evil.example", "null", f"{PAGE}:8443", "http://epr.northmoor.example"):
        answer = await fed.client.options(path, headers={"Origin": other, **asked})
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["vary"] == "Origin"


async def test_answers_and_refusals_can_be_read_by_a_registered_page(fed: World) -> None:
    """A card, a 401 and a 400 carry the origin; a call without one carries nothing of it."""
    epr = await record_system(fed, origins=(PAGE,))
    card = await epr.posts(PATH, call_body(STRANGER), Origin=PAGE)
    bare = await epr.posts(PATH, call_body(STRANGER))
    denied = await epr.posts(PATH, call_body(STRANGER), "x.y.z", Origin=PAGE)
    broken = await epr.posts(PATH, "{", Origin=PAGE)
    assert [one.status_code for one in (card, bare, denied, broken)] == [200, 200, 401, 400]
    for answer in (card, denied, broken, await fed.client.get("/cds-services", headers={"Origin": PAGE})):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in bare.headers


async def test_the_rest_of_the_gateway_is_for_no_page_of_elsewhere(fed: World) -> None:
    """CORS ends with the card service."""
    await record_system(fed, origins=(PAGE,))
    answer = await fed.client.get("/fhir/metadata", headers={"Origin": PAGE})
    assert "access-control-allow-origin" not in answer.headers
