"""The binder: trees of names and calls → typed expressions. Which function means what is said in other modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlfeat.compiler.expressions import arithmetic, lists, logic, texts, time_arithmetic, times
from sqlfeat.compiler.expressions.casts import cast
from sqlfeat.compiler.expressions.code import folded
from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.trees import Case, Cast, Field, Literal, Name, Tree
from sqlfeat.compiler.expressions.typed import NULL, Choice, Column, Constant, Key, Node, call
from sqlfeat.compiler.expressions.types import TEXT
from sqlfeat.compiler.purity import CLOCKS, DICE
from sqlfeat.compiler.transforms import PLACE

_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_ARITHMETIC = ("+", "-", "*", "/", "//", "%")
FUNCTIONS: dict[str, Callable[[list[Node]], Node]] = {
    **lists.FUNCTIONS, **arithmetic.FUNCTIONS, **logic.FUNCTIONS, **times.FUNCTIONS,
    **time_arithmetic.FUNCTIONS,
}  # fmt: skip
for _name, _binder in texts.FUNCTIONS.items():
    FUNCTIONS.setdefault(_name, _binder)
Places = Callable[[str], Callable[[str], int] | None]
"""What finds places in the list of a mark; None where there is no such list."""


class Binder:
    """Binds expressions over one row of columns; ``relation`` is the name that may stand before a column."""

    def __init__(
        self,
        columns: Mapping[Key, str],
        relation: str | None,
        zones: times.Zones = lambda _: None,
        places: Places = lambda _: None,
    ) -> None:
        self._zones = zones
        self._places = places
        self.relation = relation and relation.casefold()
        self.done: set[Node] = set()
        self.columns: dict[str, tuple[Key, str]] = {
            key.casefold(): (key, kind) for key, kind in columns.items() if isinstance(key, str)
        }
        self.fields: dict[tuple[str, str], tuple[Key, str]] = {
            (key[0].casefold(), key[1].casefold()): (key, kind)
            for key, kind in columns.items()
            if not isinstance(key, str)
        }

    def bind(self, tree: Tree) -> Node:
        """The typed expression, or :class:`NotCompiled` with the place of what is not covered."""
        try:
            return self._folded(self._bound(tree))
        except NotCompiled as refusal:
            raise refusal.at(tree.place) from None

    def _folded(self, node: Node) -> Node:
        """Expressions of constants as what they give; what has been folded is not looked into again."""
        if isinstance(node, Column | Constant) or node in self.done:
            return node
        if isinstance(node, Choice):
            branches = tuple((self._folded(test), self._folded(value)) for test, value in node.branches)
            made = folded(replace(node, branches=branches, default=self._folded(node.default)))
        else:
            made = folded(replace(node, arguments=tuple(map(self._folded, node.arguments))))
        self.done.add(made)
        return made

    def _bound(self, tree: Tree) -> Node:
        if isinstance(tree, Literal):
            return _literal(tree)
        if isinstance(tree, Name):
            return self._name(tree)
        if isinstance(tree, Cast):
            return self._cast(tree)
        if isinstance(tree, Case):
            return self._case(tree)
        if isinstance(tree, Field):
            return lists.field(self.bind(tree.value), tree.name)
        return self._call(tree.name, [self.bind(argument) for argument in tree.arguments])

    def _name(self, tree: Name) -> Node:
        parts = [part.casefold() for part in tree.parts]
        found: tuple[Key, str] | None = None
        if len(parts) > 1:
            found = self.fields.get((parts[0], parts[1]))
            used = 2
            if found is None and parts[0] == self.relation:
                found = self.columns.get(parts[1])
        if found is None:
            found, used = self.columns.get(parts[0]), 1
        if found is None:
            raise NotCompiled(f"the column {'.'.join(tree.parts)!r}")
        node: Node = Column(found[1], found[0])
        for part in tree.parts[used:]:
            node = lists.field(node, part)
        return node

    def _cast(self, tree: Cast) -> Node:
        value = self.bind(tree.value)
        if tree.type == "INTERVAL" and isinstance(value, Constant) and value.literal == "string":
            return time_arithmetic.interval(value, "")
        return cast(value, tree.type, tries=tree.tries)

    def _case(self, tree: Case) -> Node:
        operand = self.bind(tree.operand) if tree.operand is not None else None
        branches = []
        for test, value in tree.branches:
            condition = self.bind(test)
            if operand is not None:
                condition = logic.compare("=", operand, condition)
            branches.append((condition, self.bind(value)))
        default = self.bind(tree.default) if tree.default is not None else Constant(NULL, None, "null")
        return logic.choice(branches, default)

    def _call(self, name: str, arguments: list[Node]) -> Node:
        if name in _OPERATORS:
            return _OPERATORS[name](*arguments)
        if name in _ARITHMETIC:
            operate = time_arithmetic.operate if any(map(time_arithmetic.is_time, arguments)) else arithmetic.operate
            return operate(name, *arguments)
        if name in _COMPARISONS:
            return logic.compare(name, *arguments)
        if name == "timezone":
            return times.timezone(arguments, self._zones)
        if name == PLACE:
            return self._place(*arguments)
        function = FUNCTIONS.get(name)
        if function is None:
            if name in CLOCKS or name in DICE:
                raise NotCompiled(f"{name}(), which gives something else each time")
            raise NotCompiled(f"the function {name}()")
        return function(arguments)

    def _place(self, value: Node, mark: Node) -> Node:
        """Where a category stands in a list that a transform was fitted on; 0 where it does not."""
        place = self._places(mark.value) if isinstance(mark, Constant) else None
        if place is None or value.type != TEXT:
            raise NotCompiled(f"the function {PLACE}()")
        return call("INTEGER", "{h0}({0})", value, held=(place,))


def _literal(tree: Literal) -> Node:
    if tree.kind == "null":
        return Constant(NULL, None, "null")
    if tree.kind == "boolean":
        return Constant("BOOLEAN", tree.text == "true")
    if tree.kind == "string":
        return Constant("VARCHAR", tree.text, "string")
    if tree.kind == "integer":
        return arithmetic.integer_literal(int(tree.text) if len(tree.text) < 50 else 10**50)
    if tree.kind == "double":
        return Constant("DOUBLE", float(tree.text))
    whole, _, fraction = tree.text.partition(".")
    width = len(whole) + len(fraction)
    if width > 38:
        return Constant("DOUBLE", float(tree.text))
    return Constant(f"DECIMAL({width},{len(fraction)})", int(whole + fraction))


def _interval(amount: Node, unit: Node) -> Node:
    assert isinstance(unit, Constant)
    return time_arithmetic.interval(amount, unit.value)


def _minus(node: Node) -> Node:
    return time_arithmetic.negative(node) if node.type == "INTERVAL" else arithmetic.negative(node)


_OPERATORS: dict[str, Callable[..., Node]] = {
    "and": lambda left, right: logic.junction("and", left, right),
    "or": lambda left, right: logic.junction("or", left, right),
    "not": logic.negation,
    "is_null": lambda node: logic.null_test(node, negated=False),
    "is_not_null": lambda node: logic.null_test(node, negated=True),
    "is_true": lambda node: logic.truth_test(node, True, negated=False),
    "is_false": lambda node: logic.truth_test(node, False, negated=False),
    "is_not_true": lambda node: logic.truth_test(node, True, negated=True),
    "is_not_false": lambda node: logic.truth_test(node, False, negated=True),
    "is_distinct": lambda left, right: logic.distinct(left, right, negated=False),
    "is_not_distinct": lambda left, right: logic.distinct(left, right, negated=True),
    "between": logic.between,
    "in": lambda value, *others: logic.member(value, others),
    "like": texts.like,
    "||": texts.joined,
    "-x": _minus,
    "+x": arithmetic.positive,
    "interval": _interval,
}
