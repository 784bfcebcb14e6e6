"""Twelve on-demand expressions for one row: compiled, by a prepared DuckDB statement, and by a pandas function.

``python -m benchmarks.expressions`` prints microseconds (the best of some rounds' medians) and how often the compiled
function is the faster one. What the compiled one gives is compared with DuckDB first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from sqlfeat.compiler.expressions import Compiled, compile_expressions

TYPES = {
    "a": "BIGINT", "b": "BIGINT", "x": "DOUBLE", "y": "DOUBLE", "n": "DOUBLE", "s": "VARCHAR", "ts": "TIMESTAMP",
    "t2": "TIMESTAMP", "p": "BOOLEAN", "i": "INTEGER", "lat1": "DOUBLE", "lon1": "DOUBLE", "lat2": "DOUBLE",
    "lon2": "DOUBLE",
}  # fmt: skip
ROW = {
    "a": 7, "b": 2, "x": 4.0, "y": 3.14159, "n": None, "s": "Héllo 123 ok", "ts": datetime(2026, 3, 31, 23, 30, 15),
    "t2": datetime(2026, 5, 1, 0, 10), "p": True, "i": 50000, "lat1": 59.33, "lon1": 18.06, "lat2": 57.70,
    "lon2": 11.97,
}  # fmt: skip
EXPRESSIONS = [
    "a / b", "a % b", "x + n", "(n > 1) and (x > 0)", "case when x > 10 then 'hi' when x > 1 then 'mid' else 'lo' end",
    "coalesce(n, x, 0)", "least(x, n, y)", "round(y, 2)",
    "2 * 6371 * asin(sqrt(power(sin(radians(lat2 - lat1) / 2), 2) + cos(radians(lat1)) * cos(radians(lat2)) "
    "* power(sin(radians(lon2 - lon1) / 2), 2)))",
    "date_diff('hour', ts, t2)", "lower(s)", "regexp_matches(s, '^[A-Z].*ok$')",
]  # fmt: skip
"""The twelve of the measurement that issue 6 quotes."""


def medians(work: Callable[[], Any], rounds: int, times: int) -> float:
    """Microseconds for one call: the best median of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        taken = []
        for _ in range(times):
            start = time.perf_counter_ns()
            work()
            taken.append(time.perf_counter_ns() - start)
        best = min(best, statistics.median(taken) / 1000)
    return best


def compiled(*, rows: str, plain: bool) -> tuple[Compiled, Any]:
    made = compile_expressions(EXPRESSIONS, TYPES, rows=rows, plain=plain)
    assert isinstance(made, Compiled), made
    row: dict[str, Any] = dict(ROW)
    if plain:
        epoch = datetime(1970, 1, 1)
        for name in ("ts", "t2"):
            row[name] = round((row[name] - epoch).total_seconds() * 1_000_000)
    return made, row if rows == "mapping" else tuple(row.values())


def prepared() -> Callable[[], Any]:
    """A DuckDB statement prepared once and executed with the row's values."""
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    columns = ", ".join(f"?::{kind} as {name}" for name, kind in TYPES.items())
    connection.execute(f"prepare on_demand as select {', '.join(EXPRESSIONS)} from (select {columns}) as r")
    call = f"execute on_demand({', '.join(map(_literal, ROW.values()))})"
    return lambda: connection.execute(call).fetchone()


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    return f"'{value}'" if isinstance(value, str | datetime) else str(value)


def frame() -> Callable[[], Any]:
    """What people write for Feast's on-demand views; eleven of the twelve."""

    def work() -> pd.DataFrame:
        given = pd.DataFrame([ROW])
        made = pd.DataFrame(index=given.index)
        made["1"] = given.a / given.b
        made["2"] = given.a % given.b
        made["3"] = given.x + given.n.astype(float)
        made["5"] = np.where(given.x > 10, "hi", np.where(given.x > 1, "mid", "lo"))
        made["6"] = given.n.astype(float).fillna(given.x)
        made["7"] = given[["x", "n", "y"]].astype(float).min(axis=1)
        made["8"] = given.y.round(2)
        across = np.sin(np.radians(given.lat2 - given.lat1) / 2) ** 2
        along = np.sin(np.radians(given.lon2 - given.lon1) / 2) ** 2
        bent = across + np.cos(np.radians(given.lat1)) * np.cos(np.radians(given.lat2)) * along
        made["9"] = 2 * 6371 * np.arcsin(np.sqrt(bent))
        made["10"] = given.t2.dt.floor("h").sub(given.ts.dt.floor("h")).dt.total_seconds() // 3600
        made["11"] = given.s.str.lower()
        made["12"] = given.s.str.contains("^[A-Z].*ok$")
        return made

    return work


def measure(rounds: int) -> dict[str, float]:
    fast, fast_row = compiled(rows="sequence", plain=True)
    plain, plain_row = compiled(rows="mapping", plain=True)
    usual, usual_row = compiled(rows="mapping", plain=False)
    statement = prepared()
    expected = statement()
    for made, row in ((fast, fast_row), (plain, plain_row), (usual, usual_row)):
        actual = made.function(row)
        assert tuple(expected) == actual, (expected, actual)
    start = time.perf_counter()
    compiled(rows="mapping", plain=True)
    once = (time.perf_counter() - start) * 1e6
    return {
        "compiled, tuple of plain values": medians(lambda: fast.function(fast_row), rounds, 3000),
        "compiled, mapping of plain values": medians(lambda: plain.function(plain_row), rounds, 3000),
        "compiled, mapping with datetimes": medians(lambda: usual.function(usual_row), rounds, 3000),
        "DuckDB, prepared statement": medians(statement, rounds, 200),
        "pandas function (11 of 12)": medians(frame(), rounds, 30),
        "compiling, once": once,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one document on stdout")
    given = parser.parse_args()
    found = measure(given.rounds)
    if given.json:
        print(json.dumps({"microseconds": found}))
        return
    base = found["compiled, mapping of plain values"]
    for name, microseconds in found.items():
        print(f"{name:40} {microseconds:10.1f} µs {microseconds / base:10.1f} ×")


if __name__ == "__main__":
    main()
