"""sqlfeat's side of the online benchmark, measured in a process of its own: ``python -m benchmarks.online_ours``."""

from __future__ import annotations

import ctypes
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from benchmarks.online_data import FEATURES, VIEWS
from benchmarks.online_peers import Lookup, measured
from sqlfeat.api import Project
from sqlfeat.ops.online.reading import ViewReader, views_of


class Packed:
    """The packed rows of five views, by the keys' bytes; nothing is decoded, as of the raw gets."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._session = Project.load(task["project"]).serve_session()
        self._snapshot = self._session._serving.snapshot
        views = {view.name: view for view in views_of(self._snapshot).values()}
        self._tables = [views[f"view{number}"].table for number in range(VIEWS)]
        self._encode = views["view0"].key_codec.encode_one

    def __call__(self, entities: Sequence[int]) -> list[Any]:
        encode = self._encode
        return self._snapshot.fetch(
            [(table, key) for key in [encode((e,)) for e in entities] for table in self._tables]
        )


class Stored:
    """The rows of five views fetched and decoded, as a lookup of a training set reads them."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._session = Project.load(task["project"]).serve_session()
        serving = self._session._serving
        self._snapshot = serving.snapshot
        views = {view.name: view for view in views_of(self._snapshot).values()}
        self._readers = [
            ViewReader(view, [column.name for column in view.columns], serving._engine)
            for view in (views[f"view{number}"] for number in range(VIEWS))
        ]
        self._at = max(view.as_of for view in views.values())

    def __call__(self, entities: Sequence[int]) -> list[Any]:
        readers, at = self._readers, self._at
        keys = [readers[0].encode_key((entity,)) for entity in entities]
        fetched = iter(self._snapshot.fetch([one for key in keys for r in readers for one in r.wanted_by(key)]))
        return [reader.read((next(fetched),), at) for _ in entities for reader in readers]


class Features:
    """``ServeSession.features``: request rows to all model inputs, by name and as JSON has them."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._session = Project.load(task["project"]).serve_session()

    def __call__(self, entities: Sequence[int]) -> Any:
        return self._session.features("asked", [{"driver_id": entity} for entity in entities])


class Predict:
    """``ServeSession.predict`` of a model of 500 trees."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._session = Project.load(task["project"]).serve_session()

    def __call__(self, entities: Sequence[int]) -> Any:
        return self._session.predict("forest", [{"driver_id": entity} for entity in entities])


class LightGbm:
    """LightGBM's own call for a single row, of rows that are there."""

    def __init__(self, task: dict[str, Any]) -> None:
        import numpy as np

        session = Project.load(task["project"]).serve_session()
        scorer = session._serving.model("forest").scorer
        assert scorer._single is not None
        self._predict = scorer._single
        self._rows = np.random.default_rng(1).normal(size=(task["entities"], 50)).tolist()

    def __call__(self, entities: Sequence[int]) -> Any:
        return [self._predict(self._rows[entity // 7]) for entity in entities]


class AfterFeatures:
    """The same after features were looked up, which leave the caches of the processor as they are in a prediction."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._features = Features(task)
        self._predict = LightGbm(task)

    def __call__(self, entities: Sequence[int]) -> Any:
        return self._features(entities), self._predict(entities)


ADDED = "what a prediction adds"
_BLOCK, _TURNS = 20, 300


def added(task: dict[str, Any]) -> dict[str, float]:
    """What a prediction adds to features, beside LightGBM's own fast call for a single row: one process, in turns.

    Microseconds of CPU a call; the ratios are medians over turns, so that what slows the machine cancels.
    """
    import numpy as np

    session = Project.load(task["project"]).serve_session()
    session.predict("forest", [{"driver_id": 3}])
    count = _BLOCK * 100
    single: Any = session._serving.model("forest").scorer._single
    rows = np.random.default_rng(1).normal(size=(count, VIEWS * FEATURES))
    config, _, length, out = single._arguments
    ready = [(config, ctypes.c_void_p(row.ctypes.data), length, out) for row in rows]
    call = single._call
    entities = [{"driver_id": number * 7 + 3} for number in random.Random(5).choices(range(task["entities"]), k=count)]

    def features(places: range) -> None:
        for place in places:
            session.features("asked", [entities[place]])

    def features_then_call(places: range) -> None:
        for place in places:
            session.features("asked", [entities[place]])
            call(*ready[place])

    def predict(places: range) -> None:
        for place in places:
            session.predict("forest", [entities[place]])

    def call_alone(places: range) -> None:
        for place in places:
            call(*ready[place])

    ways = {"features": features, "features_then_call": features_then_call, "predict": predict, "call": call_alone}
    turns = []
    for turn in range(_TURNS):
        begin = turn * _BLOCK % count
        told = {}
        for name in random.sample(sorted(ways), len(ways)):
            cpu = time.thread_time_ns()
            ways[name](range(begin, begin + _BLOCK))
            told[name] = (time.thread_time_ns() - cpu) / _BLOCK / 1e3
        added = told["predict"] - told["features"]
        told["added_to_call_there"] = added / (told["features_then_call"] - told["features"])
        told["added_to_call_alone"] = added / told["call"]
        turns.append(told)
    return {name: median(turn[name] for turn in turns) for name in turns[0]}


METHODS: dict[str, Callable[[dict[str, Any]], Lookup]] = {
    "sqlfeat, packed rows of 5 views": Packed,
    "sqlfeat, rows of 5 views": Stored,
    "sqlfeat, features of a training set": Features,
    "sqlfeat, predict": Predict,
    "LightGBM, a single row": LightGbm,
    "sqlfeat, features, then LightGBM's single row": AfterFeatures,
}

if __name__ == "__main__":
    settings = json.loads(sys.argv[2])
    if sys.argv[1] == ADDED:
        print(json.dumps(added(settings)))
    else:
        print(json.dumps(measured(METHODS[sys.argv[1]](settings), settings)))
