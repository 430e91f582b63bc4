"""Lookups through the API, on both databases."""

from gateway.demo import people
from gateway.demo.people import AMINA, STRANGER
from tests.world import World, groups, part


async def test_a_child_protection_enquiry_hears_that_the_mother_is_known_and_whom_to_ring(fed: World) -> None:
    """Section 47: the law and the trust's agreement open the answer, whatever the person wishes."""
    answer = await fed.social_worker().hears(AMINA, "safeguarding-s47", case="C-1")
    (group,) = groups(answer)
    assert part(group, "answer") == "known"
    assert part(group, "status")["coding"][0]["code"] == "high-intensity"
    assert part(group, "itk")["code"] == "30001"
    assert [one["resource"]["telecom"][0]["value"] for one in group if one["name"] == "contact" and "telecom" in one["resource"]]


async def test_a_stranger_under_a_duty_is_not_in_the_records_that_are_sent(fed: World) -> None:
    """A complete and fresh feed, a number and a birth date: only then a careful not-known."""
    (group,) = groups(await fed.social_worker().hears(STRANGER, "safeguarding-s47", case="C-1"))
    assert part(group, "answer") == "not-known"
    assert part(group, "itk")["code"] == "30002"


async def test_without_a_recorded_wish_the_ward_hears_no_information(fed: World) -> None:
    """Wish mode: nobody agreed, so nothing is said, in the words that a stranger gets."""
    answer = await fed.ward().hears(AMINA, "amh-care-planning", "children")
    assert part(answer, "answer") == "no-information"
    assert {one["name"] for one in answer["parameter"]} == {"disclosure", "asOf", "coverage", "answer"}


async def test_a_purpose_that_the_token_does_not_carry_is_refused_before_anybody_is_looked_at(fed: World) -> None:
    """The refusal is the same for a person who is known and for a stranger."""
    answers = [await fed.ward().asks(person, "safeguarding-s47", case="C-1") for person in (AMINA, STRANGER)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].text == answers[1].text


async def test_people_of_the_demonstration_are_from_the_test_range() -> None:
    """Nobody in the story exists."""
    assert all(person.nhs.startswith("999") for person in people.PEOPLE)
