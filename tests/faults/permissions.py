"""Folders that may not be written, files that may not be read: every verb says which and what to do; serving goes on.

``python -m tests.faults.permissions``: a project is made, its training set built, published and a model registered;
then again by somebody who may not write into one of the folders, or who owns none of them. Each error names the path
and has a hint, what was there before is there and served, and with the right to write all goes on.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa

from sqlfeat.api import Project
from sqlfeat.errors import SqlfeatError
from sqlfeat.store.registry import register, registered_model
from tests.faults.forks import ended, forked, warm
from tests.faults.full_disk import MORE, run, served
from tests.faults.registry import NAME, fill, point
from tests.faults.runs import FILES, opened
from tests.faults.steps import ROWS
from tests.made.projects import Files, shop, write

SOMEBODY = 65534
CLOSED: Mapping[str, int] = {
    "target": 0o555,
    "target/shop.duckdb": 0o444,
    "target/shop.duckdb.layouts": 0o555,
    "target/training_sets/often": 0o555,
    "target/online": 0o555,
    f"registry/{NAME}": 0o555,
    "data": 0o000,
    "data/orders.parquet": 0o000,
}
_STRUCTURE = 0x20080522


def register_one(project: Project) -> None:
    """One more version, and the alias to it."""
    registry = project.spec.registry
    point(registry, "champion", register(registry, NAME, fill).version)


VERBS: dict[str, Callable[[Project], object]] = {
    "run": run,
    "build-training-set": lambda project: project.build_training_set("often"),
    "publish": lambda project: project.publish(),
    "register": register_one,
}


def without_rights() -> None:
    """From now on this process may do what the modes of files say, as everybody who is not the superuser."""
    if os.getuid() == 0:
        header, rights = (ctypes.c_uint32 * 2)(_STRUCTURE, 0), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None).capset(header, rights) == 0


@contextmanager
def closed(root: Path, name: str, mode: int) -> Iterator[None]:
    """One path has this mode for a while."""
    before = (root / name).stat().st_mode
    (root / name).chmod(mode)
    yield
    (root / name).chmod(before)


@contextmanager
def owned_by_another(root: Path) -> Iterator[None]:
    """All that is made belongs to somebody else for a while; only the superuser can give it away."""
    _give(root, SOMEBODY)
    yield
    _give(root, 0)


def _give(root: Path, owner: int) -> None:
    for path in (
        place for folder in ("target", "registry") for place in ((root / folder), *(root / folder).rglob("*"))
    ):
        os.chown(path, owner, owner)


def check_words(error: SqlfeatError, path: str) -> None:
    """The error says which path it is, and what to do."""
    assert error.code in ("cannot-write", "source-unreadable"), error
    assert path in error.what, f"{error} does not name {path}"
    assert error.hint, f"{error} does not say what to do"


def tried(root: Path, generation: int, path: str, write_to: int) -> int:
    """Every verb, by somebody who may not; tells which were refused, with the path in their words."""
    without_rights()
    for verb, work in VERBS.items():
        try:
            with opened(root, generation) as project:
                work(project)
        except SqlfeatError as error:
            check_words(error, path)
            os.write(write_to, f"{verb} ".encode())
    with opened(root, generation) as project:
        for kept in project.training_sets():
            assert kept.kept.error is None
        assert not registered_model(project.spec.registry, NAME).damaged
        with project.serve_session() as session:
            assert served(session) in range(generation + 1)
    return 0


def everything(root: Path, generation: int) -> int:
    """All is made."""
    with opened(root, generation) as project:
        for verb in VERBS.values():
            verb(project)
        with project.serve_session() as session:
            assert served(session) == generation
    return 0


def rounds(root: Path, names: list[str]) -> dict[str, Counter[str]]:
    """Each verb while each path is closed; gives how often it was refused, and how often it had no need of the path."""
    found = {verb: Counter[str]() for verb in VERBS}
    assert ended(forked(partial(everything, root, 0))) == 0
    ways = {name: closed(root, name, CLOSED[name]) for name in names}
    if os.getuid() == 0:
        ways = {"": owned_by_another(root), **ways}
    generation = 0
    for generation, (path, way) in enumerate(ways.items(), 1):
        read, write_to = os.pipe()
        with way:
            assert ended(forked(partial(tried, root, generation, path, write_to))) == 0, f"closed: {path}"
        os.close(write_to)
        with os.fdopen(read) as told:
            refused = told.read().split()
        assert refused, f"nothing was refused while {path} was closed"
        for verb in VERBS:
            found[verb]["told" if verb in refused else "done"] += 1
    assert ended(forked(partial(everything, root, generation + 1))) == 0
    return found


def main(words: list[str]) -> int:
    """Close, try, open, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="makes no difference here")
    parser.add_argument("--paths", nargs="*", default=list(CLOSED), choices=list(CLOSED))
    asked = parser.parse_args(words)
    orders = FILES["data/orders.parquet"]
    assert isinstance(orders, pa.Table)
    files: Files = {**FILES, "data/orders.parquet": orders.slice(0, ROWS)}
    with tempfile.TemporaryDirectory() as folder:
        root = write(shop(Path(folder), files), MORE)
        warm(root)
        found = rounds(root, asked.paths)
    for verb, counts in found.items():
        print(f"{verb}: {counts['told']} of {counts.total()} refused with the path, {counts['done']} had no need of it")
    print("served all the while; with the right to write all is made")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
