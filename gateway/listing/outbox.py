"""Commands about the outbox: how much waits for whom, and sending once more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.exchanges.notices.replay_notices import LATEST, Replay, Replayed, replay_notices
from gateway.listing import Row, check_agency, stop, text_table
from gateway.store import clock
from gateway.store.ledger import Ledger
from gateway.store.outbox_view import BY_RECEIVER, OVERDUE_BY_RECEIVER, UNDELIVERED
from gateway.store.sql import Read
from gateway.store.sql import Row as Columns

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
Time = Annotated[str, typer.Option(metavar="TIME", help="When it was queued: ISO 8601, UTC unless it says otherwise.")]
HEAD = ("receiver", "waiting", "failing", "sending", "dead", "overdue", "oldest")
LISTED = ("notice", "from", "to", "state", "attempts", "due", "last result")
MANY = 500

outbox_cli = typer.Typer(help="The outbox: notices that wait, fail, were given up or not taken up; sending once more.")


def summary(found: Iterable[Columns], overdue: Iterable[Columns], now: int) -> list[dict[str, Any]]:
    """A line for each receiver with something open. ``oldest`` is the age of its longest waiting notice, in seconds."""
    late = {receiver: int(count) for receiver, count in overdue}
    lines = {
        receiver: [int(waiting), int(failing), int(sending), int(dead), (now - oldest) // clock.SECOND if oldest else None]
        for receiver, waiting, failing, sending, dead, oldest in found
    }
    nothing = [0, 0, 0, 0, None]
    told = []
    for receiver in sorted({*lines, *late}):
        *counts, oldest = lines.get(receiver, nothing)
        told.append(dict(zip(HEAD, (receiver, *counts, late.get(receiver, 0), oldest), strict=True)))
    return told


def summary_rows(lines: Iterable[dict[str, Any]]) -> list[Row]:
    """The same as a table."""
    return [HEAD, *(tuple("" if one[name] is None else str(one[name]) for name in HEAD) for one in lines)]


def listed(found: Iterable[Columns]) -> list[dict[str, Any]]:
    """Notices that have not arrived: references only, nobody is named."""
    return [
        dict(zip(LISTED, (notice, owner, receiver, state, attempts, clock.instant(due), result), strict=True))
        for notice, receiver, owner, state, attempts, due, result in found
    ]


@outbox_cli.callback(invoke_without_command=True)
def outbox(ctx: typer.Context, data: Data = None, as_json: AsJson = False) -> None:
    """How much waits for each receiver: for a first attempt, for another one, under way, given up, not taken up in time."""
    if ctx.invoked_subcommand is not None:
        return

    async def find(gateway: Any) -> Any:
        return await gateway.ledger.read([Read(BY_RECEIVER), Read(OVERDUE_BY_RECEIVER)])

    found, overdue = ctx.obj.on(data, find)
    lines = summary(found, overdue, clock.now())
    typer.echo(json.dumps(lines) if as_json else text_table(summary_rows(lines)))


@outbox_cli.command("list")
def list_command(
    ctx: typer.Context,
    agency: Annotated[str, typer.Option(help="ODS code of the receiver, or of the organisation that it is from.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Notices of one organisation that have not arrived, the oldest first, five hundred at most."""

    async def find(gateway: Any) -> Any:
        await check_agency(gateway, agency)
        return (await gateway.ledger.read([Read(UNDELIVERED, {"agency": agency, "count": MANY})]))[0]

    lines = listed(ctx.obj.on(data, find))
    rows: list[Row] = [LISTED, *(tuple(str(value) for value in one.values()) for one in lines)]
    typer.echo(json.dumps(lines) if as_json else text_table(rows))


@outbox_cli.command("replay")
def replay_command(
    ctx: typer.Context,
    receiver: Annotated[str, typer.Option(help="ODS code of the receiver.")],
    topic: Annotated[str, typer.Option(help="Only this topic.")] = "",
    since: Time = "",
    until: Time = "",
    delivered: Annotated[bool, typer.Option("--delivered", help="Also what has arrived, not only what was given up.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and send nothing.")] = False,
    data: Data = None,
) -> None:
    """Send notices once more: each keeps its id, and whether it may still be told is decided again."""
    ask = Replay(receiver, topic, _time(since, 0), _time(until, LATEST), delivered, dry_run)

    async def run(gateway: Any) -> int:
        await check_agency(gateway, receiver)
        if topic and topic not in gateway.context.topics:
            stop(f"there is no topic {topic}")
        return await replay_all(gateway.ledger, ask)

    count = ctx.obj.on(data, run)
    typer.echo(f"{count} notices {'would be' if dry_run else 'are'} queued once more")


async def replay_all(ledger: Ledger, ask: Replay) -> int:
    """Every page of a replay; gives how many notices were chosen. What is queued later than now is not touched."""
    ask = replace(ask, until=min(ask.until, clock.now()))
    count, page = 0, Replayed(0, ask.after)
    while True:
        page = await ledger.run_alone(replay_notices, replace(ask, after=page.after))
        count += page.count
        if page.after is None:
            return count


def _time(text: str, otherwise: int) -> int:
    if not text:
        return otherwise
    try:
        stated = datetime.fromisoformat(text)
    except ValueError:
        stop(f"{text} is no time: write it like 2026-11-21T08:00")
    return clock.micros(stated if stated.tzinfo else stated.replace(tzinfo=UTC))
