"""The decision by itself: 300 organisations, 5,100 lines of agreement, and a person with 20 Consents on file.

Each Consent was recorded by another agency: a base rule with an exception, every fourth with an exception to it. The
asker, the holder and so the line change from decision to decision. Wall time of ``decide`` alone, the garbage collector
set as the server sets it; compiling is processor time.
"""

from __future__ import annotations

import gc
import statistics
import time
from datetime import UTC, datetime

from benchmarks.stand import result, say
from gateway.demo import people
from gateway.disclosure.agreements import compile_agreements
from gateway.disclosure.decision import Asked, Subject, decide
from gateway.disclosure.directives import compile_consent
from gateway.disclosure.purposes import load_purposes
from gateway.disclosure.requester import Requester
from gateway.disclosure.rules import Directive
from gateway.fhir import systems
from gateway.settings import Settings

ORGANISATIONS, LINES, CONSENTS = 300, 17, 20
DECISIONS = 20_000


def document(place: int) -> tuple[str, bytes]:
    lines = [
        f'source = "ORG{place}"',
        'version = "1"',
        "valid_from = 2026-01-01",
        "valid_until = 2030-01-01",
        'negatives = "explicit"',
    ]
    for other in range(LINES - 1):
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


def directive(place: int) -> Directive:
    """A wish that one agency recorded: everybody may hear, one agency no more than that there is something."""
    alone = people.permit(f"ORG{place}", "early-help", "status", "contact")
    everybody = people.permit("", "early-help", "existence", "status", "contact")
    del everybody["actor"]
    if place % 4 == 0:
        everybody["provision"] = [{**alone, "type": "deny"}]
    made = people.consent(people.AMINA, people.AMINA, [everybody], agency=f"ORG{place}", when="2026-11-01")
    compiled = compile_consent(made, f"Consent/{place}/_history/1", f"ORG{place}", 1)
    assert compiled is not None
    return compiled


def main() -> None:
    purposes = load_purposes(Settings().mappings / "purposes.toml")
    begun = time.process_time()
    agreements = compile_agreements([document(place) for place in range(ORGANISATIONS)], purposes)
    result("policy_compile_seconds", time.process_time() - begun)
    directives = [directive(place) for place in range(CONSENTS)]
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    me = frozenset({f"{systems.NHS_NUMBER}|{people.AMINA.nhs}"})
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
    times = []
    for turn in range(DECISIONS):
        requester = Requester("c", f"ORG{turn % 20}", frozenset(), "u", "social-worker", frozenset({"early-help"}))
        asked = Asked(requester, "children-social-care", purposes["early-help"], at)
        subject = Subject(f"ORG{turn % ORGANISATIONS}", "self", me, True, at.date().replace(year=1990), "", {}, True)
        begun = time.perf_counter()
        decide(asked, subject, directives, [], agreements)
        times.append((time.perf_counter() - begun) * 1e6)
    say(f"  half of the decisions take at most {statistics.median(times):.0f} us")
    result("decision_p99_us", statistics.quantiles(times, n=100)[98])


if __name__ == "__main__":
    main()
