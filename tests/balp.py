"""Every entry that any test leaves in an access log, held to its IHE BALP 1.1 profile: by what was written, not by a list.

After each test that ran on a world, all entries of its log are rendered, for the holder and, where the entry follows from
the request, for the asker. A shape that was seen before (same exchange, kind, outcome and filled fields) is not looked at
twice in one run.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import psycopg

from gateway.audit import shapes
from gateway.audit.entry import DONE, Entry, Kind
from gateway.audit.event import as_event
from gateway.exchanges.log.search_audit import open_entry
from gateway.fhir import resources
from gateway.fhir.outcomes import Unavailable
from gateway.store.sql import Read, Statement
from gateway.store.tables import audit_entry
from gateway.store.vault import Broken
from gateway.store.verify_log import verify_log
from tests.on_record import first_not_on_record
from tests.world import World

ALL = Statement(audit_entry.select())
SEEN: set[tuple[Any, ...]] = set()
Event = dict[str, Any]


async def check_log(world: World) -> None:
    """Raise AssertionError with the faults of the first entry that does not fit its profile."""
    try:
        (rows,) = await world.gateway.ledger.read([Read(ALL)])
    except (Unavailable, psycopg.Error):  # a test that broke its database
        return
    entries = []
    for row in rows:
        with contextlib.suppress(Broken, ValueError, IndexError):  # or its entries
            entries.append(open_entry(world.gateway.context, row))
    for entry in entries:
        if shape_of(entry) not in SEEN:
            SEEN.add(shape_of(entry))
            for view in ("holder", "requester") if entry.asked else ("holder",):
                faults = faults_of(entry, rendered(world, entry, view), view)
                assert not faults, (entry.exchange, entry.kind, view, faults)
    missing = first_not_on_record(world, entries)
    assert not missing or not await asyncio.to_thread(is_whole, world), missing


def is_whole(world: World) -> bool:
    """Whether the log verifies: the log of a test that altered it does not, and cannot be asked what is on record."""
    return verify_log(world.settings.database_url or world.settings.database_file, world.gateway.context.vault).ok


def shape_of(entry: Entry) -> tuple[Any, ...]:
    """What its rendering depends on, but for the values."""
    filled = tuple(bool(value) for value in entry)
    return (entry.exchange, entry.kind, entry.outcome, filled, tuple(sorted(name for name, _ in entry.detail)))


def rendered(world: World, entry: Entry, view: Any) -> Event:
    context = world.gateway.context
    return as_event(entry, base_url=context.url, view=view, gateway_name=context.name, names={}, canonical_base=context.base)


def faults_of(entry: Entry, event: Event, view: str) -> list[str]:
    """What of an event is not as FHIR R4 and its profile have it."""
    found = [str(one) for one in resources.errors(resources.validate(event))]
    shape = shapes.SHAPES[as_shown(entry, view)]
    checks = {
        "type": event["type"]["code"] == shape.type.code,
        "subtype": shape.subtype.code in {one["code"] for one in event["subtype"]},
        "the exchange": entry.exchange in {one["code"] for one in event["subtype"]},
        "action": event["action"] == shape.action,
        "outcome": event["outcome"] in ("0", "4", "8") and (view == "requester" or event["outcome"] == str(entry.outcome)),
        "one requestor": sum(agent["requestor"] for agent in event["agent"]) <= 1,
        "the gateway's part": shape.server.code in agents(event),
        "the observer is the gateway": event["source"]["observer"] in [agent["who"] for agent in event["agent"]],
        "one request id": len(of_type(event, shapes.REQUEST_ID.code)) <= 1,
        "an outcome where it failed": (event["outcome"] == "0") or shape.closed or bool(event.get("contained")),
    }
    found += [name for name, holds in checks.items() if not holds]
    return found + ([] if entry.outcome != DONE or view == "requester" else PROFILES.get(entry.kind, lambda *_: [])(entry, event))


def as_shown(entry: Entry, view: str) -> Kind:
    """An asker's question is of one kind, whatever came of it."""
    return Kind.NEGATIVE if view == "requester" and entry.kind in shapes.QUESTIONS else entry.kind


def agents(event: Event) -> dict[str, list[Event]]:
    """Agents by the code of their type."""
    found: dict[str, list[Event]] = {}
    for agent in event["agent"]:
        found.setdefault(agent["type"]["coding"][0]["code"], []).append(agent)
    return found


def of_type(event: Event, code: str, role: str = "") -> list[Event]:
    """Entities of a type, and of a role where one is given."""
    return [
        one
        for one in event.get("entity", ())
        if one.get("type", {}).get("code") == code and (not role or one.get("role", {}).get("code") == role)
    ]


def disclosure(entry: Entry, event: Event) -> list[str]:
    """PrivacyDisclosure.Source: one source that is the observer, a recipient, the patient, the data."""
    sources = agents(event).get("110153", [])
    checks = {
        "one source, the observer": [one["who"] for one in sources] == [event["source"]["observer"]],
        "a recipient": bool(agents(event).get("110152") or agents(event).get("IRCP") or agents(event).get("PROV")),
        "a patient": bool(of_type(event, "1", "1")) or not (entry.patient or entry.found),
        "one data entity": len(of_type(event, "2", "4")) == 1,
    }
    return [name for name, holds in checks.items() if not holds]


def received(entry: Entry, event: Event) -> list[str]:
    """PrivacyDisclosure.Recipient: the gateway is where it went."""
    here = [one["who"] for one in agents(event).get("110152", ())]
    return [] if event["source"]["observer"] in here else ["the gateway is the destination"]


def query(entry: Entry, event: Event) -> list[str]:
    """PatientQuery: at most one entity of type 2, the query, with no what and no detail."""
    queries = of_type(event, "2")
    checks = {
        "one query": len(queries) <= 1,
        "what and detail are forbidden": not any({"what", "detail"} & one.keys() for one in queries),
        "base64": all("query" in one and one["role"]["code"] == "24" for one in queries),
    }
    return [name for name, holds in checks.items() if not holds]


def authorisation(entry: Entry, event: Event) -> list[str]:
    """AuthZconsent: patient, consents and token, and no other entity."""
    allowed = {"1", "Consent", shapes.OAUTH_AGENT.code}
    return [f"entity {one['type']['code']}" for one in event.get("entity", ()) if one["type"]["code"] not in allowed]


PROFILES = {
    Kind.DISCLOSURE: disclosure,
    Kind.DELIVERY: disclosure,
    Kind.RECEIVED: received,
    Kind.SEARCH: query,
    Kind.DECISION: authorisation,
}
