"""The two sides of a relationship: who each is to the other (codes.md, RelatedPerson).

``RelatedPerson.relationship`` says what the related person is to the patient; the other side is made by the table
of inverses, with the gender of the person it describes, and stays neutral where that is not known.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.fhir import codes, systems
from gateway.mapping.records import Resource
from gateway.mapping.values import Work

PARTNERS: Final = frozenset({"SPS", "DOMPART", "SIGOTHR", "HUSB", "WIFE"})
MORE_INVERSES: Final = {  # neutral, beside those of gateway.fhir.codes
    **{role: role for role in ("HSIB", "COUSN", "NBOR", "ROOM")},
    **dict.fromkeys(("HUSB", "WIFE"), "SPS"),
    **dict.fromkeys(("AUNT", "UNCLE"), "NIENEPH"),
    "PRNINLAW": "CHLDINLAW",
    "CHLDINLAW": "PRNINLAW",
}
CHILD_ROLES: Final = codes.CHILDREN | {"GRNDCHILD", "GRNDSON", "GRNDDAU"}


def related(person: Resource, roles: list[Resource], **parts: Any) -> Resource:
    """A RelatedPerson of ``person`` with the parts that are not empty."""
    base: Resource = {
        "resourceType": "RelatedPerson", "meta": {"profile": [systems.UKCORE_RELATED]}, "patient": person,
    }  # fmt: skip
    if roles:
        base["relationship"] = roles
    return {**base, **{name: value for name, value in parts.items() if value not in (None, [], {})}}


def role_of(concept: Resource) -> str:
    """The v3 role of a relationship; empty where it has none."""
    return next((one["code"] for one in concept.get("coding", []) if one.get("system") == systems.V3_ROLE), "")


def inverse(concept: Resource, gender: str = "") -> Resource:
    """What the other person is; in words only where the table of inverses has no line."""
    role = role_of(concept)
    found = (codes.inverse_role(role, gender) or MORE_INVERSES.get(role)) if role else None
    if found is not None:
        return {"coding": [{"system": systems.V3_ROLE, "code": found}]}
    words = concept.get("text") or next((one.get("display") or one["code"] for one in concept.get("coding", [])), "")
    return {"text": f"other side of: {words}"}


def ended(period: Resource, work: Work) -> bool:
    """Whether a relationship's end lies before the day of receipt, or on it."""
    end = str(period.get("end") or "")
    return bool(end) and (work.on is None or end <= work.on.isoformat())


def extension(name: str, element: str, value: Any, work: Work) -> Resource:
    """One of our extensions."""
    return {"url": systems.extension(name, work.base), element: value}


def responsibility(value: str, evidence: str, work: Work) -> Resource:
    """Parental responsibility, as recorded by the sender: never inferred from a role."""
    recorder = {"type": "Organization", "identifier": {"system": systems.ODS_CODE, "value": work.sender.agency}}
    parts: list[Resource] = [{"url": "value", "valueCode": value}]
    if evidence:
        parts.append({"url": "evidence", "valueString": evidence})
    parts.append({"url": "recordedBy", "valueReference": recorder})
    return {"url": systems.extension("parental-responsibility", work.base), "extension": parts}
