"""The same visit: a mother is on the ward, her child with the council's social worker; each sees what lets both plan it.

The ward marks that her crisis plan names who cares for the children; the social worker marks that contact is arranged. Each
is told to the other where an agreement, and on the ward's side the wish of who decides for the child, allow it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, COUNCIL, HEALTH_VISITING, LEO, STRANGER, TRUST, Person
from tests.edge.at_work import at_work, secret
from tests.edge.issuer import Browser
from tests.edge.test_web_act import DUTY
from tests.edge.test_web_pages import text_of
from tests.world import BASE, At, World, groups, part

CARE = "amh-care-planning"


@pytest.fixture
async def browser(world: World) -> AsyncIterator[Browser]:
    """A browser that nobody has used."""
    async with httpx.AsyncClient(transport=world.client._transport, base_url=BASE) as client:
        yield Browser(world, client)


async def shown(at: At, person: Person, purpose: str, *about: str, **more: str) -> list[tuple[str, list[str], list[str]]]:
    """For each service and person: the answer, the markers, and whom to ring."""
    told = await at.hears(person, purpose, *about, **more)
    return sorted((part(one, "answer"), _markers(one), _contacts(one)) for one in groups(told))


def _markers(group: list[dict[str, Any]]) -> list[str]:
    codings = [one["resource"]["code"]["coding"][0] for one in group if one["name"] == "flag"]
    return [one["code"] for one in codings if one["system"].endswith("/marker")]


def _contacts(group: list[dict[str, Any]]) -> list[str]:
    roles = [one["resource"] for one in group if one["name"] == "contact"]
    return [one["telecom"][0]["value"] for one in roles if one.get("telecom")]


async def agrees(world: World, browser: Browser, receiver: str, *classes: str) -> None:
    """The mother decides for her child, with the social worker, that these may be told."""
    await at_work(world, browser, LEO, "social-worker", client="council-system", user="sw22")
    form = {
        "whose": "patient",
        "kind": "parent-for-child",
        "decider": AMINA.nhs,
        "capacity": "had",
        "present": "Nobody",
        "what": "share",
    }
    ticked = {f"to.{receiver}": "on", **{f"classes.{code}": "on" for code in classes}}
    page = await browser.post("/act/wish", {"csrf": secret(browser), **form, **ticked})
    assert page.status_code == 200, text_of(page)


async def marks(world: World, browser: Browser, person: Person, code: str, role: str, client: str, *, end: bool = False) -> None:
    await at_work(world, browser, person, role, client=client, user="staff1")
    address = "/act/markers/end" if end else "/act/markers"
    done = await browser.post(address, {"csrf": secret(browser), "code": code})
    assert done.status_code == 303, text_of(done)


async def test_the_ward_and_the_social_worker_plan_the_same_visit(fed: World, browser: Browser) -> None:
    """Each hears of the other's marker with whom to ring, from its day on and no longer than it stands."""
    ward, worker = fed.ward(), fed.social_worker()
    await agrees(fed, browser, TRUST, "status", "contact", "marker")
    await marks(fed, browser, LEO, "contact-arrangements", "social-worker", "council-system")
    await marks(fed, browser, AMINA, "crisis-plan-names-childcare", "ward-nurse", "trust-epr")
    assert await shown(ward, AMINA, CARE, "children") == [("known", ["contact-arrangements"], ["01632 960201", "01632 960202"])]
    case = {"case": DUTY["case"], "reason": DUTY["reason"]}
    told = await shown(worker, AMINA, "duty-to-share-16la", **case)
    assert told == [("known", ["crisis-plan-names-childcare"], ["01632 960101", "01632 960102"])]
    await marks(fed, browser, LEO, "contact-arrangements", "social-worker", "council-system", end=True)
    assert await shown(ward, AMINA, CARE, "children") == [("known", [], ["01632 960201", "01632 960202"])]


async def test_each_line_says_as_of_when(fed: World, browser: Browser) -> None:
    """A marker is told with the time at which it was set."""
    await marks(fed, browser, AMINA, "crisis-plan", "ward-nurse", "trust-epr")
    told = await fed.social_worker().hears(AMINA, "duty-to-share-16la", case=DUTY["case"], reason=DUTY["reason"])
    flags = [one["resource"] for found in groups(told) for one in found if one["name"] == "flag"]
    assert flags and all(one["extension"][0]["url"].endswith("/status-as-of") for one in flags)


async def test_who_may_hear_whom_to_ring_and_no_more_sees_no_marker(fed: World, browser: Browser) -> None:
    """The health visitor's agreement has existence and contact, whatever the mother would share."""
    await agrees(fed, browser, HEALTH_VISITING, "status", "contact", "marker")
    await marks(fed, browser, LEO, "contact-arrangements", "social-worker", "council-system")
    visitor = fed.as_("health-visiting-system", "hv1", "health-visitor", "early-help")
    assert await shown(visitor, LEO, "early-help") == [("known", [], ["01632 960201", "01632 960202"])]


async def test_without_the_wish_a_marker_is_told_to_nobody_and_changes_no_byte(fed: World, browser: Browser) -> None:
    """The ward hears the same of the child's mother as of a stranger."""
    await marks(fed, browser, LEO, "contact-arrangements", "social-worker", "council-system")
    answers = [(await fed.ward().hears(person, CARE, "children"))["parameter"] for person in (AMINA, STRANGER)]
    same = [[one for one in answer if one["name"] not in ("disclosure", "asOf")] for answer in answers]
    assert same[0] == same[1]
    assert groups({"parameter": answers[0]}) == []


async def test_the_ward_that_watches_is_told_when_contact_is_arranged(fed: World, browser: Browser) -> None:
    """In its inbox, by the topic's name."""
    coordinator = fed.coordinator()
    body = people.subscription(LEO, "contact-arrangements-changed", "", "duty-to-share-16la", case="C-9", reason=DUTY["reason"])
    del body["channel"]["endpoint"]
    assert (await coordinator.post("/fhir/Subscription", body)).status_code == 201
    await marks(fed, browser, LEO, "contact-arrangements", "social-worker", "council-system")
    await fed.settle()
    waiting = (await coordinator.get("/notices?side=received")).json()["notices"]
    assert [(one["topic"], one["owner"]) for one in waiting] == [("contact-arrangements-changed", COUNCIL)]
