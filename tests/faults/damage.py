"""Damaged files: what is kept is refused by its hash and named, and a source that was cut stops the run.

``python -m tests.faults.damage --seed 1 --mutations 200``: so many damages each of an online snapshot (the one before
it is served), of a training set (nothing is given, and its like is untouched),
and half as many cuts of a source in Parquet (the run fails with words, and the table of before stays) and in CSV (the
run fails, or warns of a last line without an end, or of a file that is shorter than when it was last read).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from sqlfeat.errors import SqlfeatError
from sqlfeat.store.online_lmdb import LmdbStore
from sqlfeat.store.training_sets import find
from tests.made.damage import damaged
from tests.made.projects import SOURCES, Files, Opened, shop
from tests.made.training_sets import flights, keep
from tests.store.online_conformance import entries, image

CSV = "order_id,customer,product,amount,ordered_at\n" + "".join(
    f'{number},{("ann", "bob")[number % 2]},"jam, {number} g",{number * 7919 % 1000},2024-01-{1 + number % 27:02}\n'
    for number in range(60)
)


def snapshots(folder: Path, dice: Random) -> Callable[[], str]:
    """Damage of the newest snapshot: it is named, and the one before it is served."""
    store = LmdbStore(folder / "online")
    store.publish({}, [image("t", {b"\0a": b"good", **entries(300)})])
    newest = store.publish({}, [image("t", {b"\0a": b"better", **entries(300)})]).number
    place, kept = store.folder / f"v{newest}", folder / "kept"
    shutil.copytree(place, kept)

    def once() -> str:
        shutil.rmtree(place)
        shutil.copytree(kept, place)
        way = damaged(dice.choice(_files(place)), dice)
        with store.open() as snapshot:
            (found,) = snapshot.passed_over
            assert (found.code, f"v{newest}" in found.what) == ("damaged-snapshot", True), found
            assert snapshot.fetch([("t", b"\0a")]) == [b"good"], "served from what is damaged"
        return way

    return once


def training_sets(folder: Path, dice: Random) -> Callable[[], str]:
    """Damage of a training set: it is refused by the name of its file, and another of its name is whole."""
    whole = keep(folder, {"train": flights(40), "test": flights(9)}, identity="aa11")
    keep(folder, {"train": flights(5), "test": flights(3)}, identity="bb22")
    kept = folder.parent / "kept"
    shutil.copytree(whole.path, kept)
    names = sorted(path.name for path in _files(kept) if path.suffix == ".parquet" or path.name == "manifest.json")

    def once() -> str:
        shutil.rmtree(whole.path)
        shutil.copytree(kept, whole.path)
        name = dice.choice(names)
        way = damaged(whole.path / name, dice)
        error = _refused(lambda: find(folder, "late_flights@aa11"))
        told = error.code == "damaged-training-set" and (name in error.what or name == "manifest.json")
        absent = (way, name, error.code) == ("gone", "manifest.json", "no-such-training-set")
        assert told or absent, error  # a folder without a manifest is none
        assert find(folder, "late_flights@bb22").splits == {"train": 5, "test": 3}
        return way

    return once


def sources(folder: Path, dice: Random) -> Callable[[], str]:
    """Damage of a source's file: a run fails with words, and what was built before is still there."""
    root = shop(
        folder, {"models/kept.sql": "{{ config(materialized='table') }} select * from {{ source('raw', 'orders') }}"}
    )
    opened, source = Opened(root), root / "data" / "orders.parquet"
    data = source.read_bytes()
    assert not opened.run().failed
    rows = opened.rows("kept")

    def once() -> str:
        cut = dice.randrange(len(data))
        source.write_bytes(data[:cut])
        try:
            result = opened.run(full_refresh=True)
            (built,) = [node for node in result.results if node.name == "kept"]
            error = built.error
        except SqlfeatError as raised:
            error = raised
        assert error is not None, f"a source cut at {cut} was read in silence"
        assert error.hint or error.what, error
        source.write_bytes(data)
        assert opened.rows("kept") == rows
        return "cut"

    return once


def texts(folder: Path, dice: Random) -> Callable[[], str]:
    """A source's CSV that was cut: the run fails, or it warns; which of both is told."""
    files: Files = {
        "data/orders.csv": CSV,
        "models/sources.yml": SOURCES.replace(".parquet", ".csv"),
        "models/kept.sql": "{{ config(materialized='table') }} select * from {{ source('raw', 'orders') }}",
    }
    root = shop(folder, files)
    opened, source, target = Opened(root), root / "data" / "orders.csv", root / "target"
    assert not opened.run().failed
    shutil.copytree(target, folder / "as it was")
    rows = opened.rows("kept")

    def once() -> str:
        source.write_text(CSV[: dice.randrange(len(CSV))])
        opened.events.clear()
        try:
            failed = opened.run().failed
        except SqlfeatError:
            failed = True
        warned = " ".join(event.text for event in opened.events if event.text.startswith("warning: "))
        assert failed or warned, "a CSV that was cut was read in silence"
        source.write_text(CSV)
        assert not failed or opened.rows("kept") == rows
        shutil.rmtree(target)
        shutil.copytree(folder / "as it was", target)
        return "refused" if failed else "without an end" if "no newline" in warned else "shorter than before"

    return once


HALF = {"source in Parquet": sources, "source in CSV": texts}
KINDS = {"online snapshot": snapshots, "training set": training_sets, **HALF}


def _refused(ask: Callable[[], object]) -> SqlfeatError:
    try:
        ask()
    except SqlfeatError as error:
        return error
    raise AssertionError("what is damaged was given")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def main(words: list[str]) -> int:
    """Damage, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutations", type=int, default=200)
    parser.add_argument("--sources", action=argparse.BooleanOptionalAction, help="sources only, or all but them")
    asked = parser.parse_args(words)
    for kind, prepare in KINDS.items():
        if asked.sources is not None and asked.sources != (kind in HALF):
            continue
        dice = Random(f"{kind} {asked.seed}")
        with tempfile.TemporaryDirectory() as folder:
            once = prepare(Path(folder) / "store", dice)
            count = asked.mutations // 2 if kind in HALF else asked.mutations
            ways = Counter(once() for _ in range(count))
        told = ", ".join(f"{count} {way}" for way, count in sorted(ways.items()))
        print(f"{kind}, seed {asked.seed}: {sum(ways.values())} damages, all found ({told})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
