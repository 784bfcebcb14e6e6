"""The door: SQL scalar expressions → one Python function with DuckDB's semantics, or why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlfeat.compiler.expressions import syntax, values
from sqlfeat.compiler.expressions.binding import Binder, Places
from sqlfeat.compiler.expressions.code import TooDeep, function_of
from sqlfeat.compiler.expressions.refusals import NotCompiled, Unsupported
from sqlfeat.compiler.expressions.times import Zones
from sqlfeat.compiler.expressions.trees import Name
from sqlfeat.compiler.expressions.typed import Constant, Key, Node, settled


@dataclass(frozen=True)
class Compiled:
    """Expressions as one function of a row.

    ``types`` are DuckDB's types of what ``function(row)`` gives, a tuple. ``inputs`` are the columns that it reads. A
    row is a mapping by column, or a sequence in the order of the columns that were given.
    """

    types: tuple[str, ...]
    inputs: tuple[Key, ...]
    function: Callable[[Any], tuple[Any, ...]]
    source: str

    @property
    def type(self) -> str:
        """The type of the first expression."""
        return self.types[0]

    def __call__(self, row: Any) -> Any:
        """The value of the first expression."""
        return self.function(row)[0]


def compile_expression(
    sql: str, columns: Mapping[Key, str], *, relation: str | None = None, rows: str = "mapping", plain: bool = False,
    zones: Zones = lambda _: None, places: Places = lambda _: None,
) -> Compiled | Unsupported:  # fmt: skip
    """One expression over named columns with DuckDB's types; ``relation`` is what may stand before a name.

    ``rows``: ``mapping`` or ``sequence``. Values are Python's (datetime, Decimal); ``plain``: as they are computed
    with (whole numbers of microseconds, days and smallest units), which is faster and knows infinite times. ``zones``
    gives time zones by their names; there is none but UTC otherwise. ``places`` gives what finds places in the lists
    of transforms, by their marks.
    """
    return compile_expressions([sql], columns, relation=relation, rows=rows, plain=plain, zones=zones, places=places)


def compile_expressions(
    items: Sequence[str], columns: Mapping[Key, str], *, relation: str | None = None, rows: str = "mapping",
    plain: bool = False, zones: Zones = lambda _: None, places: Places = lambda _: None,
) -> Compiled | Unsupported:  # fmt: skip
    """Several expressions as one function that shares what they have in common."""
    binder = Binder(columns, relation, zones, places)
    try:
        nodes = [_bound(binder, sql) for sql in items]
        return _compiled(nodes, columns, rows, plain)
    except NotCompiled as refusal:
        offset, length = refusal.place or (0, 1)
        return Unsupported(refusal.reason, offset, length)
    except (TooDeep, RecursionError, MemoryError, SyntaxError):  # the last three: Python reads our code no further
        return Unsupported("an expression that is nested too deeply")


def compile_items(
    select_list: str, columns: Mapping[Key, str], *, relation: str | None = None
) -> dict[str, Compiled | Unsupported] | Unsupported:
    """Each expression of a SELECT's list by its output name, compiled on its own, so that one can be told from another.

    Whoever serves them puts those that are compiled together with :func:`compile_expressions`.
    """
    try:
        items = syntax.parse_items(select_list)
    except NotCompiled as refusal:
        offset, length = refusal.place or (0, 1)
        return Unsupported(refusal.reason, offset, length)
    found: dict[str, Compiled | Unsupported] = {}
    for item in items:
        offset, length = item.place
        text = select_list[offset : offset + length]
        name = item.name or (item.tree.parts[-1] if isinstance(item.tree, Name) else text)
        made = compile_expression(text, columns, relation=relation)
        if isinstance(made, Unsupported):
            made = Unsupported(made.reason, made.offset + offset, made.length)
        found[name] = made
    return found


def _bound(binder: Binder, sql: str) -> Node:
    node = settled(binder.bind(syntax.parse(sql)))
    if isinstance(node, Constant) and not values.is_result(node.type):
        raise NotCompiled("a bare NULL")
    return node


def _compiled(nodes: Sequence[Node], columns: Mapping[Key, str], rows: str, plain: bool) -> Compiled:
    converted = nodes if plain else [values.outward(values.inward(node)) for node in nodes]
    keys = tuple(columns)
    function, source, inputs = function_of(converted, keys, mapping=rows == "mapping")
    return Compiled(tuple(node.type for node in nodes), inputs, function, source)
