"""A disk that is full: every verb ends with words, what was there before is served, and with room it goes on.

``python -m tests.faults.full_disk --limits 40``: no file may grow beyond a limit while a project is run again,
published, checked, a training set built and events pushed; limits go from nothing to more than is needed. Then there is
room again, and everything must be as if nothing had been. (A limit on files is what a process can set for itself: like
a full disk it fails whatever is written next.)
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlfeat.api import Project
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.online.session import ServeSession
from tests.faults.forks import ended, forked, warm
from tests.faults.runs import FILES, ROWS, opened, state
from tests.made.projects import shop, write

MORE = {
    "models/latest.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', tie_breaker=['order_id'],
                  online=true) }}
        select customer, ordered_at, order_id, generation, amount from {{ ref('staged') }}
    """
}
GREATEST = 24_000_000
"""Bytes; no file that a verb writes here is longer."""
_DONE, _TOLD, _WRONG = 0, 3, 1


def run(project: Project) -> None:
    """Run; what failed is raised."""
    result = project.run(full_refresh=True)
    for node in result.results:
        if node.error is not None:
            raise node.error


VERBS: dict[str, Callable[[Project], object]] = {
    "run": run,
    "check": lambda project: project.check(),
    "build-training-set": lambda project: project.build_training_set("often"),
    "publish": lambda project: project.publish(),
}


def limited(root: Path, verb: str, limit: int) -> int:
    """Do it while no file can grow beyond a limit."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        with opened(root, 2) as project:
            VERBS[verb](project)
    except SqlfeatError:
        return _TOLD
    return _DONE


def as_before(root: Path) -> int:
    """What was made before is there and whole, and what was published is served."""
    generations = set(state(root, 1).values())
    assert generations <= {1, 2}, generations
    with opened(root, 1) as project, project.serve_session() as session:
        assert served(session) in (1, 2)
    return 0


def served(session: ServeSession) -> int:
    """The generation that is served."""
    (found,) = session.look_up([("latest", "generation")], {"customer": ["c0"]})
    (generation,) = found.values
    assert isinstance(generation, int)
    return generation


def with_room(root: Path) -> int:
    """Everything goes on."""
    with opened(root, 2) as project:
        for verb in VERBS.values():
            verb(project)
        with project.serve_session() as session:
            assert served(session) == 2
    assert set(state(root, 2).values()) == {2}
    layouts = [path.name for path in root.glob("target/*.layouts/*")]
    assert len(layouts) == len({name.split("-")[0] for name in layouts}), "what was half written is still there"
    return 0


def prepared(root: Path) -> int:
    with opened(root, 1) as project:
        run(project)
        project.publish()
    return 0


def rounds(root: Path, limits: int) -> dict[str, Counter[str]]:
    """Each verb under each limit; gives how often it was told, and how often it was done all the same."""
    found = {verb: Counter[str]() for verb in VERBS}
    assert ended(forked(partial(prepared, root))) == 0
    for number in range(limits):
        limit = round(GREATEST * (number / max(limits - 1, 1)) ** 3)
        for verb in VERBS:
            code = ended(forked(partial(limited, root, verb, limit)))
            assert code in (_DONE, _TOLD), f"{verb} at {limit} bytes a file: {code}"
            found[verb]["told" if code == _TOLD else "done"] += 1
        assert ended(forked(partial(as_before, root))) == 0, f"at {limit} bytes a file"
    assert ended(forked(partial(with_room, root))) == 0
    return found


def main(words: list[str]) -> int:
    """Fill up, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="makes no difference here")
    parser.add_argument("--limits", type=int, default=40)
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        root = write(shop(Path(folder), FILES), MORE)
        warm(root)
        found = rounds(root, asked.limits)
    for verb, counts in found.items():
        print(f"{verb}: {counts['told']} of {counts.total()} failed with words, {counts['done']} had room enough")
    print(f"{ROWS} rows, served all the while; with room all is made")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
