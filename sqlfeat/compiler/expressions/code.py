"""Typed expressions → the source of one Python function for all of them.

Each is a fragment of Python wherever it can be one: strict calls that never raise are nested in each other, and their
nulls are asked for once. Whatever is used twice, may raise, or gives NULL of its own becomes a variable; what stands
in a branch of CASE or COALESCE is computed in the branch. Equal expressions are computed once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.running.errors import ExpressionError, NotCovered
from sqlfeat.compiler.expressions.typed import Call, Choice, Column, Constant, First, Junction, Key, Node

_HOLE = re.compile(r"\{(\d+|t|h\d+)\}")
_DEEPEST = 80
"""Python itself gives up on code that is nested deeper than 100 blocks or 200 brackets."""


class TooDeep(Exception):  # becomes an Unsupported at the door
    """An expression whose code Python could not read."""


@dataclass(frozen=True)
class _Piece:
    """A Python expression; it may only be evaluated where none of the variables in ``nulls`` is None."""

    text: str
    nulls: frozenset[str] = frozenset()
    depth: int = 0

    @property
    def atom(self) -> bool:
        return self.depth == 0


@dataclass
class Code:
    """The function that is being written."""

    environment: dict[str, Any] = field(default_factory=dict)
    quick: bool = False
    lines: list[str] = field(default_factory=list)
    columns: dict[Key, str] = field(default_factory=dict)
    _scopes: list[dict[Node, _Piece]] = field(default_factory=lambda: [{}])
    _indent: int = 1
    _variables: int = 0
    _uses: Counter[Node] = field(default_factory=Counter)
    _held: dict[tuple[type, str], str] = field(default_factory=dict)

    # -- what is asked for ---------------------------------------------------------------------------------------------

    def value(self, node: Node) -> str:
        """The name of a variable, or a literal, that is the value or None."""
        return self._variable(self._piece(node)).text

    def count(self, nodes: Sequence[Node]) -> None:
        """Tell how often each part is used, before any code is written."""
        for node in nodes:
            self._uses[node] += 1
            if self._uses[node] == 1:
                self.count(_parts(node))

    # -- pieces --------------------------------------------------------------------------------------------------------

    def _piece(self, node: Node) -> _Piece:
        if isinstance(node, Constant):
            return self._constant(node.value)
        if isinstance(node, Column):
            name = self.columns.setdefault(node.key, f"c{len(self.columns)}")
            return _Piece(name, frozenset({name}))
        for scope in reversed(self._scopes):
            if node in scope:
                return scope[node]
        piece = self._made(node)
        if self._uses[node] > 1:
            piece = self._variable(piece)
        if piece.atom:
            self._scopes[-1][node] = piece
        return piece

    def _made(self, node: Node) -> _Piece:
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Choice):
            return self._choice(node)
        if isinstance(node, First):
            return self._first(node)
        assert isinstance(node, Junction)
        return self._junction(node)

    def _constant(self, value: Any) -> _Piece:
        if value is None:
            return _Piece("None", frozenset({"None"}))
        if isinstance(value, bool | int | str) or (isinstance(value, float) and value - value == 0):
            text = repr(value)
            return _Piece(f"({text})" if text.startswith("-") else text)
        return _Piece(self._hold(value))

    def _hold(self, value: Any) -> str:
        """A name in the function's surroundings for a value that cannot be written out."""
        key = (type(value), f"{value!r} {id(value) if not isinstance(value, float | list | tuple | dict) else ''}")
        if key not in self._held:
            name = f"{'q' if self.quick else 'h'}{len(self._held)}"
            self._held[key] = name
            self.environment[name] = value
        return self._held[key]

    def _name(self, function: Callable[..., Any]) -> str:
        name = f"f_{function.__name__.lstrip('_')}"
        if self.environment.setdefault(name, function) is not function:
            return self._hold(function)
        return name

    def _call(self, node: Call) -> _Piece:
        if not node.strict:
            return self._lenient(node)
        pieces = [self._piece(argument) for argument in node.arguments]
        code = node.quick if self.quick and node.quick is not None else node.python
        if callable(code):
            template = f"{self._name(code)}({', '.join(f'{{{index}}}' for index in range(len(pieces)))})"
        else:
            template = code
        used = Counter(_HOLE.findall(template))
        pieces = [
            self._variable(piece) if used[str(index)] > 1 and not piece.atom else piece
            for index, piece in enumerate(pieces)
        ]
        nulls = frozenset().union(*(piece.nulls for piece in pieces))
        depth = 1 + max((piece.depth for piece in pieces), default=0)
        if node.safe and node.total and not used["t"] and depth < _DEEPEST // 2:
            return _Piece(f"({self._filled(template, pieces, node.held, '')})", nulls, depth)
        target = self._new()
        text = self._filled(template, pieces, node.held, target)
        self._assign(target, text, nulls)
        return _Piece(target, frozenset() if node.total and not nulls else frozenset({target}))

    def _lenient(self, node: Call) -> _Piece:
        """A call that is given its arguments with their nulls."""
        pieces = [self._variable(self._piece(argument)) for argument in node.arguments]
        target = self._new()
        if callable(node.python):
            text = f"{self._name(node.python)}({', '.join(piece.text for piece in pieces)})"
        else:
            text = self._filled(node.python, pieces, node.held, target)
        self._line(f"{target} = {text}")
        return _Piece(target, frozenset() if node.total else frozenset({target}))

    def _filled(self, template: str, pieces: Sequence[_Piece], held: Sequence[Any], target: str) -> str:
        def fill(match: re.Match[str]) -> str:
            hole = match[1]
            if hole == "t":
                return target
            return self._hold(held[int(hole[1:])]) if hole.startswith("h") else pieces[int(hole)].text

        return _HOLE.sub(fill, template)

    # -- statements ----------------------------------------------------------------------------------------------------

    def _new(self) -> str:
        self._variables += 1
        return f"v{self._variables}"

    def _line(self, text: str) -> None:
        self.lines.append(f"{' ' * self._indent}{text}")

    def _assign(self, target: str, text: str, nulls: frozenset[str]) -> None:
        if "None" in nulls:
            text = "None"
        elif nulls:
            text = f"None if {' or '.join(f'{name} is None' for name in sorted(nulls))} else {text}"
        self._line(f"{target} = {text}")

    def _variable(self, piece: _Piece) -> _Piece:
        if piece.atom:
            return piece
        target = self._new()
        self._assign(target, piece.text, piece.nulls)
        return _Piece(target, frozenset({target}) if piece.nulls else frozenset())

    def _in_branch(self, target: str, node: Node) -> None:
        """Assign a value inside a block of its own; what is computed there is not known outside."""
        self._deeper()
        self._line(f"{target} = {self.value(node)}")
        self._scopes.pop()
        self._indent -= 1

    def _condition(self, node: Node) -> str:
        """Python that is true where the condition is true, and not where it is false or NULL.

        As DuckDB does where it chooses rows, AND and OR stop at the first part that decides.
        """
        if isinstance(node, Junction) and not self._knows(node):
            if all(map(_plain, node.arguments)):
                return f"({f' {node.word} '.join(f'({self._condition(part)})' for part in node.arguments)})"
            return self._steps(node)
        piece = self._piece(node)
        if "None" in piece.nulls:
            return "False"
        own = {piece.text} if piece.atom else set()
        checks = [f"{name} is not None" for name in sorted(piece.nulls - own)]
        return " and ".join([*checks, piece.text])

    def _steps(self, node: Junction) -> str:
        """A condition some part of which needs statements: they are only reached if the parts before do not decide."""
        target = self._new()
        before, scopes = self._indent, len(self._scopes)
        decided = node.word == "or"
        self._line(f"{target} = {decided}")
        for part in node.arguments:
            test = self._condition(part)
            self._line(f"if not ({test}):" if decided else f"if {test}:")
            self._deeper()
        self._line(f"{target} = {not decided}")
        self._indent = before
        del self._scopes[scopes:]
        return target

    def _knows(self, node: Node) -> bool:
        return any(node in scope for scope in self._scopes)

    def _choice(self, node: Choice) -> _Piece:
        target = self._new()
        before, scopes = self._indent, len(self._scopes)
        for index, (condition, value) in enumerate(node.branches):
            written = len(self.lines)
            test = self._condition(condition)
            if index and len(self.lines) == written:
                self.lines.pop()  # the condition needs no statement of its own, so the else becomes an elif
                self._indent -= 1
                del self._scopes[-1]
            self._line(f"{'elif' if index and len(self.lines) < written else 'if'} {test}:")
            self._in_branch(target, value)
            self._line("else:")
            self._deeper()
        self._line(f"{target} = {self.value(node.default)}")
        self._indent = before
        del self._scopes[scopes:]
        return _Piece(target, frozenset({target}))

    def _deeper(self) -> None:
        """Into a block of its own."""
        self._indent += 1
        if self._indent > _DEEPEST:
            raise TooDeep
        self._scopes.append({})

    def _first(self, node: First) -> _Piece:
        target = self._new()
        before, scopes = self._indent, len(self._scopes)
        for index, argument in enumerate(node.arguments):
            piece = self._variable(self._piece(argument))
            self._line(f"{target} = {piece.text}")
            if not piece.nulls:
                self._indent = before
                del self._scopes[scopes:]
                return _Piece(target)
            if index < len(node.arguments) - 1:
                self._line(f"if {target} is None:")
                self._deeper()
        self._indent = before
        del self._scopes[scopes:]
        return _Piece(target, frozenset({target}))

    def _junction(self, node: Junction) -> _Piece:
        pieces = [self._piece(part) for part in node.arguments]
        nulls = frozenset().union(*(piece.nulls for piece in pieces))
        depth = 1 + max(piece.depth for piece in pieces)
        if not nulls and depth < _DEEPEST // 2:
            return _Piece(f"({f' {node.word} '.join(piece.text for piece in pieces)})", nulls, depth)
        pieces = [self._variable(piece) for piece in pieces]
        decided = node.word == "or"
        one = " or ".join(f"{piece.text} is {decided}" for piece in pieces)
        unknown = " or ".join(f"{piece.text} is None" for piece in pieces if piece.nulls) or "False"
        target = self._new()
        self._line(f"{target} = {decided} if {one} else (None if {unknown} else {not decided})")
        return _Piece(target, frozenset({target}))


def _parts(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Choice):
        return (*(part for branch in node.branches for part in branch), node.default)
    return () if isinstance(node, Column | Constant) else node.arguments


def _plain(node: Node) -> bool:
    """Whether an expression is a fragment of Python all the way down."""
    if isinstance(node, Column):
        return True
    if isinstance(node, Constant):
        return True
    if isinstance(node, Junction):
        return all(map(_plain, node.arguments))
    return isinstance(node, Call) and node.strict and node.safe and node.total and all(map(_plain, node.arguments))


def function_of(
    nodes: Sequence[Node], keys: Sequence[Key], *, mapping: bool
) -> tuple[Callable[..., Any], str, tuple[Key, ...]]:
    """A function of a row that gives the values of these expressions as a tuple, its source, and the keys it reads.

    A row is a mapping, or a sequence in the order of ``keys``.
    """
    environment: dict[str, Any] = {}
    places = {key: key if mapping else index for index, key in enumerate(keys)}
    careful, inputs = _source(nodes, places, environment, "compiled", quick=False)
    source = careful
    if any(isinstance(node, Call) and node.quick is not None for node in _all(nodes)):
        source = careful.replace("def compiled(", "def carefully(")
        source += _source(nodes, places, environment, "compiled", quick=True)[0]
    exec(compile(source, "<sqlfeat expression>", "exec"), environment)
    return environment["compiled"], source, inputs


def _source(
    nodes: Sequence[Node], places: Mapping[Key, object], environment: dict[str, Any], name: str, *, quick: bool
) -> tuple[str, tuple[Key, ...]]:
    code = Code(environment, quick)
    code.count(nodes)
    results = [code.value(node) for node in nodes]
    loads = [f" {variable} = row[{places[key]!r}]" for key, variable in code.columns.items()]
    lines = [*loads, *code.lines, f" return ({', '.join(results)},)"]
    if quick:
        errors = " except (ZeroDivisionError, OverflowError, ValueError):"
        lines = [" try:", *(f" {line}" for line in lines), errors, "  return carefully(row)"]
    return "\n".join([f"def {name}(row):", *lines]) + "\n", tuple(code.columns)


def _all(nodes: Iterable[Node]) -> Iterator[Node]:
    """Every part of these expressions, those that are shared only once."""
    seen: set[Node] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting += _parts(node)


def folded(node: Node) -> Node:
    """An expression of constants as the constant that it gives; itself where it has no value."""
    parts = _parts(node)
    if not parts or not all(isinstance(part, Constant) for part in parts):
        return node
    try:
        if isinstance(node, Call) and callable(node.python):
            return Constant(node.type, node.python(*(part.value for part in parts if isinstance(part, Constant))))
        function, _, _ = function_of([node], (), mapping=True)
        return Constant(node.type, function({})[0])
    except ExpressionError:
        return node
    except NotCovered:
        raise NotCompiled("a constant that is not covered") from None
