"""The pieces of the saved questions that need no database: marks, volumes, who is close to home, the search of a question."""

from __future__ import annotations

import pytest

from gateway.audit.close_to_home import Compared, Member, plain, score
from gateway.audit.entry import DONE, REFUSED, Entry, Kind
from gateway.audit.marks import HOUR, at_of, marks_of, what_marks
from gateway.audit.questions import BY_NAME, QUESTIONS, search_of
from gateway.audit.volumes import DAY, WEEK, volumes

PERSON, CHILD = "https://fhir.nhs.uk/Id/nhs-number|9990001006", "https://fhir.nhs.uk/Id/nhs-number|9990001014"
ASKED = Entry(
    "0" * 32, 7 * HOUR + 5, "look_up_status", DONE, Kind.DISCLOSURE, "TMH01", "TLA01", "trust-epr", "nurse7", "ward-nurse",
    "amh-care-planning", "", PERSON, (PERSON, CHILD), ("person-wish",), 1, "", ("Consent/c/_history/2",), asked=True,
    detail=(("notice", "n1"),),
)  # fmt: skip


def marks(entry: Entry, agency: str) -> set[tuple[str, str]]:
    return {(one.name, one.value) for one in marks_of(entry) if one.agency == agency}


def test_the_holder_finds_by_what_it_is_shown() -> None:
    """Basis, consent without its version, who was found beside the person, the notice, that no case was named."""
    assert marks(ASKED, "TLA01") == {
        ("subtype", "disclose"), ("subtype", "look_up_status"), ("outcome", "0"), ("purpose", "amh-care-planning"),
        ("client", "trust-epr"), ("basis", "person-wish"), ("entity", "Consent"), ("case-reference", "none"),
        ("entity", "Consent/c"), ("entity", CHILD), ("notice", "n1"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "answered",
    [
        ASKED,
        ASKED._replace(outcome=REFUSED, kind=Kind.NEGATIVE, refusal="wish-refused", basis=(), found=(), tier=None),
        ASKED._replace(
            outcome=REFUSED, kind=Kind.NEGATIVE, refusal="not-known", basis=(), found=(), consents=(), tier=None, detail=()
        ),
    ],
    ids=["told", "refused", "a stranger"],
)
def test_the_asker_finds_the_same_by_every_answer(answered: Entry) -> None:
    """Told, refused, unknown: the marks of its own auditor are one set, without a trace of the answer."""
    assert marks(answered, "TMH01") == {
        ("subtype", "operation"), ("subtype", "look_up_status"), ("outcome", "0"), ("purpose", "amh-care-planning"),
        ("client", "trust-epr"), ("case-reference", "none"),
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "code"), [(Kind.ADMINISTRATION, "110129"), (Kind.OVERRIDE, "110127")])
def test_what_is_rare_is_marked_at_its_instant(kind: Kind, code: str) -> None:
    """Else each of them would be looked for in a whole busy hour; what is common is marked by the hour alone."""
    rare = [(one.name, one.value) for one in marks_of(ASKED._replace(kind=kind)) if one.exact and one.agency == "TLA01"]
    assert ("rare", code) in rare
    assert not [one for one in marks_of(ASKED) if one.name == "rare"]


def test_what_passed_over_a_wish_is_marked_for_the_holder_alone() -> None:
    """At its instant: there are few of them; the asker's marks are those of any other answer."""
    against = ASKED._replace(detail=(("against-wish", "existence status"), ("obligation", "seek-advice")))
    assert ("against-wish", "any") in marks(against, "TLA01") - marks(ASKED, "TLA01")
    assert all(one.exact for one in marks_of(against) if one.name == "against-wish")
    assert marks(against, "TMH01") == marks(ASKED, "TMH01")


def test_nobody_else_finds_anything() -> None:
    """Marks are of the holder and of who asked; an entry that tells by being there has none for who asked."""
    assert {one.agency for one in marks_of(ASKED)} == {"TMH01", "TLA01"}
    assert {one.agency for one in marks_of(ASKED._replace(asked=False))} == {"TLA01"}


@pytest.mark.parametrize("name", Entry._fields)
def test_what_is_left_out_of_an_entry_makes_no_difference_to_its_marks(name: str) -> None:
    """Whatever else an entry is like, field by field: its marks are those of what is kept of it."""
    others = {
        "kind": Kind.NEGATIVE, "outcome": REFUSED, "recorded": 9 * HOUR, "tier": 3, "asked": False, "found": (CHILD,),
        "basis": ("CA1989-s47",), "consents": (), "detail": (("resource", "Consent/x/_history/1"),),
    }  # fmt: skip
    for one in (ASKED, ASKED._replace(case_reference="C-1", found=())):
        changed = one._replace(**{name: others.get(name, "other")})
        assert set(marks_of(what_marks(changed))) == set(marks_of(changed))
    assert what_marks(ASKED) == what_marks(ASKED._replace(id="1", recorded=1, user="u", request_id="r", disclosure="d"))


def test_a_mark_of_one_thing_stands_at_its_instant_and_others_at_their_hour() -> None:
    """Hours are few, instants are exact."""
    assert at_of(ASKED.recorded, exact=False) == 7 * HOUR
    assert at_of(ASKED.recorded, exact=True) == ASKED.recorded


def test_who_asks_twice_the_usual_comes_first() -> None:
    """The median of eight weeks before; a handful is never much; a source that rests is not there."""
    until = 100 * WEEK
    steady = [("steady", until - 1 - week * WEEK, 10) for week in range(9)]
    more = [("more", until - 1 - week * WEEK, 30 if week == 0 else 10) for week in range(9)]
    few = [("few", until - 1, 4)]
    gone = [("gone", until - 3 * WEEK, 99)]
    found = volumes([*steady, *more, *few, *gone], until)
    assert [(one.source, one.week, one.usual, one.stands_out) for one in found] == [
        ("more", 30, 10, True), ("few", 4, 0, False), ("steady", 10, 10, False),
    ]  # fmt: skip


def test_the_days_and_the_busiest_hour_of_a_source() -> None:
    """Seven days, oldest first; the hour with most."""
    until = 100 * DAY
    (one,) = volumes([("a", until - HOUR, 2), ("a", until - 2 * HOUR, 5), ("a", until - 6 * DAY - HOUR, 1)], until)
    assert one.days == (1, 0, 0, 0, 0, 0, 7) and (one.busiest, one.most) == (until - 2 * HOUR, 5)


NURSE = Member(b"u1", b"p1", b"n1", b"smith", b"road", b"north")


@pytest.mark.parametrize(
    ("other", "times", "namesakes", "points", "reasons"),
    [
        (Compared(NURSE), 1, 1, 100, ("self",)),
        (Compared(surnames=frozenset({b"smith"}), related=True, lives_with=True), 1, 1, 110, ("lives-with", "same-surname")),
        (Compared(surnames=frozenset({b"smith"}), related=True), 3, 1, 110, ("family", "same-surname")),
        (Compared(NURSE._replace(user=b"u2", patient=b"p2")), 1, 1, 110, ("same-address", "same-team")),
        (Compared(Member(b"u2", b"p2", b"", b"", b"", b"")), 9, 1, 50, ("colleague",)),
        (Compared(surnames=frozenset({b"smith"})), 1, 3, 8, ("same-common-surname",)),
        (Compared(surnames=frozenset({b"jones"})), 9, 1, 0, ()),
        (Compared(), 9, 1, 0, ()),
    ],
)
def test_who_is_close_to_home(other: Compared, times: int, namesakes: int, points: int, reasons: tuple[str, ...]) -> None:
    """Each reason has a weight, repeats add to it up to a limit, and nothing adds up where no rule fits."""
    assert score(NURSE, other, times, namesakes) == (points, reasons)


def test_empty_tokens_are_never_the_same() -> None:
    """Two of whom the employer gave no address do not live together."""
    bare = Member(b"u1", b"", b"", b"", b"", b"")
    assert score(bare, Compared(Member(b"u2", b"p2", b"", b"", b"", b""), frozenset({b""})), 1, 1).reasons == ("colleague",)


@pytest.mark.parametrize(("text", "same"), [("O'Néill-Smith", "oneillsmith"), (" 1, Made-up  Road ", "1madeuproad"), ("", "")])
def test_names_and_addresses_are_compared_plainly(text: str, same: str) -> None:
    """Letters and digits, without accents, case, spaces or signs."""
    assert plain(text) == same


def test_a_search_leaves_out_what_was_not_filled_in() -> None:
    """Fixed parameters stay; a field that is empty takes its parameter with it."""
    asked = {"reason": "", "user": "nurse7", "since": "2026-01-01", "until": ""}
    assert search_of(BY_NAME["refusals"], asked) == [("outcome", "4"), ("agent", "nurse7"), ("date", "ge2026-01-01")]


def test_the_questions_are_fourteen_and_two_beside_them() -> None:
    """Each has words of its own and an address that names nobody; what no search says in full says so."""
    assert len(QUESTIONS) == 16 and len({one.title for one in QUESTIONS}) == len({one.path for one in QUESTIONS}) == 16
    for one in QUESTIONS:
        assert one.title.endswith("?") and one.means.endswith(".") and (one.search or one.partly), one.name
    assert [one.name for one in QUESTIONS if not one.search] == ["health"]  # which is asked at /audit/checkpoint
