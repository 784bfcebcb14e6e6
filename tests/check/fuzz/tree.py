"""Small feature programs as trees: what the generator makes, the mutations change, and the shrinking cuts down.

A program is a chain of models, each one SELECT with its config. The tree is as coarse as it can be while two things
stay possible: writing the same program twice (once as the author's SQL, once for many worlds at a time, see
``writing``), and taking any piece out or putting another one in its place. Nothing here knows what is safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Node:
    """Anything in a program's tree."""


# -- expressions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Col(Node):
    """A column of a relation in FROM (without an alias one that USING merged).

    ``type`` is ``time``, ``date``, ``int``, ``bool`` or ``text``.
    """

    alias: str
    name: str
    type: str


@dataclass(frozen=True)
class Op(Node):
    """SQL with ``{0}``, ``{1}`` … where its arguments stand; without arguments it is a literal."""

    text: str
    args: tuple[Expr, ...] = ()
    type: str = "int"
    aggregate: bool = False


@dataclass(frozen=True)
class Clock(Node):
    """What the clock says: ``now()``, or the day of it."""

    type: str = "time"


@dataclass(frozen=True)
class Sort(Node):
    key: Expr
    descending: bool = False
    nulls_first: bool | None = None


@dataclass(frozen=True)
class Over(Node):
    """A window function with its frame as text (empty: SQL's default)."""

    function: Op
    partition: tuple[Expr, ...] = ()
    order: tuple[Sort, ...] = ()
    frame: str = ""
    type: str = "int"


@dataclass(frozen=True)
class Sub(Node):
    """A subquery in an expression: ``text`` has ``{q}`` where it stands, and ``{0}`` for what it is compared with."""

    text: str
    query: Query
    args: tuple[Expr, ...] = ()
    type: str = "int"


Expr: TypeAlias = Col | Op | Clock | Over | Sub


# -- relations ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table(Node):
    """A source, an earlier model or a CTE, by its name."""

    name: str
    alias: str


@dataclass(frozen=True)
class Derived(Node):
    """A subquery in FROM."""

    query: Query
    alias: str


@dataclass(frozen=True)
class Pivot(Node):
    """``query`` pivoted: one column for each of ``values`` of the column ``on``, grouped by ``keys``."""

    query: Select
    on: str
    values: tuple[str, ...]
    using: str
    keys: tuple[str, ...]
    alias: str


@dataclass(frozen=True)
class Unpivot(Node):
    """``query`` unpivoted: a row for each of ``columns`` that is not null, its name in ``n`` and its value in ``v``."""

    query: Select
    columns: tuple[str, ...]
    alias: str
    nulls: bool = False


@dataclass(frozen=True)
class Join(Node):
    """``kind`` as SQL has it; with ``lateral`` in it the right side is a subquery that sees the left one.

    ``using`` names columns of both; a ``natural`` join has neither that nor conditions.
    """

    left: From
    right: From
    kind: str = "join"
    on: tuple[Expr, ...] = ()
    using: tuple[str, ...] = ()


From: TypeAlias = Table | Derived | Pivot | Unpivot | Join


@dataclass(frozen=True)
class Item(Node):
    expr: Expr
    name: str


@dataclass(frozen=True)
class Cte(Node):
    name: str
    query: Query
    recursive: bool = False


@dataclass(frozen=True)
class Select(Node):
    """One SELECT; ``where``, ``having`` and ``qualify`` are conjuncts, ``grouping`` is empty, ``rollup`` or ``cube``.

    ``every`` are keys that all grouping sets have. ``first_of`` is DISTINCT ON.
    """

    items: tuple[Item, ...]
    source: From
    where: tuple[Expr, ...] = ()
    group: tuple[Expr, ...] = ()
    grouping: str = ""
    every: tuple[Expr, ...] = ()
    having: tuple[Expr, ...] = ()
    qualify: tuple[Expr, ...] = ()
    distinct: bool = False
    first_of: tuple[Expr, ...] = ()
    order: tuple[Sort, ...] = ()
    limit: int | None = None
    ctes: tuple[Cte, ...] = ()


@dataclass(frozen=True)
class SetOperation(Node):
    kind: str
    left: Query
    right: Query


Query: TypeAlias = Select | SetOperation


# -- programs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window(Node):
    """``window('aggregate', 'length', offset='…')`` of a feature view; the aggregate's columns are the view's own."""

    aggregate: str
    length: str
    name: str
    offset: str | None = None


@dataclass(frozen=True)
class Feature(Node):
    """``feature('view.column') as name`` in a training set."""

    view: str
    column: str
    name: str
    ttl: str | None = None
    strict: bool = False


@dataclass(frozen=True)
class Model(Node):
    """A model: its SELECT, and what its config says of time.

    A feature view with ``windows`` has an entity ``k`` and one plain Table to read. A training set reads the label
    model ``labels`` as ``l_``: ``plain`` are items over it, the item ``label`` is the label, and ``query`` is None.
    """

    name: str
    query: Query | None
    event_time: str | None = None
    available_at: str | None = None
    available_after: str | None = None
    immutable: bool = False
    label: bool = False
    horizon: str | None = None
    materialized: str = "view"
    windows: tuple[Window, ...] = ()
    labels: str | None = None
    plain: tuple[Item, ...] = ()
    features: tuple[Feature, ...] = ()


@dataclass(frozen=True)
class Program(Node):
    """Models in their order; each reads sources and the models before it."""

    models: tuple[Model, ...]


# -- walking -----------------------------------------------------------------------------------------------------------

Path: TypeAlias = tuple[str | int, ...]


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """The node and all nodes below it, each with the way to it."""
    yield path, node
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, Node):
            yield from walk(value, (*path, field.name))
        elif isinstance(value, tuple):
            for index, each in enumerate(value):
                if isinstance(each, Node):
                    yield from walk(each, (*path, field.name, index))


def put(node: Node, path: Path, new: Any) -> Any:
    """The tree with ``new`` at the end of the path; None takes an element of a list out."""
    if not path:
        return new
    name, rest = path[0], path[1:]
    assert isinstance(name, str)
    value = getattr(node, name)
    if not isinstance(value, tuple) or not rest:
        return replace(node, **{name: put(value, rest, new)})
    index = rest[0]
    assert isinstance(index, int)
    made = put(value[index], rest[1:], new)
    return replace(node, **{name: (*value[:index], *(() if made is None else (made,)), *value[index + 1 :])})


def recursions(node: Node) -> frozenset[Node]:
    """The recursive CTEs of a program: changed, one might never end."""
    return frozenset(each for _, each in walk(node) if isinstance(each, Cte) and each.recursive)


def has_aggregate(node: Node) -> bool:
    """Whether an expression aggregates the rows of its SELECT (a subquery's or a window's own do not count)."""
    if isinstance(node, Op):
        return node.aggregate or any(has_aggregate(argument) for argument in node.args)
    if isinstance(node, Over):
        inner = (*node.function.args, *node.partition, *(sort.key for sort in node.order))
        return any(has_aggregate(each) for each in inner)
    return False


def is_global(query: Select) -> bool:
    """Whether a SELECT makes one row of all its rows."""
    if query.group or query.every:
        return False
    return any(has_aggregate(item.expr) for item in query.items) or bool(query.having)
