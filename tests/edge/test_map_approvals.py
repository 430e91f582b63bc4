"""Maps that an approver of their sender has read and signed: of exactly these lines, and what becomes of records without."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.api import loading
from gateway.api.load_report import Report
from gateway.api.loading import Desk
from gateway.api.records import sender_of
from gateway.demo import people
from gateway.disclosure.requester import Requester
from gateway.exchanges.agreements.approve_map import MapApproval, approval_text, approve_map
from gateway.fhir.outcomes import Conflict, Forbidden, Unprocessable
from gateway.mapping import load
from gateway.mapping.explain import fingerprint
from gateway.mapping.load_page import page
from gateway.settings import HERE
from tests.edge.durable import ask
from tests.edge.test_agreements_published import Signer, registered
from tests.edge.test_command_line import gateway as command
from tests.edge.test_mllp import admission, listening, sent
from tests.world import World

COUNCIL, LABEL = "TLA01", "dfe-csc-api@1.0.1"
CHILDREN = b'[{"la_child_id": "C1"}]'


def text_of(world: World, agency: str = COUNCIL, label: str = LABEL) -> bytes:
    """What is signed."""
    return approval_text(agency, label, fingerprint(world.gateway.context.mappings, label))


async def approves(world: World, signer: Signer, text: bytes, agency: str = COUNCIL) -> str:
    approval = MapApproval(agency, "dfe-csc-api", signer.over(text))
    digest: str = await world.gateway.ledger.run_alone(approve_map, approval)
    return digest


async def sends(world: World, how: str) -> Report:
    """The council's daily file at a gateway with a setting; the report."""
    requester, report = Requester("council-system", COUNCIL, frozenset()), Report()
    context = replace(world.gateway.context, unapproved_maps=how)
    sender = await sender_of(world.gateway.ledger, context, COUNCIL)
    await loading.load(Desk(world.gateway.ledger, context, requester), LABEL, CHILDREN, sender, report)
    return report


def test_an_approval_is_of_every_line_and_of_nothing_else(tmp_path: Path) -> None:
    """A tier that changes asks for another approval; who approved a row, and other formats, do not."""
    import shutil

    for part in ("records", "codes"):
        shutil.copytree(HERE / "mappings" / part, tmp_path / part)
    before = fingerprint(load(tmp_path), LABEL)
    row = tmp_path / "codes" / LABEL / "sex.csv"
    row.write_text(row.read_text().replace("awaiting review", "A. Guardian"))
    assert fingerprint(load(tmp_path), LABEL) == before
    child = tmp_path / "records" / LABEL / "child.toml"
    child.write_text(child.read_text().replace('tier = "relative-identity"', 'tier = "existence"', 1))
    assert fingerprint(load(tmp_path), LABEL) != before


async def test_an_approver_of_the_sender_approves(world: World) -> None:
    """On record with who, their role, when, and of which hash; twice is refused."""
    signer = await registered(world.gateway, "guardian", COUNCIL)
    digest = await approves(world, signer, text_of(world))
    assert digest == fingerprint(world.gateway.context.mappings, LABEL)
    assert ask(world.settings, "SELECT agency, format, hash, approver FROM map_approval") == [(COUNCIL, LABEL, digest, signer.id)]
    with pytest.raises(Conflict):
        await approves(world, signer, text_of(world))


async def test_nobody_else_approves(world: World) -> None:
    """Not another organisation's approver, not a signature over other maps, not nobody."""
    mine = await registered(world.gateway, "guardian", COUNCIL)
    theirs = await registered(world.gateway, "guardian", people.TRUST)
    for signer, text in ((theirs, text_of(world)), (mine, text_of(world, label="ssd@1.4")), (mine, text_of(world, people.TRUST))):
        with pytest.raises(Forbidden):
            await approves(world, signer, text)
    with pytest.raises(Forbidden):
        await world.gateway.ledger.run_alone(approve_map, MapApproval(COUNCIL, LABEL))
    with pytest.raises(Unprocessable):
        await approves(world, mine, text_of(world), "X99")
    assert ask(world.settings, "SELECT count(*) FROM map_approval") == [(0,)]


@pytest.mark.parametrize(("how", "named"), [("allow", []), ("warn", [LABEL])])
async def test_records_of_a_map_that_nobody_approved_are_taken(world: World, how: str, named: list[str]) -> None:
    """In silence, or with a word of it in the report, as the deployment has it."""
    report = await sends(world, how)
    assert (report.accepted, report.unapproved) == (1, named)
    assert [one["valueString"] for one in report.as_fhir()["parameter"] if one["name"] == "unapproved"] == named


async def test_records_of_a_map_that_nobody_approved_are_refused(world: World) -> None:
    """Before the first record, with the name of the map, where the deployment wants approval."""
    with pytest.raises(Forbidden, match=LABEL):
        await sends(world, "refuse")
    assert ask(world.settings, "SELECT count(*) FROM person") == [(0,)]


async def test_a_message_by_a_map_that_nobody_approved_is_rejected(world: World) -> None:
    """Over MLLP too: AR with the reason, so that it is kept and sent again, until it is approved."""
    world.gateway.context = replace(world.gateway.context, unapproved_maps="refuse")
    async with listening(world) as port:
        (refused,) = await sent(port, admission("1"))
        assert refused[1][1] == "AR" and "has approved the map hl7v2-adt@2.8" in str(refused)
        assert ask(world.settings, "SELECT count(*) FROM person") == [(0,)]
        signer = await registered(world.gateway, "guardian", people.TRUST)
        approval = MapApproval(people.TRUST, "hl7v2-adt", signer.over(text_of(world, people.TRUST, "hl7v2-adt@2.8")))
        await world.gateway.ledger.run_alone(approve_map, approval)
        (taken,) = await sent(port, admission("1"))
        assert taken[1][1] == "AA"


async def test_records_of_a_map_that_was_approved_are_taken(world: World) -> None:
    """Whatever the setting, and without a word."""
    signer = await registered(world.gateway, "dpo", COUNCIL)
    await approves(world, signer, text_of(world))
    for how in ("refuse", "warn"):
        assert (await sends(world, how)).unapproved == []


def test_the_page_of_a_report_says_it() -> None:
    """In words, above the counts per rule."""
    assert "has approved the map ssd@1.4" in page({"parameter": [{"name": "unapproved", "valueString": "ssd@1.4"}]})


def test_the_commands_write_what_is_to_be_signed_and_list_approvals(tmp_path: Path) -> None:
    """From the file to sign to the table of approvals."""
    data = tmp_path / "data"
    assert command("migrate", "--data", data, GATEWAY_KIND="test").code == 0
    profile = tmp_path / "council.json"
    council = next(one for one in people.AGENCIES if one.code == COUNCIL)
    profile.write_text(json.dumps(council.profile))
    assert command("agency", "add", COUNCIL, council.name, council.kind, "--profile", profile, "--data", data).code == 0
    signer, key, text, signature = Signer(), tmp_path / "key.pem", tmp_path / "map", tmp_path / "map.sig"
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key.write_bytes(signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    added = command("approver", "add", "--agency", COUNCIL, "--role", "guardian", "--name", "Dr A", "--key", key, "--data", data)
    signer.id = added.out.split()[1]
    approve = ("mappings", "approve", "dfe-csc-api", "--agency", COUNCIL, "--data", data)
    assert command(*approve, "--to-sign", text).code == 0
    signature.write_bytes(signer.key.sign(text.read_bytes()))
    approved = command(*approve, "--signature", f"{signer.id}={signature}")
    assert approved.out.startswith(f"{LABEL} is approved for {COUNCIL}"), approved.err
    (line,) = command("mappings", "approvals", "--data", data).out.splitlines()[1:]
    assert [line.split()[place] for place in (0, 1, 3, 6)] == [COUNCIL, LABEL, "guardian", "yes"]
    assert command("mappings", "approve", "nonsense", "--agency", COUNCIL, "--data", data).code == 2
