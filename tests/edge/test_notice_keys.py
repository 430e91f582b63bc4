"""The key that signs notices changes while receivers go on verifying: with the old one, with the new one, with the published set."""

from __future__ import annotations

import base64
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.api.oauth import public_keys
from gateway.exchanges.context import Context
from gateway.notification import signatures
from gateway.store import notice_keys
from gateway.store.vault import KeyFault, load_keys, make_keys
from tests.edge.desks import admit, council_hears_of, desk, patients
from tests.world import World


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keys of a new deployment."""
    made = tmp_path / "keys"
    make_keys(made, "test")
    return made


def publics(folder: Path) -> list[bytes]:
    """The public halves of the keys that sign, the newest first."""
    return [key.public_key().public_bytes_raw() for key in load_keys(folder).notices]


def test_a_change_has_two_keys_until_the_older_is_retired(folder: Path) -> None:
    """First one; then two, the new one first; then the new one, and the public half of the old one is kept."""
    before, new = publics(folder), Ed25519PrivateKey.generate()
    notice_keys.add_key(folder, new)
    assert publics(folder) == [new.public_key().public_bytes_raw(), *before]
    assert load_keys(folder).retired == ()
    assert [notice_keys.retire_key(folder)] == before
    assert publics(folder) == [new.public_key().public_bytes_raw()]
    assert load_keys(folder).retired == tuple(before)
    assert load_keys(folder).signing.public_key().public_bytes_raw() == before[0], "the key of the log is no notice key"


def test_keys_that_were_retired_stay_listed_in_their_order(folder: Path) -> None:
    """Two changes: both old ones are there, the last one first."""
    old = []
    for _ in range(2):
        old.append(publics(folder)[0])
        notice_keys.add_key(folder, Ed25519PrivateKey.generate())
        notice_keys.retire_key(folder)
    assert load_keys(folder).retired == (old[1], old[0])


def test_a_second_change_waits_for_the_end_of_the_first(folder: Path) -> None:
    """And without a change there is none to end."""
    with pytest.raises(KeyFault, match="one key"):
        notice_keys.retire_key(folder)
    notice_keys.add_key(folder, Ed25519PrivateKey.generate())
    with pytest.raises(KeyFault, match="two keys"):
        notice_keys.add_key(folder, Ed25519PrivateKey.generate())


def test_an_interrupted_change_leaves_a_key_that_signs(folder: Path) -> None:
    """Stopped between the two files: the old key signs as before."""
    before = publics(folder)
    notice_keys.add_key(folder, Ed25519PrivateKey.generate())
    (folder / "notices.pem").unlink()
    assert publics(folder) == before


@pytest.mark.parametrize("name", ["notices.pem", "notices.previous.pem"])
def test_a_notice_key_that_others_can_read_is_refused(folder: Path, name: str) -> None:
    """Like every other key."""
    notice_keys.add_key(folder, Ed25519PrivateKey.generate())
    (folder / name).chmod(0o644)
    with pytest.raises(KeyFault, match="can be read by others"):
        load_keys(folder)


async def test_a_notice_verifies_with_either_key_while_they_change(world: World, tmp_path: Path) -> None:
    """Two signatures: for who has the old key and for who has the new one; for no third, and not for another body."""
    folder = tmp_path / "changed"
    shutil.copytree(world.settings.keys_folder, folder)
    notice_keys.add_key(folder, Ed25519PrivateKey.generate())
    world.gateway.deliverer.context = context_of(world, folder)
    some = patients(1)
    with desk() as one:
        await council_hears_of(world, some, one.url)
        await admit(world, some)
        await world.settle()
        (got,) = one.got
    assert len(got.headers["webhook-signature"].split()) == 2
    now = int(time.time())
    for public in publics(folder):
        key = Ed25519PublicKey.from_public_bytes(public)
        assert signatures.verify(key, got.headers, got.body, now)
        assert not signatures.verify(key, got.headers, got.body + b" ", now)
    assert not signatures.verify(Ed25519PrivateKey.generate().public_key(), got.headers, got.body, now)


def context_of(world: World, folder: Path) -> Context:
    """What the gateway stands on after a start with these keys."""
    found = load_keys(folder)
    vault = replace(world.gateway.context.vault, notices=found.notices, retired=found.retired)
    return replace(world.gateway.context, vault=vault)


async def test_the_published_set_has_the_key_before_and_those_before_it(world: World, tmp_path: Path) -> None:
    """A receiver that keeps what it received can verify it later, by the same name of the key; the newest is the first."""
    folder = tmp_path / "changed"
    shutil.copytree(world.settings.keys_folder, folder)
    first = publics(folder)[0]
    for _ in range(2):
        notice_keys.add_key(folder, Ed25519PrivateKey.generate())
        notice_keys.retire_key(folder)
    before = named((await world.client.get("/oauth2/jwks")).json()["keys"])
    after = named(public_keys(replace(world.gateway.edge, context=context_of(world, folder))))
    assert [key for key, _ in before] == [first]
    assert [key for key, _ in after] == [*publics(folder), *load_keys(folder).retired]
    assert before[0] in after


def named(keys: list[Any]) -> list[tuple[bytes, str]]:
    """The published Ed25519 keys with their names."""
    return [(base64.urlsafe_b64decode(one["x"] + "="), one["kid"]) for one in keys if one["kty"] == "OKP"]
