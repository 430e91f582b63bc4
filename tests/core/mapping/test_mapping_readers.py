"""The readers: strict where two readers would disagree, and no input that breaks them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.mapping import Mapped, Mappings, Sender, UnknownFormat, Unreadable, dates, formats, read
from gateway.mapping.referrals import REFERRALS
from gateway.mapping.stays import EVENTS
from gateway.mapping.values import Unusable

Take = Callable[..., list[Mapped]]
FORMATS = ("crosswalk", "dfe-cin-census", "dfe-csc-api", "dfe-ssda903", "fhir", "hl7v2-adt", "mhsds", "relationships", "ssd")
SENDER = Sender("EXC01", la_code="999", received="2025-06-15T09:00:00Z")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'[{"la_child_id": "A", "la_child_id": "B"}]',
        b"[NaN]",
        b"[Infinity]",
        b'[{"la_child_id": "A\\u0000"}]',
        b"[\x00]",
        b"\xff\xfe[\x00]\x00",
        b"\x80",
        b"[" * 33 + b"]" * 33,
        b"[" * 100_000,
        b'["\\ud800"]',
        b"[1" + b"0" * 5000 + b"]",
    ],
)
@pytest.mark.parametrize("fmt", ["dfe-csc-api", "fhir"])
def test_dangerous_json_is_refused(take: Take, fmt: str, data: bytes) -> None:
    """Broken, ambiguous, too deep, not UTF-8."""
    with pytest.raises(Unreadable) as refused:
        take(fmt, data)
    assert refused.value.issues


def test_brackets_inside_of_text_are_no_depth(take: Take) -> None:
    """Only nesting counts."""
    assert take("dfe-csc-api", json.dumps([{"la_child_id": "A1", "note": '[[[[\\"' * 40}]))[0].resources


def test_a_byte_order_mark_is_dropped(take: Take) -> None:
    """Editors write one."""
    assert take("dfe-csc-api", b'\xef\xbb\xbf[{"la_child_id": "A1"}]\r\n')[0].resources


def test_an_unknown_format_names_those_there_are(mappings: Mappings) -> None:
    """By bare name or with a version."""
    assert formats(mappings) == FORMATS
    with pytest.raises(UnknownFormat) as refused:
        read(mappings, "dfe-csc-api@9", b"", SENDER)
    assert "relationships" in refused.value.issues[0].text


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2015-04-03", "2015-04-03"),
        (" 2015-04-03T00:00:00Z ", "2015-04-03"),
        ("03/04/2015", "2015-04-03"),
        ("3/4/2015 00:00", "2015-04-03"),
        ("03-04-2015", "2015-04-03"),
        ("20150403", "2015-04-03"),
        ("2015/04/03", "2015-04-03"),
    ],
)
def test_dates_in_two_orders(text: str, iso: str) -> None:
    """Day first, or year first."""
    assert dates.full_date(text) == iso


@pytest.mark.parametrize(
    "text", ["04/13/2015", "31/02/2015", "03/04/15", "3 April 2015", "0001-01-01", "", "2015-4", 20150403, None]
)
def test_other_dates_are_not_guessed(text: Any) -> None:
    """Month-first, two-digit years, words, days that do not exist."""
    with pytest.raises(Unusable):
        dates.full_date(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("20250602081500", "2025-06-02T08:15:00+01:00"),
        ("20250102081500", "2025-01-02T08:15:00+00:00"),
        ("202501020815+0000", "2025-01-02T08:15:00+00:00"),
        ("20250102", "2025-01-02"),
        ("20250330005959", "2025-03-30T00:59:59+00:00"),
        ("20250330020000", "2025-03-30T02:00:00+01:00"),
        ("20251026030000", "2025-10-26T03:00:00+00:00"),
    ],
)
def test_times_are_of_the_united_kingdom(text: str, found: str) -> None:
    """Summer time where no offset was sent."""
    assert dates.hl7_instant(text) == found


def test_summer_time_agrees_with_the_zone_table() -> None:
    """Every day of forty years, at noon."""
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        zone = ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:
        pytest.skip("no zone table on this machine")
    day = datetime(2000, 1, 1, 12)
    while day.year < 2040:
        offset = day.replace(tzinfo=zone).strftime("%z")
        assert dates.uk_offset(day) == f"{offset[:3]}:{offset[3:]}"
        day += timedelta(days=1)


@pytest.mark.parametrize(("text", "on", "fits"), [("2025-06", date(2025, 6, 15), True), ("2025-07", date(2025, 6, 15), False)])
def test_a_birth_date_is_never_in_the_future(text: str, on: date, fits: bool) -> None:
    """A partial date is compared as far as it goes."""
    if fits:
        assert dates.past_birth_date(text, on) == text
    else:
        with pytest.raises(Unusable):
            dates.past_birth_date(text, on)


def drain(mappings: Mappings, fmt: str, data: bytes) -> None:
    """Reads to the end; only what the contract names may be raised, and every outcome can be written as JSON."""
    try:
        for one in read(mappings, fmt, data, SENDER):
            assert not (one.faults and one.resources)
            json.dumps([item.resource for item in one.resources])
    except Unreadable as refused:
        assert refused.issues


@pytest.mark.parametrize("fmt", FORMATS)
@given(data=st.binary(max_size=400))
@settings(deadline=None)
def test_no_bytes_break_a_reader(mappings: Mappings, fmt: str, data: bytes) -> None:
    """Any bytes: mapped, refused, or unreadable."""
    drain(mappings, fmt, data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
    | st.sampled_from(["2025-01-01", "RC1", "E11", "1", "9990000018", "https://fhir.nhs.uk/Id/nhs-number", "Patient/1", "MTH"]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def shaped(names: list[str], depth: int) -> st.SearchStrategy[Any]:
    """Objects with the member names of a format, and any values."""
    if depth == 0:
        return JSON
    inner = shaped(names, depth - 1)
    return st.dictionaries(st.sampled_from(names), inner | st.lists(inner, max_size=3) | JSON, max_size=8)


DFE_NAMES = [
    "purge", "child_details", "surname", "date_of_birth", "expected_date_of_birth", "sex", "unique_pupil_number",
    "social_care_episodes", "social_care_episode_id", "referral_date", "closure_date", "closure_reason", "adoption", "placed_date",
    "referral_no_further_action_flag", "care_worker_details", "worker_id", "start_date", "end_date", "section_47_assessments",
    "section_47_assessment_id", "icpc_date", "icpc_required_flag", "child_looked_after_placements", "placement_type", "end_reason",
    "child_looked_after_placement_id", "care_leavers", "contact_date", "child_protection_plans", "child_protection_plan_id",
]  # fmt: skip


@given(parts=shaped(DFE_NAMES, 3))
@settings(deadline=None)
@example(
    parts={
        "social_care_episodes": [{"social_care_episode_id": "1", "care_worker_details": [{"worker_id": "1", "start_date": 5}]}]
    }
)
def test_no_child_breaks_the_dfe_reader(mappings: Mappings, parts: Any) -> None:
    """Right names with wrong values."""
    drain(mappings, "dfe-csc-api", json.dumps([{"la_child_id": "A1", **(parts if isinstance(parts, dict) else {})}]).encode())


FHIR_NAMES = [
    "identifier", "system", "value", "patient", "subject", "reference", "type", "relationship", "coding", "code", "name", "family",
    "given", "birthDate", "status", "category", "scope", "period", "start", "end", "extension", "url", "modifierExtension", "id",
    "author", "contained", "meta", "profile", "resourceType", "link", "text", "provision", "active", "gender",
]  # fmt: skip


@given(kind=st.sampled_from(["Patient", "RelatedPerson", "Flag", "Consent", "Bundle"]), parts=shaped(FHIR_NAMES, 3))
@settings(deadline=None)
def test_no_resource_breaks_the_fhir_reader(mappings: Mappings, kind: str, parts: Any) -> None:
    """Right names with wrong values."""
    base = {"identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}]}
    resource = {**base, **(parts if isinstance(parts, dict) else {}), "resourceType": kind}
    other = {"resourceType": "Patient", "id": "1", **(parts if isinstance(parts, dict) else {})}
    entries = [{"fullUrl": "Patient/1", "resource": other}, {"resource": resource}]
    drain(mappings, "fhir", json.dumps({"resourceType": "Bundle", "entry": entries}).encode())


SEGMENT = st.text(alphabet='|^~\\&"\rAEXF019.+-:Y \n', max_size=120)


@given(
    event=st.sampled_from([f"ADT^{event}" for event in EVENTS] + [f"REF^{event}" for event in REFERRALS]),
    tails=st.lists(SEGMENT, min_size=7, max_size=7),
)
@settings(deadline=None)
def test_no_message_breaks_the_adt_reader(mappings: Mappings, event: str, tails: list[str]) -> None:
    """Right segments with wrong fields."""
    names = ("PID|||M1^^^X^MR~", "PV1|1|I|", "NK1|1|A^B|CHD", "MRG|", "ARV|", "PV2|||||||||2025", "RF1|A|")
    body = "\r".join(name + tail for name, tail in zip(names, tails, strict=True))
    drain(mappings, "hl7v2-adt", f"MSH|^~\\&|A|B|||20250101||{event}|1|P|2.4\r{body}".encode())


@pytest.mark.parametrize("fmt", ["relationships", "crosswalk"])
@given(cells=st.lists(st.text(alphabet="\"A1,9' \n/-", max_size=12), min_size=1, max_size=14))
@settings(deadline=None)
def test_no_row_breaks_a_csv_reader(mappings: Mappings, fmt: str, cells: list[str]) -> None:
    """Right header with wrong cells."""
    header = ",".join(mappings.formats[fmt].fields)
    drain(mappings, fmt, f"{header}\n{','.join(cells)}\n".encode())


STRANGE: list[Any] = [None, 5, 1.5, True, "", "x", [], {}, [1], [[]], {"x": {}}, [{"url": {}}], "x" * 400]
ROOT = Path(__file__).resolve().parents[3] / "mappings" / "records"
JSON_EXAMPLES = sorted(ROOT.glob("*@*/examples/*.in.json"))


def replaced(value: Any, strange: Any) -> Iterator[Any]:
    """The value with each of its parts, one at a time, made strange."""
    yield strange
    if isinstance(value, dict):
        for name, part in value.items():
            yield from ({**value, name: other} for other in replaced(part, strange))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from (value[:place] + [other] + value[place + 1 :] for other in replaced(part, strange))


@pytest.mark.parametrize("example_file", JSON_EXAMPLES, ids=lambda path: path.name)
@pytest.mark.parametrize("strange", STRANGE, ids=lambda value: str(value)[:12] or "empty")
def test_no_part_of_a_record_breaks_a_reader(mappings: Mappings, example_file: Path, strange: Any) -> None:
    """Each part of each example, replaced by something that does not belong there."""
    fmt = example_file.parent.parent.name
    for record in replaced(json.loads(example_file.read_text()), strange):
        drain(mappings, fmt, json.dumps(record).encode())


def test_a_row_that_names_nobody_says_so_of_both_people(mappings: Mappings) -> None:
    """Neither person is given: each missing column is named, and no row breaks the file."""
    fields = list(mappings.formats["relationships"].fields)
    row = ["MTH" if name == "role" else "" for name in fields]
    (one,) = read(mappings, "relationships", f"{','.join(fields)}\n{','.join(row)}\n".encode(), SENDER)
    assert [fault.where.rpartition(" ")[2] for fault in one.faults][::2] == ["source_person_system", "related_person_system"]


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_tables_are_read_however_a_spreadsheet_parts_its_cells(take: Take, between: str) -> None:
    """A comma, a semicolon or a tab: the header tells."""
    table = "CHILD,SEX,DOB\n12,2,01/02/2013\n".replace(",", between)
    found = [item.resource for one in take("dfe-ssda903", table) for item in one.resources]
    assert (found[0]["birthDate"], found[0]["gender"]) == ("2013-02-01", "female")
    row = "local_system,local_id,nhs_number\nla-child-id,EXA0001,9990000018\n"
    assert take("crosswalk", row.replace(",", between)) == take("crosswalk", row)
