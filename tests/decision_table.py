"""The decision as a table: cases that anybody can read, in ``tests/data/decisions``, and the page that is made of them.

``python -m tests.decision_table`` writes ``docs/decision-table.md`` anew. Each file of cases says first what is usual;
a case names what is different. Wishes, ties and agreement lines are sentences, read here into FHIR Consents,
relationships and an agreement document.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.disclosure.agreements import Agreements
from gateway.disclosure.decision import Asked, Permit, Refuse, Subject, Tie, decide, gate
from gateway.disclosure.question import Withheld
from gateway.disclosure.rules import Directive
from gateway.fhir import systems
from gateway.fhir.dates import bounds
from tests.core.disclosure import made

ROOT = Path(__file__).parent.parent
CASES = ROOT / "tests" / "data" / "decisions"
PAGE = ROOT / "docs" / "decision-table.md"
PEOPLE = {
    "person": made.ME,
    "mother": made.MOTHER,
    "father": made.FATHER,
    "grandmother": made.GRAN,
    "person (local number)": "https://trust.example/id|7",
}
USUAL: dict[str, Any] = {
    "asks": "ward-nurse of TMH01, adult-mental-health",
    "purpose": "amh-care-planning",
    "brings": "user, case of children-social-care",
    "may_claim": "every purpose",
    "asked_for": "everything",
    "about": "self",
    "record": "certain, fresh",
    "withheld": [],
    "link": [],
    "age": 35,
    "hospital": [],
    "wishes": [],
    "ties": [],
    "agreement": ["default to any adult-mental-health for amh-care-planning or safeguarding-s47 tier 3 basis person-wish"],
    "document": "from 2026-01-01 until 2028-12-31",
    "at": "2026-11-21T12:00:00Z",
}
OUTCOMES = ("leaves", "basis", "obligations", "refused", "stopped")


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table: what is different from the usual, and what comes of it."""

    heading: str
    name: str
    usual: Mapping[str, Any]  # of its file
    stated: Mapping[str, Any]  # its own

    def __getitem__(self, column: str) -> Any:
        return {**USUAL, **self.usual, **self.stated}[column]

    @property
    def at(self) -> datetime:
        """The moment of the question."""
        return datetime.fromisoformat(self["at"].replace("Z", "+00:00"))


def read_cases() -> list[Case]:
    """Every case of every file, in order. A column that is not known is refused: it would be passed over in silence."""
    cases = []
    for path in sorted(CASES.glob("*.toml")):
        document = tomllib.loads(path.read_text())
        for stated in document["case"]:
            own = {key: value for key, value in stated.items() if key != "name"}
            unknown = {*own, *document.get("usual", {})} - {*USUAL, *OUTCOMES}
            if unknown:
                raise ValueError(f"{path.name}: {stated['name']}: unknown columns {sorted(unknown)}")
            cases.append(Case(document["heading"], stated["name"], document.get("usual", {}), own))
    return cases


def clauses(text: str, words: str) -> dict[str, list[str]]:
    """What follows each keyword, alternatives apart: "permit to A or B" is {"": ["permit"], "to": ["A", "B"]}."""
    keywords = words.split()
    found: dict[str, list[str]] = {"": [""]}
    current = found[""]
    for word in text.split():
        if word in keywords:
            current = found[word] = [""]
        elif word == "or":
            current.append("")
        else:
            current[-1] = f"{current[-1]} {word}".strip()
    return found


# --- wishes ---------------------------------------------------------------------------------------------------------

EFFECTS = {"permit": "permit", "refuse": "deny", "as the policy says": None}


def _actor(text: str) -> dict[str, Any]:
    kind, _, value = text.rpartition(" ")
    if kind == "somebody":
        return {"role": made.concept(systems.V3_PARTICIPATION, "IRCP"), "reference": {"reference": f"Organization/{value}"}}
    if kind in ("custodian", "primary"):
        return made.actor(value=value, role={"custodian": "CST", "primary": "PRCP"}[kind])
    if kind == "any":
        return made.kind_actor(value)
    return made.role_actor(value) if kind == "role" else made.actor(value=value)


def _purpose(code: str) -> dict[str, str]:
    return made.v3(code) if not code.islower() else made.purpose(code)


def _class(code: str) -> dict[str, str]:
    elsewhere = {"system": "http://hl7.org/fhir/resource-types", "code": code}
    return elsewhere if code == "Flag" else made.classes(code)[0]


BESIDE: dict[str, dict[str, Any]] = {
    "a clinical code": {"code": [made.concept(systems.SNOMED, "74732009")]},
    "a security label": {"securityLabel": [{"code": "PSY"}]},
    "named data": {"data": [{"meaning": "instance", "reference": {"reference": "Flag/1"}}]},
    "a data period": {"dataPeriod": {"start": "2020"}},
    "an unknown modifier": {"modifierExtension": [{"url": "https://elsewhere.example/unless", "valueBoolean": True}]},
    "an unknown element": {"unless": True},
    "an end that is unknown": {"period": {"start": "2020", "_end": {"extension": []}}},
}


def _rule(text: str) -> dict[str, Any]:
    """One provision without its exceptions."""
    said = clauses(text.removeprefix("except "), "to for of by from until while with asking")
    (effect,) = said[""]
    rule: dict[str, Any] = {"type": EFFECTS[effect]} if EFFECTS[effect] else {}
    lists = {"to": ("actor", _actor), "for": ("purpose", _purpose), "of": ("class", _class), "by": ("action", made.action)}
    for word, (element, read) in lists.items():
        if word in said:
            rule[element] = [read(value) for value in said[word]]
    period = {edge: said[word][0] for word, edge in (("from", "start"), ("until", "end")) if word in said}
    states = [one for state in said.get("while", []) for one in made.while_inpatient(state)]
    rule |= ({"period": period} if period else {}) | ({"modifierExtension": states} if states else {})
    if "asking" in said:
        rule["extension"] = [_asking(code) for code in said["asking"]]
    for name in said.get("with", []):
        rule |= BESIDE[name]
    return rule


def _asking(code: str) -> dict[str, Any]:
    """What the maker of a rule asks of those whom it lets hear."""
    return {"url": systems.extension("obligation"), "valueCoding": {"system": systems.code_system("obligation"), "code": code}}


def _provision(lines: list[str]) -> dict[str, Any]:
    """A rule and, indented below it, its exceptions with theirs."""
    rule, nested = _rule(lines[0].strip()), []
    depth = len(lines[1]) - len(lines[1].lstrip()) if len(lines) > 1 else 0
    for line in lines[1:]:
        if len(line) - len(line.lstrip()) == depth:
            nested.append([line])
        else:
            nested[-1].append(line)
    return {**rule, "provision": [_provision(block) for block in nested]} if nested else rule


STATUSES = {"withdrawn": "inactive", "rejected": "rejected", "draft": "draft", "proposed": "proposed", "entered in error": "entered-in-error"}  # fmt: skip
EXTENSIONS = {
    "had capacity": ("capacity", "had"), "lacked capacity": ("capacity", "lacked"), "capacity not assessed": ("capacity", "not-assessed"),
    "advance wish": ("wish-kind", "advance-wish"), "as attorney": ("wish-kind", "attorney"), "as deputy": ("wish-kind", "deputy"),
    "best interests": ("wish-kind", "best-interests"),
}  # fmt: skip
PARTS: dict[str, dict[str, Any]] = {
    "policy opt-in": {"policyRule": made.concept(systems.V3_ACT_CODE, "OPTIN")},
    "policy opt-out": {"policyRule": made.concept(systems.V3_ACT_CODE, "OPTOUT")},
    "policy opt-in with restrictions": {"policyRule": made.concept(systems.V3_ACT_CODE, "OPTINR")},
    "under another policy": {"policy": [{"uri": "https://elsewhere.example/policy"}]},
    "for another organisation": {"organization": [{"identifier": {"system": systems.ODS_CODE, "value": "TSN01"}}]},
    "in another category": {"category": [made.concept(systems.V3_ACT_CODE, "IDSCL")]},
    "about research": {"scope": made.concept(systems.CONSENT_SCOPE, "research")},
    "about treatment": {"scope": made.concept(systems.CONSENT_SCOPE, "treatment")},
    "of an unknown scope": {"scope": made.concept("https://elsewhere.example", "patient-privacy")},
    "not verified": {"verification": [{"verified": False}]},
    "with an unknown modifier": {"modifierExtension": BESIDE["an unknown modifier"]["modifierExtension"]},
    "with rules from elsewhere": {"implicitRules": "https://elsewhere.example/rules"},
    "without a maker": {"performer": None},
}


def read_wish(text: str, at: datetime) -> Directive | None:
    """A sentence as a FHIR Consent, compiled: "mother on 2026-11-01, had capacity: permit to TMH01"."""
    head, _, rule = text.strip().partition(": ")
    maker, *attributes = head.split(", ")
    who, _, when = maker.partition(" on ")
    undated = who.endswith(" undated")
    more: dict[str, Any] = {"on": None if undated else when, "extension": []}
    who = who.removesuffix(" undated")
    more["by"] = PEOPLE[who]
    if who == "person (local number)":
        more["of"] = PEOPLE[who]
    recorded = {"by": made.HOLDER, "at": (at - timedelta(hours=1)).isoformat()}
    for one in attributes:
        _attribute(one, more, recorded)
    body = made.consent(_provision(rule.split("\n")), **{"dateTime": more.pop("on"), **more})
    body = {name: value for name, value in body.items() if value not in (None, [])}
    return made.compiled_or_none(
        body, recorded["by"], f"Consent/{text}", datetime.fromisoformat(recorded["at"].replace("Z", "+00:00"))
    )


def _attribute(text: str, more: dict[str, Any], recorded: dict[str, str]) -> None:
    """What stands beside the maker of a statement."""
    if text in STATUSES:
        more["status"] = STATUSES[text]
    elif text in EXTENSIONS:
        more["extension"].append(made.extension(*EXTENSIONS[text]))
    elif text.startswith("recorded "):
        _, word, value = text.split()
        recorded[word] = value
    elif text.startswith("for the record of "):
        more["of"] = PEOPLE[text.removeprefix("for the record of ")]
    else:
        more.update(PARTS[text])


# --- ties, agreements, the question ---------------------------------------------------------------------------------

RESPONSIBILITY = {"holds": "yes", "does not hold": "no", "may hold": ""}


def read_tie(text: str) -> Tie:
    """A sentence as a relationship: "mother holds parental responsibility since 2020-01-01 (TLA01)"."""
    sentence, _, source = text.rstrip(")").partition(" (")
    who, _, rest = sentence.partition(" ")
    said = clauses(rest, "parental responsibility since until")
    since, until = (said.get(word, [""])[0] for word in ("since", "until"))
    return Tie(
        patient=made.ME,
        others=frozenset({PEOPLE[who]}),
        role="PRN",
        source=source,
        responsibility=RESPONSIBILITY[said[""][0]],
        responsible_from=bounds(since)[0] if since else None,
        responsible_until=bounds(until)[1] if until else None,
    )


def read_agreement(case: Case) -> Agreements:
    """Sentences as a document of the holder, compiled as any other: "exception refuse to TMH01 for early-help"."""
    document = clauses(case["document"], "from until accepts")
    head = f'source = "{made.HOLDER}"\nversion = "1"\nnegatives = "explicit"\n'
    head += f"valid_from = {document['from'][0]}\nvalid_until = {document['until'][0]}\n"
    head += "accepts_own_wishes = true\n" if "accepts" in document else ""
    return made.agreements(*(_line(text) for text in case["agreement"] or [""]), head=head)


def _line(text: str) -> str:
    if not text:
        return ""
    said = clauses(text, "to for role tier of basis obliges from until")
    part, *effect = said[""][0].split()
    lines = [f"[[{part}]]", f"purposes = {said['for']}", *(['effect = "refuse"'] if effect else [])]
    kind, _, name = said["to"][0].rpartition(" ")
    lines.append(f'{"receiver_kind" if kind else "receiver"} = "{name}"')
    lines += [f"tier = {said['tier'][0]}"] if "tier" in said else []
    lines += [f'basis = "{said["basis"][0]}"'] if "basis" in said else []
    lists = {"role": "roles", "of": "classes", "obliges": "obligations"}
    lines += [f"{name} = {said[word]}" for word, name in lists.items() if word in said]
    dates = {"from": "valid_from", "until": "valid_until"}
    lines += [f"{name} = {said[word][0]}" for word, name in dates.items() if word in said]
    return "\n" + "\n".join(lines) + "\n"


def read_asked(case: Case) -> Asked:
    """Who asks for what."""
    role, _, agency = case["asks"].partition(" of ")
    code, _, kind = agency.partition(", ")
    claims = frozenset(made.PURPOSES) if case["may_claim"] == "every purpose" else frozenset(case["may_claim"].split(", "))
    user = "u7" if "user" in case["brings"].split(", ") else ""
    who = made.requester(code, "" if role == "nobody" else role, user, claims)
    return made.asked(case["purpose"], kind, case.at, who, classes=read_classes(case["asked_for"]))


def read_classes(text: str) -> frozenset[str]:
    """Classes of data: a list, "everything", or "everything but" a list."""
    if text.startswith("everything"):
        return made.ALL - frozenset(text.removeprefix("everything").removeprefix(" but ").split(", "))
    return frozenset(text.split(", "))


def read_subject(case: Case) -> Subject:
    """About whom, as the holder has them."""
    words = case["record"].split(", ")
    restriction = next((word for word in words if word not in ("certain", "uncertain", "fresh", "stale")), "")
    hospital = {PEOPLE[who]: state == "in" for who, state in (text.split(" is ") for text in case["hospital"])}
    proof = tuple(_link(text) for text in case["link"])
    return made.subject(
        about=case["about"], certain="certain" in words, fresh="fresh" in words, restriction=restriction,
        birth_date=_born(case), inpatient=hospital, proof=proof, identities=frozenset({made.ME, PEOPLE["person (local number)"]}),
        withheld=tuple(read_withheld(text) for text in case["withheld"]),
    )  # fmt: skip


def read_withheld(text: str) -> Withheld:
    """A decision of the owner: "by a team manager for safeguarding-s47 or emergency from TLA02 until 2026-12-01"."""
    said = clauses(text, "by for from until")
    until = date.fromisoformat(said["until"][0]) if "until" in said else None
    return Withheld(text, frozenset(said.get("for", ())), frozenset(said.get("from", ())), until, said["by"][0])


def _link(text: str) -> Tie:
    """Who tells that this is a child or parent of the person asked about."""
    source, *more = text.split(", ")
    return made.tie(source=source, responsibility="", confirmed=more != ["unconfirmed"])


def _born(case: Case) -> date | None:
    """The birth date: stated, or so many years and a hundred days ago."""
    age = case["age"]
    if isinstance(age, int):
        return (case.at - timedelta(days=100)).date().replace(year=(case.at - timedelta(days=100)).year - age)
    return None if age == "unknown" else date.fromisoformat(age.removeprefix("born "))


def decide_case(case: Case, *, backwards: bool = False) -> tuple[str, Permit | Refuse]:
    """What comes of a case: ("stopped", ...) at the gate, else what the decision says."""
    asked, brings = read_asked(case), case["brings"].split(", ")
    owner = next((one.removeprefix("case of ") for one in brings if one.startswith("case of ")), None)
    owner = "" if owner == "somebody unknown" else owner
    stopped = gate(asked, owner, has_reason="reason" in brings, has_override="override" in brings)
    if stopped:
        return "stopped", Refuse(stopped)
    wishes = [one for one in (read_wish(text, case.at) for text in case["wishes"]) if one]
    ties = [read_tie(text) for text in case["ties"]]
    if backwards:
        wishes, ties = wishes[::-1], ties[::-1]
    found = decide(asked, read_subject(case), wishes, ties, read_agreement(case))
    return ("refused" if isinstance(found, Refuse) else "leaves"), found


def told(case: Case, *, backwards: bool = False) -> dict[str, str]:
    """The outcome in the words of the table."""
    word, found = decide_case(case, backwards=backwards)
    if isinstance(found, Refuse):
        return {word: found.reason}
    return {
        word: f"tier {found.tier}: {in_words(found.classes)}",
        "basis": found.basis,
        "obligations": ", ".join(found.obligations),
    }


def in_words(classes: frozenset[str]) -> str:
    """Classes as the table has them, always in the same order."""
    order = [code for code in ("existence", "status", "contact", "relative-identity", "marker", "detail") if code in classes]
    return "everything" if len(order) == len(made.ALL) else ", ".join(order)


# --- the page -------------------------------------------------------------------------------------------------------

INTRODUCTION = """# The decision, case by case

What may leave, to whom, on what word: every line is a test that is run with each change (`tests/data/decisions`). The
holder of the record is TLA01, the person asked about is "person". A wish reads: who, on which day, what they said;
an exception stands below what it excepts. Tiers: 0 existence, 1 status, 2 contact, relative's identity, marker, 3 detail.
"Stopped" is refused before any person is looked at. This page is written by `python -m tests.decision_table`.
"""
COLUMNS = {
    "asks": "asked by", "purpose": "for", "brings": "bringing", "may_claim": "token allows", "asked_for": "asked for",
    "about": "about", "record": "record", "withheld": "withheld by its owner", "link": "told to be family by", "age": "age", "hospital": "hospital",
    "wishes": "wishes", "ties": "responsibility", "agreement": "agreement", "document": "document", "at": "at",
}  # fmt: skip


def page() -> str:
    """The whole table as Markdown."""
    cases = read_cases()
    headings = dict.fromkeys(case.heading for case in cases)
    parts = [INTRODUCTION, f"{len(cases)} cases.\n"]
    for heading in headings:
        own = [case for case in cases if case.heading == heading]
        parts.append("\n".join([f"## {heading}\n", _usual(own[0]), *_rows(own)]) + "\n")
    return "\n".join(parts)


def _usual(case: Case) -> str:
    said = {**USUAL, **case.usual}
    parts = [f"{COLUMNS[name]}: {_cell(said[name])}" for name in COLUMNS if said[name] != []]
    return f"Unless a line says otherwise: {'; '.join(parts)}.\n"


def _rows(cases: Iterable[Case]) -> Iterator[str]:
    yield "| case | given | comes of it |"
    yield "|---|---|---|"
    for case in cases:
        given = [f"{COLUMNS[name]}: {_cell(case.stated[name])}" for name in COLUMNS if name in case.stated]
        outcome = [_outcome(name, case.stated[name]) for name in OUTCOMES if name in case.stated]
        yield f"| {case.name} | {'<br>'.join(given)} | {'<br>'.join(outcome)} |"


def _outcome(name: str, value: str) -> str:
    words = "" if name == "leaves" else f"{name}: "
    return f"{words}{value or 'none'}"


def _cell(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return "; ".join(text.strip().replace("\n", "<br>").replace("  ", "&nbsp;&nbsp;") for text in value) or "none"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"{len(read_cases())} cases in {PAGE.relative_to(ROOT)}")
