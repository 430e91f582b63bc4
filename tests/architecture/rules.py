"""The rules of the house as functions: each takes source text and gives the breaches that it finds, as plain lines.

They see what import contracts cannot: calls, sizes, words. ``test_rules.py`` shows for each that a planted breach is
found; ``test_house.py`` holds the gateway to them.
"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOGGERS = frozenset({"log", "logger"})
LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
CLOCKS = frozenset(
    {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns", "time.monotonic"}
)
SQL = re.compile(r"^\s*((SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER)\b|(?i:select|insert\s+into|delete\s+from)\s)")
DRAWERS = frozenset(
    {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "service", "services", "misc"}
)


parsed = cache(ast.parse)  # the tree of a source, read by many rules and changed by none


def _called(node: ast.Call) -> str:
    """The dotted name that a call calls, as far as it is written out."""
    parts: list[str] = []
    target: ast.expr = node.func
    while isinstance(target, ast.Attribute):
        parts.append(target.attr)
        target = target.value
    parts.append(target.id if isinstance(target, ast.Name) else "")
    return ".".join(reversed(parts))


def _calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call):
            yield _called(node), node


def calls_to(source: str, name: str) -> list[str]:
    """Calls to a name as it is imported or defined: ``Permit(...)``, ``decision.Permit(...)``, ``Permit[...](...)``.

    Another name that the module gave it by ``import ... as`` counts too; a method of some object that is called the
    same does not.
    """
    modules, aliases = _names(source, name)
    found = []
    for node in ast.walk(parsed(source)):
        if not isinstance(node, ast.Call):
            continue
        target = node.func.value if isinstance(node.func, ast.Subscript) else node.func
        owner, _, written = ast.unparse(target).rpartition(".")
        if (written in aliases and not owner) or (written == name and owner.split(".")[0] in modules):
            found.append(f"line {node.lineno}: {written}(")
    return found


def _names(source: str, name: str) -> tuple[set[str], set[str]]:
    """The names under which a source imports anything, and those under which it has ``name``."""
    modules, aliases = set[str](), {name}
    for node in ast.walk(parsed(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules |= {(one.asname or one.name).split(".")[0] for one in node.names}
            aliases |= {one.asname for one in node.names if one.name == name and one.asname}
    return modules, aliases


def discloses_off_the_record(source: str) -> list[str]:
    """A module that releases a status builds its audit entries itself: an Outcome with an ``audit`` that is not empty."""
    released = calls_to(source, "release")
    if not released:
        return []
    outcomes = [node for called, node in _calls(source) if called.rpartition(".")[2] == "Outcome"]
    if not outcomes:
        return [f"{released[0]} without an Outcome"]
    return [f"line {node.lineno}: Outcome without audit entries" for node in outcomes if not _has_audit(node)]


def _has_audit(node: ast.Call) -> bool:
    stated = next((one.value for one in node.keywords if one.arg == "audit"), None)
    if stated is None and len(node.args) > 1:
        stated = node.args[1]
    return stated is not None and not (isinstance(stated, ast.Tuple) and not stated.elts)


def imported(source: str) -> set[str]:
    """Every module that a source imports, with what it imports from it: ``a.b`` and ``a.b.c`` for ``from a.b import c``."""
    found: set[str] = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return found


def imports_of(source: str, package: str) -> list[str]:
    """Imports of a package or anything below it."""
    return sorted(name for name in imported(source) if name == package or name.startswith(f"{package}."))


def loose_log_lines(source: str, fields: Iterable[str]) -> list[str]:
    """Log calls that pass anything but one constant message, ``exc_info`` and the listed ``extra`` fields."""
    allowed = frozenset(fields)
    return [f"line {node.lineno}: {fault}" for node in _log_calls(source) for fault in _log_faults(node, allowed)]


def _log_calls(source: str) -> Iterator[ast.Call]:
    for called, node in _calls(source):
        owner, _, level = called.rpartition(".")
        is_logger = owner.rpartition(".")[2] in LOGGERS or owner == "logging" or ".getLogger" in ast.unparse(node.func)
        if level in LEVELS and is_logger:
            yield node


def _log_faults(node: ast.Call, allowed: frozenset[str]) -> Iterator[str]:
    if not (node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)):
        yield "the message is not a constant"
    if len(node.args) > 1:
        yield "values are passed into the message"
    for keyword in node.keywords:
        if keyword.arg == "extra":
            yield from _extra_faults(keyword.value, allowed)
        elif keyword.arg != "exc_info":
            yield f"{keyword.arg} is passed"


def _extra_faults(extra: ast.expr, allowed: frozenset[str]) -> Iterator[str]:
    if not isinstance(extra, ast.Dict):
        yield "extra is not written out"
        return
    for key in extra.keys:
        name = key.value if isinstance(key, ast.Constant) else None
        if name not in allowed:
            yield f"the field {name} is not on the list"


def clocks_read(source: str) -> list[str]:
    """Calls that read a clock: where time is an argument, there are none."""
    found = []
    for called, node in _calls(source):
        if ".".join(called.split(".")[-2:]) in CLOCKS:
            found.append(f"line {node.lineno}: {called}()")
    return found


def written_sql(source: str) -> list[str]:
    """SQL that is written as text: ``text(...)`` of SQLAlchemy, ``exec_driver_sql``, f-strings and sums that begin like SQL."""
    found = [
        f"line {node.lineno}: {called}("
        for called, node in _calls(source)
        if called.rpartition(".")[2] in ("exec_driver_sql",)
        or (called in ("text", "sa.text", "sqlalchemy.text") and imports_of(source, "sqlalchemy"))
    ]
    for node in ast.walk(parsed(source)):
        start = _first_words(node)
        if start and SQL.match(start):
            found.append(f"line {node.lineno}: {start.strip()[:30]}...")  # type: ignore[attr-defined]
    return found


def _first_words(node: ast.AST) -> str:
    """How a built string begins; empty for what is not built from parts."""
    if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
        return str(node.values[0].value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)) and isinstance(node.left, ast.Constant):
        return str(node.left.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return str(node.func.value.value) if isinstance(node.func.value, ast.Constant) else ""
    return ""


@dataclass(frozen=True, slots=True)
class Size:
    """A function and its length in lines, without its docstring and decorators."""

    name: str
    lines: int


def sizes(source: str) -> list[Size]:
    """The lengths of all functions, nested ones too."""
    return [Size(node.name, _length(node)) for node in ast.walk(parsed(source)) if isinstance(node, FUNCTIONS)]


def _length(node: Function) -> int:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node):
        length -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
    return length


def too_large(found: list[Size]) -> list[str]:
    """Against the measure of the house: median at most 10 lines, nine in ten under 30, none over 60."""
    lengths = [one.lines for one in found]
    faults = [f"{one.name} has {one.lines} lines" for one in found if one.lines > 60]
    if lengths and statistics.median(lengths) > 10:
        faults.append(f"the median is {statistics.median(lengths)} lines")
    if lengths and sum(length < 30 for length in lengths) < 0.9 * len(lengths):
        faults.append("fewer than nine in ten are under 30 lines")
    return faults


def undocumented(source: str) -> list[str]:
    """Public functions and classes of a module without a docstring, and the module itself if it says anything."""
    tree = parsed(source)
    found = [] if ast.get_docstring(tree) or not tree.body else ["the module"]
    public = (node for node in tree.body if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and not node.name.startswith("_"))
    return found + [node.name for node in public if not ast.get_docstring(node)]


def tests_without_a_sentence(source: str) -> list[str]:
    """Tests that do not say what they hold."""
    functions = (node for node in ast.walk(parsed(source)) if isinstance(node, FUNCTIONS))
    return [node.name for node in functions if node.name.startswith("test_") and not ast.get_docstring(node)]


REASONED = re.compile(r"gate|against|refusal")  # in the names of functions that give a reason or nothing


def refusal_words(source: str) -> set[str]:
    """Refusal reasons that a source uses: ``Refuse("...")``, ``refusal="..."``, and what the gates return."""
    found: set[str] = set()
    for called, node in _calls(source):
        name = called.rpartition(".")[2]
        if name == "Refuse" and node.args:
            found |= _texts(node.args[0])
        found |= {text for one in node.keywords if one.arg == "refusal" for text in _texts(one.value)}
        if name in ("Finding", "Refusal"):
            found |= {text for one in node.keywords if one.arg == "reason" for text in _texts(one.value)}
    for node in ast.walk(parsed(source)):
        if isinstance(node, FUNCTIONS) and REASONED.search(node.name):
            returned = (one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value)
            found |= {text for value in returned for text in _texts(value)}
    return found - {""}


def _texts(value: ast.expr) -> set[str]:
    """The constant texts that an expression may have as its value: conditions are looked into, comparisons are not."""
    if isinstance(value, ast.Constant):
        return {value.value} if isinstance(value.value, str) else set()
    if isinstance(value, ast.IfExp):
        return _texts(value.body) | _texts(value.orelse)
    if isinstance(value, ast.BoolOp):
        return {text for one in value.values for text in _texts(one)}
    return set()


def topic_words(source: str) -> set[str]:
    """Topics that a source names: the first argument of ``Change(...)``."""
    found: set[str] = set()
    for called, node in _calls(source):
        if called.rpartition(".")[2] == "Change" and node.args:
            found |= _texts(node.args[0])
    return found


def unknown_words(used: Iterable[str], known: Iterable[str]) -> list[str]:
    """Codes in use that no code system publishes."""
    return sorted(set(used) - set(known))


def drawer(path: str) -> bool:
    """Whether a module's name says nothing about what is in it."""
    return any(part.removesuffix(".py") in DRAWERS for part in path.split("/"))


def concepts(system: dict[str, Any]) -> set[str]:
    """The codes of a CodeSystem resource, nested ones too."""
    found: set[str] = set()
    waiting = list(system.get("concept", ()))
    while waiting:
        one = waiting.pop()
        found.add(one["code"])
        waiting += one.get("concept", ())
    return found


def locked(lock: str) -> set[str]:
    """The packages of a lock file, normalised."""
    names = (re.match(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==", line) for line in lock.splitlines())
    return {_normal(match[1]) for match in names if match}


def not_locked(wanted: Iterable[str], lock: str) -> list[str]:
    """Requirements that a lock does not cover."""
    have = locked(lock)
    return sorted(one for one in wanted if _normal(re.split(r"[\s\[<>=!~;]", one, maxsplit=1)[0]) not in have)


def without_hash(lock: str) -> list[str]:
    """Packages of a lock file that no hash holds."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock.strip())
    return [block.split("==")[0] for block in blocks if "==" in block and "--hash=sha256:" not in block]


def addresses(lock: str) -> list[str]:
    """Lines of a lock file that say where to fetch from, or where that was done."""
    return [
        line for line in lock.splitlines() if re.search(r"://|^\s*--(index|extra-index|find-links|trusted)|file:|(^|\s)/\w", line)
    ]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
