"""The caller's own agency as a directory has it: its Organization, and its desks as PractitionerRoles. Read only.

Both are made of what the operator registered. Another agency's are the same as none: who takes part is told by coverage alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.audit.entry import DONE, REFUSED, Kind
from gateway.disclosure import directory
from gateway.disclosure.requester import Requester
from gateway.exchanges.agencies import profile
from gateway.exchanges.context import Context
from gateway.exchanges.lines import check_current, line
from gateway.exchanges.records.resources import Page, ReadRequest
from gateway.fhir.systems import ODS_CODE
from gateway.store.ledger import Feed, Moment, Outcome, Story
from gateway.store.people import Held

ORGANIZATION: Final = "Organization"


@dataclass(frozen=True, slots=True)
class DirectorySearch:
    """A search among the agency's own entries. ``organisation`` is ``system|value``, ``name`` what its name begins with."""

    requester: Requester
    type: str
    organisation: str = ""
    name: str = ""
    id: str = ""
    count: int = 50
    after: int = 0  # how many matches the pages before have shown
    request_id: str = ""


def read_directory(ctx: Context, ask: ReadRequest, moment: Moment) -> Story[Held | None]:
    """An entry of the agency's own, or None: not there and not yours are the same."""
    yield from ()
    check_current(ask.requester, moment)
    own = _entries(ctx, moment.feeds.get(ask.requester.agency), ask.type)
    found = next((one for one in own if one.id == ask.id), None)
    entry = line(
        "read_directory", ask.requester, moment, Kind.READ, DONE if found else REFUSED, request_id=ask.request_id,
        refusal="" if found else "not-known", detail=(("resource", f"{ask.type}/{ask.id}"),),
    )  # fmt: skip
    return Outcome(found, (entry,))


def search_directory(ctx: Context, ask: DirectorySearch, moment: Moment) -> Story[Page]:
    """The agency's own entries of a type, in the order in which they are registered; in pages."""
    yield from ()
    check_current(ask.requester, moment)
    feed = moment.feeds.get(ask.requester.agency)
    own = _entries(ctx, feed, ask.type) if feed and _is_asked_for(feed, ask) else ()
    found = [one for one in own if ask.id in ("", one.id)]
    until = ask.after + ask.count
    entry = line(
        "search_directory", ask.requester, moment, Kind.SEARCH, DONE, request_id=ask.request_id,
        detail=(("resource", ask.type),),
    )  # fmt: skip
    return Outcome(Page(tuple(found[ask.after : until]), str(until) if len(found) > until else ""), (entry,))


def _is_asked_for(feed: Feed, ask: DirectorySearch) -> bool:
    """Whether an agency is the one that is named; ODS codes and names are alike in small letters and capitals."""
    own = f"{ODS_CODE}|{feed.code}"
    return ask.organisation.casefold() in ("", own.casefold()) and feed.name.casefold().startswith(ask.name.casefold())


def _entries(ctx: Context, feed: Feed | None, kind: str) -> tuple[Held, ...]:
    """An agency's entries of a type; their version is that of the agency, with which all of them change."""
    if feed is None:
        return ()
    if kind == ORGANIZATION:
        made = [directory.organization(feed.code, feed.name, feed.kind, ctx.base)]
    else:
        made = directory.roles(feed.code, profile(feed, ctx.base).desks)
    return tuple([Held(one["id"], kind, feed.version, 0, None, "", one) for one in made])
