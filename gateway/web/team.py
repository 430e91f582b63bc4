"""For who manages a team: of our case load, who was not asked about children, whose notices are overdue, and which
families are known elsewhere.

The first two are of the organisation's own records. The third is a lookup for each person, for a purpose that rests on
agreement, decided and on record as any other: a few at a time and only when somebody asks, so that one list cannot use up
what a user may ask within an hour. Whoever was asked about today costs nothing more today.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from gateway.disclosure.purposes import Purpose
from gateway.exchanges.casework.keep_case_list import OwnLists, list_case_lists
from gateway.exchanges.casework.review_case_list import PAGE, CaseLine, ListPage, Reviewed, review_case_list
from gateway.exchanges.lookup.look_up_status import LookupRequest, look_up_status
from gateway.exchanges.lookup.lookups import LookupAnswer
from gateway.exchanges.notices.list_notices import ListNotices, list_notices
from gateway.exchanges.notices.subscribe import NO_SUCH_LIST
from gateway.exchanges.tick import Tick
from gateway.fhir.codes import MARKERS
from gateway.fhir.outcomes import BadRequest, NotFound
from gateway.store import clock
from gateway.web.desks import desks_of
from gateway.web.visits import Visit

PATH = "/team"
SCOPE = "system/Group.s"
AT_ONCE = 15  # people asked about by one form: half of what a user may ask about within an hour
MOST_OVERDUE = 200
MOST_PAGES = 1000
STOPPED = (
    "Not everybody could be asked about: you have asked about as many people as you may within an hour. Nothing follows from "
    "that for those who are left."
)
CHOOSE = "Choose for what you ask."


@dataclass(frozen=True, slots=True)
class Known:
    """What came of asking about one person: services with whom to ring; none is no information."""

    nhs: str
    services: list[tuple[str, str, list[dict[str, str]]]]  # who of the family, agency, desks
    asked: bool = True


async def show(visit: Visit) -> Response:
    """``GET /team``: the organisation's lists."""
    ask = OwnLists(visit.requester, after=visit.request.query_params.get("after", "")[:64], request_id=visit.request_id)
    found, following = await visit.web.ledger.run(list_case_lists, ask)
    return visit.page("team.html", lists=sorted(found, key=lambda one: one.name.casefold()), following=following)


async def review(visit: Visit) -> Response:
    """``GET /team/{id}``: a page of a list."""
    return await _page(visit, await _reviewed(visit, visit.request.query_params.get("from", "0")))


async def ask(visit: Visit) -> Response:
    """``POST /team/{id}``: ask about the next few of the page, one after the other, each on the beat of a lookup."""
    reviewed = await _reviewed(visit, visit.form.get("from", "0"))
    purpose = next((one for one in _purposes(visit) if one.code == visit.form.get("purpose")), None)
    if purpose is None:
        return await _page(visit, reviewed, faults=[("purpose", CHOOSE)])
    start = _place(visit.form.get("next", "0"))
    several = reviewed.lines[start : start + AT_ONCE]
    known: list[Known] = []
    for one in several:
        known.append(await _asked(visit, purpose, one))
        if not known[-1].asked:
            break
    done = start + len(known) - (0 if all(one.asked for one in known) else 1)
    return await _page(visit, reviewed, known=known, purpose=purpose, done=done)


async def _reviewed(visit: Visit, start: str) -> Reviewed:
    """The page of the list. Raises NotFound for another's list as for none."""
    wanted = ListPage(visit.requester, visit.request.path_params["id"], visit.request_id, _place(start))
    found = await visit.web.ledger.run(review_case_list, wanted)
    if found is None:
        raise NotFound(NO_SUCH_LIST)
    return found


def _place(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise BadRequest("This address cannot be read.")
    return int(text)


def _purposes(visit: Visit) -> list[Purpose]:
    """What rests on agreement and is open to this user: a list is no case, so no duty is claimed for it."""
    ctx, requester = visit.web.context, visit.requester
    feed = visit.web.feeds.get(requester.agency)
    on = clock.day(clock.now())
    found = [one for code, one in ctx.purposes.items() if code in requester.purposes and one.mode == "wish"]
    return [
        one
        for one in found
        if feed and ctx.agreements.coverage(requester.agency, feed.kind, one.code, requester.role, on)
    ]  # fmt: skip


async def _asked(visit: Visit, purpose: Purpose, one: CaseLine) -> Known:
    """One lookup of somebody's family, answered on the beat whatever it found."""
    kind = visit.web.feeds[visit.requester.agency].kind
    about = tuple(code for code in visit.web.context.wording.hooks["about"].get(kind, "").split() if code != "self")
    lookup = LookupRequest(
        visit.requester, one.member.nhs, one.birth_date, verified=True, purpose=purpose.code, about=about or ("children", "parents"),
        request_id=visit.request_id, by_day=True,
    )  # fmt: skip
    tick = Tick()
    try:
        answer = await visit.web.ledger.run(look_up_status, lookup)
        await tick.wait()
    finally:
        tick.stop()
    return Known(one.member.nhs, _services(visit, answer), asked=not answer.refused)


def _services(visit: Visit, answer: LookupAnswer) -> list[tuple[str, str, list[dict[str, str]]]]:
    """What was disclosed: who of the family, by which agency, whom to ring."""
    feeds = {feed.code: feed.name for feed in answer.coverage}
    who = visit.web.context.wording.hooks["who"]
    told = [one for one in answer.groups if one.disclosure]
    return [(who[one.about], feeds[one.custodian], desks_of(one.disclosure.contacts)) for one in told if one.disclosure]


async def _page(visit: Visit, reviewed: Reviewed, **more: Any) -> Response:
    """The page of a list with what is overdue, and what was asked about."""
    wanted = ListNotices(visit.requester, "received", "overdue", "", MOST_OVERDUE, visit.request_id)
    overdue = await visit.web.ledger.run(list_notices, wanted)
    late: dict[str, int] = {}
    for one in overdue.notices:
        number = one.person.rpartition("|")[2]
        late[number] = late.get(number, 0) + 1
    start = _place(visit.form.get("from", "") or visit.request.query_params.get("from", "0"))
    values: dict[str, Any] = {
        "reviewed": reviewed, "late": late, "asked_words": MARKERS, "start": start, "page_size": PAGE, "at_once": AT_ONCE,
        "purposes": [(one.code, one.display) for one in _purposes(visit)], "known": [], "purpose": None, "done": 0, "faults": [],
        "stopped": STOPPED, **more,
    }  # fmt: skip
    return visit.page("team_list.html", 422 if values["faults"] else 200, **values)
