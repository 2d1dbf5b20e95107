"""Mutants: a module's source with one small error in it, and a name that stays when lines move.

Knows: Python's syntax trees, and which errors are worth making.  Must not know: what the code means.

The errors are those that people make in such code: another comparison, ``and`` for ``or``, a condition turned round,
a bit operation exchanged or its complement lost, an operand of a union left out, a number off by one, another truth,
another word, a member of a set or a statement left out, one arm of a choice taken always.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Path: TypeAlias = tuple[tuple[str, int], ...]  # fields, and places in them (-1: the field holds one node)

_COMPARED = {
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,), ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
}
_COMPUTED = {
    ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,), ast.BitXor: (ast.BitOr,), ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,), ast.LShift: (ast.RShift,), ast.RShift: (ast.LShift,),
}
_DELETED = (ast.Assign, ast.AugAssign, ast.Expr, ast.Continue, ast.Break, ast.Return, ast.Raise)


@dataclass(frozen=True)
class Mutant:
    """``name`` is ``function: before -> after``, with ``#2`` for the second of the same name."""

    name: str
    line: int
    original: str
    path: Path
    after: ast.AST

    @property
    def source(self) -> str:
        """The module with the error in it."""
        tree = ast.parse(self.original)
        _put(tree, self.path, self.after)
        return ast.unparse(ast.fix_missing_locations(tree))


def mutants(source: str, *, within: str = "") -> list[Mutant]:
    """Every mutant of a module; ``within`` leaves out all but one class or function and what it holds."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for path, node, where in _places(tree, (), ""):
        if within and where != within and not where.startswith(within + "."):
            continue
        for before, after in _errors(node):
            name = f"{where or 'module'}: {_short(before)} -> {_short(after)}"
            seen[name] += 1
            if seen[name] > 1:
                name += f" #{seen[name]}"
            found.append(Mutant(name, getattr(node, "lineno", 0), source, path, copy.deepcopy(after)))
    return found


def _places(node: ast.AST, path: Path, where: str) -> Iterator[tuple[Path, ast.AST, str]]:
    """Every node that runs, with the way to it from the module, and the function that it is in."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        where = f"{where}.{node.name}".lstrip(".")
    if path:
        yield path, node, where
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases", "keywords") and not isinstance(node, ast.Call):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST) and not _idle(child):
                yield from _places(child, (*path, (field, index if isinstance(value, list) else -1)), where)


def _idle(node: ast.AST) -> bool:
    """What never runs, or only names things: docstrings, imports, types, texts for people."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.JoinedStr, ast.expr_context)):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        return isinstance(target, ast.Name) and target.id in ("TYPE_CHECKING", "__all__", "__slots__")
    return False


def _errors(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in _COMPARED[type(node.ops[0])]:
            yield node, ast.Compare(node.left, [other()], node.comparators)
    elif isinstance(node, ast.BoolOp):
        other_op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield node, ast.BoolOp(other_op, node.values)
        for index in range(len(node.values)):
            rest = [*node.values[:index], *node.values[index + 1 :]]
            yield node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED:
        for computed in _COMPUTED[type(node.op)]:
            yield node, ast.BinOp(node.left, computed(), node.right)
        if isinstance(node.op, (ast.BitOr, ast.BitAnd)):
            yield node, node.left
            yield node, node.right
    elif isinstance(node, ast.UnaryOp):
        yield node, node.operand
    elif isinstance(node, ast.IfExp):
        yield node, node.body
        yield node, node.orelse
    elif isinstance(node, ast.Constant):
        yield from ((node, ast.Constant(value)) for value in _constants(node.value))
    elif isinstance(node, (ast.If, ast.While)):
        yield node.test, _with_test(node, ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Set):
        for index in range(len(node.elts)):
            yield node, ast.Set([*node.elts[:index], *node.elts[index + 1 :]])
    if isinstance(node, _DELETED):
        yield node, ast.Pass()


def _with_test(node: ast.If | ast.While, test: ast.expr) -> ast.AST:
    changed = copy.copy(node)
    changed.test = test
    return changed


def _constants(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, str) and value and " " not in value:  # sentences are for people
        return [value + "?"]
    return []


def _put(tree: ast.AST, path: Path, node: ast.AST) -> None:
    holder = tree
    for field, index in path[:-1]:
        value = getattr(holder, field)
        holder = value[index] if index >= 0 else value
    field, index = path[-1]
    if index >= 0:
        getattr(holder, field)[index] = node
    else:
        setattr(holder, field, node)


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split()) if not isinstance(node, ast.If) else f"if {ast.unparse(node.test)}"
    return text if len(text) <= 100 else text[:97] + "..."
