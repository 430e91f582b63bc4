"""Changing the key that signs notices: for a while both sign, so that no receiver has to change on the same day.

The key of the access log's heads stays: it is the log's identity. A gateway reads its keys at start, so each worker is
restarted after a change; in whatever order, each signature that a receiver can verify is there.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519

from gateway.store.vault import NOTICES, PREVIOUS, RETIRED, KeyFault, keep_names, load_keys, pem, retired_keys, write_new

UNDER_WAY = "two keys sign notices already: run gateway keys retire when receivers have the new one, then rotate again"
NOTHING_TO_RETIRE = "one key signs notices: there is none to retire"


def key_id(public: bytes) -> str:
    """The name of a key in the published set."""
    return f"notices-{base64.urlsafe_b64encode(public).decode()[:8]}"


def check_one(folder: Path) -> None:
    """Raises KeyFault where a change is under way."""
    if len(load_keys(folder).notices) > 1:
        raise KeyFault(UNDER_WAY)


def add_key(folder: Path, key: ed25519.Ed25519PrivateKey) -> None:
    """From the next start on this key signs beside the one that signed alone. Raises KeyFault."""
    check_one(folder)
    (old,) = load_keys(folder).notices
    for name, one in ((PREVIOUS, old), (f"{NOTICES}.new", key)):
        (folder / f"{NOTICES}.new").unlink(missing_ok=True)
        write_new(folder / name, pem(one))
    os.replace(folder / f"{NOTICES}.new", folder / NOTICES)
    keep_names(folder)


def retire_key(folder: Path) -> bytes:
    """From the next start on the newer key signs alone; gives the public half of the other, which stays published. Raises
    KeyFault."""
    keys = load_keys(folder).notices
    if len(keys) < 2:
        raise KeyFault(NOTHING_TO_RETIRE)
    public = keys[1].public_key().public_bytes_raw()
    listed = "\n".join(one.hex() for one in (public, *retired_keys(folder)))
    (folder / f"{RETIRED}.new").unlink(missing_ok=True)
    write_new(folder / f"{RETIRED}.new", f"{listed}\n".encode())
    os.replace(folder / f"{RETIRED}.new", folder / RETIRED)
    (folder / PREVIOUS).unlink()
    keep_names(folder)
    return public
