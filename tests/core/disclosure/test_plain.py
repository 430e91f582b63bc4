"""A wish in plain words: what a patient and a nurse read is what the gateway does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.disclosure.agreements import OBLIGATIONS
from gateway.disclosure.directives import compile_consent
from gateway.disclosure.plain import Person, sentences, sentences_of
from gateway.disclosure.purposes import PolicyFault
from gateway.disclosure.rules import Directive, Rule
from gateway.disclosure.wish_forms import Said, Wish, consent_of, faults_of
from gateway.disclosure.wording import CLASSES, SHIPPED, Wording, load_wording, shipped_wording
from gateway.fhir import resources, systems
from tests.core.disclosure.made import (
    DUTY,
    HOLDER,
    ME,
    MOTHER,
    NOW,
    WARD,
    action,
    actor,
    ask,
    asked,
    classes,
    consent,
    directive,
    extension,
    kind_actor,
    micros,
    purpose,
    refused,
    role_actor,
    rule,
    shared,
    subject,
    v3,
    while_inpatient,
)
from tests.core.disclosure.test_properties import ELEMENTS, JSON, common, provisions

WORDS = shipped_wording().wishes
SAM = Person("Sam", "female")
NAMES = {WARD: "Northmoor Trust", "TLA01": "Southshire Council"}
KNOWN = classes("existence", "status", "contact")
COUNCIL = actor(value="TLA01")


def told(provision: dict[str, Any] | None = None, person: Person = SAM, **more: Any) -> tuple[str, ...]:
    """The sentences of a Consent with this provision."""
    return sentences(directive(consent(provision, **more)), WORDS, person, NAMES)


def obliging(code: str, system: str = "obligation") -> list[dict[str, Any]]:
    """What a provision asks of who hears."""
    return [{"url": systems.extension("obligation"), "valueCoding": {"system": systems.code_system(system), "code": code}}]


def test_the_wish_of_the_story_reads_as_it_was_said() -> None:
    """Whom, what, what for, in which state, until when; who may not; and what never leaves."""
    agreed = rule("permit", actor=[COUNCIL], klass=KNOWN, purpose=[purpose("early-help")], period={"end": "2027-03-31"})
    agreed["modifierExtension"] = while_inpatient()
    assert told(rule("deny", agreed, rule("deny", actor=[kind_actor("school-nursing")]))) == (
        (
            "Sam has agreed that Southshire Council may be told that she is known, her status and whom to ring, for early help, "
            "only while she is in hospital, until 31 March 2027."
        ),
        "The school nursing service may not be told anything.",
        "Nothing more than this is shared because of this record.",
        "Her address is never shared, with anybody.",
    )


BASES: list[tuple[str, dict[str, Any], str]] = [
    ("all refused", rule("deny"), "Sam does not want anything shared with anyone."),
    ("all agreed", rule("permit"), "Sam has agreed that anyone may be told whatever the services have agreed to tell each other."),
    ("one refused", rule("deny", actor=[COUNCIL]), "Sam has said that Southshire Council may not be told anything."),
    ("a role", rule("permit", actor=[role_actor("care-coordinator")], klass=KNOWN[:1]), "Sam has agreed that anybody in the role of care coordinator may be told that she is known."),
    ("two", rule("permit", actor=[COUNCIL, actor()], klass=KNOWN[:1]), "Sam has agreed that Southshire Council and Northmoor Trust may be told that she is known."),
    ("an unnamed one", rule("permit", actor=[actor(value="RX9")]), "Sam has agreed that the organisation RX9 may be told whatever the services have agreed to tell each other."),
    ("two purposes", rule("permit", purpose=[purpose("early-help"), purpose()]), "Sam has agreed that anyone may be told whatever the services have agreed to tell each other, to plan an adult's mental health care or for early help."),
    ("a broader reason", rule("permit", purpose=[v3("COC")]), "Sam has agreed that anyone may be told whatever the services have agreed to tell each other, to coordinate care."),
]  # fmt: skip


@pytest.mark.parametrize(("provision", "first"), [case[1:] for case in BASES], ids=[case[0] for case in BASES])
def test_the_base_of_a_wish(provision: dict[str, Any], first: str) -> None:
    """Receivers by name, kind and role; classes; purposes."""
    assert told(provision)[0] == first


PERIODS = [
    ({"end": "2027"}, "until 31 December 2027"),
    ({"end": "2027-02"}, "until 28 February 2027"),
    ({"start": "2027-03-01"}, "from 1 March 2027"),
    ({"start": "2027-03", "end": "2027-03-31"}, "from 1 March 2027, until 31 March 2027"),
    ({"end": "2027-03-31T10:15:00Z"}, "until 31 March 2027 at 10:15 (UTC)"),
    ({"end": "2027-03-31T10:15:30+01:00"}, "until 31 March 2027 at 09:15:30 (UTC)"),
    ({"start": "2027-03-02", "end": "2027-03-01"}, "at no time"),
]


@pytest.mark.parametrize(("period", "words"), PERIODS)
def test_a_period_is_told_to_its_own_precision(period: dict[str, str], words: str) -> None:
    """A year ends with its last day, a month too; a time is told with its zone."""
    assert told(rule("permit", period=period))[0].endswith(f"tell each other, {words}.")


def test_exceptions_within_exceptions_stand_in_brackets() -> None:
    """Four levels; who was named is not named again; a permission within a permission is said to change nothing."""
    deepest = rule("permit", purpose=[purpose("early-help")])
    third = rule("deny", deepest, klass=classes("status", "contact"))
    nested = rule("permit", third, rule("permit", actor=[actor()]), actor=[COUNCIL], klass=KNOWN)
    assert told(rule("deny", nested))[0] == (
        "Sam has agreed that Southshire Council may be told that she is known, her status and whom to ring "
        "(except that they may not be told her status or whom to ring "
        "(except that they may be told whatever the services have agreed to tell each other, for early help); "
        "it also says that Northmoor Trust may be told whatever the services have agreed to tell each other, which changes nothing)."
    )


def test_a_limited_refusal_says_that_it_agrees_to_nothing() -> None:
    """Who refuses one organisation has not thereby agreed to the others."""
    found = told(rule("deny", rule("deny", klass=classes("address")), actor=[COUNCIL]))
    assert (
        found[0]
        == "Sam has said that Southshire Council may not be told anything (and also that they may not be told her address)."
    )
    assert found[1] == "This record agrees to nothing: it only says what may not be told."


def test_who_decided_and_in_which_state_is_told() -> None:
    """A parent for a child, the state of whoever decided, capacity, kind, doubt, a missing date, a withdrawal."""
    agreed = rule("deny", {**rule("permit", actor=[COUNCIL], klass=KNOWN[:1]), "modifierExtension": while_inpatient()})
    parent = told(agreed, Person(), by=MOTHER, extension=[extension("wish-kind", "parent-for-child")])
    assert parent[0] == (
        "A parent, who decides for this child, has agreed that Southshire Council may be told that they are known, "
        "only while the one who decided is in hospital."
    )
    assert "It was made by somebody with parental responsibility." in parent
    advance = told(rule("deny"), extension=[extension("wish-kind", "advance-wish"), extension("capacity", "had")])
    assert advance[0] == "Sam, in advance, does not want anything shared with anyone."
    assert "Sam could decide this at that time." in advance
    assert told(rule("deny"), by=None)[0].startswith("Somebody, we do not know who,")
    assert any("not been confirmed" in one for one in told(verification=[{"verified": False}]))
    assert any("when it was made" in one for one in told(dateTime=None))
    withdrawn = told(rule("permit"), status="inactive")
    assert withdrawn[0] == "This was taken back or refused, and does not count any more. It said:"
    assert not any(one.startswith("Nothing more") for one in withdrawn)


def test_what_the_gateway_cannot_read_is_said() -> None:
    """The whole, or a part of it; a draft and another matter count for nothing."""
    assert told(modifierExtension=[{"url": "https://x.example/unless", "valueBoolean": True}])[0] == (
        "There is a part that the gateway cannot read; because of it nothing is shared on the strength of this record."
    )
    part = told(rule("permit", actor=[actor(role="CST")], purpose=[purpose("x", "https://elsewhere.example")]))
    assert "somebody whom this gateway cannot tell" in part[0]
    assert any("where it matters nothing is shared" in one for one in part)
    other = told(rule("deny", rule("permit", actor=[COUNCIL], action=[action("collect")])))
    assert "something other than sharing, with Southshire Council" in other[0]
    for draft in (consent(status="draft"), consent(status="entered-in-error")):
        assert sentences_of(draft, HOLDER, micros(NOW), WORDS) == (WORDS["note"]["not-counted"],)


def test_an_obligation_is_told_and_goes_with_the_permit() -> None:
    """ "Tell me each time" comes out with every Permit that rests on it, and is a sentence."""
    asks = rule("permit", actor=[actor()], extension=obliging("tell-person-each-time"))
    made = consent(rule("deny", asks))
    assert "Each time something is shared, Sam is to be told." in told(rule("deny", asks))
    permit = ask(made)
    assert getattr(permit, "obligations", ()) == ("tell-person-each-time",)
    assert getattr(ask(consent(rule("permit")), made), "obligations", ()) == ("tell-person-each-time",)
    assert "tell-person-each-time" not in getattr(ask(made, by=asked(DUTY)), "obligations", ())
    for_others = consent(rule("permit", rule("deny", actor=[actor(value="RX9")], extension=obliging("tell-person-each-time"))))
    assert getattr(ask(for_others), "obligations", ()) == ()


@pytest.mark.parametrize(
    "strange", [obliging("sing"), obliging("tell-person", "basis"), [{"url": systems.extension("obligation")}]]
)
def test_leave_on_a_condition_that_is_not_known_is_no_leave(strange: list[dict[str, Any]]) -> None:
    """An obligation without a known code makes the whole statement refuse."""
    assert refused(consent(rule("permit", extension=strange))) == "wish-refused"


def test_every_obligation_that_is_published_can_be_asked_for() -> None:
    """One by one and all of them in one rule."""
    everything = [one for code in sorted(OBLIGATIONS) for one in obliging(code)]
    assert set(getattr(ask(consent(rule("permit", extension=everything))), "obligations", ())) == OBLIGATIONS


def test_to_refuse_what_never_leaves_refuses_nothing_else() -> None:
    """ "Never my address" beside a permission leaves the permission as it is; a class that nobody knows refuses all."""
    agreed = rule("permit", actor=[actor()])
    for code in sorted(CLASSES - {"existence", "status", "contact", "relative-identity", "marker", "detail"}):
        assert shared(consent(rule("deny", agreed, rule("deny", klass=classes(code))))) == shared(consent(rule("deny", agreed)))
        assert not shared(consent(rule("permit", klass=classes(code))))
    assert not shared(consent(rule("deny", agreed, rule("deny", klass=classes("horoscope")))))


def organisations(found: Rule) -> set[str]:
    """Every organisation that a rule or an exception of it names."""
    return {one.removeprefix("ods|") for one in found.actors if one.startswith("ods|")}.union(
        *(organisations(one) for one in found.exceptions)
    )


@common
@given(provisions(depth=4), st.sampled_from(["active", "inactive", "rejected"]), st.sampled_from([ME, MOTHER, None]))
def test_every_wish_that_compiles_has_words_that_name_every_organisation(
    provision: dict[str, Any], status: str, by: str | None
) -> None:
    """Whole sentences, no empty place, whoever made it; the name stands where there is one, else the code."""
    made = compile_consent(consent(provision, by=by, status=status), "Consent/1/_history/1", HOLDER, micros(NOW))
    found = " ".join(sentences(made, WORDS, SAM, NAMES))
    assert "{" not in found
    assert "  " not in found
    assert found.endswith(".")
    for code in organisations(made.rule) if made is not None and made.rule is not None else ():
        assert NAMES.get(code, code) in found


@common
@given(st.dictionaries(st.sampled_from(ELEMENTS), JSON, max_size=4), st.sampled_from(["active", "draft", "rejected", "x"]))
def test_telling_never_raises(parts: dict[str, Any], status: str) -> None:
    """Whatever JSON stands in a Consent."""
    assert sentences_of({**consent(rule("deny")), **parts, "status": status}, HOLDER, micros(NOW), WORDS)


def test_any_depth_has_words() -> None:
    """Exceptions a hundred deep are told; what no stack holds is said to be beyond words, or cannot be read."""

    def nested(depth: int) -> dict[str, Any]:
        made = rule("permit", actor=[COUNCIL])
        for level in range(depth):
            made = rule("deny" if level % 2 else "permit", made)
        return made

    assert "Southshire Council" in told(rule("deny", nested(99)))[0]
    for depth in range(100, 1200, 100):
        assert sentences_of(consent(rule("deny", nested(depth))), HOLDER, micros(NOW), WORDS)


def test_words_that_lack_something_refuse_to_start(tmp_path: Any) -> None:
    """A code without words and a place that nothing fills are named with their file."""
    for name in Wording._fields:
        (tmp_path / f"{name}.toml").write_text((SHIPPED / f"{name}.toml").read_text())
    assert load_wording(tmp_path) == shipped_wording()
    path = tmp_path / "wishes.toml"
    path.write_text(path.read_text().replace('police = "the police"\n', "").replace("whom to ring", "whom to {ring}", 1))
    with pytest.raises(PolicyFault, match=r"wishes.toml: no words for police in \[kind\]; .*nothing fills \{ring\}"):
        load_wording(tmp_path)


def test_a_directive_is_told_without_names_too() -> None:
    """By code, and without a name for the person."""
    made: Directive = directive(consent(rule("permit", actor=[actor()])))
    assert sentences(made, WORDS)[0].startswith("This person has agreed that the organisation TMH01 may be told")


def wishes() -> st.SearchStrategy[Wish]:
    """One of the wishes that people have, with what it takes."""
    receivers = st.lists(
        st.sampled_from(
            [
                f"{systems.ODS_CODE}|{WARD}",
                f"{systems.ODS_CODE}|RX9",
                f"{systems.code_system('agency-kind')}|school",
                f"{systems.code_system('role')}|ward-nurse",
            ]
        ),
        min_size=1,
        max_size=2,
        unique=True,
    ).map(tuple)
    share = st.builds(
        Wish,
        st.just("share"),
        st.just(()) | receivers,
        st.just(""),
        st.sets(st.sampled_from(["early-help", "amh-care-planning"])).map(tuple),
        st.sets(st.sampled_from(sorted(CLASSES))).map(tuple),
    )
    named = st.builds(Wish, st.sampled_from(["not-to", "only"]), receivers)
    bare = st.sampled_from(["only-while-in-hospital", "tell-me-each-time", "never-address", "nothing"]).map(Wish)
    return share | share | named | bare | st.just(Wish("until", date="2027-03-31"))


@common
@given(st.lists(wishes(), min_size=1, max_size=5), st.sampled_from(["", "advance-wish"]))
def test_wishes_put_together_do_what_was_said(listed: list[Wish], kind: str) -> None:
    """Valid FHIR that the gateway reads whole; who is refused hears nothing; leave is where it was said and nowhere else."""
    said = Said(ME, ME, tuple(listed), "had", kind)
    if faults_of(said):
        return
    made = consent_of(said, HOLDER, "2026-11-01T10:00:00.000Z", "Written down")
    assert not resources.errors(resources.validate(made))
    compiled = directive(made)
    assert compiled.rule is not None
    assert "{" not in " ".join(sentences(compiled, WORDS, SAM))
    left = shared(compiled, of=subject(inpatient={ME: True}))
    us = {f"{systems.ODS_CODE}|{WARD}", f"{systems.code_system('role')}|ward-nurse"}
    refused_us = any(us & {*one.receivers} for one in said.all("not-to"))
    only_others = bool(said.all("only")) and not any(us & {*one.receivers} for one in said.all("only"))
    if refused_us or only_others or not (said.all("share") or said.all("only")):
        assert not left
    if left:
        assert "existence" in left
        permit = ask(compiled, of=subject(inpatient={ME: True}))
        assert ("tell-person-each-time" in getattr(permit, "obligations", ())) == bool(said.all("tell-me-each-time"))
        if said.all("only-while-in-hospital"):
            assert not shared(compiled, of=subject(inpatient={ME: False}))


def test_some_wishes_put_together_open_something() -> None:
    """Else the property above would say little: share with us, the usual classes."""
    made = consent_of(Said(ME, ME, (Wish("share", (f"{systems.ODS_CODE}|{WARD}",)),)), HOLDER, "2026-11-01", "Written down")
    assert shared(made) == {"existence", "status", "contact"}


NOT_AGREED = "This record agrees to nothing: it only says what may not be told."
IN_PART = "There is a part that the gateway cannot tell; where it matters nothing is shared."
AGREED = "Sam has agreed that anyone may be told whatever the services have agreed to tell each other"
PART = [{"meaning": "instance", "reference": {"reference": "Flag/1"}}]
IN_THE_COMMUNITY = {**rule("permit"), "modifierExtension": while_inpatient("community")}


@pytest.mark.parametrize(
    ("provision", "before_the_end"),
    [
        (rule("deny", actor=[COUNCIL]), ("Sam has said that Southshire Council may not be told anything.", NOT_AGREED)),
        (
            rule("permit", actor=[COUNCIL], klass=KNOWN),
            ("Sam has agreed that Southshire Council may be told that she is known, her status and whom to ring.",),
        ),
        (
            rule("deny", rule("permit", klass=KNOWN[:1]), actor=[COUNCIL]),
            ("Sam has said that Southshire Council may not be told anything (except that they may be told that she is known).",),
        ),
        (rule("deny", klass=classes("address", "diagnosis")), ("Sam has said that nobody may be told her address or her diagnosis.", NOT_AGREED)),
        (rule("deny", action=[action()]), ("Sam has said that nobody may be told anything.", NOT_AGREED)),
        (rule("permit", purpose=[v3("HPAYMT")]), (f"{AGREED}, for payment.",)),
        (rule("permit", purpose=[purpose("x", "https://x.example")]), (f"{AGREED}, for a reason that this gateway cannot tell.", IN_PART)),
        (
            rule("deny", data=PART),
            ("Sam has said that nobody may be told anything, only for a part of the record that this gateway does not tell apart.", NOT_AGREED, IN_PART),
        ),
        (IN_THE_COMMUNITY, (f"{AGREED}, only in a state that this gateway cannot tell.", IN_PART)),
        (
            rule("permit", klass=[{"system": "https://x.example", "code": "y"}, *KNOWN[:1]]),
            ("Sam has agreed that anyone may be told that she is known and something that this gateway cannot tell.", IN_PART),
        ),
        (
            rule("permit", rule("deny", klass=classes("detail"))),
            (f"{AGREED}.", "Nobody may be told what the involvement is, by name."),
        ),
        (
            rule("permit", rule("deny", klass=classes("detail")), actor=[COUNCIL]),
            (
                (
                    "Sam has agreed that Southshire Council may be told whatever the services have agreed to tell each other "
                    "(except that they may not be told what the involvement is, by name)."
                ),
            ),
        ),
    ],
)  # fmt: skip
def test_a_wish_is_told_whole(provision: dict[str, Any], before_the_end: tuple[str, ...]) -> None:
    """Every sentence in its place, and none more; what is not understood is said once more at the end."""
    end = ("Nothing more than this is shared because of this record.", "Her address is never shared, with anybody.")
    assert told(provision) == (*before_the_end, *end)


@pytest.mark.parametrize(
    ("person", "by", "kind", "first", "last"),
    [
        (Person("Tom", "male"), ME, "", "Tom does not want anything", "His address"),
        (Person("Kim", "other"), ME, "", "Kim does not want anything", "Their address"),
        (Person(), ME, "", "This person does not want anything", "Their address"),
        (Person(), ME, "child-own", "This child does not want anything", "Their address"),
        (Person(), MOTHER, "parent-for-child", "A parent, who decides for this child, does not want anything", "Their address"),
    ],
)
def test_a_person_is_spoken_of_as_they_are(person: Person, by: str, kind: str, first: str, last: str) -> None:
    """By name and pronoun; a child as a child where there is no name."""
    found = told(rule("deny"), person, by=by, extension=[extension("wish-kind", kind)] if kind else None)
    assert found[0] == f"{first} shared with anyone."
    assert found[-1] == f"{last} is never shared, with anybody."
