"""FHIR messages in: processed once, answered the same on every repeat, whoever is known here."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, LEO, RUBY, STRANGER
from gateway.fhir import resources, systems
from tests.data.edge import count_rows, exchange, flag, is_valid, log_of, message, outcome, plain, related, without_log
from tests.world import BASE, At, World

PATH = "/fhir/$process-message"


async def send(at: At, bundle: dict[str, Any]) -> httpx.Response:
    return await at.post(PATH, bundle)


async def test_a_message_is_taken_and_answered_with_a_valid_response_message(world: World) -> None:
    """MessageHeader.response ok for the id that was sent; what the message says is stored."""
    council = world.as_("council-system")
    answer = await send(
        council, message(flag(LEO), related(LEO, AMINA, "MTH"), destination=[{"endpoint": f"{BASE}/fhir/$process-message"}])
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert not resources.errors(resources.validate_bundle(body))
    assert is_valid(body)
    (head,) = [entry["resource"] for entry in body["entry"]]
    assert (head["resourceType"], head["response"]) == ("MessageHeader", {"identifier": "m-1", "code": "ok"})
    assert head["destination"] == [{"endpoint": "https://sender.example/fhir"}]
    (stored,) = await council.searches_for("Flag", LEO)
    assert stored["period"] == {"start": "2026-01-05"}
    (kin,) = await council.searches_for("RelatedPerson", LEO)
    assert kin["relationship"][0]["coding"][0]["code"] == "MTH"


# after a first message (b-1, m-1): bundle, header, other content -> status, and whether it is the first answer again
CACHE = [
    ("b-2", "m-2", False, 200, False),
    ("b-2", "m-2", True, 200, False),
    ("b-1", "m-1", False, 200, True),
    ("b-1", "m-1", True, 409, False),
    ("b-2", "m-1", False, 200, True),
    ("b-2", "m-1", True, 409, False),
    ("b-1", "m-2", False, 409, False),
    ("b-1", "m-2", True, 409, False),
]


@pytest.mark.parametrize(("bundle", "header", "other", "status", "again"), CACHE)
async def test_the_four_rows_of_the_reliable_cache(
    world: World, bundle: str, header: str, other: bool, status: int, again: bool
) -> None:
    """New and new is processed; seen and seen, or resubmitted in a new bundle, gets the first answer; a reused id is an error."""
    council = world.as_("council-system")
    first = await send(council, message(flag(LEO)))
    before = without_log(await count_rows(world))
    second = await send(
        council,
        message(flag(LEO, "cp-plan", period={"start": "2026-02-02"}) if other else flag(LEO), bundle=bundle, header=header),
    )
    assert second.status_code == status, second.text
    assert (second.content == first.content) is again
    if status == 409:
        outcome(second, 409)
    if again or status == 409:
        assert without_log(await count_rows(world)) == before
        assert "cp-plan" not in json.dumps(await council.searches_for("Flag", LEO))


@pytest.mark.parametrize(("bundle", "header", "other", "status", "again"), CACHE)
async def test_ids_of_one_sender_say_nothing_about_anothers(
    world: World, bundle: str, header: str, other: bool, status: int, again: bool
) -> None:
    """The same matrix from two agencies: each is new to the other, and neither gets the other's answer."""
    first = await send(world.as_("council-system"), message(flag(LEO)))
    trust = world.as_("trust-epr")
    second = await send(trust, message(flag(LEO, "community") if other else flag(LEO), bundle=bundle, header=header))
    assert second.status_code == 200
    assert second.content != first.content
    assert len(await trust.searches_for("Flag", LEO)) == 1


async def test_a_bundle_and_a_message_that_were_seen_but_not_together_are_an_error(world: World) -> None:
    """Message one in the bundle of message two: neither a repeat nor a resubmission."""
    council = world.as_("council-system")
    await send(council, message(flag(LEO)))
    await send(council, message(flag(RUBY), bundle="b-2", header="m-2"))
    outcome(await send(council, message(flag(LEO), bundle="b-2", header="m-1")), 409)


async def test_two_identical_messages_at_once_are_processed_once(world: World) -> None:
    """Both get one and the same answer; one row of the inbox, one Flag of one version."""
    council = world.as_("council-system")
    await council.headers()
    answers = await asyncio.gather(*(send(council, message(flag(LEO))) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert (await count_rows(world))["inbox"] == 1
    (stored,) = await council.searches_for("Flag", LEO)
    assert stored["meta"]["versionId"] == "1"


async def test_two_messages_at_once_in_a_bundle_of_one_id_are_not_both_taken(world: World) -> None:
    """One is processed, the other is told that the bundle's id is used."""
    council = world.as_("council-system")
    await council.headers()
    answers = await asyncio.gather(*(send(council, message(flag(LEO), header=f"m-{number}")) for number in (1, 2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert (await count_rows(world))["inbox"] == 1


async def test_the_answer_does_not_depend_on_whether_the_person_is_known(fed: World) -> None:
    """A message about somebody held here, held by others and by nobody: the same bytes but ids and time."""
    trust = fed.as_("trust-epr")
    answers = [
        await send(trust, message(flag(person, "community"), bundle=f"b-{number}", header=f"m-{number}"))
        for number, person in enumerate((AMINA, LEO, STRANGER))
    ]
    assert {answer.status_code for answer in answers} == {200}
    shown = {plain(answer.content).replace(f"m-{number}".encode(), b"m") for number, answer in enumerate(answers)}
    assert len(shown) == 1
    assert (
        len({frozenset(answer.headers.items() - {("x-request-id", answer.headers["x-request-id"])}) for answer in answers}) == 1
    )


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("addressed to another", {"destination": [{"endpoint": "https://other.example/fhir"}]}, "destination"),
    ("an event not known", {"eventCoding": {"system": systems.code_system("topic"), "code": "moved-house"}}, "eventCoding"),
    ("an event of another system", {"eventCoding": {"system": "https://x.example", "code": "admitted"}}, "eventCoding"),
    ("an event by URI", {"eventCoding": None, "eventUri": "https://x.example/admitted"}, "eventCoding"),
    ("another definition", {"definition": "https://x.example/MessageDefinition/admitted"}, "definition"),
    ("no source", {"source": None}, "source"),
    ("our own source", {"source": {"endpoint": f"{BASE}/fhir/$process-message"}}, "source.endpoint"),
    ("another organisation's sender", {"sender": {"identifier": {"system": systems.ODS_CODE, "value": people.TRUST}}}, "sender"),
    ("a focus that is not sent along", {"focus": [{"reference": "urn:uuid:0b0c4a0e-7d3e-4c0e-9a57-7d3e4c0e9a57"}]}, "focus"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "more", "where"), REFUSED, ids=[name for name, _, _ in REFUSED])
async def test_what_is_not_for_us_or_not_theirs_is_refused_and_not_remembered(
    world: World, name: str, more: dict[str, Any], where: str
) -> None:
    """422 that names the element; the ids stay free for the message as it should have been."""
    council = world.as_("council-system")
    bundle = message(flag(LEO), **more)
    head = bundle["entry"][0]["resource"]
    bundle["entry"][0]["resource"] = {key: value for key, value in head.items() if value is not None}
    issues = outcome(await send(council, bundle), 422)
    assert any(where in place for issue in issues for place in issue.get("expression", ())), issues
    assert (await count_rows(world))["inbox"] == 0
    assert (await send(council, message(flag(LEO)))).status_code == 200


async def test_ids_are_required_and_may_come_with_the_full_url(world: World) -> None:
    """Without Bundle.id nothing could be told apart; a MessageHeader without id is known by its fullUrl."""
    council = world.as_("council-system")
    bundle = message(flag(LEO))
    del bundle["id"]
    outcome(await send(council, bundle), 422)
    bundle = message(flag(LEO))
    del bundle["entry"][0]["resource"]["id"]
    answer = await send(council, bundle)
    assert answer.json()["entry"][0]["resource"]["response"]["identifier"] == "m-1"
    bundle["entry"][0]["fullUrl"] = "https://sender.example/x_y"
    outcome(await send(council, {**bundle, "id": "b-9"}), 422)
    outcome(await council.post(f"{PATH}?async=perhaps", message(flag(LEO))), 400)


async def test_a_patient_of_the_bundle_is_followed_to_its_identifier(world: World) -> None:
    """References inside the message become people by identifier; a Flag in error takes back what stood."""
    council = world.as_("council-system")
    patient = {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": systems.NHS_NUMBER, "value": LEO.nhs}],
        "birthDate": LEO.born,
    }
    held = flag(LEO, id="f1", subject={"reference": "https://sender.example/fhir/Patient/p1"})
    assert (await send(council, message(patient, held))).status_code == 200
    (stored,) = await council.searches_for("Flag", LEO)
    assert stored["status"] == "active"
    wrong = {**held, "status": "entered-in-error"}
    assert (await send(council, message(patient, wrong, bundle="b-2", header="m-2"))).status_code == 200
    (stored,) = await council.searches_for("Flag", LEO)
    assert (stored["status"], stored["meta"]["versionId"]) == ("entered-in-error", "2")


async def test_messages_taken_repeated_and_refused_are_on_record(world: World) -> None:
    """One entry each, with the message's id; the person stands in the sender's own entry."""
    council = world.as_("council-system")
    await send(council, message(flag(LEO)))
    await send(council, message(flag(LEO)))
    await send(council, message(flag(LEO), bundle="b-1", header="m-9"))
    events = await log_of(world.auditor("council"))
    taken = [one for one in events if exchange(one) == "receive_message"]
    assert [one["outcome"] for one in taken] == ["0", "0"]
    assert [LEO.nhs in json.dumps(one) for one in taken] == [False, True]
    assert len([one for one in events if exchange(one) == "record_refusal"]) == 1
