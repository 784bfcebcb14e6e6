"""A project that is compiled once and built many times, each time from other source files.

It knows the public API and ``ops.training_set.assemble`` (a training set's rows without its files), and nothing of
how the engine stores or finds anything: so it guards every plan alike.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from sqlfeat import Project
from sqlfeat.base.clock import Clock
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.training_set import assemble

Row = Mapping[str, Any]


class Workbench:
    """One project in a folder; ``schemas`` are the Arrow schemas of its source tables, which lie under ``data/``."""

    def __init__(
        self,
        folder: Path,
        files: Mapping[str, str],
        schemas: Mapping[str, pa.Schema],
        *,
        clock: Clock | None = None,
    ) -> None:
        self.folder = folder
        self.schemas = schemas
        self._written = 0
        laid_out(folder, files, {}, schemas)
        self.project = Project.load(folder, clock=clock)

    def put(self, tables: Mapping[str, Sequence[Row]]) -> None:
        """Replace source files; every one gets a time of change of its own, however fast they follow each other."""
        for name, rows in tables.items():
            path = written(self.folder, name, rows, self.schemas[name])
            self._written += 1
            os.utime(path, ns=(self._written, self._written))

    def rows_of(self, training_set: str, **how: Any) -> list[dict[str, Any]]:
        """The rows of a training set as it is now, in their order."""
        return assemble(self.project._session, training_set, **how).to_pylist()

    def built(self, training_set: str, **how: Any) -> list[dict[str, Any]]:
        """The rows of a training set as its file has them."""
        out = self.folder / "out.parquet"
        self.project.build_training_set(training_set, out=out, **how)
        return parquet.read_table(out).to_pylist()

    def table(self, view: str) -> list[dict[str, Any]]:
        """The rows of a model as ``ref()`` gives them."""
        failed = [node for node in self.project.run([view]).results if node.status == "failed"]
        if failed:
            raise failed[0].error or SqlfeatError("run-failed", f"{view} failed")
        return self.project.table(view).to_pylist()

    def facts(self, view: str) -> Mapping[str, Any]:
        """What the engine has recorded of a model's build."""
        return self.project._session.engine.records()[f"model.{view}"].facts

    def shown(self, view: str, at: Any) -> list[dict[str, Any]]:
        """A view as it stands at an instant."""
        self.table(view)
        return self.project.show(view, at=at, limit=None).to_pylist()

    def close(self) -> None:
        self.project.close()


def laid_out(
    folder: Path, files: Mapping[str, str], tables: Mapping[str, Sequence[Row]], schemas: Mapping[str, pa.Schema]
) -> None:
    """Write a project's files and its sources; a table that is not given is empty."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, schema in schemas.items():
        written(folder, name, tables.get(name, []), schema)


def written(folder: Path, name: str, rows: Sequence[Row], schema: pa.Schema) -> Path:
    path = folder / "data" / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)
    return path


def same(expected: Any, found: Any) -> bool:
    """Equal to the last bit: 1 is not 1.0, NaN is NaN, and -0.0 is not 0.0."""
    if isinstance(expected, float) and isinstance(found, float):
        both_nan = math.isnan(expected) and math.isnan(found)
        return both_nan or struct.pack("<d", expected) == struct.pack("<d", found)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    return type(expected) is type(found) and expected == found


def told(rows: Sequence[Row]) -> str:
    """Rows as somebody reads them who looks for a mistake; instants stand first."""
    return "\n".join("    " + ", ".join(f"{name}={_short(value)}" for name, value in row.items()) for row in rows)


def _short(value: Any) -> str:
    return value.isoformat(" ") if hasattr(value, "isoformat") else repr(value)
