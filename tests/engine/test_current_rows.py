"""The rows that can be current, as they are written when a view is built, against the plain form of the rule."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import TimeFacts
from sqlfeat.engine.duckdb.columns import ColumnFolder
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.current_rows import CurrentRows
from sqlfeat.engine.duckdb.layout import EVENT, USABLE, Shape, lookup_sql

START = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = ("k", "at", "known", "v")
WHEN = st.one_of(st.none(), st.integers(0, 6))
ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), WHEN, WHEN, st.integers(0, 3)), max_size=12)


def instant(number):
    return None if number is None else START + timedelta(hours=number)


def table(rows, name="v"):
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    times = pa.timestamp("us", "UTC")
    arrays = [pa.array(columns[0], pa.string())]
    arrays += [pa.array([instant(number) for number in column], times) for column in columns[1:3]]
    return pa.table([*arrays, pa.array(columns[3], pa.int64())], names=["k", "at", "known", name])


def plainly(connection, shape):
    """The rows that the rule leaves."""
    sql = lookup_sql(shape, "(select * from facts)", ties=True)
    return connection.arrow(sql).select([USABLE, EVENT, *shape.columns])


def starts(connection, current):
    """How many rows lie before each key's, of those that are about to be written."""
    counts = f"select count(*) as n from {current.relation} group by k order by k"
    return np.cumsum([0, *connection.arrow(counts)["n"].to_pylist()], dtype=np.int64)[:-1]


@settings(max_examples=50, deadline=None)
@given(ROWS, st.booleans(), st.sampled_from(["v", "rowid"]))
def test_what_is_written_is_what_the_rule_leaves(rows, late, name):
    columns = (*COLUMNS[:3], name)
    shape = Shape(("k",), TimeFacts(event_time="at", available_at="known" if late else None), columns)
    connection = Connection()
    with connection.registered("given", table(rows, name)), TemporaryDirectory() as folder:
        connection.execute("create table facts as select * from given")
        expected = plainly(connection, shape)
        current = CurrentRows(connection, shape, "facts")
        if current.picked:
            current.pick()
        items = ", ".join(quote(column) for column in (USABLE, EVENT, *columns))

        written = current.write(Path(folder) / "rows", items, starts(connection, current))

        if not written:
            assert not late
            current.pick()
            assert current.write(Path(folder) / "rows", items, starts(connection, current))
        kept = ColumnFolder(Path(folder) / "rows")
        assert kept.rows == len(expected)
        for column in (USABLE, EVENT, name):
            assert kept.column(column).data[: kept.rows].tolist() == expected[column].cast(pa.int64()).to_pylist()
    connection.close()
