"""Relationships on file, as the decision sees them: who is what to whom, whether it holds today, and parental responsibility."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from gateway.disclosure.question import Tie
from gateway.fhir.dates import bounds, period_bounds
from gateway.fhir.elements import coding, extension_parts, extension_value, identifiers, identity
from gateway.store.people import Held, Opened

Resource = dict[str, Any]


def ties(rows: Iterable[Opened], on: date | None = None) -> list[Tie]:
    """The relationships on file: active ones, and where a day is given those whose period covers it."""
    return [tie(held, row) for row in rows for held in row.of_type("RelatedPerson") if is_current(held.body, on)]


def is_current(related: Resource, on: date | None) -> bool:
    """Whether a relationship holds: active, and its period, if it has one, covers the day. What cannot be read does not."""
    if not related.get("active", True):
        return False
    if on is None or not related.get("period"):
        return True
    try:
        start, end = period_bounds(related["period"])
    except ValueError:
        return False
    return start.date() <= on < end.date()


def tie(held: Held, row: Opened) -> Tie:
    """A RelatedPerson as the decision sees it."""
    body = held.body
    stated = extension_parts(body, "parental-responsibility")
    value, since, until = _responsibility(stated)
    return Tie(
        patient=identity(body.get("patient")),
        others=frozenset(identifiers(body)),
        role=role(body),
        source=row.agency,
        responsibility=value,
        responsible_from=since,
        responsible_until=until,
        confirmed=extension_value(body, "unconfirmed", "valueBoolean") is not True,
    )


def _responsibility(stated: Mapping[str, str]) -> tuple[str, datetime | None, datetime | None]:
    """Parental responsibility with its dates; as good as not stated where its dates cannot be read."""
    value, since, until = (stated.get(part, "") for part in ("value", "since", "until"))
    try:
        edges = (bounds(since)[0] if since else None, bounds(until)[1] if until else None)
    except ValueError:
        return "", None, None
    return (value if value in ("yes", "no") else "", *edges)


def roles(related: Resource) -> set[str]:
    """Every v3-RoleCode of a relationship: what the related person is to the patient."""
    codings = (one for concept in related.get("relationship", ()) for one in concept.get("coding", ()))
    return {str(one.get("code")) for one in codings if str(one.get("system", "")).endswith("/v3-RoleCode")}


def role(related: Resource) -> str:
    """One v3-RoleCode of a relationship, the first."""
    return next((code for concept in related.get("relationship", ()) if (code := coding(concept, "/v3-RoleCode"))), "")
