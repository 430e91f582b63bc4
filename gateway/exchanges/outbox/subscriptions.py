"""A subscription as it is kept: the FHIR resource, and for whom and what it was made. Sealed for its agency."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.notification.filters import Wanted
from gateway.store import case_lists
from gateway.store.sql import Read, Row
from gateway.store.vault import open_sealed, seal

Resource = dict[str, Any]
NO_FILTER = Wanted()
WITHHELD = "(withheld)"  # what is read of a header


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One subscription, opened. ``requester`` is as it was when the subscription was made."""

    id: str
    agency: str
    topic: str
    person: bytes  # the token under which it is found: of its person, of its case list, or of its own agency
    status: str  # requested | active | error | off
    events: int
    ends: int
    version: int
    updated: int
    resource: Resource
    requester: Requester
    purpose: str
    case_reference: str
    case_owner: str
    nhs: str  # of a case list: empty, until ``for_person`` says who it is about this time
    reason: str = ""
    deleted: bool = False
    wanted: Wanted = NO_FILTER

    @property
    def channel(self) -> Resource:
        found: Resource = self.resource["channel"]
        return found

    def of_channel(self, extension: str) -> int:
        """A number among the extensions of the channel (backport-timeout); 0 where it is not stated."""
        for one in self.channel.get("extension", ()):
            if str(one.get("url", "")).endswith(f"/{extension}"):
                return int(one.get("valueUnsignedInt") or one.get("valuePositiveInt") or 0)
        return 0

    def shown(self) -> Resource:
        """The resource as its owner reads it: header values are never shown again."""
        channel = {**self.channel, "header": [WITHHELD for _ in self.channel.get("header", ())]}
        if not channel["header"]:
            del channel["header"]
        return {**self.resource, "id": self.id, "status": self.status, "channel": channel}

    def with_stamp(self, stamp: str) -> Subscribed:
        """The same, its requester under today's stamp: a subscription outlives the token that made it."""
        return replace(self, requester=replace(self.requester, stamp=stamp))


def found_under(ctx: Context, agency: str, wanted: Wanted) -> bytes:
    """The token under which a subscription is found when something happens: to its person, to somebody on its list, or,
    where it names nobody, to its own agency."""
    if wanted.nhs:
        return ctx.vault.nhs_token(wanted.nhs)
    return list_token(ctx, wanted.case_list) if wanted.case_list else ctx.vault.token("own-topics", agency)


def list_token(ctx: Context, case_list: str) -> bytes:
    """The token that stands for everybody on a case list."""
    return ctx.vault.token("case-list", case_list)


def for_person(ctx: Context, subscribed: Subscribed, nhs: str) -> Generator[Any, Any, Subscribed]:
    """The subscription as it stands for one person. On its case list: with the case reference that the list names for
    them; no longer on it: off. Who is taken off a list waits for decisions under way, so this holds until the commit."""
    if not subscribed.wanted.case_list:
        return subscribed
    token = ctx.vault.nhs_token(nhs)
    rows = yield Read(case_lists.MEMBER, {"watch": subscribed.person, "person": token}, (token,))
    if not rows:
        return replace(subscribed, nhs=nhs, status="off")
    member = case_lists.open_member(ctx.vault, rows[0])
    if not member.case_reference:
        return replace(subscribed, nhs=nhs)
    return replace(subscribed, nhs=nhs, case_reference=member.case_reference, case_owner=member.case_owner)


def destination_of(ctx: Context, endpoint: str) -> str | None:
    """What tells destinations apart in the outbox, keyed: scheme, host and port; None for who is not called."""
    parts = urlsplit(endpoint)
    return ctx.vault.token("destination", parts.scheme, parts.netloc.lower()).hex() if parts.netloc else None


def seal_subscription(ctx: Context, one: Subscribed) -> bytes:
    """The sealed column of a subscription; it opens for this row only."""
    requester = one.requester
    body = {
        "resource": one.resource,
        "client": requester.client_id,
        "user": requester.user,
        "role": requester.role,
        "purposes": sorted(requester.purposes),
        "purpose": one.purpose,
        "case": one.case_reference,
        "case_owner": one.case_owner,
        "nhs": one.nhs,
        "reason": one.reason,
        "deleted": one.deleted,
        "wanted": asdict(one.wanted),
    }
    return seal(ctx.vault.shelf("subscription"), orjson.dumps(body), one.id)


def open_subscription(ctx: Context, columns: Row) -> Subscribed:
    """A row of the table, columns in its order. Raises Broken."""
    identifier, agency, _, person, status, sealed, events, ends, version, updated, _ = columns
    body = orjson.loads(open_sealed(ctx.vault.shelf("subscription"), sealed, identifier))
    requester = Requester(body["client"], agency, frozenset(), body["user"], body["role"], frozenset(body["purposes"]))
    topic = str(body["resource"]["criteria"]).rpartition("/")[2]
    wanted = Wanted(**body["wanted"]) if "wanted" in body else Wanted(nhs=body["nhs"])
    return Subscribed(
        identifier, agency, topic, person, status, events, ends, version, updated, body["resource"], requester,
        body["purpose"], body["case"], body["case_owner"], body["nhs"], body["reason"], body.get("deleted", False), wanted,
    )  # fmt: skip
