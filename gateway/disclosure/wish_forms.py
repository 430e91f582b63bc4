"""The wishes that people actually have, put together as one FHIR Consent (codes.md, shape Consent).

The base refuses; what is shared is an exception to it, limited by "until", "only while I am in hospital" and "tell me
each time"; what is refused by name stands beside it. A wish that only refuses is about whom or what it names and no
more. Leave is never guessed: what limits a sharing needs one to limit.
"""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

from gateway.disclosure.directives import NEVER_TOLD
from gateway.disclosure.wishes import COMPETENT_ALONE
from gateway.fhir import systems
from gateway.fhir.dates import age_on, whole_day

Resource = dict[str, Any]
TAKES: dict[str, frozenset[str]] = {  # each wish, and what may be said with it
    "only-while-in-hospital": frozenset(),
    "not-to": frozenset({"receiver"}),
    "until": frozenset({"date"}),
    "only": frozenset({"receiver"}),
    "tell-me-each-time": frozenset(),
    "never-address": frozenset(),
    "share": frozenset({"receiver", "purpose", "class"}),
    "nothing": frozenset(),
}
NEEDS = {"not-to": "receiver", "until": "date", "only": "receiver"}
LIMITS = frozenset({"only-while-in-hospital", "until", "tell-me-each-time"})
OPENS = frozenset({"share", "only"})
USUAL = ("existence", "status", "contact")  # what "share" means where no classes are named
CAPACITIES = frozenset({"had", "lacked", "not-assessed"})
OWN_KINDS = frozenset({"own-wish", "advance-wish", "child-own"})
ADULT = 18
TOO_OLD = {  # from what age a kind of wish cannot be meant, and what to say instead
    "child-own": (
        ADULT, f"child-own is for somebody under {ADULT}, and by the birth date on record this person is an adult: say own-wish.",
    ),
    "parent-for-child": (
        COMPETENT_ALONE,
        (
            f"parent-for-child is for a child under {COMPETENT_ALONE}, and by the birth date on record this person is older: from "
            "then on their own wish alone counts. Where they cannot decide, say best-interests, attorney or deputy."
        ),
    ),
}  # fmt: skip
KINDS = OWN_KINDS | {"best-interests", "attorney", "deputy", "parent-for-child"}


class Wish(NamedTuple):
    """One wish. Receivers are ``system|value``: an ODS code, a code of agency-kind or of role."""

    code: str
    receivers: tuple[str, ...] = ()
    date: str = ""
    purposes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def given(self) -> frozenset[str]:
        """What was said with it, by the names of the parts."""
        parts = {"receiver": self.receivers, "date": self.date, "purpose": self.purposes, "class": self.classes}
        return frozenset(name for name, value in parts.items() if value)


class Said(NamedTuple):
    """What was said: whose record it is about, who decided, the wishes, who else was there. People are ``system|value``."""

    person: str
    made_by: str
    wishes: tuple[Wish, ...]
    capacity: str = ""
    kind: str = ""
    present: str = ""  # in words; for the agency's own eyes

    def all(self, code: str) -> list[Wish]:
        """Every wish of this code."""
        return [one for one in self.wishes if one.code == code]


def faults_of(said: Said) -> list[str]:
    """Why these wishes cannot be put together, for who wrote them down; empty where they can."""
    codes = {one.code for one in said.wishes}
    found = [
        f"{one.code} does not take {', '.join(sorted(one.given - TAKES[one.code]))}."
        for one in said.wishes
        if one.given - TAKES[one.code]
    ]
    found += [
        f"{one.code} needs a {NEEDS[one.code]}." for one in said.wishes if one.code in NEEDS and NEEDS[one.code] not in one.given
    ]
    if "nothing" in codes and codes & (LIMITS | OPENS):
        found.append("nothing goes with not-to and never-address only.")
    if codes & LIMITS and not codes & (OPENS | {"nothing"}):
        found.append(f"{', '.join(sorted(codes & LIMITS))} limits what is shared: say with share or only what that is.")
    if len({one.date for one in said.all("until")}) > 1:
        found.append("until is said once.")
    allowed = {receiver for one in said.all("only") for receiver in one.receivers}
    if allowed and any(not allowed.issuperset(one.receivers) for one in said.all("share")):
        found.append("share names somebody whom only leaves out.")
    refused = {receiver for one in said.all("not-to") for receiver in one.receivers}
    if refused & allowed.union(*(one.receivers for one in said.all("share"))):
        found.append("not-to names somebody whom share or only names too.")
    if untold := NEVER_TOLD & {code for one in said.all("share") for code in one.classes}:
        found.append(f"share names what is never told, to anybody: {', '.join(sorted(untold))}.")
    return found + _kind_faults(said)


def faults_on(said: Said, on: date, born: date | None) -> list[tuple[str, str]]:
    """What cannot be meant on the day on which it is said: the part, and why. ``born`` is the birth date on record."""
    found = [
        ("wish", f"until {one.date} has passed: say today or a later day, or leave until out where the sharing has no end.")
        for one in said.all("until")
        if (last := whole_day(one.date)) is not None and last < on
    ]
    age = None if born is None else age_on(born, on)
    if said.kind in TOO_OLD and age is not None and age >= TOO_OLD[said.kind][0]:
        found.append(("kind", TOO_OLD[said.kind][1]))
    return found


def _kind_faults(said: Said) -> list[str]:
    """Whose word it is must fit who is said to have decided."""
    if said.made_by == said.person:
        return [] if said.kind in OWN_KINDS | {""} else [f"{said.kind} is decided by somebody else: say by whom in madeBy."]
    if not said.kind:
        return ["Somebody else decides for the person: say by kind as what."]
    return [f"{said.kind} is the person's own: madeBy names somebody else."] if said.kind in OWN_KINDS else []


def consent_of(said: Said, agency: str, at: str, title: str, base: str = systems.BASE) -> Resource:
    """The Consent of wishes without faults, made at ``at`` (FHIR dateTime), in the record of ``agency``."""
    codes = [("capacity", said.capacity), ("wish-kind", said.kind or "own-wish")]
    extensions = [{"url": systems.extension(name, base), "valueCode": code} for name, code in codes if code]
    present = [{"url": systems.extension("present", base), "valueString": said.present}] if said.present else []
    return {
        "resourceType": "Consent",
        "extension": [*extensions, *present],
        "status": "active",
        "scope": _concept(systems.CONSENT_SCOPE, "patient-privacy"),
        "category": [_concept(systems.V3_ACT_CODE, "INFA")],
        "patient": _person(said.person),
        "dateTime": at,
        "performer": [_person(said.made_by)],
        "organization": [{"type": "Organization", "identifier": {"system": systems.ODS_CODE, "value": agency}}],
        "sourceAttachment": {"title": title},
        "policy": [{"uri": f"{base}/policy/family-sharing"}],
        "provision": _provision(said, base),
    }


def _provision(said: Said, base: str) -> Resource:
    """Deny, but for what is shared; a mere refusal is limited to whom and what it names.

    What only refuses names no action: it refuses all, and who knows IHE PCF alone can keep to it.
    """
    refused = [receiver for one in said.all("not-to") for receiver in one.receivers]
    denials = [_rule("deny", base, receivers=tuple(refused))] if refused else []
    if said.all("never-address"):
        denials.append(_rule("deny", base, classes=("address",)))
    opened = _opened(said, base)
    if opened or said.all("nothing"):
        return _nested({"type": "deny"}, [*opened, *denials])
    return _nested(denials[0], denials[1:])


def _nested(rule: Resource, exceptions: list[Resource]) -> Resource:
    return {**rule, "provision": exceptions} if exceptions else rule


def _opened(said: Said, base: str) -> list[Resource]:
    """What is shared, each with every limit that was said."""
    only = tuple(dict.fromkeys(receiver for one in said.all("only") for receiver in one.receivers))
    shares = said.all("share") or [Wish("share")] * bool(only)
    opened = []
    for one in shares:
        classes = tuple(dict.fromkeys(["existence", *(one.classes or USUAL)]))  # who hears anything hears that there is something
        opened.append({**_rule("permit", base, one.receivers or only, one.purposes, classes), **_limits(said, base)})
    return opened


def _limits(said: Said, base: str) -> Resource:
    limits: Resource = {}
    if until := said.all("until"):
        limits["period"] = {"end": until[0].date}
    if said.all("only-while-in-hospital"):
        state = {"system": systems.code_system("involvement-detail", base), "code": "inpatient"}
        limits["modifierExtension"] = [{"url": systems.extension("while-status", base), "valueCoding": state}]
    if said.all("tell-me-each-time"):
        obligation = {"system": systems.code_system("obligation", base), "code": "tell-person-each-time"}
        limits["extension"] = [{"url": systems.extension("obligation", base), "valueCoding": obligation}]
    return limits


def _rule(
    kind: str, base: str, receivers: tuple[str, ...] = (), purposes: tuple[str, ...] = (), classes: tuple[str, ...] = ()
) -> Resource:
    role = _concept(systems.V3_PARTICIPATION, "IRCP")
    made: Resource = {
        "type": kind,
        "actor": [{"role": role, "reference": {"identifier": _identifier(one)}} for one in receivers],
        "action": [_concept(systems.CONSENT_ACTION, "disclose")] if classes else [],
        "purpose": [{"system": systems.code_system("purpose", base), "code": code} for code in purposes],
        "class": [{"system": systems.code_system("data-class", base), "code": code} for code in classes],
    }
    return {name: value for name, value in made.items() if value}


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _identifier(text: str) -> Resource:
    system, _, value = text.partition("|")
    return {"system": system, "value": value}


def _person(text: str) -> Resource:
    return {"type": "Patient", "identifier": _identifier(text)}
