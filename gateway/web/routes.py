"""Every page in one table, and the static files: the routes that ``gateway.app`` serves."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.fhir.outcomes import MethodNotAllowed, NotFound
from gateway.web import (
    act,
    act_bring,
    act_record,
    act_watch,
    act_wish,
    calls,
    console,
    console_exports,
    console_reviews,
    family,
    holds,
    inbox,
    launch,
    questions,
    render,
    share,
    sign_in,
    subject_access,
    team,
)
from gateway.web.launch_visits import PATIENT
from gateway.web.visits import SIGNED_IN, Page, Served, Visit, Web, error_page

NOTHING_HERE = "There is nothing at this address. It may have been mistyped, or be of another time."
NOT_LIKE_THIS = "This cannot be done at this address."

# fmt: off
PAGES = (
    Page("sign_in_choose", "GET", "/sign-in", sign_in.choose),
    Page("sign_in_start", "GET", "/sign-in/start", sign_in.start),
    Page("sign_in_back", "GET", sign_in.BACK, sign_in.back),
    Page("sign_out", "POST", "/sign-out", sign_in.leave, SIGNED_IN),
    Page("signed_out", "GET", "/signed-out", sign_in.left),
    Page("check_share", "GET", share.PATH, share.ask),
    Page("calls", "GET", calls.PATH, calls.show),
    Page("launch", "GET", "/launch", launch.begin),
    Page("launch_back", "GET", launch.BACK, launch.back),
    Page("launch_close", "POST", "/launch/close", launch.close, PATIENT),
    Page("launch_closed", "GET", "/launch/closed", launch.closed),
    Page("family", "GET", family.PATH, family.show, PATIENT),
    Page("family_ask", "POST", family.PATH, family.ask, PATIENT, paced=True),
    Page("act", "GET", act.PATH, act.show, PATIENT),
    Page("act_watch", "GET", f"{act.PATH}/watch", act_watch.ask, PATIENT),
    Page("act_watch_make", "POST", f"{act.PATH}/watch", act_watch.watch, PATIENT, paced=True),
    Page("act_watch_end", "POST", f"{act.PATH}/watch/end", act_watch.end, PATIENT),
    Page("act_wish", "GET", f"{act.PATH}/wish", act_wish.ask, PATIENT),
    Page("act_wish_record", "POST", f"{act.PATH}/wish", act_wish.write_down, PATIENT, paced=True),
    Page("act_relationship", "GET", f"{act.PATH}/relationship", act_record.relate, PATIENT),
    Page("act_relationship_record", "POST", f"{act.PATH}/relationship", act_record.related, PATIENT, paced=True),
    Page("act_markers", "GET", f"{act.PATH}/markers", act_record.markers, PATIENT),
    Page("act_marker_set", "POST", f"{act.PATH}/markers", act_record.mark, PATIENT, paced=True),
    Page("act_marker_end", "POST", f"{act.PATH}/markers/end", act_record.unmark, PATIENT, paced=True),
    Page("act_wrong", "GET", f"{act.PATH}/wrong", act_bring.dispute, PATIENT),
    Page("act_wrong_take", "POST", f"{act.PATH}/wrong", act_bring.disputed, PATIENT, paced=True),
    Page("act_call_back", "GET", f"{act.PATH}/call-back", act_bring.call, PATIENT),
    Page("act_call_back_ask", "POST", f"{act.PATH}/call-back", act_bring.called, PATIENT, paced=True),
    Page("inbox", "GET", "/inbox", inbox.show, "system/notice.s"),
    Page("inbox_answered", "GET", "/inbox/answered", inbox.answered, "system/notice.s"),
    Page("inbox_acknowledge", "POST", "/inbox/{id:fhirid}/acknowledge", inbox.acknowledge, "system/notice.u"),
    *console.pages(),
    *console_reviews.PAGES,
    *console_exports.PAGES,
    Page("call_backs", "GET", "/inbox/call-backs", inbox.call_backs, "system/call-back.s"),
    Page("team", "GET", team.PATH, team.show, team.SCOPE),
    Page("team_list", "GET", f"{team.PATH}/{{id:fhirid}}", team.review, team.SCOPE),
    Page("team_ask", "POST", f"{team.PATH}/{{id:fhirid}}", team.ask, team.SCOPE, paced=True),
    Page("questions", "GET", questions.PATH, questions.show, questions.SCOPE),
    Page("question_answer", "POST", f"{questions.PATH}/{{id:fhirid}}", questions.answer, questions.SCOPE),
    Page("call_back_close", "POST", "/inbox/call-backs/{id:fhirid}/close", inbox.close, "system/call-back.u"),
    Page("subject_reports", "GET", subject_access.PATH, subject_access.show, subject_access.SCOPE),
    Page("subject_report_prepare", "POST", subject_access.PATH, subject_access.prepare, subject_access.SCOPE),
    Page("subject_report", "GET", f"{subject_access.PATH}/{{id:fhirid}}", subject_access.work, subject_access.SCOPE),
    Page("subject_report_decide", "POST", f"{subject_access.PATH}/{{id:fhirid}}/decide", subject_access.decide, subject_access.SCOPE),
    Page("subject_report_approve", "POST", f"{subject_access.PATH}/{{id:fhirid}}/approve", subject_access.approve, subject_access.SCOPE),
    Page("subject_report_withdraw", "POST", f"{subject_access.PATH}/{{id:fhirid}}/withdraw", subject_access.withdraw, subject_access.SCOPE),
    Page("subject_report_give", "POST", f"{subject_access.PATH}/{{id:fhirid}}/give", subject_access.give, subject_access.SCOPE),
    Page("holds", "GET", holds.PATH, holds.show, holds.SCOPE),
    Page("hold_set", "POST", holds.PATH, holds.hold, holds.SCOPE),
    Page("hold_lift", "POST", f"{holds.PATH}/{{id:fhirid}}/lift", holds.lift, holds.SCOPE),
    Page("erasure_ask", "POST", holds.ERASURES, holds.ask_for_erasure, holds.SCOPE),
    Page("erasure_carry_out", "POST", f"{holds.ERASURES}/{{id:fhirid}}/erase", holds.erase, holds.SCOPE),
    Page("erasure_withdraw", "POST", f"{holds.ERASURES}/{{id:fhirid}}/withdraw", holds.give_up, holds.SCOPE),
)
# fmt: on
ROOMS = tuple(sorted({"/" + page.path.split("/")[1] for page in PAGES}))


def routes(web: Web) -> list[Route]:
    """The pages and the static files."""
    served = [Route(page.path, Served(web, page), methods=[page.method]) for page in PAGES]
    return [*served, Route("/static/{name}", _static, methods=["GET"])]


async def _static(request: Request) -> Response:
    found = render.static(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    return found


def is_for_people(request: Request) -> bool:
    """Whether an address that nothing serves was asked for by a browser; programs get an OperationOutcome everywhere."""
    path = request.url.path
    of_pages = path in ("/", *ROOMS) or path.startswith(tuple(f"{room}/" for room in ROOMS))
    return of_pages and "text/html" in request.headers.get("accept", "")


def not_served(web: Web, request: Request, status: int) -> Response:
    """The framework's own refusal as a page: no such address, or not by this method. The bare address leads to the sign-in."""
    if request.url.path == "/":
        return Visit(web, request).to("/sign-in")
    error = MethodNotAllowed(NOT_LIKE_THIS) if status == 405 else NotFound(NOTHING_HERE)
    return error_page(Visit(web, request), error)
