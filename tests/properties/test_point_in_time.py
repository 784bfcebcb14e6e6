"""The point-in-time rule and windows on random data, compared value by value with the oracle of ``tests/oracles``.

Times lie on a coarse grid, so that ties, late rows, corrections, exact ages and window edges happen all the time.
A failure prints its seed: ``SQLFEAT_SEED=123 pytest tests/properties`` repeats it.
"""

import math
import os
import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as parquet

from sqlfeat import Project
from tests.oracles.point_in_time import DAY, HOUR, MICROSECOND, View, lookup, spine_order, utc, window

KEY = ("shop", "till")
START = utc("2024-02-28 20:00")
INSTANT = pa.timestamp("us", "UTC")
SCHEMA = pa.schema([
    ("shop", pa.string()), ("till", pa.int32()), ("happened", INSTANT), ("known", INSTANT), ("seq", pa.int64()),
    ("bill", pa.int64()), ("i", pa.int32()), ("x", pa.float64()), ("d", pa.decimal128(10, 2)), ("s", pa.string()),
])  # fmt: skip

PROJECT = """
name: chance
default_target: dev
targets:
  dev: {engine: duckdb, path: target/chance.duckdb}
entities:
  till: {keys: [shop, till]}
"""
SOURCES = """
version: 2
sources:
  - name: raw
    config: {location: "data/{name}.parquet"}
    tables: [{name: facts}, {name: asked}]
"""
FACTS = "from {{ source('raw', 'facts') }}"
TILL = "materialized='feature_view', entity='till', event_time='happened'"
VIEWS = {
    "tied": f"""{{{{ config({TILL}, available_at='known') }}}}
        select shop, till, happened, known, i, s, x {FACTS}""",
    "broken": f"""{{{{ config({TILL}, available_at='known', tie_breaker=['i', 'seq'], ttl='3 hours') }}}}
        select shop, till, happened, known, i, seq, s, d {FACTS}""",
    "delayed": f"""{{{{ config({TILL}, available_after='90 minutes', tie_breaker=['seq']) }}}}
        select shop, till, happened, seq, x {FACTS}""",
    "timeline": f"""{{{{ config(materialized='feature_view', event_time='happened', available_at='known',
            tie_breaker=['seq']) }}}}
        select happened, known, seq, s, {{{{ window('count(*)', '2 hours') }}}} as visits {FACTS}""",
}
PLAIN = "select shop, till, happened, known, seq"
UP = {"where": lambda row: (row["i"] or 0) > 0}
WINDOWS = {  # name: (what the view says, what the oracle is asked)
    "n_3h": ("window('count(*)', '3 hours')", ("count", None, 3 * HOUR)),
    "n_before": ("window('count(*)', '2 hours', offset='3 hours')", ("count", None, 2 * HOUR, {"offset": 3 * HOUR})),
    "n_ever": ("window('count(*)', 'unbounded')", ("count", None, None)),
    "n_i": ("window('count(i)', '1 day')", ("count", "i", DAY)),
    "n_s": ("window('count(distinct s)', '1 day')", ("count distinct", "s", DAY)),
    "sum_i": ("window('sum(i)', '3 hours')", ("sum", "i", 3 * HOUR)),
    "sum_x": ("window('sum(x)', '1 day')", ("sum", "x", DAY)),
    "sum_d": ("window('sum(d)', '90 minutes')", ("sum", "d", timedelta(minutes=90))),
    "avg_i": ("window('avg(i)', '1 day')", ("avg", "i", DAY)),
    "avg_x": ("window('avg(x)', 'unbounded')", ("avg", "x", None)),
    "min_d": ("window('min(d)', '3 hours')", ("min", "d", 3 * HOUR)),
    "max_x": ("window('max(x)', '3 hours')", ("max", "x", 3 * HOUR)),
    "mid_i": ("window('median(i)', '1 day')", ("median", "i", DAY)),
    "first_i": ("window('first(i)', '1 day')", ("first", "i", DAY)),
    "last_s": ("window('last(s)', 'unbounded')", ("last", "s", None)),
    "all_i": ("window('list(i)', '5 hours')", ("list", "i", 5 * HOUR)),
    "all_s": ("""window("string_agg(s, ',')", '1 day')""", ("string_agg", "s", DAY)),
    "n_up": ("window('count(*) filter (where i > 0)', '1 day')", ("count", None, DAY, UP)),
    "sum_up": ("window('sum(i) filter (where i > 0)', '3 hours')", ("sum", "i", 3 * HOUR, UP)),
}  # fmt: skip
ITEMS = ",\n".join(f"{{{{ {text} }}}} as {name}" for name, (text, _) in WINDOWS.items())
WINDOW_CONFIG = (
    "materialized='feature_view', entity='till', event_time='happened', available_at='known', tie_breaker=['seq']"
)
VIEWS["sums"] = f"{{{{ config({WINDOW_CONFIG}) }}}} {PLAIN},\n{ITEMS}\n{FACTS}"
VIEWS["bills"] = f"{{{{ config({WINDOW_CONFIG}, unique_key=['bill']) }}}} {PLAIN}, bill,\n{ITEMS}\n{FACTS}"

LOOKUPS = {  # output: (feature() arguments, the view's column, what the oracle is told)
    "tied_i": ("'tied.i'", "tied", "i", {}),
    "tied_s": ("'tied.s'", "tied", "s", {}),
    "tied_x": ("'tied.x'", "tied", "x", {}),
    "tied_at": ("'tied.happened'", "tied", "happened", {}),
    "strict_i": ("'tied.i', strict=true", "tied", "i", {"strict": True}),
    "young_i": ("'tied.i', ttl='2 hours'", "tied", "i", {"ttl": 2 * HOUR}),
    "now_i": ("'tied.i', ttl='0 hours'", "tied", "i", {"ttl": timedelta(0)}),
    "broken_s": ("'broken.s'", "broken", "s", {}),
    "broken_d": ("'broken.d', strict=true", "broken", "d", {"strict": True}),
    "delayed_x": ("'delayed.x'", "delayed", "x", {}),
    "last_anywhere": ("'timeline.s'", "timeline", "s", {}),
}
ORACLE_VIEWS = {
    "tied": View(
        [], ("shop", "till"), "happened", "known", columns=("shop", "till", "happened", "known", "i", "s", "x")
    ),
    "broken": View([], KEY, "happened", "known", tie_breaker=("i", "seq"), ttl=3 * HOUR),
    "delayed": View([], KEY, "happened", available_after=timedelta(minutes=90), tie_breaker=("seq",)),
    "timeline": View([], (), "happened", "known", tie_breaker=("seq",)),
    "sums": View([], KEY, "happened", "known", tie_breaker=("seq",)),
    "bills": View([], KEY, "happened", "known", tie_breaker=("seq",), unique_key=("bill",)),
}


def test_every_feature_is_what_the_oracle_says(tmp_path):
    seed = int(os.environ.get("SQLFEAT_SEED", random.randrange(10**6)))
    facts, asked = made_by(random.Random(seed))
    rows = training_rows(tmp_path, facts, asked)
    ordered = spine_order(asked, "asked", ["row"])
    wrong = [
        f"seed {seed}, row {row['row']}, {name}: expected {value!r}, got {found[name]!r}"
        for row, found in zip(ordered, rows, strict=True)
        for name, value in expected(row, facts).items()
        if not same(value, found[name])
    ]

    assert wrong[:8] == []


def test_the_rows_are_the_label_rows_in_order(tmp_path):
    seed = int(os.environ.get("SQLFEAT_SEED", random.randrange(10**6)))
    facts, asked = made_by(random.Random(seed))
    rows = training_rows(tmp_path, facts, asked)

    assert [row["row"] for row in rows] == [row["row"] for row in spine_order(asked, "asked", ["row"])], f"seed {seed}"


def expected(row, facts):
    """All features of one label row, in the oracle's words."""
    key, t = [row[name] for name in KEY], row["asked"]
    views = {name: replace(view, rows=facts) for name, view in ORACLE_VIEWS.items()}
    found = {}
    for output, (_, view, column, how) in LOOKUPS.items():
        fact = lookup(views[view], key if views[view].keys else [], t, **how)
        found[output] = fact and fact[column]
    for output, (_, question) in WINDOWS.items():
        aggregate, value, span, *more = question
        how = more[0] if more else {}
        for view in ("sums", "bills"):
            found[f"{view}_{output}"] = window(views[view], aggregate, value, span, key, t, **how)
            found[f"strict_{view}_{output}"] = window(views[view], aggregate, value, span, key, t, strict=True, **how)
    found["anywhere_visits"] = window(views["timeline"], "count", None, 2 * HOUR, [], t)
    return found


def training_rows(folder, facts, asked):
    """The same features as the product gives them, rows in its order."""
    (folder / "models").mkdir()
    (folder / "data").mkdir()
    (folder / "sqlfeat_project.yml").write_text(PROJECT)
    (folder / "models" / "sources.yml").write_text(SOURCES)
    for name, text in VIEWS.items():
        (folder / "models" / f"{name}.sql").write_text(text)
    (folder / "models" / "questions.sql").write_text(
        "{{ config(materialized='table', role='label', event_time='asked', horizon='1 hour') }}\n"
        "select row, shop, till, asked, label from {{ source('raw', 'asked') }}"
    )
    (folder / "models" / "chance.sql").write_text(training_set())
    parquet.write_table(pa.Table.from_pylist(facts, SCHEMA), folder / "data" / "facts.parquet")
    parquet.write_table(pa.Table.from_pylist(asked, ASKED), folder / "data" / "asked.parquet")
    with Project.load(folder) as project:
        built = project.build_training_set("chance")
        return parquet.read_table(built.path / built.files[0]).to_pylist()


ASKED = pa.schema([("row", pa.int64()), *[SCHEMA.field(name) for name in KEY],
                   ("asked", INSTANT), ("label", pa.int8())])  # fmt: skip


def training_set():
    features = [f"{{{{ feature({text}) }}}} as {output}" for output, (text, *_) in LOOKUPS.items()]
    for name in WINDOWS:
        for view in ("sums", "bills"):
            features.append(f"{{{{ feature('{view}.{name}') }}}} as {view}_{name}")
            features.append(f"{{{{ feature('{view}.{name}', strict=true) }}}} as strict_{view}_{name}")
    features.append("{{ feature('timeline.visits') }} as anywhere_visits")
    passthrough = ["tied_at", *(f"{view}_all_i" for view in ("sums", "bills", "strict_sums", "strict_bills"))]
    return (
        f"{{{{ config(materialized='training_set', label='label', keys=['row'], passthrough={passthrough}) }}}}\n"
        f"select f.row, f.asked, {', '.join(features)}, f.label from {{{{ ref('questions') }}}} as f"
    )


def made_by(chance):
    """Facts and questions of a few tills within a dozen hours, on a grid of half hours and a microsecond beside it."""

    def instant():
        beside = chance.choice([0, 0, 0, 0, -1, 1]) * MICROSECOND
        return START + chance.randint(0, 24) * HOUR / 2 + beside

    facts = []
    for seq in range(chance.choice([0, 1, 40, 120])):
        at = None if chance.random() < 0.03 else instant()
        known = None if at is None or chance.random() < 0.05 else max(at, instant()) if chance.random() < 0.5 else at
        facts.append({
            "shop": chance.choice(["a", "A", "", None, "a"]),
            "till": chance.choice([1, 1, 2, None]),
            "happened": at,
            "known": known,
            "seq": seq,
            "bill": chance.choice([None, *range(12)]),
            "i": chance.choice([None, -3, 0, 1, 2**31 - 1]),
            "x": chance.choice([None, 0.1, 0.2, -0.3, 1e16, -1e16, 1e-300]),
            "d": chance.choice([None, Decimal("0.10"), Decimal("-99999999.99"), Decimal("12.34")]),
            "s": chance.choice([None, "", "x", "é", "O'Neil"]),
        })  # fmt: skip
    asked = [
        {
            "row": row,
            "shop": chance.choice(["a", "A", "", None, "elsewhere", "a"]),
            "till": chance.choice([1, 1, 2, None]),
            "asked": None if chance.random() < 0.03 else instant(),
            "label": chance.randint(0, 1),
        }
        for row in range(60)
    ]
    return facts, asked


def same(expected, actual):
    if isinstance(expected, float) and isinstance(actual, float) and math.isnan(expected):
        return math.isnan(actual)
    if isinstance(expected, bool) or expected is None or actual is None:
        return expected is actual
    return expected == actual
