"""An agency as resources of its own: the Organization, and its desks as PractitionerRoles with an id."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from gateway.fhir import systems

Resource = dict[str, Any]
NOT_IN_AN_ID: Final = re.compile(r"[^A-Za-z0-9\-.]")
LONGEST: Final = 58  # of the 64 marks of an id, so that a desk's number has room behind it


def organization(code: str, name: str, kind: str, base: str = systems.BASE) -> Resource:
    """An agency by its ODS code, name and kind."""
    return {
        "resourceType": "Organization",
        "id": _id(code),
        "identifier": [{"system": systems.ODS_CODE, "value": code}],
        "active": True,
        "type": [{"coding": [{"system": systems.code_system("agency-kind", base), "code": kind}]}],
        "name": name,
    }


def roles(code: str, desks: Iterable[Resource]) -> list[Resource]:
    """An agency's desks, each by the agency's id and its place among them, from 1."""
    return [{**desk, "id": f"{_id(code)}-{place}"} for place, desk in enumerate(desks, 1)]


def _id(code: str) -> str:
    """An ODS code as a FHIR id."""
    return NOT_IN_AN_ID.sub("-", code)[:LONGEST]
