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
TO_LOOK_AT = frozenset({"Look at this", "Broken", "Overdue", "Given up"})
RELATIONSHIPS = {  # what somebody is to the patient (v3-RoleCode); a test holds them to what is taken
    "CHILD": "Child",
    "PRN": "Parent",
    "STPCHLD": "Stepchild",
    "STPPRN": "Step-parent",
    "GRNDCHILD": "Grandchild",
    "GRPRN": "Grandparent",
    "SIB": "Brother or sister",
    "DOMPART": "Partner",
}
TOLD_BY = {
    "the-person": "The patient",
    "a-relative": "A relative",
    "a-professional": "A professional",
    "a-document": "A document that we have seen",
}
SAID_BY = {"the-person": "The person", "a-parent": "A parent", "a-representative": "Somebody who speaks for them"}
EXCHANGES = {
    "look_up_status": "Asked whether this person is known",
    "lease_notice": "Sent a notice",
    "settle_notice": "Result of sending a notice",
    "give_back_notice": "Did not send a notice after all, to decide again",
    "list_notices": "Read notices",
    "raise_overdue": "Passed an unanswered notice on to a desk",
    "acknowledge_notice": "Answered a notice",
    "receive_record": "Sent a record",
    "receive_nothing": "Sent a file without records",
    "receive_message": "Sent a message",
    "record_wish": "Wrote down what the person wants",
    "request_contact": "Asked to be rung back",
    "close_call_back": "Closed a call-back request",
    "search_audit": "Searched the access log",
    "ask_question": "Asked a question of the access log",
    "bulk_audit": "Exported the access log",
    "prove": "Asked for a proof of the access log",
    "list_reviews": "Read the review queue",
    "close_review": "Closed a review",
    "publish_agreement": "Published an agreement",
    "keep_staff": "Loaded the staff register",
    "explain_decision": "Asked why something was shared, or not",
    "set_shield": "Shielded the record",
    "lift_shield": "Asked to lift a shield, or lifted it",
    "subscribe": "Subscribed to changes",
    "replay_events": "Read notices again",
    "look_up_people": "Searched their own people",
    "match_patient": "Looked for somebody among their own people",
    "record_refusal": "Sent a request that was refused",
    "launch": "Opened the family page from the record system",
    "close_launch": "Closed the family page",
    "read_own_wishes": "Read the wishes that their own organisation wrote down",
    "record_relationship": "Took down a relationship",
    "confirm_relationship": "Confirmed a relationship that a colleague took down",
    "state_relationship": "Stated a relationship that another organisation asked about",
    "reject_relationship": "Said that a relationship is not so",
    "set_marker": "Set a marker",
    "end_marker": "Ended a marker",
    "dispute_record": "Took down that a line is said to be wrong",
    "accept_dispute": "Marked the record as disputed by the person",
    "close_dispute": "Looked at what was said to be wrong",
    "list_questions": "Read questions about their records",
    "own_watches": "Read what is watched about this person",
    "review_case_list": "Went through a case list",
    "check_share_openly": "Asked what may be shared, about nobody",
    "prepare_report": "Prepared a report for the person",
    "look_at_report": "Looked at a report for the person",
    "decide_on_report": "Decided whether the person is told of a line",
    "approve_report": "Approved a report for the person",
    "give_report": "Gave the person their report",
    "set_hold": "Set a legal hold",
    "lift_hold": "Asked to lift a legal hold, or lifted it",
    "ask_erasure": "Asked for the record to be erased",
    "withdraw_erasure": "Gave an erasure up",
    "erase_person": "Erased the record",
}


def exchange(name: str) -> str:
    """What an exchange is to people; its own name in words where we have no better."""
    return EXCHANGES.get(name, name.replace("_", " ").capitalize())


def code(text: str) -> str:
    """A code as words: amh-care-planning as amh care planning."""
    return text.replace("-", " ")


REVIEWS = {  # kinds of items in the review queue
    "override": "Danger to life was claimed",
    "override-alert": "Somebody claimed danger to life about one of your people: ring them back",
    "conflict-of-interest": "Somebody asked about themselves or their family",
    "withholding": "A record is withheld under a duty",
    "no-case-record": "An enquiry has no matching case",
    "duty-after-wish": "A duty was claimed after a wish was answered with nothing",
    "asked-about-often": "Many of your users asked about one person on one day",
    "relationship-to-confirm": "A relationship is to be confirmed: answer it under questions about our records",
    "disputed": "Somebody says that your record is wrong: answer it under questions about our records",
    "erased-before": "A record came again of somebody whom you erased",
}
REVIEW_OUTCOMES = {
    "in-order": "It was in order",
    "not-in-order": "It was not in order",
    "passed-on": "It has been passed on to those it concerns",
}
UNSAID = frozenset({"review-days", "ends"})  # facts of an item that its due date says
IN_OWN_WORDS = frozenset(
    {"justification", "reason", "said", "name", "phone", "decided-by", "asked", "day", "until"}
)  # facts that are no codes
