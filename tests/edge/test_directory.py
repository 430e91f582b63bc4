"""An agency's own entries in the directory: its Organization, its desks, and what everybody else gets."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.demo.people import COUNCIL, TRUST
from gateway.exchanges.administer import AgencyChange, NewAgency, add_agency, change_agency
from gateway.fhir import systems
from tests.data.edge import exchange, is_valid, log_of, outcome
from tests.world import At, World

OWN_CODE = f"{systems.ODS_CODE}|{COUNCIL}"
NAMED_BY = {"Organization": "identifier", "PractitionerRole": "organization:identifier"}


def ids(answer: httpx.Response) -> list[str]:
    """The ids in a searchset, in its order."""
    assert answer.status_code == 200, answer.text
    assert is_valid(answer.json())
    return [entry["resource"]["id"] for entry in answer.json().get("entry", ())]


async def asked(at: At, kind: str, **parameters: str) -> httpx.Response:
    """A search by GET; by POST it finds the same."""
    query = str(httpx.QueryParams({name.replace("__", ":"): value for name, value in parameters.items()}))
    got = await at.get(f"/fhir/{kind}?{query}")
    posted = await at.searches(kind, **parameters)
    assert (got.status_code, got.json().get("entry")) == (posted.status_code, posted.json().get("entry"))
    return got


async def test_an_agency_reads_its_own_organisation(world: World) -> None:
    """Code, name and kind as they are registered; its version is an ETag, and 304 for whoever has it."""
    council = world.as_("council-system")
    answer = await council.get(f"/fhir/Organization/{COUNCIL}")
    body = answer.json()
    assert is_valid(body)
    assert (body["id"], body["active"], body["name"]) == (COUNCIL, True, "Southshire Council Children's Services")
    assert body["identifier"] == [{"system": systems.ODS_CODE, "value": COUNCIL}]
    assert body["type"] == [{"coding": [{"system": systems.code_system("agency-kind"), "code": "children-social-care"}]}]
    assert answer.headers["etag"] == f'W/"{body["meta"]["versionId"]}"'
    again = await council.get(f"/fhir/Organization/{COUNCIL}", **{"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_an_agency_reads_its_own_desks(world: World) -> None:
    """Each desk with its number, by the agency's code and its place; there is none behind the last."""
    council = world.as_("council-system")
    found = [(await council.get(f"/fhir/PractitionerRole/{COUNCIL}-{place}")).json() for place in (1, 2)]
    assert all(is_valid(one) for one in found)
    assert [one["telecom"][0]["value"] for one in found] == ["01632 960201", "01632 960202"]
    assert [one["code"][0]["coding"][0]["code"] for one in found] == ["duty-desk", "out-of-hours-desk"]
    assert {one["organization"]["identifier"]["value"] for one in found} == {COUNCIL}
    for place in ("0", "3", "01"):
        outcome(await council.get(f"/fhir/PractitionerRole/{COUNCIL}-{place}"), 404)


async def test_another_agencys_entries_are_as_if_there_were_none(world: World) -> None:
    """404 in the same bytes for an agency that takes part, for one that is sensitive and for one that nobody knows."""
    refuge = {"sensitive": True, "desks": [{"kind": "duty-desk", "name": "Quiet desk", "phone": "01632 960777"}]}
    await world.gateway.ledger.run_alone(add_agency, NewAgency("TSV01", "Quiet House", "voluntary", refuge))
    council = world.as_("council-system")
    for kind, behind in (("Organization", ""), ("PractitionerRole", "-1")):
        reads = [await council.get(f"/fhir/{kind}/{code}{behind}") for code in (TRUST, "TSV01", "TNO01", COUNCIL.lower())]
        for answer in reads:
            outcome(answer, 404)
        assert len({answer.content for answer in reads}) == 1
        assert len({frozenset(answer.headers) for answer in reads}) == 1
        named = NAMED_BY[kind].replace(":", "__")
        for code in (TRUST, "TSV01", "TNO01"):
            assert not ids(await asked(council, kind, **{named: f"{systems.ODS_CODE}|{code}"}))
            assert not ids(await asked(council, kind, _id=f"{code}{behind}"))
    for name in ("Northmoor", "Quiet"):
        assert not ids(await asked(council, "Organization", name=name))
    assert ids(await asked(council, "Organization")) == [COUNCIL]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, True),
        ({"_id": COUNCIL}, True),
        ({"identifier": OWN_CODE}, True),
        ({"identifier": OWN_CODE.lower()}, True),
        ({"identifier": f"https://x.example|{COUNCIL}"}, False),
        ({"name": "southshire"}, True),
        ({"name": "Council"}, False),
        ({"name": "Southshire", "identifier": OWN_CODE, "_id": "other"}, False),
    ],
)
async def test_an_organisation_is_found_by_id_code_and_how_its_name_begins(
    world: World, parameters: dict[str, str], found: bool
) -> None:
    """All that is stated must hold; an organisation is no person, so that its name may stand in an address."""
    assert ids(await asked(world.as_("council-system"), "Organization", **parameters)) == ([COUNCIL] if found else [])


async def test_desks_are_found_by_their_organisation_and_come_in_pages(world: World) -> None:
    """In the order of the profile, also after the ninth; one page leads to the next until there is none."""
    profile = {"desks": [{"kind": "duty-desk", "name": f"Desk {place}"} for place in range(1, 12)]}
    await world.gateway.ledger.run_alone(change_agency, AgencyChange(COUNCIL, profile=profile))
    council = world.as_("council-system")
    page = await council.searches("PractitionerRole", organization__identifier=OWN_CODE, _count="4")
    found: list[str] = ids(page)
    while following := [one["url"] for one in page.json()["link"] if one["relation"] == "next"]:
        to = urlsplit(following[0])
        page = await council.get(f"{to.path}?{to.query}")
        found += ids(page)
    assert found == [f"{COUNCIL}-{place}" for place in range(1, 12)]
    assert ids(await council.get(f"/fhir/PractitionerRole?organization.identifier={OWN_CODE}")) == found
    assert ids(await asked(council, "PractitionerRole", _id=f"{COUNCIL}-11")) == [f"{COUNCIL}-11"]


@pytest.mark.parametrize("kind", NAMED_BY)
async def test_a_directory_search_that_cannot_be_read_is_refused(world: World, kind: str) -> None:
    """A code without its system, a name without a value, and what names a person elsewhere: 400, never everything."""
    council = world.as_("council-system")
    for query in (f"{NAMED_BY[kind]}={COUNCIL}", "_id=a_b", "_count=0", "family=Sample", "name:exact=Southshire"):
        outcome(await council.get(f"/fhir/{kind}?{query}"), 400)
    outcome(await council.get(f"/fhir/{kind}?name="), 400)


@pytest.mark.parametrize("kind", NAMED_BY)
async def test_an_agencys_entries_are_read_only_and_need_their_scope(world: World, kind: str) -> None:
    """Nobody writes them over the API; software without the scope reads nothing, not even of its own agency."""
    council = world.as_("council-system")
    body = {"resourceType": kind}
    for answer in (await council.post(f"/fhir/{kind}", body), await council.put(f"/fhir/{kind}/{COUNCIL}", body, 'W/"1"')):
        outcome(answer, 405)
    other = world.as_("health-visiting-system")
    for answer in (await other.get(f"/fhir/{kind}/THV01"), await other.get(f"/fhir/{kind}"), await other.searches(kind)):
        outcome(answer, 403)


async def test_what_was_asked_of_the_directory_is_on_record(world: World) -> None:
    """A read, a read of nothing and a search: each its entry, with what was asked for and nobody named."""
    council = world.as_("council-system")
    await council.get(f"/fhir/Organization/{COUNCIL}")
    await council.get(f"/fhir/PractitionerRole/{TRUST}-1")
    await council.searches("Organization", name="South")
    events = await log_of(world.auditor("council"))
    told: list[tuple[str, str, Any]] = sorted(
        (exchange(one), one["outcome"], _resource(one)) for one in events if exchange(one).endswith("_directory")
    )
    assert told == [
        ("read_directory", "0", f"Organization/{COUNCIL}"), ("read_directory", "4", f"PractitionerRole/{TRUST}-1"),
        ("search_directory", "0", None),
    ]  # fmt: skip
    assert TRUST not in {exchange(one) for one in await log_of(world.auditor("trust"), exchange="read_directory")}


def _resource(event: dict[str, Any]) -> str | None:
    """The resource that an entry is about, None where it is about a query."""
    named = [one["what"]["reference"] for one in event["entity"] if "reference" in one.get("what", {})]
    return next((one for one in named if "AuditEvent" not in one), None)
