"""A saved question of an auditor: on record before anything is read, answered from the log and what stands beside it.

Every answer is a list of lines with the columns of its question (``gateway.audit.questions``). Who may see what is as in a
search: the holder's auditor sees the cause and the people found, the requester's the rendering of the request alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.audit.entry import DONE, REFUSED, Kind
from gateway.audit.questions import BY_NAME, Question
from gateway.audit.shapes import CONFIGURATION
from gateway.audit.told import Facts, facts_of
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.log import (
    question_consents,
    question_home,
    question_log,
    question_notices,
    question_reviews,
    question_volumes,
    question_wishes,
)
from gateway.exchanges.log.find_entries import found
from gateway.exchanges.log.search_audit import LATEST, AuditQuery
from gateway.exchanges.lookup.look_up_log import NAME as LOOKUP
from gateway.store import clock
from gateway.store.ledger import Ledger, Moment, Outcome, Story

NAME = "ask_question"
Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what was filled in. ``given``: person (``system|value``), user, client, reason, consent, notice.

    Times are microseconds, from inclusive to exclusive; ``until`` 0 is open. ``before`` is where the page before ended.
    """

    requester: Requester
    name: str
    given: Mapping[str, str] = field(default_factory=dict)
    since: int = 0
    until: int = 0
    count: int = 100
    before: Place | None = None
    request_id: str = ""

    @property
    def question(self) -> Question:
        return BY_NAME[self.name]

    def query(self, at: int) -> AuditQuery:
        """The part of the log that is asked about, as a search of it: the question's own days where none are given."""
        days = self.question.days
        since = self.since or ((self.until or at) - days * clock.DAY if days else 0)
        return AuditQuery(
            self.requester, since=since, until=self.until or LATEST, count=self.count, before=self.before,
            request_id=self.request_id,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lines:
    """An answer: its lines, and where the next page begins. ``since`` is from when on was looked."""

    lines: tuple[Facts, ...]
    cursor: Place | None = None
    since: int = 0


def record_question(ctx: Context, asked: Asked, moment: Moment) -> Story[None]:
    """Put the question on record, with the person that it is about; committed before anything is read."""
    yield from ()
    check_current(asked.requester, moment)
    used = "&".join((asked.name, *(name for name, value in asked.given.items() if value and name != "person")))
    entry = line(
        NAME, asked.requester, moment, Kind.SEARCH, DONE, request_id=asked.request_id, patient=asked.given.get("person", ""),
        purpose="audit", detail=(("query", used),),
    )  # fmt: skip
    return Outcome(None, (entry,))


async def ask_question(ctx: Context, ledger: Ledger, asked: Asked) -> Lines:
    """The answer, its question on record. Raises NotAuthenticated, Unavailable."""
    await ledger.run(record_question, asked)
    query = asked.query(clock.now())
    answer = ANSWERS.get(asked.name)
    if answer is not None:
        lines, cursor = await answer(ctx, ledger, query, asked.given)
    else:
        page = await found(ctx, ledger, _search(asked, query))
        lines, cursor = [facts_of(event) for event in page.events], page.cursor
    return Lines(tuple(lines), cursor, query.since)


Answer = Callable[[Context, Ledger, AuditQuery, Mapping[str, str]], Awaitable[tuple[list[Facts], Place | None]]]
ANSWERS: Final[dict[str, Answer]] = {
    "overrides": question_reviews.overrides,
    "no-matching-case": question_reviews.no_matching_case,
    "volumes": question_volumes.count_volumes,
    "close-to-home": question_home.close_to_home,
    "after-revocation": question_consents.after_revocation,
    "against-wishes": question_wishes.against_wishes,
    "trail": question_notices.trail,
    "undelivered": question_notices.undelivered,
    "health": question_log.health,
}


def _search(asked: Asked, query: AuditQuery) -> AuditQuery:
    """The questions that are a search of the log."""
    given = asked.given
    query = replace(query, patient=given.get("person", ""), agent=given.get("user", ""), client=given.get("client", ""))
    more: dict[str, dict[str, object]] = {
        "refusals": {"outcome": REFUSED, "subtype": given.get("reason", "")},
        "no-case": {"exchange": LOOKUP, "no_case": True},
        "consent": {"entity": given.get("consent", ""), "subtype": "disclose", "outcome": DONE},
        "changes": {"subtype": CONFIGURATION.code},
        "log-use": {"purpose": "audit"},
    }
    return replace(query, **more.get(asked.name, {}))  # type: ignore[arg-type]  # fields of the query, by name
