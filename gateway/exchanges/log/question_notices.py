"""What became of notices, as answers to an auditor's questions: from the outbox, the receipts and the log together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.audit.told import Facts, facts_of
from gateway.exchanges.context import Context
from gateway.exchanges.log.find_entries import found
from gateway.exchanges.log.search_audit import AuditQuery
from gateway.exchanges.notices.acknowledgements import open_awaited
from gateway.exchanges.outbox.stored_notices import WIDTH, Stored, open_notice
from gateway.notification.topics import topic_of
from gateway.store import clock, trails
from gateway.store.ledger import Ledger
from gateway.store.outbox import COLUMNS, DEAD, WITHHELD
from gateway.store.sql import Read, Row
from gateway.store.standing import FEEDS

MOST = 500
STATES = {"pending": "Waits", "leased": "Under way", "delivered": "Delivered", "withheld": "Withheld", "dead": "Given up"}
RECEIVER, STATE, ATTEMPTS, DUE, RESULT, UPDATED = (
    [column.name for column in COLUMNS].index(name) for name in ("receiver", "state", "attempts", "due", "last_result", "updated")
)
Names = Mapping[str, str]


async def trail(ctx: Context, ledger: Ledger, query: AuditQuery, given: Mapping[str, str]) -> tuple[list[Facts], None]:
    """From the change at its source to each receiver's answer. The owner sees every receiver of the change, a receiver
    itself alone: to whom else something was told is the owner's to know."""
    agency, notice = query.requester.agency, given.get("notice", "")
    rows, feeds = await ledger.read([Read(trails.SAME_CHANGE, {"id": notice, "agency": agency, "count": MOST}), Read(FEEDS)])
    names = {row[0]: row[1] for row in feeds}
    if not rows:
        return [], None
    first = open_notice(ctx, rows[0][:WIDTH])
    lines = [_step(first.created, "Changed at its source", "", "Done", _title(ctx, first, agency, names), names)]
    for row in rows:
        lines += await _attempts(ctx, ledger, replace(query, notice=row[0], count=MOST), row[RECEIVER], names)
        lines += _state(ctx, row, agency, names)
    return sorted(lines, key=lambda one: one["when"]), None


def _title(ctx: Context, stored: Stored, agency: str, names: Names) -> str:
    """Whose record changed and what, for its owner; a receiver reads in its inbox what it may know of it today."""
    if agency != stored.owner:
        return ""
    return f"{names.get(stored.owner, stored.owner)}: {topic_of(ctx.topics, stored.topic).title}"


async def _attempts(ctx: Context, ledger: Ledger, query: AuditQuery, receiver: str, names: Names) -> list[Facts]:
    """What the log tells of one notice, as this auditor may see it."""
    page = await found(ctx, ledger, query)
    lines = [facts_of(event) for event in page.events]
    return [
        _step(one["when"], one["what"], receiver, " ".join(filter(None, (one["outcome"], one["reason"]))), one["detail"], names)
        for one in lines
    ]


def _state(ctx: Context, row: Row, agency: str, names: Names) -> list[Facts]:
    """Where it stands, and the receiver's answer as far as whoever asks may see it."""
    state, receiver = STATES[row[STATE]], row[RECEIVER]
    why = "" if row[STATE] == WITHHELD and agency == receiver else row[RESULT]  # a withdrawal and an erasure look the same to it
    lines = [_step(row[UPDATED], "Stands now", receiver, state, f"{row[ATTEMPTS]} attempts. {why}".strip(), names)]
    if row[WIDTH] is None:
        return lines
    awaited = open_awaited(ctx, row[WIDTH:])
    seen = agency == receiver or ctx.agreements.says_what_came(receiver, clock.day(clock.now()))
    if awaited.answered is not None:
        lines.append(_step(awaited.answered, "Answered", receiver, awaited.said.code if seen else "received", "", names))
    elif awaited.state == "overdue":
        lines.append(_step(awaited.respond_by, "Nobody has taken it up", receiver, "Overdue", "", names))
    return lines


def _step(when: int, step: str, receiver: str, outcome: str, detail: str | None, names: Names) -> Facts:
    return {
        "when": when, "step": step, "receiver": names.get(receiver, receiver), "outcome": outcome.replace("-", " "), "detail": detail,
    }  # fmt: skip


async def undelivered(ctx: Context, ledger: Ledger, query: AuditQuery, _: Mapping[str, str]) -> tuple[list[Facts], None]:
    """One's own notices that have not arrived; and those for oneself that were given up. That something waits for a
    receiver tells it of a person: it is not shown to it."""
    wanted = {"agency": query.requester.agency, "count": MOST}
    rows, feeds = await ledger.read([Read(trails.NOT_ARRIVED, wanted), Read(FEEDS)])
    names = {row[0]: row[1] for row in feeds}
    return [_waiting(ctx, row, query.requester.agency, names) for row in rows], None


def _waiting(ctx: Context, row: Row, agency: str, names: Names) -> Facts:
    stored = open_notice(ctx, row)
    return {
        "created": stored.created, "notice": stored.id, "receiver": names.get(stored.receiver, stored.receiver),
        "topic": stored.topic if agency == stored.owner else "", "state": STATES[stored.state], "attempts": stored.attempts,
        "due": 0 if stored.state == DEAD else row[DUE], "detail": row[RESULT],
    }  # fmt: skip
