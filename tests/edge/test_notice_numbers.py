"""Event numbers are dense for their receiver, and so they are the receiver's alone: a gap would tell one agency of another."""

from __future__ import annotations

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, COUNCIL, TRUST
from gateway.settings import Settings
from tests.data.edge import exchange, log_of
from tests.edge.durable import ask
from tests.edge.test_delivery_decision import logged
from tests.edge.test_feedback import in_the_inbox, lines
from tests.stories.county import DRUGS, agree, flag, patient, settle_in, tells
from tests.world import World

TELLS_TOO = """
[[default]]
receiver_kind = "children-social-care"
purposes = ["duty-to-share-16la"]
roles = ["social-worker"]
tier = 3
basis = "CA2004-16LA"
"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a second agency that tells the council."""
    path = agree(settings).agreements / f"{DRUGS}.toml"
    path.write_text(path.read_text() + TELLS_TOO)
    return settings


async def test_numbers_of_events_are_the_receivers_alone(world: World) -> None:
    """Two agencies tell of one person by one subscription: neither the sender's list nor its access log has the numbers."""
    await settle_in(world)
    await in_the_inbox(world.social_worker(), AMINA, "known-status-changed", "duty-to-share-16la", "SW-7")
    await world.as_("trust-epr").sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
    await world.settle()
    await tells(world, "drugs-records", patient(AMINA), flag(AMINA, "f1", "community", agency=DRUGS, service="drug-alcohol"))
    await world.settle()
    await world.as_("trust-epr").sends("hl7v2-adt", people.adt("A01", AMINA, "M1", visit="M8"))
    await world.settle()
    told = ask(world.settings, "SELECT owner, number FROM outbox WHERE state = 'delivered' ORDER BY number")
    assert told == [(TRUST, 1), (DRUGS, 2), (TRUST, 3)]
    assert [one["number"] for one in await lines(world.social_worker())] == ["3", "2", "1"]
    theirs = await lines(world.as_("trust-epr"), side="sent")
    assert len(theirs) == 2
    assert not any("number" in one or "subscription" in one for one in theirs)
    entries = [one for one in logged(world, "lease_notice") if one.requester == COUNCIL]
    assert [one.custodian for one in entries] == [TRUST, DRUGS, TRUST]
    assert not any("number" in dict(one.detail) for one in entries)
    shown = [one for one in await log_of(world.auditor()) if exchange(one) == "lease_notice"]
    assert len(shown) == 2
    facts = [fact["type"] for one in shown for entity in one["entity"] for fact in entity.get("detail", ())]
    assert "notice" in facts
    assert "number" not in facts
