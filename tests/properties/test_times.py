"""Times at the ends of what there is, and what was known when."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as parquet

from sqlfeat.ops.training_set import assemble
from tests.oracles.point_in_time import HOUR, MICROSECOND
from tests.properties.small_project import (
    LABELS,
    MOST,
    NOON,
    THOSE,
    TOTAL,
    asked_at,
    asking,
    project,
    rows,
    view,
)


def test_nanoseconds_are_never_seen_before_they_happened(tmp_path):
    nanoseconds = [-1_000, -999, -1, 0, 1, 2, 999, 1_000]
    facts = pa.table({"k": ["a"] * 8, "happened": pa.array(nanoseconds, pa.timestamp("ns")), "v": nanoseconds})
    asked = [-1_001, -1_000, -1, 0, 999, 1_000, 1_999]
    spine = asked_at(*asked, asked=pa.array(asked, pa.timestamp("ns")))
    models = {"seen": view(), "found": asking("{{ feature('seen.v') }}")}
    with project(tmp_path / "p", models, facts, spine) as made:
        found = [row["v"] for row in rows(made)]

    assert found == [None, -1_000, -1_000, 0, 0, 1_000, 1_000]


def test_of_two_rows_within_a_microsecond_the_later_wins(tmp_path):
    facts = pa.table({"k": ["a"] * 2, "happened": pa.array([2, 1], pa.timestamp("ns")), "v": [1, 9]})
    spine = asked_at(datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
    models = {"seen": view(), "found": asking("{{ feature('seen.v') }}")}
    with project(tmp_path / "p", models, facts, spine) as made:
        assert [row["v"] for row in rows(made)] == [1]


def test_the_ends_of_the_calendar_are_times_like_others(tmp_path):
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    facts = pa.table({"k": ["a", "a"], "happened": [first, last], "v": [1, 2]})
    models = {
        "seen": view(
            f"k, happened, v, {TOTAL} as total, {MOST} as most".replace("1 day", "9000 years"), ttl="100 years"
        ),
        "found": asking("{{ feature('seen.v') }}", "{{ feature('seen.total') }}", "{{ feature('seen.most') }}"),
    }
    asked = [first, first + MICROSECOND, datetime(5000, 1, 1, tzinfo=UTC), last - MICROSECOND, last]
    with project(tmp_path / "p", models, facts, asked_at(*asked)) as made:
        found = [(row["v"], row["total"], row["most"]) for row in rows(made)]

    assert found == [(1, 1, 1), (1, 1, 1), (None, 1, 1), (None, None, None), (2, 2, 2)]


def test_time_without_end_is_a_time_like_others(tmp_path):
    facts = pa.table({"k": ["a"] * 3, "moment": ["-infinity", "2024-01-01 12:00:00", "infinity"], "v": [1, 20, 300]})
    moments = ["-infinity", "2024-01-01 11:00:00", "2024-01-01 12:30:00", "infinity"]
    spine = pa.table({"id": [0, 1, 2, 3], "k": ["a"] * 4, "moment": moments, "label": [0] * 4})
    windows = [
        f"{{{{ window('{text}', ['1 hour', 'unbounded'], name='{text[:3]}') }}}}" for text in ("sum(v)", "max(v)")
    ]
    models = {
        "labels": LABELS.replace("*", "id, k, cast(moment as timestamptz) as asked, label"),
        "seen": view(", ".join(["k", "cast(moment as timestamptz) as happened", "v", *windows])),
        "found": asking("{{ feature('seen.*') }}"),
    }
    with project(tmp_path / "p", models, facts, spine) as made:
        made.build_training_set("found", out=tmp_path / "out.parquet")
    names = ["v", "sum_1h", "sum_all", "max_1h", "max_all"]
    found = parquet.read_table(tmp_path / "out.parquet", columns=names).to_pylist()

    assert [tuple(row[name] for name in names) for row in found] == [
        (1, None, 1, None, 1), (1, None, 1, None, 1), (20, 20, 21, 20, 20), (300, None, 321, None, 300)
    ]  # fmt: skip


def test_days_are_midnights_in_windows_too(tmp_path):
    days = [date(2024, 3, 9), date(2024, 3, 10), date(2024, 3, 11)]
    facts = pa.table({"k": ["a"] * 3, "happened": days, "v": [1, 10, 100]})
    midnight = datetime(2024, 3, 11, tzinfo=UTC)
    models = {
        "seen": view(f"k, happened, {{{{ window('sum(v)', '2 days') }}}} as total, {THOSE} as those"),
        "found": asking("{{ feature('seen.total') }}", "{{ feature('seen.those') }}", passthrough=["those"]),
    }
    spine = asked_at(midnight - MICROSECOND, midnight, midnight + 24 * HOUR)
    with project(tmp_path / "p", models, facts, spine) as made:
        found = [(row["total"], row["those"]) for row in rows(made)]

    assert found == [(11, [10]), (110, [100]), (100, None)]


def test_known_at_hides_what_came_later_and_what_it_replaced_is_back(tmp_path):
    facts = pa.table({
        "k": ["a"] * 3, "number": [1, 1, 2], "happened": [NOON, NOON, NOON + HOUR],
        "known": [NOON, NOON + 2 * HOUR, NOON + 3 * HOUR], "v": [1, 20, 300],
    })  # fmt: skip
    columns = f"k, number, happened, known, v, {TOTAL} as total, {MOST} as most"
    models = {
        "seen": view(columns, available_at="known", unique_key=["number"]),
        "found": asking("{{ feature('seen.v') }}", "{{ feature('seen.total') }}", "{{ feature('seen.most') }}"),
    }
    with project(tmp_path / "p", models, facts, asked_at(NOON + 5 * HOUR)) as made:
        found = {
            hours: [(row["v"], row["total"], row["most"]) for row in looked_up(made, NOON + hours * HOUR)]
            for hours in (-1, 1, 2, 3)
        }
        now = [(row["v"], row["total"], row["most"]) for row in rows(made)]

    assert found == {-1: [(None, None, None)], 1: [(1, 1, 1)], 2: [(20, 20, 20)], 3: [(300, 320, 300)]}
    assert now == [(300, 320, 300)]


def looked_up(made, known_at):
    """The training set's rows of today, with what the lookups found in what was known then."""
    return assemble(made._session, "found", known_at=known_at).to_pylist()


def test_a_row_without_a_time_or_a_key_replaces_nothing(tmp_path):
    facts = pa.table({
        "k": ["a", "a", None, "a"], "number": [1, 1, 1, 1],
        "happened": [NOON, None, NOON, NOON], "known": [NOON, NOON, NOON, None], "v": [1, 20, 300, 4000],
    })  # fmt: skip
    columns = f"k, number, happened, known, {TOTAL} as total, {THOSE} as those"
    models = {
        "seen": view(columns, available_at="known", unique_key=["number"]),
        "found": asking("{{ feature('seen.total') }}", "{{ feature('seen.those') }}", passthrough=["those"]),
    }
    with project(tmp_path / "p", models, facts, asked_at(NOON + HOUR)) as made:
        assert [(row["total"], row["those"]) for row in rows(made)] == [(1, [1])]


def test_a_view_at_an_instant_has_no_plain_value_of_an_expired_row(tmp_path):
    facts = pa.table({"k": ["a", "b"], "happened": [NOON, NOON + HOUR], "v": [1, 2]})
    models = {"seen": view(f"k, happened, v, {TOTAL} as total", ttl="1 hour"), "plain": view(ttl="1 hour")}
    with project(tmp_path / "p", models, facts, asked_at()) as made:
        made.run()
        at = NOON + HOUR + MICROSECOND
        shown = [(row["k"], row["v"], row["total"]) for row in made.show("seen", at=at).to_pylist()]
        plain = [(row["k"], row["v"]) for row in made.show("plain", at=at).to_pylist()]

    assert shown == [("a", None, 1), ("b", 2, 2)]
    assert plain == [("b", 2)]
