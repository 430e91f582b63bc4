"""What a subscription narrows its topic to: one person or a case list, and the agency, service and urgency it hears of.

Filters are written as the backport guide has it: ``param=value``, ``param:modifier=value``, ``Type.param=value`` or
``Type?param=value``; several of them, as extensions or joined by ``&``, must all hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.fhir import systems
from gateway.identity import nhs_number

SERVICES = (
    "children-social-care", "early-help", "adult-mental-health", "camhs", "perinatal-mental-health", "drug-alcohol",
)  # fmt: skip
URGENT, ROUTINE = "urgent", "routine"
ONE_FILTER = re.compile(r"(?:[A-Z]\w*[?.])?(?P<name>[a-z]+(?::[a-z]+)?)=(?P<value>[^&,]{1,256})")
LIST_ID = re.compile(r"Group/([A-Za-z0-9\-.]{1,64})")
ODS = re.compile(r"[A-Za-z0-9]{1,16}")
SUPPORTED = (
    f"patient:identifier={systems.NHS_NUMBER}|number",
    "patient:in=Group/id",
    f"author:identifier={systems.ODS_CODE}|code",
    "service=code",
    "priority=urgent|routine",
)


class FilterFault(Exception):
    """A filter that is not supported, or says nothing; the text says which are, and repeats no value."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom and what a subscription is about. Of ``nhs`` and ``case_list`` one is given, or neither: then about nobody."""

    nhs: str = ""
    case_list: str = ""  # id of a Group
    owner: str = ""  # ODS code of the agency whose record it is
    service: str = ""
    urgency: str = ""

    @property
    def about_somebody(self) -> bool:
        """Whether it names a person or a list of people."""
        return bool(self.nhs or self.case_list)

    def takes_source(self, owner: str, service: str) -> bool:
        """Whether it hears of this agency's record of this service; an agency that is not named is given as empty."""
        return self.owner in ("", owner) and self.service in ("", service)

    def takes_urgency(self, *, urgent: bool) -> bool:
        """Whether it hears of this, judged on the topic as it would be told: the true one might tell what the tier keeps back."""
        return self.urgency in ("", URGENT if urgent else ROUTINE)


def read_filters(stated: Iterable[str], url: str = "") -> Wanted:
    """The filters of a subscription; ``url`` is our own FHIR base, before which a list may stand. Raises FilterFault."""
    wanted = Wanted()
    for text in (part for one in stated for part in one.split("&")):
        found = ONE_FILTER.fullmatch(text)
        member = None if found is None else _read(found["name"], found["value"], url)
        if member is None:
            raise FilterFault(f"Filters are {'; '.join(SUPPORTED)}.")
        if getattr(wanted, member[0]) or (member[0] in PERSONS and wanted.about_somebody):
            raise FilterFault("One person or one case list is named, and each other filter once.")
        wanted = replace(wanted, **dict((member,)))
    return wanted


PERSONS = ("nhs", "case_list")
WRONG_DIGITS = "The filter's NHS number is not valid: check its digits."


def _read(name: str, value: str, url: str) -> tuple[str, str] | None:
    """The member of Wanted that a filter sets, and to what; None where it is not supported. Raises FilterFault."""
    system, bar, code = value.rpartition("|")
    if name == "patient:identifier" and system == systems.NHS_NUMBER:
        number = nhs_number.parse(code)
        if number is None:
            raise FilterFault(WRONG_DIGITS)
        return "nhs", number
    if name == "patient:in" and (found := LIST_ID.fullmatch(value.removeprefix(f"{url}/"))):
        return "case_list", found[1]
    if name == "author:identifier" and system == systems.ODS_CODE and ODS.fullmatch(code):
        return "owner", code
    if name == "service" and code in SERVICES and (not bar or system.endswith("/CodeSystem/service")):
        return "service", code
    return ("urgency", value) if name == "priority" and value in (URGENT, ROUTINE) else None
