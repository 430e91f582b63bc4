"""What was decided under agreements that have ended is explained by them, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo.people import AMINA, TRUST
from gateway.disclosure.agreement_signatures import revocation_text
from gateway.disclosure.agreements import document_id
from gateway.store import tables
from tests.edge.test_agreements_published import NARROW, TEXT, Trust, changed, registered
from tests.edge.test_explain import ENQUIRY, again, explains, of_disclosure, words
from tests.world import World, part

LINE, OTHER_LINE = "default 1", "default 2"


@pytest.fixture
async def trust(fed: World) -> Trust:
    """Nothing is shared from a folder, as in production; the trust has published what it shares."""
    for document in fed.settings.agreements.glob("*.toml"):
        document.unlink()
    made = Trust(fed, await registered(fed.gateway, "guardian"), await registered(fed.gateway, "signatory"))
    await made.publishes(TEXT)
    return made


async def asked(trust: Trust) -> dict[str, Any]:
    """An enquiry of the council, as its disclosure is asked about later."""
    answer = await trust.world.social_worker().hears(AMINA, ENQUIRY, case="C-1")
    return of_disclosure(part(answer, "disclosure"))


async def explained(trust: Trust, disclosure: dict[str, Any]) -> dict[str, Any]:
    return await explains(trust.world.auditor("trust"), disclosure)


async def revoked(trust: Trust, line: str) -> None:
    await trust.revokes(revocation_text(TRUST, [document_id(TEXT)], line), line)


async def test_a_disclosure_is_explained_by_the_document_of_then(trust: Trust) -> None:
    """Tier 2 by the first document, tier 1 by the narrower one after it: each by its own line, each the same again."""
    first = await asked(trust)
    await trust.publishes(NARROW)
    second = await asked(trust)
    found = await explained(trust, first)
    assert (part(found, "policyInForce"), part(part(found, "line"), "tier")) == (False, 2)
    assert again(found) == ("same", [])
    assert "which was in force then and is not in force any more" in words(found)
    assert "The line that decided: " in words(found)
    found = await explained(trust, second)
    assert (part(found, "policyInForce"), part(part(found, "line"), "tier")) == (True, 1)
    assert again(found) == ("same", [])


async def test_each_is_explained_by_the_lines_that_stood(trust: Trust) -> None:
    """Before and between two revocations the line decided; after the second nothing does, and all come out the same."""
    disclosures = [await asked(trust)]
    for line in (OTHER_LINE, LINE):
        await revoked(trust, line)
        disclosures.append(await asked(trust))
    await trust.publishes(NARROW)
    found = [await explained(trust, one) for one in disclosures]
    assert [again(one) for one in found] == [("same", [])] * 3
    assert [part(part(one, "line"), "may") for one in found] == [True, True, False]
    assert [part(one, "outcome") for one in found] == ["disclosed", "disclosed", "nothing"]


async def test_a_refusal_after_all_was_revoked_is_explained(trust: Trust) -> None:
    """No document in force: nothing was agreed; and what was told before that is explained by what was."""
    before = await asked(trust)
    await trust.revokes(revocation_text(TRUST, [document_id(TEXT)]))
    await asked(trust)
    await trust.publishes(NARROW)
    assert again(await explained(trust, before)) == ("same", [])


async def test_a_document_that_was_altered_since_explains_nothing(trust: Trust) -> None:
    """Another text than that which decided is not taken for it, nor one whose signatures are gone."""
    first = await asked(trust)
    await trust.publishes(NARROW)
    of_then = tables.agreement.c.id == document_id(TEXT)
    (row,) = changed(trust.world.settings, tables.agreement.select().where(of_then))
    for altered in ({"document": TEXT.replace(b"tier = 2", b"tier = 3")}, {"signatures": "{}"}):
        changed(trust.world.settings, tables.agreement.update().where(of_then).values(**altered))
        found = await explained(trust, first)
        assert again(found) == ("not-possible", ["policy"])
        assert part(found, "line") is None
        changed(trust.world.settings, tables.agreement.update().where(of_then).values({n: getattr(row, n) for n in altered}))
    assert again(await explained(trust, first)) == ("same", [])
