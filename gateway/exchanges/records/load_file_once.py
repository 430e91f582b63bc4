"""How far a file has been loaded, by its content: found before it is loaded, kept while it is loaded and when it is in.

The gateway keeps hash, size, version of the mappings and report, and not the file.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.audit.entry import DONE, Entry, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.store.ledger import Moment, Outcome, Story
from gateway.store.loaded_files import ADD_LOADED_FILE, DROP_STEPS, LOADED_FILE, SET_LOADED_FILE, STEPS
from gateway.store.sql import Hold, Read, Write
from gateway.store.vault import open_sealed, seal

NAME = "load_file_once"


@dataclass(frozen=True, slots=True)
class FileLoaded:
    """A file of an agency by the SHA-256 of its content. ``again``: it is loaded even if it was before."""

    requester: Requester
    format: str
    digest: str
    size: int = 0
    again: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a load is: ``done`` records are in and, beyond them, those of ``steps``, with what each wrote and raised.

    ``done`` is None where the file has been loaded whole by the same mappings. ``report`` is JSON, empty at the beginning.
    """

    key: bytes
    done: int | None = 0
    report: bytes = b""
    steps: dict[int, tuple[int, int]] = field(default_factory=dict)


def begin_load(ctx: Context, file: FileLoaded, moment: Moment) -> Story[Progress]:
    """Where to begin: at the first record, where an earlier load was broken off, or not at all.

    A load that began under other mappings begins anew: half a file by one map and half by another is neither.
    """
    key = _key(ctx, file)
    yield Hold((key,))
    rows = yield Read(LOADED_FILE, {"id": key})
    if rows and rows[0][3] == ctx.mappings.version and not (file.again and rows[0][2] is None):
        report = open_sealed(_shelf(ctx, file), bytes(rows[0][1]), key.hex())
        steps = yield Read(STEPS, {"id": key})
        found = Progress(key, rows[0][2], report, {number: (written, notices) for number, written, notices in steps})
        return Outcome(found, _on_record(file, moment, "repeated" if found.done is None else "resumed"))
    yield from _put(ctx, file, moment, 0, b"")
    return Outcome(Progress(key), _on_record(file, moment, "begun"))


def keep_progress(ctx: Context, kept: tuple[FileLoaded, int | None, bytes], moment: Moment) -> Story[None]:
    """So many records are in, with this report; None: all of them, and the file is not loaded again by these mappings."""
    file, done, report = kept
    yield from _put(ctx, file, moment, done, report)
    return Outcome(None, _on_record(file, moment, "loaded" if done is None else "progress"))


def _put(ctx: Context, file: FileLoaded, moment: Moment, done: int | None, report: bytes) -> Generator[Write, Any, None]:
    key = _key(ctx, file)
    sealed = seal(_shelf(ctx, file), report, key.hex())
    version = ctx.mappings.version
    row = {"id": key, "agency": file.requester.agency, "loaded": moment.at, "report": sealed}
    yield Write(ADD_LOADED_FILE, {**row, "done": done, "mappings": version, "size": file.size})
    yield Write(SET_LOADED_FILE, {"file_id": key, "at": moment.at, "sealed": sealed, "in_by_now": done, "version": version})
    yield Write(DROP_STEPS, {"id": key})


def _on_record(file: FileLoaded, moment: Moment, result: str) -> tuple[Entry, ...]:
    detail = (("format", file.format), ("result", result))
    return (line(NAME, file.requester, moment, Kind.RECEIVED, DONE, detail=detail),)


def _key(ctx: Context, file: FileLoaded) -> bytes:
    return ctx.vault.token("loaded-file", file.requester.agency, file.format, file.digest)


def _shelf(ctx: Context, file: FileLoaded) -> AESGCM:
    return ctx.vault.shelf(f"loaded/{file.requester.agency}")
