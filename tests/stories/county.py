"""A county for lookups: more agencies, families and agreements than the demonstration has, told through the API."""

from __future__ import annotations

import copy
from typing import Any

import httpx

from gateway.demo import people
from gateway.demo.client import new_key
from gateway.demo.people import COUNCIL, TRUST, Person, Software, day
from gateway.exchanges import administer
from gateway.exchanges.administer import NewAgency
from gateway.fhir import systems
from gateway.settings import Settings
from gateway.store import clock, standing
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.sql import Write
from tests.world import World, groups, part

S47, CARE, EARLY = "safeguarding-s47", "amh-care-planning", "early-help"
PLAN = "9990001057 9990001065 9990001073 9990001081 9990001103 9990001111 9990001138 9990001146".split()


def somebody(place: int, born: str = "1985-04-04") -> Person:
    """One more person who does not exist."""
    return Person(f"person {place}", PLAN[place], born, "SAMPLE", f"P{place}")


def flag(
    person: Person,
    key: str,
    detail: str = "cp-plan",
    start: str = "2026-01-05",
    end: str = "",
    agency: str = COUNCIL,
    service: str = "children-social-care",
) -> dict[str, Any]:
    """An involvement as an agency's own system writes it."""
    made: dict[str, Any] = {
        "resourceType": "Flag", "id": key, "status": "inactive" if end and end <= day() else "active",
        "extension": [
            {"url": systems.extension("last-contact"), "valueDate": "2026-10-17"},
            {"url": systems.extension("contact"), "valueReference": {"reference": "#lead"}},
        ],
        "category": [{"coding": [{"system": systems.code_system("service"), "code": service}]}],
        "code": {"coding": [{"system": systems.code_system("involvement-detail"), "code": detail}]},
        "subject": people.reference(person), "period": {"start": start, **({"end": end} if end else {})},
        "author": {"identifier": {"system": systems.ODS_CODE, "value": agency}},
        "contained": [{
            "resourceType": "PractitionerRole", "id": "lead", "practitioner": {"display": "Jo Lead"},
            "code": [{"coding": [{"system": systems.code_system("contact-kind"), "code": "lead-professional"}]}],
            "telecom": [{"system": "phone", "value": "01632 960299"}],
        }],
    }  # fmt: skip
    return made


def patient(
    person: Person, *, status: str = "01", born: str | None = None, restriction: str = "", address: str = "", security: str = ""
) -> dict[str, Any]:
    """A person as an agency's own system writes them."""
    verified = {
        "url": systems.NHS_NUMBER_STATUS_EXT,
        "valueCodeableConcept": {"coding": [{"system": systems.NHS_NUMBER_STATUS, "code": status}]},
    }
    made: dict[str, Any] = {
        "resourceType": "Patient",
        "identifier": [{"system": systems.NHS_NUMBER, "value": person.nhs, **({"extension": [verified]} if status else {})}],
        "name": [{"family": person.family, "given": [person.given]}],
    }
    if born != "":
        made["birthDate"] = born or person.born
    if restriction:
        made["extension"] = [{"url": systems.extension("restriction"), "valueCode": restriction}]
    if address:
        made["address"] = [{"line": [address]}]
    if security:
        made["meta"] = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": security}]}
    return made


def related(of: Person, to: Person, *roles: str, **more: Any) -> dict[str, Any]:
    """What ``to`` is to ``of``."""
    return {
        "resourceType": "RelatedPerson", "patient": people.reference(of), "birthDate": to.born,
        "identifier": [{"system": systems.NHS_NUMBER, "value": to.nhs}], "name": [{"family": to.family, "given": [to.given]}],
        "relationship": [{"coding": [{"system": systems.V3_ROLE, "code": role}]} for role in roles], **more,
    }  # fmt: skip


async def tells(world: World, client: str, *resources: dict[str, Any]) -> None:
    """An agency's system sends FHIR; all of it must be taken."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    counts = await world.as_(client).sends("fhir", bundle)
    assert counts["refused"] == 0, counts
    assert counts["accepted"] == len(resources), counts


async def wishes(
    world: World, client: str, whose: Person, who: Person, *rules: dict[str, Any], when: str = "", **more: Any
) -> None:
    """A Consent is written down at an agency."""
    agency = COUNCIL if client.startswith("council") else TRUST
    made = people.consent(whose, who, copy.deepcopy(list(rules)), agency=agency, when=when or day(2), **more)
    answer = await world.as_(client).post("/fhir/Consent", made)
    assert answer.status_code == 201, answer.text


def heard(ctx: Any, what: tuple[str, int], moment: Moment) -> Story[None]:
    """A feed that was last heard of so many days ago."""
    code, days = what
    yield Write(standing.TOUCH_FEED, {"agency_code": code, "as_of": moment.at - days * clock.DAY})
    return Outcome(None, (administer._line("heard", moment, code),))


async def falls_silent(world: World, code: str) -> None:
    """The feed of an agency goes stale."""
    await world.gateway.ledger.run_alone(heard, (code, 10))


async def speaks(world: World, code: str) -> None:
    """The feed of an agency is heard of now."""
    await world.gateway.ledger.run_alone(heard, (code, 0))


DRUGS, VISITING, NURSING = "TDA01", "THV01", "TSN01"
DOCUMENTS = {
    DRUGS: """
source = "TDA01"
version = "1"
valid_from = 2026-01-01
valid_until = 2028-12-31
negatives = "explicit"
[[default]]
receiver_kind = "children-social-care"
purposes = ["safeguarding-s47"]
tier = 3
basis = "CA1989-s47"
""",
    VISITING: """
source = "THV01"
version = "1"
valid_from = 2026-01-01
valid_until = 2028-12-31
negatives = "blanket"
[[default]]
receiver_kind = "children-social-care"
purposes = ["safeguarding-s47"]
tier = 0
basis = "CA1989-s47"
""",
}
DOCUMENTS[NURSING] = DOCUMENTS[VISITING].replace(VISITING, NURSING).replace("blanket", "explicit")  # its feed is not complete
DRUG_SERVICE = NewAgency(DRUGS, "Bridge Partnership", "drug-alcohol", {
    "desks": [{"kind": "duty-desk", "name": "Bridge desk", "phone": "01632 960601", "hours": "always"}], "sensitive": True, "traced": True,
}, complete=True, holds_from="2016-01-01")  # fmt: skip
RECORDERS = (
    Software("drugs-records", DRUGS, "Their record", people.RECORD_SCOPES, ("early-help",)),
    Software("visiting-records", VISITING, "Their record", people.RECORD_SCOPES, ("early-help",)),
)


def agree(settings: Settings) -> Settings:
    """Two more documents among the agreements of a deployment, before it starts."""
    for code, text in DOCUMENTS.items():
        (settings.agreements / f"{code}.toml").write_text(text)
    return settings


async def settle_in(world: World) -> World:
    """A sensitive drug and alcohol service, and software that writes health visitors' records."""
    await world.gateway.ledger.run_alone(administer.add_agency, DRUG_SERVICE)
    for one in RECORDERS:
        jwks = new_key(world.keys / f"{one.id}.pem")
        client = administer.NewClient(one.id, one.agency, one.name, one.scopes, one.purposes, one.roles, jwks)
        await world.gateway.ledger.run_alone(administer.add_client, client)
        answer = await world.token_answer(world.sign(one.id, user="", role="", purposes=()), one.scopes)
        world.tokens[(one.id, "", "", ())] = answer.json()["access_token"]
    await world.feed()
    return world


def masked(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and bytes of an answer, without its id and its time."""
    document = answer.json()
    text = answer.content
    for one in document["parameter"]:
        if one["name"] in ("disclosure", "asOf"):
            value = one.get("valueId") or one["valueInstant"]
            text = text.replace(value.encode(), b"=" * len(value))
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
    return answer.status_code, headers, text


def agency(parts: list[dict[str, Any]]) -> str:
    """Whose answer a group is."""
    return str(next(one["valueReference"]["identifier"]["value"] for one in parts if one["name"] == "organization"))


async def decides(
    world: World, client: str, whose: Person, who: Person, *rules: dict[str, Any], when: str, capacity: str = "", kind: str = ""
) -> None:
    """A Consent is written down together with capacity and kind of wish."""
    agency = COUNCIL if client.startswith("council") else TRUST
    made = people.consent(whose, who, copy.deepcopy(list(rules)), agency=agency, when=when)
    stated = {"capacity": capacity, "wish-kind": kind}
    made["extension"] = [{"url": systems.extension(name), "valueCode": code} for name, code in stated.items() if code]
    answer = await world.as_(client).post("/fhir/Consent", made)
    assert answer.status_code == 201, answer.text


SHARE, REASON = "duty-to-share-16la", "what happens to her bears on the child's welfare"
Told = list[tuple[str, str, str | None]]


def in_short(answer: dict[str, Any]) -> Told:
    """About whom, answer, reason: of each group."""
    return [(part(one, "about"), part(one, "answer"), part(one, "reason")) for one in groups(answer)]


async def coordinator_hears(world: World, person: Person, *about: str) -> Told:
    """What a care coordinator of the trust is told under the duty to share."""
    return in_short(await world.coordinator().hears(person, SHARE, *about, case="R-1", reason=REASON))


async def enquiry_hears(world: World, person: Person, *about: str) -> Told:
    """What a social worker of the council is told in a section 47 enquiry."""
    return in_short(await world.social_worker().hears(person, S47, *about, case="C-1"))


def responsible(value: str = "yes", since: str = "", until: str = "") -> dict[str, Any]:
    """Parental responsibility, as it stands on a relationship."""
    parts = [{"url": "value", "valueCode": value}]
    parts += [{"url": name, "valueDate": when} for name, when in (("since", since), ("until", until)) if when]
    return {"url": systems.extension("parental-responsibility"), "extension": parts}


def both(child: Person, adult: Person, role: str, *extensions: dict[str, Any], back: str = "CHILD") -> list[dict[str, Any]]:
    """Adult and child, each on the other's record; what is said of parental responsibility stands on the child's."""
    return [related(child, adult, role, extension=list(extensions)), related(adult, child, back)]


async def restricts(world: World, client: str, person: Person, restriction: str) -> None:
    """The owner of a record shields it."""
    await tells(world, client, patient(person, restriction=restriction))
