"""Sets of tables as one file, as councils and trusts send them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path


def packed(**tables: str) -> bytes:
    """A ZIP of CSV tables by name."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in tables.items():
            archive.writestr(f"{name}.csv", text)
    return made.getvalue()


def content_of(example: Path) -> bytes:
    """The file of a worked example; a folder of tables goes as one ZIP."""
    if example.is_file():
        return example.read_bytes()
    return packed(**{table.stem: table.read_text(encoding="utf-8") for table in sorted(example.iterdir())})
