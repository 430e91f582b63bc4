"""Files that agencies drop: taken when complete, loaded once by their content, put away with a report beside them."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from gateway.demo import people
from gateway.demo.people import LEO
from gateway.exchanges.records.load_file_once import FileLoaded
from gateway.listeners.configuration import WatchedFolder
from gateway.listeners.folder import MOST_FAILURES, Watch
from gateway.listening import _loading
from tests.edge.test_ledger_faults import no_room
from tests.world import World, part


def watch(world: World, folder: Path, fmt: str = "crosswalk", settle: float = 10.0) -> Watch:
    """The council's folder."""
    made = Watch(world.gateway.ledger, WatchedFolder("TLA01", fmt, folder, settle), _loading(world.gateway))
    made.prepare()
    return made


def drop(folder: Path, name: str, text: str) -> Path:
    path = folder / "in" / name
    path.write_text(text)
    return path


def names(folder: Path, *parts: str) -> list[str]:
    """What stands in the folders, without time and number in front, reports apart."""
    return sorted(
        one.name.split("-", 2)[-1] if part != "in" else one.name
        for part in parts
        for one in (folder / part).iterdir()
        if not one.name.endswith((".report.json", ".report.html"))
    )


def reports(folder: Path, where: str = "done") -> list[dict[str, Any]]:
    return [json.loads(one.read_text()) for one in sorted((folder / where).glob("*.report.json"))]


async def test_a_complete_file_is_loaded_and_put_away_with_its_report(world: World, tmp_path: Path) -> None:
    """A file is complete when it has looked the same for ten seconds; until then it is left alone."""
    folder = watch(world, tmp_path)
    drop(tmp_path, "crosswalk.csv", people.crosswalk())
    assert await folder.look(0.0) == 0
    assert await folder.look(9.0) == 0
    assert names(tmp_path, "in") == ["crosswalk.csv"]
    assert await folder.look(10.0) == 1
    assert names(tmp_path, "done") == ["crosswalk.csv"]
    assert names(tmp_path, "in", "working", "refused") == []
    (report,) = reports(tmp_path)
    assert part(report, "accepted") == 2
    found = await world.as_("council-system").searches("Patient", identifier=f"https://fhir.nhs.uk/Id/nhs-number|{LEO.nhs}")
    assert found.json()["entry"]


async def test_a_file_that_grows_is_waited_for(world: World, tmp_path: Path) -> None:
    """Each change begins the wait anew; names of unfinished transfers, hidden files, links and folders are never taken."""
    folder = watch(world, tmp_path)
    path = drop(tmp_path, "a.csv", "local_system,local_id,nhs_number\n")
    await folder.look(0.0)
    path.write_text(people.crosswalk())
    assert await folder.look(10.0) == 0
    for name in ("b.csv.part", "c.tmp", ".d.csv", "e.filepart"):
        drop(tmp_path, name, people.crosswalk())
    secret = tmp_path / "secret"
    secret.write_text(people.crosswalk())
    (tmp_path / "in" / "link.csv").symlink_to(secret)
    (tmp_path / "in" / "folder.csv").mkdir()
    await folder.look(19.0)
    assert await folder.look(40.0) == 1
    assert names(tmp_path, "done") == ["a.csv"]
    assert len(names(tmp_path, "in")) == 6


async def test_the_same_content_is_loaded_once(world: World, tmp_path: Path) -> None:
    """Under whatever name: the second gets the first's report, and nothing is applied again."""
    folder = watch(world, tmp_path, settle=0)
    for name in ("a.csv", "b.csv"):
        drop(tmp_path, name, people.crosswalk())
        await folder.look(0.0)
    first, second = sorted(reports(tmp_path), key=lambda one: "id" in one)
    assert second.pop("id") == "loaded-before"
    assert first == second
    await world.seal()
    entries = (await world.auditor("council").get("/fhir/AuditEvent?exchange=receive_record&_count=50")).json()["entry"]
    assert len(entries) == 2  # one for each row, once


async def test_a_file_of_which_nothing_can_be_taken_is_refused_with_the_reason(world: World, tmp_path: Path) -> None:
    """It stands in refused with an OperationOutcome, and may be dropped again when it is put right."""
    folder = watch(world, tmp_path, "dfe-csc-api", settle=0)
    drop(tmp_path, "children.json", "{ no JSON")
    assert await folder.look(0.0) == 1
    assert names(tmp_path, "refused") == ["children.json"]
    (report,) = reports(tmp_path, "refused")
    assert report["parameter"][-1]["resource"]["issue"][0]["severity"] == "error"


async def test_what_was_being_loaded_at_a_crash_is_taken_up_again(world: World, tmp_path: Path) -> None:
    """A file in working is loaded at the first look of the next process; one that was recorded already is only put away."""
    first = watch(world, tmp_path, settle=0)
    (tmp_path / "working" / "0123456789ab-left.csv").write_text(people.crosswalk())
    assert await first.look(0.0) == 1
    (tmp_path / "working" / "0123456789ac-again.csv").write_text(people.crosswalk())
    assert await watch(world, tmp_path, settle=0).look(0.0) == 1
    assert names(tmp_path, "done") == ["again.csv", "left.csv"]
    assert [one.get("id") for one in reports(tmp_path)].count("loaded-before") == 1


async def test_two_watchers_load_a_file_once(world: World, tmp_path: Path) -> None:
    """Whoever moves it first; a file that another holds is left to it."""
    watchers = [watch(world, tmp_path, settle=0) for _ in range(3)]
    for number in range(6):
        drop(tmp_path, f"{number}.csv", people.crosswalk() + f"la-child-id,X{number},\n")
    done = await asyncio.gather(*(one.look(0.0) for one in watchers))
    assert sum(done) == 6
    assert len(reports(tmp_path)) == 6
    assert not any(one.get("id") for one in reports(tmp_path))


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_what_cannot_be_written_now_stays_and_is_loaded_later(world: World, tmp_path: Path) -> None:
    """Nothing is refused because of us."""
    folder = watch(world, tmp_path / "watched", settle=0)
    drop(tmp_path / "watched", "a.csv", people.crosswalk())
    with no_room(world.settings.database_file):
        assert await folder.look(0.0) == 0
    assert len(os.listdir(tmp_path / "watched" / "working")) == 1
    assert await folder.look(1.0) == 1
    assert names(tmp_path / "watched", "done") == ["a.csv"]


SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@SQLITE
@pytest.mark.parametrize("length", [209, 242, 243, 255])
async def test_a_long_name_is_cut_and_holds_up_nothing(world: World, tmp_path: Path, length: int) -> None:
    """Any name that a file system takes: the file leaves with its report, under the beginning and the end of its name."""
    folder = watch(world, tmp_path, settle=0)
    path = drop(tmp_path, f"a{'é' * ((length - 5) // 2)}".ljust(length - (length - 5) // 2 - 4, "x") + ".csv", people.crosswalk())
    assert len(os.fsencode(path.name)) == length
    drop(tmp_path, "newer.csv", people.crosswalk() + "la-child-id,X1,\n")
    assert await folder.look(0.0) == 2
    assert names(tmp_path, "in", "working", "refused") == []
    cut, newer = names(tmp_path, "done")
    assert (cut[0], cut[-4:], newer) == ("a", ".csv", "newer.csv")
    assert len(reports(tmp_path)) == 2


@SQLITE
async def test_a_long_name_that_stands_in_working_is_put_away(world: World, tmp_path: Path) -> None:
    """A crash may have left one there."""
    folder = watch(world, tmp_path, settle=0)
    (tmp_path / "working" / f"0123456789ab-{'x' * 240}").write_text(people.crosswalk())
    assert await folder.look(0.0) == 1
    assert len(reports(tmp_path)) == 1


@SQLITE
@pytest.mark.parametrize(
    ("fault", "words"), [(PermissionError(13, "denied"), "may not open"), (RuntimeError("unforeseen"), "tried several times")]
)
async def test_a_file_that_cannot_be_read_is_refused_after_some_tries_and_others_go_on(
    world: World, tmp_path: Path, fault: Exception, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The newer file is loaded at the same look; the bad one goes to refused with the reason; its name is not logged."""
    folder = watch(world, tmp_path, settle=0)
    load = folder.load

    async def stumbles(file: FileLoaded, source: BinaryIO) -> tuple[dict[str, Any], bool]:
        if b"bad" in source.read():
            raise fault
        source.seek(0)
        return await load(file, source)

    folder.load = stumbles
    os.utime(drop(tmp_path, "doe-jane.csv", "bad"), (1, 1))
    drop(tmp_path, "newer.csv", people.crosswalk())
    assert await folder.look(0.0) == 1
    assert names(tmp_path, "done") == ["newer.csv"]
    assert names(tmp_path, "working") == ["jane.csv"]
    drop(tmp_path, "newest.csv", people.crosswalk() + "la-child-id,X2,\n")
    assert await folder.look(1.0) == 1
    for turn in range(MOST_FAILURES):
        await folder.look(2.0 + turn)
    assert names(tmp_path, "refused") == ["doe-jane.csv"]
    assert names(tmp_path, "in", "working") == []
    (report,) = reports(tmp_path, "refused")
    assert words in report["parameter"][-1]["resource"]["issue"][0]["diagnostics"]
    assert "doe-jane" not in caplog.text.replace(str(tmp_path), "")


@SQLITE
async def test_want_of_room_is_counted_against_no_file(world: World, tmp_path: Path) -> None:
    """Too many open files, a full disk: the file waits for as long as that lasts, and is loaded then."""
    folder = watch(world, tmp_path, settle=0)
    load = folder.load

    async def full(file: FileLoaded, source: BinaryIO) -> tuple[dict[str, Any], bool]:
        raise OSError(errno.ENOSPC, "no room")

    folder.load = full
    drop(tmp_path, "a.csv", people.crosswalk())
    for turn in range(MOST_FAILURES + 2):
        assert await folder.look(float(turn)) == 0
    folder.load = load
    assert await folder.look(60.0) == 1
    assert names(tmp_path, "done") == ["a.csv"]


@SQLITE
async def test_what_cannot_be_opened_is_refused_too(world: World, tmp_path: Path) -> None:
    """A link in the place of a file is never followed; it does not stay for ever either."""
    folder = watch(world, tmp_path, settle=0)
    (tmp_path / "secret").write_text(people.crosswalk())
    (tmp_path / "working" / "0123456789ab-link.csv").symlink_to(tmp_path / "secret")
    for turn in range(MOST_FAILURES):
        await folder.look(float(turn))
    assert names(tmp_path, "refused") == ["link.csv"]
    assert names(tmp_path, "working", "done") == []
    assert len(reports(tmp_path, "refused")) == 1
