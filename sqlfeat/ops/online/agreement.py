"""Whether a snapshot says what the offline side says: some entities of every view, at its instant and now."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.ops.features import features
from sqlfeat.ops.online.publish import online_store, online_views
from sqlfeat.ops.online.published import table_of
from sqlfeat.ops.online.reading import ViewReader, views_of
from sqlfeat.ops.session import Session
from sqlfeat.store.online import Snapshot
from sqlfeat.store.plain_values import from_arrow

SAMPLE = 200
"""Entities of each view that are compared."""
_AS_OF = "__sqlfeat_as_of"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Difference:
    """A cell that is not the same online and offline."""

    view: str
    column: str
    keys: dict[str, str]
    at: str
    offline: str
    online: str


@dataclass(frozen=True)
class Agreement:
    """How many cells were compared, and the first of those that differ."""

    cells: int
    differing: int
    differences: tuple[Difference, ...]

    def as_dict(self) -> dict[str, Any]:
        """The comparison in the shape of ``--json``."""
        told = [asdict(difference) for difference in self.differences]
        return {"cells": self.cells, "differing": self.differing, "differences": told}


def check_published(session: Session, *, sample: int = SAMPLE, shown: int = 20) -> Agreement:
    """Read some entities of every online view from the newest snapshot, and the same features offline.

    Each at the snapshot's instant and at the present one. A difference means that the data or the definitions have
    changed since it was published, or a mistake.
    """
    engine = Rowwise()
    cells, differences = 0, []
    try:
        with online_store(session).open() as snapshot:
            for model in online_views(session):
                compared, found = _compared(session, snapshot, model, engine, sample)
                cells += compared
                differences += found
    finally:
        engine.close()
    return Agreement(cells, len(differences), tuple(differences[:shown]))


def _compared(
    session: Session, snapshot: Snapshot, model: CompiledModel, engine: Rowwise, sample: int
) -> tuple[int, list[Difference]]:
    view = views_of(snapshot).get(table_of(model))
    if view is None:
        return 0, []
    as_of = _EPOCH + timedelta(microseconds=view.as_of)
    keys = _entities(session, model, as_of, sample)
    columns = [name for name in model.column_names if name in view.features]
    reader = ViewReader(view, columns, engine)
    cells, found = 0, []
    for at in dict.fromkeys([as_of, max(as_of, session.clock.now().astimezone(UTC))]):
        rows = keys.append_column(_AS_OF, pa.array([at] * keys.num_rows, pa.timestamp("us", "UTC")))
        offline = features(
            session, [f"{model.name}.{name}" for name in columns], rows, time=_AS_OF, silently=True
        ).table
        expected = [from_arrow(offline.column(place)) for place in range(-len(columns), 0)]
        instant = (at - _EPOCH) // timedelta(microseconds=1)
        entities = list(zip(*(from_arrow(keys[key]) for key in model.keys), strict=True)) or [()]
        for number, entity in enumerate(entities[: keys.num_rows]):
            read = reader.read(snapshot.fetch(reader.wanted(entity)), instant)
            for name, values, online in zip(columns, expected, read.values, strict=True):
                cells += 1
                if not same(values[number], online):
                    named = dict(zip(model.keys, map(repr, entity), strict=True))
                    told = (at.isoformat(), repr(values[number]), repr(online))
                    found.append(Difference(model.name, name, named, *told))
    return cells, found


def _entities(session: Session, model: CompiledModel, at: datetime, sample: int) -> pa.Table:
    """The keys of some entities, spread over all of them."""
    states = session.engine.states_from(model, at)
    keys = states.select(list(range(len(model.keys)))).rename_columns(list(model.keys))
    if not model.keys:
        return pa.table({"__sqlfeat_everybody": pa.nulls(min(1, states.num_rows), pa.int8())})
    places = np.unique(np.linspace(0, max(keys.num_rows - 1, 0), min(sample, keys.num_rows)).astype(np.int64))
    return keys.take(pa.array(places))


def same(left: Any, right: Any) -> bool:
    """Equal to the last bit; every NaN is the same."""
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack("<d", left) == struct.pack("<d", right) or (left != left and right != right)
    if isinstance(left, Sequence) and isinstance(right, Sequence) and not isinstance(left, str | bytes):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)
