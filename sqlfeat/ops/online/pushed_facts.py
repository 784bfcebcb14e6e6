"""When the rows of views were pushed, where they were: what of a view came between its publications, and when.

The files of pushes have the number of every event, which is the instant of its push. What a view makes of an event is
made anew, as it was when it was pushed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from sqlfeat.compiler.row_by_row import RowByRow, row_by_row
from sqlfeat.engine.duckdb.pushing import PushEngine
from sqlfeat.ops.online.made_rows import MadeRows
from sqlfeat.ops.online.merged import Merging
from sqlfeat.ops.online.published import PublishedView
from sqlfeat.ops.online.replay import Fact
from sqlfeat.ops.session import Session
from sqlfeat.store.plain_values import from_arrow
from sqlfeat.store.pushed import ViewRow
from sqlfeat.store.pushed_segments import NUMBERED

_Known = dict[tuple[bytes, int, int], int]


class PushedFacts:
    """The pushed rows of some views; read when they are asked for."""

    def __init__(self, session: Session, views: Sequence[PublishedView]) -> None:
        self._session = session
        self._views = {view.table: view for view in views}
        self._known: dict[str, _Known] = {}

    def last_of(self, fact: Fact) -> int | None:
        """When the last row of these times was pushed, in microseconds since 1970; None where none was."""
        known = self._known.get(fact.table)
        if known is None:
            known = self._known[fact.table] = self._read(self._views[fact.table])
        return known.get((fact.key, fact.event_time, fact.known_at))

    def _read(self, view: PublishedView) -> _Known:
        session, manifest = self._session, self._session.manifest
        model = manifest.models[view.name]
        way = row_by_row(manifest, model) if view.event_time is not None else None
        if not isinstance(way, RowByRow):
            return {}
        columns = manifest.columns[way.source]
        files = session.pushes.files(way.source.removeprefix("source."))
        if not files:
            return {}
        engine = PushEngine(session.folders, session.spec.root, manifest)
        known: _Known = {}
        try:
            made, times = MadeRows(view, way, manifest.sources[way.source], columns, engine), Merging(view).times
            for file in files:
                for number, row in _made(made, file, [column.name for column in columns]):
                    event, available = times(row.data)
                    place = (row.key, event, max(event, available))
                    known[place] = max(number, known.get(place, number))
        finally:
            engine.close()
        return known


def _made(made: MadeRows, file: Path, names: Sequence[str]) -> Iterator[tuple[int, ViewRow]]:
    """What a view makes of the events of a file, each with its number; nothing where it is not known."""
    table = pq.read_table(file)
    if not {NUMBERED, *names} <= set(table.column_names):
        return  # written before numbers were kept, or by a source of other columns
    numbers, given = table[NUMBERED].to_pylist(), table.select(list(names))
    rows = made.rows(lambda: given, None)
    if len(rows) == len(numbers):
        yield from zip(numbers, rows, strict=True)
        return
    for place, number in enumerate(numbers):  # some make none: one by one it is known which do
        one = given.slice(place, 1)
        plain = {name: from_arrow(one[name])[0] for name in names}
        yield from ((number, row) for row in made.rows(partial(given.slice, place, 1), [plain]))
