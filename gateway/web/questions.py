"""Questions about our own records: a relationship to confirm, a line that somebody says is wrong. The longest due first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from gateway.exchanges.access.staff import name_of
from gateway.exchanges.casework.confirm_relationship import confirm_relationship, reject_relationship, state_relationship
from gateway.exchanges.casework.dispute_record import accept_dispute, close_dispute
from gateway.exchanges.casework.questions import Answered, list_questions
from gateway.exchanges.casework.record_relationship import TO_CONFIRM
from gateway.exchanges.reviews import Item, OwnQueue
from gateway.fhir.outcomes import Unprocessable
from gateway.identity import nhs_number
from gateway.store import clock
from gateway.web.visits import Visit
from gateway.web.words import RELATIONSHIPS, SAID_BY, TOLD_BY

PATH = "/inbox/questions"
SCOPE = "system/RelatedPerson.u"
LEAST, MOST = 10, 1000
SENTENCE = f"Say in {LEAST} to {MOST} characters what you found. Go back to do so."
NUMBER = "Enter the NHS number that stands on your own record: ten digits. Go back to do so."
ANSWER = "Choose one of the answers. Go back to do so."
SAID = "Your answer is on record."
ACTS: dict[str, Callable[..., Any]] = {
    "confirm": confirm_relationship,
    "state": state_relationship,
    "reject": reject_relationship,
    "accept": accept_dispute,
    "stands": close_dispute,
}


@dataclass(frozen=True, slots=True)
class Question:
    """An item in words. ``answers``: what can be said, and the words for it."""

    id: str
    title: str
    person: str
    facts: list[tuple[str, str]]
    due: int
    answers: list[tuple[str, str]]
    needs_number: bool


async def show(visit: Visit) -> Response:
    """``GET /inbox/questions``."""
    found = await visit.web.ledger.run(list_questions, OwnQueue(visit.requester, visit.request_id))
    said = SAID if visit.request.query_params.get("said") == "answered" else ""
    return visit.page("questions.html", found=[_question(visit, one) for one in found], now=clock.now(), said=said)


async def answer(visit: Visit) -> Response:
    """``POST /inbox/questions/{id}``. Raises Unprocessable, NotFound, Conflict, Forbidden for whose act it is."""
    form = visit.form
    act = ACTS.get(form.get("answer", ""))
    if act is None:
        raise Unprocessable(ANSWER)
    sentence = form.get("sentence", "").strip()
    if not LEAST <= len(sentence) <= MOST:
        raise Unprocessable(SENTENCE)
    number = nhs_number.parse(form.get("number", "")) if act is state_relationship else ""
    if number is None:
        raise Unprocessable(NUMBER)
    told = Answered(visit.requester, visit.request.path_params["id"], sentence, number, visit.request_id)
    await visit.web.ledger.run_alone(act, told)
    return visit.to(f"{PATH}?said=answered")


def _question(visit: Visit, item: Item) -> Question:
    own = item.matter.agency == visit.requester.agency
    if item.kind != TO_CONFIRM:
        return _made(visit, item, "Somebody says that your record is wrong", _disputed(item), (
            ("accept", "Mark the record as disputed by the person"), ("stands", "We have looked: nothing to mark")))  # fmt: skip
    if own:
        return _made(visit, item, "A colleague took down a relationship", _related(item), (
            ("confirm", "It is so"), ("reject", "It is not so")))  # fmt: skip
    return _made(visit, item, "Another organisation asks who somebody's relative is", _asked(item), (
        ("state", "Our own record says who, with this number"), ("reject", "We cannot say so")), number=True)  # fmt: skip


def _made(
    visit: Visit,
    item: Item,
    title: str,
    facts: list[tuple[str, str]],
    answers: tuple[tuple[str, str], ...],
    *,
    number: bool = False,
) -> Question:
    """A question with who asks it, and on what number."""
    matter, why = item.matter, dict(item.matter.why)
    who = f"{why.get('name') or matter.user}, {name_of(visit.web.feeds, matter.agency)}"
    asker = [("Taken down by", who), *([("Number", why["phone"])] if why.get("phone") else [])]
    return Question(item.id, title, matter.patient, [*facts, *asker], item.due, list(answers), number)


def _related(item: Item) -> list[tuple[str, str]]:
    why = dict(item.matter.why)
    return [
        ("The other person is said to be", RELATIONSHIPS.get(why.get("relationship", ""), "a relative")),
        ("Who said so", TOLD_BY.get(why.get("told-by", ""), "")),
        ("Who it is", "See your own record of this person"),
    ]


def _asked(item: Item) -> list[tuple[str, str]]:
    why = dict(item.matter.why)
    return [
        ("Asked for", f"who is the {RELATIONSHIPS.get(why.get('relationship', ''), 'relative').lower()} of this person"),
        ("Who said so", TOLD_BY.get(why.get("told-by", ""), "")),
    ]


def _disputed(item: Item) -> list[tuple[str, str]]:
    why = dict(item.matter.why)
    return [("What is wrong", why.get("said", "")), ("Who says so", SAID_BY.get(why.get("said-by", ""), ""))]
