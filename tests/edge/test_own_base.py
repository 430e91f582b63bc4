"""A deployment with a canonical base of its own, as production must have: no code, extension or definition is of another."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.api.definitions import TYPES
from gateway.demo import people
from gateway.demo.people import AMINA, LEO
from gateway.fhir.systems import BASE
from gateway.settings import Settings
from tests.edge.desks import desk
from tests.world import At, World, groups, part

OWN = "https://interop.southshire.example/family"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The same deployment with its own base."""
    return settings.model_copy(update={"canonical_base": OWN})


async def told(at: At, path: str, body: dict[str, Any] | None = None) -> Any:
    """What the gateway answers to this, put in the deployment's own codes; nothing in it is of the published default."""
    answer = await (at.get(path) if body is None else at.post(path, json.dumps(body).replace(BASE, OWN)))
    assert answer.status_code in (200, 201), answer.text
    assert BASE not in answer.text, answer.text[max(0, answer.text.find(BASE) - 200) :][:400]
    return answer.json()


async def test_a_lookup_is_asked_and_answered_in_the_deployments_own_codes(world: World) -> None:
    """Records come in by the maps, a wish by FHIR; the answers have flags, desks and coverage."""
    await world.feed()
    wish = people.permit(people.VOLUNTARY, "early-help", "existence", "status")
    consent = people.consent(AMINA, AMINA, [wish], agency=people.TRUST, when=people.day(1))
    await told(world.as_("trust-epr"), "/fhir/Consent", consent)
    lookup = "/fhir/Patient/$known-to-services"
    answer = await told(world.social_worker(), lookup, people.lookup(AMINA, "safeguarding-s47", case="C-1"))
    (amina, *_) = groups(answer)
    assert part(amina, "answer") == "known" and OWN in str(amina)
    wished = world.as_("voluntary-system", "fw1", "family-worker", "early-help")
    assert groups(await told(wished, lookup, people.lookup(AMINA, "early-help")))
    children = people.lookup(AMINA, "amh-care-planning", "children")
    duty = people.lookup(LEO, "duty-to-share-16la", case="C-3", reason="Plan")
    for at, body in ((world.ward(), children), (world.social_worker(), duty)):
        assert OWN in str(await told(at, lookup, body))


async def test_a_notice_is_told_in_the_deployments_own_codes(world: World) -> None:
    """From the subscription to the post, and the subscription as it is read."""
    with desk() as one:
        wanted = people.subscription(AMINA, "known-status-changed", one.url, "duty-to-share-16la", case="C-9", reason="Plan")
        made = await told(world.social_worker(), "/fhir/Subscription", wanted)
        await world.feed()
        await world.settle()
        assert one.got
        for got in one.got:
            assert BASE not in got.body.decode() and OWN in got.body.decode()
    await told(world.social_worker(), f"/fhir/Subscription/{made['id']}/$events")


@pytest.mark.parametrize("kind", TYPES)
async def test_every_definition_stands_below_it(world: World, kind: str) -> None:
    """What the CapabilityStatement and the records refer to is found here by that canonical."""
    bundle = await told(world.ward(), f"/fhir/{kind}")
    urls = [entry["resource"]["url"] for entry in bundle["entry"]]
    ours = [url for url in urls if url.startswith(f"{OWN}/{kind}/")]
    assert ours
    (found,) = (await told(world.ward(), f"/fhir/{kind}?url={ours[0]}"))["entry"]
    assert found["resource"]["url"] == ours[0]


async def test_what_is_said_of_the_gateway_and_of_its_agencies_does_too(world: World) -> None:
    """The CapabilityStatement, the directory, the access log, records by search."""
    await world.feed()
    for path in ("/fhir/metadata", "/openapi.json"):
        assert OWN in str(await told(world.ward(), path))
    for kind in ("PractitionerRole", "Organization", "Flag", "RelatedPerson", "Provenance"):
        assert (await told(world.as_("trust-epr"), f"/fhir/{kind}"))["entry"], kind
    await world.seal()
    assert OWN in str(await told(world.auditor(), "/fhir/AuditEvent?_count=200"))
