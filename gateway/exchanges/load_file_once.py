"""That a file was loaded, by its content: found before it is loaded again, kept when it has been loaded whole."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.loaded_files import ADD_LOADED_FILE, LOADED_FILE
from gateway.store.sql import Read, Write
from gateway.store.vault import open_sealed, seal

NAME = "load_file_once"


@dataclass(frozen=True, slots=True)
class FileLoaded:
    """A file of an agency by the SHA-256 of its content; ``report`` is JSON, empty where it is only asked for."""

    requester: Requester
    format: str
    digest: str
    report: bytes = b""


def find_loaded(ctx: Context, file: FileLoaded, moment: Moment) -> Story[bytes]:
    """The report of a file that was loaded before; empty where it was not. A file that was is on record as repeated."""
    rows = yield Read(LOADED_FILE, {"id": _key(ctx, file)})
    report = open_sealed(_shelf(ctx, file), bytes(rows[0][1]), _key(ctx, file).hex()) if rows else b""
    result = "repeated" if rows else "begun"
    return Outcome(report, (line(NAME, file.requester, moment, Kind.RECEIVED, DONE, detail=_detail(file, result)),))


def keep_loaded(ctx: Context, file: FileLoaded, moment: Moment) -> Story[None]:
    """From now on a file of this content is not loaded again for this agency."""
    key = _key(ctx, file)
    row = {"id": key, "agency": file.requester.agency, "loaded": moment.at}
    yield Write(ADD_LOADED_FILE, {**row, "report": seal(_shelf(ctx, file), file.report, key.hex())})
    return Outcome(None, (line(NAME, file.requester, moment, Kind.RECEIVED, DONE, detail=_detail(file, "loaded")),))


def _key(ctx: Context, file: FileLoaded) -> bytes:
    return ctx.vault.token("loaded-file", file.requester.agency, file.format, file.digest)


def _shelf(ctx: Context, file: FileLoaded) -> AESGCM:
    return ctx.vault.shelf(f"loaded/{file.requester.agency}")


def _detail(file: FileLoaded, result: str) -> tuple[tuple[str, str], ...]:
    return (("format", file.format), ("result", result))
