"""Online equals offline: what a snapshot answers at any instant is what a training set has for the same rows.

The offline side is held against the oracle elsewhere (``test_lookups``, ``test_windows``); here every output of those
projects' training sets is asked of a snapshot, from the very instant of it on. What tiles give of many events is held
against the events themselves in ``test_online_windows``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import strategies as st

from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.ops.definition import feature_fingerprints
from sqlfeat.ops.online.given import plain_of
from sqlfeat.ops.online.publish import online_store, publish
from sqlfeat.ops.online.reading import views_of
from sqlfeat.ops.online.request import BoundPlan, plan_of
from sqlfeat.ops.training_set import assemble
from sqlfeat.store.plain_values import from_arrow
from tests.properties import lookup_project, window_project
from tests.properties.searching import TIMES
from tests.properties.timelines import MOMENTS
from tests.properties.workbench import Workbench, same

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
moments = st.tuples(st.sampled_from(MOMENTS), st.sampled_from([-1, 0, 0, 1, 3_600_000_000]))
"""The instant of a snapshot: one at which things happen, and so many microseconds."""
GROUPS = {"prompt": ("at_once", "late", "soon", "slow"), "versions": ("corrected", "moved", "everywhere")}
"""The views of windows, in two projects: each world is published to one. Those of totals say the same again online."""


def online(files: Mapping[str, str]) -> dict[str, str]:
    """A project whose feature views are all online, and of which no profiles are kept."""
    views = {
        name: text.replace("config(materialized='feature_view'", "config(online=true, materialized='feature_view'")
        .replace("config(materialized='table', entity=", "config(online=true, materialized='table', entity=")
        for name, text in files.items()
    }  # fmt: skip
    return {**views, "sqlfeat_project.yml": f"{files['sqlfeat_project.yml']}models: {{+monitor: false}}\n"}


@pytest.fixture(scope="module")
def engine():
    engine = Rowwise()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def lookups(tmp_path_factory):
    files = online(lookup_project.files())
    bench = Workbench(tmp_path_factory.mktemp("lookups"), files, lookup_project.SCHEMAS)
    yield bench
    bench.close()


@pytest.fixture(scope="module", params=GROUPS)
def windows(request, tmp_path_factory):
    files = online(window_project.files(GROUPS[request.param]))
    bench = Workbench(tmp_path_factory.mktemp("windows"), files, window_project.SCHEMAS)
    yield bench, GROUPS[request.param]
    bench.close()


@pytest.mark.parametrize("seed", range(3, 5 + 2 * TIMES))
def test_every_lookup_is_what_it_is_offline(lookups, engine, seed):
    world = lookup_project.World.made(seed, 1 + seed % 20, 60 + seed * 37 % 140, 60)
    lookups.put(world.tables())
    asked = {f"found_at_{as_of}": (as_of, world.asked) for as_of in lookup_project.AS_OF}
    agree(lookups, engine, moment_of(seed), {**asked, "whole_rows": ("asked_utc", world.asked)})


@pytest.mark.parametrize("seed", range(5, 6 + TIMES))
def test_every_window_is_what_it_is_offline(windows, engine, seed):
    bench, views = windows
    world = window_project.World.made(seed, 1 + seed % 4, 40 + seed * 37 % 80, 12, calm=seed % 3 == 0)
    bench.put(world.tables())
    asked = {name: ("asked", world.asked) for name, (view, _) in window_project.ASKED.items() if view in views}
    agree(bench, engine, moment_of(seed), {f"of_{name}": one for name, one in asked.items()})


def moment_of(seed: int) -> tuple[datetime, int]:
    """The instant of a snapshot: another one with every seed, and a microsecond beside some."""
    return MOMENTS[(seed + 1) % len(MOMENTS)], (0, -1, 1)[seed % 3]


def agree(
    bench: Workbench,
    engine: Rowwise,
    moment: tuple[datetime, int],
    asked: Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]],
) -> None:
    """Publish as of a moment, and ask every training set's outputs for label rows from then on, online and offline."""
    publish(bench.project._session, at=moment[0] + moment[1] * MICROSECOND)
    agree_now(bench, engine, asked)


def agree_now(bench: Workbench, engine: Rowwise, asked: Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]]) -> None:
    """The same of what is published."""
    session = bench.project._session
    with online_store(session).open() as snapshot:
        at = EPOCH + snapshot.manifest["as_of"] * MICROSECOND
        views = list(views_of(snapshot).values())
        for name, (as_of, labels) in asked.items():
            rows = [row for row in labels if row[as_of] is not None and instant(row[as_of]) >= at]
            rows += [{**row, as_of: as_given(at, row[as_of])} for row in labels[:4] if as_of != "asked_day"]
            rows = [{**row, as_of: as_given(at, row[as_of])} if row[as_of] is None else row for row in rows]
            model = session.training_set(name)
            plan = plan_of(model, feature_fingerprints(model, session.manifest))
            bound = BoundPlan(plan, snapshot, views, engine)
            offline = assemble(session, name, rows=pa.Table.from_pylist(rows, schema=bench.schemas["asked"]))
            given = [{c: plain_of(c, row[c], bound.typed[c]) for c in plan.columns} for row in rows]
            answers = bound.answer(given, [(instant(row[as_of]) - EPOCH) // MICROSECOND for row in rows])
            expected = {output: from_arrow(offline[output]) for output in plan.outputs}
            for number, answer in enumerate(answers):
                for output, found in zip(plan.outputs, answer.values, strict=True):
                    told = f"{output} of {name} at {rows[number][as_of]}, published at {at}"
                    assert same(expected[output][number], found), (told, expected[output][number], found)


def instant(value: Any) -> datetime:
    """An as-of time of any kind, as an instant."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def as_given(at: datetime, like: Any) -> datetime:
    """An instant in the form of another one: with its zone or without."""
    return at.replace(tzinfo=None) if isinstance(like, datetime) and like.tzinfo is None else at
