"""Logging: one JSON object a line, a closed list of fields. References only, never a person."""

from __future__ import annotations

import json
import logging
import sys
import time

FIELDS = ("operation", "request_id", "notice", "state", "status", "fault", "folder", "file")


class JsonLines(logging.Formatter):
    """A record as one line; control characters are escaped, fields outside the list are dropped."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "from": record.name,
            "says": record.getMessage() if record.name.startswith("gateway") else _foreign(record.msg),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0]:
            line["fault"] = record.exc_info[0].__name__
            line["place"] = _place(record)
        return json.dumps(line)


def _foreign(message: object) -> str:
    """What a library says, without the values that it says it of: its constant beginning, or the class of an exception."""
    return message.partition("%")[0].partition("\n")[0] if isinstance(message, str) else type(message).__name__


def _place(record: logging.LogRecord) -> str:
    """File and line where an exception arose; its text may hold what must not be logged."""
    traceback = record.exc_info[2] if record.exc_info else None
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno}" if traceback else ""


def configure(level: int = logging.INFO) -> None:
    """Log to standard error what is of this level or above, warnings of Python too."""
    logging.captureWarnings(True)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
