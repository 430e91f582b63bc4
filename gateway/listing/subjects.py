"""Commands about a person's own record: reports to them, what must be kept, erasure.

Who is meant is read from standard input, never from the command line, where other users of the machine and its history would
see it. ``--user`` says who decides: it stands in the access log as said by whoever runs the command.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.disclosure.requester import Requester
from gateway.disclosure.subject_report import REASONS, as_text
from gateway.erasing import keep_register
from gateway.exchanges.records.erasures import GROUNDS
from gateway.exchanges.subjects.approve_report import approve_report, withdraw_report
from gateway.exchanges.subjects.ask_erasure import (
    EraseRequest,
    ErasureRequest,
    OwnErasures,
    ask_erasure,
    list_erasures,
    withdraw_erasure,
)
from gateway.exchanges.subjects.ask_expired import ExpiredRequest, ask_expired
from gateway.exchanges.subjects.decide_on_report import DecideRequest, decide_on_report
from gateway.exchanges.subjects.erase_person import erase_person
from gateway.exchanges.subjects.give_report import GiveRequest, OwnReports, give_report, list_reports, look_at_report
from gateway.exchanges.subjects.legal_holds import HoldRequest, LiftHold, OwnHolds, lift_hold, list_holds, set_hold
from gateway.exchanges.subjects.prepare_report import PrepareRequest, prepare_report
from gateway.exchanges.subjects.subject_reports import NOT_HERE, ReportRequest
from gateway.fhir.systems import NHS_NUMBER
from gateway.identity import nhs_number
from gateway.listing import Row, stop, text_table
from gateway.store import clock

Data = Annotated[Path | None, typer.Option("--data", help="Folder of an embedded deployment; else the environment's settings.")]
Agency = Annotated[str, typer.Argument(metavar="AGENCY", help="ODS code of the agency whose record it is.")]
User = Annotated[str, typer.Option(help="Who decides this, as the agency's access log is to name them.")]
Why = Annotated[str, typer.Option(help="Why, in at least 10 characters: it stands in the access log.")]

person_cli = typer.Typer(no_args_is_help=True, help="A person's own record: reports to them, legal holds, erasure.")
report_cli = typer.Typer(no_args_is_help=True, help="Subject access: two people make a report that the person can read.")
hold_cli = typer.Typer(no_args_is_help=True, help="Records that must be kept: set by one, lifted by two.")
person_cli.add_typer(report_cli, name="report")
person_cli.add_typer(hold_cli, name="hold")


def asking(agency: str, user: str) -> Requester:
    """Somebody of an agency, at the operator's command line."""
    return Requester("command-line", agency, frozenset(), user, "", frozenset({"subject-access"}))


def whom() -> str:
    """Who is meant (``system|value``), from standard input."""
    text = typer.prompt("NHS number, or an identifier as system|value", err=True).strip()
    if "|" in text:
        return str(text)
    number = nhs_number.parse(text)
    if number is None:
        stop("that is not a valid NHS number: ten digits with their check digit")
    return f"{NHS_NUMBER}|{number}"


def _run(ctx: typer.Context, data: Path | None, exchange: Any, ask: Any) -> Any:
    return ctx.obj.on(data, lambda gateway: gateway.ledger.run_alone(exchange, ask))


def _day(text: str, option: str) -> int:
    if not text:
        return 0
    try:
        return clock.micros(datetime.fromisoformat(text))
    except ValueError:
        stop(f"{option} is a day as 2026-11-04, not {text}")


@report_cli.command("prepare")
def report_prepare(
    ctx: typer.Context,
    agency: Agency,
    user: User,
    checked: Annotated[str, typer.Option(help="How it is known that it is they who ask.")],
    asked: Annotated[str, typer.Option(help="Day on which they asked; else today.")] = "",
    since: Annotated[str, typer.Option(help="Who looked since this day; else from the first entry.")] = "",
    data: Data = None,
) -> None:
    """Put together what is held about a person and who looked; says how many lines wait for a decision."""
    when, start = _day(asked, "--asked") or clock.now(), _day(since, "--since")
    report = _run(ctx, data, prepare_report, PrepareRequest(asking(agency, user), whom(), when, checked, start))
    typer.echo(f"report {report} is prepared: gateway person report lines {agency} {report} --user {user} shows what waits")


@report_cli.command("list")
def report_list(ctx: typer.Context, agency: Agency, user: User, data: Data = None) -> None:
    """The agency's reports: when they were asked for, how they stand; nobody's name."""
    found = _run(ctx, data, list_reports, OwnReports(asking(agency, user)))
    rows = [(one.id, clock.instant(one.asked)[:10], one.state, str(len(one.undecided))) for one in found]
    typer.echo(text_table([("report", "asked", "state", "undecided"), *rows]))


@report_cli.command("lines")
def report_lines(ctx: typer.Context, agency: Agency, report: str, user: User, data: Data = None) -> None:
    """The lines of a report that are kept back, why, and what was decided."""
    found = _run(ctx, data, look_at_report, ReportRequest(asking(agency, user), report))
    if found is None:
        stop(NOT_HERE)
    rows: list[Row] = []
    for one in found.kept_back:
        decision = found.decisions.get(one.id)
        said = "waits" if decision is None else "told" if decision.released else "kept back"
        against = "; ".join(REASONS[name] for name in one.reasons)
        rows.append((one.id, one.when[:10] or one.since, one.code, one.organisation, one.purpose, against, said))
    typer.echo(text_table([("line", "when", "what", "who", "for", "kept back because it is", "decision"), *rows]))


@report_cli.command("decide")
def report_decide(
    ctx: typer.Context,
    agency: Agency,
    report: str,
    line: Annotated[list[str], typer.Argument(help="Lines by their ids.")],
    user: User,
    reason: Why,
    release: Annotated[bool, typer.Option("--release/--keep", help="Whether the person is told.")],
    data: Data = None,
) -> None:
    """Decide on lines that are kept back."""
    found = _run(ctx, data, decide_on_report, DecideRequest(asking(agency, user), report, tuple(line), release, reason))
    typer.echo(f"lines that wait for a decision: {len(found.undecided)}")


@report_cli.command("approve")
def report_approve(ctx: typer.Context, agency: Agency, report: str, user: User, data: Data = None) -> None:
    """Approve a report, as somebody who had no hand in it."""
    _run(ctx, data, approve_report, ReportRequest(asking(agency, user), report))
    typer.echo(f"report {report} is approved")


@report_cli.command("withdraw")
def report_withdraw(ctx: typer.Context, agency: Agency, report: str, user: User, data: Data = None) -> None:
    """Give a report up that was not approved."""
    _run(ctx, data, withdraw_report, ReportRequest(asking(agency, user), report))
    typer.echo(f"report {report} is withdrawn")


@report_cli.command("give")
def report_give(
    ctx: typer.Context,
    agency: Agency,
    report: str,
    user: User,
    language: Annotated[str, typer.Option(help="As in mappings/subject_access: en, en-easy, pl, …")] = "en",
    data: Data = None,
) -> None:
    """Print an approved report as plain text; a page to print is at the console."""
    made = _run(ctx, data, give_report, GiveRequest(asking(agency, user), report, language))
    typer.echo(as_text(made), nl=False)


@hold_cli.command("set")
def hold_set(ctx: typer.Context, agency: Agency, user: User, reason: Why, data: Data = None) -> None:
    """Keep a record from erasure and clean-up."""
    held = _run(ctx, data, set_hold, HoldRequest(asking(agency, user), whom(), reason))
    typer.echo(f"hold {held} stands")


@hold_cli.command("lift")
def hold_lift(ctx: typer.Context, agency: Agency, hold: str, user: User, reason: Why, data: Data = None) -> None:
    """Ask for a hold to be lifted; the second user lifts it."""
    found = _run(ctx, data, lift_hold, LiftHold(asking(agency, user), hold, reason))
    typer.echo(f"hold {hold} is lifted" if found.lifted else f"hold {hold} stands until a second user lifts it")


@hold_cli.command("list")
def hold_list(ctx: typer.Context, agency: Agency, user: User, data: Data = None) -> None:
    """The agency's holds, with who set them and why; nobody's name."""
    found = _run(ctx, data, list_holds, OwnHolds(asking(agency, user)))
    rows = [
        (one.id, clock.instant(one.since)[:10], one.set_by, one.reason, one.lift_by, one.lifted_by or "stands") for one in found
    ]
    typer.echo(text_table([("hold", "since", "set by", "why", "lifting asked by", "lifted by"), *rows]))


@person_cli.command("erase")
def person_erase(
    ctx: typer.Context,
    agency: Agency,
    user: User,
    ground: Annotated[str, typer.Option(help=f"One of {', '.join(GROUNDS)}; when asking.")] = "",
    reason: Annotated[str, typer.Option(help="Why, in at least 10 characters; when asking.")] = "",
    carry_out: Annotated[str, typer.Option(help="Id of an erasure that somebody else asked for.")] = "",
    give_up: Annotated[str, typer.Option(help="Id of an erasure that is not to be carried out.")] = "",
    data: Data = None,
) -> None:
    """Ask for a record to be erased, or carry out what another user asked for: the person's key is destroyed."""
    requester = asking(agency, user)
    if give_up:
        _run(ctx, data, withdraw_erasure, ErasureRequest(requester, give_up))
        typer.echo(f"erasure {give_up} is given up")
    elif carry_out:
        ctx.obj.on(data, lambda gateway: _erase(gateway, ErasureRequest(requester, carry_out)))
        typer.echo(
            f"erasure {carry_out} is carried out; backups bring nothing back once the register beside the keys is backed up"
        )
    else:
        made = _run(ctx, data, ask_erasure, EraseRequest(requester, whom(), ground, reason))
        typer.echo(f"erasure {made} waits for a second user: gateway person erase {agency} --carry-out {made} --user …")


async def _erase(gateway: Any, ask: ErasureRequest) -> None:
    await gateway.ledger.run_alone(erase_person, ask)
    await keep_register(gateway.ledger, gateway.settings.keys_folder)


@person_cli.command("expired")
def person_expired(ctx: typer.Context, agency: Agency, user: User, data: Data = None) -> None:
    """Put forward for erasure what of an agency's records has expired; a second user carries each out."""
    found = _run(ctx, data, ask_expired, ExpiredRequest(asking(agency, user)))
    for one in found.erasures:
        typer.echo(f"gateway person erase {agency} --carry-out {one} --user …")
    typer.echo(f"put forward: {len(found.erasures)}; kept, under a hold or for another reason: {found.kept}")


@person_cli.command("erasures")
def person_erasures(ctx: typer.Context, agency: Agency, user: User, data: Data = None) -> None:
    """The agency's register of erasures: ground, users, times, numbers; nobody's name."""
    found = _run(ctx, data, list_erasures, OwnErasures(asking(agency, user)))
    rows = [
        (one.id, one.state, one.ground, clock.instant(one.asked)[:10], one.asked_by, one.erased_by, str(one.records))
        for one in found
    ]
    typer.echo(text_table([("erasure", "state", "ground", "asked", "by", "carried out by", "records"), *rows]))
