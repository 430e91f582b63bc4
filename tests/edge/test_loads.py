"""Loads: from which file and rule a record came, loads that go on after a crash, previews, and reports that people can read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.api.load_report import Report
from gateway.api.loading import Desk, load_once
from gateway.api.records import sender_of
from gateway.demo import people
from gateway.demo.people import AMINA, BETH
from gateway.disclosure.requester import Requester
from gateway.exchanges.records.load_file_once import FileLoaded
from gateway.exchanges.records.preview_record import Effect, preview_record
from gateway.exchanges.records.receive_record import Record
from gateway.mapping import read
from gateway.settings import Settings
from tests.edge.durable import ask
from tests.world import World

ROOT = Path(__file__).parent.parent.parent
COUNCIL = "TLA01"
FILE = json.dumps(
    [
        {
            "la_child_id": f"C{number:05d}",
            "social_care_episodes": [
                {
                    "social_care_episode_id": "E1",
                    "referral_date": "2026-03-01",
                    "child_protection_plans": [{"child_protection_plan_id": "P1", "start_date": "2026-05-01"}],
                }
            ],
        }
        for number in range(100)
    ]
).encode()


def source_of(flag: dict[str, Any]) -> str:
    return str(flag["meta"].get("source", ""))


async def test_the_owner_sees_from_which_file_and_rule_a_record_came(fed: World) -> None:
    """Each resource names the file by its hash, the map with its version, and the rule within it."""
    message = people.adt("A01", BETH, "M2", visit="STAY")
    trust = fed.as_("trust-epr")
    await trust.sends("hl7v2-adt", message)
    stays = [flag for flag in await trust.searches_for("Flag", BETH) if source_of(flag).endswith("/admitted")]
    assert [source_of(flag) for flag in stays] == [
        f"urn:sha256:{hashlib.sha256(message.encode()).hexdigest()}#hl7v2-adt@2.8/admitted"
    ]
    (patient,) = (await trust.searches("Patient", identifier=f"https://fhir.nhs.uk/Id/nhs-number|{BETH.nhs}")).json()["entry"]
    assert source_of(patient["resource"]).endswith("#hl7v2-adt@2.8/patient")


async def test_an_older_version_keeps_its_own_source(fed: World) -> None:
    """The admission came from one message and its end from another."""
    trust = fed.as_("trust-epr")
    for event in ("A01", "A03"):
        await trust.sends("hl7v2-adt", people.adt(event, BETH, "M2", visit="STAY"))
    (flag,) = [one for one in await trust.searches_for("Flag", BETH) if source_of(one).endswith("/discharged")]
    first = (await trust.get(f"/fhir/Flag/{flag['id']}/_history/1")).json()
    assert source_of(first).endswith("#hl7v2-adt@2.8/admitted")


async def test_what_is_written_by_hand_came_from_no_file(fed: World) -> None:
    """A correction over the API does not go on naming the file that it corrects."""
    trust = fed.as_("trust-epr")
    await trust.sends("hl7v2-adt", people.adt("A01", BETH, "M2", visit="STAY"))
    (flag,) = [one for one in await trust.searches_for("Flag", BETH) if source_of(one).endswith("/admitted")]
    period = {"start": people.day(9)}
    changed = await trust.put(f"/fhir/Flag/{flag['id']}", {**flag, "period": period}, f'W/"{flag["meta"]["versionId"]}"')
    assert changed.status_code == 200, changed.text
    assert source_of(changed.json()) == ""


async def test_nobody_else_hears_from_which_file_a_record_came(fed: World) -> None:
    """Not in an answer, and not in what is stored in the clear."""
    answer = await fed.social_worker().hears(AMINA, "safeguarding-s47", "self", case="C-1")
    assert "sha256" not in json.dumps(answer)
    assert "hl7v2" not in json.dumps(answer)
    stored = [bytes(body) for (body,) in ask(fed.settings, "SELECT body FROM record")]
    assert stored
    assert all(b"origin" not in body for body in stored)


async def council(world: World) -> tuple[Desk, Any, FileLoaded]:
    """The council's desk, and a file of a hundred children."""
    requester = Requester("command-line", COUNCIL, frozenset())
    sender = await sender_of(world.gateway.ledger, world.gateway.context, COUNCIL)
    file = FileLoaded(requester, "dfe-csc-api", hashlib.sha256(FILE).hexdigest(), len(FILE))
    return Desk(world.gateway.ledger, world.gateway.context, requester, digest=file.digest), sender, file


def received(world: World) -> int:
    """How many records are on record as received."""
    return int(ask(world.settings, "SELECT count(*) FROM record_version")[0][0])


class Breaks(Exception):
    """Where a load is broken off."""


async def break_off(world: World, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load of the file that ends with a fault once so many records were handed in."""
    desk, sender, file = await council(world)
    ledger = desk.ledger
    taken = 0

    class Faulty:
        """The ledger of a process that dies."""

        def __getattr__(self, name: str) -> Any:
            return getattr(ledger, name)

        async def run_each(self, exchange: Any, requests: Any) -> Any:
            nonlocal taken
            ended = await ledger.run_each(exchange, requests[: after - taken])
            taken += len(ended)
            if len(ended) < len(requests):
                raise Breaks
            return ended

    with pytest.raises(Breaks):
        await load_once(replace(desk, ledger=Faulty()), file, io.BytesIO(FILE), sender, Report())


@pytest.mark.parametrize("after", [0, 1, 40, 99])
async def test_a_load_that_was_broken_off_goes_on(world: World, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record is in once, and the report is that of a load that was never broken off."""
    await break_off(world, after, monkeypatch)
    assert received(world) == 2 * after
    desk, sender, file = await council(world)
    report = Report()
    assert not await load_once(desk, file, io.BytesIO(FILE), sender, report)
    assert (report.received, report.accepted, report.written) == (100, 100, 200)
    assert report.rules["dfe-csc-api@1.0.1/cp-plan"] == 100
    assert received(world) == 200
    assert ask(world.settings, "SELECT count(*) FROM load_step") == [(0,)]


async def test_a_file_is_loaded_once_by_the_same_maps(world: World) -> None:
    """The second time its report is told again, and nothing is done; --again does it."""
    desk, sender, file = await council(world)
    for turn, before in enumerate((False, True)):
        report = Report()
        assert await load_once(desk, file, io.BytesIO(FILE), sender, report) is before, turn
        assert (report.received, report.written) == (100, 200)
    report = Report()
    assert not await load_once(desk, replace(file, again=True), io.BytesIO(FILE), sender, report)
    assert (report.received, report.written) == (100, 0)


async def test_a_file_is_loaded_again_by_other_maps(world: World) -> None:
    """A load that began under older maps begins anew: half by one map and half by another is neither."""
    desk, sender, file = await council(world)
    await load_once(desk, file, io.BytesIO(FILE), sender, Report())
    newer = replace(desk.context, mappings=replace(desk.context.mappings, version="0123456789abcdef"))
    world.gateway.ledger._context = newer
    assert not await load_once(replace(desk, context=newer), file, io.BytesIO(FILE), sender, Report())


async def test_records_of_one_person_are_applied_in_the_order_of_the_file(world: World) -> None:
    """Others go beside them; the last one stands."""
    days = [people.day(number) for number in range(1, 25)]
    told = [
        {"la_child_id": child, "social_care_episodes": [{"social_care_episode_id": "E1", "referral_date": day}]}
        for day in days
        for child in ("C1", "C2", "C3")
    ]
    await world.as_("council-system").sends("dfe-csc-api", told)
    flags = (await world.as_("council-system").searches("Flag")).json()["entry"]
    assert {one["resource"]["period"]["start"] for one in flags} == {days[-1]}


async def test_a_preview_says_what_would_change_and_changes_nothing(world: World) -> None:
    """New, then unchanged, then changed with the names of the elements; no value of a record, and no row."""
    desk, sender, _ = await council(world)

    async def effects(data: bytes) -> tuple[Effect, ...]:
        (mapped,) = read(desk.context.mappings, "dfe-csc-api", data, sender)
        found: tuple[Effect, ...] = await desk.ledger.run(preview_record, Record(desk.requester, mapped))
        return found

    one = json.dumps(json.loads(FILE)[:1]).encode()
    assert [effect.what for effect in await effects(one)] == ["new", "new", "new"]
    assert ask(world.settings, "SELECT count(*) FROM person") == [(0,)]
    await world.as_("council-system").sends("dfe-csc-api", one.decode())
    assert {effect.what for effect in await effects(one)} == {"unchanged"}
    ended = one.replace(b'"start_date": "2026-05-01"', b'"start_date": "2026-05-01", "end_date": "2026-06-01"')
    before = received(world)
    changed = [effect for effect in await effects(ended) if effect.what == "changed"]
    assert [(effect.rule, effect.elements) for effect in changed] == [("cp-plan", ("code", "extension", "period", "status"))]
    assert received(world) == before


async def test_a_report_counts_by_rule_with_the_first_examples(world: World) -> None:
    """What is wrong with many records is said once, with how often and where first."""
    children = [{"la_child_id": f"C{number}", "child_details": {"sex": "Q"}} for number in range(9)]
    answer = await world.as_("council-system").post("/records/dfe-csc-api", children, "application/json")
    found = [
        [value for part in one["part"] for name, value in part.items() if name != "name"]
        for one in answer.json()["parameter"]
        if one["name"] in ("finding", "rule")
    ]
    assert found[0] == ["dfe-csc-api@1.0.1/child", 9]
    assert found[1][1] == 9
    assert len(found[1]) == 5


def embedded(folder: Path) -> dict[str, str]:
    """The environment of a deployment of its own with the demonstration's council."""
    from tests.edge.test_command_line import gateway

    profile = folder / "council.json"
    council = next(one for one in people.AGENCIES if one.code == COUNCIL)
    profile.write_text(json.dumps(council.profile))
    assert gateway("migrate", "--data", folder / "data", GATEWAY_KIND="test").code == 0
    added = gateway("agency", "add", COUNCIL, council.name, council.kind, "--profile", profile, "--data", folder / "data")
    assert added.code == 0, added.err
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}


def test_a_load_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """SIGKILL in the middle; the same command again: each child is written once, and the report is whole."""
    environment = embedded(tmp_path)
    settings = Settings(kind="test", data=tmp_path / "data")
    file = tmp_path / "children.json"
    children = [{**one, "la_child_id": f"K{number:03d}"} for number, one in enumerate(json.loads(FILE))]
    file.write_text(json.dumps(children))
    command = [sys.executable, "-m", "gateway", "load", "dfe-csc-api", str(file), "--agency", COUNCIL]
    command += ["--data", str(tmp_path / "data")]
    first = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while first.poll() is None and ask(settings, "SELECT count(*) FROM record_version")[0][0] == 0:
        time.sleep(0.002)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True)
    counts = json.loads(second.stdout)
    assert (counts["received"], counts["accepted"], counts["written"]) == (100, 100, 200)
    assert ask(settings, "SELECT count(*), max(version) FROM record_version") == [(200, 1)]


def test_the_page_of_a_report_and_the_preview_of_a_file(tmp_path: Path) -> None:
    """A page that stands by itself; a preview in lines of JSON, a rule and an effect each."""
    from tests.edge.test_command_line import gateway

    embedded(tmp_path)
    file, page = tmp_path / "children.json", tmp_path / "report.html"
    file.write_bytes(FILE)
    load = ("load", "dfe-csc-api", file, "--agency", COUNCIL, "--data", tmp_path / "data")
    previewed = gateway(*load, "--preview")
    lines = [json.loads(line) for line in previewed.out.splitlines()]
    assert {(one["rule"], one["effect"], one["count"]) for one in lines} == {
        (f"dfe-csc-api@1.0.1/{rule}", "new", 100) for rule in ("child", "cp-plan", "referral")
    }
    assert gateway(*load, "--report", page).code == 0
    assert "Records taken" in page.read_text()
    assert "dfe-csc-api@1.0.1/cp-plan" in page.read_text()
    assert "C00001" not in page.read_text()
    assert json.loads(gateway(*load).out)["loaded_before"] is True
    (row,) = ask(Settings(kind="test", data=tmp_path / "data"), "SELECT id FROM record WHERE type = 'Flag' LIMIT 1")
    origin = json.loads(gateway("origin", f"Flag/{row[0]}", "--agency", COUNCIL, "--data", tmp_path / "data").out)
    assert origin["file"] == hashlib.sha256(FILE).hexdigest()
    assert origin["place"].startswith("child ")
    assert gateway("origin", f"Flag/{row[0]}", "--agency", "X99", "--data", tmp_path / "data").code == 2


async def test_a_report_is_in_the_order_of_the_file(world: World) -> None:
    """However many records were at it at once, and whichever was settled first."""
    rows = [f"la-child-id,NED{number},999000{number:04d}" for number in range(40)]
    sent = "local_system,local_id,nhs_number\n" + "\n".join(rows) + "\n"
    answer = await world.as_("council-system").post("/records/crosswalk", sent, "text/csv")
    issues = next(one["resource"]["issue"] for one in answer.json()["parameter"] if one["name"] == "outcome")
    lines = [int(one["expression"][0].split(",")[0].removeprefix("line ")) for one in issues if one["severity"] == "error"]
    assert len(lines) > 20
    assert lines == sorted(lines)
