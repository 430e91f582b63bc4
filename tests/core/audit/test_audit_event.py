"""Entries as FHIR R4 AuditEvents, for the holder and for the requester."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import shapes
from gateway.audit.entry import DONE, FAULT, OUTCOMES, REFUSED, Entry, Kind
from gateway.audit.event import NotForRequester, View, as_event

AuditEvent = get_fhir_model_class("AuditEvent")
NHS = "https://fhir.nhs.uk/Id/nhs-number"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
VIEWS: list[View] = ["holder", "requester"]
FULL = Entry(
    id="0123456789abcdef0123456789abcdef",
    recorded=1_790_000_000_123_456,
    exchange="look_up_status",
    outcome=DONE,
    kind=Kind.DISCLOSURE,
    requester="E09000033",
    custodian="RXY",
    client="council-case-system",
    user="https://fhir.nhs.uk/Id/sds-user-id|555021935107",
    role="social-worker",
    purpose="safeguarding-s47",
    case_reference="https://council.example/case|C-77",
    patient=f"{NHS}|9990000018",
    found=(f"{NHS}|9990000018", f"{NHS}|9990000026"),
    basis=("CA1989-s47", "override"),
    tier=2,
    policy="9f" * 32,
    consents=("Consent/7/_history/2", "Consent/8/_history/1"),
    refusal="",
    disclosure="d15c",
    request_id="req-1",
    detail=(("about", "self"), ("address", "10.0.0.7"), ("query", "POST /fhir/Patient/$known-to-services"), ("jti", "t-1")),
    asked=True,
)
BARE = Entry("0" * 32, 0, "rotate_keys", DONE, Kind.ADMINISTRATION, asked=True)


def render(entry: Entry, view: View = "holder") -> dict[str, Any]:
    return as_event(
        entry, base_url="https://gw.example/fhir", view=view, gateway_name="Think Family Gateway", names={"RXY": "The Trust"}
    )


def empties(part: Any, path: str = "") -> list[str]:
    """The places of empty strings, lists, objects and nulls."""
    if part is None or part in ("", [], {}):
        return [path]
    if isinstance(part, dict):
        return [place for key, value in part.items() for place in empties(value, f"{path}.{key}")]
    if isinstance(part, list):
        return [place for at, value in enumerate(part) for place in empties(value, f"{path}[{at}]")]
    return []


def codes(event: dict[str, Any]) -> list[str]:
    return [coding["code"] for coding in event["subtype"]]


def agent(event: dict[str, Any], code: str) -> dict[str, Any]:
    [found] = [one for one in event["agent"] if one["type"]["coding"][0]["code"] == code]
    return dict(found)


def entities(event: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [one for one in event.get("entity", []) if one["type"]["code"] == code]


def facts(event: dict[str, Any]) -> list[tuple[str, str]]:
    return [(d["type"], d["valueString"]) for one in event.get("entity", []) for d in one.get("detail", [])]


def variants(kind: Kind, outcome: int) -> list[Entry]:
    refusal = "no-agreement" if outcome == REFUSED else "error" if outcome == FAULT else ""
    full = FULL._replace(kind=kind, outcome=outcome, refusal=refusal)
    return [
        full,
        full._replace(user="", detail=(), consents=(), tier=None),
        full._replace(patient="", found=(), detail=(("resource", "Flag/1"), ("result", "410")), user="u1"),
        BARE._replace(kind=kind, outcome=outcome, refusal=refusal),
    ]


ALL = [(kind, outcome, view) for kind in Kind for outcome in OUTCOMES for view in VIEWS]


@pytest.mark.parametrize(("kind", "outcome", "view"), ALL)
def test_every_event_is_a_valid_audit_event(kind: Kind, outcome: int, view: View) -> None:
    """Each kind, outcome and view is an R4 AuditEvent: structure, required codes, sev-1, dom-3, nothing empty."""
    for entry in variants(kind, outcome):
        event = render(entry, view)
        AuditEvent.model_validate(event)
        assert not empties(event)
        assert event["action"] in "CRUDE" and event["outcome"] in {"0", "4", "8", "12"}
        assert event["recorded"].endswith("Z") and event["source"]["observer"]
        assert all(isinstance(one["requestor"], bool) for one in event["agent"])
        assert sum(one["requestor"] for one in event["agent"]) == (1 if entry.client or entry.user else 0)
        assert all(one["network"]["type"] in {"1", "2", "3", "4", "5"} for one in event["agent"] if "network" in one)
        assert not any("name" in one and "query" in one for one in event.get("entity", []))
        assert bool(event.get("contained")) == any(e.get("what") == {"reference": "#outcome"} for e in event.get("entity", []))


@pytest.mark.parametrize(
    ("kind", "type_", "subtype", "action"),
    [
        (Kind.DISCLOSURE, "110106", "disclose", "R"),
        (Kind.NEGATIVE, "rest", "operation", "E"),
        (Kind.DECISION, "110113", "AuthZ-Consent", "E"),
        (Kind.OVERRIDE, "110113", "110127", "E"),
        (Kind.RECEIVED, "110107", "receive", "C"),
        (Kind.DELIVERY, "110106", "disclose", "R"),
        (Kind.DELIVERY_RESULT, "110106", "transmit", "R"),
        (Kind.READ, "rest", "read", "R"),
        (Kind.SEARCH, "rest", "search", "E"),
        (Kind.TOKEN, "110114", "ITI-71", "E"),
        (Kind.SIGN_IN, "110114", "110122", "E"),
        (Kind.SIGN_OUT, "110114", "110123", "E"),
        (Kind.ADMINISTRATION, "110113", "110129", "U"),
        (Kind.ERROR, "rest", "operation", "E"),
    ],
)
def test_each_kind_has_the_codes_of_the_code_page(kind: Kind, type_: str, subtype: str, action: str) -> None:
    """Type, subtype and action say what happened in the words of DICOM, FHIR and IHE."""
    event = render(FULL._replace(kind=kind))
    assert (event["type"]["code"], codes(event)[0], event["action"]) == (type_, subtype, action)
    assert codes(event)[1:] == ["look_up_status"]


def test_every_kind_has_a_shape() -> None:
    """No entry can be written that cannot be shown."""
    assert set(shapes.SHAPES) == set(Kind)


def test_a_disclosure_has_the_agents_of_balp() -> None:
    """Source is the gateway and the recorder, recipient is the software, the custodian and the user are named."""
    event = render(FULL)
    assert agent(event, "110153")["who"] == event["source"]["observer"]
    assert agent(event, "110153")["network"] == {"address": "https://gw.example/fhir", "type": "5"}
    assert agent(event, "110152")["who"]["identifier"]["value"] == "council-case-system"
    assert agent(event, "110152")["network"] == {"address": "10.0.0.7", "type": "2"}
    assert agent(event, "159541003")["who"]["display"] == "The Trust"
    assert agent(event, "PROV")["who"]["identifier"] == {
        "system": "https://fhir.nhs.uk/Id/ods-organization-code",
        "value": "E09000033",
    }
    user = agent(event, "IRCP")
    assert (user["requestor"], user["role"], user["who"]["identifier"]["value"]) == (
        True,
        [{"text": "social-worker"}],
        "555021935107",
    )


def test_a_disclosure_tells_the_holder_everything() -> None:
    """People asked about and found, consents, request id, tier, bases, policy, disclosure and case are in it."""
    event = render(FULL)
    people = entities(event, "1")
    assert [(one["what"]["identifier"]["value"], one["description"]) for one in people] == [
        ("9990000018", "Asked about and found"),
        ("9990000026", "Found"),
    ]
    assert all(one["role"]["code"] == "1" and one["what"]["type"] == "Patient" for one in people)
    assert [one["what"]["reference"] for one in entities(event, "Consent")] == list(FULL.consents)
    assert entities(event, "XrequestId")[0]["what"]["identifier"]["value"] == "req-1"
    assert entities(event, "2")[0]["what"]["identifier"]["value"] == "d15c"
    assert facts(event) == [
        ("case-reference", "https://council.example/case|C-77"),
        ("tier", "2"),
        ("basis", "CA1989-s47"),
        ("basis", "override"),
        ("policy", "9f" * 32),
        ("disclosure", "d15c"),
        ("about", "self"),
    ]


def test_purposes_are_ours_and_v3() -> None:
    """Our purpose comes first, then the code that other software knows; every purpose of the code page has one."""
    event = render(FULL)
    assert [one["coding"][0]["code"] for one in event["purposeOfEvent"]] == ["safeguarding-s47", "GOV"]
    other = render(FULL._replace(purpose="something-else"))
    assert [one["coding"][0]["code"] for one in other["purposeOfEvent"]] == ["something-else"]
    assert len(shapes.REASONS) == 10


def test_the_canonical_base_is_a_setting() -> None:
    """Our own code systems stand below the base that the deployment chose."""
    event = as_event(FULL, base_url="b", view="holder", gateway_name="", names={}, canonical_base="https://nhs.example")
    assert event["subtype"][1]["system"] == "https://nhs.example/CodeSystem/exchange"


def test_a_refusal_tells_the_holder_why() -> None:
    """The cause stands as third subtype, in words, and as OperationOutcome."""
    event = render(FULL._replace(kind=Kind.NEGATIVE, outcome=REFUSED, refusal="wish-refused"))
    assert (event["outcome"], event["outcomeDesc"]) == ("4", "Refused: wish-refused")
    assert codes(event) == ["operation", "look_up_status", "wish-refused"]
    assert event["contained"][0]["issue"][0]["code"] == "forbidden"


def test_a_decision_has_the_entities_of_balp_only() -> None:
    """People, consents and token; all else, the request id too, stands as detail of the person."""
    event = render(FULL._replace(kind=Kind.DECISION, outcome=REFUSED, refusal="wish-refused", found=()))
    assert {one["type"]["code"] for one in event["entity"]} == {"1", "Consent", "UserOauthAgent"}
    assert ("request-id", "req-1") in facts(event)
    assert agent(event, "authserver").keys() == {"type", "who", "requestor"}
    assert agent(event, "110150")["requestor"] is False


def test_a_search_has_one_system_object_the_query() -> None:
    """The raw request line stands in base64; facts are with the person; roles are those of a query."""
    event = render(FULL._replace(kind=Kind.SEARCH, exchange="search_log"))
    [query] = entities(event, "2")
    assert base64.b64decode(query["query"]).decode() == "POST /fhir/Patient/$known-to-services"
    assert query["role"]["code"] == "24" and not {"what", "detail", "name"} & query.keys()
    assert agent(event, "110153")["who"]["identifier"]["value"] == "council-case-system"
    assert agent(event, "110152")["who"] == event["source"]["observer"]
    assert entities(event, "1")[0]["detail"]


def test_a_search_for_nobody_keeps_its_facts_with_the_event() -> None:
    """An auditor's search without a person loses nothing and has no second system object."""
    event = render(FULL._replace(kind=Kind.SEARCH, patient="", found=()))
    assert entities(event, "AuditEvent")[0]["what"]["reference"] == f"AuditEvent/{FULL.id}"
    assert len(entities(event, "2")) == 1


def test_a_read_names_the_resource() -> None:
    """What was read stands as the data of the event."""
    event = render(FULL._replace(kind=Kind.READ, detail=(("resource", "Flag/1/_history/2"),)))
    assert entities(event, "2")[0]["what"] == {"reference": "Flag/1/_history/2"}


def test_a_token_names_its_id() -> None:
    """The id of an access token stands as the urn of OAuth."""
    event = render(FULL._replace(kind=Kind.TOKEN))
    assert entities(event, "UserOauthAgent")[0]["what"]["identifier"]["value"] == "urn:ietf:params:oauth:jti:t-1"
    assert agent(event, "AuthzOauthService")["network"]["type"] == "5"


def test_time_is_to_the_microsecond_for_the_holder_and_to_the_second_for_the_requester() -> None:
    """How long an answer took is not to be read out of the requester's log."""
    assert render(FULL)["recorded"] == "2026-09-21T14:13:20.123456Z"
    assert render(FULL, "requester")["recorded"] == "2026-09-21T14:13:20.000000Z"


QUESTIONS = sorted(shapes.QUESTIONS)
UNGATED = ["", "no-agreement", "wish-refused", "not-known", "shielded", "adopted", "conflict-of-interest", "feed-stale", "error"]
ANSWERS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(QUESTIONS),
        "outcome": st.sampled_from(OUTCOMES),
        "custodian": st.sampled_from(["", "RXY"]),
        "found": st.lists(st.sampled_from([f"{NHS}|9990000018", f"{NHS}|9990000026"]), max_size=2).map(tuple),
        "basis": st.lists(st.sampled_from(["person-wish", "CA1989-s47"]), max_size=2).map(tuple),
        "tier": st.none() | st.integers(0, 3),
        "policy": st.sampled_from(["", "ab" * 32]),
        "consents": st.lists(st.just("Consent/7/_history/2"), max_size=1).map(tuple),
        "refusal": st.sampled_from(UNGATED),
        "disclosure": st.sampled_from(["", "d1", "d2"]),
        "detail": st.lists(st.tuples(st.sampled_from(["result", "resource", "grade", "count"]), st.just("x")), max_size=2).map(
            lambda more: (*FULL.detail, *more)
        ),
    }
)


@given(ANSWERS, ANSWERS)
def test_the_requesters_log_does_not_depend_on_the_answer(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Known, not known, refused, shielded, adopted, failed: the requester's auditor reads the same bytes."""
    first, second = (render(FULL._replace(**answer), "requester") for answer in (one, other))
    assert json.dumps(first) == json.dumps(second)
    assert first["outcome"] == "0" and codes(first) == ["operation", "look_up_status"]


@given(ANSWERS, st.integers(0, 999_999))
def test_only_id_time_and_person_tell_two_questions_apart(answer: dict[str, Any], late: int) -> None:
    """Two people asked about in the same way leave the same rendering but for id, time and who was asked about."""
    stranger = FULL._replace(id="f" * 32, recorded=FULL.recorded + 5_000_000 + late, patient=f"{NHS}|9990000026", **answer)
    first, second = render(FULL, "requester"), render(stranger, "requester")
    for event in (first, second):
        del event["id"], event["recorded"], event["entity"][0]["what"]["identifier"]["value"]
    assert json.dumps(first) == json.dumps(second)


def test_the_requester_sees_what_it_asked() -> None:
    """Person asked about, purpose, case, user, software and request id are the requester's own words."""
    event = render(FULL, "requester")
    assert [one["what"]["identifier"]["value"] for one in entities(event, "1")] == ["9990000018"]
    assert facts(event) == [("case-reference", "https://council.example/case|C-77"), ("about", "self")]
    assert agent(event, "IRCP")["requestor"] is True
    assert not [one for one in event["agent"] if one["type"]["coding"][0]["code"] == "159541003"]


@pytest.mark.parametrize("refusal", sorted(shapes.GATES))
def test_a_refusal_at_the_gate_is_told(refusal: str) -> None:
    """What follows from the request alone may be shown: outcome 4 and the reason."""
    gate = FULL._replace(kind=Kind.NEGATIVE, outcome=REFUSED, refusal=refusal, custodian="", found=())
    event = render(gate, "requester")
    assert (event["outcome"], codes(event)[2], event["outcomeDesc"]) == ("4", refusal, f"Refused: {refusal}")


@pytest.mark.parametrize("reached", [{"custodian": "RXY"}, {"found": (f"{NHS}|9990000018",)}])
def test_the_same_refusal_by_a_custodian_is_not_told(reached: dict[str, Any]) -> None:
    """A role that an agreement does not allow was refused after a person was found, so it is silent."""
    base = FULL._replace(kind=Kind.NEGATIVE, outcome=REFUSED, refusal="role-not-allowed", custodian="", found=())
    event = render(base._replace(**reached), "requester")
    assert event["outcome"] == "0" and codes(event) == ["operation", "look_up_status"]


def test_an_entry_that_does_not_follow_from_the_request_is_never_rendered_for_the_requester() -> None:
    """That there is an entry for a custodian already tells that somebody was found."""
    hidden = FULL._replace(asked=False)
    assert render(hidden)["outcome"] == "0"
    with pytest.raises(NotForRequester):
        render(hidden, "requester")


def test_how_a_token_request_came_out_is_told_to_its_own_side() -> None:
    """No person is in a token request, so its refusal is no secret."""
    event = render(BARE._replace(kind=Kind.TOKEN, outcome=REFUSED), "requester")
    assert (event["outcome"], event["outcomeDesc"]) == ("4", "Refused")


def test_rendering_leaves_the_tables_alone() -> None:
    """A caller may change the event it was given; the next one is not touched."""
    first = render(FULL)
    first["type"]["code"] = first["agent"][0]["type"]["coding"][0]["code"] = "changed"
    assert render(FULL)["type"]["code"] == "110106"
