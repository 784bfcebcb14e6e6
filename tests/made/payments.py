"""A project over payments that are booked late, for tests of what was known when.

Payments happen at ``paid_at`` and are known at ``booked_at``: at once, or a day or three later, or never. Statuses of
customers happen now and then; products are as they always were.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from tests.made.projects import Files, Opened, day, write

PROJECT_FILE = """
    name: bank
    targets:
      dev: {engine: duckdb, path: target/bank.duckdb, threads: 2}
    entities:
      customer: {keys: [customer]}
      product: {keys: [product]}
"""
SOURCES = """
    version: 2
    sources:
      - name: raw
        config: {location: "data/{name}.parquet"}
        tables:
          - name: payments
            config: {event_time: paid_at, available_at: booked_at, keys: [payment_id]}
          - name: statuses
            config: {event_time: since}
          - name: products
            config: {immutable: true}
          - name: notes
"""
DELAYS = (0, 0, 24, 0, 72, 0, 0, None, 0, 24, 0, 0)
"""After how many hours each payment is booked."""


def payments() -> pa.Table:
    """Twelve payments of ann and bob in turn, one every twelve hours from the first of January on."""
    count = len(DELAYS)
    paid = [day(1 + i // 2, 12 * (i % 2)) for i in range(count)]
    booked = [None if delay is None else day(1 + (12 * i + delay) // 24, (12 * i + delay) % 24)
              for i, delay in enumerate(DELAYS)]  # fmt: skip
    instants = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "payment_id": list(range(1, count + 1)),
            "customer": ["ann" if i % 4 in (0, 1) else "bob" for i in range(count)],
            "product": ["tea" if i % 3 else "jam" for i in range(count)],
            "amount": pa.array([10 * (i + 1) for i in range(count)], pa.int32()),
            "paid_at": pa.array(paid, instants),
            "booked_at": pa.array(booked, instants),
        }
    )


def statuses() -> pa.Table:
    """Ann turns gold on the fifth, bob silver on the second."""
    rows = [("ann", "new", day(1)), ("bob", "new", day(1)), ("bob", "silver", day(2)), ("ann", "gold", day(5))]
    customers, states, since = zip(*rows, strict=True)
    return pa.table({"customer": customers, "status": states, "since": pa.array(since, pa.timestamp("us", "UTC"))})


def bank(root: Path, models: Mapping[str, str], files: Files | None = None) -> Opened:
    """A project of these models, each a text, with its sources and, if said so, other files."""
    basis: Files = {
        "sqlfeat_project.yml": PROJECT_FILE,
        "models/sources.yml": SOURCES,
        "data/payments.parquet": payments(),
        "data/statuses.parquet": statuses(),
        "data/products.parquet": pa.table({"product": ["tea", "jam"], "price": [3, 5]}),
        "data/notes.parquet": pa.table({"customer": ["ann"], "note": ["likes jam"]}),
    }
    return Opened(
        write(root, {**basis, **{f"models/{name}.sql": text for name, text in models.items()}, **(files or {})})
    )
