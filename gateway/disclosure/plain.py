"""A wish in plain words: what the gateway understood of a Consent, read back to who made it and who wrote it down.

The sentences are made from the compiled directive, the same that decides, so that they cannot say something else than
what happens. One sentence for the base, one for each exception to it; exceptions within exceptions stand in brackets
behind what they limit, to any depth. The words are in ``mappings/cards/wishes.toml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.disclosure.agreements import CLASS_TIERS
from gateway.disclosure.directives import Resource, compile_consent
from gateway.disclosure.rules import UNREAD, Directive, Effect, Rule
from gateway.disclosure.wording import Words, listed
from gateway.fhir.dates import FIRST, LAST

OWN_WORD = frozenset({"own-wish", "advance-wish", "child-own"})
TICK = timedelta(milliseconds=1)  # the least by which a period ends before its bound


class Person(NamedTuple):
    """Whose wish it is, as far as the reader is told: by name, and with which words for them."""

    name: str = ""
    gender: str = ""
    identities: frozenset[str] = frozenset()  # "system|value", beside the one that the Consent names


NOBODY_NAMED = Person()


def sentences_of(
    consent: Resource,
    recorded_by: str,
    recorded: int,
    words: Words,
    person: Person = NOBODY_NAMED,
    names: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """A FHIR Consent as sentences; never raises. ``names`` are those of organisations by ODS code."""
    return sentences(compile_consent(consent, "", recorded_by, recorded), words, person, names)


def sentences(
    directive: Directive | None, words: Words, person: Person = NOBODY_NAMED, names: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """A compiled Consent as sentences; None is one that does not count. Never raises."""
    if directive is None:
        return (words["note"]["not-counted"],)
    telling = _Telling(words, names or {}, _filled(words, person, directive), _is_own(person, directive), directive)
    try:
        return tuple(_sentence(one) for one in telling.all())
    except RecursionError:  # deeper than anything that is said
        return (words["note"]["too-deep"],)


def _sentence(text: str) -> str:
    """With a capital and a full stop."""
    begun = text[:1].upper() + text[1:]
    return begun if begun.endswith((".", ":")) else f"{begun}."


def _filled(words: Words, person: Person, directive: Directive) -> dict[str, str]:
    """The words for the person."""
    unnamed = words["person"]["child" if directive.wish_kind in ("parent-for-child", "child-own") else "unnamed"]
    spoken = words[person.gender if person.gender in ("female", "male") else "other"]
    return {**spoken, "who": person.name or unnamed, "Their": spoken["their"].capitalize()}


def _is_own(person: Person, directive: Directive) -> bool:
    """Whether the person decided, as far as the numbers tell."""
    return bool(directive.performers & {directive.patient, *person.identities})


@dataclass(frozen=True, slots=True)
class _Telling:
    """One directive being told."""

    words: Words
    names: Mapping[str, str]
    filled: dict[str, str]
    own: bool
    directive: Directive

    def say(self, table: str, text: str, /, **more: str) -> str:
        """One text, filled with the words for the person and with what else it needs."""
        return self.words[table][text].format(**self.filled, **more)

    def all(self) -> Iterator[str]:
        """Every sentence, in the order in which they are read."""
        directive, rule = self.directive, self.directive.rule
        if not directive.in_force:
            yield self.say("note", "withdrawn")
        if rule is None:
            yield self.say("note", "unreadable")
        else:
            yield from self.rules(rule)
            yield from (self.say("obligation", code) for code in sorted(_gathered(rule)))
        yield from self.circumstances()
        if rule is not None and _any_unread(rule):
            yield self.say("note", "unread")
        if directive.in_force and rule is not None:
            yield self.say("note", "more")
        yield self.say("note", "address")

    def circumstances(self) -> Iterator[str]:
        """Who made it in which state, and what is doubtful about it."""
        directive = self.directive
        for table, code in (("capacity", directive.capacity), ("wish-kind", directive.wish_kind)):
            if code in self.words[table]:
                yield self.say(table, code)
        if directive.made is None:
            yield self.say("note", "undated")
        if directive.doubted:
            yield self.say("note", "doubted")

    def maker(self) -> str:
        """Who has spoken."""
        kind = self.directive.wish_kind
        if not self.directive.performers:
            return self.say("maker", "nobody")
        if self.own:
            return self.say("maker", kind if kind in OWN_WORD else "own-wish")
        return self.say("maker", "other" if kind in OWN_WORD or kind not in self.words["maker"] else kind)

    def rules(self, root: Rule) -> Iterator[str]:
        """The base, and each exception to a base that knows no limit as a sentence of its own."""
        permits = root.effect is Effect.PERMIT
        if _is_limited(root):
            clause = {"may" if permits else "may_not": self.clause(root, named=False)}
            yield self.say("base", "permit" if permits else "deny-some", maker=self.maker(), **clause)
            if not _permits(root):
                yield self.say("base", "not-agreed")
            return
        agreed = [one for one in root.exceptions if one.effect is Effect.PERMIT]
        if permits:
            yield self.say("base", "permit", maker=self.maker(), may=self.own_clause(root, named=False))
        elif not agreed:
            yield self.say("base", "deny", maker=self.maker())
        for one in agreed:
            clause_of = self.clause(one, named=False)
            yield (
                self.say("clause", "besides", clause=clause_of)
                if permits
                else self.say("base", "permit", maker=self.maker(), may=clause_of)
            )
        yield from (self.clause(one, named=False) for one in root.exceptions if one.effect is not Effect.PERMIT)

    def clause(self, rule: Rule, *, named: bool) -> str:
        """A rule with its exceptions in brackets. ``named``: a rule around it says who is meant."""
        return self.own_clause(rule, named=named) + self.exceptions(rule, named=named or bool(rule.actors))

    def exceptions(self, rule: Rule, *, named: bool) -> str:
        if not rule.exceptions:
            return ""
        told = [self.say("clause", _link(rule, one), clause=self.clause(one, named=named)) for one in rule.exceptions]
        return self.say("clause", "exceptions", exceptions="; ".join(told))

    def own_clause(self, rule: Rule, *, named: bool) -> str:
        """A rule without its exceptions."""
        permits = rule.effect is Effect.PERMIT
        parts = {"receivers": self.receivers(rule, named=named), "limits": "".join(f", {one}" for one in self.limits(rule))}
        if rule.actions and rule.actions.isdisjoint({"disclose", UNREAD}):
            return self.say("clause", "not-sharing", **parts)
        text = "permit" if permits else "deny" if rule.actors or named else "nobody"
        return self.say("clause", text, classes=self.classes(rule, permits=permits), **parts)

    def receivers(self, rule: Rule, *, named: bool) -> str:
        if not rule.actors:
            return self.say("receivers", "they" if named else "anyone")
        return listed([self.receiver(one) for one in sorted(rule.actors)])

    def receiver(self, actor: str) -> str:
        """One actor: an organisation by its name, a kind of agency, a role."""
        sort, _, value = actor.partition("|")
        if sort == "ods":
            return self.names.get(value) or self.say("receivers", "organisation", code=value)
        if sort == "kind":
            return self.words["kind"].get(value, value)
        return self.say("receivers", "role", role=value.replace("-", " ")) if sort == "role" else self.say("receivers", "unread")

    def classes(self, rule: Rule, *, permits: bool) -> str:
        if not rule.classes:
            return self.say("class", "everything" if permits else "anything")
        order = [*CLASS_TIERS, *sorted(rule.classes - CLASS_TIERS.keys() - {UNREAD}), UNREAD]
        told = [self.say("class", "unread" if code == UNREAD else code) for code in order if code in rule.classes]
        return listed(told, "and" if permits else "or")

    def limits(self, rule: Rule) -> list[str]:
        """For what, in which state, from when, until when."""
        found = [listed([self.purpose(code) for code in sorted(rule.purposes)], "or")] if rule.purposes else []
        if rule.while_status == "inpatient":
            found.append(self.say("limits", "inpatient" if self.own else "inpatient-maker"))
        elif rule.while_status:
            found.append(self.say("limits", "state-unread"))
        if rule.needs_unknown:
            found.append(self.say("limits", "narrowed"))
        return found + self.period(rule)

    def purpose(self, code: str) -> str:
        if code == UNREAD:
            return self.say("purpose", "unread")
        return self.words["purpose"].get(code) or self.say("purpose", "other", code=code)

    def period(self, rule: Rule) -> list[str]:
        """From and until, both counted in, as exactly as they were given."""
        if rule.start >= rule.end:
            return [self.say("limits", "never")]
        since = [self.say("limits", "since", since=self.day(rule.start, rule.start))] if rule.start > FIRST else []
        until = [self.say("limits", "until", until=self.day(rule.end - TICK, rule.end))] if rule.end < LAST else []
        return since + until

    def day(self, shown: datetime, bound: datetime) -> str:
        """A day; with its time where the bound is not the turn of a day."""
        day = f"{shown.day} {shown:%B} {shown.year}"
        if (bound.hour, bound.minute, bound.second, bound.microsecond) == (0, 0, 0, 0):
            return day
        return self.say("limits", "time", day=day, time=f"{shown:%H:%M:%S}".removesuffix(":00"))


def _is_limited(rule: Rule) -> bool:
    """Whether a root speaks of some requests only."""
    dated = rule.start > FIRST or rule.end < LAST
    return bool(dated or rule.actors or rule.actions or rule.purposes or rule.classes or rule.while_status or rule.needs_unknown)


def _link(outer: Rule, inner: Rule) -> str:
    """How an exception hangs on its rule: a permission within a permission opens nothing."""
    if outer.effect is inner.effect is Effect.PERMIT:
        return "besides"
    return "also" if outer.effect is not Effect.PERMIT and inner.effect is not Effect.PERMIT else "except"


def _every(rule: Rule) -> Iterator[Rule]:
    yield rule
    for one in rule.exceptions:
        yield from _every(one)


def _permits(rule: Rule) -> bool:
    return any(one.effect is Effect.PERMIT for one in _every(rule))


def _gathered(rule: Rule) -> Iterable[str]:
    return frozenset[str]().union(*(one.obligations for one in _every(rule)))


def _any_unread(rule: Rule) -> bool:
    """Whether a part of it was not understood, though the rest was."""
    return any(
        one.needs_unknown
        or one.while_status not in ("", "inpatient")
        or UNREAD in one.actors | one.actions | one.purposes | one.classes
        for one in _every(rule)
    )
