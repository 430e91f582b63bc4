"""The published description: it equals what is committed, its examples come out as they stand, and it is claimed truly."""

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api import openapi
from gateway.api.definitions import TYPES, published
from gateway.api.operations import OPERATIONS
from gateway.demo import people
from gateway.demo.people import AMINA, LA_CODE, LEO, STRANGER
from gateway.fhir import systems
from gateway.settings import HERE
from tests.data.edge import flag, is_valid, message, outcome, related
from tests.world import World
from tests.write_openapi import TARGET, text

EXAMPLES = Path(openapi.FOLDER)
DIFFERS = re.compile(rb"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d(?:T[0-9:.]+Z)?|\b[0-9a-f]{16}\b")


def told(content: bytes) -> Any:
    """An answer without its ids and days."""
    return json.loads(DIFFERS.sub(b"#", content))


def test_the_committed_description_is_the_one_that_is_made() -> None:
    """`python -m tests.write_openapi` writes it anew."""
    assert TARGET.read_text() == text()


async def test_the_gateway_serves_the_same_description(world: World) -> None:
    """At /openapi.json, as it is committed."""
    assert (await world.client.get("/openapi.json")).json() == json.loads(TARGET.read_text())


def test_every_operation_is_described_once_with_every_refusal() -> None:
    """One operation per method and path; 500 is never promised; each refusal is an OperationOutcome."""
    document = json.loads(TARGET.read_text())
    described = {(method, path): one for path, methods in document["paths"].items() for method, one in methods.items()}
    assert set(described) == {(one.method.lower(), one.path) for one in OPERATIONS}
    assert len({one["operationId"] for one in described.values()}) == len(OPERATIONS)
    for one in described.values():
        assert "500" not in one["responses"]
        assert {"400", "401", "403", "404", "405", "406", "409", "410", "412", "413", "415", "422", "428", "429", "503"} <= one[
            "responses"
        ].keys()
    open_ones = {one.name for one in OPERATIONS if one.open}
    assert {one["operationId"] for one in described.values() if one["security"] == []} == open_ones


# -- examples ---------------------------------------------------------------------------------------------------------


def shown(name: str) -> Any:
    """A request of docs/examples, as it stands there."""
    return json.loads((HERE / "docs" / "examples" / f"{name}.json").read_text())


def _case(lookup: dict[str, Any]) -> dict[str, Any]:
    return lookup


REQUESTS: dict[str, tuple[str, str, tuple[str, ...], Any]] = {
    "lookup-known": ("knownToServices", "/fhir/Patient/$known-to-services", ("council-system", "sw22", "social-worker", "safeguarding-s47"), people.lookup(AMINA, "safeguarding-s47", case="C-1")),
    "lookup-no-information": ("knownToServices", "/fhir/Patient/$known-to-services", ("trust-epr", "nurse7", "ward-nurse", "amh-care-planning"), people.lookup(AMINA, "amh-care-planning", "children")),
    "lookup-cannot-say": ("knownToServices", "/fhir/Patient/$known-to-services", ("council-system", "sw22", "social-worker", "safeguarding-s47"), people.lookup(STRANGER, "safeguarding-s47", "children", case="C-1")),
    "check-share": ("checkShare", "/fhir/$check-share", ("trust-epr", "nurse7", "ward-nurse", "amh-care-planning"), shown("check_share")),
    "record-wish": ("recordWish", "/fhir/Consent/$record-wish", ("trust-epr",), shown("wish")),
    "subscription": ("createSubscription", "/fhir/Subscription", ("trust-epr", "cc4", "care-coordinator", "duty-to-share-16la"), people.subscription(LEO, "known-status-changed", "https://trust.example/fhir", "duty-to-share-16la", case="RIO-77", reason="Care plan of the child's mother")),
    "message": ("processMessage", "/fhir/$process-message", ("council-system",), message(flag(LEO, id="leo-plan"), related(LEO, AMINA, "MTH", id="leo-mother"), bundle="bundle-1", header="message-1")),
    "children": ("children", f"/children_social_care_data/{LA_CODE}/children", ("council-system",), [{"la_child_id": "LEO1", "social_care_episodes": [{"social_care_episode_id": "LEO1E1", "child_protection_plans": [{"child_protection_plan_id": "LEO1CPP", "start_date": "2026-11-01"}]}]}]),
    "record-report": ("records", "/records/crosswalk", ("council-system",), None),
}  # fmt: skip
CROSSWALK = (
    "local_system,local_id,nhs_number\nla-child-id,NED1,9990001049\nla-child-id,NED2,9990001048\nunheard of,NED3,9990001049\n"
)


def test_the_description_shows_every_example_that_there_is() -> None:
    """No file without an operation, no operation with an example that is not there."""
    named = {name for names in openapi.EXAMPLES.values() for name in names} | {"record-report"}
    assert named == set(REQUESTS)
    assert {path.name.split(".")[0] for path in EXAMPLES.iterdir()} == named
    for operation, names in openapi.EXAMPLES.items():
        assert all(REQUESTS[name][0] == operation for name in names)


@pytest.mark.parametrize("name", REQUESTS)
async def test_an_example_comes_out_as_it_stands(fed: World, name: str) -> None:
    """The request of the file gets the answer of the file, but for ids and days."""
    _, path, at, made = REQUESTS[name]
    file = EXAMPLES / (f"{name}.request.csv" if made is None else f"{name}.request.json")
    kind = "text/csv" if made is None else "application/fhir+json"
    if os.environ.get("GATEWAY_WRITE_EXAMPLES"):
        file.write_text(CROSSWALK if made is None else json.dumps(made, indent=1) + "\n")
    answer = await fed.as_(*at).post(path, file.read_text(), kind)
    assert answer.status_code in (200, 201), answer.text
    if os.environ.get("GATEWAY_WRITE_EXAMPLES"):
        (EXAMPLES / f"{name}.answer.json").write_text(json.dumps(answer.json(), indent=1) + "\n")
    expected = (EXAMPLES / f"{name}.answer.json").read_bytes()
    assert told(answer.content) == told(expected)
    if made is not None and name != "children":
        assert is_valid(json.loads(file.read_text()))
        assert is_valid(answer.json())


# -- CapabilityStatement ----------------------------------------------------------------------------------------------


async def statement(world: World) -> dict[str, Any]:
    answer = await world.client.get("/fhir/metadata")
    assert answer.status_code == 200
    return answer.json()


async def test_the_capability_statement_is_valid_and_speaks_of_this_server(world: World) -> None:
    """R4, kind instance, its address, SMART, messaging with what is sent and taken."""
    found = await statement(world)
    assert is_valid(found)
    assert (found["fhirVersion"], found["kind"], found["status"]) == ("4.0.1", "instance", "active")
    (messaging,) = found["messaging"]
    assert messaging["endpoint"][0]["address"].endswith("/fhir/$process-message")
    assert messaging["reliableCache"] >= 1
    definitions = {one["definition"] for one in messaging["supportedMessage"]}
    events = (*world.gateway.context.topics, "notice-acknowledged", "contact-requested")
    assert definitions == {f"{systems.BASE}/MessageDefinition/{code}" for code in events}


async def test_it_claims_every_interaction_and_no_more(world: World) -> None:
    """The table of operations and the statement say the same of each type."""
    (rest,) = (await statement(world))["rest"]
    claimed = {(one["type"], interaction["code"]) for one in rest["resource"] for interaction in one["interaction"]}
    assert claimed == {(one.type, one.interaction) for one in OPERATIONS if one.type and one.interaction}
    named = {operation["name"] for one in rest["resource"] for operation in one.get("operation", ())} | {
        one["name"] for one in rest["operation"]
    }
    paths = {one.path.rpartition("$")[2] for one in OPERATIONS if "$" in one.path}
    assert named == paths
    for one in rest["resource"]:
        codes = {interaction["code"] for interaction in one["interaction"]}
        assert one["versioning"] == (
            "versioned-update"
            if "vread" in codes
            else "versioned"
            if one["type"] in ("Patient", "Subscription", "Organization", "PractitionerRole")
            else "no-version"
        ), one["type"]


async def test_everything_that_it_claims_answers(fed: World) -> None:
    """Each interaction of each type, each search parameter, and each operation, on this gateway."""
    (rest,) = (await statement(fed))["rest"]
    at = fed.as_("council-system", "sw22", "social-worker", "safeguarding-s47", "duty-to-share-16la")
    auditor = fed.auditor("council")
    for one in rest["resource"]:
        asker = auditor if one["type"] == "AuditEvent" else at
        for interaction in one["interaction"]:
            answer = await _use(asker, one["type"], interaction["code"])
            assert answer.status_code in (200, 201, 204, 404, 412, 422), (one["type"], interaction, answer.status_code)
            if answer.status_code == 404:
                outcome(answer, 404)
        for parameter in one.get("searchParam", ()):
            value = {
                "token": f"{systems.NHS_NUMBER}|{LEO.nhs}",
                "date": "ge2020-01-01",
                "uri": "https://x.example",
                "string": "South",
                "reference": "Consent/x",
            }[parameter["type"]]
            value = {
                "status": "active",
                "outcome": "0",
                "_id": "abc",
                "code": "cin-plan",
                "exchange": "subscribe",
                "agent": "sw22",
                "organization": "TLA01",
            }.get(parameter["name"], value)
            form = {parameter["name"]: value, "Prefer": "handling=strict"}
            found = await _search(asker, one["type"], form)
            assert found.status_code == 200, (one["type"], parameter, found.text)


async def _search(at: Any, kind: str, form: dict[str, str]) -> httpx.Response:
    strict = {"Prefer": form.pop("Prefer")}
    query = str(httpx.QueryParams(form))
    if kind in ("Subscription", *TYPES):
        return await at.get(f"/fhir/{kind}?{query}", **strict)
    return await at.post(f"/fhir/{kind}/_search", query, "application/x-www-form-urlencoded", **strict)


async def _use(at: Any, kind: str, code: str) -> httpx.Response:
    body = {"resourceType": kind}
    uses = {
        "read": lambda: at.get(f"/fhir/{kind}/abc"),
        "vread": lambda: at.get(f"/fhir/{kind}/abc/_history/1"),
        "search-type": lambda: at.get(f"/fhir/{kind}" + ("?_id=abc" if kind == "Patient" else "")),
        "create": lambda: at.post(f"/fhir/{kind}", body),
        "update": lambda: at.put(f"/fhir/{kind}/abc", body, 'W/"1"'),
        "delete": lambda: at.delete(f"/fhir/{kind}/abc"),
    }
    return await uses[code]()


@pytest.mark.parametrize("kind", TYPES)
async def test_every_published_definition_is_valid_and_found_where_it_says(world: World, kind: str) -> None:
    """Listed, read by id, found by its canonical; all of it R4."""
    listed = (await world.client.get(f"/fhir/{kind}")).json()
    assert is_valid(listed)
    resources = [entry["resource"] for entry in listed.get("entry", ())]
    assert len(resources) == listed["total"] == sum(name == kind for name, _ in world.gateway.edge.definitions.resources)
    for one in resources:
        assert is_valid(one)
        assert (await world.client.get(f"/fhir/{kind}/{one['id']}")).json() == one
        by_url = (await world.client.get(f"/fhir/{kind}", params={"url": one["url"]})).json()
        assert [entry["resource"] for entry in by_url["entry"]] == [one]
        assert one["url"] == f"{systems.BASE}/{kind}/{one['id']}"
    assert (await world.client.get(f"/fhir/{kind}?url=https://x.example")).json()["total"] == 0
    outcome(await world.client.get(f"/fhir/{kind}/nothing"), 404)


async def test_every_topic_has_its_message_and_every_operation_of_ours_its_definition(world: World) -> None:
    """What the CapabilityStatement points to below our base is published here."""
    found = await statement(world)
    canonicals = {one["url"] for one in published().values()}
    pointed = {one["definition"] for one in found["messaging"][0]["supportedMessage"]}
    pointed |= {
        one["definition"]
        for rest in found["rest"]
        for kind in rest["resource"]
        for one in kind.get("operation", ())
        if one["definition"].startswith(systems.BASE)
    }
    assert pointed <= canonicals, pointed - canonicals
