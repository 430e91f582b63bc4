"""Bad input through the API: each fault is named with its place, nothing is half applied, everything is on record."""

import json
from typing import Any

import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, BETH, LEO, RUBY, STRANGER
from gateway.fhir import systems
from gateway.store import people as rows
from gateway.store.sql import Read
from tests.data.edge import count_rows, exchange, flag, log_of, message, outcome, reference, related, without_log
from tests.world import At, World

MARK = "QXMARKERQX"
DEEP = "[" * 60 + "]" * 60

# name, path, body, content type, status, what the answer names (a place or a word of the rule)
UNREADABLE: list[tuple[str, str, Any, str, int, str]] = [
    ("broken JSON", "/fhir/Flag", f'{{"resourceType": "Flag", "status": "{MARK}"', "application/fhir+json", 400, "line 1"),
    ("an empty body", "/fhir/Flag", "", "application/fhir+json", 400, "empty"),
    ("latin-1 in JSON", "/fhir/Flag", '{"resourceType":"Flag","status":"é%s"}'.encode("latin-1") % MARK.encode(), "application/fhir+json", 400, "UTF-8"),
    ("UTF-16", "/fhir/Flag", json.dumps(flag(LEO)).encode("utf-16"), "application/fhir+json", 400, "UTF-8"),
    ("a declared charset that is not UTF-8", "/fhir/Flag", json.dumps(flag(LEO)), "application/fhir+json; charset=utf-16", 415, "UTF-8"),
    ("NUL in a string", "/fhir/Flag", f'{{"resourceType":"Flag","status":"\\u0000{MARK}"}}', "application/fhir+json", 400, "U+0000"),
    ("nesting", "/fhir/Flag", f'{{"resourceType":"Flag","x":{DEEP}}}', "application/fhir+json", 400, "nested"),
    ("a member twice", "/fhir/Flag", f'{{"resourceType":"Flag","status":"active","status":"{MARK}"}}', "application/fhir+json", 400, "status"),
    ("NaN", "/fhir/Flag", '{"resourceType":"Flag","status":NaN}', "application/fhir+json", 400, "NaN"),
    ("a list for a resource", "/fhir/Flag", f'["{MARK}"]', "application/fhir+json", 422, "object"),
    ("another type", "/fhir/Flag", json.dumps(related(LEO, AMINA, "MTH")), "application/fhir+json", 422, "Flag belongs here"),
    ("a body over the limit", "/fhir/Flag", "[" + " " * (1 << 20) + "]", "application/fhir+json", 413, "larger"),
    ("form data", "/fhir/Flag", "a=b", "application/x-www-form-urlencoded", 415, "application/fhir+json"),
    ("a missing status", "/fhir/Flag", json.dumps({**flag(LEO), "status": None}), "application/fhir+json", 422, "Flag.status"),
    ("a code outside of its required list", "/fhir/Flag", json.dumps(flag(LEO, status=MARK)), "application/fhir+json", 422, "Flag.status"),
    ("a member that FHIR does not have", "/fhir/Flag", json.dumps(flag(LEO, colour=MARK)), "application/fhir+json", 422, "Flag"),
    ("a person without an identifier", "/fhir/Flag", json.dumps(flag(LEO, subject={"display": MARK})), "application/fhir+json", 422, "Flag.subject"),
    ("an invalid NHS number", "/fhir/Flag", json.dumps(flag(LEO, subject={"identifier": {"system": systems.NHS_NUMBER, "value": "9990001007"}})), "application/fhir+json", 422, "NHS number"),
    ("the author of another agency", "/fhir/Flag", json.dumps(flag(LEO, author={"identifier": {"system": systems.ODS_CODE, "value": "TMH01"}})), "application/fhir+json", 422, "Flag.author"),
    ("a modifier that nobody knows", "/fhir/Flag", json.dumps(flag(LEO, modifierExtension=[{"url": "https://x.example/m", "valueString": MARK}])), "application/fhir+json", 422, "modifierExtension"),
    ("rules that nobody knows", "/fhir/Flag", json.dumps(flag(LEO, implicitRules="https://x.example/" + MARK)), "application/fhir+json", 422, "implicitRules"),
    ("a period that ends before it begins", "/fhir/Flag", json.dumps(flag(LEO, period={"start": "2026-02-01", "end": "2026-01-01"})), "application/fhir+json", 422, "Flag.period"),
    ("a Consent without a policy", "/fhir/Consent", json.dumps({key: value for key, value in people.consent(LEO, AMINA, [], agency="TLA01", when="2026-01-01").items() if key != "policy"}), "application/fhir+json", 422, "ppc-1"),
    ("a Consent that nobody made", "/fhir/Consent", json.dumps({key: value for key, value in people.consent(LEO, AMINA, [], agency="TLA01", when="2026-01-01").items() if key != "performer"}), "application/fhir+json", 422, "Consent.performer"),
    ("a Consent without its time", "/fhir/Consent", json.dumps({key: value for key, value in people.consent(LEO, AMINA, [], agency="TLA01", when="2026-01-01").items() if key != "dateTime"}), "application/fhir+json", 422, "Consent.dateTime"),
    ("a lookup that is no Parameters", "/fhir/Patient/$known-to-services", json.dumps(flag(LEO)), "application/fhir+json", 422, "Parameters"),
    ("a lookup without a person", "/fhir/Patient/$known-to-services", json.dumps({"resourceType": "Parameters", "parameter": [{"name": "purpose", "valueCoding": {"code": "safeguarding-s47"}}]}), "application/fhir+json", 422, "person"),
    ("a lookup with an unknown part", "/fhir/Patient/$known-to-services", json.dumps({"resourceType": "Parameters", "parameter": [{"name": MARK}]}), "application/fhir+json", 422, "parameter[0]"),
    ("a lookup whose parts have strange names", "/fhir/Patient/$known-to-services", json.dumps({"resourceType": "Parameters", "parameter": [{"name": {"a": MARK}}]}), "application/fhir+json", 422, "parameter[0]"),
    ("an override with strange names", "/fhir/Patient/$known-to-services", json.dumps({"resourceType": "Parameters", "parameter": [*people.lookup(AMINA, "safeguarding-s47", case="C")["parameter"], {"name": "override", "part": [{"name": [MARK]}, {"name": {}}]}]}), "application/fhir+json", 422, "override"),
    ("a message that is a list", "/fhir/$process-message", "[]", "application/fhir+json", 422, "Bundle"),
    ("a message whose entries are a number", "/fhir/$process-message", '{"resourceType":"Bundle","type":"message","id":"b","entry":5}', "application/fhir+json", 422, "Bundle.entry"),
    ("a message with too many entries", "/fhir/$process-message", json.dumps({"resourceType": "Bundle", "type": "message", "id": "b", "entry": [{}] * 201}), "application/fhir+json", 413, "Bundle.entry"),
    ("HL7 without MSH", "/records/hl7v2-adt", f"PID|1||{MARK}\r", "application/hl7-v2", 400, "MSH"),
    ("HL7 as UTF-16", "/records/hl7v2-adt", people.adt("A01", AMINA, "M1").encode("utf-16"), "application/hl7-v2", 400, "NUL"),
    ("a crosswalk as latin-1", "/records/crosswalk", "local_system,local_id,nhs_number\nmis,é,9990001006\n".encode("latin-1"), "text/csv", 400, "byte"),
    ("a crosswalk without a column", "/records/crosswalk", f"local_system,local_id\nmis,{MARK}\n", "text/csv", 400, "nhs_number"),
    ("a crosswalk with an unknown column", "/records/crosswalk", f"local_system,local_id,nhs_number,{MARK}\n", "text/csv", 400, "Column 4"),
    ("an empty file", "/records/relationships", "", "text/csv", 400, "empty"),
    ("NUL bytes in a file", "/records/dfe-csc-api", b'[{"la_child_id":"A\0"}]', "application/json", 400, "NUL"),
    ("a member twice in a file", "/records/dfe-csc-api", f'[{{"la_child_id":"A","la_child_id":"{MARK}"}}]', "application/json", 400, "twice"),
    ("a deep file", "/records/dfe-csc-api", DEEP, "application/json", 400, "nested"),
    ("too many children", "/records/dfe-csc-api", json.dumps([{"la_child_id": f"C{number}"} for number in range(101)]), "application/json", 413, "100"),
    ("a format that is not read", "/records/edifact", "x", "text/plain", 404, "formats"),
    ("a packed body", "/records/crosswalk", "x", "text/csv", 415, "content encoding"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "body", "kind", "status", "named"), UNREADABLE, ids=[row[0] for row in UNREADABLE])
async def test_what_cannot_be_taken_is_refused_by_name_and_leaves_nothing_but_its_entry(
    world: World, name: str, path: str, body: Any, kind: str, status: int, named: str
) -> None:
    """A 4xx OperationOutcome names what and where, repeats no value sent, changes no row, and stands in the log."""
    council = world.as_("council-system", "sw22", "social-worker", "safeguarding-s47")
    await council.headers()
    before = await count_rows(world)
    packed = {"Content-Encoding": "gzip"} if name == "a packed body" else {}
    issues = outcome(await council.post(path, body, kind, **packed), status)
    said = json.dumps(issues)
    assert named in said, said
    assert MARK not in said
    after = await count_rows(world)
    assert without_log(after) == without_log(before)
    assert after["audit_entry"] == before["audit_entry"] + 1
    (event,) = list(await log_of(world.auditor("council"), exchange="record_refusal"))
    details = {detail["type"]: detail["valueString"] for entity in event["entity"] for detail in entity.get("detail", ())}
    assert details["status"] == str(status)


async def test_bad_records_of_a_batch_are_reported_by_place_and_the_others_land(world: World) -> None:
    """DfE JSON: a child without an id, one with a wrong date, one that is no object; two good ones between them."""
    council = world.as_("council-system")
    good = people.children()
    bad = [{"surname": MARK}, {"la_child_id": "X1", "child_details": {"date_of_birth": MARK}}, MARK]
    answer = await council.post("/records/dfe-csc-api", [good[0], *bad, good[1]], "application/json")
    assert answer.status_code == 200
    report = {part["name"]: part for part in answer.json()["parameter"]}
    assert [report[name]["valueUnsignedInt"] for name in ("received", "accepted", "refused")] == [5, 2, 3]
    errors = [issue for issue in report["outcome"]["resource"]["issue"] if issue["severity"] == "error"]
    places = " ".join(place for issue in errors for place in issue["expression"])
    assert all(place in places for place in ("child 2 (index 1)", "child 3 (index 2)", "child 4 (index 3)"))
    assert MARK not in answer.text
    assert len(await council.searches_for("Flag", STRANGER)) == 0
    for local in ("LEO1", "RUBY1"):
        found = await council.searches("Flag", patient__identifier=f"{systems.local_child_id('999')}|{local}")
        assert found.json().get("entry"), local
    refused = [one for one in await log_of(world.auditor("council"), exchange="receive_record") if one["outcome"] == "4"]
    assert len(refused) == 3


async def test_a_code_that_no_table_knows_is_kept_as_text_and_counted(world: World) -> None:
    """Never a guess and never a coding without a system: text, a line of the report, a line on the review list."""
    trust = world.as_("trust-epr")
    adt = people.adt("A01", AMINA, "M1", kin=LEO).replace("CHD^Child^HL70063", "SPROG^Little one^LOCAL")
    for seen in (1, 2):
        answer = await trust.post("/records/hl7v2-adt", adt, "application/hl7-v2")
        unmatched = [part["part"] for part in answer.json()["parameter"] if part["name"] == "unmatched"]
        assert [[one for part in parts for key, one in part.items() if key != "name"] for parts in unmatched] == [
            ["hl7v2-adt@2.8/relationship", "SPROG", 1]
        ]
        (listed,) = (await world.gateway.ledger.read([Read(rows.UNMATCHED, {"agency": people.TRUST})]))[0]
        assert listed[:4] == (people.TRUST, "hl7v2-adt@2.8/relationship", "SPROG", seen)
    (kin,) = await trust.searches_for("RelatedPerson", AMINA)
    assert kin["relationship"] == [{"text": "Little one"}]


async def test_one_message_of_a_file_that_is_wrong_does_not_hold_up_the_next(world: World) -> None:
    """HL7 v2: an NHS number whose check digit fails refuses its message; the other message lands."""
    trust = world.as_("trust-epr")
    wrong = people.adt("A01", AMINA, "M1").replace(AMINA.nhs, "9990001007")
    answer = await trust.post("/records/hl7v2-adt", wrong + people.adt("A01", BETH, "M2"), "application/hl7-v2")
    assert answer.status_code == 200
    assert "message 1" in answer.text
    assert "9990001007" not in answer.text
    assert await trust.searches_for("Flag", BETH)
    found = await trust.searches("Flag", patient__identifier=f"{systems.local_id('TMH01', 'rio')}|M1")
    assert "entry" not in found.json()


async def test_a_file_of_nothing_but_bad_records_is_refused_as_a_whole(world: World) -> None:
    """422, with every record's fault; the rows are as before."""
    before = await count_rows(world)
    crosswalk = "local_system,local_id,nhs_number\nmis,1,1234567890\nmis,2,12\n"
    issues = outcome(await world.as_("council-system").post("/records/crosswalk", crosswalk, "text/csv"), 422)
    assert [issue["expression"][0][:6] for issue in issues if issue["severity"] == "error"] == ["line 2", "line 3"]
    assert without_log(await count_rows(world)) == without_log(before)


async def test_a_long_report_shows_the_errors_first_and_says_how_much_is_left_out(world: World) -> None:
    """More findings than fit: no error hides behind warnings."""
    many = [{"la_child_id": f"C{number}", **{f"unknown_{name}": 1 for name in "abc"}} for number in range(99)]
    answer = await world.as_("council-system").post("/records/dfe-csc-api", [*many, {"la_child_id": "!"}], "application/json")
    issues = next(part["resource"]["issue"] for part in answer.json()["parameter"] if part["name"] == "outcome")
    assert [issues[0]["severity"], issues[0]["expression"]] == ["error", ["child 100 (index 99).la_child_id"]]
    assert len(issues) == 201
    assert issues[-1]["severity"] == "information"
    assert "98 more" in issues[-1]["diagnostics"]


async def test_the_daily_api_takes_only_the_code_of_the_callers_own_council(world: World) -> None:
    """Another council's la_code, and the code of an agency that is no council: 403, nothing written."""
    before = await count_rows(world)
    for client, code in (("council-system", "998"), ("trust-epr", "999")):
        answer = await world.as_(client).post(
            f"/children_social_care_data/{code}/children", people.children(), "application/json"
        )
        outcome(answer, 403)
    outcome(await world.as_("council-system").post("/children_social_care_data/99x/children", [], "application/json"), 400)
    assert without_log(await count_rows(world)) == without_log(before)


async def test_agencies_that_write_of_one_person_never_touch_each_others_rows(world: World) -> None:
    """Two agencies, one NHS number: each finds its own Flag alone, and a purge by one leaves the other's."""
    council, trust = world.as_("council-system"), world.as_("trust-epr")
    for at, detail in ((council, "cin-plan"), (trust, "community")):
        assert (await at.post("/fhir/Flag", flag(AMINA, detail))).status_code == 201
    for at, detail in ((council, "cin-plan"), (trust, "community")):
        (found,) = await at.searches_for("Flag", AMINA)
        assert detail in json.dumps(found["code"])
        (patient,) = await _patients(at)
        assert (await at.get(f"/fhir/Patient/{patient}")).status_code == 200
    others = await _patients(council)
    outcome(await trust.get(f"/fhir/Patient/{others[0]}"), 404)
    assert (await count_rows(world))["person"] == 2


async def _patients(at: At) -> list[str]:
    answer = await at.searches("Patient", identifier=f"{systems.NHS_NUMBER}|{AMINA.nhs}")
    return [entry["resource"]["id"] for entry in answer.json()["entry"]]


async def test_a_message_with_one_bad_resource_lands_not_at_all(world: World) -> None:
    """A message is one exchange: its good Flag does not stand while its bad one is refused."""
    before = await count_rows(world)
    bad = flag(RUBY, subject={"identifier": {"system": systems.NHS_NUMBER, "value": "9990001007"}})
    answer = await world.as_("council-system").post("/fhir/$process-message", message(flag(LEO), bad))
    issues = outcome(answer, 422)
    assert "Bundle.entry[2]" in json.dumps(issues)
    foreign = flag(RUBY, author={"identifier": {"system": systems.ODS_CODE, "value": "TMH01"}})
    answer = await world.as_("council-system").post(
        "/fhir/$process-message", message(flag(LEO), foreign, bundle="b-2", header="m-2")
    )
    assert "author" in json.dumps(outcome(answer, 422))
    kept = {**without_log(before), "inbox": 2}  # the two answers, for their repeats
    assert without_log(await count_rows(world)) == kept
    assert reference(LEO)
    assert {exchange(one) for one in await log_of(world.auditor("council"), outcome="4")} == {"refuse_message"}


@pytest.mark.parametrize(
    "time", ["9999-12-31T23:59:59-13:00", "0001-01-01T00:00:00+14:00", "9999-12-31", "0001-01-01", "9999", "0001"]
)
async def test_a_time_at_the_edge_of_the_calendar_never_fails_a_later_question(world: World, time: str) -> None:
    """Taken or refused by name, but never a poison: lookups, reads and searches of the person answer afterwards."""
    council = world.as_("council-system")
    wish = people.consent(LEO, AMINA, [people.permit("TMH01", "amh-care-planning", "existence")], agency="TLA01", when=time)
    wish["provision"]["period"] = {"end": time} if time.startswith("9") else {"start": time}
    kin = {"birthDate": time[:10], "period": {"start": time}}
    sent = (flag(LEO, period={"start": time}), flag(LEO, period={"end": time}), wish, related(LEO, AMINA, "MTH", **kin))
    for one in sent:
        answer = await council.post(f"/fhir/{one['resourceType']}", one)
        assert answer.status_code in (201, 422), answer.text
    patient = {
        "resourceType": "Patient",
        "identifier": [reference(LEO)["identifier"]],
        "birthDate": time[:10],
        "deceasedDateTime": time,
    }
    assert (await council.post("/records/fhir", patient, "application/json")).status_code in (200, 422)
    born = people.Person("x", LEO.nhs, time if len(time) == 10 else LEO.born, "x", "x")
    assert (await world.ward().asks(born, "amh-care-planning")).status_code == 200
    assert (await world.social_worker().asks(born, "safeguarding-s47", "self", "parents", case="c")).status_code == 200
    assert (await council.get("/fhir/Flag")).status_code == 200
    assert (await council.get(f"/fhir/Flag?_lastUpdated=lt{time.replace('+', '%2B')}")).status_code in (200, 400)


async def test_a_resource_that_is_not_taken_here_counts_as_refused(world: World) -> None:
    """The sender of an Observation reads that it was refused and why, and so does the log; nothing is stored."""
    other = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    before = await count_rows(world)
    answer = await world.as_("council-system").post("/records/fhir", other, "application/fhir+json")
    (issue,) = outcome(answer, 422)
    assert (issue["severity"], issue["code"]) == ("error", "not-supported")
    assert issue["diagnostics"] == "This type is not among Patient, RelatedPerson, Flag, Consent: not kept."
    assert without_log(await count_rows(world)) == without_log(before)
    (line,) = await log_of(world.auditor("council"), exchange="receive_record")
    assert line["outcome"] == "4"
