"""The error codes in sqlfeat's source, read from its syntax trees.

A code is the first argument of an error of ``sqlfeat.errors``, or what is given to a parameter or field named ``code``
(or ``damaged``: a kind of artifact's own code). A code that is put together has a known beginning at least.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlfeat import errors

PACKAGE = Path(errors.__file__).parent
ERRORS = {
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.SqlfeatError) and value is not errors.ProjectErrors
}
PARAMETERS = ("code", "damaged")


@dataclass
class Codes:
    """What was found: whole codes with a place each, and the beginnings of those that are put together."""

    whole: dict[str, str] = field(default_factory=dict)
    beginnings: set[str] = field(default_factory=set)

    def add(self, node: ast.expr | None, where: str) -> None:
        """Note what an expression can be, as far as that can be read."""
        match node:
            case ast.Constant(value=str(code)):
                self.whole.setdefault(code, where)
            case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
                self.beginnings.add(start)
            case ast.IfExp(body=one, orelse=other):
                self.add(one, where)
                self.add(other, where)


def codes_in_source() -> Codes:
    """All codes that sqlfeat can raise."""
    read = {path: _nodes(ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(PACKAGE.rglob("*.py"))}
    own = {path: dict(_takers(nodes)) for path, nodes in read.items()}
    everywhere = {name: at for takers in own.values() for name, at in takers.items() if not name.startswith("_")}
    found = Codes()
    for path, nodes in read.items():
        takers = {**everywhere, **own[path]}
        file = path.relative_to(PACKAGE.parent)
        for node in nodes:
            if isinstance(node, ast.Call):
                _note_call(node, takers, found, f"{file}:{node.lineno}")
            elif isinstance(node, ast.Assign) and any(_name(target) == "_CODES" for target in node.targets):
                assert isinstance(node.value, ast.Dict)
                for value in node.value.values:
                    found.add(value, f"{file}:{node.lineno}")
    found.add(ast.Constant("several-errors"), "sqlfeat/errors.py")  # what ProjectErrors calls itself
    return found


def _nodes(tree: ast.Module) -> list[ast.AST]:
    """The nodes that tell of codes: to walk a tree takes longest, and is done once."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call | ast.Assign | ast.FunctionDef | ast.ClassDef)]


def _takers(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, int]]:
    """Functions and dataclasses with a parameter that is a code, and its position among the arguments."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            yield from _position(node.name, [name for name in names if name not in ("self", "cls")])
        elif isinstance(node, ast.ClassDef):
            fields = [_name(each.target) for each in node.body if isinstance(each, ast.AnnAssign)]
            made = next((each for each in node.body if _is_init(each)), None)
            if isinstance(made, ast.FunctionDef):
                fields = [argument.arg for argument in made.args.args[1:]]
            yield from _position(node.name, fields)


def _is_init(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def _position(owner: str, names: list[str]) -> Iterator[tuple[str, int]]:
    if owner not in ERRORS and owner != "__init__":
        yield from ((owner, names.index(name)) for name in PARAMETERS if name in names)


def _note_call(node: ast.Call, takers: dict[str, int], found: Codes, where: str) -> None:
    name = _name(node.func)
    position = 0 if name in ERRORS else takers.get(name)
    if position is not None and len(node.args) > position:
        found.add(node.args[position], where)
    for keyword in node.keywords:
        if keyword.arg in PARAMETERS:
            found.add(keyword.value, where)


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
        case _:
            return ""
