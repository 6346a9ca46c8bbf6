"""Which guards there are, read off the source by AST: nobody keeps a list that could forget one.

A guard is an `if` that raises, a call that requires or asks for a permission, a comparison by which a principal is
told usable, and an argument that narrows a query: to a customer, a teammate, a state. Each is taken away by itself.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2] / "src" / "misentinel"
CHECKED = ("teammates", "web", "customers", "store/planes.py", "store/queries.py", "vault/queries")
"""Where a condition that raises is a guard."""
QUERIED = ("teammates", "customers", "store/queries.py", "vault", "people", "events", "segments", "messages", "trail")
"""Where what narrows a query is a guard: the files of these that read and write rows."""
_JUDGING = ("teammates/rules.py", "teammates/queries/principals.py", "web/gate.py", "web/identity.py")
"""Where every condition decides on who may do what, also one that raises nothing."""
_NARROWING = {"filter", "get", "exclude", "Q", "get_or_create", "update_or_create"}
_ASKING = {"allowed", "may"}
_NO_GUARDS = {"tests", "migrations", "templatetags", "forms.py"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One guard taken away. `site` counts the nodes of the file's tree, in the order of `ast.walk`."""

    path: str
    line: int
    where: str
    kind: str
    text: str
    site: int
    part: int = -1
    again: int = 0

    @property
    def name(self) -> str:
        """The same as long as the guard stays what it is, wherever in the file it stands."""
        again = f" ({self.again + 1})" if self.again else ""
        return f"{self.path}::{self.where}: {self.kind}: {self.text}{again}"

    def __str__(self) -> str:
        return f"src/misentinel/{self.path}:{self.line}: {self.where}: {self.kind}: {self.text}"


def find_mutants() -> list[Mutant]:
    return [mutant for path in _files() for mutant in mutants_of(path, (ROOT / path).read_text())]


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Every mutant of one file, in the order of its lines."""
    tree = ast.parse(source)
    places = _places(tree)
    found = []
    seen: Counter[tuple[str, str, str]] = Counter()
    sites = sorted(enumerate(ast.walk(tree)), key=lambda site: (getattr(site[1], "lineno", 0), site[0]))
    for site, node in sites:
        for kind, part, told in _kinds(path, node):
            where, text = places.get(id(node), ""), " ".join(ast.unparse(told).split())
            if not where:  # runs once, when the module is imported
                continue
            again = seen[where, kind, text]
            seen[where, kind, text] += 1
            found.append(Mutant(path, node.lineno, where, kind, text, site, part, again))
    return found


def mutated(source: str, mutant: Mutant) -> ast.Module:
    """The file's tree with the guard taken away; lines stay where they were."""
    tree = ast.parse(source)
    node = list(ast.walk(tree))[mutant.site]
    replacement = _REPLACING[mutant.kind](node, mutant.part)
    if replacement is not node:
        tree = _Replacing(node, replacement).visit(tree)
    return ast.fix_missing_locations(tree)


class _Replacing(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, ast.copy_location(new, old)

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else self.generic_visit(node)


def _files() -> Iterator[str]:
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT).as_posix()
        if not _NO_GUARDS & {*relative.split("/")} and (_is_in(relative, CHECKED) or _is_in(relative, QUERIED)):
            yield relative


def _is_in(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _places(tree: ast.Module) -> dict[int, str]:
    """The function that each node stands in, by the node's identity; empty for what runs at import."""
    places: dict[int, str] = {}

    def walk(node: ast.AST, where: str, runs_later: bool) -> None:
        for child in ast.iter_child_nodes(node):
            inner, later = where, runs_later
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = f"{where}.{child.name}".lstrip(".")
                later = runs_later or isinstance(child, ast.FunctionDef)
            places[id(child)] = where if runs_later else ""
            walk(child, inner, later)

    walk(tree, "", False)
    return places


def _kinds(path: str, node: ast.AST) -> Iterator[tuple[str, int, ast.AST]]:
    """The ways to take this node away: which, of which of its parts, and what to show of it."""
    if _is_in(path, CHECKED):
        yield from _checks(path, node)
    if _is_in(path, QUERIED) and isinstance(node, ast.Call):
        yield from _narrowings(node)


def _checks(path: str, node: ast.AST) -> Iterator[tuple[str, int, ast.AST]]:
    raises = isinstance(node, ast.If) and any(isinstance(inner, ast.Raise) for inner in node.body)
    judges = path in _JUDGING
    if isinstance(node, ast.If) and (raises or judges):
        yield "never", -1, node.test
        yield "always", -1, node.test
        if isinstance(node.test, ast.BoolOp):
            for part, operand in enumerate(node.test.values):
                yield "without", part, operand
    if judges and isinstance(node, ast.Dict | ast.Return):
        for part, value in enumerate(node.values if isinstance(node, ast.Dict) else [node.value]):
            if isinstance(value, ast.Compare) or (isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)):
                yield "false", part, value
                yield "true", part, value
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _called(node.value).startswith("require"):
        yield "not required", -1, node.value
    if isinstance(node, ast.Call) and _called(node) in _ASKING:
        yield "yes", -1, node
        yield "no", -1, node


def _narrowings(node: ast.Call) -> Iterator[tuple[str, int, ast.AST]]:
    if _called(node) in _NARROWING and isinstance(node.func, ast.Attribute | ast.Name):
        for part, keyword in enumerate(node.keywords):
            if keyword.arg is not None and keyword.arg != "defaults":
                yield "any", part, keyword
    if _called(node) == "using" and isinstance(node.func, ast.Attribute):
        yield "store not named", -1, node


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _set_test(value: bool) -> Callable[[ast.If, int], ast.AST]:
    def apply(node: ast.If, part: int) -> ast.AST:
        node.test = _settled(value, node.test)
        return node

    return apply


def _without_operand(node: ast.If, part: int) -> ast.AST:
    operation = node.test
    assert isinstance(operation, ast.BoolOp)
    rest = [value for number, value in enumerate(operation.values) if number != part]
    node.test = rest[0] if len(rest) == 1 else ast.BoolOp(operation.op, rest)
    return node


def _set_value(value: bool) -> Callable[[ast.Dict | ast.Return, int], ast.AST]:
    def apply(node: ast.Dict | ast.Return, part: int) -> ast.AST:
        if isinstance(node, ast.Dict):
            node.values[part] = _settled(value, node.values[part])
        else:
            node.value = _settled(value, node.value)
        return node

    return apply


def _without_keyword(node: ast.Call, part: int) -> ast.AST:
    del node.keywords[part]
    return node


def _answering(value: bool) -> Callable[[ast.AST, int], ast.AST]:
    return lambda node, part: _settled(value, node)


def _settled(value: bool, was: ast.expr) -> ast.expr:
    """`False and …` or `True or …`: what was asked is never evaluated, and its names stay bound as they were."""
    return ast.BoolOp(ast.Or() if value else ast.And(), [ast.Constant(value), was])


_REPLACING: dict[str, Callable[..., ast.AST]] = {
    "never": _set_test(False),
    "always": _set_test(True),
    "without": _without_operand,
    "false": _set_value(False),
    "true": _set_value(True),
    "not required": lambda node, part: ast.Pass(),
    "yes": _answering(True),
    "no": _answering(False),
    "any": _without_keyword,
    "store not named": lambda node, part: node.func.value,
}
