"""The command line as an operator meets it: what each command prints, where, and with which exit code."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gateway import app as wiring
from gateway.cli import main
from gateway.demo import people
from gateway.demo.client import new_key
from gateway.settings import Settings

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((ROOT / "mappings" / "records").glob("*/examples/*.in.*"))
AGREEMENTS = ROOT / "mappings" / "agreements" / "example"


@dataclass(slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard error as JSON lines."""
        return [json.loads(line) for line in self.err.splitlines()]

    @property
    def plain(self) -> str:
        """The one line that a refusal is: on standard error alone, with exit code 2."""
        assert self.code == 2, (self.code, self.err)
        assert not self.out
        (line,) = self.err.splitlines()
        assert line.startswith("gateway: ")
        return line


def gateway(*words: object, **environment: str) -> Ran:
    """Run the command in this process, without anything of the surrounding environment's settings."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as here, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
            here.delenv(name)
        for name, value in {"COLUMNS": "200", "GATEWAY_UNAPPROVED_MAPS": "allow", **environment}.items():
            here.setenv(name, value)
        here.setattr(sys, "argv", ["gateway", *(str(word) for word in words)])
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


def shell(*words: object, **environment: str) -> Ran:
    """Run the command as a shell would: for those that set up the logging of a process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    command = [sys.executable, "-m", "gateway", *(str(word) for word in words)]
    done = subprocess.run(command, cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True, timeout=120)
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedded test deployment with two agencies and a client, made by commands alone."""
    folder = tmp_path_factory.mktemp("line")
    data = folder / "data"
    assert gateway("migrate", "--data", data, GATEWAY_KIND="test").code == 0
    shutil.copytree(AGREEMENTS, data / "agreements")
    for agency in people.AGENCIES[:2]:
        profile = folder / f"{agency.code}.json"
        profile.write_text(json.dumps(agency.profile))
        added = gateway(
            "agency", "add", agency.code, agency.name, agency.kind, "--profile", profile, "--complete", "--data", data
        )
        assert (added.code, added.out) == (0, f"agency {agency.code} is registered\n"), added.err
    jwks = folder / "jwks.json"
    jwks.write_text(json.dumps(new_key(folder / "trust-epr.pem")))
    added = gateway(
        "client", "add", "trust-epr", people.TRUST, "Record", "--jwks", jwks, "--purpose", "amh-care-planning", "--data", data
    )
    assert (added.code, added.out) == (0, "client trust-epr is registered\n"), added.err
    assert "--scopes" in added.err, "nobody gives a client everything without being told"
    return data


@pytest.fixture
def crosswalk(tmp_path: Path) -> Path:
    """The council's list of numbers as a file."""
    path = tmp_path / "crosswalk.csv"
    path.write_text(people.crosswalk())
    return path


# -- without a deployment ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_a_dry_run_gives_a_bundle_and_a_report(example: Path, tmp_path: Path) -> None:
    """Standard output is the Bundle alone, standard error JSON lines; nothing is stored, no key or database is made."""
    ran = gateway("map", example.parent.parent.name, example, GATEWAY_DATA=str(tmp_path / "data"))
    assert ran.code == 0
    bundle = json.loads(ran.out)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    assert bundle["entry"]
    assert {line["kind"] for line in ran.lines} <= {"refusal", "warning", "unmatched"}
    assert not list(tmp_path.iterdir())


def test_a_dry_run_names_the_place_of_each_refusal() -> None:
    """Faulty records are reported beside the good ones, which are mapped: exit code 0."""
    ran = gateway("map", "dfe-csc-api", ROOT / "mappings/records/dfe-csc-api@1.0.1/examples/faults-beside-good-records.in.json")
    refusals = [line for line in ran.lines if line["kind"] == "refusal"]
    assert ran.code == 0
    assert refusals and all(line["record"] and line["text"] for line in refusals)


@pytest.mark.parametrize(
    ("fmt", "content", "says"),
    [
        ("dfe-csc-api", b"not json", "JSON"),
        ("crosswalk", b"\x00\x01", "NUL"),
        ("hl7v2-adt", b"PID|1\r", ""),
        (
            "nonsense",
            b"{}",
            "The formats are: crosswalk, dfe-cin-census, dfe-csc-api, dfe-ssda903, fhir, hl7v2-adt, mhsds, relationships, ssd.",
        ),
    ],
)
def test_a_file_of_which_nothing_can_be_read_is_refused(fmt: str, content: bytes, says: str, tmp_path: Path) -> None:
    """Exit code 2, no Bundle, and a line that says why."""
    path = tmp_path / "file"
    path.write_bytes(content)
    ran = gateway("map", fmt, path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.lines[0]["kind"] == "refusal"
    assert says in ran.lines[0]["text"]


def test_a_file_that_is_not_there_is_one_plain_line(tmp_path: Path) -> None:
    """The name that was given, and what the system says of it."""
    assert gateway("map", "fhir", tmp_path / "none").plain.endswith("none cannot be read: No such file or directory")


def test_the_maps_pass_their_lint() -> None:
    """Nothing found is nothing said."""
    ran = gateway("mappings", "check")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_a_bad_map_is_named_by_file_and_line(tmp_path: Path) -> None:
    """The lint finds it with exit code 1, and a dry run does not begin."""
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    (tmp_path / "mappings" / "records" / "crosswalk@1" / "person.toml").write_text('[[leaf]]\nto = "nowhere"\n')
    ran = gateway("mappings", "check", GATEWAY_MAPPINGS=str(tmp_path / "mappings"))
    assert ran.code == 1
    assert "person.toml:" in ran.out
    ran = gateway("map", "fhir", EXAMPLES[0], GATEWAY_MAPPINGS=str(tmp_path / "mappings"))
    assert ran.code == 2
    assert "person.toml:" in ran.err


@pytest.mark.parametrize(
    "fmt",
    [
        "crosswalk",
        "dfe-cin-census",
        "dfe-cin-census@2021",
        "dfe-csc-api",
        "dfe-ssda903",
        "fhir",
        "hl7v2-adt",
        "mhsds",
        "relationships",
        "ssd",
    ],
)
def test_a_map_is_explained_in_words(fmt: str, tmp_path: Path) -> None:
    """As a table to read, and as a page to send round."""
    ran = gateway("mappings", "explain", fmt)
    assert ran.code == 0
    assert ran.out.startswith("source")
    page = tmp_path / "page.html"
    assert gateway("mappings", "explain", fmt, "--html", page).code == 0
    assert page.read_text().count("<tr>") == len(ran.out.splitlines())


def test_an_unknown_format_is_not_explained() -> None:
    """The line names those that there are."""
    assert "The formats are:" in gateway("mappings", "explain", "nonsense").plain


def test_a_changed_map_shows_new_disclosures_first(tmp_path: Path) -> None:
    """A reviewer reads what is added before what is taken away; nothing changed says nothing."""
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    place = tmp_path / "mappings" / "codes" / "crosswalk@1" / "verification_status.csv"
    rows = list(csv.reader(place.read_text().splitlines()))
    with place.open("w", newline="") as file:
        csv.writer(file).writerows([*rows[:-1], [*rows[-1][:-1], "another note"]])
    same = gateway("mappings", "diff", ROOT / "mappings", ROOT / "mappings")
    ran = gateway("mappings", "diff", ROOT / "mappings", tmp_path / "mappings")
    assert (same.code, same.out) == (0, "")
    assert ran.code == 0
    assert [line[0] for line in ran.out.splitlines()] == ["+", "-"]


def test_agreements_are_linted_and_shown(tmp_path: Path) -> None:
    """The version, and who may learn what."""
    ran = gateway("agreements", "check", "--folder", AGREEMENTS)
    assert ran.code == 0
    assert ran.out.endswith("2 organisations share by these agreements\n")
    table = gateway("agreements", "table", "--folder", AGREEMENTS)
    assert table.out.splitlines()[0].split() == ["from", "to", "for", "roles", "what", "basis", "with", "it", "valid"]
    page = tmp_path / "page.html"
    assert gateway("agreements", "table", "--folder", AGREEMENTS, "--html", page).code == 0
    assert page.read_text().count("<tr>") == len(table.out.splitlines())


def test_a_bad_agreement_is_one_plain_line(tmp_path: Path) -> None:
    """An unknown purpose, and a folder that is not there."""
    text = (AGREEMENTS / "southshire-council.toml").read_text().replace('"early-help"', '"early-hepl"')
    (tmp_path / "council.toml").write_text(text)
    assert "early-hepl" in gateway("agreements", "check", "--folder", tmp_path).plain
    assert "is not a folder of agreements" in gateway("agreements", "table", "--folder", tmp_path / "none").plain


def test_a_bad_setting_is_named_as_it_is_written_in_the_environment() -> None:
    """Not as it is called in code."""
    assert shell("serve", GATEWAY_PORT="eighty").plain.startswith("gateway: setting GATEWAY_PORT: ")


# -- on a deployment ---------------------------------------------------------------------------------------------------


def test_a_load_ends_with_a_report(deployment: Path, crosswalk: Path) -> None:
    """Counts as one JSON object on standard output; no progress bar where there is no terminal."""
    ran = gateway("load", "crosswalk", crosswalk, "--agency", people.COUNCIL, "--data", deployment)
    assert ran.code == 0, ran.err
    counts = json.loads(ran.out)
    assert (counts["received"], counts["accepted"], counts["refused"]) == (2, 2, 0)
    assert not ran.err


def test_a_load_of_which_nothing_lands_is_exit_code_2(deployment: Path, tmp_path: Path) -> None:
    """The report is given all the same."""
    bad = tmp_path / "bad.csv"
    bad.write_text(people.crosswalk().replace("9990001014", "9990001015").replace("9990001030", "9990001031"))
    ran = gateway("load", "crosswalk", bad, "--agency", people.COUNCIL, "--data", deployment)
    assert ran.code == 2
    assert json.loads(ran.out)["refused"] == 2
    assert len(ran.lines) == 2


def test_wrong_names_are_one_plain_line(deployment: Path, crosswalk: Path, tmp_path: Path) -> None:
    """Format, file, agency, folder."""
    assert "The formats are:" in gateway("load", "nonsense", crosswalk, "--agency", people.COUNCIL, "--data", deployment).plain
    assert (
        "cannot be read"
        in gateway("load", "crosswalk", tmp_path / "none", "--agency", people.COUNCIL, "--data", deployment).plain
    )
    assert "not registered" in gateway("load", "crosswalk", crosswalk, "--agency", "NOBODY", "--data", deployment).plain
    mistyped = tmp_path / "dta"
    assert (
        "there is no deployment in"
        in gateway("load", "crosswalk", crosswalk, "--agency", people.COUNCIL, "--data", mistyped).plain
    )
    assert not list(tmp_path.glob("dta*"))


def test_agencies_and_clients_are_registered_once(deployment: Path, tmp_path: Path) -> None:
    """A second time, an unknown agency, and files that cannot be read are refused in one line each."""
    profile, jwks = tmp_path / "profile.json", tmp_path / "jwks.json"
    profile.write_text("{}")
    jwks.write_text(json.dumps(new_key(tmp_path / "key.pem")))
    assert (
        "registered already"
        in gateway("agency", "add", people.TRUST, "x", "school", "--profile", profile, "--data", deployment).plain
    )
    assert (
        "registered already"
        in gateway("client", "add", "trust-epr", people.TRUST, "x", "--jwks", jwks, "--data", deployment).plain
    )
    assert "no agency NOBODY" in gateway("client", "add", "new", "NOBODY", "x", "--jwks", jwks, "--data", deployment).plain
    assert (
        "Unknown purposes"
        in gateway(
            "client", "add", "new", people.TRUST, "x", "--jwks", jwks, "--purpose", "curiosity", "--data", deployment
        ).plain
    )
    jwks.write_text("{")
    assert "jwks.json" in gateway("client", "add", "new", people.TRUST, "x", "--jwks", jwks, "--data", deployment).plain
    assert (
        "profile.jso"
        in gateway("agency", "add", "NEW", "x", "school", "--profile", tmp_path / "profile.jso", "--data", deployment).plain
    )


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ("[]", "it is an object"),
        ('{"sensitve": true}', "unknown setting sensitve; known are desks, sensitive"),
        ('{"traced": "false"}', "traced is true or false"),
        ('{"authorities": ["RIO"]}', "authorities is texts by name"),
        ('{"la_code": 999}', "la_code is a text"),
        ('{"desks": ["01632 960101"]}', "desks is a list of contacts"),
        ('{"desks": [{"name": "Front door"}]}', "the contact Front door: kind is one of duty-desk"),
        ('{"desks": [{"kind": "duty-desk", "phone": 1632}]}', "the contact duty-desk: phone is a text"),
        ('{"desks": [{"kind": "duty-desk", "telephone": "1"}]}', "the contact duty-desk: unknown setting telephone"),
        ('{"desks": [{"kind": "duty-desk", "available": [{"daysOfWeek": ["Monday"]}]}]}', "hours of the contact duty-desk: days"),
    ],
)
def test_a_profile_that_would_not_be_read_as_it_is_meant_is_refused(
    deployment: Path, tmp_path: Path, profile: str, says: str
) -> None:
    """A misspelt word could be the one that keeps a refuge unnamed, or that takes untraced numbers for traced ones."""
    file = tmp_path / "profile.json"
    file.write_text(profile)
    ran = gateway("agency", "add", "TNEW2", "x", "voluntary", "--profile", file, "--data", deployment)
    assert (ran.code, ran.out) == (2, "")
    assert "The profile of TNEW2:" in ran.plain
    assert says in ran.plain


def test_an_agency_is_of_a_kind_that_agreements_know_and_holds_records_from_a_day(deployment: Path, tmp_path: Path) -> None:
    """Another kind, a day that there is not, and the code of another agency in small letters are refused."""
    file = tmp_path / "profile.json"
    file.write_text("{}")
    words = ("--profile", file, "--data", deployment)
    assert (
        "no kind of agency refuge; known are adult-mental-health"
        in gateway("agency", "add", "TNEW3", "x", "refuge", *words).plain
    )
    dated = gateway("agency", "add", "TNEW3", "x", "voluntary", "--holds-from", "2018-13-01", *words)
    assert (dated.code, "2018-13-01 is no date" in dated.plain) == (2, True)
    assert "registered already" in gateway("agency", "add", people.TRUST.lower(), "x", "voluntary", *words).plain


def test_the_agencies_that_take_part_are_listed(deployment: Path) -> None:
    """As the refusal of a mistyped code says: code, name, kind, whether the feed is complete, and since when."""
    listed = gateway("agency", "list", "--data", deployment)
    assert listed.code == 0
    heading, *rows = listed.out.splitlines()
    assert heading.split() == ["agency", "name", "kind", "complete", "holds", "from"]
    assert [(row.split()[0], *row.split()[-3:]) for row in rows] == [
        ("TLA01", "children-social-care", "yes", "1970-01-01"),
        ("TMH01", "adult-mental-health", "yes", "1970-01-01"),
    ]


def test_an_agency_is_changed_by_its_operator(deployment: Path, tmp_path: Path) -> None:
    """What was named is said back and listed, what was not stays; a code that is not there and nothing to change are refused."""
    profile, at = tmp_path / "profile.json", ("--data", deployment)
    profile.write_text('{"desks": [{"kind": "duty-desk", "name": "New desk", "phone": "01632 960111"}]}')
    gateway("agency", "add", "TNEW9", "Old name", "voluntary", "--profile", profile, "--complete", "--fresh-hours", 24, *at)
    words = ("--name", "New name", "--not-complete", "--holds-from", "2019-01-01", "--fresh-hours", "12", "--profile", profile)
    for stated, said in ((words, "name, profile, complete, holds_from, fresh_hours"), (("--complete",), "complete")):
        ran = gateway("agency", "change", "TNEW9", *stated, *at)
        assert (ran.code, ran.out) == (0, f"agency TNEW9 is changed: {said}\n"), ran.err
        (row,) = [one for one in gateway("agency", "list", *at).out.splitlines() if one.startswith("TNEW9")]
        assert row.split() == ["TNEW9", "New", "name", "voluntary", "yes" if "--complete" in stated else "no", "2019-01-01"]
    assert "no agency NOBODY" in gateway("agency", "change", "NOBODY", "--complete", *at).plain
    assert "Say what is to change" in gateway("agency", "change", "TNEW9", *at).plain
    assert (
        "1 to 8760 hours"
        in gateway("agency", "add", "TNEW8", "x", "voluntary", "--profile", profile, "--fresh-hours", 0, *at).plain
    )
    profile.write_text('{"sensitve": true}')
    assert "unknown setting sensitve" in gateway("agency", "change", "TNEW9", "--profile", profile, *at).plain


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--scopes", "system/records.c system/review.su"), "no scopes are system/review.su; known are system/$known"),
        (("--scopes", "system/Frob.r"), "no scopes are system/Frob.r"),
        (("--role", "Ward Nurse"), "no roles are Ward Nurse"),
    ],
)
def test_a_client_is_registered_with_what_a_token_can_carry(
    deployment: Path, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    """A scope or role that no token ever has is refused when it is written down, not when the first nurse asks."""
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps(new_key(tmp_path / "key.pem")))
    ran = gateway("client", "add", "new-one", people.TRUST, "x", "--jwks", jwks, *words, "--data", deployment)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.plain


@pytest.mark.parametrize("words", [("outbox", "list"), ("reviews",), ("unmatched",)], ids=" ".join)
def test_nothing_found_is_not_said_of_an_agency_that_there_is_not(deployment: Path, words: tuple[str, ...]) -> None:
    """An empty list for a mistyped code would read as if nothing waited."""
    ran = gateway(*words, "--agency", "TM01", "--data", deployment)
    assert (ran.code, ran.out) == (2, "")
    assert "there is no agency TM01" in ran.plain


def test_what_is_stuck_and_what_is_not_known_is_listed(deployment: Path) -> None:
    """Headings alone where there is nothing: references, never a person."""
    heading = ["receiver", "waiting", "failing", "sending", "dead", "overdue", "oldest"]
    assert gateway("outbox", "--data", deployment).out.split() == heading
    assert gateway("outbox", "--json", "--data", deployment).out.strip() == "[]"
    assert gateway("unmatched", "--agency", people.TRUST, "--data", deployment).out.split() == [
        "table",
        "code",
        "seen",
        "first",
        "last",
    ]


def test_a_code_that_no_table_knows_is_listed_for_review(deployment: Path, tmp_path: Path) -> None:
    """With how often it came."""
    admission = tmp_path / "a01.hl7"
    admission.write_text(people.adt("A01", people.AMINA, "M1", kin=people.LEO).replace("CHD^Child", "ZZZ^Made up"), newline="")
    for _ in range(2):
        assert gateway("load", "hl7v2-adt", admission, "--again", "--agency", people.TRUST, "--data", deployment).code == 0
    (row,) = gateway("unmatched", "--agency", people.TRUST, "--data", deployment).out.splitlines()[1:]
    assert row.split()[1:3] == ["ZZZ", "2"]


def test_the_access_log_is_verified(deployment: Path, tmp_path: Path) -> None:
    """As it is: exit code 0. With one byte changed in a copy: exit code 1, and the entry is named."""
    ran = gateway("audit", "verify", "--data", deployment)
    assert ran.code == 0, ran.err
    assert "are as they were written" in ran.out
    copied = tmp_path / "data"
    shutil.copytree(deployment, copied)
    shutil.copytree(deployment.with_name("data.keys"), tmp_path / "data.keys")
    with sqlite3.connect(copied / "gateway.sqlite") as database:
        database.execute("UPDATE audit_entry SET requester = 'NOBODY' WHERE id = (SELECT entry FROM audit_leaf WHERE place = 1)")
    database.close()
    ran = gateway("audit", "verify", "--data", copied)
    assert ran.code == 1
    assert ran.out.startswith("Entry 1 ")


def test_a_missing_or_open_key_is_one_plain_line(deployment: Path, tmp_path: Path) -> None:
    """Naming the file and what to do."""
    copied, keys = tmp_path / "data", tmp_path / "data.keys"
    shutil.copytree(deployment, copied)
    assert "are missing: restore them" in gateway("migrate", "--data", copied).plain
    shutil.copytree(deployment.with_name("data.keys"), keys)
    (keys / "audit.key").chmod(0o644)
    assert "run chmod 600" in gateway("audit", "verify", "--data", copied).plain
    (keys / "audit.key").unlink()
    assert "restore it from the key backup" in shell("serve", "--data", copied).plain


def test_a_folder_that_is_served_or_a_port_that_is_taken_is_one_plain_line(deployment: Path) -> None:
    """Before a server is started."""
    import fcntl
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "cannot be listened on" in shell("serve", "--data", deployment, "--port", port).plain
    with (deployment / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another gateway is serving" in shell("serve", "--data", deployment).plain


def test_a_deliverer_of_its_own_is_for_postgres(deployment: Path) -> None:
    """Embedded, delivery is part of serving."""
    assert "delivers within serve" in shell("deliver", "--data", deployment).plain


@pytest.fixture(scope="module")
def serving(deployment: Path) -> Iterator[Path]:
    """The deployment while it serves, with the file in which test deployments keep their clients' keys."""
    settings = Settings(kind="test", data=deployment, agreements=deployment / "agreements", port=0)
    app = wiring.make_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    client = {
        "client_id": "trust-epr",
        "scopes": "system/records.c",
        "private_key_file": str(deployment.parent / "trust-epr.pem"),
    }
    # The audience of an assertion is the token endpoint as the gateway states it, whatever port a test gave it.
    said = {
        "base": f"http://127.0.0.1:{port}/fhir",
        "token_endpoint": f"http://127.0.0.1:{port}/oauth2/token",
        "clients": [client],
    }
    (deployment / "credentials.json").write_text(json.dumps(said))
    yield deployment
    server.should_exit = True
    thread.join(20)


def test_a_token_is_asked_for_at_the_real_endpoint(serving: Path) -> None:
    """What the endpoint refuses, a client that nobody knows, and a folder without credentials are one plain line each."""
    assert "the token endpoint refused" in gateway("token", "trust-epr", "--data", serving).plain
    assert "known are trust-epr" in gateway("token", "nobody", "--data", serving).plain
    assert "there is no" in gateway("token", "trust-epr", "--data", serving.parent).plain


def test_commands_take_short_turns_beside_a_serving_gateway(serving: Path, crosswalk: Path) -> None:
    """An operator need not stop it to load a file or look something up."""
    ran = gateway("load", "crosswalk", crosswalk, "--agency", people.COUNCIL, "--data", serving)
    assert ran.code == 0, ran.err
    assert gateway("audit", "verify", "--data", serving).code == 0


def test_a_client_is_revoked_once_known(deployment: Path) -> None:
    """Revoking what is not there is refused; what is there ends."""
    assert "no client nobody" in gateway("client", "revoke", "nobody", "--data", deployment).plain
    ran = gateway("client", "revoke", "trust-epr", "--data", deployment)
    assert (ran.code, ran.out) == (0, "client trust-epr is revoked\n")


def test_notices_are_sent_once_more_by_receiver_topic_and_time(deployment: Path) -> None:
    """Counted in a dry run; an agency, topic or time that is none is said in one line."""
    words = ("outbox", "replay", "--data", deployment, "--receiver")
    assert gateway(*words, people.COUNCIL, "--dry-run").out == "0 notices would be queued once more\n"
    assert (
        gateway(*words, people.COUNCIL, "--topic", "discharged", "--since", "2026-11-21").out
        == "0 notices are queued once more\n"
    )
    assert "no agency NOBODY" in gateway(*words, "NOBODY").plain
    assert "no topic gossip" in gateway(*words, people.COUNCIL, "--topic", "gossip").plain
    assert "is no time" in gateway(*words, people.COUNCIL, "--until", "yesterday").plain


def test_the_key_of_notices_is_changed_in_two_steps(tmp_path: Path, deployment: Path) -> None:
    """Rotate, then retire; each says what to do next, and neither is done twice."""
    keys = tmp_path / "keys"
    shutil.copytree(Settings(data=deployment, kind="demo").keys_folder, keys)
    here = {"GATEWAY_KEYS": str(keys)}
    assert "one key" in gateway("keys", "retire", "--data", deployment, **here).plain
    added = gateway("keys", "rotate", "--data", deployment, **here)
    assert (added.code, "restart every worker" in added.out) == (0, True)
    assert "two keys" in gateway("keys", "rotate", "--data", deployment, **here).plain
    retired = gateway("keys", "retire", "--data", deployment, **here)
    assert (retired.code, retired.out.split()[0] != added.out.split()[0]) == (0, True)
