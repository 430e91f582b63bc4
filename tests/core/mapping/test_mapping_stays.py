"""Stays, leaves, planned discharges, waits and referrals: what a run of HL7 v2 messages leaves stored, and what is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from gateway.fhir.elements import flag_detail
from gateway.mapping import Mapped, Resource, admissions, merged, restated
from gateway.mapping.merge import IN_ERROR, applies
from gateway.mapping.records import Sourced
from gateway.mapping.turns import LEAVE, part_of
from gateway.notification.topics import flag_changes, of_one_person

Take = Callable[..., list[Mapped]]
FMT = "hl7v2-adt"
PERSON = "person/https%3A%2F%2Ftrust.example%2FId%2Frio/M1"
ON = date(2025, 6, 15)
STAY = f"{PERSON}/stay/V1"
PV1: dict[str, Any] = {"visit": "V1", "kind": "I", "ward": "ROSE WARD", "admitted": "20250601"}


def message(event: str, day: str, *more: str, **pv1: str) -> str:
    """A message of an event that took place on a day of June 2025: its PV1, and what stands beside it."""
    told = {**PV1, **pv1}
    fields = [""] * 46
    fields[0], fields[2], fields[3], fields[19], fields[44] = (
        "PV1", told["kind"], told["ward"], told["visit"], told["admitted"],
    )  # fmt: skip
    fields[45] = told.get("discharged", "")
    stamp = f"202506{day}081500"
    kind = "REF" if event.startswith("I") else "ADT"
    head = f"MSH|^~\\&|PAS|EX|||{stamp}||{kind}^{event}|X1|P|2.4"
    return "\r".join([head, f"EVN|{event}|{stamp}", "PID|||M1^^^RIO^MR", "|".join(fields), *more]) + "\r"


def pv2(day: str) -> str:
    """A PV2 with an expected day of discharge."""
    return "PV2|||||||||" + day


class Stored:
    """What is held under the keys of one sender, and what each message told."""

    def __init__(self, take: Take) -> None:
        self.take = take
        self.held: dict[str, Resource] = {}

    def hears(self, *messages: str) -> list[tuple[str, str, str]]:
        """Topic, reason and time of what the last of these messages tells."""
        told: list[tuple[str, str, str]] = []
        for text in messages:
            (one,) = self.take(FMT, text)
            assert one.faults == ()
            flags = [item for item in one.resources if item.resource["resourceType"] == "Flag"]
            changes = [change for item in flags for change in self.apply(item)]
            told = [(change.topic, change.reason, change.happened) for change in of_one_person(changes)]
        return told

    def apply(self, item: Sourced) -> list[Any]:
        before = self.held.get(item.key)
        if not applies(before, item.op):
            return []
        after = merged(before, item.resource, item.op)
        after = after if after.get("status") == "entered-in-error" else restated(after, ON)
        if item.key.endswith(LEAVE):
            stay = self.held.get(item.key.removesuffix(LEAVE))
            within = part_of(stay, before, after, item.resource)
            if within is None or (item.op in IN_ERROR and admissions.is_of_earlier(stay, item.resource)):
                return []
            after = restated(within, ON)
        elif item.op in IN_ERROR and admissions.is_of_earlier(before, item.resource):
            return []
        elif item.key.endswith(admissions.WAITING) and admissions.goes_on(after):
            stays = {key: flag for key, flag in self.held.items() if admissions.is_stay(key)}
            wait = admissions.wait_beside(after, item.resource, stays)
            if wait is None:
                return []
            after = restated(wait, ON)
        self.held[item.key] = after
        return flag_changes(before, after, ON)

    def stands(self, key: str) -> tuple[str, str, dict[str, str]]:
        """Status, detail and period of what stands under a key."""
        found = self.held[key]
        return found["status"], flag_detail(found), found.get("period", {})


@pytest.fixture
def stored(take: Take) -> Stored:
    return Stored(take)


ADMITTED = message("A01", "01")


def test_a_leave_is_told_and_the_stay_goes_on(stored: Stored) -> None:
    """A21: both are held, so that nobody reads the return as a discharge."""
    assert stored.hears(ADMITTED, message("A21", "10")) == [("leave-started", "new", "2025-06-10")]
    assert stored.stands(STAY) == ("active", "inpatient", {"start": "2025-06-01"})
    assert stored.stands(f"{STAY}/leave") == ("active", "on-leave", {"start": "2025-06-10"})


def test_the_return_from_leave_is_told(stored: Stored) -> None:
    """A22 ends the leave and nothing else."""
    assert stored.hears(ADMITTED, message("A21", "10"), message("A22", "12")) == [("leave-ended", "new", "2025-06-12")]
    assert stored.stands(STAY)[0] == "active"


def test_a_second_leave_is_new(stored: Stored) -> None:
    """It takes nothing back of the first."""
    first = (message("A21", "05"), message("A22", "06"))
    assert stored.hears(ADMITTED, *first, message("A21", "06")) == [("leave-started", "new", "2025-06-06")]
    assert stored.stands(f"{STAY}/leave")[2] == {"start": "2025-06-06"}


def test_a_cancelled_leave_is_taken_back(stored: Stored) -> None:
    """A52: whoever was told of it hears that it was recorded in error."""
    assert [told[:2] for told in stored.hears(ADMITTED, message("A21", "10"), message("A52", "11"))] == [
        ("record-retracted", "delete")
    ]
    assert stored.stands(f"{STAY}/leave")[0] == "entered-in-error"
    assert stored.stands(STAY)[0] == "active"


def test_a_cancelled_return_puts_the_leave_back(stored: Stored) -> None:
    """A53 is an update of what was told, with the start of the leave."""
    run = (ADMITTED, message("A21", "10"), message("A22", "12"), message("A53", "12"))
    assert stored.hears(*run) == [("leave-started", "update", "2025-06-10")]


def test_a_leave_after_a_cancelled_one_is_told(stored: Stored) -> None:
    """What was entered in error does not stand in its way."""
    run = (ADMITTED, message("A21", "10"), message("A52", "10"))
    assert stored.hears(*run, message("A21", "11"))[0][:2] == ("leave-started", "new")


def test_a_return_that_nobody_left_for_makes_nothing(stored: Stored) -> None:
    """A22 without a leave."""
    assert stored.hears(ADMITTED, message("A22", "12")) == []
    assert f"{STAY}/leave" not in stored.held


def test_a_discharge_ends_a_leave_that_is_open(stored: Stored) -> None:
    """A03 from leave: nobody stays on leave for ever."""
    told = stored.hears(ADMITTED, message("A21", "10"), message("A03", "14", discharged="20250614"))
    assert told == [("leave-ended", "new", "2025-06-14"), ("discharged", "new", "2025-06-14")]


def test_a_discharge_leaves_the_end_of_an_earlier_leave(stored: Stored) -> None:
    """The day of the return stands."""
    stored.hears(ADMITTED, message("A21", "05"), message("A22", "06"), message("A03", "14", discharged="20250614"))
    assert stored.stands(f"{STAY}/leave")[2] == {"start": "2025-06-05", "end": "2025-06-06"}


@pytest.mark.parametrize(("beside", "day"), [(pv2("20250620"), "2025-06-20"), (pv2("20250620170000.0000+0100"), "2025-06-20")])
def test_a_planned_discharge_is_told_with_its_day(stored: Stored, beside: str, day: str) -> None:
    """A16: the stay is not ended by it."""
    assert stored.hears(ADMITTED, message("A16", "12", beside)) == [("discharge-planned", "new", day)]
    assert stored.stands(STAY) == ("active", "inpatient", {"start": "2025-06-01"})


def test_the_planned_day_may_stand_in_evn(stored: Stored) -> None:
    """EVN-3, where PV2-9 is empty."""
    told = message("A16", "12").replace("EVN|A16|20250612081500", "EVN|A16|20250612081500|20250621")
    assert stored.hears(ADMITTED, told) == [("discharge-planned", "new", "2025-06-21")]


def test_another_day_is_an_update_and_calling_off_a_delete(stored: Stored) -> None:
    """A16 again, and A25."""
    first = (ADMITTED, message("A16", "10", pv2("20250620")))
    assert stored.hears(*first, message("A16", "12", pv2("20250622"))) == [("discharge-planned", "update", "2025-06-22")]
    assert [told[:2] for told in stored.hears(message("A25", "13"))] == [("discharge-planned", "delete")]
    assert stored.stands(STAY)[0] == "active"
    assert all("planned-end" not in one["url"] for one in stored.held[STAY]["extension"])


def test_a_plan_without_a_day_is_not_noted(take: Take) -> None:
    """The message is taken, its sender is told, and an earlier plan stands."""
    (one,) = take(FMT, message("A16", "12"))
    assert [issue.where for issue in one.warnings] == ["message 1, PV2-9"]
    flag = next(item.resource for item in one.resources if item.key == STAY)
    assert all("planned-end" not in each["url"] for each in flag["extension"])


def test_a_discharge_settles_its_plan(stored: Stored) -> None:
    """After a discharge that is taken back there is no plan of yesterday."""
    run = (ADMITTED, message("A16", "10", pv2("20250620")), message("A03", "14", discharged="20250614"))
    assert stored.hears(*run, message("A13", "14")) == [("admitted", "update", "2025-06-01")]
    assert all("planned-end" not in one["url"] for one in stored.held[STAY]["extension"])


def test_a_cancelled_transfer_names_the_former_ward(stored: Stored) -> None:
    """A12: status and dates stand."""
    stored.hears(ADMITTED, message("A02", "05", ward="LILY WARD"), message("A12", "05", ward="ROSE WARD"))
    assert stored.held[STAY]["contained"][0]["location"] == [{"display": "ROSE WARD"}]
    assert stored.stands(STAY)[0] == "active"


@pytest.mark.parametrize("event", ["A11", "A23"])
def test_a_cancelled_admission_or_deleted_visit_takes_all_of_it_back(stored: Stored, event: str) -> None:
    """The leave with the stay."""
    told = stored.hears(ADMITTED, message("A21", "10"), message(event, "11"))
    assert [one[:2] for one in told] == [("record-retracted", "delete")] * 2


def test_a_visit_that_is_not_named_is_not_deleted(take: Take) -> None:
    """A23 without PV1-2 and PV1-19: refused, never guessed."""
    (one,) = take(FMT, message("A23", "11", visit="", kind=""))
    assert [issue.where for issue in one.faults] == ["message 1, PV1-19"]


def test_a_planned_admission_is_a_wait_that_the_admission_ends(stored: Stored) -> None:
    """A05, then A01 under another visit number."""
    assert stored.hears(message("A05", "01", visit="P1", admitted="")) == [("known-status-changed", "new", "2025-06-01")]
    assert stored.stands(f"{PERSON}/waiting")[:2] == ("active", "waiting")
    told = stored.hears(message("A01", "10", admitted="20250610"))
    assert ("admitted", "new", "2025-06-10") in told
    assert stored.stands(f"{PERSON}/waiting") == ("inactive", "waiting", {"start": "2025-06-01", "end": "2025-06-10"})


def test_a_planned_admission_that_is_cancelled_is_taken_back(stored: Stored) -> None:
    """A38."""
    told = stored.hears(message("A05", "01", admitted=""), message("A38", "02"))
    assert [one[:2] for one in told] == [("record-retracted", "delete")]


def test_an_update_of_a_patient_changes_whom_to_ask_and_makes_no_stay(stored: Stored) -> None:
    """A08: nothing where no stay is known; ward and start where one is."""
    assert stored.hears(message("A08", "03")) == []
    assert stored.held == {}
    stored.hears(ADMITTED, message("A08", "05", ward="LILY WARD", admitted="20250531"))
    assert stored.held[STAY]["contained"][0]["location"] == [{"display": "LILY WARD"}]
    assert stored.stands(STAY) == ("active", "inpatient", {"start": "2025-05-31"})


def test_an_update_of_a_patient_opens_nothing_that_has_ended(stored: Stored) -> None:
    """A08 after A03 and after A11."""
    ended = message("A03", "14", discharged="20250614")
    assert stored.hears(ADMITTED, ended, message("A08", "15")) == []
    assert stored.stands(STAY)[0] == "inactive"
    assert stored.hears(ADMITTED, message("A11", "15"), message("A08", "15")) == []
    assert stored.stands(STAY)[0] == "entered-in-error"


def test_a_later_message_of_another_class_does_not_turn_a_stay_into_something_else(stored: Stored) -> None:
    """A discharge whose PV1-2 says outpatient still ends the stay that its number names."""
    assert stored.hears(ADMITTED, message("A03", "14", kind="O", discharged="20250614")) == [("discharged", "new", "2025-06-14")]
    assert stored.stands(STAY)[1] == "inpatient"


def test_a_stay_that_was_begun_before_we_listened_is_made_by_what_follows(stored: Stored) -> None:
    """A21 of a stay that nobody has told us of."""
    assert {told[0] for told in stored.hears(message("A21", "10"))} == {"admitted", "leave-started"}


RF1 = "RF1|A|||||R-9|20250608"


def test_a_referral_is_told_until_it_is_rejected(stored: Stored) -> None:
    """REF_I12 with RF1, I13 with its rejection."""
    assert stored.hears(message("I12", "09", RF1)) == [("known-status-changed", "new", "2025-06-08")]
    key = f"{PERSON}/referral/R-9"
    assert stored.stands(key) == ("active", "referred", {"start": "2025-06-08"})
    stored.hears(message("I13", "11", RF1.replace("|A|", "|R|", 1)))
    assert stored.stands(key) == ("inactive", "referred", {"start": "2025-06-08", "end": "2025-06-11"})


def test_a_cancelled_referral_is_taken_back(stored: Stored) -> None:
    """I14."""
    stored.hears(message("I12", "09", RF1), message("I14", "10", RF1))
    assert stored.stands(f"{PERSON}/referral/R-9")[0] == "entered-in-error"


def test_a_referral_names_the_next_of_kin(take: Take) -> None:
    """NK1 of REF_I12 is read as in ADT; without RF1 there is no referral to tell of."""
    (one,) = take(FMT, message("I12", "09", "NK1|1|EXAMPLE^KIT|CHD"))
    assert [item.resource["resourceType"] for item in one.resources] == ["Patient", "RelatedPerson"]


def test_one_message_merges_several_people(take: Take) -> None:
    """Each PID with its MRG; one PID too many refuses the message."""
    pairs = "PID|||M1^^^RIO^MR\rMRG|M9^^^RIO^MR\rPID|||M2^^^RIO^MR\rMRG|M8^^^RIO^MR\r"
    head = "MSH|^~\\&|PAS|EX|||20250602||ADT^A40|X1|P|2.4\rEVN|A40|20250602\r"
    (one,) = take(FMT, head + pairs)
    assert [
        (item.resource["identifier"][0]["value"], item.resource["link"][0]["other"]["identifier"]["value"])
        for item in one.resources
    ] == [("M1", "M9"), ("M2", "M8")]
    (other,) = take(FMT, head + pairs + "PID|||M3^^^RIO^MR\r")
    assert other.faults
