"""Pages from templates: everything escaped, a closed set of headers, and bodies whose length tells nothing."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from gateway.notification.duty import ENGLAND
from gateway.store import clock

HERE = Path(__file__).parent
PAGE = 4096
POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
SAFE = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
HEADERS = {
    **SAFE,
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
KEPT = {**SAFE, "Cache-Control": "public, max-age=31536000, immutable"}
KINDS = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


def day(value: int | str) -> str:
    """A day as people read it: 4 November 2026. Takes microseconds or a FHIR date; what is neither stays as it is."""
    try:
        found = clock.moment(value).astimezone(ENGLAND).date() if isinstance(value, int) else date.fromisoformat(value[:10])
    except ValueError:
        return str(value)
    return f"{found.day} {found:%B %Y}"


def moment(value: int) -> str:
    """A time as people in England read it: 4 November 2026, 16:05."""
    local = clock.moment(value).astimezone(ENGLAND)
    return f"{day(value)}, {local:%H:%M}"


def machine(value: int) -> str:
    """A time for ``<time datetime>``."""
    return clock.instant(value)


def person(value: str) -> str:
    """An identifier without its system; a NHS number in threes and fours."""
    number = value.rpartition("|")[2]
    return f"{number[:3]} {number[3:6]} {number[6:]}" if len(number) == 10 and number.isdigit() else number


def markup(text: str) -> Markup:
    """Text that is markup already and stays so: what a picture of ours escaped itself."""
    return Markup(text)  # noqa: S704 - made of escaped parts in gateway.disclosure.family_picture


def month(value: str) -> str:
    """A month as people read it: October 2026. Takes a FHIR date; what is none stays as it is."""
    shown = day(f"{value[:7]}-01")
    return shown.partition(" ")[2] or shown


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"day": day, "month": month, "moment": moment, "machine": machine, "person": person}
    made.globals |= {"asset": asset}
    return made


STATIC = {path.name: path.read_bytes() for path in sorted((HERE / "static").iterdir()) if path.suffix in KINDS}
_VERSIONS = {name: hashlib.sha256(body).hexdigest()[:12] for name, body in STATIC.items()}


def asset(name: str) -> str:
    """The address of a static file, which changes with it: browsers may keep it for good."""
    return f"/static/{name}?v={_VERSIONS[name]}"


def static(name: str) -> Response | None:
    """A static file; None where there is none of that name."""
    body = STATIC.get(name)
    return None if body is None else Response(body, 200, KEPT, KINDS[Path(name).suffix])


def html(template: str, status: int, values: dict[str, Any], headers: dict[str, str], *, padded: bool) -> Response:
    """A page. ``padded``: filled with line ends to a multiple of 4,096 bytes, as everything about a person is."""
    body = _PAGES.get_template(template).render(values).encode()
    filled = body + b"\n" * (-len(body) % PAGE) if padded else body
    return Response(filled, status, {**HEADERS, **headers}, "text/html; charset=utf-8")


def plain_text(text: str, name: str, headers: dict[str, str]) -> Response:
    """Plain text to be kept as a file of this name, filled as pages are."""
    body = text.encode()
    sent = {**HEADERS, **headers, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body + b"\n" * (-len(body) % PAGE), 200, sent, "text/plain; charset=utf-8")


_PAGES = _environment()
