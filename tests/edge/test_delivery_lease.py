"""Leases: one deliverer at a time, whoever overtakes has the higher number, and a repeat is known by its id."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.deliverer import post_of
from gateway.exchanges.notices.lease_notice import LEASE, Due, Lease, NotDue, lease_notice
from gateway.exchanges.notices.settle_notice import Settlement, settle_notice
from gateway.notification import signatures
from gateway.notification.schedule import Posted
from gateway.store import outbox
from tests.edge.desks import admit, council_hears_of, desk, in_turn, patients
from tests.edge.durable import ask, change
from tests.world import World


async def one_notice(world: World, url: str = "http://127.0.0.1:1025/") -> str:
    """A notice that is due; its id."""
    some = patients(1)
    await council_hears_of(world, some, url)
    await admit(world, some)
    ((notice,),) = ask(world.settings, "SELECT id FROM outbox")
    return str(notice)


async def lease(world: World, notice: str) -> Lease:
    """A claim that succeeds."""
    found = await world.gateway.ledger.run_alone(lease_notice, Due(notice))
    assert found is not None
    return found


def row(world: World) -> tuple[Any, ...]:
    """State, attempts, epoch, number and last result of the one notice."""
    return ask(world.settings, "SELECT state, attempts, epoch, number, last_result FROM outbox")[0]


async def test_a_leased_notice_is_nobody_elses(world: World) -> None:
    """Whoever looked before it was claimed finds it taken; nothing is written for the attempt."""
    notice = await one_notice(world)
    await lease(world, notice)
    entries = ask(world.settings, "SELECT count(*) FROM audit_entry")
    for _ in range(3):
        with pytest.raises(NotDue):
            await world.gateway.ledger.run_alone(lease_notice, Due(notice))
    assert row(world)[:4] == ("leased", 1, 1, 1)
    assert ask(world.settings, "SELECT count(*) FROM audit_entry") == entries


async def test_of_many_who_claim_at_once_one_has_it(world: World) -> None:
    """Exactly one lease, one entry about to disclose."""
    notice = await one_notice(world)
    claims = (world.gateway.ledger.run_alone(lease_notice, Due(notice)) for _ in range(12))
    ended = await asyncio.gather(*claims, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ended) == ["NotDue"] * 11 + ["NoticeLease"]
    assert ask(world.settings, "SELECT count(*) FROM audit_entry WHERE exchange = 'lease_notice'") == [(1,)]


async def test_a_notice_that_is_due_later_is_not_claimed_now(world: World) -> None:
    """A deliverer with an old list does not send ahead of the schedule."""
    notice = await one_notice(world)
    first = await lease(world, notice)
    await world.gateway.ledger.run_alone(settle_notice, Settlement(first, Posted(503, "http 503"), (0.0, 3600.0)))
    with pytest.raises(NotDue):
        await world.gateway.ledger.run_alone(lease_notice, Due(notice))


async def test_a_lease_that_ran_out_is_taken_over_and_the_old_one_changes_nothing(world: World) -> None:
    """The other deliverer's epoch is higher; what the first says afterwards is on record and settles nothing."""
    notice = await one_notice(world)
    stale = await lease(world, notice)
    assert LEASE > 0
    change(world.settings, "UPDATE outbox SET leased_until = 1")
    fresh = await lease(world, notice)
    assert (stale.epoch, fresh.epoch, stale.attempt, fresh.attempt) == (1, 2, 1, 2)
    await world.gateway.ledger.run_alone(settle_notice, Settlement(stale, Posted(410, "http 410")))
    assert row(world)[:4] == ("leased", 2, 2, 1)
    assert ask(world.settings, "SELECT status FROM subscription") == [("active",)]
    await world.gateway.ledger.run_alone(settle_notice, Settlement(fresh, Posted(200, "http 200")))
    assert row(world) == ("delivered", 2, 2, 1, "http 200")
    await world.gateway.ledger.run_alone(settle_notice, Settlement(stale, Posted(503, "http 503")))
    assert row(world) == ("delivered", 2, 2, 1, "http 200")


async def test_a_stale_settling_does_not_bring_back_what_was_withheld(world: World) -> None:
    """Withdrawn while the first attempt was under way: withheld stays withheld, whatever the first attempt says."""
    notice = await one_notice(world)
    stale = await lease(world, notice)
    change(world.settings, "UPDATE outbox SET leased_until = 1")
    change(world.settings, "UPDATE subscription SET status = 'off'")
    assert await world.gateway.ledger.run_alone(lease_notice, Due(notice)) is None
    assert row(world)[0] == "withheld"
    for said in (Posted(503, "http 503"), Posted(200, "http 200")):
        await world.gateway.ledger.run_alone(settle_notice, Settlement(stale, said))
        assert row(world)[0] == "withheld"


async def test_a_repeat_has_the_same_ids_in_another_bundle_and_verifies(world: World) -> None:
    """Three attempts of one notice: webhook-id and MessageHeader.id stay, Bundle.id is new each time, every signature holds
    for its own body with the published key and for no other."""
    with desk(in_turn(503, 503)) as one:
        await one_notice(world, one.url)
        await world.settle()
        assert len(one.got) == 3
    key = world.gateway.context.vault.signing.public_key()
    published = Ed25519PublicKey.from_public_bytes(key.public_bytes_raw())
    assert len(set(one.ids())) == 1
    headers = [got.bundle["entry"][0]["resource"] for got in one.got]
    assert {header["id"] for header in headers} == set(one.ids())
    assert len({got.bundle["id"] for got in one.got}) == 3
    assert [header["resourceType"] for header in headers] == ["MessageHeader"] * 3
    now = int(time.time())
    for got in one.got:
        assert signatures.verify(published, got.headers, got.body, now)
        assert not signatures.verify(published, got.headers, got.body.replace(b'"id"', b'"Id"', 1), now)
        assert not signatures.verify(published, {**got.headers, "webhook-id": "x"}, got.body, now)
        assert not signatures.verify(published, got.headers, got.body, now + 3600)


async def test_the_key_that_receivers_verify_with_is_published(world: World) -> None:
    """Receivers find the signing key where the token keys are: an Ed25519 key in the JWKS."""
    keys = (await world.client.get("/oauth2/jwks")).json()["keys"]
    assert any(one.get("kty") == "OKP" and one.get("crv") == "Ed25519" for one in keys)


async def test_a_restart_after_the_post_repeats_with_the_same_id(world: World) -> None:
    """The process ends between post and settling: when the lease has run out another repeats it, known by its id."""
    with desk() as one:
        notice = await one_notice(world, one.url)
        gone = await lease(world, notice)
        await world.gateway.deliverer.courier.post(post_of(world.gateway.context, gone))
        await world.settle()
        assert len(one.got) == 1, "not before the lease has run out"
        change(world.settings, "UPDATE outbox SET leased_until = 1")
        await world.settle()
        assert len(one.got) == 2
        assert len(set(one.ids())) == 1
    assert row(world)[:4] == ("delivered", 2, 2, 1)
    told = ask(world.settings, "SELECT count(*) FROM audit_entry WHERE exchange = 'lease_notice' AND outcome = 0")
    assert told == [(2,)], "each time that it was about to leave is on record"


async def test_a_subscribers_headers_go_along_with_ours(world: World) -> None:
    """An agency may ask for headers of its own; who is spoken to, the framing and the signature are ours as ever."""
    some = patients(1)
    with desk() as one:
        await council_hears_of(world, some, one.url, header=["X-Desk: 7", "authorization: Bearer theirs"])
        await admit(world, some)
        await world.settle()
        (got,) = one.got
    assert (got.headers["x-desk"], got.headers["authorization"]) == ("7", "Bearer theirs")
    assert got.headers["host"] == f"127.0.0.1:{one.port}"
    assert got.headers["content-type"] == "application/fhir+json"
    assert got.headers["webhook-id"] == got.bundle["entry"][0]["resource"]["id"]
    assert signatures.verify(world.gateway.context.vault.signing.public_key(), got.headers, got.body, int(time.time()))


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "Webhook-Id", "webhook-signature", "content-type "]
)
def test_what_is_ours_is_never_a_subscribers_to_set(name: str) -> None:
    """Whatever its letters; such a subscription is refused."""
    assert not signatures.may_be_set(name)


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_a_change_is_taken_in_while_a_notice_of_the_same_subscription_is_being_leased(world: World) -> None:
    """Who leases holds the subscription and then wants the person; who brings a change holds the person and then names the
    subscription in the outbox: that must not wait for the first."""
    some = patients(1)
    (made,) = await council_hears_of(world, some, "http://127.0.0.1:1025/")
    async with await psycopg.AsyncConnection.connect(world.settings.database_url) as leasing:
        await leasing.execute(outbox.LOCK_SUBSCRIPTION.for_postgres, {"id": made})
        async with asyncio.timeout(8):
            await admit(world, some)
        await leasing.rollback()
    assert ask(world.settings, "SELECT count(*) FROM outbox") == [(1,)]


async def test_who_sends_and_who_brings_changes_do_not_block_each_other(world: World) -> None:
    """Notices about people going out while more changes about them come in: no deadlock, all of both end."""
    some = patients(6)
    with desk() as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        deliverer = asyncio.create_task(world.gateway.deliverer.run())
        for event in ("A03", "A01", "A03", "A01", "A03"):
            await asyncio.gather(*(admit(world, [person], event) for person in some))
        deliverer.cancel()
        await asyncio.gather(deliverer, return_exceptions=True)
        await world.settle()
    assert {state for (state,) in ask(world.settings, "SELECT state FROM outbox")} == {"delivered"}
    if world.settings.on_postgres:
        assert ask(world.settings, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
