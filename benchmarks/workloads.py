"""What is measured: sizes, and the tables made from them, the same bytes for the same seed.

Every dataset is a folder with ``stored.duckdb`` and one Parquet file a table: ``labels`` (id, keys, ts, label) and
``view0``, ``view1`` … (keys, ts, ten doubles; or an amount, for windows). Values are multiples of 1/64, so that sums of
them are exact in any order and answers can be compared by checksum. Knows nothing of the methods that are measured.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

KEYS = {"integer": ("k",), "text": ("k",), "pair": ("k_group", "k_number")}
SHARE_PER_CHUNK = 10_000_000
WINDOWS = {"1h": "1 hour", "1d": "1 day", "7d": "7 days", "30d": "30 days"}
WINDOW_SECONDS = {"1h": 3_600, "1d": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}
AGGREGATES = {"count": "count(*)", "sum": "sum(amount)", "min": "min(amount)", "max": "max(amount)"}


@dataclass(frozen=True)
class Workload:
    """One row of sizes: ``views`` tables of ``rows`` rows, ``per_key`` of a key, asked by ``labels`` label rows.

    ``order`` is how the views are stored: by ``key`` and time, or by ``time`` alone. ``known`` adds an instant at which
    a row became known, up to an hour late. ``aggregates`` makes it a workload of windows over events.
    """

    name: str
    title: str
    labels: int
    rows: int
    views: int = 1
    columns: int = 10
    per_key: int = 100
    key: str = "integer"
    zipf: bool = False
    order: str = "key"
    days: int = 365
    known: bool = False
    aggregates: tuple[str, ...] = ()
    memory_limit: str | None = None
    seed: int = 1

    @property
    def keys(self) -> tuple[str, ...]:
        """The key columns."""
        return KEYS[self.key]

    @property
    def entities(self) -> int:
        """How many keys there are."""
        return max(1, self.rows // self.per_key)

    def features(self, view: int) -> list[str]:
        """The feature columns of a view."""
        return [f"f{view}_{number}" for number in range(self.columns)]

    @property
    def outputs(self) -> list[str]:
        """The columns that every method has to find."""
        if self.aggregates:
            return [f"{aggregate}_{window}" for aggregate in self.aggregates for window in WINDOWS]
        return [name for view in range(self.views) for name in self.features(view)]

    @property
    def dataset(self) -> str:
        """The name of the folder with its tables: workloads over the same tables share it."""
        kind = "events" if self.aggregates else "known" if self.known else "views"
        parts = [kind, f"{self.views}x{self.rows}", f"labels{self.labels}", f"per{self.per_key}", self.key, self.order]
        return "-".join([*parts, *(["zipf"] if self.zipf else []), f"seed{self.seed}"])

    def checks(self) -> list[str]:
        """SQL aggregates over a result that tell its rows, cell by cell: rows, and of each output nulls and values."""
        checks = ["count(*)"]
        for name in self.outputs:
            checks.append(f"coalesce(sum(cast({name} * 64 as bigint) * (id % 7 + 1)), 0)::varchar")
            if not name.startswith("sum_"):
                checks.append(f"count({name})")
        return checks


def _million(number: float) -> int:
    return round(number * 1_000_000)


ALL: Sequence[Workload] = (
    Workload("W1-100k", "3 views of 1M rows, 100k label rows", _million(0.1), _million(1), views=3),
    Workload("W1", "3 views of 1M rows, 1M label rows", _million(1), _million(1), views=3),
    Workload("W1-time", "as W1, the views stored by time", _million(1), _million(1), views=3, order="time"),
    Workload("W2", "1 view of 10M rows, 1M label rows", _million(1), _million(10)),
    Workload("W3", "5 views of 1M rows, 1M label rows", _million(1), _million(1), views=5),
    Workload("W4-text", "text keys: 1 view of 2M rows, 200k label rows", _million(0.2), _million(2), key="text"),
    Workload(
        "W4-pair", "keys of two columns: 1 view of 2M rows, 200k label rows", _million(0.2), _million(2), key="pair"
    ),
    Workload("W4-zipf", "as W4-text, entities by Zipf's law", _million(0.2), _million(2), key="text", zipf=True),
    *(
        Workload(
            f"W5-{name}-{per_key}",
            f"windows: {what} × 4 over 10M events, {per_key:,} a key, 1M label times",
            _million(1),
            _million(10),
            per_key=per_key,
            days=90,
            aggregates=aggregates,
        )
        for per_key in (2_000, 100)
        for name, what, aggregates in (
            ("sums", "count, sum", ("count", "sum")),
            ("extremes", "min, max", ("min", "max")),
            ("all", "count, sum, min, max", ("count", "sum", "min", "max")),
        )
    ),
    Workload("B", "bitemporal: 1 view of 2M rows known late, 200k label rows", _million(0.2), _million(2), known=True),
    Workload("W6-fits", "1 view of 10M rows under 2 GB, 1M label rows", _million(1), _million(10), memory_limit="2GB"),
    Workload("W6", "1 view of 100M rows under 2 GB, 1M label rows", _million(1), _million(100), memory_limit="2GB"),
)


def scaled(workload: Workload, share: int) -> Workload:
    """A workload with so much less of everything."""
    title = workload.title if share == 1 else f"{workload.title} (1/{share} of it)"
    return replace(workload, title=title, labels=workload.labels // share, rows=workload.rows // share)


def make_dataset(workload: Workload, data: Path) -> Path:
    """The folder with a workload's tables; they are made if they are not there."""
    folder = data / workload.dataset
    if folder.is_dir():
        return folder
    temporary = data / f".{workload.dataset}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    connection = duckdb.connect(str(temporary / "stored.duckdb"))
    connection.execute("set enable_progress_bar = false")
    for statement in _statements(workload):
        connection.execute(statement)
    for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
        connection.execute(f"copy {table} to '{temporary / table}.parquet'")
    connection.close()
    temporary.rename(folder)
    return folder


def _statements(workload: Workload) -> list[str]:
    statements = [
        f"create table labels as select i as id, {_key_sql(workload, 'e')}, ts, (i % 2)::integer as label from "
        f"(select i, {_entity(workload, 1)} as e, {_instant(workload, 2)} as ts from range({workload.labels}) t(i))"
    ]
    tables = [f"view{number}" for number in range(workload.views)] + (["ordinary0"] if workload.known else [])
    for number, table in enumerate(tables):
        for chunk in range(0, workload.rows, SHARE_PER_CHUNK):
            begin = f"create table {table} as" if chunk == 0 else f"insert into {table}"
            statements.append(f"{begin} {_view_sql(workload, table, number, chunk)}")
    return [*statements, "checkpoint"]


def _view_sql(workload: Workload, table: str, number: int, first: int) -> str:
    """A view's rows from number ``first`` on; each chunk has entities of its own, so that chunks follow in order."""
    last = min(workload.rows, first + SHARE_PER_CHUNK)
    entity, time = _entity(workload, 1_000 + number, first, last), _instant(workload, 100 + number)
    seed = workload.seed
    values = ["(hash(i * 31 + 7) % 100000)::bigint as amount"] if workload.aggregates else []
    if not workload.aggregates:
        values = [
            f"(hash(i * 31 + {number * 1_000 + j + seed * 100_003}) % 10000019)::double / 64 as {name}"
            for j, name in enumerate(workload.features(int(table[-1])))
        ]
    known = ""
    if workload.known and table.startswith("view"):
        time = f"time_bucket(interval '6 hours', {time})"
        known = f", ts + to_microseconds((hash(i * 77 + {seed}) % 3600000000)::bigint) as known"
    order = f"{', '.join(workload.keys)}, ts" if workload.order == "key" else "ts"
    names = ", ".join(value.rsplit(" as ", 1)[1] for value in values)
    return (
        f"select {_key_sql(workload, 'e')}, ts{known}, {names} from (select i, {entity} as e, {time} as ts, "
        f"{', '.join(values)} from range({first}, {last}) t(i)) order by {order}"
    )


def _entity(workload: Workload, salt: int, first: int = 0, last: int = 0) -> str:
    """A number of an entity, uniform or by Zipf's law, as a pure function of the row's number ``i``."""
    share = f"((hash(i * 2654435761 + {salt + workload.seed * 7_919}) % 1000000007) / 1000000007.0)"
    if workload.zipf:
        return f"(least({workload.entities}, floor(pow({workload.entities}, {share}))) - 1)::bigint"
    begin = first // workload.per_key
    count = max(1, last // workload.per_key - begin) if last else workload.entities
    return f"({begin} + floor({share} * {count}))::bigint"


def _instant(workload: Workload, salt: int) -> str:
    span, salt = workload.days * 86_400_000_000, salt + workload.seed * 104_729
    return f"timestamp '2025-01-01' + to_microseconds((hash(i * 40503 + {salt}) % {span})::bigint)"


def _key_sql(workload: Workload, entity: str) -> str:
    return {
        "integer": f"{entity} as k",
        "text": f"'customer_' || lpad({entity}::varchar, 12, '0') as k",
        "pair": f"'group_' || ({entity} % 50)::varchar as k_group, {entity} // 50 as k_number",
    }[workload.key]
