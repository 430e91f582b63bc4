"""Erasure: two people destroy a person's key; what is left names nobody, and every proof of the log stays as it was."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, LEO, RUBY, STRANGER, TRUST, Person
from gateway.demo.receiver import Receiver
from gateway.exchanges.records.erasures import Erasure
from gateway.exchanges.reviews import OwnQueue, list_reviews
from gateway.exchanges.subjects.ask_erasure import (
    EraseRequest,
    ErasureRequest,
    OwnErasures,
    ask_erasure,
    list_erasures,
    withdraw_erasure,
)
from gateway.exchanges.subjects.ask_expired import ExpiredRequest, ask_expired
from gateway.exchanges.subjects.erase_person import Again, erase_person, replay_erasure
from gateway.exchanges.subjects.legal_holds import OwnHolds, list_holds
from gateway.exchanges.wishes.shield import ShieldRequest, set_shield
from gateway.fhir.outcomes import Conflict, Forbidden, NotFound, Unprocessable
from gateway.store import clock
from gateway.store.audit_log import LAST_CHECKPOINT
from gateway.store.export_log import export_log
from gateway.store.sql import Read
from gateway.store.upkeep import keep_up
from gateway.store.verify_log import verify_log
from tests.data.edge import plain
from tests.edge.durable import all_sealed, ask, change
from tests.edge.guardians import opened_in_danger, override, settled, urgent
from tests.edge.test_call_backs import PATH as REQUEST_CONTACT
from tests.edge.test_call_backs import nurse, queue, request
from tests.edge.test_legal_holds import erasing, hold, lift
from tests.edge.test_subject_access import facts_of, finished, number, prepare, recorded, staff
from tests.world import World, groups, part

S47 = "safeguarding-s47"


async def asked(world: World, person: Person, agency: str = TRUST, ground: str = "retention-ended") -> str:
    """An erasure that waits for a second person."""
    request = EraseRequest(staff("dpo1", agency), number(person), ground, "Eight years have passed")
    return str(await world.gateway.ledger.run_alone(ask_erasure, request))


async def erased(world: World, person: Person, agency: str = TRUST) -> Erasure:
    """A person's record, erased by two."""
    request = ErasureRequest(staff("dpo2", agency), await asked(world, person, agency))
    done: Erasure = await world.gateway.ledger.run_alone(erase_person, request)
    return done


async def register(world: World, agency: str = TRUST) -> list[Erasure]:
    """The register of an agency."""
    return list(await world.gateway.ledger.run(list_erasures, OwnErasures(staff("dpo1", agency))))


def rows_of(world: World, person: str) -> dict[str, int]:
    """How many rows of each table are of a person's row."""
    beside = ("person_token", "match_term", "record", "subject_report", "legal_hold")
    wanted = {"person": "id", **dict.fromkeys(beside, "person")}
    return {
        table: ask(world.settings, f"SELECT count(*) FROM {table} WHERE {column} = '{person}'")[0][0]
        for table, column in wanted.items()
    }


def row_of(world: World, person: Person, agency: str = TRUST) -> str:
    """An agency's row of a person, as the database has it."""
    token = world.gateway.context.vault.nhs_token(person.nhs).hex()
    literal = f"'\\x{token}'" if world.settings.on_postgres else f"X'{token}'"
    return str(ask(world.settings, f"SELECT person FROM person_token WHERE token = {literal} AND agency = '{agency}'")[0][0])


async def test_two_people_erase_a_record_and_it_is_as_a_stranger_s(fed: World) -> None:
    """Under a duty the agency says what it says of anybody whom it does not hold; no row of theirs is left."""
    row = row_of(fed, AMINA)
    assert [part(one, "answer") for one in groups(await fed.social_worker().hears(AMINA, S47, case="C-1"))] == ["known"]
    waiting = await asked(fed, AMINA)
    with pytest.raises(Forbidden, match="somebody else"):
        await fed.gateway.ledger.run_alone(erase_person, ErasureRequest(staff("dpo1"), waiting))
    assert rows_of(fed, row)["person"] == 1
    done = await fed.gateway.ledger.run_alone(erase_person, ErasureRequest(staff("dpo2"), waiting))
    assert done.records >= 2 and set(rows_of(fed, row).values()) == {0}
    of_her = await fed.social_worker().asks(AMINA, S47, case="C-1")
    of_nobody = await fed.social_worker().asks(STRANGER, S47, case="C-1")
    assert plain(of_her.content) == plain(of_nobody.content).replace(STRANGER.born.encode(), AMINA.born.encode())
    with pytest.raises(NotFound):
        await prepare(fed, AMINA)


async def test_the_key_is_gone_from_the_database(fed: World) -> None:
    """Neither the wrapped key nor anything that it sealed is anywhere in what is stored."""
    row = row_of(fed, AMINA)
    key, identity = ask(fed.settings, f"SELECT content_key, identity FROM person WHERE id = '{row}'")[0]
    bodies = [one[0] for one in ask(fed.settings, f"SELECT body FROM record WHERE person = '{row}'")]
    await erased(fed, AMINA)
    if fed.settings.on_postgres:
        for table in ("person", "record", "record_version"):
            stored = ask(fed.settings, f"SELECT * FROM {table}")
            assert not [
                one
                for one in stored
                if {bytes(key), bytes(identity), *map(bytes, bodies)}
                & {bytes(v) for v in one if isinstance(v, (bytes, memoryview))}
            ]
        return
    ask(fed.settings, "PRAGMA wal_checkpoint(TRUNCATE)")
    stored = b"".join(path.read_bytes() for path in sorted(fed.settings.data.glob("gateway.sqlite*")))
    assert not [one for one in (key, identity, *bodies) if bytes(one)[:48] in stored]


async def test_the_register_names_nobody(fed: World) -> None:
    """On which ground, by whom, when, how many records; whose it was cannot be read from it, nor found but by a keyed token."""
    done = await erased(fed, AMINA)
    (line,) = await register(fed)
    assert (line.id, line.state, line.ground, line.asked_by, line.erased_by) == (
        done.id,
        "erased",
        "retention-ended",
        "dpo1",
        "dpo2",
    )
    assert line.person == "" and line.reason == "" and line.records == done.records
    assert await register(fed, COUNCIL) == []
    tokens = [bytes(one[0]) for one in ask(fed.settings, "SELECT token FROM erased_token")]
    others = {bytes(one[0]) for one in ask(fed.settings, "SELECT token FROM person_token")}
    assert len(tokens) == 2 and others.isdisjoint(tokens)
    assert fed.gateway.context.vault.nhs_token(AMINA.nhs) not in tokens
    (event,) = await recorded(fed, "erase_person")
    assert facts_of(event)["first"] == "dpo1" and facts_of(event)["ground"] == "retention-ended"


async def test_the_log_of_an_erased_person_stays_and_every_proof_holds(fed: World, tmp_path: Path) -> None:
    """The same entries, the same leaves; the gateway's own check and the handed-out verifier pass, also against the head of before."""
    for person in (AMINA, STRANGER):
        await fed.social_worker().hears(person, S47, case="C-1")
    await all_sealed(fed.settings, fed.gateway.ledger)
    await keep_up(fed.gateway.ledger, fed.gateway.context.vault)
    ledger, vault, stored = fed.gateway.ledger, fed.gateway.context.vault, fed.settings.database_url or fed.settings.database_file
    held = tmp_path / "head"
    held.write_text((await ledger.read([Read(LAST_CHECKPOINT)]))[0][0][1])
    leaves = ask(fed.settings, "SELECT place, hash FROM audit_leaf ORDER BY place")
    await erased(fed, AMINA)
    await all_sealed(fed.settings, ledger)
    await keep_up(ledger, vault)
    assert ask(fed.settings, "SELECT place, hash FROM audit_leaf ORDER BY place")[: len(leaves)] == leaves
    verdict = verify_log(stored, vault)
    assert verdict.ok, verdict.says
    folder = tmp_path / "export"
    await asyncio.to_thread(export_log, stored, vault, folder)
    command = [sys.executable, "-I", str(folder / "verify.py"), str(folder), "--checkpoint", str(held)]
    ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(await fed.auditor().searches_for("AuditEvent", AMINA)) >= 3


async def test_what_stands_against_an_erasure_is_told_at_once_and_again_at_the_end(fed: World) -> None:
    """A hold, a shield, a report, a subscription of one's own: all of them in one refusal, also for the second person."""
    waiting = await asked(fed, AMINA)
    await hold(fed, AMINA)
    await prepare(fed, AMINA)
    await fed.gateway.ledger.run_alone(set_shield, ShieldRequest(staff("dpo1"), number(AMINA), "Moved to a refuge"))
    with pytest.raises(Conflict) as refused:
        await fed.gateway.ledger.run_alone(erase_person, ErasureRequest(staff("dpo2"), waiting))
    for said in ("legal hold", "shielded", "report to the person"):
        assert said in str(refused.value)
    assert rows_of(fed, row_of(fed, AMINA))["person"] == 1
    trust = fed.as_("trust-epr", "nurse7", "ward-nurse", "amh-care-planning")
    made = await trust.post(
        "/fhir/Subscription", people.subscription(BETH, "discharged", "https://r.example/fhir", "amh-care-planning")
    )
    assert made.status_code == 201, made.text
    with pytest.raises(Conflict, match="still subscribes"):
        await fed.gateway.ledger.run_alone(ask_erasure, erasing(BETH))


async def test_an_erasure_is_asked_for_once_and_can_be_given_up(fed: World) -> None:
    """Twice at a time is refused; given up, it can be asked for again; the ground is one of a list."""
    first = await asked(fed, AMINA)
    with pytest.raises(Conflict, match="asked for already"):
        await asked(fed, AMINA)
    await fed.gateway.ledger.run_alone(withdraw_erasure, ErasureRequest(staff("dpo1"), first))
    with pytest.raises(Conflict, match="finished"):
        await fed.gateway.ledger.run_alone(erase_person, ErasureRequest(staff("dpo2"), first))
    await asked(fed, AMINA)
    with pytest.raises(Unprocessable, match="ground is one of"):
        await asked(fed, BETH, ground="because")
    with pytest.raises(NotFound):
        await fed.gateway.ledger.run_alone(erase_person, ErasureRequest(staff("dpo2", COUNCIL), first))


async def test_a_record_that_comes_again_is_taken_and_looked_at(fed: World) -> None:
    """The trust admits her anew: under a key of its own, with an item for its privacy office that names the erasure; somebody
    who was never erased opens none."""
    done = await erased(fed, AMINA)
    trust = fed.as_("trust-epr")
    await trust.sends("hl7v2-adt", people.adt("A01", AMINA, "M1"))
    await trust.sends("hl7v2-adt", people.adt("A01", STRANGER, "M7"))
    assert [part(one, "answer") for one in groups(await fed.social_worker().hears(AMINA, S47, case="C-1"))] == ["known"]
    (item,) = await fed.gateway.ledger.run(list_reviews, OwnQueue(staff("dpo1")))
    assert (item.kind, item.matter.patient, dict(item.matter.why)) == ("erased-before", number(AMINA), {"erasure": done.id})
    assert row_of(fed, AMINA) != done.row


async def test_notices_that_wait_are_not_sent_and_nothing_of_the_others_is_left(fed: World) -> None:
    """Their numbers stay, so that no gap tells of it; what was told cannot be read again; nobody is asked to take it up."""
    desk = Receiver("desk", key=fed.gateway.context.vault.signing.public_key()).up()
    try:
        council = fed.social_worker()
        made = people.subscription(AMINA, "discharged", desk.url, "duty-to-share-16la", case="C-1", reason="Child in need plan")
        answer = await council.post("/fhir/Subscription", made)
        assert answer.status_code == 201, answer.text
        trust = fed.as_("trust-epr")
        await trust.sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
        await fed.settle()
        assert desk.topics() == ["discharged"]
        await trust.sends("hl7v2-adt", people.adt("A01", AMINA, "M1", visit="M1B"))
        await trust.sends("hl7v2-adt", people.adt("A03", AMINA, "M1", visit="M1B"))
        await erased(fed, AMINA)
        await fed.settle()
        assert desk.topics() == ["discharged"]
    finally:
        desk.down()
    states = ask(fed.settings, "SELECT state, last_result FROM outbox")
    assert {one[0] for one in states} <= {"delivered", "withheld"} and ("withheld", "erased") in [tuple(one) for one in states]
    assert ask(fed.settings, "SELECT count(*) FROM acknowledgement")[0][0] == 0
    events = await council.get(f"/fhir/Subscription/{answer.json()['id']}/$events")
    assert events.status_code == 200, events.text
    assert AMINA.nhs not in events.text and "discharged" not in events.text.replace("SubscriptionTopic/discharged", "")


async def test_what_names_the_person_beside_the_record_goes_too(fed: World) -> None:
    """Reports that were approved, holds that were lifted, call-back requests; other people's stay."""
    await finished(fed, AMINA, release=True)
    other = await finished(fed, BETH, release=True)
    for person in (AMINA, BETH):
        assert (await nurse(fed).post(REQUEST_CONTACT, request(person))).status_code == 200
    await erased(fed, AMINA)
    assert [one[0] for one in ask(fed.settings, "SELECT id FROM subject_report")] == [other]
    assert [one["person"] for one in await queue(fed.ward())] == [number(BETH)]


async def test_the_child_s_record_goes_with_what_the_parent_s_says_of_it_and_no_further(fed: World) -> None:
    """The council erases one child: the line in his mother's record that names him goes; another family's stays."""
    await erased(fed, LEO, COUNCIL)
    council = fed.as_("council-system")
    assert not await council.searches_for("RelatedPerson", AMINA)
    assert await council.searches_for("RelatedPerson", BETH)
    assert await council.searches_for("Flag", RUBY)


async def test_after_a_restore_the_register_is_replayed(fed: World) -> None:
    """A record that the backup brought back goes again, by its row, without anybody being asked; twice does nothing more."""
    row = row_of(fed, BETH)
    await hold(fed, BETH)
    again = Again(row, TRUST, 1_700_000_000_000_000)
    assert await fed.gateway.ledger.run_alone(replay_erasure, again) is True
    assert set(rows_of(fed, row).values()) == {0}
    assert await fed.gateway.ledger.run_alone(replay_erasure, again) is False
    (line,) = await register(fed)
    assert (line.row, line.ground, line.erased) == (row, "replayed", 1_700_000_000_000_000)


async def test_what_has_expired_is_put_forward_and_what_is_held_is_kept(fed: World) -> None:
    """Eight years without a change: one user puts it forward, a hold keeps it, another carries out what nothing keeps."""
    trust = staff("dpo1")
    expired = await fed.gateway.ledger.run_alone(ask_expired, ExpiredRequest(trust))
    assert (expired.erasures, expired.kept) == ((), 0)
    for table in ("person", "record"):
        change(fed.settings, f"UPDATE {table} SET updated = 1 WHERE agency = ?", TRUST)
    change(fed.settings, "UPDATE person SET expires = '2020-01' WHERE agency = ?", TRUST)
    change(fed.settings, "UPDATE person SET updated = ? WHERE id = ?", clock.now(), row_of(fed, BETH))
    await hold(fed, AMINA)
    expired = await fed.gateway.ledger.run_alone(ask_expired, ExpiredRequest(trust))
    assert (len(expired.erasures), expired.kept) == (0, 2), "Amina is held, and Leo stands in her record; Beth's has changed"
    (held,) = await fed.gateway.ledger.run(list_holds, OwnHolds(trust))
    for user in ("dpo1", "dpo2"):
        await lift(fed, held.id, user)
    expired = await fed.gateway.ledger.run_alone(ask_expired, ExpiredRequest(trust))
    assert (len(expired.erasures), expired.kept) == (2, 0)
    for one in expired.erasures:
        with pytest.raises(Forbidden):
            await fed.gateway.ledger.run_alone(erase_person, ErasureRequest(trust, one))
        await fed.gateway.ledger.run_alone(erase_person, ErasureRequest(staff("dpo2"), one))
    assert ask(fed.settings, f"SELECT id FROM person WHERE agency = '{TRUST}'") == [(row_of(fed, BETH),)]


async def test_an_open_review_and_a_case_list_stand_against_an_erasure(fed: World) -> None:
    """A privacy office that is still looking at an override, and a team that still follows the person."""
    opened_in_danger(fed.settings)
    await settled(fed)
    answer = await (await urgent(fed)).post("/fhir/Patient/$known-to-services", override(AMINA))
    assert answer.status_code == 200, answer.text
    with pytest.raises(Conflict, match="a review about it is open"):
        await asked(fed, AMINA)
    group = {
        "resourceType": "Group", "type": "person", "actual": True, "name": "My team",
        "member": [{"entity": people.reference(BETH)}],
    }  # fmt: skip
    made = await fed.as_("trust-epr", "nurse7", "ward-nurse").post("/fhir/Group", group)
    assert made.status_code == 201, made.text
    with pytest.raises(Conflict, match="case list"):
        await asked(fed, BETH)


async def test_word_of_a_mistake_arrives_before_the_record_is_erased(fed: World) -> None:
    """What was told and proves wrong is on its way to who was told: until it is there the erasure waits."""
    desk = Receiver("desk", key=fed.gateway.context.vault.signing.public_key()).up()
    try:
        made = people.subscription(AMINA, "discharged", desk.url, "duty-to-share-16la", case="C-1", reason="Child in need plan")
        assert (await fed.social_worker().post("/fhir/Subscription", made)).status_code == 201
        trust = fed.as_("trust-epr")
        await trust.sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
        await fed.settle()
        assert desk.topics() == ["discharged"]
        await trust.sends("hl7v2-adt", people.adt("A13", AMINA, "M1"))
        with pytest.raises(Conflict, match="has not reached everybody"):
            await asked(fed, AMINA)
        await fed.settle()
        assert len(desk.topics()) == 2
        await erased(fed, AMINA)
    finally:
        desk.down()


async def test_who_was_told_of_what_should_never_have_been_held_hears_so_first(fed: World) -> None:
    """Asking on that ground takes back what was told, by the id of the notice; on another ground nobody is told anything."""
    desk = Receiver("desk", key=fed.gateway.context.vault.signing.public_key()).up()
    try:
        made = people.subscription(AMINA, "discharged", desk.url, "duty-to-share-16la", case="C-1", reason="Child in need plan")
        assert (await fed.social_worker().post("/fhir/Subscription", made)).status_code == 201
        await fed.as_("trust-epr").sends("hl7v2-adt", people.adt("A03", AMINA, "M1"))
        await fed.settle()
        given_up = ErasureRequest(staff("dpo1"), await asked(fed, AMINA))
        await fed.gateway.ledger.run_alone(withdraw_erasure, given_up)
        await fed.settle()
        assert desk.topics() == ["discharged"]
        waiting = ErasureRequest(staff("dpo2"), await asked(fed, AMINA, ground="wrong-or-unlawful"))
        with pytest.raises(Conflict, match="has not reached everybody"):
            await fed.gateway.ledger.run_alone(erase_person, waiting)
        await fed.settle()
        assert desk.topics() == ["discharged", "record-retracted"]
        await fed.gateway.ledger.run_alone(erase_person, waiting)
    finally:
        desk.down()
