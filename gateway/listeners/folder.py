"""Files that agencies drop (SFTP): complete ones are loaded once by their content, and leave with a report beside them.

A watched folder has four folders of its own: ``in`` (where the agency writes), ``working``, ``done`` and ``refused``. A file is
moved to ``working`` before it is read: a rename has one winner, so any number of watchers may look. After a crash what stands in
``working`` is taken up again; records are applied by their own keys, so that what was applied before does no harm. A file
that cannot be read is tried a few times, goes to ``refused`` with the reason, and holds up no other.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import json
import logging
import os
import stat
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from gateway.disclosure.requester import Requester
from gateway.exchanges.context import new_id
from gateway.exchanges.records.load_file_once import FileLoaded
from gateway.fhir.outcomes import GatewayError, Unavailable, Unprocessable
from gateway.listeners.configuration import WatchedFolder
from gateway.mapping.load_page import page, refused
from gateway.store.ledger import Ledger

log = logging.getLogger("gateway.listeners")

LOOK_EVERY = 2.0  # seconds
UNFINISHED = (".part", ".tmp", ".filepart", ".partial")
FOLDERS = ("in", "working", "done", "refused")
CHUNK = 1 << 20
ID = 12  # characters before a name in working: what the log calls a file by, since its name may name somebody
MOST_NAME = 200  # bytes of a name; a file system takes 255, and time and ``.report.json.part`` come to it
MOST_FAILURES = 10
OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM})  # want of room: no file's fault
MAY_NOT = "The gateway may not open this file. Give its account the right to read it, and drop it again."
UNREADABLE = "The gateway could not read this file, though it tried several times; its operator finds the reason in its log."

# Gives the report, FHIR Parameters, and whether the file had been loaded before.
Loading = Callable[[FileLoaded, BinaryIO], Awaitable[tuple[dict[str, Any], bool]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """How a file looked: it is complete when it looks the same after a while."""

    size: int
    changed: int
    node: int
    since: float


@dataclass(slots=True)
class Watch:
    """One folder of one agency. ``load`` raises GatewayError where nothing of a file can be taken."""

    ledger: Ledger
    config: WatchedFolder
    load: Loading
    _seen: dict[str, Seen] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)  # of files in working, by name

    @property
    def requester(self) -> Requester:
        """Whoever drops a file here: the agency's."""
        return Requester("folder", self.config.agency, frozenset())

    def prepare(self) -> None:
        """The folders. Raises OSError where they cannot be made or written."""
        for name in FOLDERS:
            folder = self.config.path / name
            folder.mkdir(parents=True, exist_ok=True, mode=0o770)
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(f"{folder} cannot be read and written")

    async def run(self) -> None:
        """Look for ever; what was being loaded when the last process ended comes first."""
        while True:
            try:
                await self.look(time.monotonic())
            except Exception:
                log.exception("a folder could not be looked through; trying again", extra={"operation": "folder"})
            await asyncio.sleep(LOOK_EVERY)

    async def look(self, now: float) -> int:
        """Load what is complete, oldest first; gives how many files that were. A file that fails leaves the others be."""
        loaded = 0
        for path in await asyncio.to_thread(_files, self.config.path / "working"):
            loaded += await self._guarded(path, path)
        for name in await asyncio.to_thread(self._complete, now):
            working = self.config.path / "working" / _cut(f"{new_id()[:ID]}-{name}")
            loaded += await self._guarded(self.config.path / "in" / name, working)
        return loaded

    async def _guarded(self, stands: Path, working: Path) -> int:
        """Take a file where it stands, and settle it. What fails beside the reading is logged, and tried at the next look."""
        try:
            if stands == working or await asyncio.to_thread(_taken, stands, working):
                return await self._settle(working)
        except Exception:
            log.exception("a file could not be moved; trying again", extra={"operation": "folder", "file": working.name[:ID]})
        return 0

    def _complete(self, now: float) -> list[str]:
        """Names of plain files that have looked the same for long enough. Links and folders are left where they are."""
        found: dict[str, Seen] = {}
        for entry in os.scandir(self.config.path / "in"):
            try:
                state = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # another watcher took it meanwhile
                continue
            if not stat.S_ISREG(state.st_mode) or entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED):
                continue
            before = self._seen.get(entry.name)
            same = before and (before.size, before.changed, before.node) == (state.st_size, state.st_mtime_ns, state.st_ino)
            found[entry.name] = before if before and same else Seen(state.st_size, state.st_mtime_ns, state.st_ino, now)
        self._seen = found
        ready = [(one.changed, name) for name, one in found.items() if now - one.since >= self.config.settle_seconds]
        return [name for _, name in sorted(ready)]

    async def _settle(self, working: Path) -> int:
        """Load one file and put it where it belongs. What cannot be written now stays, and is taken up at the next look."""
        try:
            with await asyncio.to_thread(_opened, working) as source:
                report, good = await self._report(source)
        except (Unavailable, BlockingIOError, FileNotFoundError):
            return 0
        except Exception as error:
            log.exception("a file could not be read", extra={"operation": "folder", "file": working.name[:ID]})
            if not self._is_given_up(working, error):
                return 0
            report, good = refused(Unprocessable(MAY_NOT if isinstance(error, PermissionError) else UNREADABLE).issues), False
        await asyncio.to_thread(self._put_away, working, report, good)
        self._failures.pop(working.name, None)
        return 1

    def _is_given_up(self, working: Path, error: Exception) -> bool:
        """Whether a file has failed often enough; what fails for want of room is counted against none."""
        if isinstance(error, OSError) and error.errno in OURS:
            return False
        failures = self._failures[working.name] = self._failures.get(working.name, 0) + 1
        return failures >= MOST_FAILURES

    def _put_away(self, working: Path, report: dict[str, Any], good: bool) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        target = self.config.path / ("done" if good else "refused") / f"{stamp}-{_cut(working.name)}"
        _write(target.with_name(f"{target.name}.report.html"), page(report))
        _write(target.with_name(f"{target.name}.report.json"), json.dumps(report, indent=1))
        working.rename(target)

    async def _report(self, source: BinaryIO) -> tuple[dict[str, Any], bool]:
        """What came of a file: its report, and whether anything of it was taken."""
        digest = await asyncio.to_thread(_digest, source)
        file = FileLoaded(self.requester, self.config.format, digest, os.fstat(source.fileno()).st_size)
        source.seek(0)
        try:
            report, before = await self.load(file, source)
        except Unavailable:
            raise
        except GatewayError as error:
            return refused(error.issues), False
        good = bool(_counted(report, "accepted")) or not _counted(report, "received")
        return {**report, "id": "loaded-before"} if before else report, good


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _cut(name: str) -> str:
    """A name that leaves room for what we add to it: where it is long, its beginning and its end."""
    raw = os.fsencode(name)
    return name if len(raw) <= MOST_NAME else (raw[: MOST_NAME - 51] + b"~" + raw[-50:]).decode(errors="ignore")


def _taken(dropped: Path, working: Path) -> bool:
    """Whether the file is ours now; another watcher may have been faster."""
    try:
        dropped.rename(working)
    except FileNotFoundError:
        return False
    return True


def _opened(path: Path) -> BinaryIO:
    """A plain file and no link in its place, held against other watchers. Raises BlockingIOError where one has it."""
    source = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    try:
        fcntl.flock(source, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        source.close()
        raise
    return source


def _digest(source: BinaryIO) -> str:
    hashed = hashlib.sha256()
    while part := source.read(CHUNK):
        hashed.update(part)
    return hashed.hexdigest()


def _counted(report: dict[str, Any], name: str) -> int:
    return next((one["valueUnsignedInt"] for one in report["parameter"] if one["name"] == name), 0)


def _write(path: Path, report: str) -> None:
    """The report, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as out:
        out.write(report)
        out.flush()
        os.fsync(out.fileno())
    part.rename(path)
