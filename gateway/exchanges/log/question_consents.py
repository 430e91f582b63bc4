"""Disclosures that rest on a version of a consent which no longer stood: there must be none.

Each version that a disclosure names is compared with the time of the one that followed it, and with its own status. Where
the change has a line of its own in the log, that line's time counts: the log tells in the order in which things happened.
Else it is the time of the stored version, and what was disclosed within two seconds of it is not held against anybody: the
change may have waited for a decision that was being made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gateway.audit.entry import DONE
from gateway.audit.marks import FOR_OURSELVES
from gateway.audit.told import Facts
from gateway.exchanges.context import Context
from gateway.exchanges.log.find_entries import lines_up_to
from gateway.exchanges.log.search_audit import AuditQuery
from gateway.store import audit_marks, clock, consent_versions, people
from gateway.store.audit_log import mark_token
from gateway.store.ledger import Ledger, Rows
from gateway.store.sql import Read

ACTIVE = "active"
MOST = 500  # disclosures that are compared for one page
WAITED = 2 * clock.SECOND
Version = tuple[str, int]  # id of a consent, and its version
Place = tuple[int, str]


async def after_revocation(
    ctx: Context, ledger: Ledger, query: AuditQuery, _: Mapping[str, str]
) -> tuple[list[Facts], Place | None]:
    """Lines of disclosures that should not have been, with when their consent had ended."""
    query = replace(query, on_consent=True, subtype="disclose", outcome=DONE)
    lines, cursor = await lines_up_to(ctx, ledger, query, MOST)
    ends = await _ends(ctx, ledger, {one for line in lines for one in versions_of(line["consents"])})
    return [broken for line in lines for broken in _broken(line, ends)], cursor


def versions_of(text: str) -> list[Version]:
    """The versions that an entry names: ``Consent/x/_history/2, …``."""
    found = []
    for reference in filter(None, text.split(", ")):
        identifier, _, version = reference.removeprefix("Consent/").partition("/_history/")
        if version.isdigit():
            found.append((identifier, int(version)))
    return found


def _broken(line: Facts, ends: Mapping[Version, int]) -> Iterable[Facts]:
    """The line, once, where any version that it names had ended by then."""
    over = [ends[one] for one in versions_of(line["consents"]) if ends.get(one, line["when"] + 1) <= line["when"]]
    return [{**line, "ended": min(over)}] if over else []


async def _ends(ctx: Context, ledger: Ledger, wanted: set[Version]) -> dict[Version, int]:
    """When each version ended: 0 where it never stood."""
    listed = sorted(wanted)
    reads: list[Read] = []
    for identifier, version in listed:
        following = mark_token(ctx.vault, FOR_OURSELVES, "made", f"Consent/{identifier}/_history/{version + 1}")
        reads.append(Read(audit_marks.FIRST_AFTER, {"mark": following, "since": 0}))
        reads.append(Read(consent_versions.TWO_VERSIONS, {"id": identifier, "version": version, "following": version + 1}))
    answers = await ledger.read(reads) if reads else []
    pairs = zip(listed, answers[::2], answers[1::2], strict=True)
    return {one: end for one, logged, stored in pairs if (end := _end(ctx, one, logged, stored)) is not None}


def _end(ctx: Context, one: Version, logged: Rows, stored: Rows) -> int | None:
    versions = {row[8]: row for row in stored}
    if one[1] in versions and _status(ctx, versions[one[1]]) != ACTIVE:
        return 0
    if logged:
        return int(logged[0][0])
    following = versions.get(one[1] + 1)
    return None if following is None else int(following[10]) + WAITED


def _status(ctx: Context, row: Any) -> str:
    held = people.open_record(people.open_person(ctx.vault, row[:5]).cipher, row[5:])
    return str(held.body.get("status", ""))
