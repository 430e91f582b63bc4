"""A model of the outbox and of a person's wish, and the real thing beside it: whatever happens in whatever order.

The model knows the rules alone: who may hear at the time of sending is sent what waits, in order, once each; who may not
hears nothing and uses up no number; who was told of what proves wrong hears so. Hypothesis looks for an order of
events in which the gateway does otherwise.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx import ASGITransport
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from gateway import app as wiring
from gateway.api.identifiers import register_convertors
from gateway.demo import people
from gateway.demo.people import AMINA, TRUST, VOLUNTARY
from gateway.store import migrate
from tests.conftest import count
from tests.edge.desks import Desk, status, subscribe
from tests.edge.durable import ask, change
from tests.world import BASE, World, register, settings_for

RULES = [people.permit(VOLUNTARY, "early-help", "existence", "status", "contact", "detail")]


@dataclass
class Model:
    """What the rules say: what waits, what the receiver has, whether she agrees, whether the receiver is there."""

    agrees: bool = True
    up: bool = True
    inside: bool = False
    stay: int = 0
    waiting: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # topics as the receiver must have them, in order
    of_stay: list[str] = field(default_factory=list)  # told or waiting of the present stay

    def deliver(self) -> None:
        """Everything that waits leaves, or is withheld."""
        if not self.up and self.agrees:
            return
        for topic in self.waiting:
            if self.agrees:
                self.told.append(topic)
        self.waiting.clear()


class Outbox(RuleBasedStateMachine):
    """The gateway on a database of its own, one family service that may hear by her leave, and the model."""

    folder: Path
    keys: Path
    clients: tuple[Path, dict[str, Any]]

    @initialize()
    def start(self) -> None:
        """A gateway, a receiver, her leave, a subscription."""
        self.place = Path(tempfile.mkdtemp(dir=self.folder))
        self.model, self.desk = Model(), Desk().up()
        self.loop = asyncio.new_event_loop()
        made = settings_for(self.place, self.keys, "", retry_seconds="0,0,0")
        migrate.upgrade(migrate.engine_of(made.database_file), "test")
        self.world = self.loop.run_until_complete(self._open(made))

    async def _open(self, made: Any) -> World:
        register_convertors()
        app = wiring.make_app(made)
        self.lifespan = app.router.lifespan_context(app)
        await self.lifespan.__aenter__()
        gateway = app.state.gateway
        gateway.deliverer.steps = (0.0,) * 200  # nothing is given up within a test
        await register(gateway, self.clients[1])
        client = httpx.AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url=BASE)
        world = World(made, gateway, client, self.clients[0], app)
        wish = people.consent(AMINA, AMINA, RULES, agency=TRUST, when=people.day(1))
        self.wish = await world.as_("trust-epr").post("/fhir/Consent", wish)
        assert self.wish.status_code == 201, self.wish.text
        asker = world.as_("voluntary-system", "fw1", "family-worker", "early-help")
        await subscribe(asker, people.subscription(AMINA, "known-status-changed", self.desk.url, "early-help"))
        return world

    def _do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def _send(self, event: str) -> None:
        message = people.adt(event, AMINA, "M1").replace("|VM1", f"|V{self.model.stay}M1")
        self._do(self.world.as_("trust-epr").sends("hl7v2-adt", message))

    @rule()
    @precondition(lambda self: not self.model.inside)
    def admit(self) -> None:
        """She is admitted to a new stay."""
        self.model.stay += 1
        self.model.inside = True
        self._send("A01")
        self.model.waiting.append("admitted")

    @rule()
    @precondition(lambda self: self.model.inside)
    def discharge(self) -> None:
        """She is discharged."""
        self.model.inside = False
        self._send("A03")
        self.model.waiting.append("discharged")

    @rule(agrees=st.booleans())
    def wish_changes(self, agrees: bool) -> None:
        """She agrees, or no longer; it counts at its acknowledgement."""
        wish = people.consent(AMINA, AMINA, RULES if agrees else [], agency=TRUST, when=people.day(1))
        body = {**wish, "id": self.wish.json()["id"]}
        etag = self.wish.headers["etag"]
        answer = self._do(self.world.as_("trust-epr").put(f"/fhir/Consent/{body['id']}", body, etag))
        assert answer.status_code == 200, answer.text
        self.wish, self.model.agrees = answer, agrees

    @rule(up=st.booleans())
    def receiver_changes(self, up: bool) -> None:
        """The receiver answers, or says 503."""
        self.model.up = up
        self.desk.behaviour = status(200 if up else 503)

    @rule()
    def deliver(self) -> None:
        """The deliverer has its way; while the receiver is down, one turn of it."""
        if self.model.up or not self.model.agrees:
            self._do(self.world.settle())
        else:
            self._do(self._one_turn())
        self.model.deliver()

    async def _one_turn(self) -> None:
        deliverer = self.world.gateway.deliverer
        await deliverer._turn()
        await asyncio.gather(*deliverer._tasks)

    @rule()
    def a_worker_dies(self) -> None:
        """What is leased is free again: a minute has gone by."""
        change(self.world.settings, "UPDATE outbox SET leased_until = 1 WHERE state = 'leased'")

    @invariant()
    def the_receiver_has_what_the_rules_say(self) -> None:
        """In order, once each, numbered without a gap; and whatever came was on record before."""
        if not hasattr(self, "world"):
            return
        accepted = self._accepted()
        assert [topic for topic, _ in accepted] == self.model.told
        assert [number for _, number in accepted] == sorted(number for _, number in accepted)
        numbered = [
            number for (number,) in ask(self.world.settings, "SELECT number FROM outbox WHERE number IS NOT NULL ORDER BY number")
        ]
        assert numbered == list(range(1, len(numbered) + 1))
        leaving = ask(self.world.settings, "SELECT count(*) FROM audit_entry WHERE exchange = 'lease_notice' AND outcome = 0")
        assert leaving[0][0] >= len(self.desk.got)

    def _accepted(self) -> list[tuple[str, int]]:
        """Topic and number of what was taken, in order."""
        taken = {row[0] for row in ask(self.world.settings, "SELECT id FROM outbox WHERE state = 'delivered'")}
        first = {got.headers["webhook-id"]: got for got in reversed(self.desk.got)}
        found = []
        for identifier in dict.fromkeys(self.desk.ids()):
            if identifier in taken:
                header = first[identifier].bundle["entry"][0]["resource"]
                number = next(one["valueString"] for one in header["extension"] if one["url"].endswith("/notice-number"))
                found.append((header["eventCoding"]["code"], int(number)))
        return found

    def teardown(self) -> None:
        """Stop what was started."""
        if not hasattr(self, "world"):
            return
        self._do(self.world.client.aclose())
        self._do(self.lifespan.__aexit__(None, None, None))
        self.loop.close()
        self.desk.down()
        shutil.rmtree(self.place, ignore_errors=True)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_outbox_does_what_its_model_says(
    tmp_path: Path, keys_folder: Path, client_keys: tuple[Path, dict[str, object]]
) -> None:
    """Admissions, discharges, wishes that change, a receiver that comes and goes, workers that die: in any order."""

    class Here(Outbox):
        folder, keys, clients = tmp_path, keys_folder, client_keys

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=count(25, 400), stateful_step_count=count(20, 50), deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
