"""When a delivery is tried again, what it looks like, and how it is signed."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.fhir import resources, systems
from gateway.notification.bundles import Notice, Route, message, notification
from gateway.notification.schedule import GONE, HOUR, JITTER, STEPS, Next, Posted, next_step
from gateway.notification.signatures import headers, verify


def test_ten_attempts_over_about_76_hours() -> None:
    """The schedule of Standard Webhooks; the first at once."""
    assert (len(STEPS), STEPS[0]) == (10, 0.0)
    assert 75 * HOUR < sum(STEPS) < 77 * HOUR
    assert list(STEPS) == sorted(STEPS)


@given(st.integers(1, 9), st.floats(0, 1), st.sampled_from([0, 301, 404, 429, 500, 503]))
def test_a_failure_is_tried_again_with_jitter(attempts: int, chance: float, status: int) -> None:
    """Each wait within a fifth of its step; a redirect is a failure."""
    step = next_step(attempts, Posted(status, ""), chance)
    assert step.state == "pending"
    assert STEPS[attempts] * (1 - JITTER) - 1e-6 <= step.wait <= STEPS[attempts] * (1 + JITTER) + 1e-6
    assert not step.disable


def test_jitter_spreads_both_ways() -> None:
    """The ends of chance are the ends of the spread."""
    assert [next_step(3, Posted(500, ""), chance).wait for chance in (0.0, 0.5, 1.0)] == pytest.approx(
        [0.8 * STEPS[3], STEPS[3], 1.2 * STEPS[3]]
    )


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_only_success_is_delivery(status: int) -> None:
    """Any 2xx, at any attempt."""
    assert next_step(1, Posted(status, ""), 0.5) == next_step(10, Posted(status, ""), 0.5) == Next("delivered")


def test_after_the_tenth_it_is_parked() -> None:
    """Not dropped: dead letters are seen by both agencies; the subscription stays."""
    assert next_step(9, Posted(500, ""), 0.5).state == "pending"
    assert next_step(10, Posted(500, ""), 0.5) == next_step(11, Posted(0, ""), 0.5) == Next("dead")


def test_gone_ends_the_subscription() -> None:
    """410 at the first attempt already."""
    assert next_step(1, Posted(GONE, ""), 0.5) == Next("dead", disable=True)


@pytest.mark.parametrize(("asked_for", "waited"), [(0, 5.0), (3, 5.0), (60, 60.0), (3600, 3600.0), (10**9, 3600.0), (-5, 5.0)])
def test_retry_after_is_kept_up_to_an_hour_and_never_shortens(asked_for: float, waited: float) -> None:
    """A receiver may ask for time, not for ever."""
    assert next_step(1, Posted(503, "", asked_for), 0.5).wait == waited


def test_a_schedule_of_a_deployment_has_its_own_length() -> None:
    """Three steps, three attempts."""
    assert [next_step(number, Posted(500, ""), 0.5, (0.0, 1.0, 2.0)).state for number in (1, 2, 3)] == [
        "pending",
        "pending",
        "dead",
    ]


ROUTE = Route("a" * 32, "https://gateway.example/fhir", "https://council.example/inbox", "2026-11-21T12:00:00.000Z", systems.BASE)


def notice(**more: Any) -> Notice:
    given: dict[str, Any] = {
        "id": "0123456789abcdef0123456789abcdef", "topic": "discharged", "title": "Discharged", "urgent": True, "reason": "new", "happened": "2026-11-21",
        "subject": {"system": systems.NHS_NUMBER, "value": "9990001006"}, "owner": "TMH01", "owner_name": "Trust", "receiver": "TLA01", "number": 7, "subscription": "s1",
    }  # fmt: skip
    return Notice(**{**given, **more})


SENSITIVE = {"owner": "", "owner_name": ""}


@pytest.mark.parametrize(
    "more", [{}, SENSITIVE, {"urgent": False}, {"happened": "2026-11"}, {"reason": "delete", "topic": "record-retracted"}]
)
def test_a_message_is_valid_fhir(more: dict[str, Any]) -> None:
    """Structure, value sets, invariants, and every reference leads to an entry."""
    made = message(notice(**more), ROUTE)
    assert not resources.validate_bundle(made)


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
@pytest.mark.parametrize("kind", ["handshake", "heartbeat", "event-notification", "query-event"])
def test_a_backport_notification_is_valid_fhir(kind: str, content: str) -> None:
    """With as much as the subscription asked for, and numbers as strings."""
    notices = [notice(), notice(id="f" * 32, number=8, corrects=("c" * 32,))] if "event" in kind else []
    made = notification(kind, ROUTE, "s1", "discharged", "active", 8, notices, content)
    assert not resources.errors(resources.validate_bundle(made))
    text = str(made)
    assert ("9990001006" in text) is (content == "full-resource" and bool(notices))
    assert ("discharged" in text) is (content != "empty")
    assert ("additional-context" in text) is (content != "empty" and bool(notices))
    assert ("TMH01" in text) is (content == "full-resource" and bool(notices))


def test_a_message_names_notice_attempt_number_and_definition() -> None:
    """Who repeats it must be able to tell: the header's id stays, the Bundle's changes."""
    first, again = (
        message(notice(), ROUTE),
        message(notice(), Route("b" * 32, *[getattr(ROUTE, name) for name in ("url", "endpoint", "at", "base")])),
    )
    header = first["entry"][0]["resource"]
    assert first["id"] != again["id"]
    assert header["id"] == again["entry"][0]["resource"]["id"] == notice().id
    assert {one["url"].rpartition("/")[2]: one.get("valueString") or one.get("valueCode") for one in header["extension"]} == {
        "notice-number": "7",
        "priority": "urgent",
        "subscription": "s1",
    }
    assert header["definition"] == f"{systems.BASE}/MessageDefinition/discharged"
    assert header["destination"][0]["endpoint"] == ROUTE.endpoint


def test_a_signal_is_thin() -> None:
    """Who, what, when, where to read; nothing of what the record says."""
    parts = message(notice(), ROUTE)["entry"][1]["resource"]["parameter"][0]["part"]
    assert [one["name"] for one in parts] == ["subject", "topic", "happened", "owner", "read"]


def test_a_sensitive_owner_is_not_named() -> None:
    """Neither as sender nor in the signal."""
    made = message(notice(**SENSITIVE), ROUTE)
    assert "sender" not in made["entry"][0]["resource"]
    assert "TMH01" not in str(made)


KEY = Ed25519PrivateKey.generate()
NOW = 1_790_000_000


def test_a_signature_is_good_for_its_notice_time_and_body_alone() -> None:
    """Standard Webhooks, v1a."""
    signed, public = headers(KEY, "n1", NOW, b"body"), KEY.public_key()
    assert verify(public, signed, b"body", NOW)
    assert verify(public, signed, b"body", NOW + 300)
    assert verify(public, {**signed, "webhook-signature": f"v1,abc v1a,AAAA {signed['webhook-signature']}"}, b"body", NOW)
    assert not verify(public, signed, b"Body", NOW)
    assert not verify(public, signed, b"body", NOW + 301)
    assert not verify(public, signed, b"body", NOW - 301)
    assert not verify(public, {**signed, "webhook-id": "n2"}, b"body", NOW)
    assert not verify(public, {**signed, "webhook-timestamp": str(NOW + 1)}, b"body", NOW)
    assert not verify(Ed25519PrivateKey.generate().public_key(), signed, b"body", NOW)
    assert len(base64.b64decode(signed["webhook-signature"].removeprefix("v1a,"))) == 64


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "²"},
        {"webhook-timestamp": ""},
        {"webhook-signature": "v1a,%%%"},
        {"webhook-signature": "v1a"},
        {"webhook-signature": ""},
    ],
)
def test_headers_that_make_no_sense_are_refused_and_raise_nothing(changed: dict[str, str]) -> None:
    """A receiver that uses this must not fall over."""
    assert not verify(KEY.public_key(), {**headers(KEY, "n1", NOW, b"body"), **changed}, b"body", NOW)
