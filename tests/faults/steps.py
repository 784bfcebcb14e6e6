"""A run and a training set, stopped after every durable step: what lies on the disk then is old or new, and goes on.

``python -m tests.faults.steps``: a process makes a generation of tables and their training set and stops after each
step by which anything comes onto the disk or goes from it. Each time the disk is copied, as a crash would leave it;
where DuckDB and Arrow write themselves, their every write and sync is such a step (``steps.c``, which needs a C
compiler), and the middle of a long write, too. ``--python`` stops at Python's own steps and around commits.

Of every copy: each table is the old one or the new one, row for row, as the state says; every training set that is
listed is whole; then the next run makes what is missing and nothing else, with the same bytes in the end as a process
that was never stopped, and nothing of the one that was is left.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from sqlfeat.base.files import sha256, sha256_text
from sqlfeat.engine.duckdb.connection import Connection
from tests.faults.forks import forked, warm
from tests.faults.runs import FILES, TABLES, opened
from tests.made.projects import Files, shop

ROWS = 300
_SHIM = "SQLFEAT_STEPS"
_RANDOM = re.compile(r"(?<=[0-9a-f]{16}-)[0-9a-f]{8}|(?<=\.)\d+\.[0-9a-f]{8}(?=\.tmp)")
_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.utime", "shutil.rmtree"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def project(folder: Path) -> Path:
    """The project of ``runs``, with fewer rows."""
    orders = FILES["data/orders.parquet"]
    assert isinstance(orders, pa.Table)
    files: Files = {**FILES, "data/orders.parquet": orders.slice(0, ROWS)}
    return shop(folder, files)


def make(root: Path, generation: int) -> None:
    """Everything of a generation."""
    with opened(root, generation) as project:
        assert not project.run().failed
        project.build_training_set("often")


# -- stopped at every step ---------------------------------------------------------------------------------------------


def stopping(root: Path) -> None:
    """From now on this process stops at each step: after it in all of the process, or before it in Python alone."""
    if _SHIM in os.environ:
        ctypes.CDLL(os.environ[_SHIM]).arm(1)
        return

    def audited(event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in _CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING)
        if changes and str(arguments[0]).startswith(str(root)):
            _stop()

    sys.addaudithook(audited)
    os.fsync = _stepped(os.fsync)
    execute = Connection.execute

    def committed(self: Connection, sql: str, parameters: Any = ()) -> Any:
        if sql != "commit":
            return execute(self, sql, parameters)
        return _stepped(execute)(self, sql, parameters)

    Connection.execute = committed  # type: ignore[method-assign]


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _stepped(original: Callable[..., Any]) -> Callable[..., Any]:
    def stepped(*arguments: Any, **named: Any) -> Any:
        _stop()
        result = original(*arguments, **named)
        _stop()
        return result

    return stepped


def stops(work: Callable[[], int]) -> Iterator[None]:
    """Do it in a child; gives each moment at which that has stopped, and lets it go on then."""
    child = forked(work)
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            assert os.waitstatus_to_exitcode(status) == 0, "what was to be stopped has failed"
            return
        yield
        os.kill(child, signal.SIGCONT)


def _stopped(root: Path, generation: int) -> int:
    stopping(root)
    make(root, generation)
    return 0


def contents(folder: Path) -> dict[str, str]:
    """The hash of every file under a folder, by its name; of the folders, that they are there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name] = sha256(path) if path.is_file() else ""
    return found


def crashes(root: Path, states: Path, generation: int) -> tuple[int, list[Path]]:
    """Stop the making of a generation at each step; gives how many there are, and a copy of each state of the disk."""
    points, known, kept = 0, set[str](), list[Path]()
    for _ in stops(partial(_stopped, root, generation)):
        points += 1
        seen = sha256_text(repr(contents(root / "target")))
        if seen not in known:
            known.add(seen)
            kept.append(states / f"{generation}-{points}")
            _replace(kept[-1], root / "target")
    return points, kept


def _replace(place: Path, kept: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(place)
    if kept.is_dir():
        shutil.copytree(kept, place)
    else:
        place.mkdir(parents=True)


# -- what is found then ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """One generation as it is when nothing disturbs it: tables, the training set's files, the names of all files."""

    fingerprints: Mapping[str, str]
    tables: Mapping[str, pa.Table]
    set_files: Mapping[str, Any]
    names: frozenset[str]


def undisturbed(root: Path, generation: int) -> Made:
    """Make a generation, and say what it is."""
    make(root, generation)
    with opened(root, generation) as project:
        tables = {name: project.table(name) for name in TABLES}
        files = project.build_training_set("often").manifest["files"]
        fingerprints = {name: project.manifest.fingerprints[f"model.{name}"] for name in TABLES}
        return Made(fingerprints, tables, files, names(root))


def names(root: Path) -> frozenset[str]:
    """The names of all that lies in the target, chance left out."""
    return frozenset(_RANDOM.sub("*", name) for name in contents(root / "target"))


def recovered(root: Path, state: Path, generations: Mapping[int, Made]) -> None:
    """What a crash left is whole; going on from there makes what is missing, and all is as if there had been none."""
    _replace(root / "target", state)
    for left in root.glob("target/**/.*.tmp"):  # as if the next run came two hours later: it sweeps up what is older
        os.utime(left, (left.stat().st_mtime - 7200,) * 2)
    last = max(generations)
    with opened(root, last) as project:
        there = _standing(project, generations)
        for kept in (one.kept for one in project.training_sets()):
            assert kept.training_set is not None, kept.error
            assert kept.training_set.manifest["files"] in [made.set_files for made in generations.values()]
        result = project.run()
        made = {node.name for node in result.results if node.status == "built"} & set(TABLES)
        assert made == {name for name in TABLES if there.get(name) != last}, f"{made} were made, and there was {there}"
        again = project.build_training_set("often")
        assert again.manifest["files"] == generations[last].set_files, "another training set came of it"
        for name, table in generations[last].tables.items():
            assert project.table(name).equals(table), f"another {name} came of it"
    there_now, wanted = names(root), generations[last].names
    assert there_now == wanted, f"left over: {sorted(there_now - wanted)}; missing: {sorted(wanted - there_now)}"


def _standing(project: Any, generations: Mapping[int, Made]) -> dict[str, int]:
    """Of which generation each table is; fails where one is neither the old one nor the new one."""
    engine = project._session.engine
    found = {}
    for name in TABLES:
        record = engine.records().get(f"model.{name}")
        if record is None:
            continue
        (found[name],) = [n for n, made in generations.items() if made.fingerprints[name] == record.fingerprint]
        table = generations[found[name]].tables[name]
        assert engine.arrow(f'from "{name}"').equals(table), f"{name} is not what the state says"
        assert record.rows == table.num_rows
    return found


def every_step(folder: Path, each: int) -> tuple[int, int]:
    """The first making of the project, and a later one, stopped at each step; gives steps, and states of the disk.

    Of these every one is gone on from, or only ``each`` so manyth.
    """
    root, states = project(folder / "project"), folder / "states"
    warm(root)
    points, kept = crashes(root, states, 0)
    _replace(states / "first", root / "target")
    more, later = crashes(root, states, 1)
    second = undisturbed(root, 1)
    _replace(root / "target", states / "first")
    first = undisturbed(root, 0)
    for state in kept[::each]:
        recovered(root, state, {0: first})
    for state in later[::each]:
        recovered(root, state, {0: first, 1: second})
    return points + more, len(kept[::each]) + len(later[::each])


def main(words: list[str]) -> int:
    """Stop, look, go on, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="makes no difference here")
    parser.add_argument("--python", action="store_true", help="Python's own steps and commits alone")
    parser.add_argument("--each", type=int, default=1, help="go on from every so manyth state of the disk only")
    asked = parser.parse_args(words)
    if not asked.python and not is_shimmed():
        return again_with_shim("tests.faults.steps", words)
    with tempfile.TemporaryDirectory() as folder:
        points, states = every_step(Path(folder), asked.each)
    of = "Python and around commits" if asked.python else "the process, DuckDB's and Arrow's among them"
    print(
        f"{points} steps of {of}, {states} different states of the disk: 0 torn, 0 lost, nothing left, the same bytes"
    )
    return 0


def is_shimmed() -> bool:
    """Whether this process can stop at every step of its own."""
    return _SHIM in os.environ


def again_with_shim(module: str, words: list[str]) -> int:
    """Run a module in a process that can."""
    with tempfile.TemporaryDirectory() as folder:
        shim = Path(folder) / "steps.so"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(shim), str(source), "-ldl"], check=True)
        environment = {**os.environ, "LD_PRELOAD": str(shim), _SHIM: str(shim)}
        return subprocess.call([sys.executable, "-m", module, *words], env=environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
