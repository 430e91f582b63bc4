"""Records in: a DfE batch of 100 children and one ADT message, end to end over HTTP, and the maps by themselves.

End to end is from the first byte of the request to the last of the receipt: read, mapped, applied, matched to
subscriptions, on record, durable. Medians of repeated posts with other people each time. A census of 500 MB is mapped as a
stream in a process of its own, whose peak of memory is what is reported.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import resource
import statistics
import time
from contextlib import ExitStack
from typing import Any

import httpx

from benchmarks.stand import Deployment, Server, deployment, gateway, nhs_numbers, result, say
from gateway.demo import people
from gateway.demo.people import Person
from gateway.fhir import systems
from gateway.mapping.load import load
from gateway.mapping.reading import read
from gateway.mapping.records import Sender
from gateway.settings import Settings

REPEATS = 9
CHILDREN = 100


def child(place: int) -> dict[str, Any]:
    """A child with an episode, an assessment and a plan."""
    name = f"C{place:08d}"
    return {
        "la_child_id": name,
        "child_details": {"first_name": "EXAMPLE", "surname": f"CHILD{place}", "date_of_birth": "2015-04-03", "sex": "F"},
        "social_care_episodes": [
            {
                "social_care_episode_id": f"{name}E",
                "referral_date": "2026-03-01",
                "referral_source": "3F",
                "care_worker_details": [{"worker_id": "SW123456", "start_date": "2026-03-02"}],
                "child_and_family_assessments": [
                    {
                        "child_and_family_assessment_id": f"{name}A",
                        "start_date": "2026-03-03",
                        "authorisation_date": "2026-04-01",
                        "factors": ["4B"],
                    }
                ],
                "child_protection_plans": [{"child_protection_plan_id": f"{name}P", "start_date": "2026-05-01"}],
            }
        ],
    }


def admission(place: int, number: str) -> str:
    mother = Person("", number, "1990-02-03", "EXAMPLE", f"MOTHER{place}")
    return people.adt("A01", mother, f"B{place}", kin=Person("", "", "2015-04-03", "EXAMPLE", "CHILD")).replace(
        "^^^NHS^NH\rPV1", "\rPV1"
    )


def post(server: Server, path: str, body: str, token: str) -> float:
    """Seconds of one post, its connection opened before."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        client.get(f"{server.url}/health/live")
        begun = time.perf_counter()
        answer = client.post(
            f"{server.url}{path}", content=body, headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        )
        taken = time.perf_counter() - begun
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")
    return taken


def end_to_end(deployed: Deployment, server: Server) -> None:
    council = deployed.token("council-system", "", "", ())
    trust = deployed.token("trust-epr", "", "", ())
    batches = [[child(turn * CHILDREN + place) for place in range(CHILDREN)] for turn in range(REPEATS)]
    path = f"/children_social_care_data/{people.LA_CODE}/children"
    taken = [post(server, path, json.dumps(batch), council) for batch in batches]
    result("dfe_batch_seconds", statistics.median(taken))
    numbers = list(nhs_numbers(REPEATS * 5, start=70_000_000))
    messages = [post(server, "/records/hl7v2-adt", admission(place, number), trust) for place, number in enumerate(numbers)]
    result("adt_ms", statistics.median(messages) * 1000)
    say(f"  slowest: batch {max(taken):.2f} s, ADT {max(messages) * 1000:.1f} ms")
    big = json.dumps([child(1_000_000 + place) for place in range(CHILDREN)])
    repeated = post(server, path, big, council)
    result("load_children_per_second", CHILDREN / repeated)


def maps_alone() -> None:
    """Children and messages through the maps, nothing stored."""
    mappings = load(Settings().mappings)
    sender = Sender("X99", "999", {"NHS": systems.NHS_NUMBER}, received="2026-11-21T08:00:00Z")
    batch = json.dumps([child(place) for place in range(CHILDREN)]).encode()
    messages = "".join(admission(place, number) for place, number in enumerate(nhs_numbers(500))).encode()
    result("map_children_per_second", rate(lambda: sum(1 for _ in read(mappings, "dfe-csc-api", batch, sender)), 10))
    censused = census(2_000)
    result("map_cin_children_per_second", rate(lambda: sum(1 for _ in read(mappings, "dfe-cin-census", censused, sender)), 3))
    result("map_adt_per_second", rate(lambda: sum(1 for _ in read(mappings, "hl7v2-adt", messages, sender)), 4))


def census(children: int) -> bytes:
    """A children in need census: each child with a referral, an assessment, an enquiry and a plan."""
    header = (
        "<Header><CollectionDetails><Collection>CIN</Collection><Year>2026</Year><ReferenceDate>2026-03-31</ReferenceDate>"
        "</CollectionDetails><Source><LEA>999</LEA></Source></Header>"
    )
    return f"<Message>{header}<Children>{''.join(censused(place) for place in range(children))}</Children></Message>".encode()


def censused(place: int) -> str:
    return (
        f"<Child>\n<ChildIdentifiers><LAchildID>C{place:08d}</LAchildID><UPN>A{place:012d}</UPN><PersonBirthDate>2015-04-03"
        "</PersonBirthDate><Sex>F</Sex></ChildIdentifiers>\n<ChildCharacteristics><Ethnicity>NOBT</Ethnicity><Disabilities>"
        "<Disability>NONE</Disability></Disabilities></ChildCharacteristics>\n<CINdetails><CINreferralDate>2026-01-01</CINreferralDate>"
        "<ReferralSource>3F</ReferralSource><PrimaryNeedCode>N3</PrimaryNeedCode><Assessments><AssessmentActualStartDate>2026-01-03"
        "</AssessmentActualStartDate><AssessmentAuthorisationDate>2026-02-01</AssessmentAuthorisationDate><FactorsIdentifiedAtAssessment>"
        "<AssessmentFactors>4B</AssessmentFactors></FactorsIdentifiedAtAssessment></Assessments><Section47><S47ActualStartDate>2026-02-02"
        "</S47ActualStartDate><DateOfInitialCPC>2026-02-20</DateOfInitialCPC><ICPCnotRequired>0</ICPCnotRequired></Section47>"
        "<ReferralNFA>0</ReferralNFA><ChildProtectionPlans><CPPstartDate>2026-02-20</CPPstartDate><InitialCategoryOfAbuse>NEG"
        "</InitialCategoryOfAbuse></ChildProtectionPlans></CINdetails>\n</Child>\n"
    )


class Made(io.RawIOBase):
    """A census of some size that is made while it is read."""

    def __init__(self, size: int):
        self.left, self.place = size, 0
        self.begun = False

    def read(self, size: int = -1) -> bytes:
        if self.left <= 0:
            return b""
        if not self.begun:
            self.begun = True
            return census(0).removesuffix(b"</Children></Message>")
        made = "".join(censused(self.place + number) for number in range(60)).encode()
        self.place += 60
        self.left -= len(made)
        return made if self.left > 0 else made + b"</Children></Message>"


def memory_of_a_large_census(megabytes: int) -> None:
    """How much a process grows that maps a census of this size as a stream (peak, in a process of its own)."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=map_a_large_census, args=(megabytes, answers))
    process.start()
    peak, children = answers.get()
    process.join()
    say(f"  {children} children in {megabytes} MB")
    result("map_cin_peak_mb", peak)


def map_a_large_census(megabytes: int, answers: Any) -> None:
    """Maps and forgets; answers the peak of the whole process in megabytes, and how many children there were."""
    mappings = load(Settings().mappings)
    made: Any = Made(megabytes * 1_000_000)
    children = sum(1 for _ in read(mappings, "dfe-cin-census", made, Sender("X99", "999", received="2026-11-21T08:00:00Z")))
    answers.put((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, children))


def rate(work: Any, repeats: int) -> float:
    """Records a second of processor time, the best of repeats."""
    best = 0.0
    for _ in range(repeats):
        begun = time.process_time()
        count = work()
        best = max(best, count / (time.process_time() - begun))
    return best


def main() -> None:
    maps_alone()
    memory_of_a_large_census(500)
    with ExitStack() as stack:
        deployed = stack.enter_context(deployment(1000))
        end_to_end(deployed, stack.enter_context(gateway(deployed)))


if __name__ == "__main__":
    main()
