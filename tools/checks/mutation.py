"""Mutants of Python source: one small change each, in the places where a change means something.

What is changed: comparisons (bound and direction), `and`/`or`, each operand of them, conditions, numbers,
True/False, members of an enumeration, arithmetic, `min`/`max` and what they choose from, results, and
statements that are left out (calls, assignments to attributes, `raise`, `return`, `break`, `continue`).
Texts, annotations, decorators, patterns of `match` and what stands in a class body are left as they are.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import enum
from collections.abc import Iterator
from types import CodeType, ModuleType

_ORDER: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
_CHOOSERS = {"min": "max", "max": "min", "least": ""}
_UNTOUCHED = {"annotation", "returns", "decorator_list", "bases", "pattern", "type_params", "args", "cause"}


@dataclasses.dataclass(frozen=True)
class Scope:
    """The outermost function around a place, or the module."""

    name: str = ""
    first_line: int = 0
    last_line: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Mutant:
    """One change: the field of a node gets another value while it is compiled."""

    tree: ast.Module
    file: str
    scope: Scope
    lines: range
    """Of the statement; of its head where it has a body."""
    line: int
    what: str
    owner: ast.AST
    field: str
    index: int | None
    value: object

    @property
    def name(self) -> str:
        """Where it is and what it does."""
        return f"{self.file}:{self.line} {self.scope.name or 'module'}: {self.what}"

    def compiled(self) -> CodeType:
        """The whole module with the change."""
        held = getattr(self.owner, self.field)
        try:
            if self.index is None:
                setattr(self.owner, self.field, self.value)
            else:
                changed = [*held]
                changed[self.index] = self.value
                setattr(self.owner, self.field, changed)
            return compile(ast.fix_missing_locations(self.tree), self.file, "exec")
        finally:
            setattr(self.owner, self.field, held)


@dataclasses.dataclass(frozen=True)
class _Place:
    owner: ast.AST
    field: str
    index: int | None
    scope: Scope
    statement: ast.stmt


def mutants(file: str, source: str, module: ModuleType) -> list[Mutant]:
    """All mutants of a module, in the order of the source."""
    tree = ast.parse(source, file)
    found = []
    for node, place in _places(tree):
        for what, value in _changes(node, place, vars(module)):
            if isinstance(value, ast.AST) and isinstance(node, (ast.expr, ast.stmt)):
                value = ast.copy_location(value, node)
            found.append(
                Mutant(
                    tree,
                    file,
                    place.scope,
                    _head(place.statement),
                    getattr(node, "lineno", place.statement.lineno),
                    what,
                    place.owner,
                    place.field,
                    place.index,
                    value,
                )
            )
    return found


def _head(statement: ast.stmt) -> range:
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if not body:
        return range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    inner = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
    return range(statement.lineno, max(statement.lineno + 1, inner.lineno))


def _places(tree: ast.Module) -> Iterator[tuple[ast.AST, _Place]]:
    """Every node that may be changed."""

    def walk(
        owner: ast.AST, scope: Scope, path: str, statement: ast.stmt | None
    ) -> Iterator[tuple[ast.AST, _Place]]:
        for field, held in ast.iter_fields(owner):
            if field in _UNTOUCHED and not (field == "args" and isinstance(owner, ast.Call)):
                continue
            for index, node in enumerate(held) if isinstance(held, list) else [(None, held)]:
                if not isinstance(node, ast.AST) or isinstance(
                    node, (ast.JoinedStr, ast.pattern, ast.expr_context)
                ):
                    continue
                within = node if isinstance(node, ast.stmt) else statement
                inner_scope, inner_path = scope, path
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    inner_path = f"{path}{node.name}."
                    if not isinstance(node, ast.ClassDef) and not scope.name:
                        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                        inner_scope = Scope(f"{path}{node.name}", first, node.end_lineno or first)
                elif (
                    isinstance(node, ast.If)
                    and isinstance(node.test, ast.Name)
                    and node.test.id == "TYPE_CHECKING"
                ):
                    continue
                elif within is not None and (scope.name or (not path and isinstance(within, ast.Assign))):
                    yield node, _Place(owner, field, index, scope, within)
                yield from walk(node, inner_scope, inner_path, within)

    yield from walk(tree, Scope(), "", None)


def _changes(node: ast.AST, place: _Place, names: dict[str, object]) -> Iterator[tuple[str, object]]:
    if isinstance(node, ast.stmt):
        if place.scope.name:
            yield from _statement(node)
        return
    if isinstance(node, ast.expr):
        if place.field == "test" and isinstance(place.owner, (ast.If, ast.While, ast.IfExp)):
            yield from _condition(node)
        yield from _expression(node, place, names)


def _condition(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    single = isinstance(node, ast.Compare) and len(node.ops) == 1
    if not single and not isinstance(node, (ast.UnaryOp, ast.Constant)):
        yield f"not ({ast.unparse(node)})", ast.UnaryOp(ast.Not(), node)


def _statement(node: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    text = ast.unparse(node).split("\n")[0][:80]
    gone = ast.Pass()
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield f"without {text}", gone
        case ast.Assign(targets=targets) if any(not isinstance(target, ast.Name) for target in targets):
            yield f"without {text}", gone
        case ast.AugAssign() | ast.Raise() | ast.Delete() | ast.Break() | ast.Continue():
            yield f"without {text}", gone
        case ast.Return(value=None):
            yield f"without {text}", gone
        case ast.Return(value=ast.Constant(value=None)):
            yield f"without {text}", gone
        case ast.Return(value=value) if not isinstance(value, ast.Constant):
            yield f"return None for {text}", ast.Return(ast.Constant(None))
            if isinstance(value, (ast.Compare, ast.BoolOp)):
                yield f"return not ({text})", ast.Return(ast.UnaryOp(ast.Not(), value))


def _expression(node: ast.expr, place: _Place, names: dict[str, object]) -> Iterator[tuple[str, ast.expr]]:
    text = ast.unparse(node)[:70]
    match node:
        case ast.Compare():
            yield from _comparison(node)
        case ast.BoolOp(op=op, values=values):
            other: ast.boolop = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"{'or' if isinstance(op, ast.And) else 'and'} in {text}", ast.BoolOp(other, values)
            for at, value in enumerate(values):
                rest = [*values[:at], *values[at + 1 :]]
                yield (
                    f"without {ast.unparse(value)[:60]}",
                    rest[0] if len(rest) == 1 else ast.BoolOp(op, rest),
                )
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield f"without not in {text}", operand
        case ast.Constant(value=bool(value)):
            yield f"{not value} for {value}", ast.Constant(not value)
        case ast.Constant(value=int(number) | float(number)):
            yield f"{number + 1} for {number}", ast.Constant(number + 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            changed = ast.BinOp(left, _ARITHMETIC[type(op)](), right)
            yield f"{ast.unparse(changed)[:70]}", changed
        case ast.Call(func=ast.Name(id=name), args=args) if name in _CHOOSERS:
            yield from _choice(node, name, args)
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            kind = names.get(name)
            if isinstance(kind, enum.EnumMeta) and attr in kind.__members__ and len(kind.__members__) > 1:
                members = [*kind.__members__]
                following = members[(members.index(attr) + 1) % len(members)]
                yield f"{name}.{following} for {text}", ast.Attribute(node.value, following, ast.Load())


def _comparison(node: ast.Compare) -> Iterator[tuple[str, ast.expr]]:
    for at, op in enumerate(node.ops):
        for other in _ORDER.get(type(op), ()):
            changed = copy.copy(node)
            changed.ops = [*node.ops[:at], other(), *node.ops[at + 1 :]]
            yield f"{ast.unparse(changed)[:90]}", changed


def _choice(node: ast.Call, name: str, args: list[ast.expr]) -> Iterator[tuple[str, ast.expr]]:
    if other := _CHOOSERS[name]:
        yield (
            f"{other} in {ast.unparse(node)[:70]}",
            ast.Call(ast.Name(other, ast.Load()), args, node.keywords),
        )
    for at, one in enumerate(args):
        rest = [*args[:at], *args[at + 1 :]]
        if len(rest) == 1 and name != "least":
            yield f"{name} without {ast.unparse(one)[:60]}", rest[0]
        elif rest and not isinstance(args[0], ast.Starred):
            yield f"{name} without {ast.unparse(one)[:60]}", ast.Call(node.func, rest, node.keywords)
