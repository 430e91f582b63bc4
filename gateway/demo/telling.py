"""How the story is told, on standard output, and how it is checked that it came out so."""

from __future__ import annotations

import textwrap
from typing import Any

import httpx

WIDTH = 96


class NotAsTold(Exception):
    """A step of the story did not come out as told."""


def say(text: str, *, gap: bool = True) -> None:
    """Plain words on standard output."""
    print(("\n" if gap else "") + textwrap.fill(text, WIDTH), flush=True)


def heading(text: str) -> None:
    """A step of the story begins."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def point(text: str) -> None:
    """One thing that happened."""
    print(textwrap.fill(text, WIDTH, initial_indent="  * ", subsequent_indent="    "), flush=True)


def check(holds: bool, what: str) -> None:
    """What is told must be so. Raises NotAsTold."""
    if not holds:
        raise NotAsTold(what)


def done(answer: httpx.Response, what: str, status: int = 200) -> Any:
    """The JSON of an answer that must have come out so."""
    check(answer.status_code == status, f"{what}: {answer.status_code} {answer.text[:300]}")
    return answer.json()
