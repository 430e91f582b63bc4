"""Writes ``openapi/gateway.json`` from the table of operations."""

import json
from pathlib import Path

from gateway.api import openapi

TARGET = Path(__file__).parent.parent / "openapi" / "gateway.json"

if __name__ == "__main__":
    TARGET.write_text(json.dumps(openapi.document(), indent=1, sort_keys=True) + "\n")
