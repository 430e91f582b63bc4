"""Coverage-guided bytes for every reader of records: ``python -m tests.data.fuzz.readers [libFuzzer options] CORPUS``.

The first byte of an input chooses the format. A reader may refuse what it cannot read; any other exception, a hang or a
growing memory ends the run with a crash, which is what the test looks for.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gateway.mapping", "gateway.fhir"]):
    from gateway.fhir.systems import NHS_NUMBER
    from gateway.mapping import Sender, Unreadable, formats, load, read

ROOT = Path(__file__).resolve().parents[3]
MAPPINGS = load(ROOT / "mappings")
NAMES = formats(MAPPINGS)
SENDER = Sender("EXC01", "999", {"NHS": NHS_NUMBER}, received="2025-06-15T09:00:00Z")


def one_input(data: bytes) -> None:
    """One file of one format, read to its end."""
    if data:
        try:
            for _ in read(MAPPINGS, NAMES[data[0] % len(NAMES)], data[1:], SENDER):
                pass
        except Unreadable:
            pass


def write_corpus(folder: Path) -> None:
    """The worked examples, so that the first inputs are files that are read."""
    for place, example in enumerate(sorted((ROOT / "mappings" / "records").glob("*@*/examples/*.in.*"))):
        name = example.parent.parent.name.split("@")[0]
        (folder / f"{place:03d}").write_bytes(bytes([NAMES.index(name)]) + example.read_bytes())


if __name__ == "__main__":
    write_corpus(Path(sys.argv[-1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
