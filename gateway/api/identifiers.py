"""FHIR ids in paths: a path convertor, so that ``/Flag/{id}`` never swallows ``/Flag/_search``."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor


class FhirId(Convertor[str]):
    """``[A-Za-z0-9\\-.]{1,64}`` (FHIR R4, data type id)."""

    regex = r"[A-Za-z0-9\-.]{1,64}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


def register_convertors() -> None:
    """Make ``{id:fhirid}`` known to routes."""
    register_url_convertor("fhirid", FhirId())


def route_path(path: str) -> str:
    """The path of an operation as routes have it."""
    return path.replace("{id}", "{id:fhirid}").replace("{version}", "{version:fhirid}")
