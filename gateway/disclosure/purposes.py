"""Purposes of use: what each needs of who asks, and the law behind it. Compiled from ``mappings/purposes.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path


class PolicyFault(ValueError):
    """A line of policy that cannot be used; the text names file and line."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """One purpose of use. ``mode`` is duty, wish or none (about no person)."""

    code: str
    display: str
    mode: str
    v3: tuple[str, ...]
    basis: str
    law: str
    asked_by: frozenset[str]  # kinds of agency; empty: any
    case_of: str  # kind of agency whose case reference opens it to others
    roles: frozenset[str]  # empty: any
    needs: frozenset[str]  # user, role, case-reference, reason, override
    since: date | None

    @property
    def is_duty(self) -> bool:
        return self.mode == "duty"


KEYS = {"display", "mode", "v3", "basis", "law", "asked_by", "case_of", "roles", "needs", "since"}


def load_purposes(path: Path) -> dict[str, Purpose]:
    """All purposes by code. Raises PolicyFault."""
    try:
        lines = tomllib.loads(path.read_text())["purpose"]
    except (tomllib.TOMLDecodeError, KeyError) as fault:
        raise PolicyFault(f"{path}: {fault}") from fault
    return {code: _purpose(path, code, line) for code, line in lines.items()}


def _purpose(path: Path, code: str, line: dict[str, object]) -> Purpose:
    unknown = set(line) - KEYS
    if unknown or line.get("mode") not in ("duty", "wish", "none"):
        raise PolicyFault(f"{path}: purpose {code}: unknown setting {sorted(unknown) or line.get('mode')}")
    since = line.get("since")
    return Purpose(
        code=code,
        display=str(line["display"]),
        mode=str(line["mode"]),
        v3=_texts(line, "v3"),
        basis=str(line.get("basis", "")),
        law=str(line.get("law", "")),
        asked_by=frozenset(_texts(line, "asked_by")),
        case_of=str(line.get("case_of", "")),
        roles=frozenset(_texts(line, "roles")),
        needs=frozenset(_texts(line, "needs")),
        since=since if isinstance(since, date) else None,
    )


def _texts(line: dict[str, object], key: str) -> tuple[str, ...]:
    value = line.get(key, ())
    if not isinstance(value, (list, tuple)):
        raise PolicyFault(f"{key} must be a list")
    return tuple(str(text) for text in value)
