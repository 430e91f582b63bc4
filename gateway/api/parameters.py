"""Reading a FHIR Parameters resource: each part by name, every fault with its place."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from gateway.fhir import systems
from gateway.fhir.outcomes import Unprocessable
from gateway.identity import nhs_number

Part = dict[str, Any]
CODE = re.compile(r"\S+( \S+)*")
ROLE = re.compile(r"[a-z][a-z0-9-]{0,63}")
LONGEST = 256


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a Parameters resource, or of one of its parameters. Reading one raises Unprocessable naming it."""

    named: dict[str, list[Part]]
    where: str = "Parameters.parameter"

    def __contains__(self, name: str) -> bool:
        return name in self.named

    def place(self, name: str) -> str:
        """Where a part stands, for an issue."""
        return f"{self.where}({name})"

    def all(self, name: str) -> list[Part]:
        """Every part of this name."""
        return self.named.get(name, [])

    def code(self, name: str, known: Collection[str] = ()) -> str:
        """The code of a part that stands once."""
        return self.codes(name, known)[0]

    def codes(self, name: str, known: Collection[str] = ()) -> list[str]:
        """The codes of a part, as valueCode or valueCoding; where ``known`` is given no others."""
        found = [_code(part) for part in self.all(name)]
        for code in found:
            if code is None or len(code) > LONGEST or not CODE.fullmatch(code):
                raise Unprocessable(f"{name} needs a code.", where=self.place(name), code="required")
            if known and code not in known:
                text = f"This {name} is not known; known are {', '.join(sorted(known))}."
                raise Unprocessable(text, where=self.place(name), code="code-invalid")
        return [code for code in found if code]

    def identifier(self, name: str, system: str = "") -> str:
        """``system|value`` of a part; the value alone where one system is asked for. NHS numbers are checked."""
        return self.identifiers(name, system)[0]

    def identifiers(self, name: str, system: str = "") -> list[str]:
        """As ``identifier``, for a part that may be repeated."""
        return [self._identifier(part, name, system) for part in self.all(name)]

    def _identifier(self, part: Part, name: str, system: str) -> str:
        stated = part.get("valueIdentifier")
        if stated is None and isinstance(part.get("valueReference"), dict):
            stated = part["valueReference"].get("identifier")
        found, value = (stated.get("system"), stated.get("value")) if isinstance(stated, dict) else (None, None)
        if (
            not isinstance(found, str)
            or not isinstance(value, str)
            or not found
            or not value.strip()
            or len(found + value) > LONGEST
        ):
            raise Unprocessable(f"{name} needs an identifier with system and value.", where=self.place(name), code="required")
        if system and found != system:
            raise Unprocessable(f"{name} is named by an identifier of {system}.", where=self.place(name), code="value")
        if found == systems.NHS_NUMBER:
            number = nhs_number.parse(value)
            if number is None:
                raise Unprocessable("This is not an NHS number with a valid check digit.", where=self.place(name), code="value")
            value = number
        return value.strip() if system else f"{found}|{value.strip()}"

    def text(self, name: str, kinds: tuple[str, ...]) -> str:
        """The text of a part in one of these forms (valueDate, valueId)."""
        part = self.all(name)[0]
        value = next((part[kind] for kind in kinds if kind in part), None)
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
            raise Unprocessable(f"{name} needs a {kinds[0]}.", where=self.place(name), code="required")
        return value

    def inner(self, part: Part, name: str, once: frozenset[str], many: frozenset[str], required: tuple[str, ...] = ()) -> Parts:
        """The parts of one part."""
        return _read(part.get("part"), once, many, required, f"{self.place(name)}.part")


def _code(part: Part) -> str | None:
    coding = part.get("valueCoding")
    code = coding.get("code") if isinstance(coding, dict) else part.get("valueCode")
    return code if isinstance(code, str) else None


def read_parts(body: Any, once: frozenset[str], many: frozenset[str], required: tuple[str, ...] = ()) -> Parts:
    """A Parameters resource whose parameters have these names. Raises Unprocessable for others, repeated, or lacking ones."""
    if not isinstance(body, dict) or body.get("resourceType") != "Parameters":
        raise Unprocessable("The body must be a Parameters resource.", where="Parameters", code="structure")
    return _read(body.get("parameter"), once, many, required, "Parameters.parameter")


def _read(listed: Any, once: frozenset[str], many: frozenset[str], required: tuple[str, ...], where: str) -> Parts:
    if not isinstance(listed, list) or not listed:
        raise Unprocessable("A list of named parts is due.", where=where, code="structure")
    named: dict[str, list[Part]] = {}
    for number, part in enumerate(listed):
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str) or name not in once | many:
            text = f"Unknown parameter; known are {', '.join(sorted(once | many))}."
            raise Unprocessable(text, where=f"{where}[{number}]", code="not-supported")
        if name in once and name in named:
            raise Unprocessable(f"{name} may be given once.", where=f"{where}[{number}]", code="structure")
        named.setdefault(name, []).append(part)
    for name in required:
        if name not in named:
            raise Unprocessable(f"{name} is required.", where=f"{where}({name})", code="required")
    return Parts(named, where)


def concept(name: str, code: str, base: str) -> Part:
    """A part with a code of our code system of the same name."""
    return {"name": name, "valueCodeableConcept": {"coding": [{"system": systems.code_system(name, base), "code": code}]}}
