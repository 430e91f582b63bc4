"""Applying what was mapped: partial updates, nulls, restrictions, status; and the Bundle to look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from gateway.fhir import systems
from gateway.mapping import Mapped, Op, Resource, bundle, merged, restated

Take = Callable[..., list[Mapped]]
RESTRICTION = systems.extension("restriction")


def restricted(code: str | None) -> Resource:
    """A Patient with a restriction."""
    return {"resourceType": "Patient", "extension": [{"url": RESTRICTION, "valueCode": code}]}


def test_a_partial_update_leaves_the_rest() -> None:
    """Present replaces, absent stays, null removes; a name is merged member by member."""
    old = {"resourceType": "Patient", "name": [{"family": "A", "given": ["B"]}], "gender": "female", "birthDate": "2015-01-01"}
    new = {"resourceType": "Patient", "name": [{"family": "C"}], "birthDate": None}
    assert merged(old, new) == {"resourceType": "Patient", "name": [{"family": "C", "given": ["B"]}], "gender": "female"}


def test_identifiers_merge_by_system() -> None:
    """A null value takes the number of that system away."""
    old: Resource = {"identifier": [{"system": "a", "value": "1"}, {"system": "b", "value": "2"}]}
    assert merged(old, {"identifier": [{"system": "b", "value": None}]}) == {"identifier": [{"system": "a", "value": "1"}]}


def test_a_period_merges_by_its_edges() -> None:
    """An end is added to a start, and taken away again."""
    ended = merged({"period": {"start": "2025-01-01"}}, {"period": {"end": "2025-02-01"}})
    assert ended == {"period": {"start": "2025-01-01", "end": "2025-02-01"}}
    assert merged(ended, {"period": {"end": None}}) == {"period": {"start": "2025-01-01"}}


@pytest.mark.parametrize(
    ("old", "new", "stands"),
    [
        ("adopted", "protected", "adopted"),
        ("adopted", None, "adopted"),
        ("protected", "adopted", "adopted"),
        ("placed-for-adoption", "adopted", "adopted"),
    ],
)
def test_a_restriction_is_never_weakened(old: str, new: str | None, stands: str) -> None:
    """Machines set one and never lift it."""
    assert merged(restricted(old), restricted(new))["extension"] == [{"url": RESTRICTION, "valueCode": stands}]


def test_the_other_operations() -> None:
    """Replace forgets, retract keeps as entered in error, a first merge stands as it is."""
    flag: Resource = {"resourceType": "Flag", "status": "active", "period": {"start": "2025-01-01"}}
    assert merged(flag, {"resourceType": "Flag", "status": "inactive"}, Op.REPLACE) == {
        "resourceType": "Flag",
        "status": "inactive",
    }
    assert merged(flag, {"resourceType": "Flag"}, Op.RETRACT) == {**flag, "status": "entered-in-error"}
    assert merged({"resourceType": "RelatedPerson", "active": True}, {}, Op.RETRACT)["active"] is False
    assert merged(None, flag) == flag


def replayed(take: Take, *plans: dict[str, Any]) -> Resource:
    """A plan after several partial payloads."""
    import json

    stored: Resource | None = None
    for plan in plans:
        record = {"child_protection_plan_id": "P1", **plan}
        episode = {"social_care_episode_id": "E1", "child_protection_plans": [record]}
        (one,) = take("dfe-csc-api", json.dumps([{"la_child_id": "A1", "social_care_episodes": [episode]}]))
        stored = merged(stored, one.resources[1].resource)
    assert stored is not None
    return stored


def test_status_is_recomputed_from_the_merged_period(take: Take) -> None:
    """An id sent again says nothing; an end closes; a null reopens."""
    closed = restated(replayed(take, {"start_date": "2025-05-01"}, {}, {"end_date": "2025-06-01"}), date(2025, 6, 15))
    assert (closed["status"], closed["code"]["coding"][0]["code"]) == ("inactive", "recently-closed")
    assert closed["period"] == {"start": "2025-05-01", "end": "2025-06-01"}
    reopened = restated(
        replayed(take, {"start_date": "2025-05-01", "end_date": "2025-06-01"}, {"end_date": None}), date(2025, 6, 15)
    )
    assert (reopened["status"], reopened["code"]["coding"][0]["code"]) == ("active", "high-intensity")


def test_status_ages_without_a_message(take: Take) -> None:
    """A year after its end a plan is closed; before its start it is nothing."""
    plan = replayed(take, {"start_date": "2025-05-01", "end_date": "2025-06-01"})
    assert restated(plan, date(2026, 7, 1))["code"]["coding"][0]["code"] == "closed"
    assert [one["code"] for one in restated(plan, date(2025, 4, 1))["code"]["coding"]] == ["cp-plan", "342191000000101"]


def test_what_is_in_error_or_unknown_is_left_alone() -> None:
    """A retracted Flag does not come back to life."""
    flag: Resource = {"resourceType": "Flag", "status": "entered-in-error", "code": {"coding": [{"code": "cp-plan"}]}}
    assert restated(flag, date(2025, 6, 15)) is flag
    assert restated({"status": "active"}, date(2025, 6, 15)) == {"status": "active"}


def test_a_bundle_is_the_same_on_every_run(take: Take) -> None:
    """fullUrls come from keys; nulls and purges of persons are not shown."""
    data = '[{"la_child_id": "A1", "child_details": {"surname": null, "sex": "F"}}, {"la_child_id": "A2", "purge": true}]'
    first, second = bundle(take("dfe-csc-api", data)), bundle(take("dfe-csc-api", data))
    assert first == second
    assert first["type"] == "collection"
    assert len(first["entry"]) == 1
    assert "name" not in first["entry"][0]["resource"]


def test_an_empty_bundle_has_no_entries() -> None:
    """FHIR allows no empty list."""
    assert bundle([]) == {"resourceType": "Bundle", "type": "collection"}
