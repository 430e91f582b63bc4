"""What every page shares: who visits, what was sent, that it was sent from here, and what happens when it goes wrong.

A page parses, calls one exchange and renders. No decisions, no SQL.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.disclosure.requester import Requester
from gateway.exchanges.access.launched import Launched
from gateway.exchanges.access.staff import Staff, name_of, staff_of
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.record_refusal import NOBODY, Refusal, RefusalNotes, record_refusal
from gateway.exchanges.tick import Tick
from gateway.fhir.outcomes import BadRequest, Forbidden, GatewayError, TooLarge, Unavailable
from gateway.partners.issuers import Issuers
from gateway.partners.jose_strict import SigningKey
from gateway.partners.record_systems import RecordSystems
from gateway.store import sessions
from gateway.store.ledger import Feed, Ledger
from gateway.store.vault import Broken
from gateway.web import render
from gateway.web.desks import duty_numbers
from gateway.web.launch_visits import COOKIE, PATIENT, resumed

log = logging.getLogger("gateway.web")

MAX_FORM = 64 << 10
MAX_FIELDS = 50
FORM = "application/x-www-form-urlencoded"
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # all but tab and line ends; no database keeps NUL in a text
REQUEST_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
SIGNED_IN = "signed in"  # a page for whoever is signed in, whatever their roles
NOT_YOUR_ROLE = "Your role does not open this page."
FROM_ELSEWHERE = "This form was not sent from this page, or the page is too old. Nothing was done: please open it again."
CLOSED = "This page was closed before you sent this. Nothing was done: please open it again from your record system."
UNRECORDED = "The access log cannot be written just now, so nothing is done. Please try again."
OUR_FAULT = "Something went wrong on our side. Nothing was disclosed and nothing was changed."


class OurFault(GatewayError):
    """A failure of our own: a 500 that tells nothing of what failed."""

    status, code = 500, "exception"


class Ended(GatewayError):
    """A form that was sent when its session had ended."""

    status, code = 401, "login"


@dataclass(slots=True)
class Web:
    """What pages are given. ``feeds`` are the agencies as they were last read: whom to ring when nothing can be read."""

    ledger: Ledger
    context: Context
    issuers: Issuers
    record_systems: RecordSystems
    key: SigningKey
    root: str  # https://host
    idle: int  # microseconds
    lasts: int  # microseconds
    kind: str  # demo | test | production
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    notes: RefusalNotes = field(default_factory=RefusalNotes)

    @property
    def secure(self) -> bool:
        """Whether cookies go over https alone: always but where a demonstration is reached over http."""
        return self.root.startswith("https://")

    def cookie(self, name: str) -> str:
        """The name of a cookie; ``__Host-`` keeps other hosts and plain http from setting it (RFC 6265bis)."""
        return f"__Host-{name}" if self.secure else name


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a browser, and who is signed in there, if anybody."""

    web: Web
    request: Request
    token: bytes = b""  # of the session; empty where nobody is signed in
    staff: Staff | None = None
    launched: Launched | None = None  # who came with a patient open; on pages with PATIENT for their scope alone
    requester: Requester = NOBODY  # as whom this page is asked for
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def request_id(self) -> str:
        """The caller's X-Request-Id if it is well formed, else one of ours; the same through the whole request."""
        known: str | None = self.request.scope.get("gateway.request_id")
        if known is None:
            given = self.request.headers.get("x-request-id", "")
            known = self.request.scope["gateway.request_id"] = given if REQUEST_ID.fullmatch(given) else new_id()
        return known

    def page(self, template: str, status: int = 200, **values: object) -> Response:
        """A page from a template, with what every page shows."""
        staff, somebody = self.staff, self.staff or self.launched
        shared = {
            "kind": self.web.kind,
            "path": self.request.url.path,
            "staff": staff,
            "launched": self.launched,
            "agency_name": "" if somebody is None else name_of(self.web.feeds, somebody.agency),
            "doors": [] if staff is None else [door for door in DOORS if staff.acting(door[0])],
            "idle_minutes": self.web.idle // 60_000_000,
            "request_id": self.request_id,
        }
        return render.html(template, status, {**shared, **values}, self.headers(), padded=somebody is not None)

    def headers(self) -> dict[str, str]:
        """What every answer carries beside the headers of a page."""
        lasting = {"Strict-Transport-Security": "max-age=63072000"} if self.web.secure else {}
        return {"X-Request-Id": self.request_id, **lasting}

    def to(self, path: str) -> Response:
        """To another page, by GET."""
        headers = {**render.HEADERS, "X-Request-Id": self.request_id}
        return RedirectResponse(path, 303, headers)


DOORS = (  # what the navigation shows: scope, address, name
    ("system/notice.s", "/inbox", "Notices"),
    ("system/call-back.s", "/inbox/call-backs", "Call-back requests"),
    ("system/RelatedPerson.u", "/inbox/questions", "Questions about our records"),
    ("system/Group.s", "/team", "Our case load"),
    ("system/AuditEvent.s", "/console", "Access log"),
    ("system/review.s", "/console/reviews", "Reviews"),
    ("system/subject-access.u", "/console/subject-access", "Subject access"),
    ("system/subject-access.u", "/console/holds", "Holds and erasure"),
)

Handler = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Page:
    """One method at one address. ``scope``: what somebody's role must open; empty where nobody need be signed in.
    ``paced``: it leaves on the beat, whatever it says."""

    name: str
    method: str
    path: str
    handler: Handler
    scope: str = ""
    paced: bool = False


class Served:
    """A page as a route: whatever its handler raises becomes a page for people, and is on record."""

    __slots__ = ("_page", "_web")

    def __init__(self, web: Web, page: Page):
        self._web, self._page = web, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tick = Tick() if self._page.paced else None
        try:
            response = await self._answered(Visit(self._web, Request(scope, receive)))
            if tick is not None:
                await tick.wait()
        finally:
            if tick is not None:
                tick.stop()
        await response(scope, receive, send)

    async def _answered(self, visit: Visit) -> Response:
        try:
            visit = await (arrived_with_patient if self._page.scope == PATIENT else arrived)(visit)
            return await self._answer(visit)
        except GatewayError as error:
            return await refuse(visit, self._page.name, error)
        except Exception:
            log.exception("page failed", extra={"operation": self._page.name, "request_id": visit.request_id})
            return await refuse(visit, self._page.name, OurFault(OUR_FAULT))

    async def _answer(self, visit: Visit) -> Response:
        page = self._page
        check_readable(visit.request.query_params.multi_items())
        if page.scope and visit.staff is None and visit.launched is None:
            return _to_the_door(visit, page)
        if page.scope not in ("", SIGNED_IN, PATIENT):
            visit = acting(visit, page.scope)
        if page.method == "POST":
            visit = replace(visit, form=await form_of(visit.request))
            check_readable(visit.form.items())
            check_sent_from_here(visit)
        return await page.handler(visit)


def _to_the_door(visit: Visit, page: Page) -> Response:
    """Where whoever is nobody here goes to become somebody; a form that was sent did nothing. Raises Ended."""
    if page.scope == PATIENT:
        if page.method != "GET":
            raise Ended(CLOSED)
        return visit.to("/launch")
    if page.method != "GET":
        raise Ended("You were signed out before you sent this. Nothing was done: please sign in and do it again.")
    return visit.to(f"/sign-in?next={quote(visit.request.url.path)}")


async def arrived_with_patient(visit: Visit) -> Visit:
    """The visit with whoever came from their record system with a patient open."""
    web = visit.web
    found = await resumed(web.ledger, web.context, web.idle, visit.request.cookies.get(web.cookie(COOKIE), ""))
    if found is None:
        return visit
    web.feeds = found.feeds
    if found.launched is None:
        return visit
    return replace(visit, token=found.token, launched=found.launched, requester=found.launched.as_requester())


async def arrived(visit: Visit) -> Visit:
    """The visit with whoever is signed in. A session that cannot be opened is none."""
    web = visit.web
    held = visit.request.cookies.get(web.cookie("session"), "")
    if not 20 <= len(held) <= 100:
        return visit
    token = sessions.session_token(web.context.vault, held)
    standing = await web.ledger.run(sessions.resume, sessions.Shown(token, web.idle))
    web.feeds = standing.feeds
    if standing.row is None:
        return visit
    try:
        return replace(visit, token=token, staff=staff_of(web.context.vault, standing.row, standing.stamp))
    except Broken:
        return visit


def acting(visit: Visit, scope: str) -> Visit:
    """The visit in the first role that opens this. Raises Forbidden."""
    assert visit.staff is not None
    requester = visit.staff.acting(scope)
    if requester is None:
        raise Forbidden(NOT_YOUR_ROLE)
    return replace(visit, requester=requester)


def check_readable(fields: Iterable[tuple[str, str]]) -> None:
    """No control characters, whether in an address or in a form. Raises BadRequest."""
    if any(CONTROL.search(text) for pair in fields for text in pair):
        raise BadRequest("What was sent holds characters that cannot be read.")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, each once. Raises BadRequest, TooLarge."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        raise BadRequest("This is not a form.")
    body = await _body(request)
    try:
        text = body.decode("ascii")
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise BadRequest("The form cannot be read.") from None
    if len(dict(fields)) != len(fields):
        raise BadRequest("A field of the form stands twice.")
    return dict(fields)


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MAX_FORM:
                raise TooLarge("The form is too large.")
            parts.append(part)
    except ClientDisconnect:
        raise BadRequest("The form ended before it was sent in full.") from None
    return b"".join(parts)


def check_sent_from_here(visit: Visit) -> None:
    """A form counts only with the secret of this session, sent from our own page. Raises Forbidden."""
    headers, somebody = visit.request.headers, visit.launched or visit.staff
    stated = visit.form.get("csrf", "")
    from_here = headers.get("origin", visit.web.root) == visit.web.root
    same_site = headers.get("sec-fetch-site", "same-origin") == "same-origin"
    if somebody is None or not (from_here and same_site and secrets.compare_digest(stated.encode(), somebody.csrf.encode())):
        raise Forbidden(FROM_ELSEWHERE)


async def refuse(visit: Visit, operation: str, error: GatewayError) -> Response:
    """The error as a page, once it is on record. A failing log makes it 503: no answer without its entry."""
    try:
        await put_on_record(visit, operation, error.status)
    except Exception:
        log.exception("a refusal could not be put on record", extra={"operation": operation, "request_id": visit.request_id})
        error = Unavailable(UNRECORDED)
    return error_page(visit, error)


async def put_on_record(visit: Visit, operation: str, status: int) -> None:
    """An entry for a refused request. Those of nobody we know come once a minute and operation, with their number."""
    who = visit.requester
    if who is NOBODY and visit.staff is not None:
        who = replace(visit.staff.as_requester(visit.staff.roles[0]), role="")
    count = visit.web.notes.due(operation, time.time()) if who is NOBODY else 1
    if count:
        refusal = Refusal(who, operation, status, visit.request_id, count=count)
        await visit.web.ledger.run(record_refusal, refusal)


def error_page(visit: Visit, error: GatewayError) -> Response:
    """The page of an error, with whom to ring where the gateway itself fails."""
    texts = [issue.text for issue in error.issues]
    return visit.page(
        "error.html",
        error.status,
        texts=texts,
        code=error.status,
        desks=duty_numbers(visit.web.feeds) if error.status >= 500 else [],
    )
