"""Forms said once: each field with its words, how it is read, and what to do where it is not right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.fhir.dates import whole_day
from gateway.fhir.outcomes import GatewayError
from gateway.identity import nhs_number

Faults = list[tuple[str, str]]
Options = tuple[tuple[str, str], ...]
PHONE = re.compile(r"\+?[0-9][0-9 ()\-]{3,30}[0-9]( ?(ext|x)\.? ?[0-9]{1,6})?")
DEFAULTS = {
    "number": "Enter a NHS number: ten digits, as it is written on letters. This one is not a valid number.",
    "date": "Enter a day as it is offered, or as 2026-11-04.",
    "tel": "Enter a telephone number, such as 01632 960123.",
    "radio": "Choose one of the answers.",
    "select": "Choose one of the list.",
    "checks": "Choose as it is offered.",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``kind``: text, area, number (NHS number), date, tel, radio, select or checks."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    options: Options = ()
    optional: bool = False
    most: int = 100  # characters
    least: int = 1
    fault: str = ""

    @property
    def to_do(self) -> str:
        """What to do where it is missing or not right."""
        return self.fault or DEFAULTS.get(self.kind) or f"Enter {self.least} to {self.most} characters."

    def read(self, form: Mapping[str, str]) -> Any:
        """What was entered: a text, or the codes of what was ticked."""
        if self.kind == "checks":
            return tuple(code for code, _ in self.options if f"{self.name}.{code}" in form)
        text = form.get(self.name, "").strip()
        return nhs_number.parse(text) or text if self.kind == "number" else text

    def is_right(self, form: Mapping[str, str]) -> bool:
        """Whether it can be used; nothing at all is right where the field is optional."""
        value = self.read(form)
        if not value:
            return self.optional
        if self.kind in ("radio", "select"):
            return value in {code for code, _ in self.options}
        return self.kind == "checks" or (RIGHT.get(self.kind, lambda _: True)(value) and self.least <= len(value) <= self.most)


RIGHT = {
    "number": lambda text: nhs_number.parse(text) is not None,
    "date": lambda text: whole_day(text) is not None,
    "tel": lambda text: PHONE.fullmatch(text) is not None,
}


def read(fields: Iterable[Field], form: Mapping[str, str]) -> tuple[dict[str, Any], Faults]:
    """What was entered, by field; and the fields that are not right, in their order."""
    listed = list(fields)
    return {one.name: one.read(form) for one in listed}, [(one.name, one.to_do) for one in listed if not one.is_right(form)]


def fault_of(error: GatewayError, fields: Iterable[Field]) -> Faults:
    """A refusal of an exchange, by the field that it names; by the first where it names none of these."""
    names = [one.name for one in fields]
    return [(issue.where if issue.where in names else names[0], issue.text) for issue in error.issues]
