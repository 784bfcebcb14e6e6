"""Where the cases lie, and how a table is compared with what is expected of it: exactly.

``SLICES`` are always there. ``WHOLE`` are the whole cases, which lie beside the repository where somebody put them.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

HERE = Path(__file__).resolve().parent
SLICES = HERE.parent / "cases"
WHOLE = HERE.parents[2] / "shared" / "cases"

whole_cases = pytest.mark.skipif(
    not WHOLE.is_dir(), reason=f"the whole cases are not at {WHOLE}: only slices are tested"
)


def copy_of(project: str, folder: Path) -> Path:
    """A copy of one of the projects here, to run in."""
    return shutil.copytree(HERE / project, folder / project, ignore=shutil.ignore_patterns("target", "registry"))


def differences(expected: Path, actual: pa.Table, keys: Sequence[str]) -> list[str]:
    """What differs in the columns that are expected, in words; rows are matched by their keys, in any order."""
    wanted = parquet.read_table(expected)
    missing = [name for name in wanted.column_names if name not in actual.column_names]
    if missing:
        return [f"missing columns: {missing}"]
    want, have = by_key(wanted, keys), by_key(actual.select(wanted.column_names), keys)
    if want.keys() != have.keys():
        return [f"rows: expected {len(want)}, got {len(have)}; keys that differ: {list(want.keys() ^ have.keys())[:3]}"]
    return [
        f"{dict(zip(keys, key, strict=True))} {name}: expected {value!r}, got {have[key][name]!r}"
        for key, row in want.items()
        for name, value in row.items()
        if not same(value, have[key][name])
    ]


def by_key(table: pa.Table, keys: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows = table.to_pylist()
    found = {tuple(row[key] for key in keys): row for row in rows}
    assert len(found) == len(rows), f"{keys} do not identify a row"
    return found


def same(expected: Any, actual: Any) -> bool:
    """Equal to the last bit; NaN equals NaN, and -0.0 equals 0.0."""
    if isinstance(expected, float) and isinstance(actual, float) and math.isnan(expected):
        return math.isnan(actual)
    return (expected is None) == (actual is None) and expected == actual


def judged(case: str, expected: str, actual: Path, key: str) -> str:
    """What the cases' own judge says of a file: ``SAME``, or what differs."""
    judge = [sys.executable, str(WHOLE / "judge.py"), str(WHOLE / case / "expected" / expected), str(actual)]
    return subprocess.run([*judge, "--key", key], capture_output=True, text=True, check=False).stdout.strip()
