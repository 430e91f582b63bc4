"""What is listened to beside HTTP, from one file that the operator writes (``GATEWAY_LISTENERS``, TOML).

Each entry is bound to one agency: whoever comes in by it speaks for that agency, whatever the message says.
"""

from __future__ import annotations

import ipaddress
import ssl
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MLLP_KEYS = {"agency", "host", "port", "certificate", "key", "client_ca", "client_names"}
FOLDER_KEYS = {"agency", "format", "path", "settle_seconds"}
LOOPBACK_NAMES = frozenset({"localhost"})


class ListenersFault(ValueError):
    """An entry that cannot be used; the text names file and entry."""


@dataclass(frozen=True, slots=True)
class Mllp:
    """A port for HL7 v2 messages. With a certificate it speaks TLS; with a client authority only its clients may."""

    agency: str
    host: str
    port: int
    certificate: str = ""
    key: str = ""
    client_ca: str = ""
    client_names: tuple[str, ...] = ()  # DNS names of client certificates; empty: any that the authority signed

    @property
    def name(self) -> str:
        """How it stands in the access log."""
        return f"mllp-{self.port}"

    def tls(self) -> ssl.SSLContext | None:
        """The TLS of the port; None where it has none. Raises OSError."""
        if not self.certificate:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key or None)
        if self.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.client_ca)
        return context


@dataclass(frozen=True, slots=True)
class WatchedFolder:
    """A folder of files that an agency drops, by SFTP for example. ``settle_seconds``: a file is complete when it has not
    changed for so long."""

    agency: str
    format: str
    path: Path
    settle_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Listening:
    """All that is listened to."""

    ports: tuple[Mllp, ...] = ()
    folders: tuple[WatchedFolder, ...] = ()


def read_listeners(file: Path, kind: str) -> Listening:
    """The entries of a file. ``kind`` is that of the deployment: production takes no open port without client certificates.
    Raises ListenersFault."""
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise ListenersFault(f"{file}: {fault}") from fault
    if set(raw) - {"mllp", "folder"}:
        raise ListenersFault(
            f"{file}: entries are [[mllp]] and [[folder]], not {', '.join(sorted(set(raw) - {'mllp', 'folder'}))}"
        )
    ports = [_mllp(one, f"{file}: mllp {place}", kind) for place, one in enumerate(_entries(raw, "mllp", file), 1)]
    folders = [_folder(one, f"{file}: folder {place}") for place, one in enumerate(_entries(raw, "folder", file), 1)]
    if len({one.path.resolve() for one in folders}) < len(folders):
        raise ListenersFault(f"{file}: a folder stands twice; a folder is one agency's and of one format")
    return Listening(tuple(ports), tuple(folders))


def _entries(raw: dict[str, Any], name: str, file: Path) -> list[dict[str, Any]]:
    found = raw.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ListenersFault(f"{file}: write [[{name}]] for each entry")
    return found


def _known(entry: dict[str, Any], where: str, keys: set[str], needed: tuple[str, ...]) -> None:
    unknown, missing = sorted(set(entry) - keys), [name for name in needed if not entry.get(name)]
    if unknown or missing:
        faults = [f"unknown setting {name}" for name in unknown] + [f"{name} is missing" for name in missing]
        raise ListenersFault(f"{where}: {'; '.join(faults)}")


def _mllp(entry: dict[str, Any], where: str, kind: str) -> Mllp:
    _known(entry, where, MLLP_KEYS, ("agency", "port"))
    port = entry["port"]
    if type(port) is not int or not 0 < port < 65536:
        raise ListenersFault(f"{where}: port is a number from 1 to 65535")
    texts = {name: str(entry.get(name, "")) for name in ("certificate", "key", "client_ca")}
    made = Mllp(str(entry["agency"]), str(entry.get("host", "127.0.0.1")), port, **texts, client_names=_names(entry, where))
    if made.client_ca and not made.certificate:
        raise ListenersFault(f"{where}: client_ca needs a certificate")
    if made.client_names and not made.client_ca:
        raise ListenersFault(f"{where}: client_names needs a client_ca")
    if kind == "production" and not made.client_ca and not _is_loopback(made.host):
        raise ListenersFault(f"{where}: in production a port that others reach needs certificate and client_ca")
    return made


def _names(entry: dict[str, Any], where: str) -> tuple[str, ...]:
    names = entry.get("client_names", [])
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise ListenersFault(f"{where}: client_names is a list of texts")
    return tuple(names)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK_NAMES


def _folder(entry: dict[str, Any], where: str) -> WatchedFolder:
    _known(entry, where, FOLDER_KEYS, ("agency", "format", "path"))
    settle = entry.get("settle_seconds", 10.0)
    if type(settle) not in (int, float) or settle < 0:
        raise ListenersFault(f"{where}: settle_seconds is a number of seconds")
    return WatchedFolder(str(entry["agency"]), str(entry["format"]), Path(str(entry["path"])), float(settle))
