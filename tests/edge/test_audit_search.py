"""Searching the access log by what stands in no column, in both orders, and in bulk."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, COUNCIL, LEO, STRANGER, TRUST
from gateway.exchanges.log import bulk_audit, find_entries, search_audit
from gateway.fhir import systems
from tests.data.edge import exchange, is_valid, log_of, outcome
from tests.edge.durable import change
from tests.world import At, World

EXPORT = "/fhir/$export?_type=AuditEvent"
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
async def asked(fed: World) -> World:
    """Lookups under a duty and under a wish, answered and refused."""
    council = fed.as_("council-system")
    wish = people.consent(LEO, AMINA, [people.permit(TRUST, "amh-care-planning", "existence")], agency=COUNCIL, when="2026-01-01")
    assert (await council.post("/fhir/Consent", wish)).status_code == 201
    await fed.ward().asks(LEO, "amh-care-planning")
    await fed.ward().asks(STRANGER, "amh-care-planning")
    await fed.social_worker().asks(AMINA, "safeguarding-s47", case="C-1")
    return fed


def codes(event: dict[str, Any]) -> set[str]:
    return {one["code"] for one in event["subtype"]}


def facts(event: dict[str, Any], name: str) -> set[str]:
    return {one["valueString"] for part in event.get("entity", ()) for one in part.get("detail", ()) if one["type"] == name}


async def test_a_search_by_purpose_subtype_basis_and_entity(asked: World) -> None:
    """Each finds what is shown with it and nothing else; a consent by its version, a code with or without its system."""
    council = asked.auditor("council")
    everything = await log_of(council)
    wished = [one for one in everything if facts(one, "basis")]
    assert wished
    for purpose in ("amh-care-planning", "safeguarding-s47"):
        found = await log_of(council, purpose=purpose)
        assert {one["purposeOfEvent"][0]["coding"][0]["code"] for one in found} == {purpose}
    for subtype in ("disclose", f"{systems.LIFECYCLE}|disclose", "receive_record"):
        found = await log_of(council, subtype=subtype)
        assert found == [one for one in everything if subtype.rpartition("|")[2] in codes(one)] != []
    (basis,) = facts(wished[0], "basis")
    assert await log_of(council, basis=basis) == [one for one in everything if basis in facts(one, "basis")]
    consents = {
        part["what"]["reference"] for one in everything for part in one.get("entity", ()) if "Consent" in str(part.get("what"))
    }
    consent = next(one for one in consents if "_history" in one)
    found = await log_of(council, entity=consent)
    assert found == [one for one in everything if consent in json.dumps(one)]
    disclosed = next(one for one in everything if facts(one, "disclosure"))
    identifiers = [part["what"]["identifier"] for part in disclosed["entity"] if "identifier" in part.get("what", {})]
    for one in (f"{part['system']}|{part['value']}" for part in identifiers if "system" in part):
        assert disclosed["id"] in {found["id"] for found in await log_of(council, entity=one)}, one
    assert not await log_of(council, subtype="x")
    assert not await log_of(council, entity="Consent/x")
    outcome(await council.get("/fhir/AuditEvent?entity=Consent/x"), 400)


async def test_what_an_auditor_is_not_shown_cannot_be_searched_by(asked: World) -> None:
    """The asker's own questions are not found by basis, by refusal or by the kind of answer: their rendering has none of these."""
    trust = asked.auditor("trust")
    mine = await log_of(trust, exchange="look_up_status", agent="nurse7")
    assert len(mine) == 2
    for form in ({"basis": "consent"}, {"subtype": "disclose"}, {"subtype": "not-known"}, {"subtype": "no-agreement"}):
        found = await log_of(trust, agent="nurse7", **form)
        assert not {one["id"] for one in found} & {one["id"] for one in mine}
    assert {one["id"] for one in await log_of(trust, agent="nurse7", subtype="look_up_status")} == {one["id"] for one in mine}


async def follow(auditor: At, first: httpx.Response, meanwhile: Any = None) -> list[str]:
    """The ids of all pages of a search."""
    seen, answer = [], first
    while True:
        bundle = answer.json()
        assert is_valid(bundle)
        seen += [entry["resource"]["id"] for entry in bundle.get("entry", ())]
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        if not following:
            return seen
        if meanwhile is not None:
            await meanwhile()
        split = urlsplit(following[0])
        answer = await auditor.get(f"{split.path}?{split.query}")


async def test_oldest_first_is_the_same_list_turned_round(asked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page for page, each entry once, whatever is written meanwhile; and no page is lost where few of many fit."""
    from gateway.api import audit_events

    monkeypatch.setattr(audit_events, "SETTLED", -1)
    monkeypatch.setattr(search_audit, "SIFTED_AT_ONCE", 3)
    monkeypatch.setattr(find_entries, "MOST_SIFTED", 2)
    council, system = asked.auditor("council"), asked.as_("council-system")
    for number in range(6):
        await system.get(f"/fhir/Flag/x{number}")

    async def writes() -> None:
        await asyncio.gather(*(system.get("/fhir/Consent/y") for _ in range(3)))

    form = {"subtype": "read_resource", "_count": "4"}
    newest = await follow(council, await council.searches("AuditEvent", **form), writes)
    stop = (await log_of(council, exchange="read_resource"))[0]["recorded"]
    oldest = await follow(council, await council.searches("AuditEvent", _sort="date", date=f"le{stop}", **form))
    assert len(newest) == len(set(newest)) >= 6
    assert oldest[: len(newest)] == newest[::-1]
    assert oldest == sorted(set(oldest), key=oldest.index)


# --- in bulk ---------------------------------------------------------------------------------------------------------


async def exported(auditor: At, url: str = EXPORT) -> tuple[str, dict[str, Any]]:
    """An export asked for and waited for: the path of its status, and the manifest."""
    told = await auditor.get(url, **ASYNC)
    assert told.status_code == 202, told.text
    path = urlsplit(told.headers["content-location"]).path
    while (told := await auditor.get(path)).status_code == 202:
        assert told.headers["retry-after"]
        assert "files" in told.headers["x-progress"]
    assert told.status_code == 200, told.text
    return path, told.json()


async def lines(auditor: At, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for one in manifest["output"]:
        assert one["type"] == "AuditEvent"
        told = await auditor.get(urlsplit(one["url"]).path)
        assert told.headers["content-type"] == "application/fhir+ndjson"
        found += [json.loads(line) for line in told.text.splitlines()]
    return found


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of six entries, and nothing left for the next export."""
    monkeypatch.setattr(bulk_audit, "PER_FILE", 6)
    monkeypatch.setattr(bulk_audit, "PAGE", 3)
    monkeypatch.setattr(bulk_audit, "SETTLED", 0)


@pytest.mark.usefixtures("small")
async def test_an_export_is_all_that_a_search_finds(asked: World) -> None:
    """File by file, oldest first, as this auditor may see it, up to the moment it was asked for."""
    council = asked.auditor("council")
    before = [one["id"] for one in await log_of(council)]
    _, manifest = await exported(council)
    await asked.social_worker().asks(STRANGER, "safeguarding-s47", case="C-1")
    assert manifest["requiresAccessToken"] is True
    assert manifest["request"].endswith(EXPORT)
    assert len(manifest["output"]) > 2
    found = await lines(council, manifest)
    assert [one["id"] for one in found if one["id"] in set(before)] == before[::-1]
    assert len({one["id"] for one in found}) == len(found)
    assert max(one["recorded"] for one in found) <= manifest["transactionTime"][:-1] + "999Z"
    assert all(is_valid(one) for one in found)
    again = await lines(council, manifest)
    assert again == found


@pytest.mark.usefixtures("small")
async def test_an_export_takes_a_window_and_a_filter(asked: World) -> None:
    """Bulk Data's own _since and _until, and one _typeFilter that names nobody."""
    council = asked.auditor("council")
    _, manifest = await exported(
        council, f"{EXPORT}&_since=2020-01-01&_typeFilter=AuditEvent%3Fexchange%3Dlook_up_status%26subtype%3Ddisclose"
    )
    found = await lines(council, manifest)
    assert found
    assert {exchange(one) for one in found} == {"look_up_status"}
    assert all("disclose" in codes(one) for one in found)
    _, manifest = await exported(council, f"{EXPORT}&_until=2020-01-01")
    assert manifest["output"] == []
    for url in (
        "/fhir/$export", "/fhir/$export?_type=Patient", f"{EXPORT}&_elements=id", f"{EXPORT}&_since=soon",
        f"{EXPORT}&_typeFilter=Patient%3Fname%3Dx", f"{EXPORT}&_typeFilter=AuditEvent%3Fpatient%3Dx",
    ):  # fmt: skip
        outcome(await council.get(url, **ASYNC), 400)
    outcome(await council.get(f"{EXPORT}&_outputFormat=csv", **ASYNC), 406)
    outcome(await council.get(EXPORT), 400)
    outcome(await asked.ward().get(EXPORT, **ASYNC), 403)


@pytest.mark.usefixtures("small")
async def test_an_export_belongs_to_who_asked_for_a_day(asked: World) -> None:
    """Another user, another agency, after it was ended or has expired: the same 404, and nothing of it."""
    council = asked.auditor("council")
    path, manifest = await exported(council)
    file = urlsplit(manifest["output"][0]["url"]).path
    colleague = asked.as_("council-auditor", "aud2", "auditor", "audit")
    for who in (colleague, asked.auditor("trust")):
        hidden = [await who.get(path), await who.get(file), await who.delete(path), await who.get("/bulk/" + "0" * 32)]
        for told in hidden:
            outcome(told, 404)
        assert len({told.content for told in hidden}) == 1
    outcome(await council.get(f"{path}/999"), 404)
    assert (await council.get(path)).headers["expires"]
    assert (await council.delete(path)).status_code == 202
    outcome(await council.get(file), 404)
    path, manifest = await exported(council)
    change(asked.settings, "UPDATE audit_export SET expires = 1")
    outcome(await council.get(path), 404)
    outcome(await council.get(urlsplit(manifest["output"][0]["url"]).path), 404)


@pytest.mark.usefixtures("small")
async def test_every_look_at_an_export_is_on_record(asked: World) -> None:
    """Asked for, each file fetched, ended: one entry each, with the request's id."""
    council = asked.auditor("council")
    path, manifest = await exported(council)
    await lines(council, manifest)
    await council.delete(path)
    found = await log_of(council, exchange="bulk_audit")
    assert len(found) == 2 + len(manifest["output"])


async def test_nobody_writes_an_entry_through_the_api(asked: World) -> None:
    """No create, update or delete of AuditEvent by anyone, however it is tried."""
    auditor = asked.auditor()
    event = (await log_of(auditor))[0]
    for answer in (
        await auditor.post("/fhir/AuditEvent", event),
        await auditor.put(f"/fhir/AuditEvent/{event['id']}", event),
        await auditor.delete(f"/fhir/AuditEvent/{event['id']}"),
        await asked.client.patch(f"/fhir/AuditEvent/{event['id']}", content=b"[]"),
    ):
        outcome(answer, 405)
    assert (await auditor.get(f"/fhir/AuditEvent/{event['id']}")).json() == event
