"""Online equals offline also where snapshots lie on a Redis server: few worlds of ``test_online``, more by fuzzing."""

from __future__ import annotations

from random import Random

import pytest

from sqlfeat.engine.duckdb.rowwise import Rowwise
from tests.made.redis import running
from tests.properties import lookup_project, window_project
from tests.properties.searching import TIMES
from tests.properties.test_online import agree, online
from tests.properties.test_push import pushed_and_asked
from tests.properties.timelines import MOMENTS
from tests.properties.workbench import Workbench


@pytest.fixture(scope="module")
def engine():
    engine = Rowwise()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def server():
    with running() as server:
        yield server


def on_redis(server, files):
    """The files of a project whose views are all published to a server."""
    where = f"online: {{store: redis, url: '{server.url}', timeout: 30 s}}\n"
    return {**online(files), "sqlfeat_project.yml": files["sqlfeat_project.yml"] + where}


VIEWS = ("moved_totals", "everywhere", "soon")
PUBLICATIONS = [(MOMENTS[1], 0), (MOMENTS[2], 0)]


@pytest.mark.parametrize("seed", range(2, 3 + TIMES))
def test_lookups_are_what_they_are_offline_and_with_odd_seeds_after_pushes(lookups, engine, server, seed):
    server.empty()
    world = lookup_project.World.made(seed, 1 + seed % 12, 20 + seed % 80, 30)
    asked = {f"found_at_{as_of}": (as_of, world.asked) for as_of in lookup_project.AS_OF}
    if seed % 2:
        asked = {"found_at_asked_utc": ("asked_utc", world.asked)}
        pushed_and_asked(lookups, engine, Random(seed), world, "facts", "plain", PUBLICATIONS, asked)
    else:
        lookups.put(world.tables())
        agree(lookups, engine, (MOMENTS[seed % len(MOMENTS)], 0), some_of(asked, seed))


@pytest.mark.parametrize("seed", range(3, 4 + TIMES))
def test_windows_are_what_they_are_offline_and_with_odd_seeds_after_pushes(windows, engine, server, seed):
    server.empty()
    world = window_project.World.made(seed, 1 + seed % 5, 20 + seed % 50, 10, calm=seed % 3 == 0)
    asked = {f"of_{name}": ("asked", world.asked) for name, (view, _) in window_project.ASKED.items() if view in VIEWS}
    asked = {"of_moved_totals": asked["of_moved_totals"], **some_of(asked, seed)}
    if seed % 2:
        pushed_and_asked(windows, engine, Random(seed), world, "events", VIEWS[0], PUBLICATIONS, asked)
    else:
        windows.put(world.tables())
        agree(windows, engine, (MOMENTS[seed % len(MOMENTS)], 0), asked)


def some_of(asked, seed):
    """Two of the training sets, others with every seed."""
    names = list(asked)
    return {name: asked[name] for name in (names[seed % len(names)], names[(seed + 3) % len(names)])}


@pytest.fixture(scope="module")
def lookups(tmp_path_factory, server):
    files = on_redis(server, lookup_project.files())
    bench = Workbench(tmp_path_factory.mktemp("lookups"), files, lookup_project.SCHEMAS)
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def windows(tmp_path_factory, server):
    files = on_redis(server, window_project.files(VIEWS))
    bench = Workbench(tmp_path_factory.mktemp("windows"), files, window_project.SCHEMAS)
    yield bench
    bench.close()
