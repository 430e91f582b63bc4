"""What the documentation says is so: settings, words, links, tests that it names, and the commands of the README."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gateway.api.scopes import SCOPES
from gateway.api.smart import parse_scopes
from gateway.settings import Settings
from tests.architecture.test_house import published, sources

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "mappings").rglob("*.md")])
OPERATE = (ROOT / "docs" / "operate.md").read_text()
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()


def rows(text: str, head: str) -> list[list[str]]:
    """The rows of the first table below a heading that begins so, cells stripped."""
    table = re.search(re.escape(head) + r".*?\n(\|.*?)(\n\n|\Z)", text, re.DOTALL)
    assert table, head
    lines = table[1].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def code(cell: str) -> str:
    """A cell without its backticks and stars."""
    return cell.strip("`* ")


def test_every_setting_is_described_with_its_default() -> None:
    """No more, no fewer; defaults that are paths of the package are told in words."""
    described = {code(row[0]).removeprefix("GATEWAY_").lower(): code(row[1]) for row in rows(OPERATE, "## Settings")}
    assert set(described) == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        if name not in ("keys", "mappings", "agreements"):
            assert described[name] == (
                str(field.default).lower() if isinstance(field.default, bool) else str(field.default) or "empty"
            ), name


def test_every_refusal_to_start_is_explained() -> None:
    """What an operator reads on standard error stands in the table, with what to do."""
    said = {text for row in rows(OPERATE, "## When it does not start") for text in re.findall(r"`([^`]+)`", row[0])}
    raised = "\n".join(text for path, text in sources().items() if path in RAISING)
    for one in said:
        parts = [part.strip() for part in one.split("...") if part.strip(" :")]
        assert all(_spoken(part) in raised for part in parts), one


RAISING = (
    "gateway/app.py",
    "gateway/deployment.py",
    "gateway/cli.py",
    "gateway/store/migrate.py",
    "gateway/store/vault.py",
    "gateway/store/erasure_register.py",
)


def _spoken(text: str) -> str:
    """A text as it stands in code: without the value that it was told of."""
    return re.sub(r"belong to a demo deployment", "belong to a", text).removesuffix(":")


def test_the_answers_are_those_that_are_published() -> None:
    """Each with what it does not mean."""
    described = rows(GLOSSARY, "## The answers")
    assert {code(row[0]) for row in described} == published("answer")
    assert all(len(row) == 3 and row[2] for row in described)
    assert {code(row[0]) for row in rows(GLOSSARY, "**Why `cannot-say`**")} == published("cannot-say-reason")


def test_no_answer_is_described_as_safe() -> None:
    """The word stands in the glossary only to say that it is not meant."""
    for row in rows(GLOSSARY, "## The answers"):
        assert "safe" not in row[1]


def test_every_word_of_the_glossary_is_used() -> None:
    """In code, or as a published code. A word that has gone from the code goes from here."""
    everything = "\n".join(sources().values())
    words = rows(GLOSSARY, "## Words")
    assert len(words) > 50
    assert not [row[2] for row in words if code(row[2]).rpartition(".")[2] not in everything]
    assert [code(row[0]).lower() for row in words] == sorted({code(row[0]).lower() for row in words}, key=_order)


def _order(word: str) -> str:
    """Alphabetical, with ``unmatched`` after ``upkeep`` wherever a reader looks for it."""
    return {"unmatched code": "upkeepz"}.get(word, word)


@pytest.mark.parametrize(
    "word",
    ["exchange", "disclosure", "directive", "agreement", "purpose of use", "involvement", "requester", "custodian", "topic"],
)
def test_the_words_of_the_field_are_explained(word: str) -> None:
    """Those that the house is built from."""
    assert f"| **{word}** |" in GLOSSARY


def test_links_lead_somewhere() -> None:
    """Every relative link of every page."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_tests_that_are_named_exist() -> None:
    """A hazard is held by tests that are there."""
    for page in PAGES:
        for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text()):
            assert (ROOT / path).exists(), path
            assert not name or f"def {name}(" in (ROOT / path).read_text(), name


def test_decisions_have_their_shape() -> None:
    """Dated, with options of which the first is to do nothing, and listed."""
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text()
    for page in folder.glob("0*.md"):
        text = page.read_text()
        assert re.search(r"^Date: \d{4}-\d\d-\d\d\.", text, re.MULTILINE), page.name
        assert [line for line in text.splitlines() if line.startswith("## ")] == [
            "## Context",
            "## Options",
            "## Decision",
            "## Consequences",
        ]
        assert "\n1. Do nothing" in text, page.name
        assert f"({page.name})" in listed


def test_commands_that_are_named_exist() -> None:
    """Every ``gateway ...`` of the pages is a command, or is listed as not there yet."""
    from typer.main import get_command

    from gateway.cli import cli

    commands = get_command(cli).commands  # type: ignore[attr-defined]
    for page in PAGES:
        for first, second in re.findall(
            r"`(?:\.venv/bin/)?gateway ([a-z]+(?:-[a-z]+)*)(?: ([a-z]+(?:-[a-z]+)*))?", page.read_text()
        ):
            assert first in commands, f"{page.name}: gateway {first}"
            nested = getattr(commands[first], "commands", None)
            assert nested is None or not second or second in nested, f"{page.name}: gateway {first} {second}"


# -- the README --------------------------------------------------------------------------------------------------------


def test_a_record_system_is_registered_with_what_it_needs_and_no_more() -> None:
    """The first start gives the record system neither the access log nor what is for a privacy office."""
    scopes = re.search(r"gateway client add northmoor-epr .*?--scopes '([^']*)'", OPERATE, re.DOTALL)
    assert scopes
    assert parse_scopes(scopes[1]) <= parse_scopes(" ".join(SCOPES))
    assert not {"AuditEvent", "$shield", "$withhold", "review"} & {one.split(".")[0].split("/")[1] for one in scopes[1].split()}


def blocks() -> list[str]:
    """The shell blocks of the README that are meant for a running demonstration."""
    return re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def free_port() -> int:
    """A port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.skipif(
    not any((Path(part) / "curl").exists() for part in os.environ["PATH"].split(":")), reason="curl is not on this machine"
)
def test_the_commands_of_the_readme_run_as_they_stand(tmp_path: Path) -> None:
    """A stranger gets to a working answer: the demonstration, then a lookup and a notification by curl."""
    data, port, hook = tmp_path / "demo-data", free_port(), free_port()
    demo = subprocess.Popen(
        [sys.executable, "-u", "-m", "gateway", "demo", "--data", str(data), "--port", str(port)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    receiver = subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "docs" / "examples" / "receiver.py"), str(hook)], stdout=subprocess.PIPE, text=True
    )
    try:
        story = told(demo, "goes on serving")
        assert "Every step came out as told." in story
        here = {
            "8080": str(port),
            "demo-data": str(data),
            ".venv/bin/gateway": f"{sys.executable} -m gateway",
            "@docs/examples/subscription.json": "@" + str(moved(tmp_path, hook)),
        }
        said = [run(block, here) for block in blocks()]
        for expected in ("tell-only-this-person", '"Northmoor duty desk"', '"known"', '"01632 960101"'):
            assert expected in said[0]
        assert '"no-information"' in said[1]
        assert "Southshire Council Children" in said[1]
        assert '"accepted"' in said[2]
        notice = told(receiver, '"read"')
        assert "notice: admitted | from: Northmoor Mental Health NHS Trust" in notice
        assert '"AuditEvent"' in said[3]
        assert "are as they were written" in said[3]
    finally:
        for process in (demo, receiver):
            process.terminate()
            process.communicate(timeout=30)


def moved(folder: Path, port: int) -> Path:
    """The example subscription for a receiver at another port."""
    text = (ROOT / "docs" / "examples" / "subscription.json").read_text()
    path = folder / "subscription.json"
    path.write_text(text.replace("8099", str(port)))
    json.loads(path.read_text())
    return path


def run(block: str, here: dict[str, str]) -> str:
    """Run a block of the README in a shell, with this run's port, folder and interpreter."""
    for stated, real in here.items():
        block = block.replace(stated, real)
    done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", block], cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout


def told(process: subprocess.Popen[str], last: str) -> str:
    """What a process printed up to a text; fails if it ends or takes too long."""
    lines: list[str] = []

    def listen() -> None:
        assert process.stdout
        for line in process.stdout:
            lines.append(line)
            if last in line:
                return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    thread.join(180)
    text = "".join(lines)
    assert last in text, text[-2000:]
    time.sleep(0.1)
    return text
