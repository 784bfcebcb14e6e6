"""Rows on their way into a source: what is handed over, as rows of the source's types, each with what identifies it.

An event is known again by all that it says, but for the instant at which it became known where it does not say that.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from sqlfeat.base.names import did_you_mean
from sqlfeat.compiler.manifest import Column as TypedColumn
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.compiler.row_by_row import RowByRow, row_by_row
from sqlfeat.engine.duckdb.pushing import PushEngine
from sqlfeat.errors import RunError, UsageError
from sqlfeat.ops.given_rows import table_of
from sqlfeat.ops.online.expressions import Typed
from sqlfeat.ops.online.given import plain_of
from sqlfeat.ops.online.made_rows import FEW
from sqlfeat.ops.online.publish import online_views
from sqlfeat.ops.session import Session
from sqlfeat.spec.project import SourceTable
from sqlfeat.store.plain_values import from_arrow, packer_of, to_arrow
from sqlfeat.store.pushed import ViewRow, form_of
from sqlfeat.store.row_codec import RowCodec

_TEXTS = (".jsonl", ".ndjson", ".json")
_AS_THEY_ARE: Mapping[str, type] = {
    **dict.fromkeys(["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"], int),
    "DOUBLE": float,
    "VARCHAR": str,
    "BOOLEAN": bool,
}
"""Types whose values are Python's own."""
_INSTANTS = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
Plain = dict[str, Any]


class Batch:
    """Rows of a source: packed, each with what identifies it, plain where they are few, and as a table.

    ``said`` tells of each whether it says itself when it became known. ``made`` is what views make of them.
    """

    def __init__(
        self,
        rows: Sequence[bytes],
        ids: Sequence[bytes],
        said: Sequence[bool],
        plain: Sequence[Plain] | None,
        table: Callable[[], pa.Table],
    ) -> None:
        self.rows = rows
        self.ids = ids
        self.said = said
        self.plain = plain
        self.table = cache(table)
        self.made: dict[str, list[ViewRow]] = {}

    def only(self, places: Sequence[int]) -> Batch:
        """Some of them."""
        if len(places) == len(self.ids):
            return self
        return Batch(
            [self.rows[place] for place in places],
            [self.ids[place] for place in places],
            [self.said[place] for place in places],
            None if self.plain is None else [self.plain[place] for place in places],
            lambda: self.table().take(pa.array(places, pa.int64())),
        )


class Feed:
    """A source that rows are pushed to, and the online views that are made of it row by row."""

    def __init__(
        self,
        table: SourceTable,
        columns: Sequence[TypedColumn],
        ways: Sequence[tuple[CompiledModel, RowByRow]],
        online: Sequence[str],
        engine: PushEngine,
    ) -> None:
        self.table = table
        self.source = table.id
        self.name = table.id.removeprefix("source.")
        self.columns = columns
        self.ways = ways
        self.online = online
        self._engine = engine
        kinds = engine.arrow_types([column.type for column in columns])
        self._typed = {column.name: Typed(column.type, kinds[column.type]) for column in columns}
        self._schema = pa.schema([(name, typed.arrow) for name, typed in self._typed.items()])
        self._names = self._schema.names
        self._codec = RowCodec.of(self._schema)
        self._pack = packer_of(self._codec.columns)
        self._mark = blake2b(self.name.encode(), digest_size=16).digest()
        self.form = form_of(self.name, self._schema)
        names = {column.name.casefold(): column.name for column in columns}
        self._known_at = names.get((table.available_at or "").casefold())

    @classmethod
    def of(cls, session: Session, source: str, engine: PushEngine) -> Feed:
        manifest = session.manifest
        manifest.raise_errors([source])
        table = manifest.sources[source]
        below = [view for view in online_views(session) if source in manifest.graph.ancestors([view.id])]
        ways = []
        for view in below:
            way = row_by_row(manifest, view) if view.time.event_time is not None else None
            if not isinstance(way, RowByRow):
                continue
            if way.source == source:
                ways.append((view, way))
            elif source in way.beside:
                what = f"{source.removeprefix('source.')} is read by {view.name} as what never changes."
                raise UsageError("not-pushable", what, hint="let the source bring it, and sqlfeat publish.")
        return cls(table, manifest.columns[source], ways, [view.name for view in below], engine)

    @property
    def waiting(self) -> tuple[str, ...]:
        named = {view.name for view, _ in self.ways}
        return tuple(name for name in self.online if name not in named)

    def batch(self, given: list[Mapping[str, Any]] | pa.Table, now: int) -> Batch:
        """Given rows as rows of the source; those that do not say when they were known were known ``now``."""
        if not isinstance(given, list):
            return self._of_table(given, now)
        if len(given) > FEW or self._pack is None:
            return self._of_typed(self._by_column(given), now)
        plain = self._plain(given)
        rows = [self._pack([row[name] for name in self._names]) for row in plain]
        ids, said, known = [self._id(row) for row in rows], [True] * len(rows), self._known_at
        if known is not None:
            for place, row in enumerate(plain):
                if row[known] is None:
                    said[place] = False
                    plain[place] = stamped = {**row, known: self._stamp(now)}
                    rows[place] = self._pack([stamped[name] for name in self._names])
        return Batch(rows, ids, said, plain, lambda: self._table(plain))

    def of_feast(self, view: CompiledModel, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Rows that a Feast client writes into a feature view, as rows of the source that the view is made of.

        Their times have Feast's names; what the view computes is left out, where no value is given for it.
        """
        times = {"event_timestamp": self.table.event_time or view.time.event_time, "created": self._known_at}
        renamed = {name: to for name, to in times.items() if name not in self._typed}
        computed = {name for name in view.column_names if name not in self._typed}
        made: list[Mapping[str, Any]] = []
        for row in rows:
            one = {n: v for n, v in row.items() if n not in renamed and not (v is None and n in computed)}
            one |= {to: row[n] for n, to in renamed.items() if to in self._typed and row.get(n) is not None}
            made.append(one)
        return made

    def _of_table(self, given: pa.Table, now: int) -> Batch:
        self._check_names(given.column_names)
        known = self._known_at
        if known is not None and known not in given.column_names:
            given = given.append_column(known, pa.nulls(given.num_rows))
        given = given.select(self._names)
        typed = given if _are_alike(given.schema, self._schema) else self._engine.typed(given, self.columns)
        arrays = [column.cast(field.type) for column, field in zip(typed.columns, self._schema, strict=True)]
        return self._of_typed(pa.table(arrays, schema=self._schema), now)

    def _of_typed(self, unstamped: pa.Table, now: int) -> Batch:
        """Rows of the source's types; a null says nothing of when a row was known."""
        known, table, said = self._known_at, unstamped, [True] * unstamped.num_rows
        if known is not None and unstamped[known].null_count:
            said = unstamped[known].is_valid().to_pylist()
            place = self._schema.get_field_index(known)
            stamp = to_arrow([self._stamp(now)], self._typed[known].arrow)[0]
            table = unstamped.set_column(place, self._schema.field(place), unstamped[known].fill_null(stamp))
        rows = self._codec.encode(table).to_pylist()
        named = rows if table is unstamped else self._codec.encode(unstamped).to_pylist()
        return Batch(rows, list(map(self._id, named)), said, self._few(table), lambda: table)

    def _few(self, table: pa.Table) -> list[Plain] | None:
        """A few rows, plain."""
        if table.num_rows > FEW:
            return None
        columns = [from_arrow(column) for column in table.columns]
        return [dict(zip(self._names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _id(self, row: bytes) -> bytes:
        """What identifies an event: all that it says."""
        return blake2b(row, digest_size=16, key=self._mark).digest()

    def _plain(self, rows: Sequence[Mapping[str, Any]]) -> list[Plain]:
        made = []
        for number, row in enumerate(rows, 1):
            if row.keys() != self._typed.keys():
                self._check_names(row, number)
            try:
                made.append({name: plain_of(name, row.get(name), typed) for name, typed in self._typed.items()})
            except UsageError as error:
                raise UsageError("bad-push-row", f"Row {number}: {error.what}", hint=error.hint) from None
        return made

    def _by_column(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Many rows as a table, column by column; what is wrong is told of row by row."""
        for number, row in enumerate(rows, 1):
            if row.keys() != self._typed.keys():
                self._check_names(row, number)
        try:
            arrays = [_array(name, [row.get(name) for row in rows], typed) for name, typed in self._typed.items()]
        except UsageError:
            return self._table(self._plain(rows))
        return pa.table(arrays, schema=self._schema)

    def _check_names(self, given: Any, number: int | None = None) -> None:
        """Refuse what is no column of the source, and what lacks one."""
        at = f"Row {number}: " if number is not None else ""
        for name in given:
            if name not in self._typed:
                hint = did_you_mean(name, self._typed) or f"its columns: {', '.join(self._typed)}."
                raise UsageError("bad-push-row", f"{at}{self.name} has no column {name!r}.", hint=hint)
        lacking = [name for name in self._typed if name not in given and name != self._known_at]
        if lacking:
            what = f"{at}{', '.join(map(repr, lacking))} {'is' if len(lacking) == 1 else 'are'} missing."
            raise UsageError(
                "bad-push-row", what, hint=f"a row has all columns of {self.name}; null is for what is not known."
            )

    def _table(self, plain: Sequence[Plain]) -> pa.Table:
        arrays = [to_arrow([row[field.name] for row in plain], field.type) for field in self._schema]
        return pa.table(arrays, schema=self._schema)

    def _stamp(self, now: int) -> int:
        """An instant as a plain value of the column that says when a row was known."""
        assert self._known_at is not None
        kind = self._typed[self._known_at].arrow
        if pa.types.is_date32(kind):
            return now // 86_400_000_000
        if not pa.types.is_timestamp(kind):
            what = f"{self.name} says when a row was known as {kind}, in which no instant can be written."
            raise RunError("bad-push-row", what, hint=f"give {self._known_at} in every row.")
        return {"ns": now * 1000, "us": now, "ms": now // 1000, "s": now // 1_000_000}[kind.unit]


def _are_alike(given: pa.Schema, wanted: pa.Schema) -> bool:
    """Whether columns are of their types already; texts of both sizes are texts."""
    texts = (pa.string(), pa.large_string())
    return all(a == b or (a in texts and b in texts) for a, b in zip(given.types, wanted.types, strict=True))


def _array(name: str, values: list[Any], typed: Typed) -> pa.Array:
    """Given values as an array; those that are of the type already are not looked at one by one."""
    kinds = set(map(type, values))
    if kinds == {str} and typed.sql in _INSTANTS:
        with suppress(ValueError):
            values = list(map(dt.datetime.fromisoformat, values))
            kinds = {dt.datetime}
    with suppress(pa.ArrowException, ValueError, OverflowError):  # one of them does not fit: then it is told which
        if kinds <= {_AS_THEY_ARE.get(typed.sql), type(None)}:
            return pa.array(values, typed.arrow)
        if kinds == {dt.datetime} and typed.sql in _INSTANTS:
            zones = {value.tzinfo for value in values}
            if zones == {None} or zones == {dt.UTC}:
                return pa.array(values, pa.timestamp("us", "UTC" if None not in zones else None)).cast(typed.arrow)
    return to_arrow([None if value is None else plain_of(name, value, typed) for value in values], typed.arrow)


# -- what is handed over ------------------------------------------------------------------------------------------


def given_rows(rows: Any) -> list[Mapping[str, Any]] | pa.Table:
    """Rows as mappings, where they are that or JSON, else as a table."""
    if isinstance(rows, str | Path) and Path(rows).name.endswith(_TEXTS):
        return _json_rows(Path(rows))
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        if not all(isinstance(row, Mapping) for row in rows):
            raise UsageError("bad-rows", "Each row is a mapping of columns to values.")
        return list(rows)
    return table_of(rows)


def _json_rows(path: Path) -> list[Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError("no-such-file", f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("cannot-read", f"{path} cannot be read.", details=[str(error)]) from error
    found: list[Mapping[str, Any]] = []
    if text.lstrip()[:1] == "[":
        return _objects(path, text)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            found += _objects(path, f"[{line}]", number)
    return found


def _objects(path: Path, text: str, number: int | None = None) -> list[Mapping[str, Any]]:
    at = "" if number is None else f", line {number},"
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("cannot-read", f"{path}{at} is no JSON.", details=[str(error)]) from None
    if not all(isinstance(row, dict) for row in rows):
        raise UsageError("bad-rows", f"{path}{at} has a row that is no object.")
    return list(rows)
