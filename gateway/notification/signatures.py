"""Signing what is delivered, as Standard Webhooks has it: ``v1a`` is Ed25519 over id, time and body."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TOLERANCE = 300  # seconds
STAMP = re.compile(r"[0-9]{1,12}")


# What a subscriber's own headers never set: who is spoken to, how the message is framed, what is signed.
OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"}
    | {"content-type", "content-encoding", "proxy-authorization", "proxy-connection"}
)


def may_be_set(name: str) -> bool:
    """Whether a subscriber may name this header to be sent along with its notices."""
    plain = name.strip().lower()
    return plain not in OURS and not plain.startswith("webhook-")


def headers(keys: Ed25519PrivateKey | Sequence[Ed25519PrivateKey], notice: str, seconds: int, body: bytes) -> dict[str, str]:
    """The ``webhook-*`` headers of a delivery: a signature by each key, so that receivers that know one of them verify it."""
    signed = _signed(notice, str(seconds), body)
    signing = (keys,) if isinstance(keys, Ed25519PrivateKey) else keys
    told = " ".join(f"v1a,{base64.b64encode(key.sign(signed)).decode()}" for key in signing)
    return {"webhook-id": notice, "webhook-timestamp": str(seconds), "webhook-signature": told}


def verify(key: Ed25519PublicKey, given: dict[str, str], body: bytes, now: int) -> bool:
    """Whether a delivery is ours and fresh; for receivers. Any one good signature of several is enough."""
    notice, stamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not STAMP.fullmatch(stamp) or abs(now - int(stamp)) > TOLERANCE:
        return False
    signed = _signed(notice, stamp, body)
    return any(_is_good(key, part, signed) for part in given.get("webhook-signature", "").split())


def _is_good(key: Ed25519PublicKey, part: str, signed: bytes) -> bool:
    version, _, text = part.partition(",")
    if version != "v1a":
        return False
    try:
        key.verify(base64.b64decode(text, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(notice: str, stamp: str, body: bytes) -> bytes:
    return f"{notice}.{stamp}.".encode() + body
