"""Native record -> FHIR resources, driven by the data in ``mappings/``. Pure: no clock, no network, no store."""

from gateway.mapping.bundle import bundle
from gateway.mapping.explain import Line, check, explain
from gateway.mapping.formats import Format, Mappings
from gateway.mapping.load import MappingFault, load
from gateway.mapping.merge import merged, restated
from gateway.mapping.reading import formats, read
from gateway.mapping.records import Mapped, Op, Resource, Sender, Sourced, Unmatched
from gateway.mapping.unreadable import UnknownFormat, Unreadable

__all__ = [
    "Format",
    "Line",
    "Mapped",
    "MappingFault",
    "Mappings",
    "Op",
    "Resource",
    "Sender",
    "Sourced",
    "UnknownFormat",
    "Unmatched",
    "Unreadable",
    "bundle",
    "check",
    "explain",
    "formats",
    "load",
    "merged",
    "read",
    "restated",
]
