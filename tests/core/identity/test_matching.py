"""Who is who: pairs that people know to be one person or two, graded; and what must hold of every pair."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fhir import systems
from gateway.identity.described import MOST_NAMES, MOST_TERMS, Described, described, terms, terms_asked
from gateway.identity.matching import Candidate, Comparison, Grade, Level, compare, grade_of, ranked, score, settled, weight

NUMBER, OTHER = "9990001006", "9990001014"
BORN = "2015-03-14"


def person(*told: str, **more: Any) -> Described:
    """Somebody as ``patient`` has them."""
    return described(patient(*told, **more))


def patient(
    given: str = "JACK", family: str = "SMITH", born: str = BORN, nhs: str = "", local: str = "", **more: Any
) -> dict[str, Any]:
    """Somebody as a Patient describes them; an empty text is a part that is not told."""
    named = [(systems.NHS_NUMBER, nhs), ("urn:council", local)]
    name = {"family": family, "given": given.split()}
    told = {
        "identifier": [{"system": system, "value": value} for system, value in named if value],
        "name": [{part: value for part, value in name.items() if value}],
        "birthDate": born,
        **more,
    }
    return {part: value for part, value in told.items() if value}


def graded(one: Described, other: Described) -> Grade:
    """The grade of a pair; the same whoever is asked for and whoever is on file."""
    found, turned = compare(one, other), compare(other, one)
    assert found == turned
    return grade_of(found)


ASKED = person(nhs=NUMBER)
BY_NUMBER = {
    "everything is the same": (person(nhs=NUMBER), Grade.CERTAIN),
    "the number and the birth date, no name on file": (person("", "", nhs=NUMBER), Grade.CERTAIN),
    "married since": (person(family="JONES", nhs=NUMBER), Grade.CERTAIN),
    "the other twin under this number": (person("HARRY", nhs=NUMBER), Grade.PROBABLE),
    "a wrong month": (person(born="2015-11-14", nhs=NUMBER), Grade.CERTAIN),
    "one digit of the day": (person(born="2015-03-15", nhs=NUMBER), Grade.CERTAIN),
    "one digit of the day and another given name": (person("HARRY", born="2015-03-15", nhs=NUMBER), Grade.PROBABLE),
    "one digit of the day and another family name": (person(family="JONES", born="2015-03-15", nhs=NUMBER), Grade.PROBABLE),
    "the year of birth alone": (person(born="2015", nhs=NUMBER), Grade.CERTAIN),
    "another year of birth alone": (person(born="2014", nhs=NUMBER), Grade.PROBABLE),
    "no birth date on file": (person(born="", nhs=NUMBER), Grade.PROBABLE),
    "the number alone on file": (person("", "", "", NUMBER), Grade.PROBABLE),
    "another birth date, the same name": (person(born="1980-11-30", nhs=NUMBER), Grade.PROBABLE),
    "another birth date and given name": (person("HARRY", born="1980-11-30", nhs=NUMBER), Grade.POSSIBLE),
    "somebody else altogether": (person("MOLLY", "JONES", "1980-11-30", NUMBER), Grade.POSSIBLE),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_NUMBER)
def test_with_the_same_nhs_number(case: str) -> None:
    """Certain with the birth date and no other given name, or with a near birth date and both names; a number that birth date
    and given name contradict is for a person to look at."""
    other, expected = BY_NUMBER[case]
    assert graded(ASKED, other) is expected


BY_NAME = {
    "all the same": ("JACK", "SMITH", BORN, Grade.PROBABLE),
    "in other letters": ("Jáck", "Smíth", BORN, Grade.PROBABLE),
    "a slip of the pen": ("JACK", "SMIHT", BORN, Grade.PROBABLE),
    "another short form": ("JOHNNY", "SMITH", BORN, Grade.PROBABLE),
    "the full form": ("JOHN", "SMITH", BORN, Grade.PROBABLE),
    "given and family name changed places": ("SMITH", "JACK", BORN, Grade.PROBABLE),
    "a double name": ("JACK", "SMITH-JONES", BORN, Grade.PROBABLE),
    "a second given name": ("JACK LEE", "SMITH", BORN, Grade.PROBABLE),
    "known by a second name": ("LEE JACK", "SMITH", BORN, Grade.POSSIBLE),
    "an initial": ("J", "SMITH", BORN, Grade.POSSIBLE),
    "the other twin": ("HARRY", "SMITH", BORN, Grade.POSSIBLE),
    "a baby without a name": ("BABY", "SMITH", BORN, Grade.POSSIBLE),
    "twin one of two": ("TWIN 1", "SMITH", BORN, Grade.POSSIBLE),
    "no given name": ("", "SMITH", BORN, Grade.POSSIBLE),
    "another family name": ("JACK", "JONES", BORN, Grade.POSSIBLE),
    "no name at all": ("", "", BORN, Grade.CERTAINLY_NOT),
    "born on the same day": ("MOLLY", "JONES", BORN, Grade.CERTAINLY_NOT),
    "one digit of the day": ("JACK", "SMITH", "2015-03-15", Grade.POSSIBLE),
    "a wrong month": ("JACK", "SMITH", "2015-11-14", Grade.POSSIBLE),
    "the year alone": ("JACK", "SMITH", "2015", Grade.POSSIBLE),
    "another year alone": ("JACK", "SMITH", "2014", Grade.CERTAINLY_NOT),
    "no birth date": ("JACK", "SMITH", "", Grade.POSSIBLE),
    "a brother": ("HARRY", "SMITH", "2013-07-01", Grade.CERTAINLY_NOT),
    "the father of the same name": ("JACK", "SMITH", "1984-11-30", Grade.CERTAINLY_NOT),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_NAME)
def test_by_name_and_birth_date_alone(case: str) -> None:
    """Never certain: probable where all three agree, possible where one is near or missing, nobody where the birth date or two
    of them say otherwise."""
    *told, expected = BY_NAME[case]
    assert graded(person(), person(*told)) is expected


def test_the_day_and_month_of_a_date_may_have_changed_places() -> None:
    """A date that reads both ways is near itself turned round, however far apart the two are."""
    assert compare(person(born="2015-03-11"), person(born="2015-11-03")).born is Level.CLOSE
    assert compare(person(born="2015-03-14"), person(born="2015-11-03")).born is Level.DIFFERENT


def test_a_digit_that_makes_a_parent_of_a_child_is_not_a_slip() -> None:
    """One digit of the year is near where the years are; a decade apart it is weak."""
    assert compare(person(born="2015-03-14"), person(born="2016-03-14")).born is Level.CLOSE
    assert compare(person(born="2015-03-14"), person(born="1985-03-14")).born is Level.WEAK
    assert compare(person(born="2015-03-14"), person(born="2005-03-14")).born is Level.WEAK


def test_the_first_of_january_says_little() -> None:
    """It is written where nobody knows the day: alike in it is no proof, with or without a number."""
    new_year = "2015-01-01"
    assert graded(person(born=new_year), person(born=new_year)) is Grade.POSSIBLE
    assert graded(person("", "", new_year, NUMBER), person("", "", new_year, NUMBER)) is Grade.PROBABLE


def test_the_name_before_she_married_still_names_her() -> None:
    """Every name on file counts, the one that agrees best."""
    names = [{"family": "EXAMPLE", "given": ["AMINA"]}, {"use": "maiden", "family": "SAMPLE", "given": ["AMINA"]}]
    on_file = person(name=names)
    assert graded(person("AMINA", "SAMPLE"), on_file) is Grade.PROBABLE
    assert graded(person("AMINA", "EXAMPLE"), on_file) is Grade.PROBABLE


def test_names_of_other_origins_are_compared_as_they_are_written() -> None:
    """Apostrophes, particles, accents, other scripts; a particle that two names share says nothing."""
    alike = [("Siobhán", "O’Neill", "SIOBHAN", "ONEILL"), ("محمد", "خان", "محمد", "خان"), ("Łukasz", "Żak", "LUKASZ", "ZAK"),
             ("Muhammad", "al-Khan", "MOHAMMED", "KHAN"), ("Zoë", "St. John", "Zoe", "StJohn")]  # fmt: skip
    for one, family, other, other_family in alike:
        assert graded(person(one, family), person(other, other_family)) is Grade.PROBABLE, one
    assert compare(person("Omar", "al-Khan"), person("Omar", "al-Masri")).family is Level.DIFFERENT
    assert compare(person("Omar", "van Dyke"), person("Omar", "van Rossum")).family is Level.DIFFERENT


def test_titles_and_placeholders_are_no_names() -> None:
    """A title is left out; a child whose name is not known yet agrees with nobody and contradicts nobody."""
    assert person("Mr Jack").names == person("Jack").names
    for placeholder in ("Baby", "baby girl", "UNKNOWN", "Twin 2", "1"):
        assert compare(person(placeholder), person(placeholder)).given is Level.MISSING, placeholder


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("BILL", "WILLIAM", Level.CLOSE),
        ("LIZ", "BETTY", Level.CLOSE),
        ("ALEX", "ALEXANDRA", Level.CLOSE),
        ("ALEXANDER", "ALEXANDRA", Level.WEAK),
        ("CHRISTOPHER", "CHRISTINE", Level.WEAK),
        ("STEPHEN", "STEFEN", Level.WEAK),
        ("SARAH", "SRAAH", Level.CLOSE),
        ("SARAH", "SARAHA", Level.CLOSE),
        ("MIA", "MYA", Level.WEAK),
        ("MIA", "MIRA", Level.DIFFERENT),
        ("MARY JANE", "MARYJANE", Level.EXACT),
        ("MARY JANE", "MARY ANNE", Level.CLOSE),
        ("KIM", "K", Level.WEAK),
        ("KIM", "L", Level.DIFFERENT),
    ],
)
def test_given_names(one: str, other: str, level: Level) -> None:
    """Short forms and slips are close; an initial and the sound are weak; names of three letters have no slips."""
    assert compare(person(one), person(other)).given is level
    assert compare(person(other), person(one)).given is level


def test_identifiers_that_differ_keep_twins_apart() -> None:
    """Two valid NHS numbers, or two numbers of one system, are never one person without somebody looking."""
    assert graded(person(nhs=NUMBER), person(nhs=OTHER)) is Grade.POSSIBLE
    assert graded(person(local="A1"), person(local="A2")) is Grade.POSSIBLE
    assert graded(person(nhs=NUMBER), person("HARRY", nhs=OTHER)) is Grade.POSSIBLE
    assert graded(person(nhs=NUMBER), person("MOLLY", "JONES", nhs=OTHER)) is Grade.CERTAINLY_NOT
    assert graded(person(nhs=NUMBER, local="A1"), person(nhs=OTHER, local="A1")) is Grade.POSSIBLE


def test_a_new_local_number_beside_the_same_nhs_number() -> None:
    """Somebody is registered twice: probable, and for a person to join."""
    assert graded(person(nhs=NUMBER, local="A1"), person(nhs=NUMBER, local="A2")) is Grade.PROBABLE


def test_the_senders_own_number_is_as_good_as_the_nhs_number() -> None:
    """With the birth date it is certain; old numbers stay on file beside the new."""
    old = [{"system": "urn:council", "value": value} for value in ("A1", "A2")]
    assert graded(person(local="A1"), person(identifier=old)) is Grade.CERTAIN
    assert graded(person(local="A1"), person(local="A1", born="1980-11-30", given="HARRY")) is Grade.POSSIBLE


def test_a_number_that_is_none_is_not_told() -> None:
    """Wrong check digit or a placeholder: nothing agrees or differs by it, and so it is no identifier."""
    for number in ("9990001007", "0000000000", "9999999999"):
        assert compare(person(nhs=number), person(nhs=number)).number is Level.MISSING
        assert not person(nhs=number, family="", given="").is_enough


def test_gender_decides_nothing() -> None:
    """It is recorded wrongly, and it changes: it weighs a little among equals."""
    same, other = person(gender="male"), person(gender="female")
    assert graded(same, same) is graded(same, other) is Grade.PROBABLE
    assert weight(compare(same, same)) > weight(compare(same, other))


def test_what_is_enough_to_look_for_somebody() -> None:
    """An identifier, or a birth date with a part of a name."""
    assert person("", "", "", NUMBER).is_enough and person("", "", "", local="A1").is_enough
    assert person("", "SMITH").is_enough and person("JACK", "").is_enough
    assert not person("", "").is_enough and not person(born="").is_enough and not person("BABY", "").is_enough


def found(name: str, one: Described, asked: Described) -> Candidate:
    """A candidate."""
    comparison = compare(asked, one)
    return Candidate(name, comparison, grade_of(comparison))


def grades(asked: Described, *held: Described, complete: bool = True) -> dict[str, Grade]:
    """The settled grades of several, by their letters, in their order."""
    candidates = [found("abcdef"[place], one, asked) for place, one in enumerate(held)]
    turned = settled(candidates[::-1], complete=complete)
    assert settled(candidates, complete=complete) == turned
    return {one.id: one.grade for one in turned}


def test_two_who_are_equally_like_make_each_other_doubtful() -> None:
    """Jack and Zack, born on one day: a person must look at both, Jack first."""
    assert grades(person(), person("ZACK"), person()) == {"b": Grade.POSSIBLE, "a": Grade.POSSIBLE}
    assert grades(person(), person("HARRY"), person()) == {"b": Grade.PROBABLE, "a": Grade.POSSIBLE}


def test_identifiers_that_lead_to_two_people_name_neither() -> None:
    """A number of the one and a number of the other in one question."""
    asked = person(nhs=NUMBER, local="A2")
    assert grades(asked, person(nhs=NUMBER), person(local="A2")) == {"a": Grade.POSSIBLE, "b": Grade.POSSIBLE}


def test_a_number_that_points_elsewhere_makes_the_namesake_doubtful() -> None:
    """The number says one, name and birth date say another."""
    held = person(nhs=NUMBER, given="HARRY", born="1980-11-30"), person()
    assert set(grades(person(nhs=NUMBER), *held).values()) == {Grade.POSSIBLE}
    assert grades(person(nhs=NUMBER), person(nhs=NUMBER), person()) == {"a": Grade.CERTAIN, "b": Grade.PROBABLE}


def test_where_not_everybody_was_looked_at_only_an_identifier_is_sure() -> None:
    """There may be another just as like."""
    assert grades(person(), person(), complete=False) == {"a": Grade.POSSIBLE}
    assert grades(person(nhs=NUMBER), person(nhs=NUMBER), complete=False) == {"a": Grade.CERTAIN}


def test_nobody_is_found_who_is_certainly_not_the_person() -> None:
    """They are left out."""
    assert grades(person(), person("MOLLY", "JONES")) == {}


LEVELS = st.sampled_from(list(Level))
EITHER = st.sampled_from([Level.DIFFERENT, Level.MISSING, Level.EXACT])
COMPARISONS = st.builds(Comparison, number=EITHER, local=EITHER, born=LEVELS, given=LEVELS, family=LEVELS, gender=EITHER)


@given(COMPARISONS, st.sampled_from(Comparison._fields), LEVELS)
def test_one_more_agreement_never_lowers_a_grade(one: Comparison, part: str, level: Level) -> None:
    """Nor the weight: what speaks for somebody never speaks against them."""
    if level > getattr(one, part) and (part in ("born", "given", "family") or level in (Level.MISSING, Level.EXACT)):
        better = one._replace(**{part: level})
        assert grade_of(better) >= grade_of(one)
        assert weight(better) >= weight(one)


@given(COMPARISONS)
def test_nobody_is_certain_without_an_identifier(one: Comparison) -> None:
    """Nor where two NHS numbers differ, nor where birth date and given name both say otherwise."""
    if not one.is_identified or one.number is Level.DIFFERENT or one.born is one.given is Level.DIFFERENT:
        assert grade_of(one) is not Grade.CERTAIN


@given(st.lists(COMPARISONS, max_size=6), st.randoms(), st.booleans())
def test_the_order_in_which_they_are_found_is_no_matter(several: list[Comparison], chance: Any, complete: bool) -> None:
    """The same people with the same grades in the same order; scores go down, between 0 and 1, and no grade is raised."""
    candidates = [Candidate(str(place), one, grade_of(one)) for place, one in enumerate(several)]
    shuffled = candidates[:]
    chance.shuffle(shuffled)
    result = settled(candidates, complete=complete)
    assert settled(shuffled, complete=complete) == result
    assert result == ranked(result)
    scores = [score(one) for one in result]
    assert scores == sorted(scores, reverse=True) and all(0 <= one <= 1 for one in scores)
    before = {one.id: one.grade for one in candidates}
    assert all(one.grade <= before[one.id] for one in result)
    assert sum(one.grade is Grade.CERTAIN for one in result) <= 1
    assert {one.id for one in result} == {one.id for one in candidates if one.grade}


TEXTS = st.sampled_from(["JACK", "Zack", "O'Neill", "SMITH-JONES", "K", "BABY", "", "محمد", "al-Khan", "Mary Jane"]) | st.text(max_size=12)  # fmt: skip
DATES = st.dates().map(str) | st.sampled_from(["", "2015", "2015-03", BORN, "2015-01-01"])
PATIENTS = st.builds(patient, TEXTS, TEXTS, DATES, st.sampled_from(["", NUMBER, OTHER]), st.sampled_from(["", "A1", "A2"]))


@given(PATIENTS, PATIENTS)
def test_whoever_is_asked_for_and_whoever_is_on_file_the_comparison_is_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Whatever is written in names and dates."""
    assert compare(described(one), described(other)) == compare(described(other), described(one))


@given(PATIENTS)
def test_everybody_is_like_themselves(one: dict[str, Any]) -> None:
    """Nothing about a person differs from itself, and the terms that they are asked under are those they are kept under."""
    assert Level.DIFFERENT not in compare(described(one), described(one))
    assert terms(one) <= set(terms_asked(described(one)))


@pytest.mark.parametrize("case", [case for case, (*_, grade) in BY_NAME.items() if grade is not Grade.CERTAINLY_NOT])
def test_whoever_would_be_graded_is_found(case: str) -> None:
    """Some term that is asked under is one that they are kept under."""
    given, family, born, _ = BY_NAME[case]
    assert not terms(patient(given, family, born)).isdisjoint(terms_asked(person()))


def test_terms_tell_little_and_are_few() -> None:
    """A birth date, or two sounds; never a name; as many as are looked for, however many names somebody has."""
    assert terms(patient("AMINA", "EXAMPLE")) == {f"born|{BORN}", "name|a550|e251"}
    assert terms(patient("EXAMPLE", "AMINA")) == terms(patient("AMINA", "EXAMPLE"))
    names = [{"family": "Alpha-Bravo-Charlie Delta", "given": ["Alexandra", f"Mary{place}"]} for place in range(40)]
    assert len(person(name=names).names) == MOST_NAMES
    assert len(terms_asked(person(name=names))) <= MOST_TERMS


def test_a_date_that_cannot_be_read_is_not_told() -> None:
    """Neither found nor compared by."""
    assert person(born="2015-13-40").born == "" and person(born="2015-03-14T10:00:00Z").born == ""
