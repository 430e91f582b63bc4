"""Whether a resource is valid FHIR R4 4.0.1: structure, primitives, required value sets, invariants, reference targets.

The only import of the FHIR library in the gateway, and lazy: the model of a type is loaded when the type is first met.
The library has R4B models; for the types used here they have the same elements as R4 4.0.1, which a test pins. They
give the shapes that the walk goes by, and a second opinion once the walk has found nothing. Check digits of NHS
numbers, profiles and policy are judged elsewhere.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from gateway.fhir.bundles import WHOLE, across_entries
from gateway.fhir.outcomes import Issue
from gateway.fhir.walk import MOST_ISSUES, Walk

FHIR_VERSION = "4.0.1"
SLIPS = frozenset({"uuid_version"})  # what the library refuses though R4 allows it


def validate(resource: Any, *, expected: str | None = None, second_opinion: bool = True) -> list[Issue]:
    """Everything wrong with a resource of any R4 type, each finding with its FHIRPath; empty where it is valid.

    Takes any JSON value and never raises. Findings of severity ``warning`` do not make it invalid: see ``errors``.
    Entries of a Bundle and contained resources are walked too. ``expected`` names the one type that may come.
    A finding never repeats a value of the resource.

    ``second_opinion=False`` leaves out the library, four fifths of the time: a test holds that it finds nothing that the
    walk does not, so this is for large loads and for what we made ourselves.
    """
    return _validated(resource, expected, second_opinion).issues


def validate_bundle(bundle: Any, *, second_opinion: bool = True) -> list[Issue]:
    """As ``validate`` for a Bundle; in a message or collection also what holds across its entries."""
    walk = _validated(bundle, "Bundle", second_opinion)
    if isinstance(bundle, dict) and bundle.get("type") in tuple(WHOLE):
        walk.issues += across_entries(bundle, walk.references)[:MOST_ISSUES]
    return walk.issues


def errors(issues: list[Issue]) -> list[Issue]:
    """The findings that make a resource invalid."""
    return [issue for issue in issues if issue.severity in ("error", "fatal")]


def _validated(resource: Any, expected: str | None, second_opinion: bool) -> Walk:
    walk = Walk(model)
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    if expected is not None and isinstance(name, str) and name != expected:
        walk.issues.append(Issue(f"A {expected} belongs here.", "structure", "resourceType"))
        return walk
    walk.resource(resource)
    if second_opinion and not errors(walk.issues):
        walk.issues += _second_opinion(resource, str(name))
    return walk


@cache
def model(name: str) -> Any:
    """The library's model class of a type of R4; None where it has none."""
    from fhir.resources.R4B import get_fhir_model_class

    try:
        return get_fhir_model_class(name)
    except (ValueError, KeyError):
        return None


def _second_opinion(resource: Any, name: str) -> list[Issue]:
    """What the library refuses in a resource that the walk found no fault with."""
    try:
        model(name).model_validate(resource)
    except Exception as refused:  # a ValidationError, or whatever the library did not foresee
        found = refused.errors(include_url=False, include_input=False) if hasattr(refused, "errors") else [{"loc": ()}]
        return [Issue(_says(name), "structure", _path(name, each["loc"])) for each in found if not _is_slip(each)]
    return []


def _says(name: str) -> str:
    return f"The element does not fit the definition of {name} in R4."


def _is_slip(error: Any) -> bool:
    """A refusal that R4 does not share: any version of UUID, and extensions beside the value of an extension."""
    last = str(error["loc"][-1]) if error["loc"] else ""
    kind = error.get("type")
    return kind in SLIPS or (kind == "extra_forbidden" and last.startswith("_value"))


def _path(name: str, steps: tuple[Any, ...]) -> str:
    path = name
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if str(step).isalnum() else ""
    return path
