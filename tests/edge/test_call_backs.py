"""Call-back requests: the asker leaves a number, the owner sees it, and the receipt says nothing of anybody."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.call_backs import read_request
from gateway.demo import people
from gateway.demo.people import AMINA, LEO, STRANGER, Person
from gateway.exchanges.record_refusal import NOBODY
from gateway.fhir import systems
from gateway.fhir.outcomes import Unprocessable
from tests.data.edge import exchange, is_valid, log_of, message, outcome, plain
from tests.edge.durable import ask
from tests.edge.test_lookup_no_leak import CAUSES
from tests.world import At, World

PATH = "/fhir/Patient/$request-contact"
PHONE = "01632 960777"


def request(person: Person, purpose: str = "early-help", phone: str = PHONE, **more: str) -> dict[str, Any]:
    """The Parameters of a request."""
    asked = people.lookup(person, purpose, **more)
    asked["parameter"] += [{"name": "name", "valueString": "Sam, school nurse"}, {"name": "phone", "valueString": phone}]
    return asked


def nurse(world: World) -> At:
    return world.as_("school-nursing-system", "sn1", "school-nurse", "early-help")


async def queue(at: At, state: str = "") -> list[dict[str, Any]]:
    """The requests addressed to an agency."""
    answer = await at.get(f"/call-backs{f'?state={state}' if state else ''}")
    assert answer.status_code == 200, answer.text
    return answer.json()["callBacks"]


async def test_the_owner_sees_who_wants_to_be_rung_back_and_closes_it(fed: World) -> None:
    """Name, number, for what and about whom; closed by a user with a sentence; the asker sees none of it."""
    answer = await nurse(fed).post(PATH, request(LEO, reason="He was not at school"))
    assert answer.status_code == 200, answer.text
    assert is_valid(answer.json())
    council = fed.social_worker()
    (one,) = await queue(council, "open")
    assert (one["person"], one["phone"], one["asker"]) == (f"{systems.NHS_NUMBER}|{LEO.nhs}", PHONE, people.SCHOOL_NURSING)
    assert (one["reason"], one["user"], one["name"]) == ("He was not at school", "sn1", "Sam, school nurse")
    assert await queue(nurse(fed)) == []
    outcome(await nurse(fed).post(f"/call-backs/{one['id']}/close", {"sentence": "That was not for them."}), 404)
    outcome(await fed.as_("council-system").post(f"/call-backs/{one['id']}/close", {"sentence": "Nobody says who."}), 403)
    outcome(await council.post(f"/call-backs/{one['id']}/close", {"sentence": "short"}), 422)
    closed = await council.post(f"/call-backs/{one['id']}/close", {"sentence": "Rang back, all is in hand."})
    assert closed.json()["closedBy"] == "sw22"
    outcome(await council.post(f"/call-backs/{one['id']}/close", {"sentence": "Rang back once again."}), 409)
    assert await queue(council, "open") == []
    assert [done["sentence"] for done in await queue(council, "closed")] == ["Rang back, all is in hand."]
    stored = str(ask(fed.settings, "SELECT * FROM call_back"))
    assert PHONE not in stored
    assert LEO.nhs not in stored


@pytest.mark.parametrize("cause", sorted(CAUSES))
async def test_the_receipt_is_the_same_whoever_is_asked_about(fed: World, cause: str) -> None:
    """Known, shielded, adopted, refused, ambiguous or a stranger: the same bytes but id and time, in answer and own log."""
    person = await CAUSES[cause](fed)
    at = nurse(fed)
    answers = [await at.post(PATH, request(Person("", one.nhs, "1985-04-04", "", ""))) for one in (person, STRANGER)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({plain(answer.content) for answer in answers}) == 1
    heads = [{name: value for name, value in answer.headers.items() if name != "x-request-id"} for answer in answers]
    assert heads[0] == heads[1]
    sent = [
        await at.post("/fhir/$process-message", by_message(Person("", one.nhs, "1985-04-04", "", ""), place))
        for place, one in enumerate((person, STRANGER), 1)
    ]
    assert {answer.status_code for answer in sent} == {200}
    assert len({plain(answer.content).replace(f"m-{place}".encode(), b"m") for place, answer in enumerate(sent, 1)}) == 1


def by_message(person: Person, number: int) -> dict[str, Any]:
    """The same as a FHIR message."""
    topic = {"system": systems.code_system("topic"), "code": "contact-requested"}
    return message(request(person), bundle=f"b-{number}", header=f"m-{number}", eventCoding=topic)


async def test_a_request_by_message_reaches_the_owner_once(fed: World) -> None:
    """contact-requested; a repeat is answered as before and rings nobody twice."""
    first = await nurse(fed).post("/fhir/$process-message", by_message(LEO, 1))
    again = await nurse(fed).post("/fhir/$process-message", by_message(LEO, 1))
    assert first.json()["entry"][0]["resource"]["response"]["code"] == "ok", first.text
    assert again.content == first.content
    (one,) = await queue(fed.social_worker())
    assert one["phone"] == PHONE


async def test_it_is_on_record_for_both_sides(fed: World) -> None:
    """One entry of the question for the asker's auditor, one for each owner's."""
    at = fed.as_("trust-epr", "nurse7", "ward-nurse", "amh-care-planning")
    await at.post(PATH, request(LEO, "amh-care-planning"))
    (mine,) = [one for one in await log_of(fed.auditor("trust")) if exchange(one) == "request_contact"]
    (theirs,) = [one for one in await log_of(fed.auditor("council")) if exchange(one) == "request_contact"]
    assert LEO.nhs in str(mine)
    assert LEO.nhs in str(theirs)


REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("a purpose that is not theirs", request(LEO, "safeguarding-s47"), 403),
    ("no number", request(LEO, phone=" "), 422),
    ("words for a number", request(LEO, phone="ring the ward"), 422),
    ("two numbers", {**request(LEO), "parameter": [*request(LEO)["parameter"], {"name": "phone", "valueString": PHONE}]}, 422),
    ("an override", {**request(LEO), "parameter": [*request(LEO)["parameter"], {"name": "override", "part": []}]}, 422),
    ("nobody", {"resourceType": "Parameters", "parameter": request(LEO)["parameter"][1:]}, 422),
    ("no Parameters", {"resourceType": "Patient"}, 422),
    ("more parts than there are", {**request(LEO), "parameter": [*request(LEO)["parameter"], *[{"name": []}] * 60]}, 422),
]


@pytest.mark.parametrize(("name", "body", "status"), REFUSED, ids=[name for name, _, _ in REFUSED])
async def test_what_is_wrong_with_a_request_is_said_by_the_request_alone(
    fed: World, name: str, body: dict[str, Any], status: int
) -> None:
    """Named parts, constant refusals; nothing is kept."""
    outcome(await nurse(fed).post(PATH, body), status)
    assert ask(fed.settings, "SELECT id FROM call_back") == []


async def test_a_request_counts_like_a_lookup(fed: World) -> None:
    """Over the quota the answer is 429, and by message a transient-error that may come again."""
    object.__setattr__(fed.gateway.context, "quota", 1)
    assert (await nurse(fed).post(PATH, request(STRANGER))).status_code == 200
    outcome(await nurse(fed).post(PATH, request(AMINA)), 429)
    issues = outcome(await nurse(fed).post("/fhir/$process-message", by_message(AMINA, 1)), 429)
    assert issues[0]["code"] == "throttled"
    asking = by_message(AMINA, 1)
    asking["entry"][0]["resource"]["extension"] = [{"url": systems.MESSAGE_RESPONSE_REQUEST, "valueCode": "always"}]
    answer = (await nurse(fed).post("/fhir/$process-message", asking)).json()
    header, told = (entry["resource"] for entry in answer["entry"])
    assert header["response"]["code"] == "transient-error"
    assert header["response"]["details"]["reference"] == answer["entry"][1]["fullUrl"]
    assert told["issue"][0]["code"] == "throttled"
    object.__setattr__(fed.gateway.context, "quota", 1_000_000)
    answer = (await nurse(fed).post("/fhir/$process-message", by_message(AMINA, 1))).json()
    assert answer["entry"][0]["resource"]["response"]["code"] == "ok", "a transient-error is not what a repeat gets"


def test_a_request_of_very_many_parts_is_refused_before_they_are_compared() -> None:
    """However many there are, none is looked at."""

    class Watched(dict[str, Any]):
        looked = 0

        def __eq__(self, other: object) -> bool:
            Watched.looked += 1
            return super().__eq__(other)

        def get(self, *args: Any) -> Any:
            Watched.looked += 1
            return super().get(*args)

    body = {"resourceType": "Parameters", "parameter": [Watched(name="reason", valueString=str(one)) for one in range(10_000)]}
    with pytest.raises(Unprocessable, match="at most 50"):
        read_request(body, NOBODY, "r1")
    assert Watched.looked == 0


@pytest.mark.parametrize("path", ["/call-backs", "/notices", "/notices?side=sent"])
async def test_a_place_that_no_page_gave_is_refused_by_name(fed: World, path: str) -> None:
    """More digits than a number of the database has, a NUL, words: 400, never a failure of ours."""
    joint = "&" if "?" in path else "?"
    for after in ("9" * 19 + ".a1", "9" * 40 + ".a1", "1.%00", "1.", "x", "%C2%B2.a1", "1.a1%0A"):
        issues = outcome(await fed.social_worker().get(f"{path}{joint}after={after}"), 400)
        assert issues[0]["expression"] == ["after"] or "after" in str(issues), issues
    answer = await fed.social_worker().get(f"{path}{joint}after={'9' * 18}.a1")
    assert answer.status_code == 200, answer.text
