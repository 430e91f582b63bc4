"""How FHIR messages are answered: at once, later to a registered endpoint, or not at all; what was refused says why."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.demo import people
from gateway.demo.people import AMINA, LEO
from gateway.exchanges.administer import set_endpoints
from gateway.fhir import resources, systems
from gateway.follow_up import post_all
from gateway.notification import signatures
from tests.data.edge import count_rows, flag, message, outcome, related, without_log
from tests.edge.desks import desk, in_turn
from tests.edge.durable import ask
from tests.world import BASE, ENDPOINTS, At, World, now

PATH = "/fhir/$process-message"
THEIRS = {"author": {"identifier": {"system": systems.ODS_CODE, "value": people.TRUST}}}


def asking(wish: str) -> list[dict[str, Any]]:
    """The header's extension by which a sender says which response messages it wants."""
    return [{"url": systems.MESSAGE_RESPONSE_REQUEST, "valueCode": wish}]


async def register(world: World, *endpoints: str) -> At:
    """The council's software with these endpoints registered besides."""
    await world.gateway.ledger.run_alone(set_endpoints, ("council-system", (*ENDPOINTS, *endpoints)))
    return world.as_("council-system")


async def post_replies(world: World) -> int:
    return await post_all(world.gateway.ledger, world.gateway.context, world.gateway.deliverer.courier, (0.0, 0.0, 0.0))


def header_of(bundle: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = bundle["entry"][0]["resource"]
    return found


async def test_an_asynchronous_message_is_answered_where_the_client_is_registered(world: World) -> None:
    """202 without a body; the response message is posted, signed, to response-url's $process-message."""
    with desk() as one:
        url = f"http://127.0.0.1:{one.port}/fhir"
        council = await register(world, url)
        answer = await council.post(f"{PATH}?async=true&response-url={url}", message(flag(LEO)))
        assert (answer.status_code, answer.content) == (202, b"")
        assert one.got == []
        assert await post_replies(world) == 1
        assert await post_replies(world) == 0
        (got,) = one.got
        assert got.path == "/fhir/$process-message?async=true"
        key = world.gateway.context.vault.signing.public_key()
        assert isinstance(key, Ed25519PublicKey)
        assert signatures.verify(key, got.headers, got.body, now())
        assert not resources.errors(resources.validate_bundle(got.bundle))
        assert header_of(got.bundle)["response"] == {"identifier": "m-1", "code": "ok"}
        assert len(await council.searches_for("Flag", LEO)) == 1
        again = await council.post(f"{PATH}?async=true&response-url={url}", message(flag(LEO)))
        assert again.status_code == 202
        await post_replies(world)
        assert [json.loads(one.body) for one in one.got[1:]] == [got.bundle], "the first answer again"
    assert LEO.nhs not in str(ask(world.settings, "SELECT * FROM reply"))


async def test_an_answer_that_cannot_be_posted_is_tried_again_and_then_dead(world: World) -> None:
    """503, then taken; a receiver that never takes it leaves it dead and on record."""
    with desk(in_turn(503)) as one:
        council = await register(world, one.url)
        await council.post(f"{PATH}?async=true&response-url={one.url}", message(flag(LEO)))
        assert [await post_replies(world) for _ in range(3)] == [1, 1, 0]
        assert ask(world.settings, "SELECT state, attempts FROM reply") == [("delivered", 2)]
        one.behaviour = in_turn(*[503] * 9)
        await council.post(f"{PATH}?async=true&response-url={one.url}", message(flag(LEO), bundle="b-2", header="m-2"))
        for _ in range(4):
            await post_replies(world)
        assert sorted(ask(world.settings, "SELECT state, attempts FROM reply")) == [("dead", 3), ("delivered", 2)]


async def test_of_several_workers_one_posts_an_answer(world: World) -> None:
    """Many look at once: one post."""
    with desk() as one:
        council = await register(world, one.url)
        await council.post(f"{PATH}?async=true&response-url={one.url}", message(flag(LEO)))
        assert sum(await asyncio.gather(*(post_replies(world) for _ in range(6)))) == 1
        assert len(one.got) == 1


ELSEWHERE = [
    ("?async=true&response-url=https://attacker.example/fhir", {}, 422, "response-url"),
    ("?async=true&response-url=http://169.254.169.254/fhir", {}, 422, "response-url"),
    ("?response-url=https://sender.example/fhir", {}, 400, "response-url"),
    ("?async=true&async=true", {}, 400, "async"),
    ("", {"source": {"endpoint": "https://another.example/fhir"}}, 422, "source.endpoint"),
]


@pytest.mark.parametrize(("query", "more", "status", "where"), ELSEWHERE)
async def test_an_endpoint_that_is_not_registered_is_refused_with_a_reason(
    world: World, query: str, more: dict[str, Any], status: int, where: str
) -> None:
    """Neither messages from nor answers to an endpoint that nobody registered for the client; nothing is kept."""
    council = world.as_("council-system")
    before = without_log(await count_rows(world))
    issues = outcome(await council.post(f"{PATH}{query}", message(flag(LEO), **more)), status)
    assert any(where in place for issue in issues for place in issue["expression"])
    assert without_log(await count_rows(world)) == before
    assert ask(world.settings, "SELECT id FROM reply") == []


async def test_what_a_rule_refuses_is_answered_with_a_fatal_error_and_undone_as_a_whole(world: World) -> None:
    """200 and a response message with the OperationOutcome in it, where the sender asked for response messages; nothing of
    the message lands; a repeat gets the same."""
    council = world.as_("council-system")
    wrong = message(related(LEO, AMINA, "MTH"), flag(LEO, **THEIRS), extension=asking("always"))
    answer = await council.post(PATH, wrong)
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert not resources.errors(resources.validate_bundle(bundle))
    response = header_of(bundle)["response"]
    told = bundle["entry"][1]
    assert (response["identifier"], response["code"]) == ("m-1", "fatal-error")
    assert response["details"]["reference"] == told["fullUrl"]
    assert told["resource"]["issue"][0]["severity"] == "error"
    coding = told["resource"]["issue"][0]["details"]["coding"][0]
    assert coding == {"system": "https://fhir.nhs.uk/Codesystem/http-error-codes", "code": "REC_UNPROCESSABLE_ENTITY"}
    assert await council.searches_for("RelatedPerson", LEO) == []
    assert (await council.post(PATH, wrong)).content == answer.content
    assert (await council.post(PATH, message(flag(LEO), bundle="b-2", header="m-2"))).status_code == 200


async def test_a_sender_that_asks_for_no_response_messages_never_takes_a_refusal_for_an_acceptance(world: World) -> None:
    """It may read no body at all: what was not taken is 422 with an OperationOutcome, and the same on every repeat."""
    wrong = message(flag(LEO, **THEIRS))
    issues = outcome(await world.as_("council-system").post(PATH, wrong), 422)
    assert issues[0]["expression"] == ["Flag.author"]
    assert outcome(await world.as_("council-system").post(PATH, wrong), 422) == issues


WISHES = [
    (None, True, 200), ("always", True, 200), ("on-error", True, 204), ("never", True, 204), ("on-success", True, 200), (None, False, 422),
    ("on-error", False, 200), ("on-success", False, 204), ("never", False, 204),
]  # fmt: skip


@pytest.mark.parametrize(("wish", "right", "status"), WISHES)
async def test_a_sender_says_which_responses_it_wants_to_see(world: World, wish: str | None, right: bool, status: int) -> None:
    """messageheader-response-request: 204 where it wants none of this kind."""
    more = {"extension": asking(wish)} if wish else {}
    theirs = {} if right else THEIRS
    answer = await world.as_("council-system").post(PATH, message(flag(LEO, **theirs), **more))
    assert answer.status_code == status, answer.text
    assert bool(answer.content) is (status != 204)


def packed(value: Any) -> str:
    """An object as a header of BaRS."""
    return base64.b64encode(json.dumps(value).encode()).decode()


def organisation(code: str) -> str:
    return packed({"resourceType": "Organization", "identifier": [{"system": systems.ODS_CODE, "value": code}]})


async def bars(at: At, name: str, value: str) -> httpx.Response:
    return await at.post(PATH, message(flag(LEO)), **{name: value, "X-Correlation-Id": "c-1"})


HEADERS = [
    ("NHSD-Target-Identifier", packed({"system": systems.ODS_CODE, "value": people.TRUST}), 200, ""),
    ("NHSD-Target-Identifier", packed({"system": systems.ODS_CODE, "value": "ZZZ99"}), 404, "REC_NOT_FOUND"),
    ("NHSD-Target-Identifier", packed({"system": "https://fhir.nhs.uk/Id/dos-service-id", "value": "1"}), 404, "REC_NOT_FOUND"),
    ("NHSD-Target-Identifier", packed({"value": "1"}), 400, "REC_BAD_REQUEST"),
    ("NHSD-Target-Identifier", "not base64!", 400, "REC_BAD_REQUEST"),
    ("NHSD-End-User-Organisation", organisation(people.COUNCIL), 200, ""),
    ("NHSD-End-User-Organisation", organisation(people.TRUST), 403, "REC_FORBIDDEN"),
    ("NHSD-End-User-Organisation", packed({"resourceType": "Patient"}), 400, "REC_BAD_REQUEST"),
    ("NHSD-Requesting-Software", packed({"resourceType": "Device"}), 200, ""),
    ("NHSD-Requesting-Practitioner", packed([]), 400, "REC_BAD_REQUEST"),
]


@pytest.mark.parametrize(("name", "value", "status", "code"), HEADERS)
async def test_headers_of_bars_are_taken_and_checked(world: World, name: str, value: str, status: int, code: str) -> None:
    """Who is addressed is served here, who is named is who the token names; refusals carry the code of their origin."""
    answer = await bars(world.as_("council-system"), name, value)
    assert answer.status_code == status, answer.text
    assert answer.headers["x-correlation-id"] == "c-1"
    if code:
        (issue,) = outcome(answer, status)
        assert issue["details"]["coding"][0]["code"] == code
        assert (await count_rows(world))["inbox"] == 0


def ods(code: str) -> dict[str, Any]:
    return {"identifier": {"system": systems.ODS_CODE, "value": code}}


OURS, OTHERS = f"{BASE}/fhir/$process-message", "https://other.example/fhir"
# each destination's endpoint and receiver -> status
DESTINATIONS: list[tuple[list[tuple[str, dict[str, Any] | None]], int]] = [
    ([(OURS, None)], 200),
    ([(OURS, ods(people.TRUST))], 200),
    ([(OURS, ods(people.TRUST.lower()))], 200),
    ([(OURS, {"display": "The trust"})], 200),
    ([(OURS, {"reference": "https://other.example/fhir/Organization/1"})], 200),
    ([(OURS, ods("ZZZ99"))], 404),
    ([(OURS, ods(people.TRUST)), (OURS, ods("ZZZ99"))], 404),
    ([(OURS, ods(people.TRUST)), (OTHERS, ods("ZZZ99"))], 200),
]


@pytest.mark.parametrize(("named", "status"), DESTINATIONS)
async def test_a_message_is_for_those_who_are_served_here(
    world: World, named: list[tuple[str, dict[str, Any] | None]], status: int
) -> None:
    """A receiver at our endpoint that takes no part here is answered as one in the header is; the ids stay free."""
    council = world.as_("council-system")
    destinations = [{"endpoint": url, **({"receiver": one} if one else {})} for url, one in named]
    answer = await council.post(PATH, message(flag(LEO), destination=destinations))
    assert answer.status_code == status, answer.text
    if status == 404:
        (issue,) = outcome(answer, 404)
        assert issue["expression"] == ["Bundle.entry[0].resource.destination.receiver"]
        (by_header,) = outcome(await bars(council, "NHSD-Target-Identifier", HEADERS[1][1]), 404)
        assert issue["details"]["coding"] == by_header["details"]["coding"]
        assert (await count_rows(world))["inbox"] == 0


async def test_the_statement_lists_what_is_taken_and_sent_and_each_is_defined(world: World) -> None:
    """supportedMessage of both modes, the reliable cache in minutes; each definition is served and names its answer."""
    statement = (await world.client.get("/fhir/metadata")).json()
    (messaging,) = statement["messaging"]
    assert messaging["reliableCache"] >= 60
    taken = {one["definition"] for one in messaging["supportedMessage"] if one["mode"] == "receiver"}
    sent = {one["definition"] for one in messaging["supportedMessage"] if one["mode"] == "sender"}
    own = {f"{systems.BASE}/MessageDefinition/{code}" for code in ("notice-acknowledged", "contact-requested")}
    assert own <= taken
    assert f"{systems.BASE}/MessageDefinition/admitted" in sent
    for canonical in taken | sent:
        (entry,) = (await world.client.get("/fhir/MessageDefinition", params={"url": canonical})).json()["entry"]
        one = entry["resource"]
        assert (one["category"], one["responseRequired"]) == ("notification", "on-error")
        answers = [allowed["message"] for allowed in one.get("allowedResponse", ())]
        assert answers == ([] if canonical in own else [f"{systems.BASE}/MessageDefinition/notice-acknowledged"])
