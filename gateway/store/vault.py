"""Keys, keyed tokens and sealed content (AES-256-GCM).

Four key files stand outside the database and outside the data folder, so that a copy of one without the other
opens nothing: ``index`` (keyed tokens), ``content`` (wraps a key for each person), ``audit`` (wraps a key for
each year of the log), ``signing`` (Ed25519: notices and checkpoints; ES256 signing of tokens stands beside it).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SECRETS = ("index", "content", "audit")
TOKEN_BYTES = 16
WRAPPING = "content"  # the cipher that wraps person keys, remembered beside those of the years
NONCE_BYTES = 12
NOTICE_KEYS = NOTICES, PREVIOUS = "notices.pem", "notices.previous.pem"  # until they are first changed: signing.pem
RETIRED = "notices.retired"


class KeyFault(Exception):
    """The keys cannot be used; the text says in one line which file and what to do."""


class Broken(Exception):
    """Sealed bytes that do not open: another key, another row, or altered."""


@dataclass(frozen=True, slots=True)
class PersonKey:
    """A person's own content key, open and wrapped."""

    open: bytes
    wrapped: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Vault:
    """Everything that is done with the deployment's keys. Immutable but for a memory of opened year keys."""

    kind: str  # demo | test | production
    index: bytes
    content: bytes
    audit: bytes
    signing: ed25519.Ed25519PrivateKey
    token_signing: ec.EllipticCurvePrivateKey
    notices: tuple[ed25519.Ed25519PrivateKey, ...] = ()  # what signs notices, the newest first; two while they change
    retired: tuple[bytes, ...] = ()  # public halves of those that signed notices before
    _years: dict[str, AESGCM] = field(default_factory=dict)
    _keyed: dict[str, Any] = field(default_factory=dict)  # keyed digests before any text, by purpose

    def token(self, purpose: str, *parts: str) -> bytes:
        """A keyed token of 16 bytes (BLAKE2b); one purpose's tokens say nothing about another's."""
        keyed = self._keyed.get(purpose)
        if keyed is None:
            keyed = hashlib.blake2b(key=self.index, digest_size=TOKEN_BYTES, person=purpose.encode()[:16])
            self._keyed[purpose] = keyed
        digest = keyed.copy()
        digest.update("\x1f".join(parts).encode())
        return digest.digest()

    def nhs_token(self, number: str) -> bytes:
        """The token by which the rows of one person meet across agencies."""
        return self.token("nhs-number", number)

    def new_person_key(self, person: str) -> PersonKey:
        key = secrets.token_bytes(32)
        return PersonKey(key, _seal(AESGCM(self.content), key, person))

    def person_key(self, person: str, wrapped: bytes) -> AESGCM:
        """The cipher of one person's content. Raises Broken."""
        wrapping = self._years.get(WRAPPING)
        if wrapping is None:
            wrapping = self._years[WRAPPING] = AESGCM(self.content)
        return AESGCM(_open(wrapping, wrapped, person))

    def shelf(self, name: str) -> AESGCM:
        """The cipher of what belongs to an organisation rather than to one person's record."""
        return AESGCM(hashlib.blake2b(name.encode(), key=self.content, digest_size=32, person=b"shelf").digest())

    def new_year_key(self, year: str) -> bytes:
        """A wrapped key for the log of a year."""
        return _seal(AESGCM(self.audit), secrets.token_bytes(32), year)

    def learn_year(self, year: str, wrapped: bytes) -> None:
        self._years[year] = AESGCM(_open(AESGCM(self.audit), wrapped, year))

    def knows_year(self, year: str) -> bool:
        return year in self._years

    def seal_audit(self, year: str, entry: str, body: bytes, nonce: bytes) -> bytes:
        """A sealed entry; ``nonce`` is 12 random bytes that were never used before."""
        return nonce + self._years[year].encrypt(nonce, body, entry.encode())

    def open_audit(self, year: str, entry: str, sealed: bytes) -> bytes:
        """Raises Broken, also where the key of that year is not there."""
        if year not in self._years:
            raise Broken(f"no audit key {year}")
        return open_sealed(self._years[year], sealed, entry)


def seal(cipher: AESGCM, body: bytes, row: str) -> bytes:
    """Sealed bytes that open for this row only."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, body, row.encode())


def open_sealed(cipher: AESGCM, sealed: bytes, row: str) -> bytes:
    """The bytes that were sealed for this row. Raises Broken."""
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], row.encode())
    except (InvalidTag, ValueError) as fault:
        raise Broken(row) from fault


_seal, _open = seal, open_sealed


def make_keys(folder: Path, kind: str) -> None:
    """Write a new set of keys, readable by their owner alone; what exists is never overwritten."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in SECRETS:
        write_new(folder / f"{name}.key", secrets.token_hex(32).encode())
    write_new(folder / "signing.pem", pem(ed25519.Ed25519PrivateKey.generate()))
    write_new(folder / "tokens.pem", pem(ec.generate_private_key(ec.SECP256R1())))
    write_new(folder / "kind", kind.encode())
    for place in (folder, folder.parent):
        keep_names(place)


def load_keys(folder: Path) -> Vault:
    """The keys of a deployment. Raises KeyFault where one is missing, unreadable, or readable by others."""
    try:
        for name in (*[f"{secret}.key" for secret in SECRETS], "signing.pem", "tokens.pem", "kind"):
            _check(folder / name)
        index, content, audit = (_secret(folder / f"{name}.key") for name in SECRETS)
        signing, tokens = (_private(folder / name) for name in ("signing.pem", "tokens.pem"))
    except OSError as fault:
        raise KeyFault(f"the keys in {folder} cannot be read: {fault.strerror}") from fault
    if not isinstance(signing, ed25519.Ed25519PrivateKey) or not isinstance(tokens, ec.EllipticCurvePrivateKey):
        raise KeyFault(f"{folder}: signing.pem must be Ed25519 and tokens.pem P-256; restore them from the key backup")
    notices = tuple(_notice_key(folder / name) for name in NOTICE_KEYS if (folder / name).exists()) or (signing,)
    kind, retired = (folder / "kind").read_text().strip(), retired_keys(folder)
    return Vault(kind, index, content, audit, signing, tokens, notices, retired)


def _notice_key(path: Path) -> ed25519.Ed25519PrivateKey:
    _check(path)
    key = _private(path)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise KeyFault(f"key {path} must be Ed25519: restore it from the key backup")
    return key


def retired_keys(folder: Path) -> tuple[bytes, ...]:
    """Public halves of keys that signed notices before, the last one first. Raises KeyFault."""
    path = folder / RETIRED
    try:
        return tuple(bytes.fromhex(line) for line in path.read_text().split()) if path.exists() else ()
    except ValueError as fault:
        raise KeyFault(f"{path} is not a list of hexadecimal keys: restore it from the key backup") from fault


def pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as a key file holds it."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def write_new(path: Path, data: bytes) -> None:
    """A file for its owner alone, durable; one that exists stays as it is."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def keep_names(folder: Path) -> None:
    """Make the names in a folder as durable as what the files hold: data sealed under lost keys is lost."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check(path: Path) -> None:
    if not path.is_file() or path.stat().st_size == 0:
        raise KeyFault(f"key {path} is missing or empty: restore it from the key backup; without it nothing sealed can be opened")
    mode = path.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH) or (mode & (stat.S_IRGRP | stat.S_IROTH) and not _read_only_mount(path)):
        raise KeyFault(f"key {path} can be read by others (mode {stat.S_IMODE(mode):o}): run chmod 600 on it")


def _read_only_mount(path: Path) -> bool:
    """Whether the key stands on a read-only mount, as the secrets of a container do."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _secret(path: Path) -> bytes:
    try:
        secret = bytes.fromhex(path.read_text().strip())
    except ValueError as fault:
        raise KeyFault(f"key {path} is not 64 hexadecimal digits: restore it from the key backup") from fault
    if len(secret) != 32:
        raise KeyFault(f"key {path} is not 32 bytes long: restore it from the key backup")
    return secret


def _private(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as fault:
        raise KeyFault(f"key {path} is not a private key in PEM form: restore it from the key backup") from fault
