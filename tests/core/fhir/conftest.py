"""Valid examples of each type, one file each, and a way to spoil them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent / "examples"


@pytest.fixture(scope="session")
def example() -> Callable[[str], Any]:
    """A fresh copy of the example of a name."""
    return lambda name: json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def spoiled(example: Callable[[str], Any]) -> Callable[[str, str, Any], Any]:
    """An example with the value at a dotted path replaced, added, or (Ellipsis) taken away."""

    def spoil(name: str, path: str, value: Any) -> Any:
        resource = holder = example(name)
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in steps:
            holder = holder[step]
        if value is ...:
            del holder[last]
        elif isinstance(holder, list) and last == len(holder):
            holder.append(value)
        else:
            holder[last] = value
        return resource

    return spoil
