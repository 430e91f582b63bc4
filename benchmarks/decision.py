"""The decision by itself, with 300 organisations' agreements and nested wishes: how long, and how long to compile."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime

from benchmarks.stand import result
from gateway.demo import people
from gateway.disclosure.agreements import compile_agreements
from gateway.disclosure.decision import Asked, Subject, decide
from gateway.disclosure.directives import compile_consent
from gateway.disclosure.purposes import load_purposes
from gateway.disclosure.requester import Requester
from gateway.fhir import systems
from gateway.settings import Settings

ORGANISATIONS = 300
DECISIONS = 20_000


def document(place: int) -> tuple[str, bytes]:
    lines = [
        f'source = "ORG{place}"',
        'version = "1"',
        "valid_from = 2026-01-01",
        "valid_until = 2030-01-01",
        'negatives = "explicit"',
    ]
    for other in range(10):
        lines += [
            "[[exception]]",
            f'receiver = "ORG{(place + other) % ORGANISATIONS}"',
            'purposes = ["early-help"]',
            "tier = 1",
            'basis = "person-wish"',
        ]
    lines += [
        "[[default]]",
        'receiver_kind = "children-social-care"',
        'purposes = ["early-help", "safeguarding-s47"]',
        "tier = 2",
        'basis = "person-wish"',
    ]
    return f"org{place}.toml", "\n".join(lines).encode()


def main() -> None:
    purposes = load_purposes(Settings().mappings / "purposes.toml")
    begun = time.process_time()
    agreements = compile_agreements([document(place) for place in range(ORGANISATIONS)], purposes)
    result("policy_compile_seconds", time.process_time() - begun)
    rules = [people.permit(f"ORG{place}", "early-help", "existence", "status", "contact") for place in range(20)]
    made = people.consent(people.AMINA, people.AMINA, rules, agency="ORG1", when="2026-11-01")
    directive = compile_consent(made, "Consent/1/_history/1", "ORG1", 1)
    assert directive is not None
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    me = frozenset({f"{systems.NHS_NUMBER}|{people.AMINA.nhs}"})
    times = []
    for turn in range(DECISIONS):
        requester = Requester("c", f"ORG{turn % 20}", frozenset(), "u", "social-worker", frozenset({"early-help"}))
        asked = Asked(requester, "children-social-care", purposes["early-help"], at)
        subject = Subject(f"ORG{turn % ORGANISATIONS}", "self", me, True, at.date().replace(year=1990), "", {}, True)
        begun = time.perf_counter()
        decide(asked, subject, [directive], [], agreements)
        times.append((time.perf_counter() - begun) * 1e6)
    result("decision_p99_us", statistics.quantiles(times, n=100)[98])


if __name__ == "__main__":
    main()
