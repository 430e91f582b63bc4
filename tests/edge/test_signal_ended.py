"""A parent's wish that holds "while I am in hospital" over a child's record: the child's notices stop, and nothing says so.

A notice that her child's permission has ended would come at the moment of her discharge, to somebody who may hear of the
child and not of her. So it is silent; who may hear of her hears of her discharge by a subscription to her.
"""

from __future__ import annotations

from gateway.demo import people
from gateway.demo.people import AMINA, COUNCIL, LEO, TRUST
from tests.edge.desks import desk
from tests.edge.durable import ask
from tests.world import World

CARE = "amh-care-planning"
HEAR = people.permit(TRUST, CARE, "existence", "status", "contact", "detail")


async def test_a_mothers_discharge_is_not_told_by_a_notice_about_her_child(fed: World) -> None:
    """Told while she is in; at her discharge nothing at all goes out or is queued on the child's subscription; afterwards
    what befalls the child is withheld and uses up no number."""
    wish = people.consent(LEO, AMINA, [HEAR], agency=COUNCIL, when=people.day(1), only_inpatient=True)
    council = fed.as_("council-system")
    assert (await council.post("/fhir/Consent", wish)).status_code == 201
    with desk() as one:
        body = people.subscription(LEO, "known-status-changed", one.url, CARE)
        made = (await fed.ward().post("/fhir/Subscription", body)).json()["id"]
        await council.sends("dfe-csc-api", people.children(enquiry=True))
        await fed.settle()
        assert len(one.got) == 1
        before = ask(fed.settings, "SELECT count(*) FROM outbox")
        await fed.as_("trust-epr").sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
        await fed.settle()
        assert ask(fed.settings, "SELECT count(*) FROM outbox") == before
        await council.sends("dfe-csc-api", people.children(enquiry=True, plan=True))
        await fed.settle()
        assert len(one.got) == 1
    rows = ask(fed.settings, f"SELECT state, number FROM outbox WHERE subscription = '{made}' ORDER BY place")
    assert rows == [("delivered", 1), ("withheld", None)]
