"""What can I share? Who you are, with whom, about what, why: the answer, on what ground, what to tell, whom to ask.

Nobody is named, so nobody needs to be signed in, and the question may stand in an address: every refusal leads here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

from gateway.disclosure.agreements import CLASS_TIERS
from gateway.disclosure.wording import CLASSES, Words
from gateway.exchanges.agencies import profile
from gateway.exchanges.lookup.check_share import ShareAnswer, Verdict, answer_openly
from gateway.exchanges.lookup.check_share_openly import NAME, OpenQuestion, check_share_openly
from gateway.exchanges.record_refusal import NOBODY
from gateway.store import clock
from gateway.store.ledger import Feed
from gateway.store.sql import Read
from gateway.store.standing import FEEDS, feeds_of
from gateway.web.desks import desks_at, desks_of
from gateway.web.visits import Visit

PATH = "/check-share"
ROLE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
KIND = "kind:"
CHOOSE = {
    "who": "Choose the organisation that you work for.",
    "whom": "Choose with whom you want to share, or from whom you want to hear.",
    "purpose": "Choose what it is for.",
    "role": "Choose your role as it is offered.",
    "about": "Choose what it is about as it is offered.",
}
ANOTHER = "Choose another organisation than your own."
Faults = list[tuple[str, str]]


async def ask(visit: Visit) -> Response:
    """``GET /check-share``: the form, and the answer where something was picked."""
    rows = (await visit.web.ledger.read([Read(FEEDS)]))[0]
    visit.web.feeds = feeds_of(rows)
    given = _given(visit)
    choices = _choices(visit)
    if not visit.request.query_params:
        return _page(visit, given, choices)
    faults = _faults(given, choices)
    if faults:
        return _page(visit, given, choices, faults=faults, status=422)
    answer = await _answered(visit, _question(visit, given))
    return _page(visit, given, choices, shown=_shown(visit, answer, given))


def _given(visit: Visit) -> dict[str, Any]:
    """What was picked; where nothing was, what is known of who is signed in."""
    query, staff = visit.request.query_params, visit.staff
    own = {"who": staff.agency, "role": staff.roles[0]} if staff else {}
    given: dict[str, Any] = {name: query.get(name, own.get(name, ""))[:80] for name in ("who", "whom", "purpose", "role")}
    return {**given, "about": tuple(dict.fromkeys(query.getlist("about")))[: len(CLASSES) + 1]}


def _choices(visit: Visit) -> dict[str, Any]:
    """What may be picked. An agency marked sensitive is not named to everybody."""
    ctx = visit.web.context
    feeds = sorted(_open(visit.web.feeds), key=lambda feed: feed.name)
    kinds, classes = ctx.wording.wishes["kind"], ctx.wording.check_share["class"]
    roles = {role for line in ctx.agreements.every_line() for role in line.roles}
    roles |= {role for one in ctx.purposes.values() for role in one.roles}
    roles |= set(visit.staff.roles) if visit.staff else set()
    return {
        "who": [(feed.code, feed.name) for feed in feeds],
        "kinds": sorted(((KIND + code, text.removeprefix("the ")) for code, text in kinds.items()), key=lambda pair: pair[1]),
        "purpose": [(one.code, one.display) for one in ctx.purposes.values() if one.mode != "none"],
        "role": [(role, role.replace("-", " ")) for role in sorted(roles)],
        "about": [(code, classes[code]) for code in (*CLASS_TIERS, *sorted(CLASSES - CLASS_TIERS.keys()))],
    }


def _open(feeds: Mapping[str, Feed]) -> Iterable[Feed]:
    return (feed for feed in feeds.values() if not profile(feed).sensitive)


def _faults(given: Mapping[str, Any], choices: Mapping[str, Any]) -> Faults:
    """Fields with what to do, in the order of the form."""
    allowed = {name: {code for code, _ in choices[name]} for name in ("who", "purpose", "role", "about")}
    allowed["whom"] = allowed["who"] | {code for code, _ in choices["kinds"]}
    found = [(name, CHOOSE[name]) for name in ("who", "whom", "purpose") if given[name] not in allowed[name]]
    if given["whom"] and given["whom"] == given["who"]:
        found.append(("whom", ANOTHER))
    if given["role"] and given["role"] not in allowed["role"]:
        found.append(("role", CHOOSE["role"]))
    return found + ([] if allowed["about"].issuperset(given["about"]) else [("about", CHOOSE["about"])])


def _question(visit: Visit, given: Mapping[str, Any]) -> OpenQuestion:
    whom, staff = given["whom"], visit.staff
    kind = whom.removeprefix(KIND) if whom.startswith(KIND) else ""
    return OpenQuestion(
        asker=staff.as_requester(staff.roles[0]) if staff else NOBODY,
        agency=given["who"],
        role=given["role"],
        purpose=given["purpose"],
        classes=given["about"],
        receiver="" if kind else whom,
        receiver_kind=kind,
        count=1 if staff else visit.web.notes.due(NAME, time.time()),
        request_id=visit.request_id,
    )


async def _answered(visit: Visit, question: OpenQuestion) -> ShareAnswer:
    """On record; of nobody we know once a minute, with the number of questions since."""
    web = visit.web
    if question.count:
        return await web.ledger.run(check_share_openly, question)
    return answer_openly(web.context, question.asked(frozenset(web.context.purposes)), web.feeds, clock.now())


def _shown(visit: Visit, answer: ShareAnswer, given: Mapping[str, Any]) -> dict[str, Any]:
    """Both directions in words, and whom to ask."""
    words, feeds = visit.web.context.wording.check_share, visit.web.feeds
    named = {feed.code for feed in _open(feeds)}
    told = [one for one in answer.told if one.source.code in named]
    return {
        "ways": [_way(words, answer.asked, "You to them"), *(_way(words, one, f"{one.source.name} to you") for one in told)],
        "advice": answer.asked.advice,
        "desks": desks_of(answer.desks) or desks_at(feeds, given["who"]),
    }


def _way(words: Words, verdict: Verdict, heading: str) -> dict[str, Any]:
    """One direction: yes or no, why, on what ground, what to keep to, what to tell."""
    return {
        "heading": heading,
        "may": verdict.may,
        "said": verdict.said,
        "basis": [words["basis"][code] for code in verdict.basis],
        "keep": [words["obligation"][code] for code in verdict.obligations],
        "tell": verdict.tell,
    }


def _page(
    visit: Visit, given: Mapping[str, Any], choices: Mapping[str, Any], *, faults: Faults | None = None, shown: Any = None,
    status: int = 200,
) -> Response:  # fmt: skip
    return visit.page("check_share.html", status, given=given, choices=choices, faults=faults or [], shown=shown)
