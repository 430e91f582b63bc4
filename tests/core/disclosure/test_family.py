"""The family picture: what was released and nothing else, legible for one person and for twenty, and the same in words."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from gateway.disclosure.family import Member, Released, family_of
from gateway.disclosure.family_picture import CARD, described, placed, svg
from gateway.disclosure.release import Disclosure
from gateway.disclosure.wording import shipped_wording
from gateway.fhir import systems
from gateway.fhir.codes import Answer, Involvement

WORDS = shipped_wording().family
ME = Member("self", "Nora EXAMPLE", "1991-03-14", symbol="female")
COUNCIL, VISITING = "Southshire Council", "Health Visiting"
HOSTILE = (
    "<script>alert(1)</script>",
    '"/><image href=x onerror=alert(1)>',
    "]]></text></svg><b>",
    "\u202egnp\u0000\n\u2028x",
    "&lt;&amp;",
)


def relative(
    number: str = "9990001014", role: str = "SON", given: str = "Leo", responsible: str = "yes", **more: Any
) -> dict[str, Any]:
    """A RelatedPerson as ``release`` shapes it."""
    parts = [{"url": "value", "valueCode": responsible}] if responsible else []
    said = [{"url": systems.extension("parental-responsibility"), "extension": parts}] if parts else []
    return {
        "resourceType": "RelatedPerson", "identifier": [{"system": systems.NHS_NUMBER, "value": number}], "extension": said,
        "relationship": [{"coding": [{"system": systems.V3_ROLE, "code": role}]}], "name": [{"given": [given]}],
        "birthDate": "2019-06-02", **more,
    }  # fmt: skip


def flag(text: str, handle: str = "h1", marker: bool = False) -> dict[str, Any]:
    """A Flag as ``release`` shapes it."""
    system = systems.code_system("marker" if marker else "involvement")
    return {
        "code": {"coding": [{"system": system, "code": "x"}], "text": text},
        "subject": {"identifier": {"system": "https://gateway.example/fhir/Id/person-handle", "value": handle}},
    }


def told(about: str = "children", organisation: str = COUNCIL, **more: Any) -> Released:
    """One line of an answer."""
    made = {"status": Involvement.ACTIVE, "since": "2026-01-05", **more}
    return Released(about, organisation, Disclosure("TLA01", Answer.KNOWN, "30001", **made), 1_700_000_000_000_000)


def drawn(*lines: Released) -> str:
    """The picture of these lines; it must be well-formed."""
    text = svg(family_of(ME, lines), WORDS, {"2019-06-02": "2 June 2019", "1991-03-14": "14 March 1991"})
    ElementTree.fromstring(text)
    return text


def test_two_services_about_one_child_are_one_child() -> None:
    """By the number where it may be told, by the handle where it may not."""
    named = family_of(ME, [told(related_person=relative()), told(organisation=VISITING, related_person=relative())])
    assert [[one.organisation for one in child.known] for child in named.children] == [[COUNCIL, VISITING]]
    by_handle = family_of(ME, [told(flags=(flag("a"),)), told(organisation=VISITING, flags=(flag("b"),))])
    assert len(by_handle.children) == 1
    assert len(family_of(ME, [told(flags=(flag("a"),)), told(flags=(flag("a", "h2"),))]).children) == 2


def test_lines_that_name_nobody_stand_for_themselves() -> None:
    """Existence alone: whether two services mean one child is not told, so it is not drawn."""
    made = family_of(ME, [told(status=None, since=""), told(organisation=VISITING, status=None, since="")])
    assert [child.name for child in made.children] == ["", ""]


def test_nobody_is_in_it_but_whom_a_line_speaks_of() -> None:
    """The patient alone where nothing was released about others."""
    made = family_of(ME, [told("self")])
    assert (made.parents, made.children, len(made.patient.known)) == ((), (), 1)
    assert family_of(ME, []).people == (ME,)


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [("yes", "yes", "yes"), ("yes", "unknown", "yes"), ("unknown", "no", "no"), ("yes", "no", "unknown"), ("", "no", "no")],
)
def test_parental_responsibility_is_as_sure_as_its_sources(first: str, second: str, shown: str) -> None:
    """Two sources against each other are not known; neither wins."""
    lines = [
        told(related_person=relative(responsible=first)),
        told(organisation=VISITING, related_person=relative(responsible=second)),
    ]
    assert family_of(ME, lines).children[0].responsibility == shown


def test_the_picture_says_in_words_what_it_draws() -> None:
    """Title and description, one sentence for each person; the line's kind stands on the card too."""
    picture = drawn(told(related_person=relative(responsible="no")), told("parents", related_person=relative("1", "MTH", "Joan")))
    assert "Leo: son, this patient has no parental responsibility, known to Southshire Council (Involved now)." in picture
    assert "Joan: mother" in picture and "Nora EXAMPLE: patient, no service told us of them." in picture
    assert 'class="tie without"' in picture and 'class="tie with"' in picture
    assert "Parental responsibility: no" in picture


def test_shapes_are_those_of_genograms() -> None:
    """Circle, square, diamond; the patient's is double."""
    family = family_of(ME, [told(related_person=relative()), told(related_person=relative("2", "CHILD", "Kit"))])
    picture = svg(family, WORDS, {})
    assert picture.count('<circle class="sign"') == 2  # the patient, double
    assert picture.count('<rect class="sign"') == 1
    assert picture.count('<path class="sign"') == 1


def test_a_service_has_one_number_wherever_it_stands() -> None:
    """The second service is 2 on every card."""
    lines = [told(related_person=relative()), *(told(organisation=VISITING, related_person=relative(str(n))) for n in range(3))]
    picture = drawn(*lines)
    assert re.findall(r'class="number"[^>]*>(\d+)<', picture) == ["1", "2", "2", "2"]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 7, 17, 20])
def test_cards_never_overlap_and_all_is_inside(number: int) -> None:
    """For one person to more than twenty, whatever the length of what is said."""
    lines = [
        told(related_person=relative(str(n), given="Leo" * n), organisation="An agency with a long name " * (1 + n % 3))
        for n in range(number)
    ]
    lines += [told("parents", related_person=relative(f"p{n}", "FTH", "Ned")) for n in range(min(number, 4))]
    rows, width, height = placed(family_of(ME, lines))
    cards = [one for row in rows for one in row]
    assert len(cards) == 1 + number + min(number, 4)
    for place, one in enumerate(cards):
        assert one.x >= 0 and one.x + CARD <= width and one.y >= 0 and one.y + one.height <= height
        for other in cards[place + 1 :]:
            apart_x = one.x + CARD <= other.x or other.x + CARD <= one.x
            assert apart_x or one.y + one.height <= other.y or other.y + other.height <= one.y
    drawn(*lines)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_text(text: str) -> None:
    """Well-formed whatever an agency or a chart calls somebody; no element but our own, no link, no handler."""
    me = ME._replace(name=text)
    lines = [told(related_person=relative(given=text), organisation=text, flags=(flag(text), flag(text, marker=True)))]
    root = ElementTree.fromstring(svg(family_of(me, lines), WORDS, {}).replace("\u0000", ""))
    names = {one.tag for one in root.iter()}
    assert names <= {"svg", "title", "desc", "g", "rect", "circle", "path", "text"}
    attributes = {name for one in root.iter() for name in one.attrib}
    assert attributes <= {
        "class", "viewBox", "width", "height", "role", "aria-labelledby", "id", "x", "y", "rx", "cx", "cy", "r", "d",
    }  # fmt: skip


def test_markers_and_details_are_told_apart() -> None:
    """A marker is a fact of its own; a detail stands in place of the coarse status."""
    made = family_of(ME, [told(flags=(flag("Child protection plan"), flag("Involved now"), flag("Young carer", marker=True)))])
    (known,) = made.children[0].known
    assert (known.details, known.markers) == (("Child protection plan",), ("Young carer",))
    assert "Child protection plan" in described(made, WORDS)


def test_an_unborn_child_has_an_expected_day() -> None:
    """Never a birth date."""
    unborn = relative(given="", responsible="")
    del unborn["birthDate"]
    unborn["extension"] = [{"url": systems.extension("expected-birth-date"), "valueDate": "2027-02-01"}]
    assert "expected 2027-02-01" in drawn(told(related_person=unborn))


def test_a_child_without_name_or_number_stands_apart_and_one_with_a_number_alone_is_told_by_it() -> None:
    """A relative without identifier is not joined with another; a number in threes and fours stands in place of a name."""
    bare = relative()
    bare = {name: value for name, value in bare.items() if name not in ("identifier", "name", "birthDate")}
    assert len(family_of(ME, [told(related_person={**bare, "identifier": []})]).children) == 1
    numbered = relative()
    numbered = {name: value for name, value in numbered.items() if name not in ("name", "birthDate")}
    assert "NHS number 999 000 1014" in drawn(told(related_person=numbered))
