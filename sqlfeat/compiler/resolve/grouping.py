"""GROUP BY: keys, ordinals, ALL, grouping sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from sqlglot import exp

from sqlfeat.compiler.algebra import Expression
from sqlfeat.compiler.resolve.errors import Unresolved
from sqlfeat.compiler.resolve.grammar import refuse_more
from sqlfeat.compiler.resolve.nodes import span_of
from sqlfeat.compiler.resolve.stages import has_aggregate, has_window, shape

if TYPE_CHECKING:
    from sqlfeat.compiler.resolve.select import Select

Sets = list[tuple[int, ...]]


@dataclass
class Grouping:
    """The keys, each once, and the positions of those of each of several grouping sets."""

    keys: list[Expression] = field(default_factory=list)
    sets: tuple[tuple[int, ...], ...] = ()

    def key(self, value: Expression) -> int:
        wanted = shape(value)
        for index, own in enumerate(self.keys):
            if shape(own) == wanted:
                return index
        self.keys.append(value)
        return len(self.keys) - 1


def grouping(clause: exp.Group | None, select: Select) -> Grouping:
    """What GROUP BY says; nothing is one group of all rows."""
    found = Grouping()
    if clause is None:
        return found
    refuse_more(clause)
    if clause.args.get("all"):
        for value in _outputs(select):
            if not has_aggregate(value) and not has_window(value):
                found.key(value)
        return found
    parts = [*clause.expressions]
    for name in ("grouping_sets", "cube", "rollup"):
        parts += clause.args.get(name) or []
    alternatives = [_sets(part, select, found) for part in parts]
    if all(len(sets) == 1 for sets in alternatives) and not any(_is_sets(part) for part in parts):
        return found
    product: Sets = [()]
    for sets in alternatives:
        product = [tuple(dict.fromkeys((*before, *one))) for before in product for one in sets]
    found.sets = tuple(product)
    return found


def _is_sets(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.GroupingSets | exp.Rollup | exp.Cube)


def _outputs(select: Select) -> list[Expression]:
    return [output.value for index in range(len(select.tree.expressions)) for output in select.item(index)]


def _sets(tree: exp.Expr, select: Select, found: Grouping) -> Sets:
    """The grouping sets that an item of GROUP BY stands for."""
    if isinstance(tree, exp.GroupingSets):
        return [one for part in tree.expressions for one in _sets(part, select, found)]
    if isinstance(tree, exp.Rollup):
        pieces = [_keys(part, select, found) for part in tree.expressions]
        return [_joined(pieces[:size]) for size in range(len(pieces), -1, -1)]
    if isinstance(tree, exp.Cube):
        pieces = [_keys(part, select, found) for part in tree.expressions]
        return [_joined(some) for size in range(len(pieces), -1, -1) for some in combinations(pieces, size)]
    return [_keys(tree, select, found)]


def _joined(pieces: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(key for piece in pieces for key in piece))


def _keys(tree: exp.Expr, select: Select, found: Grouping) -> tuple[int, ...]:
    """The keys that an item names: an expression, a number of an output, or several in parentheses."""
    if isinstance(tree, exp.Tuple):
        return _joined([_keys(part, select, found) for part in tree.expressions])
    if isinstance(tree, exp.Paren):
        return _keys(tree.this, select, found)
    if isinstance(tree, exp.Literal) and not tree.is_string and tree.name.isdigit():
        outputs = _outputs(select)
        index = int(tree.name) - 1
        if not 0 <= index < len(outputs):
            raise Unresolved(f"there is no output column {tree.name}", span_of(tree))
        return (found.key(outputs[index]),)
    return (found.key(select.resolver.expressions.resolve(tree, select.scope)),)
