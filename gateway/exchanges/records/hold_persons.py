"""Nobody decides on a person, and nobody else writes their row, while one exchange writes it.

A row may be named by any of its numbers, and two who name different ones hold nothing in common by that. So the row is
held too: by its NHS numbers, under which decisions hold the person; where it has none, by all of its sender's own numbers
if all of them are named, else as a row.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from gateway.exchanges.records.persons import Desk
from gateway.store.people import OWN_BY_TOKEN, TOKENS_BESIDE
from gateway.store.sql import Hold, Read, Row


def hold_persons(desk: Desk, named: Iterable[str]) -> Generator[Any, Any, None]:
    """Hold everybody whom these identifiers ``system|value`` name, until the commit. Their rows are read by the way, and
    again where more had to be held: what is read before may change until then. Raises Unprocessable for what is no NHS
    number."""
    tokens = {desk.token(text)[0] for text in named}
    if not tokens:
        return
    held = set(tokens)
    yield Hold(tuple(held))
    while missing := (yield from _behind(desk, tokens)) - held:
        yield Hold(tuple(missing))
        held |= missing
        desk.forget_all()


def _behind(desk: Desk, tokens: set[bytes]) -> Generator[Any, Any, set[bytes]]:
    """What has to be held of the rows that these tokens lead to, beside the tokens."""
    asked = list(tokens)
    reads = [Read(one, {"token": token, "agency": desk.agency}) for one in (OWN_BY_TOKEN, TOKENS_BESIDE) for token in asked]
    found = yield tuple(reads)
    for token, rows in zip(asked, found, strict=False):
        desk.learn(token, rows)
    return {one for beside in found[len(asked) :] for one in _of_row(desk, beside, tokens)}


def _of_row(desk: Desk, beside: list[Row], named: set[bytes]) -> set[bytes]:
    """What has to be held of a row with these tokens."""
    numbers = {bytes(token) for _, token, kind in beside if kind == "nhs"}
    if numbers or all(bytes(token) in named for _, token, _ in beside):
        return numbers
    return {desk.ctx.vault.token("hold-row", beside[0][0])}
