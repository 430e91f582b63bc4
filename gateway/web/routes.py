"""Every page in one table, and the static files: the routes that ``gateway.app`` serves."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.fhir.outcomes import MethodNotAllowed, NotFound
from gateway.web import console, inbox, render, sign_in
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
    Page("inbox", "GET", "/inbox", inbox.show, "system/notice.s"),
    Page("inbox_answered", "GET", "/inbox/answered", inbox.answered, "system/notice.s"),
    Page("inbox_acknowledge", "POST", "/inbox/{id:fhirid}/acknowledge", inbox.acknowledge, "system/notice.u"),
    Page("console", "GET", "/console", console.ask, "system/AuditEvent.s"),
    Page("console_look", "POST", "/console", console.look, "system/AuditEvent.s"),
    Page("call_backs", "GET", "/inbox/call-backs", inbox.call_backs, "system/call-back.s"),
    Page("call_back_close", "POST", "/inbox/call-backs/{id:fhirid}/close", inbox.close, "system/call-back.u"),
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
