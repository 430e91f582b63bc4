"""What came of a file, for its sender: counts per rule, what was found, the first examples; of the sender's own records alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.fhir.outcomes import Issue, outcome
from gateway.mapping.records import Mapped

MOST_ISSUES = 200
KEPT_ISSUES = 20_000
EXAMPLES = 3
COUNTS = ("received", "accepted", "refused", "written")


@dataclass(slots=True)
class Report:
    """What came of a file, for its sender: computed from the sender's own records alone."""

    received: int = 0
    accepted: int = 0
    refused: int = 0
    written: int = 0
    notices: int = 0
    issues: list[Issue] = field(default_factory=list)
    more: int = 0
    unmatched: dict[tuple[str, str], int] = field(default_factory=dict)
    unapproved: list[str] = field(default_factory=list)  # formats whose map no approver of the sender has approved
    rules: Counter[str] = field(default_factory=Counter)  # resources by the record map that made them

    def note(self, mapped: Mapped) -> None:
        """A record was read: what is to be said of it, and by which rules its resources were made."""
        self.received += 1
        self.warn(mapped, mapped.warnings)
        self.rules.update(f"{mapped.version}/{one.rule}" for one in mapped.resources)
        for one in mapped.unmatched:
            key = (f"{mapped.version}/{one.table}", one.code)
            self.unmatched[key] = self.unmatched.get(key, 0) + 1

    def warn(self, mapped: Mapped, issues: Iterable[Issue]) -> None:
        """What a record leaves in doubt, by itself or beside what is stored."""
        self.find([Issue(one.text, one.code, at(mapped, one), "warning") for one in issues])

    def take(self, written: int, notices: int) -> None:
        """A record was applied."""
        self.accepted += 1
        self.written += written
        self.notices += notices

    def refuse(self, issues: list[Issue]) -> None:
        """A record was refused, and why."""
        self.refused += 1
        self.find(issues)

    def find(self, issues: list[Issue]) -> None:
        """Keep what was found; of a very long file the first, and how many more there were."""
        room = max(KEPT_ISSUES - len(self.issues), 0)
        self.issues += issues[:room]
        self.more += len(issues[room:])

    def as_fhir(self) -> dict[str, Any]:
        """Parameters with counts, counts per rule with the first examples, and an OperationOutcome of what was found."""
        parameters: list[dict[str, Any]] = [{"name": name, "valueUnsignedInt": getattr(self, name)} for name in COUNTS]
        parameters += [
            {"name": "unmatched", "part": [
                {"name": "table", "valueString": table},
                {"name": "code", "valueString": code},
                {"name": "count", "valueUnsignedInt": count},
            ]}
            for (table, code), count in sorted(self.unmatched.items())
        ]  # fmt: skip
        parameters += [{"name": "unapproved", "valueString": name} for name in self.unapproved]
        parameters += [_counted("rule", name, count) for name, count in sorted(self.rules.items())]
        parameters += [_counted("finding", text, count, places) for text, (count, places) in self._by_text().items()]
        if self.issues:
            parameters.append({"name": "outcome", "resource": outcome(self.findings())})
        return {"resourceType": "Parameters", "parameter": parameters}

    def _by_text(self) -> dict[str, tuple[int, list[str]]]:
        """How often each rule of the gateway was broken, errors first, with the first places."""
        found: dict[str, tuple[int, list[str]]] = {}
        for one in sorted(self.issues, key=lambda one: one.severity != "error"):
            count, places = found.get(one.text, (0, []))
            found[one.text] = (count + 1, places if len(places) >= EXAMPLES else [*places, one.where])
        return found

    def findings(self) -> list[Issue]:
        """What was found, errors before warnings; a last line says how many more there are than are shown."""
        ordered = sorted(self.issues, key=lambda one: one.severity != "error")
        more = len(ordered) - MOST_ISSUES + self.more
        rest = [Issue(f"{more} more findings are not listed.", "informational", severity="information")] if more > 0 else []
        return ordered[:MOST_ISSUES] + rest

    def state(self) -> dict[str, Any]:
        """The report as it stands, as JSON, so that a load that was broken off goes on with it."""
        plain = {name: getattr(self, name) for name in (*COUNTS, "notices", "more")}
        issues = [{**asdict(one), "coding": None} for one in self.issues]
        unmatched = [[*key, count] for key, count in self.unmatched.items()]
        more = {"unmatched": unmatched, "rules": dict(self.rules), "unapproved": self.unapproved}
        return {"counts": plain, "issues": issues, **more}

    def go_on(self, state: dict[str, Any]) -> None:
        """Take up the report of a load that was broken off."""
        for name, value in state.get("counts", {}).items():
            setattr(self, name, value)
        self.issues = [Issue(one["text"], one["code"], one["where"], one["severity"]) for one in state.get("issues", ())]
        self.unmatched = {(table, code): count for table, code, count in state.get("unmatched", ())}
        self.rules = Counter(state.get("rules", {}))
        self.unapproved = list(state.get("unapproved", ()))


def _counted(name: str, text: str, count: int, places: list[str] | None = None) -> dict[str, Any]:
    shown = [{"name": "example", "valueString": place} for place in places or () if place]
    parts = [{"name": "text", "valueString": text}, {"name": "count", "valueUnsignedInt": count}, *shown]
    return {"name": name, "part": parts}


def at(mapped: Mapped, issue: Issue) -> str:
    """A place in the file; a map's own places already begin with the record's."""
    if not issue.where or issue.where.startswith(mapped.where):
        return issue.where or mapped.where
    return f"{mapped.where}: {issue.where}"
