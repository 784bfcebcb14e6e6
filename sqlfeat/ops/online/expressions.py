"""Expressions for one row at a time: compiled where that is proved to be what DuckDB gives, else asked of DuckDB.

Values are plain (``store.row_codec``). Columns are names, or (lookup, feature) for a field of a lookup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from sqlfeat.base.names import quote
from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.compiler.expressions import Compiled, ExpressionError, NotCovered, Unsupported, compile_expressions
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.errors import RunError
from sqlfeat.store.plain_values import from_arrow, to_arrow

Key = Any
"""A column by its name, or a field of a lookup by both names."""


@dataclass(frozen=True)
class Typed:
    """A column's DuckDB type and its Arrow type."""

    sql: str
    arrow: pa.DataType


class Expressions:
    """Some expressions over the columns of a row; ``relation`` is what may stand before their names."""

    def __init__(
        self, items: Mapping[str, str], columns: Mapping[Key, Typed], relation: str | None, engine: Rowwise
    ) -> None:
        self._columns = columns
        self._relation = relation
        self._engine = engine
        self.names = list(items)
        types = {key: typed.sql for key, typed in columns.items()}
        compiled = partial(
            compile_expressions, columns=types, relation=relation, plain=True, zones=engine.zone, places=engine.places
        )
        alone: dict[str, Compiled] = {}
        self.slow: dict[str, str] = {}
        for name, sql in items.items():
            made = compiled([sql])
            if isinstance(made, Unsupported):
                self.slow[name] = made.reason
            else:
                alone[name] = made
        self._items = dict(items)
        self._compiled = list(alone)
        sqls = [items[name] for name in alone]
        together = compiled(sqls) if sqls else None
        if isinstance(together, Compiled):
            self._functions = [together.function]
        else:  # too much for one function
            self._functions = [made.function for made in alone.values()]
        self.types = {name: made.type for name, made in alone.items()}

    def listed(self, row: Mapping[Key, Any]) -> list[Any]:
        """The values in the order of the expressions; raises as ``values``."""
        found = self.values(row)
        return [found[name] for name in self.names]

    def values(self, row: Mapping[Key, Any]) -> dict[str, Any]:
        """The value of each expression.

        Raises:
            RunError: ``expression-failed`` where one has no value for this row.
        """
        try:
            made = [value for function in self._functions for value in function(row)]
            found = dict(zip(self._compiled, made, strict=True))
            return found if not self.slow else {**found, **self._asked(list(self.slow), row)}
        except ExpressionError as error:
            raise RunError("expression-failed", f"An expression has no value for these values: {error}") from error
        except NotCovered:
            return self._asked(self.names, row)

    def _asked(self, names: Sequence[str], row: Mapping[Key, Any]) -> dict[str, Any]:
        """The same by DuckDB, over the same values."""
        plain = {key: typed for key, typed in self._columns.items() if isinstance(key, str)}
        columns: dict[str, pa.Array] = {key: to_arrow([row[key]], typed.arrow) for key, typed in plain.items()}
        types = {key: typed.sql for key, typed in plain.items()}
        fields: dict[str, dict[str, Typed]] = {}
        for key, typed in self._columns.items():
            if isinstance(key, tuple):
                fields.setdefault(key[0], {})[key[1]] = typed
        for lookup, inside in fields.items():
            made = [to_arrow([row[lookup, name]], typed.arrow) for name, typed in inside.items()]
            columns[lookup] = pa.StructArray.from_arrays(made, names=list(inside))
            types[lookup] = "STRUCT(" + ", ".join(f"{quote(name)} {typed.sql}" for name, typed in inside.items()) + ")"
        if not columns:
            columns, types = {"__sqlfeat_none": pa.nulls(1, pa.int8())}, {"__sqlfeat_none": "TINYINT"}
        try:
            found = self._engine.evaluate(
                [self._items[name] for name in names], self._relation or "row", pa.table(columns), types
            )
        except SqlProblem as problem:
            raise RunError("expression-failed", f"An expression has no value for these values: {problem}") from problem
        return {name: from_arrow(found.column(place))[0] for place, name in enumerate(names)}
