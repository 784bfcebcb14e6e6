"""What an online view makes of rows that are pushed to its source: packed rows under the keys of their entities.

A few rows go through expressions that are compiled, where those are proved to be DuckDB's; many, and whatever is not
compiled, through the same text in DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.compiler.expressions import Compiled, ExpressionError, NotCovered, compile_expressions
from sqlfeat.compiler.manifest import Column as TypedColumn
from sqlfeat.compiler.parse import UnreadableSql, last_select
from sqlfeat.compiler.row_by_row import RowByRow
from sqlfeat.engine.base import AVAILABLE_AT, EVENT_AT
from sqlfeat.engine.duckdb.pushing import PushEngine
from sqlfeat.errors import RunError, UsageError
from sqlfeat.ops.online.calendar import FOREVER, after
from sqlfeat.ops.online.merged import pushed_columns
from sqlfeat.ops.online.published import PublishedView
from sqlfeat.spec.project import SourceTable
from sqlfeat.store.plain_values import packer_of, to_arrow
from sqlfeat.store.pushed import ViewRow
from sqlfeat.store.row_codec import RowCodec

FEW = 256
"""So many rows are evaluated one by one."""
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
Plain = Mapping[str, Any]


@dataclass(frozen=True)
class _Step:
    """A SELECT as one function of a row: the values of its columns, and whether the row stays."""

    names: tuple[str, ...]
    function: Callable[[Plain], tuple[Any, ...]]
    has_condition: bool


class MadeRows:
    """Makes the rows of one published view."""

    def __init__(
        self, view: PublishedView, way: RowByRow, table: SourceTable, columns: Sequence[TypedColumn], engine: PushEngine
    ) -> None:
        self.view = view
        self._way = way
        self._table = table
        self._columns = columns
        self._engine = engine
        self._packed = pushed_columns(view)
        self._codec = RowCodec(self._packed)
        self._keys = view.key_codec
        self._identity = view.identity_codec if view.has_identities else None
        self._kinds = {column.name: column.type for column in self._packed}
        self._steps = self._compiled()
        self._pack = packer_of(self._packed)
        self._names = [column.name for column in self._packed[2:]]
        self._event = self._place(view.event_time)
        self._known = self._place(view.ranking.available_at)
        self._identity_places = [self._names.index(name) for name in view.ranking.unique_key] if self._identity else []

    def _place(self, name: str | None) -> tuple[int, pa.DataType] | None:
        return None if name is None else (self._names.index(name), self._kinds[name])

    @property
    def is_compiled(self) -> bool:
        """Whether a few rows need no engine."""
        return self._steps is not None

    def rows(self, table: Callable[[], pa.Table], plain: Sequence[Plain] | None) -> list[ViewRow]:
        """The rows that can ever be used; ``plain`` are the same source rows as ``table()``, where they are few.

        Raises:
            RunError: ``expression-failed`` where the view has no value for a row.
        """
        if plain is not None and self._steps is not None and self._pack is not None:
            made = self._by_steps(plain)
            if made is not None:
                return made
        try:
            given = table()
            made = self._engine.made(self._way, self._table, self._columns, given)
        except SqlProblem as problem:
            what = f"{self.view.name} has no value for a row: {problem.what}."
            raise RunError("expression-failed", what) from problem
        if made.num_rows > given.num_rows:
            what = f"{self.view.name} makes several rows of one: what it joins to has a key twice."
            raise UsageError("not-pushable", what, hint="make that unique, or publish more often.")
        return self._view_rows(made)

    def versions(self, pushed: Sequence[Path], identities: Sequence[Sequence[Any]]) -> list[ViewRow]:
        """The rows that the view makes of a whole source of some events, told by plain values of its unique key."""
        names = self.view.ranking.unique_key
        columns = list(zip(*identities, strict=True))
        wanted = pa.table([to_arrow(c, self._kinds[n]) for c, n in zip(columns, names, strict=True)], names=list(names))
        try:
            types = self.view.types
            made = self._engine.versions(self._way, self._table, self._columns, pushed, wanted, types)
        except SqlProblem as problem:
            what = f"{self.view.name} has no value for a row of its source: {problem.what}."
            raise RunError("expression-failed", what) from problem
        return self._view_rows(made)

    # -- evaluation ------------------------------------------------------------------------------------------------

    def _compiled(self) -> list[_Step] | None:
        types = {column.name: column.type for column in self._columns}
        steps = []
        for place, (model, text) in enumerate(zip(self._way.models, self._way.texts, strict=True)):
            found = _step(text, types)
            if found is None:
                return None
            step, types = found
            is_last = place == len(self._way.models) - 1
            if not is_last and types != {column.name: column.type for column in model.columns}:
                return None
            steps.append(step)
        wanted = [column.name for column in self._packed[2:]]
        if not set(wanted) <= types.keys():
            return None
        kinds = self._engine.arrow_types([types[name] for name in wanted])
        return steps if all(kinds[types[name]] == self._kinds[name] for name in wanted) else None

    def _by_steps(self, rows: Sequence[Plain]) -> list[ViewRow] | None:
        """The same by compiled functions; None where one of them does not cover these values."""
        try:
            made = [found for row in rows if (found := self._through(row)) is not None]
        except (ExpressionError, NotCovered):
            return None  # DuckDB has the words, or the value
        return [packed for row in made if (packed := self._view_row([row[name] for name in self._names])) is not None]

    def _view_row(self, values: Sequence[Any]) -> ViewRow | None:
        """One row packed, if it can ever be used."""
        assert self._event is not None
        assert self._pack is not None
        event = _instant(values[self._event[0]], self._event[1])
        known = event
        if self._known is not None:
            known = _instant(values[self._known[0]], self._known[1])
        elif self.view.ranking.available_after is not None and event is not None:
            known = after(event, self.view.ranking.available_after)
        keys = values[: len(self.view.keys)]
        if event is None or known is None or None in keys:
            return None
        identity = None
        if self._identity is not None:
            found = [values[place] for place in self._identity_places]
            identity = None if None in found else self._identity.encode_one(found)
        key = self._keys.encode_one(keys) if keys else b"\0"
        return ViewRow(key, self._pack([event, known, *values]), identity)

    def _through(self, row: Plain) -> Plain | None:
        for step in self._steps or ():
            values = step.function(row)
            if step.has_condition and values[-1] is not True:
                return None
            row = dict(zip(step.names, values, strict=False))
        return row

    # -- packing ---------------------------------------------------------------------------------------------------

    def _view_rows(self, made: pa.Table) -> list[ViewRow]:
        view = self.view
        arrays = {column.name: _whole(made[column.name], column.type) for column in self._packed[2:]}
        assert view.event_time is not None
        event = _instants(arrays[view.event_time])
        known = event
        if view.ranking.available_at is not None:
            known = _instants(arrays[view.ranking.available_at])
        elif view.ranking.available_after is not None:
            span = view.ranking.available_after
            known = pa.array([None if one is None else after(one, span) for one in event.to_pylist()], pa.int64())
        table = pa.table([event, known, *arrays.values()], names=[column.name for column in self._packed])
        used = np.ones(table.num_rows, np.bool_)
        for name in (EVENT_AT, AVAILABLE_AT, *(column.name for column in view.keys)):
            if table[name].null_count:
                used &= table[name].is_valid().to_numpy()
        if not used.all():
            table = table.filter(pa.array(used))
        keys = self._keys.encode(table.select([c.name for c in view.keys])) if view.keys else None
        data = self._codec.encode(table).to_pylist()
        entities = keys.to_pylist() if keys is not None else [b"\0"] * len(data)
        if self._identity is None:
            return [ViewRow(key, row) for key, row in zip(entities, data, strict=True)]
        events = table.select(list(view.ranking.unique_key))
        identities = self._identity.encode(events).to_pylist()
        whole = np.ones(table.num_rows, np.bool_)
        for column in events.columns:
            whole &= column.is_valid().to_numpy()
        return [
            ViewRow(key, row, identity if there else None)
            for key, row, identity, there in zip(entities, data, identities, whole.tolist(), strict=True)
        ]


def _whole(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    array = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays([*column.chunks, pa.array([], column.type)])
    return array if array.type == kind else array.cast(kind)


def _instant(value: int | None, kind: pa.DataType) -> int | None:
    """A plain value as an instant, as :func:`_instants` has many."""
    if value is None:
        return None
    if pa.types.is_date32(kind):
        if abs(value) >= 2**31 - 1:
            return FOREVER if value > 0 else -FOREVER
        return value * 86_400_000_000
    if kind.unit == "us" or abs(value) >= FOREVER:
        return value
    return (value + 999) // 1000 if kind.unit == "ns" else value * _MICROSECONDS[kind.unit]


def _instants(array: pa.Array) -> pa.Array:
    """Instants in microseconds since 1970, as the layout of views has them; nanoseconds count as the one after."""
    kind = array.type
    if pa.types.is_date32(kind):
        days = array.cast(pa.int32()).cast(pa.int64())
        infinite = pc.greater_equal(pc.abs(days), 2**31 - 1)
        ends = pc.if_else(pc.greater(days, 0), FOREVER, -FOREVER)
        return pc.if_else(infinite, ends, pc.multiply(pc.if_else(infinite, 0, days), 86_400_000_000))
    numbers = array.cast(pa.int64())
    if kind.unit == "us":
        return numbers
    infinite = pc.greater_equal(pc.abs(numbers), FOREVER)
    if kind.unit == "ns":
        up = pc.add(pc.if_else(infinite, 0, numbers), 999)
        finite = pa.array([None if one is None else one // 1000 for one in up.to_pylist()], pa.int64())
    else:
        finite = pc.multiply(pc.if_else(infinite, 0, numbers), _MICROSECONDS[kind.unit])
    return pc.if_else(infinite, numbers, finite)


def _step(text: str, types: Mapping[str, str]) -> tuple[_Step, dict[str, str]] | None:
    """A SELECT over one relation as a function; None where it is not of plain items and a WHERE."""
    try:
        select = last_select(text)
    except UnreadableSql:
        return None
    tree = select.tree
    allowed = {"expressions", "from_", "from", "where", "kind", "operation_modifiers"}
    if any(value for name, value in tree.args.items() if name not in allowed):
        return None
    source = tree.args.get("from_") or tree.args.get("from")
    if source is None or not isinstance(source.this, exp.Table):
        return None
    relation = source.this.alias_or_name
    items: dict[str, str] = {}
    for item in select.items:
        if item.text.strip() == "*":
            items |= {name: _quoted(name) for name in types}
        elif isinstance(item.tree, exp.Star) or not item.name:
            return None
        else:
            items[item.name] = item.expression
    condition = _condition(text, select)
    columns: dict[Any, str] = dict(types)
    compiled = compile_expressions(
        [*items.values(), *([condition] if condition else [])], columns, relation=relation, plain=True
    )
    if not isinstance(compiled, Compiled):
        return None
    made = dict(zip(items, compiled.types, strict=False))
    return _Step(tuple(items), compiled.function, condition is not None), made


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _condition(text: str, select: Any) -> str | None:
    """The text after WHERE."""
    places = [(word.upper(), start, end) for word, start, end in select.clauses]
    for word, _, end in places:
        if word == "WHERE":
            return text[end:]
    return None
