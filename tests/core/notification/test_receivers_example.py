"""What the documentation gives receivers to check signatures with does what it says."""

from __future__ import annotations

import base64
import runpy
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.notification import signatures

EXAMPLE = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "examples" / "check_signature.py"))
OLD, NEW = (Ed25519PrivateKey.from_private_bytes(bytes([place]) * 32) for place in (1, 2))
BODY = b'{"resourceType": "Bundle"}'
SENT = 1_000_000


def published(*keys: Ed25519PrivateKey) -> list[Any]:
    """The keys as a receiver has them from the gateway's key set, beside one that signs something else."""
    texts = [base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode() for key in keys]
    others = [{"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}]
    return list(EXAMPLE["keys_of"]({"keys": [*others, *({"kty": "OKP", "crv": "Ed25519", "x": text} for text in texts)]}))


def is_ours(keys: list[Any], headers: dict[str, str], body: bytes = BODY, now: int = SENT) -> bool:
    return bool(EXAMPLE["is_ours"](keys, headers, body, now))


def test_a_notice_of_ours_passes_also_while_keys_change() -> None:
    """Signed by the old key, by both, known by either."""
    for signing in ((OLD,), (NEW, OLD)):
        headers = signatures.headers(signing, "n1", SENT, BODY)
        assert is_ours(published(OLD), headers)
        assert is_ours(published(NEW, OLD), headers)
    assert is_ours(published(NEW), signatures.headers((NEW, OLD), "n1", SENT, BODY))


@pytest.mark.parametrize("change", ["another key", "another body", "another notice", "too old", "too new", "no time", "nothing"])
def test_what_is_not_ours_or_not_fresh_does_not_pass(change: str) -> None:
    """Each part of what is signed counts."""
    headers = signatures.headers(OLD, "n1", SENT, BODY)
    assert not is_ours(
        published(NEW if change == "another key" else OLD),
        {} if change == "nothing"
        else {**headers, "webhook-id": "n2"} if change == "another notice"
        else {**headers, "webhook-timestamp": "soon"} if change == "no time"
        else headers,
        BODY + b" " if change == "another body" else BODY,
        SENT + {"too old": 301, "too new": -301}.get(change, 0),
    )  # fmt: skip
