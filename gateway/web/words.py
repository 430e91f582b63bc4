"""Codes as pages say them. A test holds them to the published code systems."""

from __future__ import annotations

ACKNOWLEDGEMENTS = {
    "taken-up": "We have taken this up",
    "already-known": "We knew this and are acting on it",
    "passed-on": "We have passed this to those it concerns",
    "not-ours": "This is not for us",
    "more-needed": "We need more information to act on this",
}
OUTCOMES = {"0": "Done", "4": "Refused", "8": "Failed"}
ONLY_ASKED, TOLD = "Asked", "Told"
EXCHANGES = {
    "look_up_status": "Asked whether this person is known",
    "lease_notice": "Sent a notice",
    "settle_notice": "Result of sending a notice",
    "list_notices": "Read notices",
    "raise_overdue": "Passed an unanswered notice on to a desk",
    "acknowledge_notice": "Answered a notice",
    "receive_record": "Sent a record",
    "receive_message": "Sent a message",
    "record_wish": "Wrote down what the person wants",
    "request_contact": "Asked to be rung back",
    "close_call_back": "Closed a call-back request",
    "search_audit": "Searched the access log",
    "explain_decision": "Asked why something was shared, or not",
    "set_shield": "Shielded the record",
    "lift_shield": "Asked to lift a shield, or lifted it",
    "subscribe": "Subscribed to changes",
    "replay_events": "Read notices again",
    "look_up_people": "Searched their own people",
    "record_refusal": "Sent a request that was refused",
}


def exchange(name: str) -> str:
    """What an exchange is to people; its own name in words where we have no better."""
    return EXCHANGES.get(name, name.replace("_", " ").capitalize())


def code(text: str) -> str:
    """A code as words: amh-care-planning as amh care planning."""
    return text.replace("-", " ")
