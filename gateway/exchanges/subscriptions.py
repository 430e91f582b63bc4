"""A subscription as it is kept: the FHIR resource, and for whom and what it was made. Sealed for its agency."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.store.sql import Row
from gateway.store.vault import open_sealed, seal

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One subscription, opened. ``requester`` is as it was when the subscription was made."""

    id: str
    agency: str
    topic: str
    person: bytes
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
    nhs: str
    reason: str = ""
    deleted: bool = False

    @property
    def channel(self) -> Resource:
        found: Resource = self.resource["channel"]
        return found

    def shown(self) -> Resource:
        """The resource as its owner reads it: header values are never shown again."""
        channel = {**self.channel, "header": ["(withheld)" for _ in self.channel.get("header", ())]}
        if not channel["header"]:
            del channel["header"]
        return {**self.resource, "id": self.id, "status": self.status, "channel": channel}

    def with_stamp(self, stamp: str) -> Subscribed:
        """The same, its requester under today's stamp: a subscription outlives the token that made it."""
        return replace(self, requester=replace(self.requester, stamp=stamp))


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
    }
    return seal(ctx.vault.shelf("subscription"), orjson.dumps(body), one.id)


def open_subscription(ctx: Context, columns: Row) -> Subscribed:
    """A row of the table, columns in its order. Raises Broken."""
    identifier, agency, _, person, status, sealed, events, ends, version, updated = columns
    body = orjson.loads(open_sealed(ctx.vault.shelf("subscription"), sealed, identifier))
    requester = Requester(body["client"], agency, frozenset(), body["user"], body["role"], frozenset(body["purposes"]))
    topic = str(body["resource"]["criteria"]).rpartition("/")[2]
    return Subscribed(
        identifier, agency, topic, person, status, events, ends, version, updated, body["resource"], requester,
        body["purpose"], body["case"], body["case_owner"], body["nhs"], body["reason"], body.get("deleted", False),
    )  # fmt: skip
