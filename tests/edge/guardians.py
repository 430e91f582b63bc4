"""Those who look after how the gateway is used: software for shields and reviews, and software for emergencies."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.demo import people
from gateway.demo.client import new_key
from gateway.demo.people import COUNCIL, TRUST, Person, Software
from gateway.exchanges.administer import NewClient, add_client
from gateway.fhir import systems
from gateway.settings import Settings
from tests.stories.county import CARE, S47
from tests.world import At, World

EMERGENCY = "emergency"
GUARDING = "system/$shield system/$withhold system/review.us system/Subscription.cruds"
JUSTIFICATION = "The front door hears that she has taken the child to the bridge"
DESKS = (
    Software("trust-guardian", TRUST, "The trust's privacy office", GUARDING, ("audit",), ("guardian",)),
    Software("council-guardian", COUNCIL, "The council's privacy office", GUARDING, ("audit",), ("guardian",)),
    Software("council-urgent", COUNCIL, "The council's duty team", people.ASK_SCOPES, (EMERGENCY, S47, "child-in-need-s17"), ("social-worker",)),
    Software("trust-urgent", TRUST, "The crisis line", people.ASK_SCOPES, (EMERGENCY, CARE), ("care-coordinator", "ward-nurse")),
)  # fmt: skip
IN_DANGER = """
[[default]]
receiver_kind = "children-social-care"
purposes = ["emergency"]
tier = 2
basis = "vital-interests"
"""


def opened_in_danger(settings: Settings) -> Settings:
    """The trust answers the council where danger to life is claimed."""
    path = settings.agreements / "northmoor-trust.toml"
    path.write_text(path.read_text() + IN_DANGER)
    return settings


async def settled(world: World) -> World:
    """With the software of privacy offices and duty teams registered."""
    for one in DESKS:
        jwks = new_key(world.keys / f"{one.id}.pem")
        made = NewClient(one.id, one.agency, one.name, one.scopes, one.purposes, one.roles, jwks)
        await world.gateway.ledger.run_alone(add_client, made)
    return world


async def at(world: World, client: str, user: str, role: str = "", *purposes: str) -> At:
    """Somebody at work in one of these."""
    known = next(one for one in DESKS if one.id == client)
    signed = world.sign(client, user=user, role=role, purposes=purposes)
    answer = await world.token_answer(signed, known.scopes)
    assert answer.status_code == 200, answer.text
    world.tokens[(client, user, role, purposes)] = answer.json()["access_token"]
    return At(world, client, user, role, purposes)


async def guardian(world: World, user: str, agency: str = "trust") -> At:
    """Somebody of an agency's privacy office."""
    return await at(world, f"{agency}-guardian", user, "guardian")


async def urgent(world: World, user: str = "sw22") -> At:
    """A social worker who claims danger to life."""
    return await at(world, "council-urgent", user, "social-worker", EMERGENCY, S47)


def override(person: Person, *about: str) -> dict[str, Any]:
    """A lookup that claims danger to life."""
    body = people.lookup(person, EMERGENCY, *about, case="C-1")
    parts = [
        {"name": "type", "valueCoding": {"code": "1"}},
        {"name": "reason", "valueCoding": {"code": "1"}},
        {"name": "justification", "valueString": JUSTIFICATION},
    ]
    body["parameter"].append({"name": "override", "part": parts})
    return body


async def overrides(at: At, person: Person, *about: str, **headers: str) -> httpx.Response:
    """An override through the API."""
    return await at.post("/fhir/Patient/$known-to-services", override(person, *about), **headers)


async def shields(at: At, person: Person, *, lift: bool = False) -> httpx.Response:
    """A shield set, or asked to be lifted."""
    identifier = {"system": systems.NHS_NUMBER, "value": person.nhs}
    parameters = [{"name": "person", "valueIdentifier": identifier}, {"name": "reason", "valueString": "She fled from him"}]
    body = {"resourceType": "Parameters", "parameter": parameters}
    return await at.post(f"/fhir/Patient/${'lift-shield' if lift else 'shield'}", body)


async def queue(at: At, *kinds: str) -> list[dict[str, Any]]:
    """What stands in the queue of an agency, of these kinds or all."""
    answer = await at.get("/reviews")
    assert answer.status_code == 200, answer.text
    return [one for one in answer.json()["reviews"] if not kinds or one["kind"] in kinds]


async def withholds(at: At, person: Person, **parts: Any) -> httpx.Response:
    """A record withheld under a duty by the decision of a team manager; ``parts`` beside the usual, None to leave one out."""
    given = {
        "person": {"valueIdentifier": {"system": systems.NHS_NUMBER, "value": person.nhs}},
        "reason": {"valueString": "His brother works at their front door"},
        "decider": {"valueString": "Sam Lead"},
        "deciderRole": {"valueCode": "team-manager"},
        **parts,
    }
    named = [{"name": name, **value} for name, stated in given.items() if stated for value in _each(stated)]
    operation = "lift-withholding" if "withholding" in parts else "withhold"
    return await at.post(f"/fhir/Patient/${operation}", {"resourceType": "Parameters", "parameter": named})


def _each(stated: Any) -> list[dict[str, Any]]:
    return stated if isinstance(stated, list) else [stated]
