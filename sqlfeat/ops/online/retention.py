"""How long pushed events are kept: what is forgotten of them when a publication has them in itself.

With ``online.keep_pushes`` events that were pushed longer ago are not known again by what they say, and are on a server
no more. Of the files that runs read, rows go that the source has itself by now, where a run reads the same without
them. Nothing that is nowhere else is ever given up.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sqlfeat.engine.duckdb.pushing import PushEngine
from sqlfeat.ops.online.calendar import before
from sqlfeat.ops.session import Session
from sqlfeat.store.pushed_segments import NUMBERED, SAID, numbers_of, replace_segment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def forget(session: Session) -> None:
    """Forget what is older than the project says, once all that was pushed is taken up."""
    keep = session.spec.online.get("keep_pushes")
    if keep is None:
        return
    now = (session.clock.now().astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
    until = session.pushes.trim(before(now, keep))
    _, files = session.pushes.taken_up()
    old = {name: [file for file in some if numbers_of(file)[1] <= until] for name, some in files.items()}
    if not any(old.values()):
        return
    engine = PushEngine(session.folders, session.spec.root, session.manifest)
    try:
        for name, some in old.items():
            for file in some:
                _without_brought(session, engine, name, file)
    finally:
        engine.close()


def _without_brought(session: Session, engine: PushEngine, name: str, file: Path) -> None:
    """Take out of a file the rows that the source has itself; the file stays, for runs that are about to read it."""
    source, _, known_as = name.partition(".")
    table = session.spec.sources.get((source, known_as))
    rows = pq.read_table(file)
    given = rows.drop_columns([name for name in (SAID, NUMBERED) if name in rows.column_names])
    if table is None or not rows.num_rows:
        return
    if set(given.column_names) != {column.name for column in session.manifest.columns[table.id]}:
        return  # the source has other columns by now
    gone = set(engine.brought(table, session.spec.root, given, rows[SAID].to_pylist()))
    if gone:
        left = rows.take(pa.array([place for place in range(rows.num_rows) if place not in gone], pa.int64()))
        replace_segment(file, left)
