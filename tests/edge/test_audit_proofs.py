"""Proofs of the access log over HTTP, signatures of other agencies, exports and restores, on real gateways."""

from __future__ import annotations

import asyncio
import base64
import functools
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from httpx import ASGITransport

from gateway import app as wiring
from gateway.audit.checkpoint import BadCheckpoint, Key, parse_and_verify, sign
from gateway.audit.cosignature import cosignatures
from gateway.audit.merkle import Frontier, consistency_proof, leaf_hash, verify_consistency, verify_inclusion
from gateway.audit.receipt import parse_receipt
from gateway.audit.submission import Submission
from gateway.audit.vouched import HOUR, INCONSISTENT, SIGNS
from gateway.cosigning import AGAIN_AFTER, Desk, ask_witnesses, sign_and_ask, take_up
from gateway.demo.people import AMINA, COUNCIL, STRANGER, TRUST, Person
from gateway.deployment import Gateway
from gateway.exchanges.log.declare_restore import Lost, check_lost, declare_restore
from gateway.exchanges.log.witnesses import NewWitness, add_witness, remove_witness, witness_log
from gateway.exchanges.notices.decide_notice import Unvouched
from gateway.exchanges.notices.lease_notice import Due, lease_notice
from gateway.fhir.outcomes import Conflict, GatewayError, Unprocessable
from gateway.partners.witnesses import Replied
from gateway.store import clock, witnesses
from gateway.store.export_log import VERIFIER, ExportFault, export_log
from gateway.store.log_tree import prove_consistency
from gateway.store.sql import Read
from gateway.store.upkeep import Rewritten, keep_up, last_signed, log_keys
from gateway.store.vault import load_keys, make_keys
from gateway.store.verify_log import verify_log
from tests.data.edge import exchange, log_of, outcome
from tests.edge.durable import all_sealed, ask, change
from tests.edge.guardians import overrides, settled, urgent
from tests.edge.test_delivery_lease import one_notice
from tests.world import BASE, World, settings_for

CHECKPOINT, INCLUSION, CONSISTENCY = "/audit/checkpoint", "/audit/proof/inclusion", "/audit/proof/consistency"


async def grow(world: World, times: int = 2) -> int:
    """Some lookups more, sealed, and the head signed; gives its size."""
    for _ in range(times):
        await world.social_worker().hears(STRANGER, "safeguarding-s47", case="C-1")
    await all_sealed(world.settings, world.gateway.ledger)
    return await keep_up(world.gateway.ledger, world.gateway.context.vault)


def keys_of(gateway: Gateway) -> tuple[Key, ...]:
    return log_keys(gateway.context.vault, 0)


@dataclass
class Other:
    """Another agency's gateway; ``post`` is the way to its witness, over HTTP. ``down``: it does not answer."""

    gateway: Gateway
    client: httpx.AsyncClient
    down: bool = False
    asked: int = 0
    answer: Replied | None = None  # what it says instead

    @property
    def key(self) -> Key:
        return witnesses.public_witness_key(self.gateway.context.vault)

    async def post(self, url: str, text: str) -> Replied:
        self.asked += 1
        if self.down:
            return Replied(0, "ConnectError")
        if self.answer is not None:
            return self.answer
        told = await self.client.post(url.removeprefix("https://council.example"), content=text.encode())
        return Replied(told.status_code, told.text, told.headers["content-type"])


@pytest.fixture
async def other(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Other]:
    """A second gateway, with keys of its own."""
    make_keys(tmp_path / "other.keys", "test")
    settings = settings_for(tmp_path / "other", tmp_path / "other.keys", "")
    shutil.copy(sqlite_template, settings.database_file)
    app = wiring.make_app(settings)
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url=BASE) as client:
            yield Other(app.state.gateway, client)


async def introduce(world: World, other: Other) -> Desk:
    """The other agency witnesses this log, and this gateway asks it."""
    await other.gateway.ledger.run_alone(witness_log, keys_of(world.gateway)[0].text)
    new = NewWitness(other.key.text, "https://council.example/witness/add-checkpoint")
    assert await world.gateway.ledger.run_alone(add_witness, new) == other.key.name
    return Desk(world.gateway.ledger, world.gateway.context.vault, other)


async def state_of(world: World) -> tuple[str, int]:
    """The state of the one witness, and the size that it signed last."""
    ((row,),) = await world.gateway.ledger.read([Read(witnesses.WITNESSES)])
    return row[3], row[4]


def decoded(answer: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(one) for one in answer["proof"]]


# --- proofs over HTTP ------------------------------------------------------------------------------------------------


async def test_inclusion_and_consistency_are_proved_over_http(fed: World) -> None:
    """Every entry of the signed tree, and every earlier head: what is handed out holds by RFC 9162, against the signed root."""
    old = await grow(fed)
    size = await grow(fed, 3)
    auditor = fed.auditor()
    head = parse_and_verify((await auditor.get(CHECKPOINT)).text, keys_of(fed.gateway))
    assert head.size == size > old
    for index in (0, 1, old, size - 1):
        told = (await auditor.get(f"{INCLUSION}?index={index}&size={size}")).json()
        leaf = base64.b64decode(told["leafHash"])
        assert leaf == bytes(ask(fed.settings, f"SELECT hash FROM audit_leaf WHERE place = {index}")[0][0])
        assert verify_inclusion(leaf, index, size, decoded(told), head.root)
        assert parse_and_verify(told["checkpoint"], keys_of(fed.gateway)).root == head.root
    told = (await auditor.get(f"{CONSISTENCY}?old={old}&size={size}")).json()
    earlier = (await auditor.get(f"{INCLUSION}?index=0&size={old}")).json()
    root = parse_and_verify(earlier["checkpoint"], keys_of(fed.gateway)).root
    assert base64.b64decode(told["oldRoot"]) == root
    assert verify_consistency(old, size, root, head.root, decoded(told))
    assert {exchange(one) for one in await log_of(auditor, exchange="prove")} == {"prove"}


@pytest.mark.parametrize(
    ("path", "status"),
    [(INCLUSION, 400), (f"{INCLUSION}?index=-1", 400), (f"{INCLUSION}?index=x", 400), (f"{INCLUSION}?index=99999", 404),
     (f"{INCLUSION}?index=0&size=99998", 404), (f"{CONSISTENCY}?old=0", 400), (CONSISTENCY, 400), (f"{CONSISTENCY}?old=99999", 400)],
)  # fmt: skip
async def test_what_cannot_be_proved_is_refused(world: World, path: str, status: int) -> None:
    """Nothing follows from an empty log; what is not in the tree, and heads that were not signed, are not there."""
    await grow(world)
    outcome(await world.auditor().get(path), status)


async def test_proofs_are_for_auditors_and_witnesses(world: World) -> None:
    """Others may not even learn how fast the log grows; a witness gets no receipt for an entry."""
    await grow(world)
    ward = world.ward()
    for path in (CHECKPOINT, f"{INCLUSION}?index=0", f"{CONSISTENCY}?old=1", f"/audit/receipt/{'0' * 32}"):
        outcome(await ward.get(path), 403)
        outcome(await world.client.get(path), 401)
    outcome(await world.auditor().get(f"/audit/receipt/{'0' * 32}"), 404)


async def test_a_receipt_proves_an_entry_and_its_holder_gets_the_leaf(fed: World) -> None:
    """Two kilobytes at most. The asker's auditor gets the proof of its own question without the bytes that show the outcome;
    all entries of one question have one place."""
    await fed.ward().asks(AMINA, "amh-care-planning", "children")
    events = {one: await log_of(fed.auditor(one), exchange="look_up_status") for one in ("trust", "council")}
    await grow(fed)
    held, places = set(), set()
    for agency, found in events.items():
        for event in found:
            told = await fed.auditor(agency).get(f"/audit/receipt/{event['id']}")
            assert told.status_code == 200 and len(told.content) < 2048
            receipt = parse_receipt(told.text)
            leaf = bytes(ask(fed.settings, f"SELECT hash FROM audit_leaf WHERE place = {receipt.index}")[0][0])
            assert receipt.check(keys_of(fed.gateway)).size > receipt.index
            assert leaf_hash(receipt.enclosed.leaf) == leaf
            custodian, outcome_ = ask(fed.settings, f"SELECT custodian, outcome FROM audit_entry WHERE id = '{event['id']}'")[0]
            assert bool(receipt.enclosed.entry) == (custodian == {"trust": TRUST, "council": COUNCIL}[agency])
            if receipt.enclosed.entry:
                assert json.loads(receipt.enclosed.entry)["outcome"] == outcome_
            held.add(bool(receipt.enclosed.entry))
            places.add(receipt.index)
    assert held == {True, False}
    assert len(places) == 1


async def growth(world: World, person: Person) -> tuple[int, set[str]]:
    """By how much a question about somebody makes the tree grow, and what the asker's receipts say of it but for id and time."""
    before = await grow(world, 1)
    await world.ward().asks(person, "amh-care-planning", "self", "children")
    event = (await log_of(world.auditor(), exchange="look_up_status"))[0]  # the newest
    grown = await grow(world, 1) - before
    told = parse_receipt((await world.auditor().get(f"/audit/receipt/{event['id']}")).text)
    facts = {**json.loads(told.enclosed.leaf), "recorded": 0, "commitment": ""}
    return grown, {json.dumps(facts), f"{len(told.proof)} hashes", f"{len(told.enclosed.data())} bytes"}


async def test_a_stranger_makes_the_log_grow_as_much_as_a_known_family(fed: World) -> None:
    """One leaf for each question, whoever holds the person: heads, places and the asker's receipts tell nothing."""
    await growth(fed, STRANGER)  # who asks has tokens then, which are on record too
    known, strange = await growth(fed, AMINA), await growth(fed, STRANGER)
    entries = ask(fed.settings, "SELECT count(*) FROM audit_beside")[0][0]
    assert entries > 0  # other organisations' lines about the family are on record
    assert known[0] == strange[0]
    assert {one for one in known[1] if "hashes" not in one} == {one for one in strange[1] if "hashes" not in one}


async def test_a_line_of_another_organisation_that_is_changed_or_gone_is_found(fed: World) -> None:
    """What stands beside the first line of an exchange is as well proved as the first."""
    await fed.ward().asks(AMINA, "amh-care-planning", "self", "children")
    await grow(fed)
    place, beside = ask(
        fed.settings,
        "SELECT l.place, b.entry FROM audit_beside b JOIN audit_leaf l ON l.entry = b.first ORDER BY l.place, b.entry",
    )[0]
    database = fed.settings.database_url or fed.settings.database_file
    verify = functools.partial(verify_log, database, fed.gateway.context.vault)
    assert verify().ok
    for sql, fault, undo in (
        (
            "UPDATE audit_entry SET outcome = outcome + 1 WHERE id = ?",
            "altered",
            "UPDATE audit_entry SET outcome = outcome - 1 WHERE id = ?",
        ),
        (
            "UPDATE audit_beside SET entry = entry || 'x' WHERE entry = ?",
            "missing",
            "UPDATE audit_beside SET entry = ? WHERE length(entry) > 32",
        ),
        ("DELETE FROM audit_beside WHERE entry = ?", "altered", ""),
    ):
        change(fed.settings, sql, beside)
        found = verify()
        assert (found.ok, found.fault, found.first_bad) == (False, fault, place)
        if undo:
            change(fed.settings, undo, beside)
            assert verify().ok


# --- signed by other agencies ----------------------------------------------------------------------------------------


async def test_another_agency_signs_our_heads_one_after_the_other(fed: World, other: Other) -> None:
    """From the first head on, each with a proof from the last; the signatures stand below the checkpoint that auditors get."""
    desk = await introduce(fed, other)
    for times in (1, 3, 2):
        size = await grow(fed, times)
        await ask_witnesses(desk, clock.now())
        assert await state_of(fed) == ("signs", size)
    note = (await fed.auditor().get(CHECKPOINT)).text
    (found,) = cosignatures(note, [other.key])
    assert found.name == other.key.name
    assert abs(found.at - clock.now() // clock.SECOND) < 60
    asked = other.asked
    await ask_witnesses(desk, clock.now())
    assert other.asked == asked  # nothing new to sign
    await ask_witnesses(desk, clock.now() + AGAIN_AFTER + clock.SECOND)
    assert other.asked == asked + 1  # silence is told from quiet


async def test_witnessing_leaves_no_entries(fed: World, other: Other) -> None:
    """Two gateways that witness each other do not grow each other's log for ever."""
    desk = await introduce(fed, other)
    await grow(fed)
    before = [ask(fed.settings, "SELECT count(*) FROM audit_entry")[0][0], await _entries(other)]
    await ask_witnesses(desk, clock.now())
    assert [ask(fed.settings, "SELECT count(*) FROM audit_entry")[0][0], await _entries(other)] == before


async def _entries(other: Other) -> int:
    return int(ask(other.gateway.settings, "SELECT count(*) FROM audit_entry")[0][0])


async def submit(other: Other, submission: Submission) -> httpx.Response:
    return await other.client.post("/witness/add-checkpoint", content=submission.text().encode())


async def test_a_witness_answers_as_the_protocol_says(fed: World, other: Other) -> None:
    """404 unknown log, 403 not its signature, 400 sizes, 409 with the size it knows, 422 no proof; 200 is durable and signed."""
    ledger, vault = fed.gateway.ledger, fed.gateway.context.vault
    first = await grow(fed)
    signed = await last_signed(ledger, vault)
    assert signed is not None
    outcome(await submit(other, Submission(0, (), signed.note)), 404)
    await other.gateway.ledger.run_alone(witness_log, keys_of(fed.gateway)[0].text)
    outcome(await submit(other, Submission(0, (), signed.note.replace("\n\u2014", "x\n\u2014"))), 400)
    forged = signed.note.replace(f"\n{first}\n", f"\n{first + 1}\n")
    outcome(await submit(other, Submission(0, (), forged)), 403)
    outcome(await submit(other, Submission(first + 1, (), signed.note)), 400)
    told = await submit(other, Submission(first - 1, (), signed.note))
    assert (told.status_code, told.text, told.headers["content-type"]) == (409, "0\n", "text/x.tlog.size")
    outcome(await submit(other, Submission(0, (bytes(32),), signed.note)), 422)
    told = await submit(other, Submission(0, (), signed.note))
    assert told.status_code == 200
    assert cosignatures(signed.note + told.text, [other.key])
    assert (await submit(other, Submission(first, (), signed.note))).status_code == 200  # again, with a new time
    second = await grow(fed)
    signed = await last_signed(ledger, vault)
    assert signed is not None
    proof = await prove_consistency(ledger, first, second)
    outcome(await submit(other, Submission(first, proof[:-1], signed.note)), 422)
    told = await submit(other, Submission(0, (), signed.note))
    assert (told.status_code, told.text) == (409, f"{first}\n")
    both = await asyncio.gather(*(submit(other, Submission(first, proof, signed.note)) for _ in range(4)))
    assert sorted(one.status_code for one in both) == [200, 409, 409, 409]  # compared and stored in one
    for text in (b"", b"old 1\n", b"\xff", b"x" * 20_000):
        assert (await other.client.post("/witness/add-checkpoint", content=text)).status_code in (400, 413)


async def test_of_submissions_at_once_one_is_signed(world: World) -> None:
    """Compared and stored in one, by all workers: nobody rolls back what another signed in between."""
    key, origin = Ed25519PrivateKey.generate(), "council.example/log"
    leaves = [leaf_hash(bytes([number])) for number in range(60)]
    await world.gateway.ledger.run_alone(witness_log, Key.of(origin, key).text)

    async def submits(old: int, size: int) -> int:
        note = sign(origin, size, Frontier().extend(leaves[:size]).root(), key)
        body = Submission(old, consistency_proof(leaves, old, size) if old else (), note).text()
        return (await world.client.post("/witness/add-checkpoint", content=body.encode())).status_code

    assert await submits(0, 5) == 200
    known = 5
    for size in (10, 20, 30, 40, 50):
        told = await asyncio.gather(*(submits(known, size + step) for step in range(4)))
        assert sorted(told) == [200, 409, 409, 409]
        known = size + told.index(200)
        assert ask(world.settings, "SELECT size FROM witnessed_log") == [(known,)]


async def test_a_witness_that_lost_track_is_asked_from_what_it_knows(fed: World, other: Other) -> None:
    """A signature that was given but not received, and one that was forgotten there: both are made good by asking once more."""
    desk = await introduce(fed, other)
    size = await grow(fed)
    await ask_witnesses(desk, clock.now())
    change(fed.settings, "UPDATE audit_witness SET known = 0")
    later = await grow(fed)
    await ask_witnesses(desk, clock.now())
    assert await state_of(fed) == ("signs", later)
    assert later > size


async def test_a_silent_witness_stops_wishes_after_four_hours_and_no_duty(fed: World, other: Other) -> None:
    """Alert after one hour; then 503 with the numbers to ring; an override and a duty go on; a signature ends it."""
    desk = await introduce(fed, other)
    other.down = True
    await grow(fed)
    vouched = fed.gateway.context.vouched
    await sign_and_ask(desk, vouched)
    assert await state_of(fed) == ("silent", 0)
    assert vouched.state(clock.now()) == "ok"
    change(fed.settings, "UPDATE audit_witness SET vouched = ?", clock.now() - HOUR - clock.SECOND)
    await take_up(fed.gateway.ledger, vouched)
    assert vouched.state(clock.now()) == "alert"
    assert (await _ready(fed))["log"] == "alert"
    assert (await fed.ward().asks(AMINA, "amh-care-planning", "children")).status_code == 200
    change(fed.settings, "UPDATE audit_witness SET vouched = ?", clock.now() - 4 * HOUR - clock.SECOND)
    await take_up(fed.gateway.ledger, vouched)
    refused = await fed.ward().asks(AMINA, "amh-care-planning", "children")
    (issue,) = outcome(refused, 503)
    assert "ring" in issue["diagnostics"] and any(letter.isdigit() for letter in issue["diagnostics"])
    assert refused.headers["retry-after"] == "60"
    stranger = await fed.ward().asks(STRANGER, "amh-care-planning", "children")
    assert stranger.content == refused.content
    assert (await fed.social_worker().asks(AMINA, "safeguarding-s47", case="C-1")).status_code == 200
    logged = [one for one in await log_of(fed.auditor(), agent="nurse7") if "log-unwitnessed" in str(one)]
    assert len(logged) == 2
    other.down = False
    await sign_and_ask(desk, vouched)
    assert (await fed.ward().asks(AMINA, "amh-care-planning", "children")).status_code == 200


async def _ready(world: World) -> Any:
    return (await world.client.get("/health/ready")).json()


async def test_a_log_that_was_taken_back_stops_all_but_overrides(fed: World, other: Other) -> None:
    """The witness signed more entries than there are now: nothing is disclosed until it is explained."""
    await settled(fed)
    fed.tokens.clear()  # clients were added: tokens from before are superseded
    worker = await urgent(fed)
    desk = await introduce(fed, other)
    size = await grow(fed, 4)
    await ask_witnesses(desk, clock.now())
    cut(fed, size - 3)
    await fed.social_worker().hears(STRANGER, "safeguarding-s47", case="C-1")
    await all_sealed(fed.settings, fed.gateway.ledger)
    vouched = fed.gateway.context.vouched
    await sign_and_ask(desk, vouched)
    assert (await state_of(fed))[0] == "inconsistent"
    outcome(await fed.social_worker().asks(AMINA, "safeguarding-s47", case="C-1"), 503)
    outcome(await fed.ward().asks(AMINA, "amh-care-planning", "children"), 503)
    assert (await overrides(worker, AMINA)).status_code == 200
    assert (await _ready(fed))["log"] == "stopped"


async def test_notices_wait_while_nobody_vouches_for_the_log(world: World, other: Other) -> None:
    """They stay in the outbox as they are, neither sent nor withheld, and go when there is a signature."""
    notice = await one_notice(world)
    ledger, vouched = world.gateway.ledger, world.gateway.context.vouched
    await introduce(world, other)
    change(world.settings, "UPDATE audit_witness SET state = ?", INCONSISTENT)
    await take_up(ledger, vouched)
    stands = ask(world.settings, "SELECT state, attempts, epoch, number FROM outbox")
    with pytest.raises(Unvouched):
        await ledger.run_alone(lease_notice, Due(notice))
    assert ask(world.settings, "SELECT state, attempts, epoch, number FROM outbox") == stands
    change(world.settings, "UPDATE audit_witness SET state = ?, vouched = ?", SIGNS, clock.now())
    await take_up(ledger, vouched)
    assert await ledger.run_alone(lease_notice, Due(notice)) is not None


async def test_a_witness_that_errs_stops_nothing(fed: World, other: Other) -> None:
    """It says that the tree is another one, but the head that it signed itself leads to ours: that is its own fault."""
    desk = await introduce(fed, other)
    await grow(fed)
    await ask_witnesses(desk, clock.now())
    await grow(fed)
    other.answer = Replied(422, "no")
    await sign_and_ask(desk, fed.gateway.context.vouched)
    assert (await state_of(fed))[0] == "refuses"
    assert fed.gateway.context.vouched.state(clock.now()) == "ok"
    other.answer = Replied(200, "\u2014 council.example AAAAAAAAAAAAAAAA\n")
    await ask_witnesses(desk, clock.now())
    assert (await state_of(fed))[0] == "refuses"


async def test_a_tree_that_was_rewritten_is_not_signed(fed: World, other: Other) -> None:
    """The log never signs two histories: altered leaves and a head that fits them are noticed before the next signature."""
    desk = await introduce(fed, other)
    size = await grow(fed)
    await ask_witnesses(desk, clock.now())
    change(fed.settings, "UPDATE audit_leaf SET hash = ? WHERE place = 2", bytes(32))
    await fed.social_worker().hears(STRANGER, "safeguarding-s47", case="C-1")
    await all_sealed(fed.settings, fed.gateway.ledger)
    hashes = [bytes(one) for (one,) in ask(fed.settings, "SELECT hash FROM audit_leaf ORDER BY place")]
    change(fed.settings, "UPDATE log_head SET frontier = ?", Frontier().extend(hashes).to_bytes())
    with pytest.raises(Rewritten):
        await keep_up(fed.gateway.ledger, fed.gateway.context.vault)
    await sign_and_ask(desk, fed.gateway.context.vouched)
    assert ask(fed.settings, "SELECT max(size) FROM audit_checkpoint")[0][0] == size
    assert fed.gateway.context.vouched.state(clock.now()) == "stopped"


async def test_who_witnesses_is_administration_on_record(world: World, other: Other) -> None:
    """Adding and removing leave entries; other kinds of key, our own, and a second time are refused."""
    await introduce(world, other)
    new = NewWitness(other.key.text, "https://council.example/witness/add-checkpoint")
    run = world.gateway.ledger.run_alone
    with pytest.raises(Conflict):
        await run(add_witness, new)
    for wrong in (
        NewWitness(keys_of(other.gateway)[0].text, new.url),
        NewWitness("x", new.url),
        NewWitness(witnesses.public_witness_key(world.gateway.context.vault).text, new.url),
        NewWitness(other.key.text, "ftp://council.example"),
    ):
        with pytest.raises(Unprocessable):
            await run(add_witness, wrong)
    for key in (other.key.text, "x"):
        with pytest.raises(Unprocessable):
            await run(witness_log, key)
    await run(remove_witness, other.key.name)
    with pytest.raises(Unprocessable):
        await run(remove_witness, other.key.name)
    exchanges = [row[0] for row in ask(world.settings, "SELECT exchange FROM audit_entry")]
    assert exchanges.count("add_witness") == exchanges.count("remove_witness") == 1


# --- exports and restores --------------------------------------------------------------------------------------------


def checked(folder: Path, **more: Any) -> Any:
    """What the script inside an export finds; raises its Fault."""
    spec = importlib.util.spec_from_file_location("exported_verify", folder / "verify.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["exported_verify"] = module
    spec.loader.exec_module(module)
    return module, module.verify(folder, **more)


def database(world: World) -> Any:
    return world.settings.database_url or world.settings.database_file


async def test_an_export_is_checked_by_the_script_inside(fed: World, other: Other, tmp_path: Path) -> None:
    """Every entry up to the signed head, the other agency's signature, and nobody's name or number anywhere."""
    desk = await introduce(fed, other)
    size = await grow(fed)
    await ask_witnesses(desk, clock.now())
    seen: list[tuple[int, int]] = []
    folder = tmp_path / "export"
    assert (
        await asyncio.to_thread(export_log, database(fed), fed.gateway.context.vault, folder, lambda *at: seen.append(at)) == size
    )
    assert seen[-1] == (size, size)
    _, found = checked(folder, expected=[keys_of(fed.gateway)[0].text, other.key.text])
    assert (found.entries, found.cosigned) == (size, {other.key.name: size})
    for file in filter(Path.is_file, folder.iterdir()):  # the script was run: compiled, it stands in a folder
        assert AMINA.nhs.encode() not in file.read_bytes()
    assert (folder / "verify.py").read_bytes() == VERIFIER.read_bytes()
    with pytest.raises(ExportFault):
        export_log(database(fed), fed.gateway.context.vault, folder)


async def test_an_entry_that_was_altered_in_the_database_shows_in_the_export(fed: World, tmp_path: Path) -> None:
    """The line of an altered, and of a missing row does not give its hash: the check names its index."""
    await grow(fed)
    for number, sql in enumerate(("UPDATE audit_entry SET purpose = 'x' WHERE id = ?", "DELETE FROM audit_entry WHERE id = ?")):
        change(fed.settings, sql, ask(fed.settings, f"SELECT entry FROM audit_leaf WHERE place = {7 - number}")[0][0])
        export_log(database(fed), fed.gateway.context.vault, tmp_path / str(number))
        with pytest.raises(Exception) as told:  # noqa: PT011 - the script's own
            checked(tmp_path / str(number))
        assert (told.value.index, told.value.kind) == (7 - number, "edited")  # type: ignore[attr-defined]


async def test_an_erased_person_leaves_every_proof_valid(fed: World, tmp_path: Path) -> None:
    """A person's content key destroyed, and even a year's key of the log: nothing opens, everything verifies."""
    size = await grow(fed)
    change(fed.settings, "UPDATE person SET content_key = ?", bytes(60))
    change(fed.settings, "UPDATE audit_key SET wrapped = ?", bytes(60))
    assert verify_log(database(fed), load_keys(fed.settings.keys_folder)).ok
    export_log(database(fed), fed.gateway.context.vault, tmp_path / "export")
    assert checked(tmp_path / "export")[1].entries == size


def cut(world: World, size: int) -> None:
    """The database as a backup had it: everything after an entry is gone, head and heads too, and what was answered since."""
    hashes = [bytes(one) for (one,) in ask(world.settings, "SELECT hash FROM audit_leaf ORDER BY place")][:size]
    beside = "SELECT b.entry FROM audit_beside b JOIN audit_leaf l ON l.entry = b.first WHERE l.place >= ?"
    change(world.settings, f"DELETE FROM audit_entry WHERE id IN ({beside})", size)
    change(world.settings, f"DELETE FROM audit_beside WHERE entry IN ({beside})", size)
    change(world.settings, "DELETE FROM audit_entry WHERE id IN (SELECT entry FROM audit_leaf WHERE place >= ?)", size)
    change(world.settings, "DELETE FROM audit_leaf WHERE place >= ?", size)
    change(world.settings, "DELETE FROM audit_checkpoint WHERE size > ?", size)
    change(world.settings, "DELETE FROM audit_cosignature WHERE size > ?", size)
    change(world.settings, "UPDATE log_head SET frontier = ?", Frontier().extend(hashes).to_bytes())
    world.answered.clear()


async def test_a_restore_that_is_declared_is_the_one_fork_that_verifies(fed: World, other: Other, tmp_path: Path) -> None:
    """Declared with the lost head: the log goes on under a new origin, witnesses sign it, both verifiers say what happened."""
    desk = await introduce(fed, other)
    kept = await grow(fed)
    lost = await grow(fed, 3)
    await ask_witnesses(desk, clock.now())
    ledger, context = fed.gateway.ledger, fed.gateway.context
    signed = await last_signed(ledger, context.vault)
    assert signed is not None
    with pytest.raises(Conflict):
        await check_lost(context, ledger, Lost(signed.note))
    cut(fed, kept)
    await sign_and_ask(desk, context.vouched)
    assert context.vouched.state(clock.now()) == "stopped"
    with pytest.raises(Unprocessable):
        await check_lost(context, ledger, Lost("x"))
    declared = await ledger.run_alone(declare_restore, await check_lost(context, ledger, Lost(signed.note)))
    assert (declared.size, declared.lost) == (kept, lost)
    with pytest.raises(Conflict):
        await ledger.run_alone(declare_restore, signed.head)
    await all_sealed(fed.settings, ledger)
    await sign_and_ask(desk, context.vouched)
    assert (await state_of(fed))[0] == "refuses"  # the other agency does not witness the new origin yet
    assert context.vouched.state(clock.now()) == "ok"
    await other.gateway.ledger.run_alone(witness_log, log_keys(context.vault, 1)[1].text)
    size = await grow(fed)
    await sign_and_ask(desk, context.vouched)
    assert await state_of(fed) == ("signs", size)
    verdict = verify_log(database(fed), load_keys(fed.settings.keys_folder))
    assert verdict.ok and f"restored from backup, as declared, at {kept} entries" in verdict.says
    export_log(database(fed), context.vault, tmp_path / "export")
    module, found = checked(tmp_path / "export", held=signed.note)
    assert "covers entries lost by the restore" in module.says(found)
    change(fed.settings, "DELETE FROM audit_restore")
    assert not verify_log(database(fed), load_keys(fed.settings.keys_folder)).ok


async def test_a_restore_is_declared_before_anything_else_is_done(fed: World) -> None:
    """A log that has grown past the lost head with other entries cannot say any more where it was taken back to."""
    kept = await grow(fed)
    lost = await grow(fed, 1)
    ledger, context = fed.gateway.ledger, fed.gateway.context
    signed = await last_signed(ledger, context.vault)
    assert signed is not None and signed.head.size == lost
    cut(fed, kept)
    await grow(fed, 5)
    with pytest.raises(GatewayError, match="before the gateway serves"):
        await check_lost(context, ledger, Lost(signed.note))


def command(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    """``gateway audit ...`` on the world's database."""
    settings = world.settings
    environment = {
        "PATH": "/usr/bin:/bin", "GATEWAY_KIND": "test", "GATEWAY_DATA": str(settings.data),
        "GATEWAY_KEYS": str(settings.keys_folder), "GATEWAY_DATABASE_URL": settings.database_url,
        "GATEWAY_AGREEMENTS": str(settings.agreements),
    }  # fmt: skip
    run = [Path(sys.executable).with_name("gateway"), "audit", *words]
    return subprocess.run(run, env=environment, capture_output=True, text=True, timeout=120)


async def test_the_commands_of_an_operator(fed: World, other: Other, tmp_path: Path) -> None:
    """Keys to hand over, a witness added and listed, a log witnessed, an export that its script passes, a restore refused."""
    await grow(fed)

    async def run(*words: str) -> str:
        told = await asyncio.to_thread(command, fed, *words)
        assert told.returncode == 0, told.stderr
        return told.stdout

    log, witness = (await run("keys")).splitlines()
    assert log == f"log {keys_of(fed.gateway)[0].text}"
    assert witness.startswith("witness gateway.example/witness/")
    await run("witness", "add", other.key.text, "https://council.example/witness/add-checkpoint")
    await run("witness-for", keys_of(other.gateway)[0].text)
    listed = await run("witness", "list")
    assert other.key.name in listed and keys_of(other.gateway)[0].name in listed
    await run("witness", "remove", other.key.name)
    folder = tmp_path / "export"
    assert "entries in" in await run("export", "--out", str(folder))
    checking = [sys.executable, str(folder / "verify.py"), str(folder)]
    told = await asyncio.to_thread(subprocess.run, checking, capture_output=True, text=True, timeout=120)
    assert (told.returncode, told.stdout[:3]) == (0, "OK:"), told.stdout
    (tmp_path / "head").write_text((await fed.auditor().get(CHECKPOINT)).text)
    told = await asyncio.to_thread(command, fed, "declare-restore", "--last", str(tmp_path / "head"))
    assert told.returncode != 0 and "Nothing was lost" in told.stderr
    told = await asyncio.to_thread(command, fed, "export", "--out", str(folder))
    assert told.returncode != 0 and "not empty" in told.stderr


def test_a_receipt_for_another_log_is_refused(tmp_path: Path) -> None:
    """A checkpoint of a stranger vouches for nothing of ours."""
    make_keys(tmp_path / "a.keys", "test")
    make_keys(tmp_path / "b.keys", "test")
    vault = load_keys(tmp_path / "a.keys")
    note = sign(log_keys(vault, 0)[0].name, 1, bytes(32), load_keys(tmp_path / "b.keys").signing)
    with pytest.raises(BadCheckpoint):
        parse_and_verify(note, log_keys(vault, 0))
