"""A training set's outputs: which are a lookup's column as it was found, which its SELECT computes, and their rows.

An output that is nothing but a feature needs no way through the database: the column that was gathered is the column
that is given. For all others the author's SELECT is run as it was written, and what it is not asked for it does not
compute. Rows are kept as Arrow columns in memory, under a view that says their types; as a temporary table, which the
database can write out, where they are too many for that, or of types that Arrow would give back as others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import Column, TrainingSetPlan
from sqlfeat.compiler.parse import UnreadableSql, last_select
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.layout import zoned
from sqlfeat.engine.duckdb.plans import BATCH_ROWS, KEPT_SHARE

OUTPUT = "__sqlfeat_output"
_KEPT = "__sqlfeat_kept"
_PLAIN = {
    "BOOLEAN": 1, "TINYINT": 1, "SMALLINT": 2, "INTEGER": 4, "BIGINT": 8,
    "UTINYINT": 1, "USMALLINT": 2, "UINTEGER": 4, "UBIGINT": 8, "FLOAT": 4, "DOUBLE": 8,
    "DATE": 4, "TIMESTAMP": 8, "TIMESTAMP WITH TIME ZONE": 8, "VARCHAR": 32,
}  # fmt: skip
"""Types that Arrow gives back as they were, and how many bytes a value takes; a guess for text."""
_ANY_WIDTH = 64
_AS_TEXT = ("UUID", "ENUM")
_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}


@dataclass(frozen=True)
class Division:
    """Outputs that are found as (lookup, column), outputs that are computed, and what these read, by lookup."""

    found: Mapping[str, tuple[str, str]]
    computed: tuple[str, ...]
    read: Mapping[str, Collection[str]]


def undivided(plan: TrainingSetPlan) -> Division:
    """Everything is computed."""
    return Division({}, (), {one.name: one.columns for one in plan.lookups})


def divided(plan: TrainingSetPlan, outputs: Sequence[str], gathered: Mapping[str, Collection[str]]) -> Division:
    """What of a training set is found and what is computed; ``gathered`` are the columns that can be given as found.

    Whether an expression reads an output or a feature is judged by its text holding the name: rather once too often.
    """
    fields = {f"{one.name}.{quote(column)}": (one.name, column) for one in plan.lookups for column in one.columns}
    select = last_select(plan.select.text)
    found, texts = {}, [sql for one in plan.lookups for _, sql in one.keys]
    if "(" in plan.select.text[select.end :]:
        texts.append(plan.select.text[select.end :])  # arguments of transforms are computed below the list
    for item, output in zip(select.items, outputs, strict=True):
        lookup, column = fields.get(item.expression, ("", ""))
        if output != plan.as_of and column in gathered.get(lookup, ()):
            found[output] = (lookup, column)
        else:
            texts.append(item.text)
    text = "\n".join(texts).casefold()
    everything = "#" in text or 'u&"' in text  # columns by their place, names by their code points
    read: dict[str, set[str]] = {one.name: set() for one in plan.lookups}
    for field, (lookup, column) in fields.items():
        if everything or field.casefold() in text:
            read[lookup].add(column)
    for output, (lookup, column) in found.items():
        if quote(output)[1:-1].casefold() in text:
            read[lookup].add(column)
    return Division(found, tuple(output for output in outputs if output not in found), read)


def gives_outputs_alone(plan: TrainingSetPlan) -> bool:
    """Whether the SELECT gives an item for each output and nothing else, which is so unless it was widened."""
    try:
        return len(last_select(plan.select.text).items) == len(plan.outputs)
    except UnreadableSql:
        return False


class KeptRows:
    """The rows of one assembly, which are there as ``temp.OUTPUT`` once all chunks are added.

    ``columns`` is None where nothing is known of them but the query.
    """

    def __init__(self, connection: Connection, columns: Sequence[Column] | None, rows: int) -> None:
        self._connection = connection
        self._columns = columns or ()
        self._chunks: list[pa.Table] = []
        self._written = 0
        self.in_memory = _fit(connection, self._columns, rows)
        """Whether rows are added as Arrow columns; otherwise as a query."""

    def select(self, division: Division, text: str) -> str:
        """The query for what is computed, over the author's SELECT."""
        types = {column.name: column.type for column in self._columns}
        items = [f"{_given(quote(name), types[name])} as {quote(name)}" for name in division.computed]
        return f"select {', '.join(items)} from (\n{text}\n)"

    def add(self, computed: pa.Table, found: Mapping[str, pa.ChunkedArray | pa.Array]) -> None:
        """A chunk's rows: computed columns and found ones, side by side."""
        arrays = [
            _in_utc(found[c.name], c.type) if c.name in found else computed[c.name] for c in self._columns
        ]  # fmt: skip
        self._chunks.append(pa.table(arrays, names=[c.name for c in self._columns]))

    def add_query(self, text: str) -> None:
        """A chunk's rows, as the author's SELECT gives them."""
        begin = f"insert into temp.{OUTPUT}" if self._written else f"create temp table {OUTPUT} as"
        self._connection.execute(f"{begin}\n{text}\n")
        self._written += 1

    def finish(self) -> int:
        """Give the rows their name; how many they are."""
        if not self.in_memory:
            return int(self._connection.value(f"select count(*) from temp.{OUTPUT}"))
        kept = pa.concat_tables(self._chunks)
        self._chunks = []
        _show(self._connection, self._columns, kept)
        return int(kept.num_rows)


def keep_instead(connection: Connection, columns: Sequence[Column], computed: Sequence[str], text: str) -> bool:
    """Have rows with these columns instead, of which ``computed`` are given by a query over those that are kept.

    Does nothing, and says so, where they cannot be in memory.
    """
    kept = connection.table(_KEPT)
    if kept is None or not _fit(connection, columns, kept.num_rows):
        return False
    types = {column.name: column.type for column in columns}
    items = ", ".join(f"{_given(quote(name), types[name])} as {quote(name)}" for name in computed)
    made = connection.arrow(f"select {items} from (\n{text}\n)") if computed else kept.select([])
    arrays = [made[column.name] if column.name in computed else kept[column.name] for column in columns]
    drop_kept(connection)
    _show(connection, columns, pa.table(arrays, names=[column.name for column in columns]))
    return True


def _show(connection: Connection, columns: Sequence[Column], kept: pa.Table) -> None:
    """Give rows their name and their types."""
    connection.register(_KEPT, kept)
    items = ", ".join(f"cast({quote(c.name)} as {c.type}) as {quote(c.name)}" for c in columns)
    connection.execute(f"create temp view {OUTPUT} as select {items} from {_KEPT}")


def _fit(connection: Connection, columns: Sequence[Column], rows: int) -> bool:
    """Whether so many rows can be kept as Arrow columns."""
    widths = [_width(column.type) for column in columns]
    limit = str(connection.value("select current_setting('memory_limit')"))
    fits = rows * sum(width or 0 for width in widths) <= _bytes_of(limit) * KEPT_SHARE
    return bool(widths) and all(widths) and fits


def forget_kept(connection: Connection) -> None:
    """Let go of the rows of an earlier assembly."""
    connection.unregister(_KEPT)


def drop_kept(connection: Connection) -> None:
    """The same where their name is to be given again: it is that of a view, a table or nothing."""
    kinds = connection.execute(
        f"select 'table' from duckdb_tables() where temporary and table_name = {literal(OUTPUT)} "
        f"union all select 'view' from duckdb_views() where temporary and view_name = {literal(OUTPUT)}"
    )
    for (kind,) in kinds:
        connection.execute(f"drop {kind} temp.{OUTPUT}")
    forget_kept(connection)


def rows_within(columns: Sequence[Column], most: int) -> int:
    """About how many rows fit into so many bytes: batches of the engine, one at least."""
    width = sum(_width(column.type) or _ANY_WIDTH for column in columns)
    return max(1, most // max(width, 1) // BATCH_ROWS) * BATCH_ROWS


def given_as(kind: pa.DataType, declared: str) -> bool:
    """Whether a column of an Arrow type is what an output of a declared type can be kept as."""
    if declared.startswith(_AS_TEXT) and "[" not in declared:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    if declared in ("HUGEINT", "UHUGEINT"):  # which leave as decimals
        return bool(kind == pa.decimal128(38, 0))
    return _width(declared) is not None and _SQL_TYPES.get(str(kind), str(kind)) == _folded(declared)


_SQL_TYPES = {
    "bool": "BOOLEAN", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT",
    "uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT",
    "float": "FLOAT", "double": "DOUBLE", "date32[day]": "DATE", "timestamp[us]": "TIMESTAMP",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE", "string": "VARCHAR", "large_string": "VARCHAR",
}  # fmt: skip


def _folded(declared: str) -> str:
    """A declared type as it is compared: a decimal as Arrow writes it."""
    return re.sub(r"DECIMAL\((\d+),\s*(\d+)\)", r"decimal128(\1, \2)", declared)


def _width(declared: str) -> int | None:
    """Bytes of a value; None for what Arrow would give back as another type."""
    if re.fullmatch(r"DECIMAL\(\d+,\s*\d+\)", declared):
        return 16
    if declared.startswith(_AS_TEXT) and "[" not in declared:
        return 40
    return _PLAIN.get(declared)


def _given(sql: str, declared: str) -> str:
    """An output as it is taken from the author's SELECT: of its declared type, or as the text of it."""
    if declared == "TIMESTAMP WITH TIME ZONE":
        return zoned(sql)
    return f"cast({sql} as {'varchar' if declared.startswith(_AS_TEXT) else declared})"


def _in_utc(column: pa.ChunkedArray | pa.Array, declared: str) -> pa.ChunkedArray | pa.Array:
    """A TIMESTAMP that leaves as an instant is one already; a cast would ask the calendar."""
    instants = declared == "TIMESTAMP WITH TIME ZONE" and column.type == pa.timestamp("us")
    return column.view(pa.timestamp("us", "UTC")) if instants else column


def _bytes_of(setting: str) -> float:
    """A memory limit as DuckDB says it: ``1.8 GiB``."""
    number, unit = setting.split()
    size: float = float(number) * _UNITS.get(unit, 1)
    return size
