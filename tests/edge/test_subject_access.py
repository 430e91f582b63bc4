"""Subject access: two people make a report that a person can read, of their own agency alone, and nobody else is named."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, COUNCIL, LEO, RUBY, STRANGER, TRUST, VOLUNTARY, Person
from gateway.disclosure.requester import Requester
from gateway.disclosure.subject_report import LOG, as_text
from gateway.exchanges.lookup.interests import Interests, record_interests
from gateway.exchanges.subjects.approve_report import approve_report, withdraw_report
from gateway.exchanges.subjects.decide_on_report import DecideRequest, decide_on_report
from gateway.exchanges.subjects.give_report import GiveRequest, OwnReports, give_report, list_reports, look_at_report
from gateway.exchanges.subjects.prepare_report import PrepareRequest, prepare_report
from gateway.exchanges.subjects.subject_reports import ReportRequest, SubjectReport
from gateway.exchanges.wishes.shield import ShieldRequest, set_shield
from gateway.fhir import systems
from gateway.fhir.outcomes import Conflict, Forbidden, NotFound, Unprocessable
from gateway.store import clock
from tests.data.edge import exchange, log_of
from tests.edge.guardians import opened_in_danger, override, settled, urgent
from tests.world import World

S47, CARE = "safeguarding-s47", "amh-care-planning"
REASON = "Known to her already: she was at the conference."
CHECKED = "Seen in person with her passport"


def staff(user: str, agency: str = TRUST) -> Requester:
    """Somebody of an agency's privacy office, signed in to nothing: as the operator's command line acts for them."""
    return Requester("command-line", agency, frozenset(), user, "privacy-officer", frozenset({"subject-access"}))


def number(person: Person) -> str:
    """How a person is named in a request."""
    return f"{systems.NHS_NUMBER}|{person.nhs}"


async def prepare(world: World, person: Person, agency: str = TRUST, user: str = "dpo1", since: int = 0) -> str:
    """A report by one of an agency's people; its id."""
    ask = PrepareRequest(staff(user, agency), number(person), clock.now(), CHECKED, since)
    return str(await world.gateway.ledger.run_alone(prepare_report, ask))


async def look(world: World, report: str, agency: str = TRUST) -> SubjectReport:
    """A report as those who work on it see it."""
    found = await world.gateway.ledger.run(look_at_report, ReportRequest(staff("dpo1", agency), report))
    assert found is not None
    return found


async def decide(world: World, report: str, release: bool, *lines: str, agency: str = TRUST, user: str = "dpo1") -> SubjectReport:
    """A decision on some lines that were kept back."""
    ask = DecideRequest(staff(user, agency), report, lines, release, REASON)
    decided: SubjectReport = await world.gateway.ledger.run_alone(decide_on_report, ask)
    return decided


async def given(world: World, report: str, language: str = "en", agency: str = TRUST) -> str:
    """What the person reads."""
    return as_text(await world.gateway.ledger.run(give_report, GiveRequest(staff("dpo2", agency), report, language)))


async def finished(world: World, person: Person, agency: str = TRUST, release: bool = False) -> str:
    """A report with everything decided one way, approved by a second person."""
    report = await prepare(world, person, agency)
    waiting = [one.id for one in (await look(world, report, agency)).undecided]
    if waiting:
        await decide(world, report, release, *waiting, agency=agency)
    await world.gateway.ledger.run_alone(approve_report, ReportRequest(staff("dpo2", agency), report))
    return report


async def recorded(world: World, name: str, agency: str = "trust") -> list[dict[str, Any]]:
    """Entries of an exchange, as the agency's auditor reads them."""
    await world.seal()
    return [one for one in await log_of(world.auditor(agency)) if exchange(one) == name]


def facts_of(event: dict[str, Any]) -> dict[str, str]:
    """What an entry says beside who and when."""
    return {one["type"]: one["valueString"] for entity in event.get("entity", ()) for one in entity.get("detail", ())}


async def test_two_people_make_a_report_that_the_person_can_read(fed: World) -> None:
    """What is held, what she wishes, who looked, when and why; by the second person's leave, as a disclosure on record."""
    trust = fed.as_("trust-epr")
    rules = [people.permit(VOLUNTARY, "early-help", "existence", "status", "contact")]
    made = await trust.post("/fhir/Consent", people.consent(AMINA, AMINA, rules, agency=TRUST, when=people.day(2)))
    assert made.status_code == 201, made.text
    await fed.as_("voluntary-system", "fw9", "family-worker", "early-help").hears(AMINA, "early-help")
    report = await prepare(fed, AMINA)
    assert not (await look(fed, report)).kept_back
    with pytest.raises(Conflict):
        await given(fed, report)
    with pytest.raises(Forbidden):
        await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff("dpo1"), report))
    await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff("dpo2"), report))
    text = await given(fed, report)
    for said in (
        "AMINA EXAMPLE",
        "14 March 1991",
        "999 000 1006",
        "Northmoor Mental Health NHS Trust",
        "Stay in hospital: since",
    ):
        assert said in text, said
    assert "You agreed to some sharing, with limits." in text
    assert "Somebody is recorded as your child." in text
    assert "Home Hearth Family Support (family worker)" in text
    assert "Asked about you and was given an answer" in text and "Early help for a family" in text
    (event,) = await recorded(fed, "give_report")
    assert event["type"]["code"] == "110106" and facts_of(event)["language"] == "en"
    assert "PATRQT" in {code["code"] for one in event["purposeOfEvent"] for code in one["coding"]}


async def test_no_other_person_is_named(fed: World) -> None:
    """Not her child, not a worker, by no name, number or user id, in no language, whatever was released."""
    await settled(fed)
    await fed.ward().asks(AMINA, CARE, "self", "children")
    await fed.social_worker().hears(AMINA, S47, "self", "children", case="C-1")
    for agency, person, others in ((TRUST, AMINA, [LEO, BETH]), (COUNCIL, LEO, [AMINA, RUBY])):
        report = await finished(fed, person, agency, release=True)
        for language in fed.gateway.context.subject_texts:
            text = (await given(fed, report, language, agency)).upper()
            assert person.given in text
            for other in others:
                assert other.given not in text and other.nhs not in text.replace(" ", ""), (language, other.given)
            for worker in ("NURSE7", "SW22", "DPO1", "DPO2", "CLINICIAN", "ROSE WARD"):
                assert worker not in text


async def test_what_another_agency_holds_is_not_in_it(fed: World) -> None:
    """The council's report says nothing of her stay, the trust's nothing of the council's own access to its own record."""
    await fed.social_worker().hears(AMINA, S47, case="C-1")
    council = await look(fed, await prepare(fed, AMINA, COUNCIL), COUNCIL)
    assert "hospital" not in {one.code for one in council.facts}
    trust = await look(fed, await prepare(fed, AMINA))
    assert "hospital" in {one.code for one in trust.facts}
    assert {one.id for one in council.facts}.isdisjoint({one.id for one in trust.facts})
    with pytest.raises(NotFound):
        await prepare(fed, STRANGER)
    assert await fed.gateway.ledger.run(look_at_report, ReportRequest(staff("x", COUNCIL), trust.id)) is None


async def test_what_stands_under_a_duty_is_kept_back_until_it_is_released(fed: World) -> None:
    """A section 47 enquiry shows in the report only where it was released; each decision is on record with its reason."""
    await fed.social_worker().hears(AMINA, S47, case="C-1")
    report = await prepare(fed, AMINA)
    (waiting,) = (await look(fed, report)).undecided
    assert (waiting.section, waiting.reasons) == (LOG, ("duty", "enquiry"))
    with pytest.raises(Conflict, match="wait for a decision"):
        await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff("dpo2"), report))
    await decide(fed, report, False, waiting.id)
    await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff("dpo2"), report))
    text = await given(fed, report)
    assert "Child protection enquiry" not in text and "Southshire" not in text
    (event,) = await recorded(fed, "decide_on_report")
    said = facts_of(event)
    assert said["result"] == "kept-back" and said["kept-back-for"] == "duty enquiry" and said["reason"] == REASON
    assert said["line"] == waiting.id and said["report"] == report
    released = await finished(fed, AMINA, release=True)
    assert "Child protection enquiry" in await given(fed, released)


async def test_a_report_reads_the_same_whether_or_not_anything_was_kept_back(fed: World) -> None:
    """With the enquiry kept back it is, but for days, the report from before the enquiry: nobody is warned by its words."""
    before = await given(fed, await finished(fed, AMINA))
    await fed.social_worker().hears(AMINA, S47, case="C-1")
    report = await prepare(fed, AMINA)
    for one in (await look(fed, report)).undecided:
        await decide(fed, report, False, one.id)
    await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff("dpo2"), report))
    after = await given(fed, report)
    mine = "Northmoor Mental Health NHS Trust (privacy officer)"
    assert "Gave you a report like this one" in after and "The law lets us leave some things out" in before
    own = [part for part in after.split("\n\n") if mine not in part]
    assert own == [part for part in before.split("\n\n") if mine not in part]


async def test_an_override_is_kept_back(fed: World) -> None:
    """Danger to life was claimed: the holder decides whether the person hears of it."""
    opened_in_danger(fed.settings)
    await settled(fed)
    worker = await urgent(fed)
    answer = await worker.post("/fhir/Patient/$known-to-services", override(AMINA))
    assert answer.status_code == 200, answer.text
    waiting = (await look(fed, await prepare(fed, AMINA))).kept_back
    assert waiting and all("override" in one.reasons for one in waiting)


async def test_nothing_places_a_protected_person(fed: World) -> None:
    """Of a shielded person every word of another organisation waits; of her relative, that relationship and those entries."""
    await fed.ward().asks(AMINA, CARE, "children")
    worker = fed.as_("council-system", "sw22", "social-worker", "child-in-need-s17")
    await worker.asks(AMINA, "child-in-need-s17", case="C-1")
    trust = ShieldRequest(staff("dpo1"), number(AMINA), "She has moved to a refuge")
    await fed.gateway.ledger.run_alone(set_shield, trust)
    report = await look(fed, await prepare(fed, AMINA))
    from_elsewhere = [one for one in report.facts if one.organisation.startswith("Southshire")]
    assert from_elsewhere and all("protected" in one.reasons for one in from_elsewhere)
    assert {one.code for one in report.kept_back} >= {"protection", "protected"}
    council = ShieldRequest(staff("cdpo", COUNCIL), number(LEO), "His foster address must not be known")
    await fed.gateway.ledger.run_alone(set_shield, council)
    hers = await look(fed, await prepare(fed, AMINA, COUNCIL), COUNCIL)
    relatives = [one for one in hers.facts if one.table == "relative"]
    assert relatives and all("protected" in one.reasons for one in relatives)
    asked = [one for one in hers.facts if one.section == LOG and one.purpose == CARE]
    assert asked and all("protected" in one.reasons for one in asked)


async def test_lookups_of_a_relative_by_which_the_person_was_found_are_in_the_report(fed: World) -> None:
    """The ward asked about his mother's children and the council's record of him was found: he is not the only one it
    is about, so somebody decides."""
    await fed.ward().asks(AMINA, CARE, "children")
    report = await look(fed, await prepare(fed, LEO, COUNCIL), COUNCIL)
    (found,) = [one for one in report.facts if one.code == "with-relative"]
    assert found.reasons == ("another-person",)
    assert not [one for one in (await look(fed, await prepare(fed, RUBY, COUNCIL), COUNCIL)).facts if one.code == "with-relative"]


async def test_who_had_a_hand_in_a_report_does_not_approve_it(fed: World) -> None:
    """Neither who prepared it nor who decided on a line."""
    await fed.social_worker().hears(AMINA, S47, case="C-1")
    report = await prepare(fed, AMINA)
    (waiting,) = (await look(fed, report)).undecided
    await decide(fed, report, True, waiting.id, user="dpo3")
    for user in ("dpo1", "dpo3"):
        with pytest.raises(Forbidden):
            await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff(user), report))
    await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff("dpo2"), report))
    with pytest.raises(Conflict):
        await decide(fed, report, False, waiting.id)
    with pytest.raises(NotFound):
        await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff("dpo2", COUNCIL), report))


async def test_a_decision_that_was_taken_again_still_was_theirs(fed: World) -> None:
    """Whose decision another has taken the place of has had a hand in the report."""
    await fed.social_worker().hears(AMINA, S47, case="C-1")
    report = await prepare(fed, AMINA)
    (waiting,) = (await look(fed, report)).undecided
    for user in ("dpo2", "dpo3", "dpo4"):
        await decide(fed, report, True, waiting.id, user=user)
    for user in ("dpo1", "dpo2", "dpo3", "dpo4"):
        with pytest.raises(Forbidden):
            await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff(user), report))
    await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff("dpo5"), report))


async def test_nobody_works_on_a_report_of_their_own_family(fed: World) -> None:
    """Neither prepares, reads, decides, approves nor gives it; it depends on what their organisation registered alone."""
    report = await prepare(fed, AMINA)
    for user in ("dpo7", "dpo2"):
        family = Interests(staff("lead1"), user, (AMINA.nhs, STRANGER.nhs))
        await fed.gateway.ledger.run_alone(record_interests, family)
    for person in (AMINA, STRANGER):
        with pytest.raises(Forbidden, match="your family"):
            await prepare(fed, person, user="dpo7")
    await prepare(fed, BETH, user="dpo7")
    one = ReportRequest(staff("dpo7"), report)
    for act, ask in (
        (approve_report, one), (look_at_report, one), (withdraw_report, one),
        (decide_on_report, DecideRequest(staff("dpo7"), report, ("x",), True, REASON)),
    ):  # fmt: skip
        with pytest.raises(Forbidden, match="your family"):
            await fed.gateway.ledger.run_alone(act, ask)
    await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff("dpo3"), report))
    with pytest.raises(Forbidden, match="your family"):
        await given(fed, report)


async def test_decisions_need_a_reason_and_lines_that_wait(fed: World) -> None:
    """Told plainly, and nothing is changed."""
    await fed.social_worker().hears(AMINA, S47, case="C-1")
    report = await prepare(fed, AMINA)
    (waiting,) = (await look(fed, report)).undecided
    for lines, reason in (((waiting.id,), "short"), ((), REASON), (("elsewhere",), REASON)):
        with pytest.raises(Unprocessable):
            ask = DecideRequest(staff("dpo1"), report, lines, True, reason)
            await fed.gateway.ledger.run_alone(decide_on_report, ask)
    assert (await look(fed, report)).undecided == (waiting,)
    with pytest.raises(Unprocessable, match="no texts in tlh"):
        await fed.gateway.ledger.run(give_report, GiveRequest(staff("dpo1"), report, "tlh"))


async def test_a_withdrawn_report_holds_nothing_any_more(fed: World) -> None:
    """It stays in the list, empty, and cannot be approved."""
    report = await prepare(fed, AMINA)
    await fed.gateway.ledger.run_alone(withdraw_report, ReportRequest(staff("dpo1"), report))
    (listed,) = await fed.gateway.ledger.run(list_reports, OwnReports(staff("dpo2")))
    assert (listed.state, listed.facts) == ("withdrawn", ())
    with pytest.raises(Conflict):
        await fed.gateway.ledger.run_alone(approve_report, ReportRequest(staff("dpo2"), report))
    assert await fed.gateway.ledger.run(list_reports, OwnReports(staff("dpo2", COUNCIL))) == []


async def test_a_report_that_would_be_cut_short_is_refused(fed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """More entries than fit: nothing is left out silently; a shorter time is asked for."""
    monkeypatch.setattr("gateway.exchanges.subjects.prepare_report.MOST", 3)
    for _ in range(4):
        await fed.social_worker().hears(AMINA, S47, case="C-1")
    with pytest.raises(Unprocessable, match="shorter time"):
        await prepare(fed, AMINA)
    await prepare(fed, AMINA, since=clock.now())
