"""So many rows that whatever is cut into blocks, batches and chunks is cut."""

from __future__ import annotations

from math import fsum

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from tests.oracles.point_in_time import HOUR
from tests.properties.small_project import (
    NOON,
    NOON_US,
    THOSE,
    TOTAL,
    asked_at,
    asking,
    project,
    rows,
    view,
)


def test_half_a_million_label_rows_find_what_a_hundred_do(tmp_path):
    count, times = 100, 5_500
    facts = pa.table({
        "k": [f"k{i % 7}" for i in range(300)], "happened": [NOON + i * HOUR for i in range(300)],
        "known": [NOON + (i + i % 5) * HOUR for i in range(300)], "v": list(range(300)),
    })  # fmt: skip
    columns = f"k, happened, known, v, {TOTAL} as total, {THOSE} as those"
    models = {
        "seen": view(columns, available_at="known"),
        "found": asking(
            "{{ feature('seen.v') }}", "{{ feature('seen.total') }}", "{{ feature('seen.those') }}", "x.number",
            passthrough=["those", "number"],
        ),
    }  # fmt: skip
    asked = [NOON + i * 3 * HOUR for i in range(count)]
    keys = [f"k{i % 8}" for i in range(count)]
    few = asked_at(*asked, k=keys, number=list(range(count)))
    many = pa.concat_tables([few] * times)
    with project(tmp_path / "few", models, facts, few) as made:
        expected = {row["number"]: row for row in rows(made)}
    with project(tmp_path / "many", models, facts, many) as made:
        made.build_training_set("found", out=tmp_path / "out.parquet")
    found = parquet.read_table(tmp_path / "out.parquet")
    distinct = found.group_by(["number", "id", "asked", "v", "total"]).aggregate([([], "count_all")]).to_pylist()

    assert found.num_rows == count * times
    assert sorted(row["number"] for row in distinct) == list(range(count))
    assert all(row["count_all"] == times for row in distinct)
    assert all(expected[row["number"]][name] == row[name] for row in distinct for name in ("asked", "v", "total"))
    assert [expected[row["number"]]["those"] for row in found.slice(524_280, 20).to_pylist()] == [
        row["those"] for row in found.slice(524_280, 20).to_pylist()
    ]


MANY_WINDOWS = ["1 hour", "3 days", "unbounded"]
HOURS = {"1 hour": 1, "3 days": 72, "unbounded": 10**6}


@pytest.mark.parametrize("available_at", ["known", "happened"])
def test_windows_over_many_events_are_what_numpy_counts(tmp_path, available_at):
    """So many that everything that is cut into blocks, batches and chunks is cut, within keys and between them."""
    random = np.random.default_rng(7)
    events, asks, keys = 300_000, 400, 23
    second = 1_000_000
    happened = NOON_US + random.integers(0, 30 * 86_400, events) * second
    made = {
        "k": random.integers(0, keys, events), "happened": happened,
        "known": happened + random.integers(0, 600, events) * second, "v": random.integers(-1000, 1000, events),
        "x": random.normal(size=events) * 10.0 ** random.integers(-9, 9, events),
    }  # fmt: skip
    times = pa.timestamp("us", "UTC")
    facts = pa.table({n: pa.array(a, times if n in ("happened", "known") else None) for n, a in made.items()})
    asked_keys = random.integers(0, keys + 1, asks)
    asked = NOON_US + random.integers(-3600, 31 * 86_400, asks) * second
    spine = asked_at(*[NOON] * asks, k=pa.array(asked_keys), asked=pa.array(asked, times))
    items = [
        f"{{{{ window('{text}', {MANY_WINDOWS!r}, name='{name}') }}}}"
        for name, text in {"n": "count(*)", "v": "sum(v)", "least": "min(v)", "most": "max(x)", "x": "sum(x)"}.items()
    ]
    models = {
        "seen": view(", ".join(["k", *dict.fromkeys(["happened", available_at]), *items]), available_at=available_at),
        "found": asking("{{ feature('seen.*') }}"),
    }
    with project(tmp_path / "p", models, facts, spine) as opened:
        found = rows(opened)

    wrong = []
    for row, key, t in zip(found, asked_keys, asked, strict=True):
        mine = (made["k"] == key) & (made[available_at] <= t) & (happened <= t)
        for window, suffix in zip(MANY_WINDOWS, ("1h", "3d", "all"), strict=True):
            inside = mine & (happened > t - HOURS[window] * 3600 * second)
            v, x = made["v"][inside], made["x"][inside]
            expected = (len(v), int(v.sum()), int(v.min()), float(x.max()), fsum(x)) if len(v) else (0, *[None] * 4)
            given = tuple(row[f"{name}_{suffix}"] for name in ("n", "v", "least", "most", "x"))
            if expected != given:
                wrong.append((row["id"], window, expected, given))
    assert wrong[:3] == []
