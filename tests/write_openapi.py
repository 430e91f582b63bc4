"""Writes ``openapi/gateway.json`` from the table of operations and the examples."""

import json
from pathlib import Path

from gateway.api import openapi

TARGET = Path(__file__).parent.parent / "openapi" / "gateway.json"


def text() -> str:
    """The description as it is committed."""
    return json.dumps(openapi.document(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text())
