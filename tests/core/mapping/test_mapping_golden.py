"""Every worked example gives what its expected file says, and every resource is valid FHIR.

``UPDATE_GOLDEN=1 pytest tests/core/mapping/test_mapping_golden.py`` writes the expected files anew: read the difference
before it is committed, since each one is what somebody outside will be told.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from gateway.mapping import Mapped, Mappings, Sender, bundle, read
from tests.core.mapping.packed import content_of

RECORDS = Path(__file__).resolve().parents[3] / "mappings" / "records"
EXAMPLES = sorted([*RECORDS.glob("*@*/examples/*.in.*"), *RECORDS.glob("*@*/examples/*.tables")])


def shown(mapped: list[Mapped]) -> list[dict[str, Any]]:
    """The outcome of a file as JSON."""
    plain: list[dict[str, Any]] = json.loads(json.dumps([asdict(one) for one in mapped]))
    for issue in (issue for one in plain for issue in (*one["warnings"], *one["faults"])):
        issue.pop("coding", None)
    return plain


def expected_of(example: Path) -> Path:
    """The file beside an example that holds what it maps to."""
    return example.with_name(example.name.split(".in.")[0].removesuffix(".tables") + ".expected.json")


def mapped(mappings: Mappings, example: Path, senders: dict[str, Sender]) -> list[Mapped]:
    """The outcome of an example."""
    fmt = example.parent.parent.name
    return list(read(mappings, fmt, content_of(example), senders[fmt.split("@")[0]]))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_an_example_maps_to_its_expected_file(mappings: Mappings, example: Path, senders: dict[str, Sender]) -> None:
    """What a reviewer reads beside the map is what the map does."""
    found = shown(mapped(mappings, example, senders))
    expected = expected_of(example)
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert found == json.loads(expected.read_text(encoding="utf-8"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_every_resource_of_an_example_is_valid_fhir(mappings: Mappings, example: Path, senders: dict[str, Sender]) -> None:
    """What we emit validates; a Flag of a partial record may lack the status that only the whole record gives."""
    for entry in bundle(mapped(mappings, example, senders)).get("entry", []):
        resource = entry["resource"]
        if resource["resourceType"] == "Flag":
            resource.setdefault("status", "active")
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_every_format_has_examples(mappings: Mappings) -> None:
    """No format ships without a worked example."""
    shown_formats = {path.parent.parent.name for path in EXAMPLES}
    assert shown_formats == {one.label for one in mappings.formats.values()}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_every_resource_names_the_map_that_made_it(mappings: Mappings, example: Path, senders: dict[str, Sender]) -> None:
    """So that whoever holds it can be told which lines made it; mothers of a dataset are a rule of a table of its own."""
    for one in mapped(mappings, example, senders):
        known = {*mappings.formats[one.version].maps, "ssd_mother"}
        assert {item.rule for item in one.resources} <= known
