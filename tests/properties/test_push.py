"""Online equals offline with pushes: what is answered after them is what a run makes of the source and what was pushed.

The worlds are those of the lookups and windows: rows that are late, corrected, moved to another entity, tied. Some lie
in the source, the others are pushed in several pushes, some twice, with publications in between.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.ops.online.publish import publish
from sqlfeat.ops.online.push import Pusher
from tests.properties import lookup_project, window_project
from tests.properties.searching import TIMES, searching
from tests.properties.test_online import MICROSECOND, agree_now, moments, online
from tests.properties.workbench import Workbench

WINDOWED = ("at_once", "moved") if not TIMES else ("at_once", "late", "soon", "corrected", "moved", "everywhere")


@pytest.fixture(scope="module")
def engine():
    engine = Rowwise()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    files = online(window_project.files(WINDOWED))
    bench = Workbench(tmp_path_factory.mktemp("windows"), files, window_project.SCHEMAS)
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def lookups(tmp_path_factory):
    files = online(lookup_project.files())
    bench = Workbench(tmp_path_factory.mktemp("lookups"), files, lookup_project.SCHEMAS)
    yield bench
    bench.close()


@given(seed=st.integers(0, 2**32 - 1), first=moments, then=moments)
@searching(1)
def test_every_lookup_is_what_it_is_offline_after_pushes(lookups, engine, seed, first, then):
    world = lookup_project.World.made(seed, 1 + seed % 12, 10 + seed % 90, 30)
    asked = {"found_at_asked_utc": ("asked_utc", world.asked)}
    pushed_and_asked(lookups, engine, Random(seed), world, "facts", "plain", sorted([first, then]), asked)


@given(seed=st.integers(0, 2**32 - 1), first=moments, then=moments)
@searching(1)
def test_every_window_is_what_it_is_offline_after_pushes(windows, engine, seed, first, then):
    world = window_project.World.made(seed, 1 + seed % 5, 10 + seed % 60, 12, calm=seed % 3 == 0)
    asked = {
        f"of_{name}": ("asked", world.asked) for name in window_project.ASKED if name.split("_strict")[0] in WINDOWED
    }
    pushed_and_asked(windows, engine, Random(seed), world, "events", WINDOWED[0], sorted([first, then]), asked)


def pushed_and_asked(
    bench: Workbench,
    engine: Rowwise,
    random: Random,
    world: Any,
    table: str,
    view: str,
    moments: Sequence[Any],
    asked: Mapping[str, Any],
) -> None:
    """Publish some of a table's rows, push the others in pieces, some again, publish in between; then ask."""
    session = bench.project._session
    shutil.rmtree(bench.folder / "target" / "online", ignore_errors=True)
    tables = world.tables()
    rows = [{name: row[name] for name in bench.schemas[table].names} for row in tables[table]]
    cuts = sorted(random.randrange(len(rows) + 1) for _ in range(4))
    pieces = [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    bench.put({**tables, table: pieces[0]})
    publish(session, at=at_of(moments[0]))
    pusher = Pusher(session)
    try:
        pusher.push(view, pieces[1])
        pusher.push(view, again(random, pieces[0] + pieces[1]) + pieces[2])
        if random.random() < 0.7:
            publish(session, at=at_of(moments[1]), incremental=random.random() < 0.5)
        pusher.push(view, again(random, pieces[0] + pieces[1] + pieces[2]))
        pusher.push(view, pieces[3])
        if random.random() < 0.5:  # the source brings some of them itself
            brought = pieces[0] + again(random, pieces[1] + pieces[2] + pieces[3])
            random.shuffle(brought)
            bench.put({table: brought})
        pusher.push(view, pieces[4])
    finally:
        pusher.close()
    agree_now(bench, engine, asked)


def again(random: Random, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return random.sample(list(rows), min(len(rows), random.randrange(4)))


def at_of(moment: tuple[datetime, int]) -> datetime:
    return moment[0] + moment[1] * MICROSECOND
