"""A log of made-up entries, small enough to break in every way."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.checkpoint import Key, sign
from gateway.audit.leaf import Row, leaf_hash_of
from gateway.audit.merkle import Frontier
from gateway.audit.verify import Line

ORIGIN = "gateway.example/log"


@dataclass(frozen=True)
class Log:
    """A log as its keeper stores it, with the checkpoints that others hold."""

    lines: list[Line]
    head: Frontier
    sizes: list[int]
    checkpoints: list[str]
    keys: list[Key]
    private_key: Ed25519PrivateKey


def make_row(number: int, chance: random.Random) -> Row:
    return Row(
        id=chance.randbytes(16).hex(),
        recorded=1_790_000_000_000_000 + number * 1_000_003,
        exchange=chance.choice(["look_up_status", "receive_record", "lease_notice"]),
        outcome=chance.choice([0, 4, 8]),
        requester=chance.choice(["RXY", "E09000033"]),
        custodian=chance.choice(["", "RXY"]),
        patient_token=chance.randbytes(16),
        user_token=chance.randbytes(16),
        purpose=chance.choice(["early-help", "safeguarding-s47"]),
        asked=chance.choice([0, 1]),
        key_id="audit-2026",
        salt=chance.randbytes(32),
        body=chance.randbytes(60),
    )


def make_log(entries: int, sizes: list[int], seed: int = 7, rows_each: tuple[int, ...] = (1, 1, 1, 2, 5, 9)) -> Log:
    chance, tree, lines = random.Random(seed), Frontier(), []
    private_key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    checkpoints = []
    for number in range(entries):
        rows = tuple(make_row(number, chance) for _ in range(chance.choice(rows_each)))
        lines.append((number, rows, leaf_hash_of(rows)))
        tree = tree.append(lines[-1][2])
        if tree.size in sizes:
            checkpoints.append(sign(ORIGIN, tree.size, tree.root(), private_key))
    return Log(lines, tree, sizes, checkpoints, [Key.of(ORIGIN, private_key)], private_key)


@pytest.fixture(scope="session")
def log() -> Log:
    return make_log(60, [7, 16, 31, 32, 50])


@pytest.fixture(scope="session")
def log_of() -> Callable[[int, list[int]], Log]:
    return make_log


@pytest.fixture(scope="session")
def row() -> Row:
    return make_row(0, random.Random(3))


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    chance = random.Random(5)
    return [make_row(0, chance) for _ in range(60)]
