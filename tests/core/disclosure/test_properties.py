"""What holds of every decision, whatever the wishes, ties and agreements: looked for with made-up ones."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.disclosure.agreements import CLASS_TIERS
from gateway.disclosure.decision import Asked, Permit, Refuse, Subject, Tie
from gateway.disclosure.directives import compile_consent
from gateway.disclosure.release import Holding, Marked, release
from gateway.disclosure.rules import Directive
from gateway.fhir import resources, systems
from tests.conftest import count
from tests.core.disclosure.made import (
    ALL,
    DUTY,
    FATHER,
    HOLDER,
    LINE,
    ME,
    MOTHER,
    NOW,
    THIRD,
    WARD,
    action,
    actor,
    agreements,
    ask,
    asked,
    child,
    classes,
    compiled_or_none,
    concept,
    consent,
    directive,
    extension,
    kind_actor,
    micros,
    purpose,
    role_actor,
    rule,
    shared,
    subject,
    v3,
    while_inpatient,
)
from tests.core.disclosure.test_release import LEAD, holding, involved

common = settings(max_examples=count(120, 3000), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)

UNKNOWN: dict[str, list[Any]] = {
    "actor": [
        {"role": concept(systems.V3_PARTICIPATION, "IRCP"), "reference": {"reference": "Group/1"}},
        actor(role="CST"),
        kind_actor("martians"),
    ],
    "action": [concept(systems.CONSENT_ACTION, "levitate"), {"text": "hum"}],
    "purpose": [purpose("early-help", "https://elsewhere.example"), {"system": systems.V3_ACT_REASON}, v3("TREAT")],
    "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Flag"}, *classes("horoscope")],
}
KNOWN: dict[str, list[Any]] = {
    "actor": [
        actor(),
        actor(value="RX9"),
        kind_actor("adult-mental-health"),
        kind_actor("school"),
        role_actor("ward-nurse"),
        role_actor("gp"),
    ],
    "action": [action(), action("collect"), action("access")],
    "purpose": [purpose(), purpose("early-help"), v3("COC"), v3("HRESCH")],
    "class": classes(*sorted(ALL)),
}


def some(name: str) -> st.SearchStrategy[list[Any]]:
    """Repeats of an element; the first of the known ones is ours, and comes often."""
    ours = (
        st.just([KNOWN[name][0]])
        if name != "class"
        else st.sets(st.sampled_from(sorted(ALL)), min_size=3).map(lambda codes: classes("existence", *sorted(codes)))
    )
    return ours | ours | st.lists(st.sampled_from(KNOWN[name] + UNKNOWN[name]), min_size=1, max_size=3)


def periods() -> st.SearchStrategy[dict[str, str]]:
    edge = st.sampled_from(["2025", "2026-11", "2026-11-20", "2026-11-21", "2026-11-22", "2027-01-01T00:00:00Z"])
    return st.fixed_dictionaries({}, optional={"start": edge, "end": edge})


def provisions(
    depth: int = 3, kinds: tuple[str, ...] = ("permit", "permit", "permit", "deny")
) -> st.SearchStrategy[dict[str, Any]]:
    """A provision with at most two limits and, to some depth, exceptions."""
    parts: dict[str, Any] = {name: some(name) for name in KNOWN}
    parts |= {"period": periods(), "modifierExtension": st.just(while_inpatient()), "securityLabel": st.just([{"code": "R"}])}
    names = st.lists(st.sampled_from(["class", "class", *parts]), max_size=2, unique=True)
    own = names.flatmap(
        lambda chosen: st.fixed_dictionaries({"type": st.sampled_from(kinds), **{name: parts[name] for name in chosen}})
    )
    if not depth:
        return own
    nested = st.lists(provisions(depth - 1, ("permit", "deny")), max_size=2)
    return st.builds(lambda one, inner: {**one, **({"provision": inner} if inner else {})}, own, nested)


def statements() -> st.SearchStrategy[Directive]:
    made = st.builds(
        consent,
        provisions(),
        by=st.sampled_from([ME, ME, ME, MOTHER, MOTHER, FATHER]),
        on=st.sampled_from(["2026-10", "2026-11-01", "2026-11-20", "2026-11-20T10:00:00Z", "2026-11-21"]),
        status=st.sampled_from(["active", "active", "active", "inactive"]),
        extension=st.sampled_from(
            [[extension("capacity", "had")]] * 4
            + [None, [extension("capacity", "lacked")], [extension("wish-kind", "advance-wish")]]
        ),
        policy=st.sampled_from([[{"uri": "https://a.example"}], [{"uri": "https://b.example"}]]),
    )
    hours = st.integers(1, 48).map(lambda ago: NOW - timedelta(hours=ago))
    return st.builds(
        lambda one, by, at, number: directive(one, by, f"Consent/{number}/_history/1", at),
        made,
        st.sampled_from([HOLDER, HOLDER, THIRD, WARD]),
        hours,
        st.integers(0, 10**6),
    )


def ties() -> st.SearchStrategy[Tie]:
    edges = st.sampled_from([None, NOW - timedelta(days=40), NOW - timedelta(days=2), NOW + timedelta(days=2)])
    return st.builds(
        Tie,
        st.just(ME),
        st.sampled_from([frozenset({MOTHER}), frozenset({FATHER})]),
        st.just("MTH"),
        st.sampled_from([HOLDER, THIRD, WARD]),
        st.sampled_from(["yes", "yes", "no", ""]),
        edges,
        edges,
    )


def subjects() -> st.SearchStrategy[Subject]:
    return st.builds(
        lambda years, inpatient, about, proof: child(years, inpatient=inpatient, about=about, proof=tuple(proof)),
        st.sampled_from([3, 15, 16, 35, 35, 35]),
        st.dictionaries(st.sampled_from([ME, MOTHER, FATHER]), st.booleans()),
        st.sampled_from(["self"] * 5 + ["children"]),
        st.lists(ties(), max_size=2),
    )


def lines() -> st.SearchStrategy[str]:
    def line(part: str, to: str, tier: int, chosen: list[str], effect: str, extra: str) -> str:
        kept = [code for code in chosen if CLASS_TIERS[code] <= tier]
        return f'\n[[{part}]]\n{to}\npurposes = ["amh-care-planning", "safeguarding-s47"]\ntier = {tier}\nclasses = {kept}\nbasis = "person-wish"\neffect = "{effect}"\n{extra}\n'

    return st.builds(
        line, st.sampled_from(["exception", "default"]), st.sampled_from(['receiver = "TMH01"', 'receiver = "RX9"', 'receiver_kind = "adult-mental-health"', 'receiver_kind = "school"']),
        st.integers(0, 3), st.lists(st.sampled_from(sorted(ALL)), unique=True), st.sampled_from(["permit", "permit", "refuse"]),
        st.sampled_from(["", 'roles = ["ward-nurse"]', 'roles = ["gp"]', "valid_until = 2026-11-20"]),
    )  # fmt: skip


def questions() -> st.SearchStrategy[Asked]:
    wanted = st.sets(st.sampled_from(sorted(ALL))).map(lambda codes: frozenset(codes | {"existence"}))
    return st.builds(lambda code, wished: asked(code, classes=wished), st.sampled_from(["amh-care-planning", DUTY]), wanted)


REFUSALS = [
    rule("deny"),
    rule("deny", actor=[actor()]),
    rule("deny", klass=classes("detail")),
    rule("deny", klass=classes("existence")),
    {"type": "deny", "colour": 1},
]


@common
@given(
    st.lists(statements(), max_size=4),
    st.sampled_from(REFUSALS),
    st.sampled_from([ME, MOTHER]),
    st.lists(ties(), max_size=3),
    subjects(),
    questions(),
)
def test_one_more_refusal_never_widens(
    wishes: list[Directive], refusal: dict[str, Any], by: str, told: list[Tie], of: Subject, question: Asked
) -> None:
    """A refusal in a lineage of its own takes away, or changes nothing."""
    more = directive(consent(refusal, by=by, policy=[{"uri": "https://new.example"}]))
    before = shared(*wishes, of=of, ties=tuple(told), by=question)
    assert shared(*wishes, more, of=of, ties=tuple(told), by=question) <= before


@common
@given(
    st.lists(lines(), max_size=4),
    st.sampled_from(["amh-care-planning", DUTY]),
    st.sampled_from(['receiver = "TMH01"', 'receiver_kind = "adult-mental-health"']),
)
def test_one_more_refusing_line_in_front_never_widens(parts: list[str], code: str, to: str) -> None:
    """Nor does a restriction, a stale feed in wish mode or a doubt about who it is."""
    wish, refusal = (
        consent(rule()),
        f'\n[[exception]]\n{to}\npurposes = ["amh-care-planning", "safeguarding-s47"]\neffect = "refuse"\n',
    )
    before = shared(wish, by=asked(code), under=agreements(*(parts or [""])))
    assert shared(wish, by=asked(code), under=agreements(refusal, *parts)) <= before
    for narrower in ({"restriction": "protected"}, {"restriction": "adopted"}, {"fresh": False}, {"certain": False}):
        assert shared(wish, by=asked(code), of=subject(**narrower), under=agreements(*(parts or [""]))) <= before


def told(decision: Permit | Refuse, held: Holding) -> dict[str, Any]:
    """What leaves of a record by a decision, part by part; without what says nothing."""
    left = release(held, decision, NOW.date()) if isinstance(decision, Permit) else None
    parts = left._asdict() if left is not None else {}
    return {name: value for name, value in parts.items() if value and name not in ("answer", "itk", "flags")}


HELD = holding(involved(contacts=(LEAD,)), involved("referral"), markers=(Marked("young-carer", None, None),))


@common
@given(
    st.lists(statements(), max_size=3),
    st.lists(ties(), max_size=3),
    subjects(),
    questions(),
    st.sets(st.sampled_from(sorted(ALL))),
    st.lists(lines(), min_size=1, max_size=3) | st.just([LINE]) | st.just([LINE]),
)
def test_a_request_for_fewer_classes_never_gets_more(
    wishes: list[Directive], known: list[Tie], of: Subject, question: Asked, wanted: set[str], parts: list[str]
) -> None:
    """Whatever it asks for, and even where it asks for nothing: no class, tier or part of a record but what the wider one gets."""
    asks = (question, question._replace(classes=question.classes & wanted))
    under = agreements(*parts)
    wider, narrower = (ask(*wishes, of=of, ties=tuple(known), by=one, under=under) for one in asks)
    if isinstance(narrower, Permit):
        assert isinstance(wider, Permit)
        assert narrower.classes <= wider.classes & wanted
        assert narrower.tier <= wider.tier
        assert (narrower.basis, narrower.obligations) == (wider.basis, wider.obligations)
    more, less = told(wider, HELD), told(narrower, HELD)
    assert {name: more.get(name) for name in less} == less


@common
@given(
    st.lists(statements(), max_size=3),
    st.lists(ties(), max_size=3),
    subjects(),
    questions(),
    st.tuples(st.integers(0, 3), st.integers(0, 3)).map(sorted),
)
def test_a_line_of_a_lower_tier_never_gives_more(
    wishes: list[Directive], known: list[Tie], of: Subject, question: Asked, tiers: list[int]
) -> None:
    """The same question under the same line, but for its tier; and it gives nothing above that."""
    lower, upper = (agreements(LINE.replace("tier = 3", f"tier = {tier}")) for tier in tiers)
    less, more = (ask(*wishes, of=of, ties=tuple(known), by=question, under=under) for under in (lower, upper))
    if isinstance(less, Permit):
        assert isinstance(more, Permit)
        assert less.classes <= more.classes
        assert less.tier <= min(tiers[0], more.tier)
    some, parts = told(less, HELD), told(more, HELD)
    assert {name: parts.get(name) for name in some} == some


@common
@given(
    st.lists(statements(), max_size=5), st.lists(ties(), max_size=4), subjects(), questions(), st.randoms(use_true_random=False)
)
def test_order_never_matters(
    wishes: list[Directive], told: list[Tie], of: Subject, question: Asked, chance: random.Random
) -> None:
    """The same wishes and ties in another order give the same decision, reason and obligations included."""
    mixed, others = list(wishes), list(told)
    chance.shuffle(mixed)
    chance.shuffle(others)
    assert ask(*wishes, of=of, ties=tuple(told), by=question) == ask(*mixed, of=of, ties=tuple(others), by=question)


@common
@given(
    st.lists(statements(), max_size=3),
    st.lists(ties(), max_size=3),
    subjects(),
    questions(),
    st.lists(lines(), min_size=1, max_size=4),
)
def test_a_permit_stays_within_agreement_request_and_tier(
    wishes: list[Directive], told: list[Tie], of: Subject, question: Asked, parts: list[str]
) -> None:
    """Classes within the line's and the request's; the tier the highest of them; existence always among them."""
    under = agreements(*parts)
    decision = ask(*wishes, of=of, ties=tuple(told), by=question, under=under)
    if isinstance(decision, Permit):
        line = under.line(of.custodian, WARD, "adult-mental-health", question.purpose.code, "ward-nurse", question.on)
        assert line is not None
        assert line.permits
        assert decision.classes <= line.classes & question.classes
        assert decision.tier == max(CLASS_TIERS[code] for code in decision.classes) <= line.tier
        assert "existence" in decision.classes


@common
@given(st.lists(statements(), max_size=4), st.lists(ties(), max_size=3), subjects())
def test_a_duty_does_not_depend_on_wishes(wishes: list[Directive], told: list[Tie], of: Subject) -> None:
    """But for what is told of them: the statements considered, and the advice to be sought."""
    plain, with_wishes = ask(of=of, ties=tuple(told), by=asked(DUTY)), ask(*wishes, of=of, ties=tuple(told), by=asked(DUTY))
    assert type(plain) is type(with_wishes)
    if isinstance(plain, Permit) and isinstance(with_wishes, Permit):
        assert (plain.classes, plain.tier, plain.basis) == (with_wishes.classes, with_wishes.tier, with_wishes.basis)
        assert set(with_wishes.obligations) - set(plain.obligations) <= {"seek-advice"}


def anywhere(root: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """One of the provisions of a tree."""
    found = [root]
    while found[-1].get("provision") and chance.random() < 0.7:
        found.append(chance.choice(found[-1]["provision"]))
    return found[-1]


STRANGE: list[tuple[str, Any]] = [
    ("colour", "blue"),
    ("modifierExtension", {"url": "https://x.example/unless", "valueBoolean": True}),
    *((name, value) for name, values in UNKNOWN.items() for value in values),
]


@common
@given(provisions(), st.sampled_from(STRANGE), st.randoms(use_true_random=False), subjects())
def test_something_unknown_in_a_statement_never_widens(
    provision: dict[str, Any], strange: tuple[str, Any], chance: random.Random, of: Subject
) -> None:
    """An element, modifier, actor, action, purpose or class that is not understood, anywhere in it."""
    import copy

    changed = copy.deepcopy(provision)
    place, (name, value) = anywhere(changed, chance), strange
    place[name] = [*place.get(name, []), value] if name != "colour" else value
    told = (Tie(ME, frozenset({MOTHER}), "MTH", HOLDER, "yes"),)
    before, after = (shared(consent(one, by=MOTHER), of=of, ties=told) for one in (provision, changed))
    assert after <= before


@common
@given(provisions(), st.sampled_from([ME, MOTHER]), st.sampled_from([3, 35]))
def test_what_is_not_known_never_permits_and_always_refuses(provision: dict[str, Any], by: str, years: int) -> None:
    """Not knowing who is in hospital leaves no more than either knowledge does."""
    told = (Tie(ME, frozenset({MOTHER}), "MTH", HOLDER, "yes"),)
    made = consent(provision, by=by, extension=[extension("capacity", "had")])
    unknown, inside, outside = (
        shared(made, of=child(years, inpatient=state), ties=told) for state in ({}, {by: True}, {by: False})
    )
    assert unknown <= inside & outside


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "code",
                    "coding",
                    "system",
                    "identifier",
                    "value",
                    "period",
                    "start",
                    "end",
                    "provision",
                    "actor",
                    "role",
                    "reference",
                    "url",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
ELEMENTS = [
    "provision",
    "performer",
    "policyRule",
    "modifierExtension",
    "extension",
    "dateTime",
    "scope",
    "category",
    "organization",
    "policy",
    "verification",
    "patient",
]


@settings(common, max_examples=count(400, 20_000))
@given(st.dictionaries(st.sampled_from(ELEMENTS), JSON, max_size=4), st.sampled_from(["active", "inactive", "rejected"]))
def test_compiling_never_raises(parts: dict[str, Any], status: str) -> None:
    """Whatever JSON stands in a Consent; and what is no FHIR never opens anything."""
    made = {**consent(rule("deny")), **parts, "status": status}
    found = compile_consent(made, "Consent/1/_history/1", HOLDER, micros(NOW))
    if found is not None:
        left = shared(found)
        assert not left or not resources.errors(resources.validate(made))


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_a_withdrawal_is_never_overtaken_by_what_came_before_it(hour: int) -> None:
    """Whatever precision either is dated with, what was recorded last in the same lineage on that day holds."""
    stamp = f"2026-11-20T{hour:02d}:00:00Z"
    for first, second in (
        (stamp, "2026-11-20"),
        ("2026-11-20", stamp),
        ("2026-11", stamp),
        (stamp, "2026-11"),
        ("2026-11-20", "2026-11-20"),
    ):
        given_at, taken_at = (datetime.fromisoformat(f"2026-11-21T{at:02d}:00:00+00:00") for at in (1, 2))
        permission = compiled_or_none(consent(rule("permit"), on=first), recorded=given_at)
        withdrawal = compiled_or_none(consent(rule("permit"), on=second, status="inactive"), recorded=taken_at)
        assert permission is not None
        assert withdrawal is not None
        assert not shared(permission, withdrawal)


def test_the_made_up_world_is_not_all_of_one_kind() -> None:
    """The strategies reach permission, refusal and partial leave: else the properties above would say little."""
    seen: set[frozenset[str]] = set()

    @settings(common, max_examples=300)
    @given(st.lists(statements(), min_size=1, max_size=2), subjects())
    def look(wishes: list[Directive], of: Subject) -> None:
        seen.add(shared(*wishes, of=of, ties=(Tie(ME, frozenset({MOTHER}), "MTH", HOLDER, "yes"),)))

    look()
    assert {frozenset(), ALL} <= seen
    assert len(seen) > 4
