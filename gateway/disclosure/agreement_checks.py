"""What a reviewer should see in agreements that compile: lines that never decide, lines that meet, gaps, ends.

Pure: the day and the registered agencies are arguments. A finding is an error only where a line can never decide; whoever
wrote it believes that it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

from gateway.disclosure.agreements import Agreements, Document, Line
from gateway.disclosure.purposes import Purpose
from gateway.fhir.codes import AGENCY_KINDS

SOON = timedelta(days=60)
ON_A_WISH = frozenset({"person-wish", "parental-responsibility", "best-interests", "attorney", "deputy"})
ANY_OTHER = ""  # a role that no line names


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. ``place`` names file and line, or the file alone; ``weight`` is error, warning or note."""

    weight: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.weight}: {self.text}"


def check_agreements(
    agreements: Agreements, purposes: Mapping[str, Purpose], on: date, agencies: Mapping[str, str] | None = None
) -> list[Finding]:
    """All findings, errors first. ``agencies`` are those registered, with their kinds; None where nobody knows them."""
    found = [finding for one in agreements.documents for finding in _ends(one, on)]
    standing = {one.name for one in agreements.documents if one.valid_from <= on <= one.valid_until}
    for name in [one.name for one in agreements.documents]:
        lines = lines_of(agreements, name)
        dead = [line for place, line in enumerate(lines) if unreachable(line, lines[:place], agencies or {})]
        found += [Finding("error", line.place, _why_dead(line, lines, agencies or {})) for line in dead]
        found += _dates(lines, on) if name in standing else []
        found += overlaps([line for line in lines if line not in dead], agencies or {})
        found += [one for line in lines if line.permits for one in against_law(line, purposes, on, agencies or {})]
    found += [gap for source in agreements.sources for gap in gaps(agreements, source, purposes, on, agencies)]
    return sorted(found, key=lambda one: ("error", "warning", "note").index(one.weight))


def lines_of(agreements: Agreements, document: str) -> list[Line]:
    """The lines of a document, each once, in the order in which they are tried."""
    found = {line.label: line for line in agreements.every_line() if line.document == document}
    return sorted(
        found.values(), key=lambda line: (line.label.startswith("default"), not line.receiver, int(line.label.split()[1]))
    )


# -- lines that never decide -------------------------------------------------------------------------------------------


def unreachable(line: Line, earlier: Iterable[Line], agencies: Mapping[str, str]) -> bool:
    """Whether earlier lines leave nothing for this one: every purpose, role and day of it is decided before."""
    if line.valid_from > line.valid_until:
        return True
    before = [one for one in earlier if _as_wide(one, line, agencies)]
    roles = line.roles or {ANY_OTHER, *(role for one in before for role in one.roles)}
    return all(
        _all_days(line, [one for one in before if _decides(one, purpose, role)]) for purpose in line.purposes for role in roles
    )


def _as_wide(earlier: Line, line: Line, agencies: Mapping[str, str]) -> bool:
    """Whether every receiver of a line is one of the earlier line's."""
    if earlier.receiver:
        return earlier.receiver == line.receiver
    kind = agencies.get(line.receiver) if line.receiver else line.receiver_kind
    return earlier.receiver_kind == kind


def _decides(line: Line, purpose: str, role: str) -> bool:
    return purpose in line.purposes and (not line.roles or role in line.roles)


def _all_days(line: Line, earlier: Iterable[Line]) -> bool:
    """Whether the days of earlier lines leave none of this one's."""
    open_from = line.valid_from
    for one in sorted(earlier, key=lambda one: one.valid_from):
        if one.valid_from > open_from:
            return False
        if one.valid_until >= line.valid_until:
            return True
        open_from = max(open_from, one.valid_until + timedelta(days=1))
    return False


def _why_dead(line: Line, lines: list[Line], agencies: Mapping[str, str]) -> str:
    if line.valid_from > line.valid_until:
        return "this line never decides: its dates lie outside of the document's"
    before = [one.label for one in lines[: lines.index(line)] if _meet(one, line, agencies)]
    return f"this line never decides: {', '.join(before)} always comes first"


# -- lines that meet ---------------------------------------------------------------------------------------------------


def overlaps(lines: list[Line], agencies: Mapping[str, str]) -> Iterator[Finding]:
    """Pairs of lines that could both match one question: the earlier one decides."""
    for earlier, later in combinations(lines, 2):
        if _meet(earlier, later, agencies):
            told = ", ".join(sorted(earlier.purposes & later.purposes))
            yield Finding("note", later.place, f"{earlier.label} comes first where both match ({told})")


def _meet(one: Line, other: Line, agencies: Mapping[str, str]) -> bool:
    in_time = one.valid_from <= other.valid_until and other.valid_from <= one.valid_until
    in_role = not one.roles or not other.roles or bool(one.roles & other.roles)
    return in_time and in_role and bool(one.purposes & other.purposes) and _same_receiver(one, other, agencies)


def _same_receiver(one: Line, other: Line, agencies: Mapping[str, str]) -> bool:
    """A named agency of which nobody knows the kind may be of any."""
    if bool(one.receiver) == bool(other.receiver):
        return (one.receiver, one.receiver_kind) == (other.receiver, other.receiver_kind)
    named, kind = (one, other) if one.receiver else (other, one)
    return agencies.get(named.receiver, kind.receiver_kind) == kind.receiver_kind


# -- what the law lets nobody ask, or not so -----------------------------------------------------------------------------


def against_law(line: Line, purposes: Mapping[str, Purpose], on: date, agencies: Mapping[str, str]) -> Iterator[Finding]:
    """Purposes that the line's receivers may never claim, that are not in force yet, or that rest on something else."""
    kind, named = _kind(line, agencies), {code: purposes[code] for code in sorted(line.purposes & purposes.keys())}
    barred = [code for code, one in named.items() if kind and one.asked_by and kind not in one.asked_by and not one.case_of]
    if barred:
        never = len(barred) == len(line.purposes)
        text = f"{kind} may not ask for {', '.join(barred)}"
        yield Finding("error" if never else "warning", line.place, f"this line never decides: {text}" if never else text)
    for code, one in named.items():
        if one.since is not None and one.since > on:
            yield Finding("warning", line.place, f"the law of {code} is not in force before {one.since}")
        if one.is_duty and line.basis in ON_A_WISH:
            yield Finding("warning", line.place, f"no wish is looked for under {code}: it does not rest on {line.basis}")


# -- time --------------------------------------------------------------------------------------------------------------


def _ends(document: Document, on: date) -> Iterator[Finding]:
    if document.valid_until < on:
        yield Finding("warning", document.name, f"this document ran out on {document.valid_until}: it shares nothing")
    elif document.valid_from > on:
        yield Finding("note", document.name, f"this document is not in force before {document.valid_from}")
    elif document.valid_until <= on + SOON:
        yield Finding("warning", document.name, f"this document runs out on {document.valid_until}: within {SOON.days} days")


def _dates(lines: Iterable[Line], on: date) -> Iterator[Finding]:
    for line in lines:
        if line.valid_until < on and line.valid_from <= line.valid_until:
            yield Finding("warning", line.place, f"this line ran out on {line.valid_until}")
        elif line.valid_from > on:
            yield Finding("note", line.place, f"this line is not in force before {line.valid_from}")


# -- gaps --------------------------------------------------------------------------------------------------------------


def gaps(
    agreements: Agreements, source: str, purposes: Mapping[str, Purpose], on: date, agencies: Mapping[str, str] | None
) -> Iterator[Finding]:
    """Purposes for which an organisation shares nothing today, and kinds of agency with which it does not."""
    lines = [line for line in agreements.every_line() if line.source == source and line.valid_from <= on <= line.valid_until]
    sharing = [line for line in lines if line.permits]
    if not sharing:
        yield from (Finding("warning", name, f"{source} shares nothing") for name in sorted({line.document for line in lines}))
        return
    place = Counter(line.document for line in sharing).most_common(1)[0][0]
    without = sorted(set(_asked_for(purposes)) - {code for line in sharing for code in line.purposes})
    if without:
        yield Finding("note", place, f"{source} shares nothing for: {', '.join(without)}")
    others = sorted(_kinds(source, agencies) - {_kind(line, agencies or {}) for line in sharing})
    if others:
        yield Finding("note", place, f"{source} shares nothing with: {', '.join(others)}")


def _asked_for(purposes: Mapping[str, Purpose]) -> list[str]:
    return [code for code, purpose in purposes.items() if purpose.mode != "none"]


def _kinds(source: str, agencies: Mapping[str, str] | None) -> set[str]:
    """The kinds of agency that could ask: those registered beside the source, or all that there are."""
    if agencies is None:
        return set(AGENCY_KINDS)
    return {kind for code, kind in agencies.items() if code != source}


def _kind(line: Line, agencies: Mapping[str, str]) -> str:
    return line.receiver_kind or agencies.get(line.receiver, "")
