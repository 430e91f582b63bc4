"""Is a notice from the gateway, as it was written and fresh? What a receiver does first; needs ``cryptography``.

from check_signature import is_ours, keys_of
keys = keys_of(httpx.get("https://gateway.example/oauth2/jwks").json())     # again when no key fits, once an hour at most
if not is_ours(keys, request.headers, await request.body()): answer 401
"""

import base64
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FRESH = 300  # seconds


def keys_of(key_set):
    """The Ed25519 keys of a JWK set: two for a while when the gateway changes its key."""
    texts = [one["x"] for one in key_set["keys"] if one.get("crv") == "Ed25519"]
    return [Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(text + "==")) for text in texts]


def is_ours(keys, headers, body, now=None):
    """Whether one of the signatures fits one of the keys, over id, time and the body's bytes as they came."""
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs((now or time.time()) - int(stamp)) > FRESH:
        return False
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    given = [part[4:] for part in headers.get("webhook-signature", "").split() if part.startswith("v1a,")]
    return any(_fits(key, text, signed) for key in keys for text in given)


def _fits(key, text, signed):
    try:
        key.verify(base64.b64decode(text), signed)
    except (InvalidSignature, ValueError):
        return False
    return True
