"""A project as it would have been built at an earlier instant: from the source rows that were known then.

Everything above a training set is computed once more, in a database of its own that is gone afterwards: so nothing that
was corrected, came late or happened since can be in it, whichever way a model reads its sources. What ``run_query``
answers is the one thing that is of today.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from secrets import token_hex

from sqlfeat.compiler.manifest import CompiledModel, TimeFacts
from sqlfeat.compiler.time import facts_of_seed
from sqlfeat.engine.base import Engine, Scratch
from sqlfeat.engine.comparison import Vantage
from sqlfeat.engine.duckdb.cutoff import known_time, timestamp
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session


@contextmanager
def as_known_at(session: Session, model: CompiledModel, instant: datetime) -> Iterator[Engine]:
    """An engine in which all that a training set reads stands as it would have at an instant.

    Raises:
        RunError: a model cannot be made from what was known then.
    """
    manifest = session.manifest
    folder = session.spec.target_path / "work" / f"known-at-{token_hex(6)}"
    folder.mkdir(parents=True)
    started = session.clock.monotonic()
    times = {**manifest.source_time, **{id_: facts_of_seed(seed) for id_, seed in manifest.seeds.items()}}
    try:
        vantage = Vantage(clock=instant, cutoff=instant)
        scratch = session.scratch(folder / "then.duckdb", vantage, times, session.threads or session.target.threads)
        try:
            made = _compute(session, scratch, model)
            seconds = session.clock.monotonic() - started
            session.listener(Event("step", "as known then", seconds=seconds, facts={"models": made}))
            yield scratch
        finally:
            scratch.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compute(session: Session, scratch: Scratch, model: CompiledModel) -> int:
    manifest = session.manifest
    above = manifest.graph.ancestors([model.id])
    made = 0
    for node in manifest.graph.order():
        if node not in above:
            continue
        if node.startswith("seed."):
            scratch.read_seed(manifest.seeds[node])
        elif node.startswith("model."):
            scratch.compute(manifest.models[node.removeprefix("model.")], None, keep=False)
            made += 1
    return made


def known_rows(session: Session, model: CompiledModel, instant: datetime) -> str | None:
    """The SQL that keeps label rows which were known at an instant; None where all always are."""
    assert model.training_set is not None
    kind, name = model.training_set.labels.split(".", 1)
    known = known_time(_time_of(session, kind, name))
    return None if known is None else f"{known} <= {timestamp(instant)}"


def _time_of(session: Session, kind: str, name: str) -> TimeFacts:
    manifest = session.manifest
    if kind == "source":
        return manifest.source_time[f"source.{name}"]
    return manifest.models[name].time if name in manifest.models else facts_of_seed(manifest.seeds[f"seed.{name}"])
