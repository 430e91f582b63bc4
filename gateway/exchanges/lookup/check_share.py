"""What may be shared with whom, for a purpose, and why? Asked before a decision, about nobody.

The same lines of the same agreements as a lookup, in both directions, said in plain words; no record is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.agreements import CLASS_TIERS, Line
from gateway.disclosure.decision import standing_obligations
from gateway.disclosure.directives import NEVER_TOLD
from gateway.disclosure.purposes import Purpose
from gateway.disclosure.requester import Requester
from gateway.disclosure.wording import Words, listed
from gateway.exchanges.agencies import profile
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.records.dossiers import Resource
from gateway.fhir.elements import coding
from gateway.fhir.outcomes import Forbidden, Unavailable, Unprocessable
from gateway.store import clock
from gateway.store.ledger import Feed, Moment, Outcome, Story

NAME = "check_share"
ANY_ROLE = ""


class Party(NamedTuple):
    """Who shares or hears: an agency, or any agency of a kind (no code)."""

    code: str
    kind: str
    name: str


class ShareRequest(NamedTuple):
    """What is asked. Without a receiver it is the caller who would hear."""

    requester: Requester
    purpose: str
    classes: tuple[str, ...] = ()  # data-class; empty: whatever may be shared
    receiver: str = ""  # ODS code
    receiver_kind: str = ""  # agency-kind
    receiver_role: str = ""
    request_id: str = ""


class Verdict(NamedTuple):
    """What one party may tell another. ``reason`` is from refusal-reason, or "never"; empty where it may."""

    source: Party
    receiver: Party
    reason: str
    said: str  # whether, what, on what ground and what it needs
    tell: str = ""  # what to tell the person it is about
    advice: str = ""  # whom to ask
    tier: int | None = None
    classes: tuple[str, ...] = ()
    basis: tuple[str, ...] = ()
    obligations: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()  # who may ask; empty: any

    @property
    def may(self) -> bool:
        """Whether anything that was asked for may be shared."""
        return not self.reason

    @property
    def explanation(self) -> str:
        """All of it in a row."""
        return " ".join(filter(None, (self.said, self.tell, self.advice)))


class ShareAnswer(NamedTuple):
    """The verdict on what was asked, what the caller may be told, and whom to ask for advice."""

    asked: Verdict
    told: tuple[Verdict, ...]
    desks: tuple[Resource, ...]
    policy: str


class _Check(NamedTuple):
    """A question with what it stands on."""

    ctx: Context
    ask: ShareRequest
    purpose: Purpose
    on: date
    words: Words


def check_share(ctx: Context, ask: ShareRequest, moment: Moment) -> Story[ShareAnswer]:
    """Both directions between the caller and a receiver. Raises Unprocessable for a code that is not known."""
    yield from ()
    check_current(ask.requester, moment)
    if ctx.agreements.version != moment.policy:
        raise Unavailable("The agreements are being changed. Please try again.")
    purpose = ctx.purposes.get(ask.purpose)
    own = moment.feeds.get(ask.requester.agency)
    if own is None:
        raise Forbidden("Your organisation takes no part here.")
    if purpose is None:
        raise Unprocessable("This purpose is not known.", where="Parameters.parameter(purpose)", code="code-invalid")
    answer = _answer(_Check(ctx, ask, purpose, clock.moment(moment.at).date(), ctx.wording.check_share), own, moment.feeds)
    entry = line(
        NAME, ask.requester, moment, Kind.NEGATIVE, DONE, purpose=ask.purpose, policy=answer.policy, tier=answer.asked.tier,
        basis=answer.asked.basis, request_id=ask.request_id, detail=_described(ask, answer.asked),
    )  # fmt: skip
    return Outcome(answer, (entry,))


def answer_openly(ctx: Context, ask: ShareRequest, feeds: Mapping[str, Feed], at: int) -> ShareAnswer:
    """The same for whoever asks, as if they were of the agency that they name: what agreements say and no more. Raises
    Unprocessable where agency, purpose or receiver is not one of ours."""
    purpose, own = ctx.purposes.get(ask.purpose), feeds.get(ask.requester.agency)
    if purpose is None or own is None:
        raise Unprocessable("This purpose or organisation is not known here.", where="purpose", code="code-invalid")
    return _answer(_Check(ctx, ask, purpose, clock.moment(at).date(), ctx.wording.check_share), own, feeds)


def _answer(check: _Check, own: Feed, feeds: Mapping[str, Feed]) -> ShareAnswer:
    me, receiver = _party(own), _receiver(check.ask, own, feeds)
    others = _sources(check, me, receiver, feeds)
    told = tuple(_verdict(check, other, me, (check.ask.requester.role,)) for other in others)
    asked = _together(check, me, told) if receiver is None else _verdict(check, me, receiver, _roles(check, me))
    desks = tuple(
        desk
        for desk in profile(own, check.ctx.base).desks
        if "safeguarding-lead" in [coding(one, "/contact-kind") for one in desk["code"]]
    )
    advice = check.words["advice"]["desk" if desks else "none"]
    told = tuple(one for one in told if one.may or receiver is not None)
    return ShareAnswer(asked._replace(advice=advice), told, desks, check.ctx.agreements.version)


def _party(feed: Feed) -> Party:
    return Party(feed.code, feed.kind, feed.name)


def _receiver(ask: ShareRequest, own: Feed, feeds: Mapping[str, Feed]) -> Party | None:
    """Who would hear; None where that is the caller."""
    if ask.receiver and ask.receiver != own.code:
        feed = feeds.get(ask.receiver)
        if feed is None:
            text = "No organisation of this code takes part here."
            raise Unprocessable(text, where="Parameters.parameter(receiver)", code="not-found")
        return _party(feed)
    return Party("", ask.receiver_kind, "") if ask.receiver_kind else None


def _sources(check: _Check, me: Party, receiver: Party | None, feeds: Mapping[str, Feed]) -> list[Party]:
    """Who could tell the caller: the receiver, those of its kind, or everybody who shares anything."""
    if receiver is not None and receiver.code:
        return [receiver]
    sharing = [_party(feeds[code]) for code in check.ctx.agreements.sources if code in feeds and code != me.code]
    return sharing if receiver is None else [one for one in sharing if one.kind == receiver.kind]


def _roles(check: _Check, source: Party) -> tuple[str, ...]:
    """The roles in which the receiver may ask: the one stated, or any that the agreement names."""
    if check.ask.receiver_role:
        return (check.ask.receiver_role,)
    lines = [one for one in check.ctx.agreements.every_line() if one.source == source.code and check.purpose.code in one.purposes]
    return tuple(sorted({ANY_ROLE}.union(*(one.roles for one in lines), check.purpose.roles)))


def _verdict(check: _Check, source: Party, receiver: Party, roles: tuple[str, ...]) -> Verdict:
    """What ``source`` may tell ``receiver``, whoever it is about."""
    reason = _never(check) or _closed(check, receiver, roles)
    lines = {
        role: _line(check, source, receiver, role) for role in roles if not check.purpose.roles or role in check.purpose.roles
    }
    wanted = frozenset(check.ask.classes) or frozenset(CLASS_TIERS)
    fitting = {role: one for role, one in lines.items() if one is not None and one.permits and one.classes & wanted}
    if reason or not fitting:
        return _against(check, source, receiver, reason or _no_line(check, source, receiver))
    best = max(fitting.values(), key=lambda one: one.tier)
    allowed = () if fitting.get(ANY_ROLE) is best else tuple(sorted(role for role, one in fitting.items() if one is best))
    return _may(check, source, receiver, best, allowed)


def _line(check: _Check, source: Party, receiver: Party, role: str) -> Line | None:
    return check.ctx.agreements.line(source.code, receiver.code, receiver.kind, check.purpose.code, role, check.on)


def _never(check: _Check) -> str:
    """Whether nothing but what no agreement opens was asked for."""
    return "never" if check.ask.classes and NEVER_TOLD.issuperset(check.ask.classes) else ""


def _closed(check: _Check, receiver: Party, roles: tuple[str, ...]) -> str:
    """The refusal reason that rests on the purpose and the receiver, before any agreement."""
    purpose, requester = check.purpose, check.ask.requester
    if purpose.mode == "none" or (receiver.code == requester.agency and purpose.code not in requester.purposes):
        return "purpose-not-yours"
    if purpose.since is not None and check.on < purpose.since:
        return "duty-not-in-force"
    if purpose.asked_by and receiver.kind not in purpose.asked_by and not purpose.case_of:
        return "purpose-not-yours"
    return "role-not-allowed" if purpose.roles and purpose.roles.isdisjoint(roles) else ""


def _no_line(check: _Check, source: Party, receiver: Party) -> str:
    """Whether another role would have been told."""
    others = _named_roles(check, source, receiver)
    return "role-not-allowed" if others else "no-agreement"


def _named_roles(check: _Check, source: Party, receiver: Party) -> list[str]:
    wanted = frozenset(check.ask.classes) or frozenset(CLASS_TIERS)
    everybody = _roles(check._replace(ask=check.ask._replace(receiver_role="")), source)
    found = ((role, _line(check, source, receiver, role)) for role in everybody if role)
    return [role for role, one in found if one is not None and one.permits and one.classes & wanted]


def _against(check: _Check, source: Party, receiver: Party, reason: str) -> Verdict:
    roles = sorted(check.purpose.roles) or _named_roles(check, source, receiver)
    text = check.words["may_not"][reason].format(**_filled(check, source, receiver, check.ask.classes, roles))
    return Verdict(source, receiver, reason, text)


def _may(check: _Check, source: Party, receiver: Party, found: Line, roles: tuple[str, ...]) -> Verdict:
    wanted = found.classes & frozenset(check.ask.classes or found.classes)
    classes = tuple(sorted(wanted, key=lambda code: (CLASS_TIERS[code], list(CLASS_TIERS).index(code))))
    filled, words = _filled(check, source, receiver, classes, roles), check.words
    said = [
        words["may"][check.purpose.mode].format(**filled),
        *_rest(check, source, receiver, found),
        words["force"]["since"].format(**filled) if check.purpose.since else "",
        words["note"].get(check.purpose.code, ""),
        words["roles"]["only"].format(**filled) if roles and receiver.code != check.ask.requester.agency else "",
        words["needs"]["all"].format(**filled) if check.purpose.needs else "",
        words["needs"]["case-owner"] if _needs_owner(check, receiver) else "",
    ]
    return Verdict(
        source, receiver, "", " ".join(filter(None, said)), words["tell"][check.purpose.mode], "", max(CLASS_TIERS[code] for code in classes), classes,
        (found.basis,), standing_obligations(found, check.purpose), roles,
    )  # fmt: skip


def _rest(check: _Check, source: Party, receiver: Party, found: Line) -> list[str]:
    """What of the question is not shared: a yes to a part of it must not be read as a yes to all."""
    sorts = {"never": NEVER_TOLD, "not-agreed": CLASS_TIERS.keys() - found.classes}
    left = {sort: [code for code in check.ask.classes if code in among] for sort, among in sorts.items()}
    return [
        check.words["rest"][sort].format(**_filled(check, source, receiver, codes, ())) for sort, codes in left.items() if codes
    ]


def _needs_owner(check: _Check, receiver: Party) -> bool:
    return bool(check.purpose.case_of) and receiver.kind not in check.purpose.asked_by


def _together(check: _Check, me: Party, told: tuple[Verdict, ...]) -> Verdict:
    """What the caller may be told by anybody: the most of it."""
    telling = [one for one in told if one.may]
    nobody = Party("", "", "")
    if not telling:
        reason = _never(check) or _closed(check, me, (check.ask.requester.role,))
        if reason:
            return _against(check, nobody, me, reason)
        text = check.words["summary"]["none"].format(**_filled(check, nobody, me, (), ()))
        return Verdict(nobody, me, "no-agreement", text)
    named = Party("", "", listed([one.source.name for one in telling]))
    classes = [code for code in CLASS_TIERS if any(code in one.classes for one in telling)]
    text = check.words["summary"]["some"].format(**_filled(check, named, me, (), ()))
    basis, obligations = _each(one.basis for one in telling), _each(one.obligations for one in telling)
    return Verdict(nobody, me, "", text, "", "", max(one.tier or 0 for one in telling), tuple(classes), basis, obligations)


def _each(found: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for codes in found for code in codes))


def _filled(check: _Check, source: Party, receiver: Party, classes: Iterable[str], roles: Iterable[str]) -> dict[str, str]:
    """What the texts are filled with."""
    words, purpose = check.words, check.purpose
    return {
        "purpose": purpose.display,
        "law": purpose.law,
        "since": f"{purpose.since:%-d %B %Y}" if purpose.since else "",
        "source": _named(check, source),
        "receiver": _named(check, receiver),
        "classes": listed([words["class"][code] for code in classes]),
        "roles": listed([role.replace("-", " ") for role in roles], "or"),
        "needs": listed([words["needs"][need] for need in sorted(purpose.needs)]),
    }


def _named(check: _Check, party: Party) -> str:
    return party.name or check.ctx.wording.wishes["kind"].get(party.kind, "")


def _described(ask: ShareRequest, verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """The question for the log."""
    stated = (
        ("receiver", ask.receiver or ask.receiver_kind or ask.requester.agency), ("class", " ".join(ask.classes)),
        ("may", "yes" if verdict.may else verdict.reason),
    )  # fmt: skip
    return tuple((name, value) for name, value in stated if value)
