"""Purposes of use: what each needs of who asks, and the law behind it. Compiled from ``mappings/purposes.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from gateway.fhir.codes import AGENCY_KINDS


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
        """Whether the law and an agreement open the answer, not the person's wish."""
        return self.mode == "duty"


KEYS = {"display", "mode", "v3", "basis", "law", "asked_by", "case_of", "roles", "needs", "since"}
MODES = frozenset({"duty", "wish", "none"})
NEEDS = frozenset({"user", "role", "case-reference", "reason", "override"})
ALWAYS_UNDER_DUTY = frozenset({"user", "role", "case-reference"})  # behaviour section 2.1


def load_purposes(path: Path) -> dict[str, Purpose]:
    """All purposes by code. Raises PolicyFault naming the file and the purpose."""
    try:
        lines = tomllib.loads(path.read_bytes().decode())["purpose"]
    except (ValueError, KeyError) as fault:  # not TOML, not text, no purposes
        raise PolicyFault(f"{path}: {fault}") from fault
    return {code: _purpose(f"{path}: purpose {code}", code, line) for code, line in lines.items()}


def canonical(purposes: Mapping[str, Purpose]) -> bytes:
    """The purposes as bytes, the same for the same content: part of the version of the policy in force."""
    return "\n".join(_plain(purposes[code]) for code in sorted(purposes)).encode()


def _plain(purpose: Purpose) -> str:
    parts = (getattr(purpose, one.name) for one in fields(purpose))
    return "|".join(",".join(sorted(part)) if isinstance(part, frozenset) else str(part) for part in parts)


def _purpose(where: str, code: str, line: dict[str, Any]) -> Purpose:
    faults = [f"unknown setting {key}" for key in sorted(set(line) - KEYS)]
    faults += [
        f"{key} must be a list of texts" for key in ("v3", "asked_by", "roles", "needs") if not _is_texts(line.get(key, []))
    ]
    if faults:
        raise PolicyFault(f"{where}: {'; '.join(faults)}")
    made = Purpose(
        code=code,
        display=str(line.get("display", "")),
        mode=str(line.get("mode", "")),
        v3=tuple(line.get("v3", ())),
        basis=str(line.get("basis", "")),
        law=str(line.get("law", "")),
        asked_by=frozenset(line.get("asked_by", ())),
        case_of=str(line.get("case_of", "")),
        roles=frozenset(line.get("roles", ())),
        needs=frozenset(line.get("needs", ())),
        since=line.get("since"),
    )
    _check(where, made)
    return made


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _check(where: str, made: Purpose) -> None:
    checks = {
        "display says what it is": bool(made.display),
        f"mode is {', '.join(sorted(MODES))}": made.mode in MODES,
        f"needs are among {', '.join(sorted(NEEDS))}": made.needs <= NEEDS,
        "kinds of agency are of the code system agency-kind": made.asked_by | {made.case_of} <= AGENCY_KINDS | {""},
        "since is a date": made.since is None or type(made.since) is date,
        "a duty names its basis and its law": not made.is_duty or bool(made.basis and made.law),
        "a duty needs user, role and case reference": not made.is_duty or made.needs >= ALWAYS_UNDER_DUTY,
    }
    faults = [f"not so: {text}" for text, holds in checks.items() if not holds]
    if faults:
        raise PolicyFault(f"{where}: {'; '.join(faults)}")
