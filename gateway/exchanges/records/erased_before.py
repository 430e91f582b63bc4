"""A record of somebody who was erased comes again: it is taken, for it may be a new matter, and somebody looks at it.

Refusing it would hide a child from every lookup because of an old erasure; taking it silently would undo the erasure.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from gateway.exchanges.context import Context
from gateway.exchanges.records.erasures import erased_token
from gateway.exchanges.reviews import Matter, opening
from gateway.store import subjects
from gateway.store.ledger import Moment
from gateway.store.sql import Read

ERASED_BEFORE = "erased-before"


def look_at_return(ctx: Context, agency: str, row: str, named: Iterable[str], moment: Moment) -> Generator[Any, Any, None]:
    """An item in the sender's own queue where one of these identifiers was erased by it; once for a row."""
    listed = list(named)
    if not listed:
        return
    found = yield tuple(Read(subjects.ERASED_BEFORE, {"key": erased_token(ctx, agency, text)}) for text in listed)
    for text, rows in zip(listed, found, strict=True):
        for erasure in (columns[2] for columns in rows if columns[1] == agency):
            matter = Matter(agency, "", patient=text, why=(("erasure", erasure),))
            yield opening(ctx, ERASED_BEFORE, agency, matter, moment, row)
