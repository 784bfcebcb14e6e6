"""Writers of a registry that are killed, at random moments and at every durable step, and what they leave.

``python -m tests.faults.registry --seed 1 --kills 60``: a process changes a registered model as fast as it can, another
reads it all the while, and the first is killed. After each kill everything that is listed is hashed again, aliases and
journal must agree, and no number may ever mean another version than before.

``--steps`` instead kills every kind of change at each of its durable steps (write, fsync, rename, delete), one after
the other; ``--writers 50`` lets two processes write at once.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlfeat.errors import SqlfeatError
from sqlfeat.store.model_state import read_history
from sqlfeat.store.registry import register, registered_model, resolve
from sqlfeat.store.registry_changes import archive, collect, delete_alias, rollback, set_alias

NAME = "late"
ALIASES = ("champion", "challenger", "eu")
STEPS = ("fsync", "rename", "replace", "ftruncate", "pwrite", "unlink", "rmdir", "mkdir")
"""The functions of ``os`` by which anything becomes durable, or goes."""
_AT_ONCE = timedelta(0)
_LONGEST = 0.3


def fill(folder: Path, number: int) -> Mapping[str, Any]:
    """A version whose bytes no other has."""
    (folder / "model.txt").write_text(f"model {number} {os.urandom(8).hex()}")
    (folder / "log.txt").write_text("")
    return {
        "hook": NAME, "training_set": {"splits": []}, "features": {}, "compiled": {}, "params": {}, "metrics": {},
        "importances": {}, "signature": {"inputs": [], "output": {"kind": "value", "classes": None}}, "carried": [],
        "codec": "lightgbm", "file": "model.txt", "versions": {}, "git": None, "seconds": 0.0,
    }  # fmt: skip


def point(registry: Path, alias: str, number: int) -> None:
    """Move an alias from wherever it is."""
    state, _ = read_history(registry / NAME, NAME)
    set_alias(registry, NAME, alias, number, expected=state.aliases.get(alias))


def change_something(registry: Path, dice: random.Random) -> None:
    """One change; what cannot be is refused, and that is no fault."""
    state, _ = read_history(registry / NAME, NAME)
    numbers = sorted(state.versions) or [1]
    alias, number = dice.choice(ALIASES), dice.choice(numbers)
    changes: list[tuple[int, Callable[[], object]]] = [
        (3, lambda: register(registry, NAME, fill)),
        (4, lambda: point(registry, alias, number)),
        (1, lambda: delete_alias(registry, NAME, alias)),
        (2, lambda: rollback(registry, NAME, alias)),
        (3, lambda: archive(registry, f"{NAME}@{number}")),
        (1, lambda: archive(registry, f"{NAME}@{number}", undo=True)),
        (1, lambda: collect(registry, NAME, older_than=_AT_ONCE)),
    ]
    weights, actions = zip(*changes, strict=True)
    with suppress(SqlfeatError):
        dice.choices(actions, weights)[0]()


@dataclass
class Witness:
    """What has been seen of a registry, which later must not be otherwise."""

    registry: Path
    seen: dict[int, str] = field(default_factory=dict)
    reads: int = 0

    def look(self) -> None:
        """Raise AssertionError unless everything that is there is whole and right."""
        state, entries = read_history(self.registry / NAME, NAME)
        model = registered_model(self.registry, NAME)
        unsound = [error for error in model.damaged if error.code != "unregistered-version"]
        assert not unsound, unsound[0]
        for version in model.versions:
            assert self.seen.setdefault(version.version, version.sha256) == version.sha256, version.reference
        numbers = [entry.facts["version"] for entry in entries if entry.action == "registered"]
        assert numbers == sorted(set(numbers)), f"a number was given twice: {numbers}"
        assert all(number < state.next for number in numbers)
        assert set(state.aliases.values()) <= set(state.current), "an alias points to nothing"

    def read(self) -> None:
        """What a reader does while others write: an alias is one whole version, or it is none."""
        for alias in ALIASES:
            with suppress_missing():
                version = resolve(self.registry, f"{NAME}@{alias}")
                assert self.seen.setdefault(version.version, version.sha256) == version.sha256
            self.reads += 1


class suppress_missing(suppress):  # noqa: N801 (reads like the one it is made from)
    """An alias that is not there is no fault; nor is a version that was dropped after it had lost its alias."""

    def __init__(self) -> None:
        super().__init__(SqlfeatError)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        is_missing = isinstance(error, SqlfeatError) and (
            error.code == "no-such-version" or "it is missing" in error.what or error.code == "no-such-artifact"
        )
        return is_missing and bool(super().__exit__(kind, error, trace))


def in_child(action: Callable[[], None]) -> int:
    """Run this in a child that leaves without a word; gives its process."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        action()
        code = 0
    finally:
        os._exit(code)


def kills(registry: Path, seed: int, count: int) -> Witness:
    """Kill so many writers at random moments."""
    dice = random.Random(seed)
    register(registry, NAME, fill)
    witness = Witness(registry)
    for _ in range(count):
        own = random.Random(dice.random())

        def write(own: random.Random = own) -> None:
            while True:
                change_something(registry, own)

        until = time.monotonic() + dice.uniform(0, _LONGEST)
        writer = in_child(write)
        while time.monotonic() < until:
            witness.read()
        os.kill(writer, signal.SIGKILL)
        _, status = os.waitpid(writer, 0)
        assert os.WIFSIGNALED(status), "the writer ended by itself"
        witness.look()
    return witness


def writers(registry: Path, seed: int, count: int, changes: int) -> Witness:
    """Let so many writers change the same model at once, each so often, while this process reads."""
    register(registry, NAME, fill)
    witness = Witness(registry)
    running = []
    for place in range(count):
        own = random.Random(f"{seed} {place}")

        def write(own: random.Random = own) -> None:
            for _ in range(changes):
                change_something(registry, own)

        running.append(in_child(write))
    codes = []
    while len(codes) < count:
        witness.read()
        process, status = os.waitpid(-1, os.WNOHANG)
        codes += [os.waitstatus_to_exitcode(status)] if process in running else []
    assert codes == [0] * count
    witness.look()
    assert not registered_model(registry, NAME).damaged
    return witness


# -- every durable step ------------------------------------------------------------------------------------------------


def prepared(registry: Path) -> None:
    """A model with three versions: v1 archived, v2 and v3 once champion, v3 it now."""
    for _ in range(3):
        register(registry, NAME, fill)
    for number in (1, 2, 3):
        point(registry, "champion", number)
    archive(registry, f"{NAME}@1")


CHANGES: Mapping[str, Callable[[Path], object]] = {
    "register": lambda registry: register(registry, NAME, fill),
    "alias": lambda registry: point(registry, "champion", 2),
    "delete": lambda registry: delete_alias(registry, NAME, "champion"),
    "rollback": lambda registry: rollback(registry, NAME),
    "archive": lambda registry: archive(registry, f"{NAME}@2"),
    "gc": lambda registry: collect(registry, NAME, older_than=_AT_ONCE),
}


def stopping_at(step: int) -> None:
    """End this process right before its durable step of that number: right after the one before it."""
    count = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == step:
                os._exit(9)
            return original(*arguments, **named)

        return stepped

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def crashes(folder: Path) -> Iterator[str]:
    """Every change, killed before every durable step; gives a name for each."""
    prepared(folder / "prepared")
    for kind, change in CHANGES.items():
        step, code = 0, 9
        while code == 9:
            step += 1
            registry = folder / f"{kind}-{step}"
            shutil.copytree(folder / "prepared", registry)
            witness = Witness(registry)
            witness.look()

            def stopped(registry: Path = registry, change: Callable[[Path], object] = change, step: int = step) -> None:
                stopping_at(step)
                change(registry)

            _, status = os.waitpid(in_child(stopped), 0)
            code = os.waitstatus_to_exitcode(status)
            assert code in (0, 9), f"{kind} failed at step {step}"
            witness.look()
            change_after(registry, witness)
            yield f"{kind}, step {step}"


def change_after(registry: Path, witness: Witness) -> None:
    """The next writer goes on from whatever was left."""
    number = register(registry, NAME, fill).version
    assert number not in witness.seen
    point(registry, "challenger", number)
    collect(registry, NAME, older_than=_AT_ONCE)
    assert resolve(registry, f"{NAME}@challenger").version == number
    witness.look()
    assert not registered_model(registry, NAME).damaged
    assert not list((registry / NAME).glob(".*.tmp"))


def main(words: list[str]) -> int:
    """Kill, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--writers", type=int, metavar="CHANGES", help="two writers at once, each so often")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        if asked.steps:
            points = sum(1 for _ in crashes(Path(folder)))
            print(f"{points} crash points: 0 dangling, aliases and journal agree at each")
            return 0
        if asked.writers:
            what, witness = "2 writers", writers(Path(folder), asked.seed, 2, asked.writers)
        else:
            what, witness = f"{asked.kills} kills", kills(Path(folder), asked.seed, asked.kills)
        _, entries = read_history(Path(folder) / NAME, NAME)
        print(
            f"seed {asked.seed}: {what}, {len(entries)} changes, {len(witness.seen)} versions seen, "
            f"{witness.reads} reads: 0 dangling, 0 torn, 0 numbers given twice"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
