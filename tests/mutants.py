"""Mutation testing of the decision: each small change to ``gateway/disclosure`` must be noticed by its tests.

``python -m tests.mutants [module ...]`` changes one thing at a time (a comparison, an and, a constant, a statement that
is gone) in a copy of the project, runs the tests of the decision against it, and says which changes nobody noticed.
Changes that cannot make a difference stand with their reason in ``tests/data/mutants.toml``. Exit code 1 where others
survive. ``--share 4/1`` takes every fourth change, from the second on; ``--jobs 2`` uses two copies at a time.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = Path("gateway") / "disclosure"
EQUIVALENT = ROOT / "tests" / "data" / "mutants.toml"
MODULES = (
    "question", "rules", "wishes", "decision", "directives", "release", "agreements", "purposes", "wish_forms", "pcf", "plain",
    "agreement_signatures", "agreement_checks", "agreement_simulation", "wording", "working_days",
)  # fmt: skip
TESTS = Path("tests") / "core" / "disclosure"
FIRST = ("test_decision_table.py", "test_consents.py", "test_children.py")  # where most changes are noticed
SLOW = ("test_properties.py",)
SECONDS = 180  # a change may make a test run for ever: that is noticed too
Site = tuple[ast.AST, str, int | None]  # a node, a field of it, and the place in that field where it is a list
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}  # fmt: skip
COMBINED: dict[type[ast.operator], type[ast.operator]] = {ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.Sub: ast.BitOr, ast.Add: ast.Sub}  # fmt: skip
NAMES = {"any": "all", "all": "any", "min": "max", "max": "min"}
METHODS = {"isdisjoint": "issubset", "startswith": "endswith", "endswith": "startswith", "union": "intersection"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: where, what, and the module as it reads then."""

    module: str
    line: int
    where: str  # function, with its class
    before: str
    after: str
    source: str

    @property
    def change(self) -> str:
        """The change without its line, as the list of equivalent ones names it."""
        return f"{self.module}.{self.where}: {self.before} -> {self.after}"

    def __str__(self) -> str:
        return f"{PACKAGE / self.module}.py:{self.line}: {self.where}: {self.before} -> {self.after}"


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """Every change of a module, each with the whole text of the module as it is then."""
    tree = ast.parse(text)
    for place, (site, where) in enumerate(list(_sites(tree, ""))):
        node = _at(site)
        for number, _ in enumerate(_changes(node, site)):
            altered = copy.deepcopy(tree)
            target, _ = list(_sites(altered, ""))[place]
            changed = list(_changes(_at(target), target))[number]
            before, after = _short(node), _short(changed)
            _put(target, changed)
            if before != after:
                yield Mutant(
                    module,
                    getattr(node, "lineno", 0),
                    where or "module",
                    before,
                    after,
                    ast.unparse(ast.fix_missing_locations(altered)),
                )


def _sites(node: ast.AST, where: str) -> Iterator[tuple[Site, str]]:
    """Every node that may be changed, with the function it stands in; not annotations, decorators, imports, docstrings."""
    inside = f"{where}.{node.name}".lstrip(".") if isinstance(node, (*FUNCTIONS, ast.ClassDef)) else where
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or isinstance(child, (ast.Import, ast.ImportFrom)) or _is_docstring(child):
                continue
            yield (node, field, place), inside
            yield from _sites(child, inside)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _at(site: Site) -> ast.AST:
    node, field, place = site
    value = getattr(node, field)
    found: ast.AST = value if place is None else value[place]
    return found


def _put(site: Site, changed: ast.AST) -> None:
    node, field, place = site
    if place is None:
        setattr(node, field, changed)
    else:
        getattr(node, field)[place] = changed


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(ast.fix_missing_locations(node)).split())
    return text if len(text) < 160 else f"{text[:120]} ... {text[-30:]}"


def _changes(node: ast.AST, site: Site) -> Iterator[ast.AST]:
    """What a node may be changed into."""
    for kind, change in CHANGES.items():
        if isinstance(node, kind):
            yield from change(copy.deepcopy(node))
    if isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr, ast.If)) and not isinstance(site[0], (ast.Module, ast.ClassDef)):
        yield ast.Pass()


def _compare(node: ast.Compare) -> Iterator[ast.AST]:
    for place, operator in enumerate(node.ops):
        for other in COMPARED[type(operator)]:
            changed = copy.deepcopy(node)
            changed.ops[place] = other()
            yield changed


def _bool(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    for place in range(len(node.values)):
        rest = [one for other, one in enumerate(node.values) if other != place]
        yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    if type(node.op) in COMBINED:
        yield ast.BinOp(node.left, COMBINED[type(node.op)](), node.right)
    yield node.left


def _augmented(node: ast.AugAssign) -> Iterator[ast.AST]:
    yield ast.Assign([node.target], node.value)
    if type(node.op) in COMBINED:
        yield ast.AugAssign(node.target, COMBINED[type(node.op)](), node.value)


def _constant(node: ast.Constant) -> Iterator[ast.AST]:
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int):
        yield ast.Constant(node.value + 1)
    elif isinstance(node.value, str):
        yield ast.Constant(f"{node.value}~")


def _return(node: ast.Return) -> Iterator[ast.AST]:
    if isinstance(node.value, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
        yield ast.Return(ast.UnaryOp(ast.Not(), node.value))
    elif node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value in (None, True, False)):
        yield ast.Return(ast.Constant(None))


def _choice(node: ast.IfExp) -> Iterator[ast.AST]:
    yield node.body
    yield node.orelse


def _if(node: ast.If) -> Iterator[ast.AST]:
    yield ast.If(ast.Constant(True), node.body, node.orelse)


def _comprehension(node: ast.comprehension) -> Iterator[ast.AST]:
    for place in range(len(node.ifs)):
        ifs = [one for other, one in enumerate(node.ifs) if other != place]
        yield ast.comprehension(node.target, node.iter, ifs, node.is_async)


def _call(node: ast.Call) -> Iterator[ast.AST]:
    for place in range(len(node.keywords)):
        keywords = [one for other, one in enumerate(node.keywords) if other != place]
        yield ast.Call(node.func, node.args, keywords)
    if isinstance(node.func, ast.Name) and node.func.id in NAMES:
        yield ast.Call(ast.Name(NAMES[node.func.id], ast.Load()), node.args, node.keywords)
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        yield ast.Call(ast.Attribute(node.func.value, METHODS[node.func.attr], ast.Load()), node.args, node.keywords)


def _not(node: ast.UnaryOp) -> Iterator[ast.AST]:
    if isinstance(node.op, ast.Not):
        yield node.operand


CHANGES: dict[type[ast.AST], Callable[..., Iterator[ast.AST]]] = {
    ast.Compare: _compare, ast.BoolOp: _bool, ast.BinOp: _binary, ast.AugAssign: _augmented, ast.Constant: _constant,
    ast.Return: _return, ast.IfExp: _choice, ast.If: _if, ast.comprehension: _comprehension, ast.Call: _call,
    ast.UnaryOp: _not,
}  # fmt: skip


# Runs in a copy of the project: everything but the decision is loaded once, each run is a fork of that.
RUNNER = """
import os, signal, sys
import hypothesis, pytest
import gateway.settings
from gateway.fhir import codes, dates, elements, resources, systems
resources.validate({"resourceType": "Consent"})
for line in sys.stdin:
    child = os.fork()
    if not child:
        signal.alarm(int(sys.argv[1]))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        os._exit(int(pytest.main(line.split())))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
PLAIN = ["-x", "-q", "-c", os.devnull, "--noconftest", "-p", "no:cacheprovider"]  # half of the time is plugins


class Copy:
    """What the tests of the decision need, to be changed at will, with a process that runs them."""

    def __init__(self, folder: Path) -> None:
        for name in ("gateway", "tests", "mappings", "docs"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        self.folder = folder
        rest = [f"--ignore={TESTS / name}" for name in (*FIRST, *SLOW)]
        self.stages = [[str(TESTS / name) for name in FIRST], [str(TESTS), *rest], [str(TESTS / name) for name in SLOW]]
        alone = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(folder)}
        command = [sys.executable, "-c", RUNNER, str(SECONDS)]
        self.process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **alone}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def notices(self, mutant: Mutant | None) -> bool:
        """Whether a test fails with this change: where most are noticed first, the slow files last."""
        path = self.folder / PACKAGE / f"{mutant.module if mutant else MODULES[0]}.py"
        kept = path.read_text()
        path.write_text(mutant.source if mutant else kept)
        try:
            return any(self._fails(stage) for stage in self.stages)
        finally:
            path.write_text(kept)

    def _fails(self, files: list[str]) -> bool:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(" ".join([*PLAIN, f"--rootdir={self.folder}", *files]) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()) != 0


def equivalent() -> set[str]:
    """The changes that make no difference, each listed with its reason."""
    listed = tomllib.loads(EQUIVALENT.read_text())["equivalent"] if EQUIVALENT.exists() else []
    return {one["change"] for one in listed if one["why"]}


def survivors(found: list[Mutant], copies: list[Copy]) -> Iterator[Mutant]:
    """Those that no test notices, as they are found."""
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for one in copies:
        free.put(one)

    def survives(mutant: Mutant) -> bool:
        place = free.get()
        try:
            return not place.notices(mutant)
        finally:
            free.put(place)

    with ThreadPoolExecutor(len(copies)) as pool:
        for mutant, lives in zip(found, pool.map(survives, found), strict=True):
            if lives:
                yield mutant


def main() -> int:
    """Say what survived, and which share was noticed."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("modules", nargs="*", default=MODULES)
    asked.add_argument("--share", default="1/0")
    asked.add_argument("--jobs", type=int, default=1)
    given = asked.parse_args()
    every, first = (int(part) for part in given.share.split("/"))
    with tempfile.TemporaryDirectory(prefix="gateway-mutants-") as folder:
        copies = [Copy(Path(folder) / str(number)) for number in range(given.jobs)]
        if copies[0].notices(None):
            raise SystemExit("the tests fail before anything is changed")
        alive = sum(report(module, copies, every, first) for module in given.modules)
        for one in copies:
            one.process.kill()
            one.process.wait()
    return 1 if alive else 0


def report(module: str, copies: list[Copy], every: int, first: int) -> int:
    """Say of one module what nobody noticed; how many that were."""
    text = (copies[0].folder / PACKAGE / f"{module}.py").read_text()
    known = equivalent()
    found = [one for one in mutants(module, text) if one.change not in known][first::every]
    alive = 0
    for mutant in survivors(found, copies):
        alive += 1
        print(f"survived: {mutant}", flush=True)
    print(f"{module}: {len(found) - alive} of {len(found)} changes noticed ({100 * (1 - alive / len(found)):.1f} %)", flush=True)
    return alive


if __name__ == "__main__":
    sys.exit(main())
