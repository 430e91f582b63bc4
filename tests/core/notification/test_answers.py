"""What a receiver's answer to a posted message says; whatever it is, it is read without a fault."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fhir import systems
from gateway.notification.answers import Answered, answered

NOTICE = "0123456789abcdef0123456789abcdef"


def response(code: Any = "ok", identifier: Any = NOTICE, **more: Any) -> bytes:
    header = {"resourceType": "MessageHeader", "response": {"identifier": identifier, "code": code}, **more}
    return json.dumps({"resourceType": "Bundle", "type": "message", "entry": [{"resource": header}]}).encode()


def acknowledges(code: Any) -> dict[str, Any]:
    coding = {"system": systems.code_system("acknowledgement"), "code": code}
    return {"eventCoding": {"code": "notice-acknowledged"}, "reason": {"coding": [coding]}}


SAYS = [
    (response("ok"), Answered("ok")),
    (response("transient-error"), Answered("transient-error")),
    (response("fatal-error"), Answered("fatal-error")),
    (response("perhaps"), Answered()),
    (response(["ok"]), Answered()),
    (response("fatal-error", identifier="another"), Answered()),
    (response("ok", **acknowledges("taken-up")), Answered("ok", "taken-up")),
    (response("ok", **acknowledges("perhaps")), Answered("ok")),
    (response("fatal-error", **acknowledges("taken-up")), Answered("fatal-error")),
    (b"", Answered()),
    (b"OK", Answered()),
    (b"[]", Answered()),
    (b'{"entry": []}', Answered()),
    (b'{"resourceType": "OperationOutcome"}', Answered()),
    (response("fatal-error") + b" " * (64 << 10), Answered()),
    (b"[" * 60_000, Answered()),
]


@pytest.mark.parametrize(("body", "says"), SAYS)
def test_a_response_message_counts_as_what_it_says(body: bytes, says: Answered) -> None:
    """Of this notice alone; what cannot be read says nothing."""
    assert answered(NOTICE, body) == says


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["ok", "fatal-error", "MessageHeader", NOTICE]),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["entry", "resource", "resourceType", "response", "code", "identifier", "reason", "coding", "eventCoding"]), inner
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON | st.binary())
def test_nothing_that_a_receiver_sends_is_a_fault(sent: Any) -> None:
    """Whatever the body, there is an answer."""
    assert isinstance(answered(NOTICE, sent if isinstance(sent, bytes) else json.dumps(sent).encode()), Answered)
