"""Reading FHIR JSON: identifiers, codings and extensions, whatever the resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.fhir import systems
from gateway.fhir.codes import SENT_AS

Resource = Mapping[str, Any]


def identity(reference: Resource | None) -> str:
    """``system|value`` of a logical reference; empty where there is none. NHS numbers without spaces and hyphens."""
    return _token((reference or {}).get("identifier") or {})


def identifiers(resource: Resource) -> list[str]:
    """Every ``system|value`` among the identifiers of a resource. NHS numbers without spaces and hyphens."""
    return [token for one in resource.get("identifier", ()) if (token := _token(one))]


def _token(identifier: Resource) -> str:
    system, value = identifier.get("system"), identifier.get("value")
    if not system or not value:
        return ""
    if system == systems.NHS_NUMBER:  # however it was written, it must name the same person: a wish hangs on it
        value = str(value).replace(" ", "").replace("-", "")
    return f"{system}|{value}"


def nhs_number(resource: Resource) -> str:
    """The NHS number among the identifiers of a resource, empty where it has none."""
    mark = f"{systems.NHS_NUMBER}|"
    return next((token.removeprefix(mark) for token in identifiers(resource) if token.startswith(mark)), "")


def coding(concept: Resource | None, system_end: str) -> str:
    """The code of the first coding whose system ends so; empty where there is none."""
    for one in concept.get("coding", ()) if concept else ():
        if str(one.get("system", "")).endswith(system_end):
            return str(one.get("code", ""))
    return ""


def extension_of(resource: Resource, name: str) -> Resource | None:
    """One of our own extensions, by the end of its url."""
    for extension in resource.get("extension", ()):
        if str(extension.get("url", "")).endswith(f"/StructureDefinition/{name}"):
            found: Resource = extension
            return found
    return None


def extension_value(resource: Resource, name: str, element: str) -> Any:
    """The value of one of our own extensions; None where it is absent."""
    extension = extension_of(resource, name)
    return extension.get(element) if extension else None


def extension_parts(resource: Resource, name: str) -> dict[str, str]:
    """The parts of a complex extension of our own, by their names."""
    extension = extension_of(resource, name) or {}
    return {part["url"]: first_value(part) for part in extension.get("extension", ())}


def first_value(part: Resource) -> str:
    """The ``value[x]`` of an extension or parameter, as text."""
    return next((str(value) for key, value in part.items() if key.startswith("value")), "")


def is_doubtful(flag: Resource) -> bool:
    """Whether the record behind a Flag contradicts itself, so that nobody can say whether the involvement goes on."""
    return coding(flag.get("code"), "/CodeSystem/answer") == "cannot-say"


def flag_detail(flag: Resource) -> str:
    """The involvement-detail of a Flag as it may be sent; empty for markers, and where its record contradicts itself.

    Legal orders and detention are kept inside: what is known of them is that the person is looked after, in hospital,
    or with a community team (codes.SENT_AS).
    """
    if is_doubtful(flag):
        return ""
    detail = coding(flag.get("code"), "/CodeSystem/involvement-detail")
    return SENT_AS.get(detail, "looked-after" if detail.startswith("cla-") else detail)


def in_order(patient: dict[str, Any]) -> dict[str, Any]:
    """A person with the identifiers by their systems: the order in which they came in is no fact about anybody."""
    if "identifier" not in patient:
        return patient
    return {**patient, "identifier": sorted(patient["identifier"], key=lambda one: str(one.get("system", "")))}
