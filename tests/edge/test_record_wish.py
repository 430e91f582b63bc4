"""Wishes as people say them: one call, one Consent, read back in plain words, and in force at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, LEO, SCHOOL_NURSING, STRANGER, TRUST, VOLUNTARY, Person
from gateway.disclosure.wish_forms import CAPACITIES, KINDS, TAKES
from gateway.disclosure.wording import CLASSES
from gateway.fhir import systems
from gateway.settings import HERE
from gateway.store import clock
from tests.data.edge import exchange, is_valid, log_of, outcome
from tests.world import At, World, groups, part

CARE = "amh-care-planning"


def number(person: Person) -> dict[str, Any]:
    return {"valueIdentifier": {"system": systems.NHS_NUMBER, "value": person.nhs}}


def organisation(code: str) -> dict[str, Any]:
    return {"valueIdentifier": {"system": systems.ODS_CODE, "value": code}}


def coded(system: str, code: str) -> dict[str, Any]:
    return {"valueCoding": {"system": systems.code_system(system), "code": code}}


def wish(
    code: str, *receivers: dict[str, Any], date: str = "", purposes: tuple[str, ...] = (), classes: tuple[str, ...] = ()
) -> Any:
    """One wish as a parameter."""
    parts: list[dict[str, Any]] = [{"name": "code", "valueCode": code}, *({"name": "receiver", **one} for one in receivers)]
    parts += [{"name": "date", "valueDate": date}] if date else []
    parts += [{"name": "purpose", "valueCode": one} for one in purposes]
    parts += [{"name": "class", "valueCode": one} for one in classes]
    return {"name": "wish", "part": parts}


def said(person: Person, *wishes: Any, by: Person | None = None, **codes: str) -> dict[str, Any]:
    """The Parameters of a call."""
    parameters: list[dict[str, Any]] = [{"name": "person", **number(person)}]
    parameters += [{"name": "madeBy", **number(by)}] if by else []
    parameters += [{"name": name, "valueCode": code} for name, code in codes.items()]
    return {"resourceType": "Parameters", "parameter": [*parameters, *wishes]}


async def records(at: At, *args: Any, **more: Any) -> tuple[dict[str, Any], list[str]]:
    """The Consent that was made, and its sentences."""
    answer = await at.post("/fhir/Consent/$record-wish", said(*args, **more))
    assert answer.status_code == 200, answer.text
    assert is_valid(answer.json())
    assert answer.headers["etag"] == 'W/"1"'
    return part(answer.json(), "consent"), sentences(answer.json())


def sentences(parameters: dict[str, Any]) -> list[str]:
    return [one["valueString"] for one in parameters["parameter"] if one["name"] == "plain"]


async def test_the_wish_of_a_mother_in_hospital_is_one_call_and_is_read_back(fed: World) -> None:
    """Share with the ward, only while in hospital, until a date, not to the school nurses, never the address."""
    council = fed.as_("council-system")
    consent, plain = await records(
        council, AMINA,
        wish("share", organisation(TRUST), purposes=(CARE,)), wish("only-while-in-hospital"), wish("until", date="2099-03-31"),
        wish("not-to", coded("agency-kind", "school-nursing")), wish("never-address"), capacity="had",
    )  # fmt: skip
    assert is_valid(consent)
    assert plain == [
        (
            "This person has agreed that Northmoor Mental Health NHS Trust may be told that they are known, their status and whom to "
            "ring, to plan an adult's mental health care, only while they are in hospital, until 31 March 2099."
        ),
        "The school nursing service may not be told anything.",
        "Nobody may be told their address.",
        "This person could decide this at that time.",
        "It is their own wish.",
        "Nothing more than this is shared because of this record.",
        "Their address is never shared, with anybody.",
    ]
    read = await council.get(f"/fhir/Consent/{consent['id']}")
    assert read.json() == consent
    told = await council.get(f"/fhir/Consent/{consent['id']}/$plain")
    assert is_valid(told.json())
    assert sentences(told.json()) == plain
    assert told.headers["etag"] == 'W/"1"'


async def test_a_wish_that_was_written_down_is_in_force_at_once(fed: World) -> None:
    """The ward hears of the child by the mother's word; the council is asked to tell her each time; withdrawn, it ends."""
    council, ward = fed.as_("council-system"), fed.ward()
    assert part(await ward.hears(AMINA, CARE, "children"), "answer") == "no-information"
    agreed = (
        wish("share", organisation(TRUST), purposes=(CARE,), classes=("relative-identity", "contact")),
        wish("tell-me-each-time"),
    )
    consent, plain = await records(council, LEO, *agreed, by=AMINA, kind="parent-for-child", capacity="had")
    assert any(one == "Each time something is shared, Leo is to be told." for one in plain), plain
    answer = await ward.hears(AMINA, CARE, "children")
    assert len(groups(answer)) == 1
    obligations = [one["valueCodeableConcept"]["coding"][0]["code"] for one in answer["parameter"] if one["name"] == "obligation"]
    assert obligations == ["ask-owner-before-passing-on", "tell-person-each-time"]
    _, after = await records(council, LEO, wish("nothing"), by=AMINA, kind="parent-for-child", capacity="had")
    assert after[0] == "A parent, who decides for Leo, does not want anything shared with anyone."
    assert after[-1] == "It takes the place of what was written down here before about the same matter."
    assert part(await ward.hears(AMINA, CARE, "children"), "answer") == "no-information"
    assert consent["id"]


async def test_my_care_coordinator_may_and_others_not(fed: World) -> None:
    """Only a role; a bare refusal says that it agrees to nothing."""
    _, plain = await records(fed.as_("trust-epr"), AMINA, wish("only", coded("role", "care-coordinator")))
    assert plain[0] == (
        "Amina has agreed that anybody in the role of care coordinator may be told that she is known, her status and whom to ring."
    )
    _, plain = await records(fed.as_("trust-epr"), AMINA, wish("not-to", organisation(VOLUNTARY), organisation(SCHOOL_NURSING)))
    assert plain[0] == "Amina has said that Southshire School Nursing and Home Hearth Family Support may not be told anything."
    assert plain[1] == "This record agrees to nothing: it only says what may not be told."


async def test_it_stands_in_the_log_as_any_consent(fed: World) -> None:
    """Written and read, with the resource and the person, for the owner's auditor."""
    consent, _ = await records(fed.as_("trust-epr"), AMINA, wish("nothing"))
    await fed.as_("trust-epr").get(f"/fhir/Consent/{consent['id']}/$plain")
    events = await log_of(fed.auditor("trust"), patient__identifier=f"{systems.NHS_NUMBER}|{AMINA.nhs}")
    assert {"write_resource", "read_resource"} <= {exchange(one) for one in events}
    assert f"Consent/{consent['id']}/_history/1" in json.dumps(events)


async def test_another_agency_finds_no_consent_to_read(fed: World) -> None:
    """The same 404 for what is not there and what is not yours."""
    consent, _ = await records(fed.as_("trust-epr"), AMINA, wish("nothing"))
    council = fed.as_("council-system")
    answers = [await council.get(f"/fhir/Consent/{one}/$plain") for one in (consent["id"], "nothing")]
    for answer in answers:
        outcome(answer, 404)
    assert answers[0].content == answers[1].content


async def test_an_updated_wish_has_its_own_sentences(fed: World) -> None:
    """Withdrawn by an update with its ETag, it says so."""
    trust = fed.as_("trust-epr")
    consent, _ = await records(trust, AMINA, wish("share", organisation(COUNCIL)))
    body = {name: value for name, value in consent.items() if name != "meta"}
    assert (await trust.put(f"/fhir/Consent/{consent['id']}", {**body, "status": "inactive"}, 'W/"1"')).status_code == 200
    told = await trust.get(f"/fhir/Consent/{consent['id']}/$plain")
    assert told.headers["etag"] == 'W/"2"'
    assert sentences(told.json())[0] == "This was taken back or refused, and does not count any more. It said:"


CONTRARY = [
    said(AMINA, wish("only-while-in-hospital")),
    said(AMINA, wish("until", date="2099-01-01")),
    said(AMINA, wish("tell-me-each-time"), wish("never-address")),
    said(AMINA, wish("nothing"), wish("share")),
    said(AMINA, wish("share", organisation(COUNCIL)), wish("only", organisation(TRUST))),
    said(AMINA, wish("share"), wish("until", date="2099-01-01"), wish("until", date="2099-01-02")),
    said(AMINA, wish("share", organisation(COUNCIL)), wish("not-to", organisation(COUNCIL))),
    said(AMINA, wish("share", classes=("diagnosis",))),
    said(AMINA, wish("not-to")),
    said(AMINA, wish("only")),
    said(AMINA, wish("share"), wish("until")),
    said(AMINA, wish("nothing", organisation(COUNCIL))),
    said(LEO, wish("nothing"), by=AMINA),
    said(LEO, wish("nothing"), by=AMINA, kind="own-wish"),
    said(AMINA, wish("nothing"), kind="attorney"),
]
UNREADABLE = [
    said(AMINA),
    said(AMINA, wish("sing")),
    said(AMINA, wish("share", classes=("horoscope",))),
    said(AMINA, wish("share", purposes=("tea",))),
    said(AMINA, wish("share", coded("agency-kind", "martians"))),
    said(AMINA, wish("share", coded("basis", "person-wish"))),
    said(AMINA, wish("share", number(LEO))),
    said(AMINA, wish("share"), wish("until", date="2099")),
    said(AMINA, wish("share"), wish("until", date="2099-02-30")),
    said(AMINA, wish("share"), capacity="perhaps"),
    said(AMINA, wish("share"), kind="whim"),
    said(AMINA, *[wish("nothing")] * 21),
    said(AMINA, {"name": "wish", "valueString": "nothing"}),
    said(AMINA, {"name": "wish", "part": []}),
    said(Person("x", "9990001007", "", "", ""), wish("nothing")),
    {"resourceType": "Parameters", "parameter": [wish("nothing")]},
]


@pytest.mark.parametrize("sent", CONTRARY + UNREADABLE)
async def test_what_cannot_be_meant_is_refused_and_nothing_is_written(world: World, sent: dict[str, Any]) -> None:
    """422 with its place; no Consent."""
    trust = world.as_("trust-epr")
    for issue in outcome(await trust.post("/fhir/Consent/$record-wish", sent), 422):
        assert issue["expression"]
    assert "entry" not in (await trust.get("/fhir/Consent")).json()


NOT_NOW = [
    (said(AMINA, wish("nothing"), kind="child-own"), "kind", "say own-wish"),
    (said(AMINA, wish("share"), wish("until", date="2020-01-01")), "wish", "until 2020-01-01 has passed"),
]


@pytest.mark.parametrize(("sent", "where", "says"), NOT_NOW)
async def test_what_cannot_be_meant_today_is_refused_in_words(fed: World, sent: dict[str, Any], where: str, says: str) -> None:
    """An adult's wish is no child's own, and no sharing is limited to a time that has passed; nothing is written."""
    trust = fed.as_("trust-epr")
    (issue,) = outcome(await trust.post("/fhir/Consent/$record-wish", sent), 422)
    assert issue["expression"] == [f"Parameters.parameter({where})"]
    assert says in issue["diagnostics"]
    assert "entry" not in (await trust.get("/fhir/Consent")).json()


async def test_a_childs_own_wish_is_taken_until_the_end_of_today(fed: World) -> None:
    """Of a child on record, and of somebody whom the organisation does not know, whose age is nobody's to guess."""
    today = clock.day(clock.now()).isoformat()
    _, plain = await records(fed.as_("council-system"), LEO, wish("share"), wish("until", date=today), kind="child-own")
    assert plain
    answer = await fed.as_("trust-epr").post("/fhir/Consent/$record-wish", said(STRANGER, wish("nothing"), kind="child-own"))
    assert answer.status_code == 200, answer.text


async def test_it_needs_the_scope_of_a_consent(world: World) -> None:
    """To create for the one, to read for the other."""
    outcome(await world.auditor().post("/fhir/Consent/$record-wish", said(AMINA, wish("nothing"))), 403)
    outcome(await world.auditor().get("/fhir/Consent/abc/$plain"), 403)


@pytest.mark.parametrize(
    ("system", "codes"),
    [("wish", set(TAKES)), ("capacity", set(CAPACITIES)), ("wish-kind", set(KINDS)), ("data-class", set(CLASSES))],
)
def test_the_codes_that_are_taken_are_those_that_are_published(system: str, codes: set[str]) -> None:
    """No more, no fewer."""
    bundle = json.loads((HERE / "mappings" / "code_systems" / f"{system}.json").read_text())
    published = (entry["resource"]["concept"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "CodeSystem")
    assert {one["code"] for concepts in published for one in concepts} == codes


async def test_a_consent_that_is_read_claims_what_it_conforms_to(fed: World) -> None:
    """Recorded in one call, sent with a claim that does not hold, sent without one that does: by id, by version and in a
    search each claims the IHE profile that it conforms to, or none."""
    trust, claimed = fed.as_("trust-epr"), "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent"
    rules = [people.permit("TLA01", "amh-care-planning", "existence")]
    boasting = {
        **people.consent(AMINA, AMINA, rules, agency="TMH01", when="2026-11-01"),
        "meta": {"profile": [f"{claimed}Basic"]},
    }
    modest = people.consent(BETH, BETH, [], agency="TMH01", when="2026-11-01")
    made = {}
    for sent in (boasting, modest):
        answer = await trust.post("/fhir/Consent", sent)
        assert answer.status_code == 201, answer.text
        made[answer.json()["id"]] = answer.json()
    expected = [[], [f"{claimed}Basic"]]
    assert [one["meta"].get("profile", []) for one in made.values()] == expected
    for path in ("", "/_history/1"):
        read = [(await trust.get(f"/fhir/Consent/{one}{path}")).json() for one in made]
        assert [one["meta"].get("profile", []) for one in read] == expected
    found = (await trust.get("/fhir/Consent")).json()["entry"]
    by_id = {one["resource"]["id"]: one["resource"]["meta"].get("profile", []) for one in found}
    assert [by_id[one] for one in made] == expected
