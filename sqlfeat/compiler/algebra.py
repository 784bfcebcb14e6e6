"""What a SELECT means, name by name: relational algebra in which every column is resolved.

``resolve`` makes it from SQL text; ``lineage`` and ``availability`` read it. It is for reading only: nothing is ever
executed or written back from it. Trees are compared by identity, because one CTE that is used twice is one object.

In an expression, :class:`Column` names a field of the operator's input by its position. A relation inside an
expression (a subquery), and the right side of a lateral join, sees the row that it is evaluated for one level further
out: ``level`` counts these nestings, not operators. ``type`` is the DuckDB type of a value where that is sure, as
``DESCRIBE`` spells it; of a :class:`Constant` it is the type that was written.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Span:
    """The stretch ``[start, end)`` of the model's rendered text that something was written in."""

    start: int
    end: int


@dataclass(frozen=True)
class Field:
    """A column of a relation: its name, and its DuckDB type where that is known without asking the engine."""

    name: str
    type: str | None = None


@dataclass(frozen=True)
class Interval:
    """A literal INTERVAL as DuckDB has it: months, days (always 24 hours here) and microseconds, each with its sign."""

    months: int = 0
    days: int = 0
    microseconds: int = 0


# -- expressions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Expression:
    """A value computed from one row; ``span`` says where it is written."""

    span: Span


@dataclass(frozen=True, eq=False)
class Column(Expression):
    """A field of the input row (``level`` 0), or of the row that a subquery or lateral side is evaluated for."""

    index: int
    level: int = 0
    type: str | None = None


@dataclass(frozen=True, eq=False)
class Constant(Expression):
    """A literal: ``value`` is text, a number (int, float, Decimal), a bool, None, a datetime, a date, or an Interval.

    ``type`` is the type that it was written with (``TIMESTAMP '…'``, a cast of a literal), if any.
    """

    value: object
    type: str | None = None


@dataclass(frozen=True, eq=False)
class Call(Expression):
    """A scalar function or operator, by its lower-case DuckDB name or symbol.

    Operators: ``+ - * / // % ** || & | << >> = <> < <= > >= and or not neg is_null is_not_null is_distinct
    is_not_distinct between in like ilike similar_to glob -> ->>``, ``[]`` (an element), ``[:]`` (a slice) and ``{}`` (a
    map of keys and values); NOT LIKE is ``not`` of ``like``. ``case`` has condition, value, …, default as arguments;
    ``cast`` and ``try_cast`` keep their type in ``type``. A unit of time is the first argument of ``date_trunc``,
    ``date_part`` and ``date_diff``. ``struct_extract`` has the field's name as a Constant, ``struct_pack`` each name
    before its value. ``unnest`` in a list makes several rows of one. In the body of a lambda a parameter is
    ``element(list)``, ``index(list)`` or ``accumulated(list)``, so ``list_transform`` has the list and the body.
    """

    name: str
    arguments: tuple[Expression, ...]
    type: str | None = None


@dataclass(frozen=True, eq=False)
class Subquery(Expression):
    """A relation inside an expression: ``scalar``, ``exists``, ``in``, ``any``, ``all`` or ``array``.

    ``operand`` is what ``in``, ``any`` and ``all`` compare with its first field by ``operator``. ``NOT EXISTS`` is a
    Call ``not`` around it.
    """

    kind: str
    relation: Relation
    operand: Expression | None = None
    operator: str = "="
    type: str | None = None


@dataclass(frozen=True, eq=False)
class Unknown(Expression):
    """An expression that is not understood; ``inputs`` are all expressions found inside it."""

    what: str
    inputs: tuple[Expression, ...]
    type: str | None = None


@dataclass(frozen=True, eq=False)
class SortKey:
    expression: Expression
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True, eq=False)
class AggregateCall(Expression):
    """An aggregate over the rows of a group; ``count(*)`` has no arguments."""

    name: str
    arguments: tuple[Expression, ...]
    distinct: bool = False
    order: tuple[SortKey, ...] = ()
    filter: Expression | None = None
    ignore_nulls: bool = False
    type: str | None = None


@dataclass(frozen=True)
class Bound:
    """One end of a frame: so far before the current row, or ``following`` it; zero is the current row itself.

    ``offset`` None is unbounded; an offset that is not a literal is an Expression.
    """

    following: bool
    offset: int | float | Interval | Expression | None


@dataclass(frozen=True)
class Frame:
    """``unit`` is ``rows``, ``range`` or ``groups``; ``exclude`` as written, in lower case."""

    unit: str
    start: Bound
    end: Bound
    exclude: str | None = None


@dataclass(frozen=True, eq=False)
class WindowCall(Expression):
    """A window function: an aggregate or ``lag lead row_number rank … first_value last_value nth_value``.

    ``frame`` is always said: SQL's default is filled in, also for functions that ignore it.
    """

    function: AggregateCall
    partition: tuple[Expression, ...]
    order: tuple[SortKey, ...]
    frame: Frame
    type: str | None = None


# -- relations ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Relation:
    """Rows with named fields; ``span`` says where it is written."""

    span: Span
    fields: tuple[Field, ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Scan(Relation):
    """Another node: ``ref.NAME`` or ``source.SOURCE.TABLE``."""

    node: str


@dataclass(frozen=True, eq=False)
class Rows(Relation):
    """Rows written out (VALUES); a SELECT without FROM reads one row without fields."""

    rows: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, eq=False)
class TableFunction(Relation):
    """``range()``, ``generate_series()``, ``unnest()``, a file read in place …; arguments see outer rows only.

    In a FROM list its arguments may name what stands to the left: then it is the right side of a lateral join.
    """

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Project(Relation):
    """One field for each expression."""

    input: Relation
    expressions: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Filter(Relation):
    """The rows for which the condition is true; ``clause`` is ``where``, ``having`` or ``qualify``."""

    input: Relation
    condition: Expression
    clause: str = "where"


@dataclass(frozen=True, eq=False)
class Aggregate(Relation):
    """Fields: first the keys, then the aggregates. ``sets``: the key positions of each of several grouping sets."""

    input: Relation
    keys: tuple[Expression, ...]
    aggregates: tuple[AggregateCall, ...]
    sets: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class Windows(Relation):
    """The input's fields, then one for each window function."""

    input: Relation
    windows: tuple[WindowCall, ...]


@dataclass(frozen=True, eq=False)
class Join(Relation):
    """Fields: the left's, then the right's (``semi`` and ``anti``: the left's alone).

    ``kind``: ``inner left right full cross semi anti positional``. The condition sees the fields of both sides, USING
    and NATURAL included. ``asof``: of the right rows that satisfy it, the nearest one by its inequality. ``lateral``:
    the right side sees the left row at level 1.
    """

    left: Relation
    right: Relation
    kind: str
    condition: Expression | None = None
    asof: bool = False
    lateral: bool = False


@dataclass(frozen=True, eq=False)
class Distinct(Relation):
    """Each row once; with ``on`` the first row by ``order`` of each value of these."""

    input: Relation
    on: tuple[Expression, ...] = ()
    order: tuple[SortKey, ...] = ()


@dataclass(frozen=True, eq=False)
class Limit(Relation):
    """Some of the rows: LIMIT and OFFSET after ``order``, or a sample. ``count`` None: no LIMIT, or a ``share`` of all.

    An ORDER BY without either is left out, since it changes no row.
    """

    input: Relation
    order: tuple[SortKey, ...]
    count: int | None
    sample: bool = False
    offset: int = 0
    share: bool = False


@dataclass(frozen=True, eq=False)
class SetOperation(Relation):
    """``union``, ``intersect`` or ``except`` of two relations, field by field; ``all`` keeps duplicates."""

    left: Relation
    right: Relation
    kind: str
    all: bool


@dataclass(frozen=True, eq=False)
class Recursive(Relation):
    """A recursive CTE: ``anchor`` and ``step``, in which a :class:`Recursion` of the same name stands for its rows.

    Not ``all``: a row that was there before is not added again.
    """

    name: str
    anchor: Relation
    step: Relation
    all: bool = True


@dataclass(frozen=True, eq=False)
class Recursion(Relation):
    name: str


@dataclass(frozen=True, eq=False)
class Reshaped(Relation):
    """PIVOT, UNPIVOT and what else moves values between rows and columns.

    ``sources`` are, for each field, the input expressions that its values come from; ``keys`` the fields that group
    the rows (PIVOT), ``whole``: whether all rows of a group are read for each row made. ``dropped`` are the fields
    without whose values there is no row (UNPIVOT leaves nulls out).
    """

    input: Relation
    sources: tuple[tuple[Expression, ...], ...]
    keys: tuple[int, ...]
    whole: bool
    dropped: tuple[int, ...] = ()
