"""A copy of the demonstration's access log in which one byte was changed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.settings import Settings


def alter_copy(settings: Settings) -> tuple[int, Path]:
    """Change one byte of one entry in a copy of the database; gives the entry's place and the copy."""
    copied = settings.data.with_name(settings.data.name + ".copy") / "gateway.sqlite"
    copied.parent.mkdir(exist_ok=True)
    source, target = sqlite3.connect(settings.database_file), sqlite3.connect(copied)
    source.backup(target)
    place, entry, body = target.execute(
        "SELECT l.place, e.id, e.body FROM audit_leaf l JOIN audit_entry e ON e.id = l.entry ORDER BY l.place LIMIT 1 OFFSET 7"
    ).fetchone()
    changed = body[:40] + bytes([body[40] ^ 1]) + body[41:]
    target.execute("UPDATE audit_entry SET body = ? WHERE id = ?", (changed, entry))
    target.commit()
    target.close()
    source.close()
    return int(place), copied
