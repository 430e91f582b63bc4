"""Patient/$match (IHE ITI-119): who of the caller's own people is this? The cases of the profile, and what it never tells."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.api.edge import PAGE
from gateway.demo.people import AMINA, BETH, COUNCIL, LA_CODE, LEO, RUBY, STRANGER, Person
from gateway.exchanges.lookup.match_patient import MOST_SHARING
from gateway.fhir import systems
from tests.data.edge import exchange, is_valid, log_of, outcome, plain
from tests.edge.durable import ask
from tests.edge.guardians import guardian, settled, shields
from tests.edge.test_erasure import erased, rows_of
from tests.edge.test_lookup_no_leak import CAUSES
from tests.stories.county import tells
from tests.world import At, World

PATH = "/fhir/Patient/$match"
LOCAL = systems.local_child_id(LA_CODE)
TWINS = Person("", "", "2015-03-14", "TWINNING", "JACK")


def patient(person: Person, *, local: str = "", **more: Any) -> dict[str, Any]:
    """Somebody as a case system describes them; an empty text is a part that it does not know."""
    named = [(systems.NHS_NUMBER, person.nhs), (LOCAL, local)]
    name = {"family": person.family, "given": [person.given] if person.given else []}
    told = {
        "identifier": [{"system": system, "value": value} for system, value in named if value],
        "name": [{part: value for part, value in name.items() if value}] if any(name.values()) else [],
        "birthDate": person.born,
    }
    return {"resourceType": "Patient", **{part: value for part, value in told.items() if value}, **more}


def asked(resource: Any, **more: Any) -> dict[str, Any]:
    """The Parameters of a question; an integer is the count, a truth value onlyCertainMatches."""
    names = {bool: "valueBoolean", int: "valueInteger"}
    parameters = [{"name": name, names.get(type(value), "valueString"): value} for name, value in more.items()]
    return {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": resource}, *parameters]}


async def matches(at: At, resource: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """The entries of an answer, which is a valid searchset in whole pages."""
    answer = await at.post(PATH, asked(resource, **more))
    assert answer.status_code == 200, answer.text
    assert len(answer.content) % PAGE == 0
    bundle: dict[str, Any] = answer.json()
    assert is_valid(bundle) and bundle["type"] == "searchset"
    found = [one for one in bundle.get("entry", ()) if one["search"]["mode"] == "match"]
    assert bundle["total"] == len(found)
    return found


def grades(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Given name and grade of each match, in the order of the answer; every one is scored, none above the one before."""
    scores = [one["search"]["score"] for one in found]
    assert scores == sorted(scores, reverse=True) and all(0 <= one <= 1 for one in scores)
    return [(_given(one["resource"]), _grade(one)) for one in found]


def _given(resource: dict[str, Any]) -> str:
    return str(resource.get("name", [{}])[0].get("given", [""])[0])


def _grade(entry: dict[str, Any]) -> str:
    (extension,) = entry["search"]["extension"]
    assert extension["url"] == "http://hl7.org/fhir/StructureDefinition/match-grade"
    return str(extension["valueCode"])


def council(world: World) -> At:
    return world.as_("council-system", "sw22", "social-worker", "safeguarding-s47")


def nurse(world: World) -> At:
    return world.as_("school-nursing-system", "sn1", "school-nurse", "early-help")


async def twins(world: World) -> None:
    """Jack and Harry, born on one day, each under a number of the council."""
    for local, given in (("T1", "JACK"), ("T2", "HARRY")):
        await tells(world, "council-system", patient(Person("", "", TWINS.born, TWINS.family, given), local=local))


async def test_one_of_the_callers_own_is_found_with_certainty_by_number_and_birth_date(fed: World) -> None:
    """By the NHS number, by the council's own, and by both; with what the council itself sent of the child and no more."""
    leo = Person("", LEO.nhs, LEO.born, "", "")
    for resource in (patient(leo), patient(Person("", "", LEO.born, "", ""), local="LEO1"), patient(LEO, local="LEO1")):
        (found,) = await matches(council(fed), resource)
        assert grades([found]) == [("LEO", "certain")]
        told = found["resource"]
        assert set(told) == {"resourceType", "id", "meta", "identifier", "name", "gender", "birthDate"}
        assert (told["birthDate"], told["name"][0]["family"]) == (LEO.born, LEO.family)
        assert found["fullUrl"].endswith(f"/fhir/Patient/{told['id']}")
        assert (await council(fed).get(f"/fhir/Patient/{told['id']}")).status_code == 200


async def test_a_patient_alone_may_be_sent_where_nothing_else_is_asked(fed: World) -> None:
    """ITI-119: the resource without Parameters around it."""
    answer = await council(fed).post(PATH, patient(LEO))
    assert grades(answer.json()["entry"]) == [("LEO", "certain")]


async def test_by_name_and_birth_date_somebody_is_probable_and_never_certain(fed: World) -> None:
    """A short form, a slip of the pen, names or day and month in each other's place: found, and for a person to look at."""
    leo = Person("", "", LEO.born, LEO.family, LEO.given)
    assert grades(await matches(council(fed), patient(leo))) == [("LEO", "probable")]
    assert await matches(council(fed), patient(leo), onlyCertainMatches=True) == []
    for told, grade in (
        (("EXAMPEL", "Leo", LEO.born), "probable"),
        (("LEO", "EXAMPLE", LEO.born), "probable"),
        (("EXAMPLE", "Leonard", LEO.born), "probable"),
        (("EXAMPLE", "LEO", "2019-02-06"), "possible"),
        (("EXAMPLE", "LEO", "2019-06-03"), "possible"),
        (("EXAMPLE", "LEO", "2019-06"), "possible"),
        (("MARRIED", "LEO", LEO.born), "possible"),
        (("EXAMPLE", "", LEO.born), "possible"),
    ):
        family, given, born = told
        assert grades(await matches(council(fed), patient(Person("", "", born, family, given)))) == [("LEO", grade)], told
    for told in (("EXAMPLE", "LEO", "1987-11-30"), ("NOBODY", "NED", LEO.born)):
        family, given, born = told
        assert await matches(council(fed), patient(Person("", "", born, family, given))) == [], told


async def test_twins_are_told_apart_by_name_or_number_or_not_at_all(fed: World) -> None:
    """The one that is named first; both where neither is; each certain by its number, and the other then only possible."""
    await twins(fed)
    at = council(fed)
    assert grades(await matches(at, patient(TWINS))) == [("JACK", "probable"), ("HARRY", "possible")]
    unnamed = Person("", "", TWINS.born, TWINS.family, "BABY")
    assert sorted(grades(await matches(at, patient(unnamed)))) == [("HARRY", "possible"), ("JACK", "possible")]
    assert grades(await matches(at, patient(unnamed, local="T2"))) == [("HARRY", "certain"), ("JACK", "possible")]
    assert grades(await matches(at, patient(TWINS, local="T1"), onlyCertainMatches=True)) == [("JACK", "certain")]
    assert grades(await matches(at, patient(TWINS, local="T2"))) == [("HARRY", "probable"), ("JACK", "possible")]


async def test_numbers_of_two_people_in_one_question_name_neither(fed: World) -> None:
    """The NHS number of the one and the council's number of the other: only certain matches are asked for, so the answer is
    empty; else both are possible."""
    mixed = patient(LEO, local="RUBY1")
    assert await matches(council(fed), mixed, onlyCertainMatches=True) == []
    assert {grade for _, grade in grades(await matches(council(fed), mixed))} == {"possible"}


async def test_count_cuts_the_list_after_the_most_likely(fed: World) -> None:
    """From 1; what is above the most that is looked at gives that."""
    await twins(fed)
    assert grades(await matches(council(fed), patient(TWINS), count=1)) == [("JACK", "probable")]
    assert len(await matches(council(fed), patient(TWINS), count=5000)) == 2


async def test_a_crowd_under_one_birth_date_is_said_to_be_one(fed: World) -> None:
    """Where more share the details than are compared the answer says so, and nobody is more than possible by name and date."""
    day, family = "2001-01-02", "CROWD"
    crowd = [patient(Person("", "", day, family, f"G{place}"), local=f"C{place}") for place in range(MOST_SHARING)]
    await council(fed).sends(
        "fhir", {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in crowd]}
    )
    one = Person("", "", day, family, "G7")
    answer = (await council(fed).post(PATH, asked(patient(one), count=3))).json()
    assert is_valid(answer) and answer["total"] == 3
    assert {grade for _, grade in grades(answer["entry"][:3])} == {"possible"}
    assert answer["entry"][3]["search"]["mode"] == "outcome"
    assert answer["entry"][3]["resource"]["issue"][0]["severity"] == "warning"
    assert grades(await matches(council(fed), patient(one, local="C7"), count=1)) == [("G7", "certain")]


async def test_the_one_who_is_left_of_a_crowd_is_not_probable(fed: World) -> None:
    """Nobody else who was compared is like them, but not everybody was."""
    day = "2001-01-02"
    crowd = [patient(Person("", "", day, f"F{place}", f"G{place}"), local=f"C{place}") for place in range(MOST_SHARING)]
    await tells(fed, "council-system", *crowd)
    answer = (await council(fed).post(PATH, asked(patient(Person("", "", day, "F7", "G7"))))).json()
    assert grades(answer["entry"][:1]) == [("G7", "possible")]
    assert [one["search"]["mode"] for one in answer["entry"]] == ["match", "outcome"]


@pytest.mark.parametrize("cause", sorted(CAUSES))
async def test_whom_others_know_is_as_a_stranger_to_who_never_sent_them(fed: World, cause: str) -> None:
    """Known elsewhere, refused, shielded or adopted there, asked by number or by name and birth date: the same bytes."""
    person = await CAUSES[cause](fed)
    for more in ({}, {"onlyCertainMatches": True}, {"count": 3}):
        for told in (
            lambda one: Person("", one.nhs, "1985-04-04", "SAMPLE", "SAM"),
            lambda one: Person("", one.nhs, one.born, one.family, one.given),
            lambda one: Person("", "", one.born, one.family, one.given),
        ):
            answers = [await nurse(fed).post(PATH, asked(patient(told(one)), **more)) for one in (person, STRANGER)]
            assert same(*answers), (cause, more)
            assert "entry" not in answers[0].json()


def same(one: httpx.Response, other: httpx.Response) -> bool:
    """Status, headers and bytes, but for the id of the request."""
    heads = [{name: value for name, value in answer.headers.items() if name != "x-request-id"} for answer in (one, other)]
    return (one.status_code, heads[0], plain(one.content)) == (other.status_code, heads[1], plain(other.content))


async def test_people_of_other_agencies_are_not_found_though_ones_own_are(fed: World) -> None:
    """The trust holds Amina and not Ruby; the council holds Ruby and of Amina only the number."""
    ward = fed.as_("trust-epr")
    assert grades(await matches(ward, patient(AMINA))) == [("AMINA", "certain")]
    assert await matches(ward, patient(RUBY)) == []
    assert grades(await matches(council(fed), patient(RUBY))) == [("RUBY", "certain")]
    assert grades(await matches(council(fed), patient(AMINA))) == [("", "probable")]
    assert await matches(council(fed), patient(Person("", "", AMINA.born, AMINA.family, AMINA.given))) == []


@pytest.mark.parametrize("told", ["by the record", "by a status"])
async def test_who_is_adopted_is_as_a_stranger_to_their_own_agency(fed: World, told: str) -> None:
    """Neither by number nor by name, and the namesake that is left is not made doubtful by them."""
    await twins(fed)
    jack = Person("", "", TWINS.born, TWINS.family, "JACK")
    await tells(fed, "council-system", patient(jack, local="T3"))
    assert {grade for _, grade in grades(await matches(council(fed), patient(jack)))} == {"possible"}
    restriction = {"url": systems.extension("restriction"), "valueCode": "adopted"}
    if told == "by the record":
        await tells(fed, "council-system", patient(jack, local="T3", extension=[restriction]))
    else:
        await tells(fed, "council-system", adopted("T3"))
    assert grades(await matches(council(fed), patient(jack))) == [("JACK", "probable"), ("HARRY", "possible")]
    by_number = [
        await council(fed).post(PATH, asked(patient(Person("", "", "1999-09-09", "", ""), local=local))) for local in ("T3", "T9")
    ]
    assert same(*by_number)


def adopted(local: str) -> dict[str, Any]:
    """The status that says so."""
    return {
        "resourceType": "Flag", "id": f"a{local}", "status": "active",
        "category": [{"coding": [{"system": systems.code_system("service"), "code": "children-social-care"}]}],
        "code": {"coding": [{"system": systems.code_system("involvement-detail"), "code": "adopted"}]},
        "subject": {"type": "Patient", "identifier": {"system": LOCAL, "value": local}}, "period": {"start": "2026-01-05"},
    }  # fmt: skip


async def test_who_is_shielded_is_found_by_the_owner_without_a_word_of_the_shield(fed: World) -> None:
    """The owner's own people may know whom they have; the mark was set here, and is no part of what was sent."""
    await settled(fed)
    (before,) = await matches(council(fed), patient(LEO))
    await shields(await guardian(fed, "dpo1", "council"), LEO)
    (after,) = await matches(council(fed), patient(LEO))
    for one in (before, after):
        del one["resource"]["meta"]
    assert after == before
    assert await matches(nurse(fed), patient(LEO)) == []


async def test_what_is_found_follows_what_is_held(fed: World) -> None:
    """A new name and birth date are found and the old are not; an erased person is as a stranger; no term of theirs is left."""
    at = council(fed)
    before, after = Person("", "", "2012-05-06", "FORMER", "NINA"), Person("", "", "2012-06-07", "LATTER", "MONA")
    await tells(fed, "council-system", patient(before, local="N1"))
    assert grades(await matches(at, patient(before))) == [("NINA", "probable")]
    await tells(fed, "council-system", patient(after, local="N1"))
    assert await matches(at, patient(before)) == []
    (mona,) = await matches(at, patient(after))
    assert grades([mona]) == [("MONA", "probable")]
    assert rows_of(fed, mona["resource"]["id"])["match_term"] == 2
    leo = patient(Person("", "", LEO.born, LEO.family, LEO.given))
    (entry,) = await matches(at, leo)
    assert ask(fed.settings, f"SELECT count(*) FROM match_term WHERE person = '{entry['resource']['id']}'")[0][0] == 2
    await erased(fed, LEO, COUNCIL)
    assert set(rows_of(fed, entry["resource"]["id"]).values()) == {0}
    assert await matches(at, leo) == []


async def test_rows_that_were_joined_are_found_once_by_what_either_was_called(fed: World) -> None:
    """Two local numbers prove to be one person by the NHS number: one row, under both."""
    at = council(fed)
    one, other = Person("", "", "2011-02-03", "JOINED", "OSCAR"), Person("", "9990001057", "2011-02-03", "JOINED", "OSCAR")
    await tells(fed, "council-system", patient(one, local="J1"))
    await tells(fed, "council-system", patient(other))
    assert [grade for _, grade in grades(await matches(at, patient(one)))] == ["possible", "possible"]
    await tells(fed, "council-system", patient(other, local="J1"))
    assert grades(await matches(at, patient(one))) == [("OSCAR", "probable")]
    rows = ask(fed.settings, "SELECT count(*), count(DISTINCT token) FROM match_term")
    assert rows[0][0] == rows[0][1]


async def test_a_purged_person_is_not_found(fed: World) -> None:
    """The sender says that the record should never have been."""
    leo = patient(Person("", "", LEO.born, LEO.family, LEO.given))
    await council(fed).sends("dfe-csc-api", [{"la_child_id": "LEO1", "purge": True}])
    assert await matches(council(fed), leo) == []


async def test_a_question_is_one_line_of_the_log(fed: World) -> None:
    """Who asked, about whom, and who was found, for the auditor of the agency whose people they are."""
    await matches(council(fed), patient(Person("", "", LEO.born, LEO.family, LEO.given)))
    await matches(council(fed), patient(LEO))
    await matches(council(fed), patient(STRANGER))
    lines = [one for one in await log_of(fed.auditor("council")) if exchange(one) == "match_patient"]
    assert len(lines) == 3
    assert sum(LEO.nhs in str(one) for one in lines) == 2 and sum(STRANGER.nhs in str(one) for one in lines) == 1
    assert all("sw22" in str(one) for one in lines)
    assert not [one for one in await log_of(fed.auditor("trust")) if exchange(one) == "match_patient"]


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"resourceType": "Parameters", "parameter": []}, 422, "Parameters.parameter"),
        ({"resourceType": "Parameters", "parameter": [{"name": "count", "valueInteger": 1}]}, 422, "resource"),
        (asked({"resourceType": "Person"}), 422, "resource"),
        (asked("LEO"), 422, "resource"),
        (asked({"resourceType": "Patient", "birthDate": "never"}), 422, "birthDate"),
        (asked({"resourceType": "Patient", "name": "LEO"}), 422, "name"),
        (asked(patient(LEO), count=0), 422, "count"),
        (asked(patient(LEO), count=True), 422, "count"),
        (asked(patient(LEO), count="many"), 422, "count"),
        (asked(patient(LEO), onlyCertainMatches="yes"), 422, "onlyCertainMatches"),
        (asked(patient(LEO), threshold="0.5"), 422, "parameter"),
        (asked(patient(Person("", "9990001007", "", "", ""))), 422, "identifier"),
        (asked({**patient(LEO), "identifier": [*patient(LEO)["identifier"], *patient(RUBY)["identifier"]]}), 422, "identifier"),
        (asked({**patient(LEO), "identifier": [{"system": LOCAL, "value": f"L{place}"} for place in range(21)]}), 422, "identifier"),
        (asked({"resourceType": "Patient"}), 400, "resource"),
        (asked(patient(Person("", "", LEO.born, "", ""))), 400, "resource"),
        (asked(patient(Person("", "", "", LEO.family, LEO.given))), 400, "resource"),
        (asked({"resourceType": "Patient", "identifier": [{"value": "LEO1"}]}), 400, "resource"),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused_naming_the_part(fed: World, body: Any, status: int, where: str) -> None:
    """422 for what is wrong, 400 for what is too little to find anybody; nothing of what was sent is repeated."""
    answer = await council(fed).post(PATH, body)
    outcome(answer, status)
    (issue,) = answer.json()["issue"]
    assert where in issue["expression"][0]
    assert LEO.family not in answer.text and "never" not in answer.text


async def test_it_needs_its_scope(fed: World) -> None:
    """Reading one's own people is another permission than looking for them by name."""
    outcome(await fed.auditor("council").post(PATH, asked(patient(LEO))), 403)


async def test_the_database_holds_no_term_that_can_be_read_or_met(fed: World) -> None:
    """The same birth date and name at two agencies give different tokens."""
    same_child = patient(Person("", "", "2013-12-11", "SHARED", "IDA"))
    for client, system in (("council-system", LOCAL), ("trust-epr", systems.local_id("TMH01", "rio"))):
        await tells(fed, client, {**same_child, "identifier": [{"system": system, "value": "S1"}]})
    rows = ask(fed.settings, "SELECT token, agency FROM match_term JOIN person ON person.id = match_term.person")
    mine, theirs = ({bytes(token) for token, agency in rows if (agency == COUNCIL) is council} for council in (True, False))
    assert mine and theirs and mine.isdisjoint(theirs)
    assert all(len(token) == 16 for token in mine | theirs)


async def test_beth_is_found_among_the_trusts_own(fed: World) -> None:
    """A refusal is no bar to one's own record: identity only, and nothing of any status."""
    (found,) = await matches(fed.as_("trust-epr"), patient(BETH))
    assert grades([found]) == [("BETH", "certain")]
    assert "extension" not in found["resource"]
