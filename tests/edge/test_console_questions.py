"""The saved questions of the access log, each against a story that was played: who sees what, and what must be none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.audit.entry import DONE, Entry, Kind
from gateway.audit.questions import BY_NAME, search_of
from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, LEO, SCHOOL_NURSING, STRANGER, TRUST, Person
from gateway.disclosure.requester import Requester
from gateway.exchanges.access.keep_staff import StaffRegister, keep_staff, read_staff
from gateway.exchanges.administer import OPERATOR
from gateway.exchanges.context import entry_id
from gateway.exchanges.lines import line
from gateway.exchanges.log.ask_question import Asked, Lines, ask_question
from gateway.exchanges.log.record_check import Check, record_check
from gateway.exchanges.reviews import MOST_OPEN, Closing, Matter, close_review, opening
from gateway.fhir import systems
from gateway.settings import Settings
from gateway.store import clock
from gateway.store.ledger import Moment, Outcome
from gateway.store.upkeep import keep_up
from tests.data.edge import exchange, log_of
from tests.edge.desks import desk, status
from tests.edge.durable import change
from tests.edge.guardians import opened_in_danger, overrides, settled, urgent
from tests.edge.test_feedback import acknowledging, told
from tests.world import World

CARE, S47 = "amh-care-planning", "safeguarding-s47"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With an agreement for emergencies."""
    return opened_in_danger(settings)


@pytest.fixture
async def used(fed: World) -> World:
    """A day's work: a wish recorded, the ward hears of her child, a section 47 enquiry, two refusals."""
    wish = people.consent(LEO, AMINA, [people.permit(TRUST, CARE, "existence")], agency=COUNCIL, when="2026-01-01")
    assert (await fed.as_("council-system").post("/fhir/Consent", wish)).status_code == 201
    await fed.ward().hears(LEO, CARE)
    await fed.ward().hears(AMINA, CARE, "children")
    await fed.ward().hears(STRANGER, CARE)
    await fed.social_worker().hears(AMINA, S47, case="C-1")
    await fed.as_("school-nursing-system", "sn9", "school-nurse", "early-help").hears(AMINA, "early-help")
    return fed


async def answer(world: World, agency: str, name: str, person: Person | None = None, **given: Any) -> Lines:
    """What an agency's auditor is answered."""
    filled = {**given, **({"person": f"{systems.NHS_NUMBER}|{person.nhs}"} if person else {})}
    requester = Requester(f"pages-{agency}", agency, frozenset(), "aud7", "auditor", frozenset({"audit"}))
    return await ask_question(world.gateway.context, world.gateway.ledger, Asked(requester, name, filled))


async def lines(world: World, agency: str, name: str, person: Person | None = None, **given: Any) -> list[dict[str, Any]]:
    """The same, its lines alone, without the auditor's own question."""
    found = await answer(world, agency, name, person, **given)
    return [one for one in found.lines if one.get("who") != "aud7"]


async def test_every_question_is_on_record_before_it_is_answered(used: World) -> None:
    """With the person it is about, and its name; whoever looks at the person's entries later sees that somebody asked."""
    for name, question in BY_NAME.items():
        person = AMINA if any(one.kind == "number" for one in question.fields) else None
        await answer(used, TRUST, name, person, notice="n", consent="Consent/x")
    found = [one for one in await log_of(used.auditor("trust")) if exchange(one) == "ask_question"]
    assert len(found) == len(BY_NAME) == 16
    again = [one for one in (await answer(used, TRUST, "person", AMINA)).lines if one["who"] == "aud7"]
    assert [(one["what"], one["detail"].partition("&")[0]) for one in again] == [("ask_question", "person")] * 2


async def test_who_looked_at_this_person(used: World) -> None:
    """The holder sees the cause and what left; and requests about others in which the person was found."""
    seen = {(one["who"], one["outcome"], one["reason"], one["basis"]) for one in await lines(used, TRUST, "person", AMINA)}
    assert {("sw22", "Told", "", "CA1989-s47"), ("sn9", "Refused", "no-agreement", "")} <= seen
    of_child = [one for one in await lines(used, COUNCIL, "person", LEO) if one["who"] == "nurse7"]
    assert {one["person"].rpartition("|")[2] for one in of_child} == {AMINA.nhs, LEO.nhs}
    own = [one for one in await lines(used, TRUST, "person", LEO) if one["who"] == "nurse7"]
    assert [(one["outcome"], one["basis"], one["person"].rpartition("|")[2]) for one in own] == [("Asked", "", LEO.nhs)]


async def test_what_a_user_or_their_software_did(used: World) -> None:
    """One's own users by their id, those of others with their organisation; software by its client id."""
    mine = await lines(used, TRUST, "user", user="nurse7")
    assert {one["person"].rpartition("|")[2] for one in mine if one["what"] == "look_up_status"} >= {
        LEO.nhs,
        AMINA.nhs,
        STRANGER.nhs,
    }
    theirs = await lines(used, TRUST, "user", user=f"{COUNCIL}|sw22")
    assert theirs and {one["who"] for one in theirs} == {"sw22"}
    software = await lines(used, TRUST, "user", client="school-nursing-system")
    assert software and {one["who"] for one in software} == {"sn9"}
    assert await lines(used, SCHOOL_NURSING, "user", client="council-system") == []


async def test_refusals_with_their_reasons(used: World) -> None:
    """The holder sees why; the asker's own auditor sees no refusal where it was only asked."""
    found = await lines(used, TRUST, "refusals")
    assert {(one["who"], one["reason"]) for one in found} >= {("sn9", "no-agreement")}
    assert {one["outcome"] for one in found} == {"Refused"}
    assert await lines(used, TRUST, "refusals", reason="no-agreement") == [
        one for one in found if one["reason"] == "no-agreement"
    ]
    assert [one for one in await lines(used, SCHOOL_NURSING, "refusals") if one["what"] == "look_up_status"] == []


async def test_overrides_wait_until_a_second_person_has_looked_at_them(fed: World) -> None:
    """Both sides have one, with whose act it was; a closed one is gone from the answer."""
    await settled(fed)
    await overrides(await urgent(fed, "sw22"), AMINA)
    for agency in (TRUST, COUNCIL):
        (one,) = await lines(fed, agency, "overrides")
        assert (one["who"], one["age"], one["state"], one["person"].rpartition("|")[2]) == ("sw22", 0, "Open", AMINA.nhs)
    ((item,),) = await fed.gateway.ledger.read([_reviews(COUNCIL)])
    second = Requester("pages-TLA01", COUNCIL, frozenset(), "aud7", "auditor")
    await fed.gateway.ledger.run_alone(close_review, Closing(second, item[0], "in-order", "The danger was real, I rang them"))
    assert await lines(fed, COUNCIL, "overrides") == []
    assert len(await lines(fed, TRUST, "overrides")) == 1


async def test_no_override_is_hidden_behind_what_else_waits(fed: World) -> None:
    """However long the queue is: an answer without it would say that everything was looked at."""
    await settled(fed)
    await fed.gateway.ledger.run_alone(crowded, COUNCIL)
    await overrides(await urgent(fed, "sw22"), AMINA)
    (one,) = await lines(fed, COUNCIL, "overrides")
    assert one["who"] == "sw22"


def crowded(ctx: Any, agency: str, moment: Moment) -> Any:
    """A queue as full as a page of it, all of it due earlier."""
    yield from ()
    matter = Matter(agency, "sw1", patient=f"{systems.NHS_NUMBER}|{STRANGER.nhs}")
    writes = tuple(opening(ctx, "disputed", agency, matter, moment, due=moment.at) for _ in range(MOST_OPEN))
    return Outcome(None, (line("crowded", OPERATOR, moment, Kind.ADMINISTRATION, DONE),), writes)


def _reviews(agency: str) -> Any:
    from gateway.store import reviews
    from gateway.store.sql import Read

    return Read(reviews.OPEN_REVIEWS, {"agency": agency, "count": 10})


async def test_volumes_by_organisation_and_by_own_user(used: World) -> None:
    """Others by their name, one's own users by theirs; what was never usual stands out only from a handful on."""
    found = {(one["side"], one["who"]): one for one in (await answer(used, TRUST, "volumes")).lines}
    ours = found["By your staff", "nurse7"]
    assert (ours["week"], ours["usual"], ours["role"], ours["stands_out"]) == (3, 0, "ward-nurse", False)
    assert found["About your people", "Southshire Council Children's Services"]["week"] >= 1
    for number in range(4):
        await used.ward().hears(STRANGER, CARE, case=f"A-{number}")
    found = {(one["side"], one["who"]): one for one in (await answer(used, TRUST, "volumes")).lines}
    assert found["By your staff", "nurse7"]["stands_out"] and found["By your staff", "nurse7"]["week"] == 7


async def test_lookups_without_a_case(used: World) -> None:
    """Those that named one are not among them, nor is anything but lookups."""
    found = await lines(used, TRUST, "no-case")
    assert {one["who"] for one in found} == {"nurse7", "sn9"}
    assert {one["case"] for one in found} == {""} and {one["what"] for one in found} == {"look_up_status"}


REGISTER = f"""user,surname,address_line,postcode,nhs_number,team
sw22,Example,1 Made-up Road,ZZ1 1ZZ,{AMINA.nhs},North
sw23,Other,1 made up road,zz11zz,{STRANGER.nhs},South
sw24,Éxample,,,,North
"""


@pytest.fixture
async def staffed(used: World) -> World:
    """The council has given its staff: one of them is Leo's mother, another lives where she does."""
    await used.gateway.ledger.run_alone(keep_staff, StaffRegister(COUNCIL, read_staff(REGISTER)))
    for user, person in (("sw22", LEO), ("sw22", STRANGER), ("sw24", LEO), ("sw23", BETH), ("sw22", LEO)):
        await used.as_("council-system", user, "social-worker", S47).hears(person, S47, case="C-2")
    return used


async def test_staff_who_may_have_looked_at_their_own_are_ranked(staffed: World) -> None:
    """Her child, twice; a colleague at the same address and herself alike; a namesake last. Who fits no rule is not there."""
    found = await lines(staffed, COUNCIL, "close-to-home")
    assert [(one["who"], one["person"].rpartition("|")[2], one["times"], one["reasons"]) for one in found] == [
        ("sw22", LEO.nhs, 2, ("lives-with", "same-surname")),
        ("sw22", STRANGER.nhs, 1, ("same-address", "colleague")),
        ("sw22", AMINA.nhs, 1, ("self",)),
        ("sw24", LEO.nhs, 1, ("same-surname",)),
    ]
    assert [one["score"] for one in found] == [115, 100, 100, 20]
    assert await lines(staffed, TRUST, "close-to-home") == []


async def test_the_register_keeps_nothing_that_could_be_read(staffed: World, settings: Settings) -> None:
    """Tokens alone; another load takes its place; leavers are gone."""
    from tests.edge.durable import ask

    rows = ask(settings, "SELECT * FROM staff_member")
    assert len(rows) == 3 and not any("example" in repr(row).lower() or AMINA.nhs in repr(row) for row in rows)
    await staffed.gateway.ledger.run_alone(keep_staff, StaffRegister(COUNCIL, read_staff("user\nsw99\n")))
    assert len(ask(settings, "SELECT * FROM staff_member")) == 1
    assert await lines(staffed, COUNCIL, "close-to-home") == []


async def test_what_rests_on_a_consent(used: World) -> None:
    """By all its versions or by one; nothing where nothing was disclosed on it; nobody but the holder sees it."""
    (disclosed,) = [
        one for one in await lines(used, COUNCIL, "person", LEO) if one["outcome"] == "Told" and one["person"].endswith(LEO.nhs)
    ]
    version = disclosed["consents"]
    consent, _, number = version.partition("/_history/")
    found = await lines(used, COUNCIL, "consent", consent=consent)
    assert disclosed["entry"] in {one["entry"] for one in found} and {one["outcome"] for one in found} == {"Told"}
    assert await lines(used, COUNCIL, "consent", consent=version) == found
    assert await lines(used, COUNCIL, "consent", consent=f"{consent}/_history/{int(number) + 1}") == []
    assert await lines(used, TRUST, "consent", consent=consent) == []


def forged(_: Any, consents: tuple[str, ...], moment: Moment) -> Iterator[Any]:
    """A disclosure that should not have been."""
    yield from ()
    entry = Entry(
        entry_id(moment.at), moment.at, "look_up_status", DONE, Kind.DISCLOSURE, TRUST, COUNCIL, "trust-epr", "nurse7", "ward-nurse",
        CARE, patient=f"{systems.NHS_NUMBER}|{LEO.nhs}", basis=("person-wish",), tier=0, consents=consents, asked=True,
    )  # fmt: skip
    return Outcome(None, (entry,))


async def test_after_revocation_there_is_none_and_one_would_be_found(used: World) -> None:
    """The ward asks again after the mother has withdrawn: nothing. A disclosure on the old version, written by hand, is named
    with when it had ended; one on the withdrawn version itself never stood."""
    system = used.as_("council-system")
    (consent,) = await system.searches_for("Consent", LEO)
    await used.ward().hears(LEO, CARE)
    reference = f"Consent/{consent['id']}"
    answered = await system.put(f"/fhir/{reference}", {**consent, "status": "inactive"}, 'W/"1"')
    assert answered.status_code == 200, answered.text
    await used.ward().hears(LEO, CARE)
    assert await lines(used, COUNCIL, "after-revocation") == []
    for version in (1, 2):
        await used.gateway.ledger.run(forged, (f"{reference}/_history/{version}",))
    newest, older = await lines(used, COUNCIL, "after-revocation")
    assert (older["who"], older["consents"]) == ("nurse7", f"{reference}/_history/1")
    assert 0 < older["ended"] <= older["when"]
    assert (newest["consents"], newest["ended"]) == (f"{reference}/_history/2", 0)
    assert await lines(used, TRUST, "after-revocation") == []


async def test_the_trail_of_a_notice_from_its_source_to_the_answer(world: World) -> None:
    """Changed, sent, delivered, answered; the owner sees it, the receiver sees its own part, others see nothing."""
    with desk() as one:
        notice = await told(world, one.url)
        await world.social_worker().post("/fhir/$process-message", acknowledging(notice))
    steps = [one["step"] for one in (await answer(world, TRUST, "trail", notice=notice)).lines]
    assert steps[0] == "Changed at its source" and {"lease_notice", "settle_notice", "Answered"} <= set(steps)
    times = [one["when"] for one in (await answer(world, TRUST, "trail", notice=notice)).lines]
    assert times == sorted(times)
    received = (await answer(world, COUNCIL, "trail", notice=notice)).lines
    assert "Answered" in {one["step"] for one in received} and "lease_notice" not in {one["step"] for one in received}
    assert "dmitted" in (await answer(world, TRUST, "trail", notice=notice)).lines[0]["detail"]
    assert (await answer(world, SCHOOL_NURSING, "trail", notice=notice)).lines == ()


async def test_the_trail_tells_a_receiver_no_more_than_its_inbox(world: World) -> None:
    """Not whose record changed; nor why it hears no more: a record that was erased is as one that may not be told of."""
    with desk(status(503)) as one:
        notice = await told(world, one.url)
    change(world.settings, f"UPDATE outbox SET state = 'withheld', last_result = 'erased' WHERE id = '{notice}'")
    mine = (await answer(world, TRUST, "trail", notice=notice)).lines
    theirs = (await answer(world, COUNCIL, "trail", notice=notice)).lines
    assert "Northmoor" in str(mine) and "erased" in str(mine)
    assert theirs and "Northmoor" not in str(theirs) and TRUST not in str(theirs) and "erased" not in str(theirs)


async def test_what_has_not_arrived(world: World) -> None:
    """The owner sees what was given up; its receiver sees it too, and not of what it is; somebody else neither."""
    with desk(status(410)) as one:
        notice = await told(world, one.url)
    (mine,) = await lines(world, TRUST, "undelivered")
    assert (mine["notice"], mine["topic"], mine["receiver"]) == (notice, "admitted", "Southshire Council Children's Services")
    assert mine["state"] in ("Waits", "Given up") and mine["attempts"] >= 1
    assert {one["topic"] for one in await lines(world, COUNCIL, "undelivered")} <= {""}
    assert await lines(world, SCHOOL_NURSING, "undelivered") == []


async def test_changes_and_uses_of_the_log(staffed: World) -> None:
    """Administration of one's own agency; and that somebody searched, by the API or on the console."""
    await log_of(staffed.auditor("council"))
    changed = [one["what"] for one in await lines(staffed, COUNCIL, "changes")]
    assert "keep_staff" in changed and "keep_staff" not in [one["what"] for one in await lines(staffed, TRUST, "changes")]
    uses = [(one["who"], one["what"]) for one in (await answer(staffed, COUNCIL, "log-use")).lines]
    assert {("aud1", "search_audit"), ("aud7", "ask_question")} == set(uses)


async def test_the_health_of_the_log(used: World) -> None:
    """A signed head and the last check are told; a leaf that is missing at the end is a fault."""
    before = {one["item"]: one for one in await lines(used, TRUST, "health")}
    assert before["Last check of every entry"]["state"] == "Look at this"
    await used.seal()
    size = await keep_up(used.gateway.ledger, used.gateway.context.vault)
    await used.gateway.ledger.run(record_check, Check(True, "all is well"))
    after = {one["item"]: one for one in await lines(used, TRUST, "health")}
    assert after["Signed head"]["value"].startswith(f"{size} entries") and after["Signed head"]["state"] == "In order"
    assert (after["Last check of every entry"]["state"], after["Last check of every entry"]["value"]) == (
        "In order",
        "all is well",
    )
    assert after["Entries in the tree"]["state"] == "In order"
    change(used.settings, "UPDATE audit_leaf SET place = place + 1000000 WHERE place = 3")
    broken = {one["item"]: one["state"] for one in await lines(used, TRUST, "health")}
    change(used.settings, "UPDATE audit_leaf SET place = place - 1000000 WHERE place = 1000003")
    assert broken["Entries in the tree"] == "Broken"


@pytest.mark.parametrize("name", ["refusals", "no-case", "changes", "user"])
async def test_marks_leave_nothing_out(used: World, name: str) -> None:
    """The same lines are found by marks as by looking through every entry."""
    given = {"client": "trust-epr"} if name == "user" else {}
    marked = await lines(used, TRUST, name, **given)
    change(used.settings, f"UPDATE audit_marked SET since = {2**61}")
    everything = await lines(used, TRUST, name, **given)
    assert [one["entry"] for one in marked] == [one["entry"] for one in everything] and marked


async def test_the_search_that_a_question_names_finds_what_the_question_finds(used: World) -> None:
    """``POST /fhir/AuditEvent/_search`` with those parameters gives the same entries."""
    auditor = used.auditor("trust")
    for name, given in {
        "person": {"number": AMINA.nhs}, "user": {"user": "nurse7"}, "refusals": {"reason": "no-agreement"}, "no-case": {"user": "nurse7"},
        "changes": {}, "log-use": {"user": "nurse7"},
    }.items():  # fmt: skip
        question = BY_NAME[name]
        empty = {one.name: "" for one in question.fields}
        parameters = dict(search_of(question, {**empty, **given}))
        found = [
            one["id"] for one in await log_of(auditor, **{key.replace(":", "__"): value for key, value in parameters.items()})
        ]
        person = AMINA if "number" in given else None
        asked = [
            one["entry"] for one in await lines(used, TRUST, name, person, **{k: v for k, v in given.items() if k != "number"})
        ]
        assert [one for one in found if one in asked] == asked, name


async def test_every_search_that_a_page_names_is_one_that_the_log_knows(used: World) -> None:
    """Word for word, where what is not known is refused."""
    auditor = used.auditor("trust")
    for question in BY_NAME.values():
        given = {one.name: {"number": AMINA.nhs, "day": "2026-01-01"}.get(one.kind, "none") for one in question.fields}
        form = str(httpx.QueryParams(search_of(question, given)))
        found = await auditor.post(
            "/fhir/AuditEvent/_search", form, "application/x-www-form-urlencoded", Prefer="handling=strict"
        )
        assert found.status_code == 200, (question.name, found.text)


async def test_a_question_goes_on_where_its_page_ended(used: World) -> None:
    """Page for page, each line once."""
    requester = Requester("pages-TMH01", TRUST, frozenset(), "aud7", "auditor", frozenset({"audit"}))
    asked = Asked(requester, "user", {"user": "nurse7"}, count=2)
    found: list[str] = []
    for _ in range(20):
        page = await ask_question(used.gateway.context, used.gateway.ledger, asked)
        found += [one["entry"] for one in page.lines]
        if page.cursor is None:
            break
        asked = replace(asked, before=page.cursor)
    assert found == [one["entry"] for one in await lines(used, TRUST, "user", user="nurse7")]
    assert len(found) > 2 and clock.now() > 0
