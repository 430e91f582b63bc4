"""Stories of councils and trusts that send what they already produce: yearly returns, an extract, a monthly set."""

from __future__ import annotations

from gateway.demo import people
from gateway.demo.people import AMINA, LEO
from tests.core.mapping.packed import packed
from tests.stories.county import REASON, SHARE
from tests.world import World, groups, part

REFERENCE = people.day(30)


def census(*blocks: str, closed: str = "") -> str:
    """A children in need census about one child, of a month ago."""
    header = (
        f"<Header><CollectionDetails><Collection>CIN</Collection><Year>{REFERENCE[:4]}</Year>"
        f"<ReferenceDate>{REFERENCE}</ReferenceDate></CollectionDetails><Source><LEA>{people.LA_CODE}</LEA></Source></Header>"
    )
    identity = f"<LAchildID>LEO1</LAchildID><PersonBirthDate>{LEO.born}</PersonBirthDate><Sex>M</Sex>"
    episode = f"<CINreferralDate>{people.day(200)}</CINreferralDate>{closed}{''.join(blocks)}"
    child = f"<Child><ChildIdentifiers>{identity}</ChildIdentifiers><CINdetails>{episode}</CINdetails></Child>"
    return f"<Message>{header}<Children>{child}</Children></Message>"


def plan(start: str, end: str = "") -> str:
    """A child protection plan in the census."""
    ended = f"<CPPendDate>{end}</CPPendDate>" if end else ""
    return f"<ChildProtectionPlans><CPPstartDate>{start}</CPPstartDate>{ended}</ChildProtectionPlans>"


def episodes(*rows: str) -> str:
    """The episodes of a looked-after child in SSDA903, days first."""
    return "CHILD,DECOM,RNE,LS,CIN,PLACE,PLACE_PROVIDER,DEC,REC,REASON_PLACE_CHANGE,HOME_POST,PL_POST,URN\n" + "".join(rows)


def british(day: str) -> str:
    """A date as the return writes it."""
    return "/".join(reversed(day.split("-")))


async def known_to_each_other(world: World) -> None:
    """The council has told whose mother she is and which NHS numbers its children have; the trust, that she is in hospital."""
    council = world.as_("council-system")
    await council.sends("crosswalk", people.crosswalk())
    await council.sends("relationships", people.relationships())
    await world.as_("trust-epr").sends("hl7v2-adt", people.adt("A01", AMINA, "M1"))


async def heard(world: World) -> list[tuple[str, str | None, list[str]]]:
    """What a care coordinator hears about her children: answer, reason, details."""
    answer = await world.coordinator().hears(AMINA, SHARE, "children", case="R-1", reason=REASON)
    told = []
    for group in groups(answer):
        flags = [one["resource"] for one in group if one["name"] == "flag"]
        codes = [one["code"] for flag in flags for one in flag["code"]["coding"] if "involvement-detail" in one["system"]]
        told.append((part(group, "answer"), part(group, "reason"), sorted(codes)))
    return told


async def test_a_council_that_sends_its_census_and_nothing_else(world: World) -> None:
    """The census names no parent and no NHS number: it is found by the council's own number, in three statements a year."""
    await known_to_each_other(world)
    council = world.as_("council-system")
    # In the first the child is on a plan: the coordinator is told by name.
    assert await council.sends("dfe-cin-census", census(plan(people.day(90)))) == {
        "received": 1, "accepted": 1, "refused": 0, "written": 2,
    }  # fmt: skip
    assert await heard(world) == [("known", None, ["cp-plan", "referral"])]
    # The same file again writes nothing.
    assert (await council.sends("dfe-cin-census", census(plan(people.day(90)))))["written"] == 0
    # In the second the episode is closed and the plan is not: neither can be said, and that is no "not known".
    closed = f"<CINclosureDate>{people.day(40)}</CINclosureDate><ReasonForClosure>RC7</ReasonForClosure>"
    await council.sends("dfe-cin-census", census(plan(people.day(90)), closed=closed))
    assert await heard(world) == [("cannot-say", "ring-the-desk", [])]
    # In the third the plan has its end: it ended within the year.
    await council.sends("dfe-cin-census", census(plan(people.day(90), people.day(41)), closed=closed))
    assert await heard(world) == [("recently-closed", None, ["cp-plan", "referral"])]


async def test_a_contradiction_is_told_to_nobody_as_news(fed: World) -> None:
    """A plan that cannot be said raises no notice of a start; what else is open is still told."""
    council = fed.as_("council-system")
    before = await heard(fed)
    closed = f"<CINclosureDate>{people.day(40)}</CINclosureDate><ReasonForClosure>RC7</ReasonForClosure>"
    answer = await council.post(
        "/records/dfe-cin-census", census(plan(people.day(90)), closed=closed), "application/octet-stream"
    )
    assert answer.status_code == 200
    after = await heard(fed)
    assert [one[0] for one in after] == [one[0] for one in before] == ["known"]
    assert "cp-plan" not in after[0][2]


async def test_a_child_in_care_by_order_is_told_as_looked_after(world: World) -> None:
    """SSDA903 has the order: it stays inside, in answers and in what is told by name."""
    await known_to_each_other(world)
    council = world.as_("council-system")
    row = f"LEO1,{british(people.day(100))},S,C2,N3,U6,PR1,,,,,,\n"
    await council.sends("dfe-ssda903", episodes(row))
    assert await heard(world) == [("known", None, ["looked-after"])]
    answer = await world.coordinator().asks(AMINA, SHARE, "children", case="R-1", reason=REASON)
    assert b"cla-s31" not in answer.content
    assert b"order" not in answer.content.lower()
    # The episode ends in adoption: from then on nothing is told of the child, in any words.
    ended = row.replace(",PR1,,,", f",PR1,{british(people.day(1))},E11,,")
    await council.sends("dfe-ssda903", episodes(ended))
    assert await heard(world) != [("known", None, ["looked-after"])]
    assert not [one for one in await heard(world) if one[2]]


async def test_an_extract_of_the_case_system_is_put_together(world: World) -> None:
    """The dataset holds the NHS number: no crosswalk is needed; the worker's name is whom to ring."""
    council = world.as_("council-system")
    await council.sends("relationships", people.relationships())
    await world.as_("trust-epr").sends("hl7v2-adt", people.adt("A01", AMINA, "M1"))
    tables = packed(
        person="pers_person_id,pers_forename,pers_surname,pers_sex,pers_dob,pers_common_child_id\n"
        f"LEO1,LEO,EXAMPLE,M,{LEO.born},{LEO.nhs}\n",
        referral="cine_referral_id,cine_person_id,cine_referral_date,cine_referral_nfa,cine_close_reason,cine_close_date\n"
        f"R1,LEO1,{people.day(50)},N,,\n",
        plan="cinp_cin_plan_id,cinp_referral_id,cinp_person_id,cinp_cin_plan_start_date,cinp_cin_plan_end_date\n"
        f"P1,R1,LEO1,{people.day(20)},\n",
        involved="invo_involvements_id,invo_person_id,invo_professional_id,invo_involvement_start_date,invo_involvement_end_date\n"
        f"1,LEO1,W1,{people.day(50)},\n",
        worker="prof_professional_id,prof_professional_name,prof_social_worker_registration_no\nW1,Sam Sample,SW1\n",
    )  # fmt: skip
    await council.sends("ssd", tables)
    assert await heard(world) == [("known", None, ["cin-plan", "referral"])]


async def test_a_monthly_set_prompts_and_links_nobody(world: World) -> None:
    """The trust's own set says that she is responsible for children: it is a marker, and no child of hers is told by it."""
    trust = world.as_("trust-epr")
    rows = packed(
        index=f"LocalPatientID,NHSNumber,NHSNumberStatus,PersonBirthDate,Gender\nM1,{AMINA.nhs},01,{AMINA.born},2\n",
        indicators="LocalPatientID,ParentalResp,YoungCarer,LACStatus,CPP\nM1,Y,N,N,3\n",
    )
    answer = await trust.post("/records/mhsds", rows, "application/zip")
    assert answer.status_code == 200
    assert "record who they are" in answer.text
    assert not await trust.searches_for("RelatedPerson", AMINA)
    (flag,) = await trust.searches_for("Flag", AMINA)
    assert flag["code"]["coding"][0]["code"] == "children-asked-yes"
