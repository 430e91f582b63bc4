"""The inbox: notices for agencies without software of their own, and call-back requests. Overdue stands on top."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from gateway.exchanges.casework.close_call_back import CloseCallBack, close_call_back
from gateway.exchanges.casework.list_call_backs import ListCallBacks, list_call_backs
from gateway.exchanges.notices.acknowledge_notice import Acknowledgement, acknowledge_notice
from gateway.exchanges.notices.list_notices import ListNotices, NoticeLine, NoticePage, list_notices
from gateway.fhir.outcomes import BadRequest, Unprocessable
from gateway.store import clock
from gateway.web.desks import Desk, desk_of, desks_at
from gateway.web.visits import Visit
from gateway.web.words import ACKNOWLEDGEMENTS

COUNT = 25
MOST_AFTER = 80
MOST_NOTE = 1000
LEAST_SENTENCE = 10
SAID = {"answered": "Your answer is on record.", "closed": "The call-back request is closed."}


@dataclass(frozen=True, slots=True)
class Group:
    """Notices under one heading, and where more of them stand."""

    name: str
    cards: list[Card]
    more: str
    more_name: str = "Earlier notices"

    @property
    def count(self) -> str:
        """How many there are, as far as this page knows."""
        return f"{len(self.cards)} and more" if self.more else str(len(self.cards))


@dataclass(frozen=True, slots=True)
class Card:
    """A notice with whom to ring: the owner's desks, and who in our own agency it went to when nobody answered."""

    notice: NoticeLine
    desks: list[Desk]
    went_to: Desk | None


async def show(visit: Visit) -> Response:
    """``GET /inbox``: what waits for an answer, overdue first, of these the oldest; each group has pages of its own."""
    after, late = _place(visit, "after"), _place(visit, "overdue")
    overdue = NoticePage((), "") if after else await _listed(visit, "overdue", late, oldest_first=True)
    waiting = NoticePage((), "") if late else await _listed(visit, "received", after)
    groups = [
        Group("Overdue", _cards(visit, overdue), _more(visit, overdue.next, "overdue"), "More that is overdue"),
        Group("Waiting for an answer", _cards(visit, waiting), _more(visit, waiting.next)),
    ]
    return _page(visit, "Notices", groups)


async def answered(visit: Visit) -> Response:
    """``GET /inbox/answered``: what has been answered, the last told first."""
    page = await _listed(visit, "acknowledged", _place(visit, "after"))
    return _page(visit, "Answered notices", [Group("Answered", _cards(visit, page), _more(visit, page.next))])


async def acknowledge(visit: Visit) -> Response:
    """``POST /inbox/{id}/acknowledge``: what the agency makes of a notice. Raises Unprocessable, NotFound."""
    form = visit.form
    if form.get("code") not in ACKNOWLEDGEMENTS:
        raise Unprocessable("Say what you make of the notice: choose one of the five answers. Go back to do so.")
    note = form.get("note", "").strip()
    if len(note) > MOST_NOTE:
        raise Unprocessable(f"The note is longer than {MOST_NOTE} characters. Go back and shorten it.")
    ask = Acknowledgement(visit.requester, visit.request.path_params["id"], form["code"], note, visit.request_id)
    await visit.web.ledger.run_alone(acknowledge_notice, ask)
    return visit.to("/inbox?said=answered")


async def call_backs(visit: Visit) -> Response:
    """``GET /inbox/call-backs``: who wants to be rung, whom it is about, and by when."""
    ask = ListCallBacks(visit.requester, "open", _place(visit, "after"), COUNT, visit.request_id)
    page = await visit.web.ledger.run(list_call_backs, ask)
    found = sorted(page.call_backs, key=lambda one: one.due)
    return visit.page("call_backs.html", found=found, now=clock.now(), more=_more(visit, page.next), said=_said(visit))


async def close(visit: Visit) -> Response:
    """``POST /inbox/call-backs/{id}/close``: with a sentence on what came of it. Raises Unprocessable, NotFound, Conflict."""
    sentence = visit.form.get("sentence", "").strip()
    if not LEAST_SENTENCE <= len(sentence) <= MOST_NOTE:
        raise Unprocessable(f"Say in {LEAST_SENTENCE} to {MOST_NOTE} characters what came of the call. Go back to do so.")
    ask = CloseCallBack(visit.requester, visit.request.path_params["id"], sentence, visit.request_id)
    await visit.web.ledger.run_alone(close_call_back, ask)
    return visit.to("/inbox/call-backs?said=closed")


async def _listed(visit: Visit, state: str, after: str, oldest_first: bool = False) -> NoticePage:
    ask = ListNotices(visit.requester, "received", state, after, COUNT, visit.request_id, oldest_first)
    return await visit.web.ledger.run(list_notices, ask)


def _cards(visit: Visit, page: NoticePage) -> list[Card]:
    feeds = visit.web.feeds
    return [
        Card(one, desks_at(feeds, one.owner), desk_of(one.contact) if one.contact else None) for one in page.notices
    ]  # fmt: skip


def _page(visit: Visit, heading: str, groups: list[Group]) -> Response:
    return visit.page("inbox.html", heading=heading, groups=groups, answers=ACKNOWLEDGEMENTS, said=_said(visit))


def _place(visit: Visit, name: str) -> str:
    after = visit.request.query_params.get(name, "")
    if len(after) > MOST_AFTER:
        raise BadRequest("This address cannot be read.")
    return after


def _more(visit: Visit, following: str, name: str = "after") -> str:
    return f"{visit.request.url.path}?{name}={quote(following)}" if following else ""


def _said(visit: Visit) -> str:
    return SAID.get(visit.request.query_params.get("said", ""), "")
