"""The daily children's social care API at the address that councils know: same path, body and answer codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import LA_CODE
from tests.data.edge import outcome
from tests.world import World

DAILY = f"/children_social_care_data/{LA_CODE}/children"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}")


async def test_the_published_example_is_received(world: World, samples: Path) -> None:
    """200 and a receipt that is a UUID as JSON; the header SupplierKey does no harm."""
    document = json.loads((samples / "dfe-csc-api" / "openapi.json").read_text())
    (operation,) = (path["post"] for path in document["paths"].values())
    payload = json.loads((samples / "dfe-csc-api" / "example-payload.json").read_text())
    council = world.as_("council-system")
    answer = await council.post(DAILY, payload, "application/json", SupplierKey="8a4c2b60")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert UUID.fullmatch(answer.json())
    assert set(operation["responses"]) == {"200", "204", "400", "401", "403", "413", "429"}


@pytest.mark.parametrize(
    ("body", "status"),
    [([], 204), ("{", 400), ("[1]", 400), ([{"no_id": 1}], 400), ([{"la_child_id": f"C{n}"} for n in range(101)], 413)],
)
async def test_the_answer_codes_are_the_published_ones(world: World, body: Any, status: int) -> None:
    """Nothing to do, not readable, too many; refusals carry an OperationOutcome."""
    answer = await world.as_("council-system").post(DAILY, body, "application/json")
    assert answer.status_code == status
    if status >= 400:
        outcome(answer, status)


async def test_a_council_sends_for_itself_alone(world: World) -> None:
    """Another council's code is 403, one that is none 400, no token 401, software without the scope 403."""
    council = world.as_("council-system")
    payload = people.children()
    assert (await council.post("/children_social_care_data/301/children", payload, "application/json")).status_code == 403
    assert (await council.post("/children_social_care_data/30/children", payload, "application/json")).status_code == 400
    assert (await world.client.post(DAILY, json=payload)).status_code == 401
    trust = await world.as_("trust-epr").post(DAILY, payload, "application/json")
    assert trust.status_code == 403
    assert (await council.post(DAILY, payload, "application/json")).status_code == 200
