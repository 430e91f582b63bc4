"""The mappings of this repository, and made-up senders."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.fhir.systems import NHS_NUMBER
from gateway.mapping import Mapped, Mappings, Sender, load, read

REPO = Path(__file__).resolve().parents[3]
MAPPINGS = REPO / "mappings"
SAMPLES = REPO.parent / "shared" / "samples"
RECEIVED = "2025-06-15T09:00:00+00:00"
COUNCIL = Sender("EXC01", la_code="999", received=RECEIVED)
TRUST = Sender("EXT01", authorities={"NHS": NHS_NUMBER, "RIO": "https://trust.example/Id/rio"}, received=RECEIVED)
SENDERS = {
    "crosswalk": COUNCIL,
    "dfe-cin-census": COUNCIL,
    "dfe-csc-api": COUNCIL,
    "dfe-ssda903": COUNCIL,
    "fhir": COUNCIL,
    "hl7v2-adt": TRUST,
    "mhsds": TRUST,
    "relationships": COUNCIL,
    "ssd": COUNCIL,
}


@pytest.fixture(scope="session")
def mappings() -> Mappings:
    """The mappings as they ship."""
    return load(MAPPINGS)


@pytest.fixture(scope="session")
def senders() -> dict[str, Sender]:
    """Who usually sends each format."""
    return SENDERS


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the mappings that a test may spoil."""
    for part in ("records", "codes"):
        shutil.copytree(MAPPINGS / part, tmp_path / part)
    return tmp_path


Take = Callable[..., list[Mapped]]


@pytest.fixture
def take(mappings: Mappings) -> Take:
    """Reads bytes or text of a format from its usual sender."""

    def taken(fmt: str, data: bytes | str, sender: Sender | None = None) -> list[Mapped]:
        raw = data.encode() if isinstance(data, str) else data
        return list(read(mappings, fmt, raw, sender or SENDERS[fmt.partition("@")[0]]))

    return taken


@pytest.fixture(scope="session")
def samples() -> Path:
    """Real sample files of others, where they are at hand."""
    if not SAMPLES.is_dir():
        pytest.skip("the sample records are not beside this repository")
    return SAMPLES
