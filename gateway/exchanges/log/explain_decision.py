"""Why was this shared then, or not? An entry of the access log in plain English, with the versions that decided it.

The auditor of the agency that holds the record reads all of it: the line of the agreement, the wishes as they stood, and
whether the same versions still give the same result. The requester's auditor reads what its rendering of the entry has.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Text, bindparam, select

from gateway.audit import shapes
from gateway.audit.entry import DONE, FAULT, REFUSED, Entry, Kind
from gateway.audit.event import as_asked
from gateway.disclosure.agreements import Agreements, Line
from gateway.disclosure.plain import sentences
from gateway.disclosure.requester import Requester
from gateway.disclosure.wording import listed
from gateway.exchanges.agencies import names
from gateway.exchanges.agreements.agreements_of_then import agreements_of_then
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.log.decide_again import Again, Considered, decide_again
from gateway.exchanges.log.search_audit import LATEST, AuditQuery, open_entry, statement_of
from gateway.exchanges.wishes.record_wish import person_of
from gateway.store import clock, people
from gateway.store.ledger import Feed, Moment, Outcome, Rows, Story
from gateway.store.sql import Read, Statement
from gateway.store.tables import person, record
from gateway.store.vault import Broken

NAME = "explain_decision"
MOST = 500  # entries of one look for a disclosure id
LOOKS = 10
CONSENT = Statement(
    select(*people.PERSON_COLUMNS, record.c.related, record.c.type)
    .select_from(record.join(person, person.c.id == record.c.person))
    .where(record.c.id == bindparam("id", type_=Text))
)


class ExplainRequest(NamedTuple):
    """Which entry: by its own id, or by the id of the disclosure, perhaps within a time (microseconds)."""

    requester: Requester
    id: str = ""
    disclosure: str = ""
    since: int = 0
    until: int = LATEST
    request_id: str = ""


class Wish(NamedTuple):
    """A Consent that was considered, with its sentences as of its version; none where they are not this auditor's."""

    ref: str
    plain: tuple[str, ...] = ()


class Explanation(NamedTuple):
    """An entry explained: ``entry`` is as this auditor may see it."""

    entry: Entry
    holder: bool
    outcome: str  # disclosed | nothing | undelivered | fault | done | elsewhere
    sentences: tuple[str, ...]
    in_force: bool = False
    line: Line | None = None
    wishes: tuple[Wish, ...] = ()
    again: Again | None = None


def explain_decision(ctx: Context, ask: ExplainRequest, moment: Moment) -> Story[Explanation | None]:
    """One entry explained, or None: not there and not this auditor's are the same."""
    check_current(ask.requester, moment)
    entry = yield from _find(ctx, ask)
    found = None if entry is None else (yield from _explained(ctx, entry, ask.requester.agency, moment))
    mine = line(
        NAME, ask.requester, moment, Kind.SEARCH, DONE if entry else REFUSED, purpose="audit", request_id=ask.request_id,
        patient=entry.patient if entry else "", refusal="" if entry else "not-known",
        detail=(("explained", entry.id if entry else ask.id or ask.disclosure),),
    )  # fmt: skip
    return Outcome(found, (mine,))


def _find(ctx: Context, ask: ExplainRequest) -> Generator[Any, Any, Entry | None]:
    """The entry, among those that this auditor may see. Disclosure ids are sealed: the newest entries are opened for them."""
    query = AuditQuery(ask.requester, id=ask.id, since=ask.since, until=ask.until, count=1 if ask.id else MOST)
    for _ in range(1 if ask.id else LOOKS):
        rows = yield statement_of(ctx, query)
        entries = [open_entry(ctx, row) for row in rows]
        matching = [one for one in entries if one.id == ask.id or (ask.disclosure and one.disclosure == ask.disclosure)]
        own = [one for one in matching if one.custodian == ask.requester.agency]
        if matching or len(rows) <= MOST:
            return next(iter([*own, *matching]), None)
        query = _before(query, entries[-1])
    return None


def _before(query: AuditQuery, last: Entry) -> AuditQuery:
    return AuditQuery(query.requester, since=query.since, until=query.until, count=MOST, before=(last.recorded, last.id))


def _explained(ctx: Context, entry: Entry, agency: str, moment: Moment) -> Generator[Any, Any, Explanation]:
    if entry.custodian != agency:
        return _as_requester(ctx, as_asked(entry), moment.feeds)
    considered = yield from _considered(ctx, entry.consents)
    then = yield from agreements_of_then(ctx, entry)
    again = yield from decide_again(ctx, entry, considered, then, moment)
    in_force = then is ctx.agreements
    deciding = None if then is None else _line(then, entry, moment)
    policy = "gone" if then is None else "in-force" if in_force else "then"
    wishes = tuple(_wish(ctx, one, agency, moment.feeds) for one in considered)
    outcome = _outcome(entry)
    said = [
        _who(ctx, entry, moment.feeds),
        _came_out(ctx, entry, outcome, moment.feeds),
        _decider(ctx, entry),
        *_policy(ctx, entry, deciding, moment.feeds, policy),
        *_wishes(ctx, considered, wishes, agency),
        *_again(ctx, again),
    ]
    return Explanation(entry, True, outcome, tuple(filter(None, said)), in_force, deciding, wishes, again)


def _as_requester(ctx: Context, entry: Entry, feeds: Mapping[str, Feed]) -> Explanation:
    """What follows from the request alone."""
    outcome = _outcome(entry) if entry.refusal or entry.kind in shapes.WITHOUT_PERSON else "elsewhere"
    return Explanation(entry, False, outcome, (_who(ctx, entry, feeds), _came_out(ctx, entry, outcome, feeds)))


def _considered(ctx: Context, refs: tuple[str, ...]) -> Generator[Any, Any, list[Considered]]:
    """The Consents in the versions that were looked at."""
    if not refs:
        return []
    parts = [ref.split("/") for ref in refs]  # Consent/id/_history/version
    holders = yield tuple(Read(CONSENT, {"id": identifier}) for _, identifier, _, _ in parts)
    versions = yield tuple(Read(people.VERSION_OF, {"id": one, "version": int(version)}) for _, one, _, version in parts)
    return [_consent(ctx, *one) for one in zip(refs, holders, versions, strict=True)]


def _consent(ctx: Context, ref: str, rows: Rows, versions: Rows) -> Considered:
    """One of them; without its body where it is gone."""
    _, identifier, _, version = ref.split("/")
    if not rows or not versions:
        return Considered(ref, rows[0][1] if rows else "", None, 0, {})
    try:
        row = people.open_person(ctx.vault, rows[0][:5])
        columns = (identifier, rows[0][6], versions[0][0], int(version), rows[0][5], versions[0][1])
        held = people.open_record(row.cipher, columns)
    except Broken:  # its key was destroyed: the person was erased
        return Considered(ref, rows[0][1], None, 0, {})
    return Considered(ref, row.agency, held.body, held.updated, row.patient)


def _line(then: Agreements, entry: Entry, moment: Moment) -> Line | None:
    """The line of the agreement that decided."""
    feed = moment.feeds.get(entry.requester)
    on = clock.moment(entry.recorded).date()
    return then.line(entry.custodian, entry.requester, feed.kind if feed else "", entry.purpose, entry.role, on)


def _wish(ctx: Context, one: Considered, agency: str, feeds: Mapping[str, Feed]) -> Wish:
    if one.body is None or one.agency != agency:
        return Wish(one.ref)
    return Wish(one.ref, sentences(one.directive(), ctx.wording.wishes, person_of(one.patient), names(feeds)))


def _outcome(entry: Entry) -> str:
    if entry.outcome == FAULT:
        return "undelivered" if entry.kind is Kind.DELIVERY_RESULT else "fault"
    if entry.outcome == REFUSED:
        return "nothing"
    if entry.kind in (Kind.DISCLOSURE, Kind.DELIVERY):
        return "disclosed"
    return "nothing" if entry.kind in (Kind.NEGATIVE, Kind.ERROR) and entry.refusal else "done"


def _who(ctx: Context, entry: Entry, feeds: Mapping[str, Feed]) -> str:
    words, purpose = ctx.wording.explain["asked"], ctx.purposes.get(entry.purpose)
    at = clock.moment(entry.recorded)
    filled = {
        "when": f"{at.day} {at:%B} {at.year} at {at:%H:%M:%S} (UTC)",
        "requester": _name(entry.requester, feeds),
        "user": words["user"].format(user=entry.user) if entry.user else "",
        "role": words["role"].format(role=entry.role.replace("-", " ")) if entry.role else "",
        "purpose": purpose.display if purpose else entry.purpose,
        "exchange": entry.exchange.replace("_", " "),
    }
    return words["who" if entry.purpose else "purposeless"].format(**filled)


def _came_out(ctx: Context, entry: Entry, outcome: str, feeds: Mapping[str, Feed]) -> str:
    reasons = ctx.wording.explain["reason"]
    return ctx.wording.explain["outcome"][outcome].format(
        custodian=_name(entry.custodian, feeds),
        tier="" if entry.tier is None else entry.tier,
        basis=listed(list(entry.basis)),
        reason=reasons.get(entry.refusal, reasons["other"]).format(reason=entry.refusal or "none"),
    )


def _decider(ctx: Context, entry: Entry) -> str:
    """By whose decision the record was withheld; empty where by none."""
    decider = dict(entry.detail).get("decided-by", "")
    return ctx.wording.explain["outcome"]["withheld"].format(decider=decider) if decider and entry.refusal else ""


def _policy(ctx: Context, entry: Entry, found: Line | None, feeds: Mapping[str, Feed], policy: str) -> list[str]:
    """Which version decided, and which of its lines. ``policy``: in-force, then or gone."""
    words = ctx.wording.explain
    if not entry.policy:
        return []
    version = words["policy"][policy].format(policy=entry.policy)
    if policy == "gone":
        return [version]
    custodian, requester = _name(entry.custodian, feeds), _name(entry.requester, feeds)
    if found is None:
        return [version, words["line"]["none"].format(custodian=custodian, requester=requester)]
    classes = listed([ctx.wording.check_share["class"][code] for code in sorted(found.classes)])
    why = words["line"]["why"].format(why=found.why) if found.why else ""
    receiver = _name(found.receiver, feeds) or ctx.wording.wishes["kind"][found.receiver_kind]
    text = words["line"]["permits" if found.permits else "refuses"]
    return [
        version,
        text.format(custodian=custodian, receiver=receiver, tier=found.tier, classes=classes, basis=found.basis, why=why),
    ]


def _wishes(ctx: Context, considered: list[Considered], wishes: tuple[Wish, ...], agency: str) -> list[str]:
    words, said = ctx.wording.explain["consent"], []
    for one, wish in zip(considered, wishes, strict=True):
        text = "gone" if one.body is None else "shown" if one.agency == agency else "elsewhere"
        said += [words[text].format(consent=one.ref), *wish.plain]
    return said or [words["none"]]


def _again(ctx: Context, again: Again) -> list[str]:
    words = ctx.wording.explain["again"]
    return [words[again.result].format(state=again.came_out), *(words[code] for code in again.gone)]


def _name(code: str, feeds: Mapping[str, Feed]) -> str:
    return feeds[code].name if code in feeds else code
