"""Every answer that any test got is on record: by what was answered and what was written, not by a list.

Each answer of a route that needs a token or a sign-in has an entry that stands for the request as its asker's auditor sees
it; and each question about a person has exactly one, whatever it found and however many agencies were asked. An answer of
503 may have none: the log could not be written, and nothing was disclosed; nor may the card that shows whom to ring then.
Nor a form that comes back to be filled in, or leads to another one: nothing was asked yet. Refusals of nobody we know are
noted once a minute (``gateway.api.edge.put_on_record``): of bad tokens, and of calls for cards that say too little. How far
one's own file or export is, and whether one's own token is good, tells of nobody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from starlette.routing import compile_path

from gateway.api.identifiers import register_convertors, route_path
from gateway.api.operations import OPERATIONS
from gateway.audit.entry import Entry
from gateway.audit.shapes import QUESTIONS
from gateway.web.routes import PAGES
from tests.world import Answered, World

register_convertors()
UNAVAILABLE, FAULTY, UNKNOWN, CARDS = 503, 422, 401, "/cds-services/"
TELLS_OF_NOBODY = frozenset({"loadStatus", "loadPage", "exportStatus", "introspect"})
IN_STEPS = "/family"  # purpose first, then what the purpose needs
FORMS = tuple((one.method, compile_path(one.path)[0]) for one in PAGES if one.scope and one.method == "POST")
GUARDED = (
    *FORMS,
    *((one.method, compile_path(route_path(one.path))[0]) for one in OPERATIONS if not (one.open or one.name in TELLS_OF_NOBODY)),
)


def first_not_on_record(world: World, entries: Iterable[Entry]) -> tuple[object, ...]:
    """The first answer that is not on record, or is so twice; empty where all are, once."""
    asked: Counter[str] = Counter()
    questions: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for entry in entries:
        asked[entry.request_id] += entry.asked
        if entry.disclosure and entry.request_id and entry.kind in QUESTIONS:
            questions[entry.exchange, entry.request_id, entry.disclosure] += entry.asked
    away = UNAVAILABLE in {one.status for one in world.answered}
    for one in world.answered:
        unwritten = one.status in (UNAVAILABLE, UNKNOWN) or comes_back(one) or is_bare_card(one, away=away)
        if is_guarded(one) and not (unwritten or asked[one.request_id]):
            return ("nothing on record", one)
    return next((("a question has one line for its asker", *one) for one in questions.items() if one[1] != 1), ())


def is_bare_card(answered: Answered, *, away: bool) -> bool:
    """Whether it is a card while the log is away, or the refusal of a call before anybody knows whose it is."""
    return answered.path.startswith(CARDS) and (away or answered.status in (400, 404))


def comes_back(answered: Answered) -> bool:
    """Whether it is a page's form with what is wrong with it, or with what else is to be said."""
    if answered.path == IN_STEPS:
        return answered.status in (200, FAULTY)
    return answered.status == FAULTY and any(method == "POST" and pattern.match(answered.path) for method, pattern in FORMS)


def is_guarded(answered: Answered) -> bool:
    """Whether the route of an answer needs a token or a sign-in."""
    return any(answered.method == method and pattern.match(answered.path) for method, pattern in GUARDED)
