"""Pushes of small rows into a store, without a project around it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlfeat.store.pushed import Events, PushStore, ViewRow, form_of
from sqlfeat.store.row_codec import RowCodec

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string())])
VIEW = "view@1"


def push(pushes: PushStore, numbers: Sequence[int], key: bytes = b"\0k") -> tuple[int, int, int]:
    """Push rows with these ids, which a view has under one key."""
    table = pa.table([numbers, [f"n{number}" for number in numbers]], schema=SCHEMA)
    rows = RowCodec.of(SCHEMA).encode(table).to_pylist()
    ids = [number.to_bytes(16, "big") for number in numbers]
    events = Events("raw.rows", form_of("raw.rows", SCHEMA), ids, rows, [True] * len(rows))
    done = pushes.append(
        events,
        [VIEW],
        lambda places: {VIEW: [ViewRow(key, b"%d" % numbers[place]) for place in places]},
        lambda table, identity: (),
    )
    return done.new, done.known, done.last
