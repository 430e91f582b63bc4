"""What a receiver hears is decided when the notice leaves, shaped as its subscription says, and ends when the permission ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.audit.entry import parse
from gateway.demo import people
from gateway.demo.people import AMINA, TRUST, VOLUNTARY
from gateway.fhir import resources, systems
from gateway.store import audit_log
from gateway.store.vault import load_keys
from tests.edge.desks import Desk, admit, council_hears_of, desk, patients, status, subscribe, until
from tests.edge.durable import ask
from tests.world import World

PAYLOAD = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"


def logged(world: World, exchange: str) -> list[Any]:
    """The entries of an exchange, opened."""
    vault = load_keys(world.settings.keys_folder)
    for year, wrapped in ask(world.settings, "SELECT id, wrapped FROM audit_key"):
        vault.learn_year(year, bytes(wrapped))
    columns = ", ".join(column.name for column in audit_log.ENTRY_COLUMNS)
    rows = ask(world.settings, f"SELECT {columns} FROM audit_entry WHERE exchange = '{exchange}' ORDER BY recorded")
    return [parse(vault.open_audit(row[10], row[0], bytes(row[12]))) for row in rows]


async def amina_wants(world: World, *, permits: bool, only_inpatient: bool = False, made: Any = None) -> Any:
    """Her wish about the family service, written down by the trust; ``made`` is the one that it replaces."""
    rules = [people.permit(VOLUNTARY, "early-help", "existence", "status", "contact", "detail")] if permits else []
    wish = people.consent(AMINA, AMINA, rules, agency=TRUST, when=people.day(1), only_inpatient=only_inpatient)
    trust = world.as_("trust-epr")
    if made is None:
        answer = await trust.post("/fhir/Consent", wish)
        assert answer.status_code == 201, answer.text
        return answer
    identifier = made.json()["id"]
    answer = await trust.put(f"/fhir/Consent/{identifier}", {**wish, "id": identifier}, made.headers["etag"])
    assert answer.status_code == 200, answer.text
    return answer


async def the_family_service_hears_of_amina(world: World, url: str) -> str:
    """It subscribes to changes of her status, with her agreement."""
    asker = world.as_("voluntary-system", "fw1", "family-worker", "early-help")
    return str((await subscribe(asker, people.subscription(AMINA, "known-status-changed", url, "early-help")))["id"])


async def trust_sends(world: World, event: str, stay: str = "M1") -> None:
    """A message of the ward about Amina."""
    await world.as_("trust-epr").sends("hl7v2-adt", people.adt(event, AMINA, "M1").replace("|VM1", f"|V{stay}"))


async def test_what_was_withdrawn_between_the_change_and_the_sending_is_withheld(fed: World) -> None:
    """Queued while she agreed, due when she no longer does: nothing leaves, no number is used up, the refusal is on record."""
    with desk() as one:
        made = await amina_wants(fed, permits=True)
        subscription = await the_family_service_hears_of_amina(fed, one.url)
        await trust_sends(fed, "A03")
        ((notice, state),) = ask(fed.settings, f"SELECT id, state FROM outbox WHERE subscription = '{subscription}'")
        assert state == "pending"
        made = await amina_wants(fed, permits=False, made=made)
        await fed.settle()
        assert one.got == []
        assert ask(fed.settings, "SELECT state, number FROM outbox") == [("withheld", None)]
        (line,) = logged(fed, "lease_notice")
        assert (line.outcome, line.refusal, dict(line.detail)["notice"]) == (4, "wish-refused", notice)
        assert line.consents == (f"Consent/{made.json()['id']}/_history/2",)
        await amina_wants(fed, permits=True, made=made)
        await trust_sends(fed, "A01", "M2")
        await fed.settle()
        assert one.numbers() == [1], "the first that may be told is the first that is counted"


async def test_the_decision_is_made_again_for_each_attempt(fed: World) -> None:
    """The first attempt failed, then she withdrew: the second is not made; its number stays used, and says no more."""
    fed.gateway.deliverer.steps = (0.0, 0.0)
    with desk(status(503)) as one:
        made = await amina_wants(fed, permits=True)
        await the_family_service_hears_of_amina(fed, one.url)
        await trust_sends(fed, "A03")
        await fed.gateway.deliverer._turn()
        await until(lambda: not fed.gateway.deliverer._tasks)
        assert len(one.got) == 1
        await amina_wants(fed, permits=False, made=made)
        await fed.settle()
        assert len(one.got) == 1
    assert ask(fed.settings, "SELECT state, number FROM outbox") == [("withheld", 1)]


async def test_the_notice_that_ends_a_permission_is_the_last_but_one(fed: World) -> None:
    """'Only while I am in hospital': the discharge is told as it stood, then that the signal has ended, then nothing."""
    with desk() as one:
        made = await amina_wants(fed, permits=True)
        await the_family_service_hears_of_amina(fed, one.url)
        await amina_wants(fed, permits=True, only_inpatient=True, made=made)
        await trust_sends(fed, "A03")
        await fed.settle()
        assert one.topics() == ["discharged", "signal-ended"]
        assert one.numbers() == [1, 2]
        await fed.as_("trust-epr").sends(
            "hl7v2-adt", people.adt("A04", AMINA, "M1").replace("PV1|1|I", "PV1|1|O").replace("|VM1", "|VM1C")
        )
        await fed.settle()
        assert len(one.got) == 2
    states = [state for (state,) in ask(fed.settings, "SELECT state FROM outbox ORDER BY place")]
    assert states[:2] == ["delivered", "delivered"]
    assert set(states[2:]) <= {"withheld"}


async def test_a_retried_ending_says_once_that_it_ends(fed: World) -> None:
    """The notice that ends the permission fails twice: there is one 'signal ended', after it."""
    with desk() as one:
        one.behaviour = lambda handler, number: status(503 if number < 3 else 200)(handler, number)
        made = await amina_wants(fed, permits=True)
        await the_family_service_hears_of_amina(fed, one.url)
        await amina_wants(fed, permits=True, only_inpatient=True, made=made)
        await trust_sends(fed, "A03")
        await fed.settle()
        assert one.topics() == ["discharged", "discharged", "discharged", "signal-ended"]
        assert one.numbers() == [1, 2]


# -- rest-hook -------------------------------------------------------------------------------------------------------


def rest_hook(content: str = "id-only", **more: Any) -> dict[str, Any]:
    """A channel of the R5 backport."""
    extension = {"extension": [{"url": PAYLOAD, "valueCode": content}]}
    return {"type": "rest-hook", "payload": "application/fhir+json", "_payload": extension, **more}


def kinds(one: Desk) -> list[str]:
    """The types of the notifications that came: handshake, event-notification."""
    return [str(value(got.bundle, "type")) for got in one.got]


def parameters(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of the status that a notification begins with."""
    found: list[dict[str, Any]] = bundle["entry"][0]["resource"]["parameter"]
    return found


def value(bundle: dict[str, Any], name: str) -> Any:
    """The value of one parameter of the status."""
    part = next(one for one in parameters(bundle) if one["name"] == name)
    return next(content for key, content in part.items() if key != "name")


async def state_of(world: World, subscription: str) -> str:
    """What the subscription's agency is shown."""
    return str((await world.social_worker().get(f"/fhir/Subscription/{subscription}")).json()["status"])


async def test_a_rest_hook_becomes_active_by_its_handshake_and_hears_nothing_before(world: World) -> None:
    """First an empty handshake that names nobody, then, once it was accepted, what happened."""
    some = patients(1)
    with desk() as one:
        (made,) = await council_hears_of(world, some, one.url, **rest_hook())
        await admit(world, some)
        assert await state_of(world, made) == "requested"
        await world.settle()
        assert kinds(one) == ["handshake", "event-notification"]
        assert await state_of(world, made) == "active"
        assert some[0].nhs not in one.got[0].body.decode()
        assert value(one.got[0].bundle, "events-since-subscription-start") == "0"
        assert "notification-event" not in [part["name"] for part in parameters(one.got[0].bundle)]


async def test_a_handshake_that_fails_puts_the_subscription_in_error_until_its_agency_brings_it_back(world: World) -> None:
    """Any failure is an error at once; events are counted and kept, not sent; a new handshake after PUT makes it active."""
    some = patients(1)
    worker = world.social_worker()
    with desk(status(500)) as one:
        (made,) = await council_hears_of(world, some, one.url, **rest_hook())
        await admit(world, some)
        await world.settle()
        assert kinds(one) == ["handshake"]
        assert await state_of(world, made) == "error"
        assert ask(world.settings, "SELECT state, number FROM outbox WHERE topic <> 'handshake'") == [("dead", 1)]
        one.behaviour, one.got = status(200), []
        await world.settle()
        assert one.got == [], "the gateway does not try again by itself"
        shown = await worker.get(f"/fhir/Subscription/{made}")
        assert (
            await worker.put(f"/fhir/Subscription/{made}", {**shown.json(), "status": "requested"}, shown.headers["etag"])
        ).status_code == 200
        await world.settle()
        assert (kinds(one), await state_of(world, made)) == (["handshake"], "active")
        assert value(one.got[0].bundle, "events-since-subscription-start") == "1"
        missed = (await worker.get(f"/fhir/Subscription/{made}/$events")).json()
        assert [part["part"][0]["valueString"] for part in parameters(missed) if part["name"] == "notification-event"] == ["1"]
        await admit(world, some, "A03")
        await world.settle()
        assert kinds(one) == ["handshake", "event-notification"]


async def test_a_subscription_that_was_ended_during_its_handshake_stays_ended(world: World) -> None:
    """A handshake that succeeds late does not bring back what its agency has switched off."""
    some = patients(1)
    with desk() as one:
        release = asyncio.Event()
        loop = asyncio.get_running_loop()

        def late(handler: Any, number: int) -> None:
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(5)
            status(200)(handler, number)

        one.behaviour = late
        (made,) = await council_hears_of(world, some, one.url, **rest_hook())
        await world.gateway.deliverer._turn()
        await until(lambda: one.got)
        ended = await world.social_worker().delete(f"/fhir/Subscription/{made}")
        assert ended.status_code in (200, 204)
        release.set()
        await until(lambda: not world.gateway.deliverer._tasks)
        assert ask(world.settings, f"SELECT status FROM subscription WHERE id = '{made}'") == [("off",)]


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
async def test_a_notification_has_the_shape_of_the_backport_guide(world: World, content: str) -> None:
    """Bundle of type history; the status first; request and response on every entry; numbers as strings; and no more than
    the content level allows."""
    some = patients(1)
    with desk() as one:
        (made,) = await council_hears_of(world, some, one.url, **rest_hook(content))
        await admit(world, some)
        await world.settle()
        bundle, raw = one.got[1].bundle, one.got[1].body.decode()
        assert one.got[1].headers["content-type"] == "application/fhir+json"
    assert not list(resources.validate(bundle, expected="Bundle"))
    assert (bundle["type"], "total" in bundle) == ("history", False)
    assert all({"fullUrl", "request", "response"} <= set(entry) for entry in bundle["entry"])
    first, *rest = bundle["entry"]
    assert first["request"] == {"method": "GET", "url": f"{world.gateway.context.url}/Subscription/{made}/$status"}
    assert first["resource"]["meta"]["profile"] == [systems.BACKPORT_STATUS_R4]
    assert value(bundle, "subscription")["reference"].endswith(f"Subscription/{made}")
    assert (value(bundle, "status"), value(bundle, "type")) == ("active", "event-notification")
    assert value(bundle, "events-since-subscription-start") == "1"
    (event,) = (part["part"] for part in parameters(bundle) if part["name"] == "notification-event")
    assert [part["name"] for part in event][:2] == ["event-number", "timestamp"]
    assert event[0]["valueString"] == "1"
    focus = [part["valueReference"]["reference"] for part in event if part["name"] == "focus"]
    topic_named = any(part["name"] == "topic" for part in parameters(bundle))
    if content == "empty":
        assert (focus, rest, topic_named) == ([], [], False)
        assert some[0].nhs not in raw
        assert "admitted" not in raw
        return
    assert [entry["fullUrl"] for entry in rest] == focus
    assert topic_named
    assert [("resource" in entry) for entry in rest] == [content == "full-resource"]
    assert (some[0].nhs in raw) == (content == "full-resource")


async def test_a_message_is_a_message(world: World) -> None:
    """For ``$process-message``: a Bundle of type message that begins with a MessageHeader, whose focus is in the Bundle."""
    some = patients(1)
    with desk() as one:
        await council_hears_of(world, some, one.url, "admitted")
        await admit(world, some)
        await world.settle()
        (got,) = one.got
    bundle = got.bundle
    assert not list(resources.validate(bundle, expected="Bundle"))
    header = bundle["entry"][0]["resource"]
    assert (bundle["type"], header["resourceType"], header["id"]) == ("message", "MessageHeader", got.headers["webhook-id"])
    assert header["eventCoding"]["code"] == "admitted"
    assert header["destination"][0]["endpoint"] == one.url
    assert [focus["reference"] for focus in header["focus"]] == [entry["fullUrl"] for entry in bundle["entry"][1:]]
    assert some[0].family not in got.body.decode()
    assert some[0].born not in got.body.decode()


async def test_it_is_on_record_before_it_leaves(world: World) -> None:
    """When the receiver reads it, the entry 'about to disclose' is durable; afterwards so is the result."""
    some = patients(1)
    seen: list[int] = []

    def looks(handler: Any, number: int) -> None:
        seen.append(ask(world.settings, "SELECT count(*) FROM audit_entry WHERE exchange = 'lease_notice' AND outcome = 0")[0][0])
        status(200)(handler, number)

    with desk(looks) as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        await world.settle()
    assert seen == [1]
    (before,), (after,) = logged(world, "lease_notice"), logged(world, "settle_notice")
    assert (before.requester, before.custodian, before.tier, before.basis) == ("TLA01", TRUST, 3, ("CA2004-16LA",))
    assert dict(after.detail)["result"] == "delivered"
    assert before.disclosure == after.disclosure == one.ids()[0]
