"""Compare two training sets that are kept: what differs in them, and why.

What differs is found in the files; why is read from the two manifests, which say everything that determined the rows.
Where code and options are the same, the data are the reason; and where rows that were asked for before the old data
ended have other values, something came late or was changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlfeat.engine.duckdb.set_comparison import ComparedSets, Side, compare_sets
from sqlfeat.errors import UsageError
from sqlfeat.ops.session import Session
from sqlfeat.ops.set_difference import (
    ASKED,
    CODE,
    DATA,
    LATE,
    SPLIT,
    VERSIONS,
    CellDifference,
    CellExample,
    ColumnChange,
    Reason,
    RowDifference,
    SetDifference,
)
from sqlfeat.ops.training_sets import folder_of
from sqlfeat.store.training_set import FOLDS, TrainingSet
from sqlfeat.store.training_sets import PREVIOUS, find

EXAMPLES = 3
Manifest = Mapping[str, Any]


def diff(session: Session, old: str, new: str | None = None) -> SetDifference:
    """Compare two sets; one alone is compared with the newest of its name, and that with the one before.

    Raises:
        UsageError: ``not-comparable`` where they have no key in common.
        StoreError: one of them is not there, or damaged.
    """
    folder = folder_of(session)
    if new is not None:
        return compare(find(folder, old), find(folder, new))
    found = find(folder, old)
    newest = find(folder, found.name)
    return compare(find(folder, f"{found.name}@{PREVIOUS}"), newest) if old == found.name else compare(found, newest)


def compare(old: TrainingSet, new: TrainingSet) -> SetDifference:
    """What differs between two sets, and why."""
    mine, yours = ({column.name: column for column in one.columns} for one in (old, new))
    common = [name for name in mine if name in yours]
    keys = [name for name in old.named("key") if name in new.named("key")]
    if not keys or old.as_of != new.as_of:
        raise UsageError(
            "not-comparable",
            f"{_shown(old)} and {_shown(new)} have no keys and as-of time in common.",
            hint="compare two of the same name, or of the same label rows.",
        )
    identity = [old.as_of, *keys]
    until = _data_end(old.manifest, new.manifest)
    found = compare_sets(
        _side(old),
        _side(new),
        identity,
        [name for name in common if name not in identity],
        as_of=old.as_of,
        until=until,
        examples=EXAMPLES,
    )
    return SetDifference(
        old=old,
        new=new,
        in_both=found.in_both,
        added=RowDifference(found.added, tuple(found.added_examples)),
        gone=RowDifference(found.gone, tuple(found.gone_examples)),
        added_columns=tuple(name for name in yours if name not in mine),
        gone_columns=tuple(name for name in mine if name not in yours),
        changed_columns=tuple(_changed_columns(old, new)),
        cells=tuple(
            CellDifference(
                column,
                cells.rows,
                tuple(CellExample(keys, before, after) for keys, before, after in cells.examples),
                cells.became_null,
                cells.was_null,
            )
            for column, cells in found.cells.items()
        ),
        moved=[{"old": move["old"], "new": move["new"], "rows": move["n_rows"]} for move in found.moved],
        reasons=tuple(reasons(old.manifest, new.manifest, found, until)),
    )


def _shown(one: TrainingSet) -> str:
    return f"{one.name}@{one.id}"


def _side(one: TrainingSet) -> Side:
    parts = {file.removesuffix(".parquet"): one.path / file for file in one.files}
    return Side(one.path, {part: path for part, path in parts.items() if part != FOLDS})


def _changed_columns(old: TrainingSet, new: TrainingSet) -> Iterator[ColumnChange]:
    yours = {column.name: column for column in new.columns}
    for mine in old.columns:
        other = yours.get(mine.name)
        if other is None:
            continue
        for what in ("type", "role", "kind", "feature", "categories"):
            before, after = getattr(mine, what), getattr(other, what)
            if before != after:
                told = (_but(before, after), _but(after, before)) if what == "categories" else (before, after)
                yield ColumnChange(mine.name, what, *told)


def _but(some: tuple[str, ...] | None, others: tuple[str, ...] | None) -> list[str]:
    """The categories that only one has."""
    return [value for value in some or () if value not in set(others or ())]


# -- why ---------------------------------------------------------------------------------------------------------------


def reasons(old: Manifest, new: Manifest, found: ComparedSets, until: str | None) -> Iterator[Reason]:
    """Why two sets differ, as their manifests tell."""
    code = list(_code(old, new))
    yield from code
    data = list(_data(old, new))
    yield from data
    if data and not code and found.early and until is not None:
        yield Reason(
            LATE,
            ", ".join(reason.about for reason in data),
            f"{found.early:,} rows that were asked for by {_short(until)}, when the old data end, have other values: "
            "rows came late, were changed or are gone. Late rows of a source with available_at change nothing.",
        )
    yield from _asked(old, new)
    if old.get("split") != new.get("split"):
        yield Reason(SPLIT, "split", f"the split is {_told(new.get('split'))}, and was {_told(old.get('split'))}.")
    before, after = old["versions"], new["versions"]
    for package in sorted(before.keys() | after.keys()):
        if before.get(package) != after.get(package):
            text = f"{package} is {after.get(package)}, and was {before.get(package)}."
            yield Reason(VERSIONS, package, text)


def _code(old: Manifest, new: Manifest) -> Iterator[Reason]:
    before, after = old["models"], new["models"]
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield Reason(CODE, name, f"{name} is not above it any more.")
        elif name not in before:
            yield Reason(CODE, name, f"{name} is above it now.")
        else:
            yield from _model(name, before[name], after[name])
    changed = sorted(
        name
        for name in old["features"].keys() & new["features"].keys()
        if old["features"][name] != new["features"][name]
    )
    if changed:
        listed = ", ".join(changed[:8]) + (f" and {len(changed) - 8} more" if len(changed) > 8 else "")
        yield Reason(CODE, "features", f"the definition of {listed} changed by that.")


def _model(name: str, old: Manifest, new: Manifest) -> Iterator[Reason]:
    if old["sql"] != new["sql"]:
        yield Reason(CODE, name, f"the SQL of {name} changed{_first_line(old['sql'], new['sql'])}.")
    if old["keys"] != new["keys"]:
        yield Reason(CODE, name, f"the entity keys of {name} are {_told(new['keys'])}, and were {_told(old['keys'])}.")
    before, after = old["config"], new["config"]
    for key in sorted(before.keys() | after.keys()):
        if key != "split" and before.get(key) != after.get(key):
            text = f"the config {key} of {name} is {_told(after.get(key))}, and was {_told(before.get(key))}."
            yield Reason(CODE, name, text)


def _first_line(old: str, new: str) -> str:
    """The first line of a text that is another, as it was and is."""
    pairs = zip([*old.splitlines(), ""], [*new.splitlines(), ""], strict=False)
    before, after = next(((one.strip(), other.strip()) for one, other in pairs if one != other), ("", ""))
    return f": `{before}` became `{after}`" if before and after and len(before) + len(after) < 200 else ""


def _data(old: Manifest, new: Manifest) -> Iterator[Reason]:
    for id_ in sorted(old["sources"].keys() & new["sources"].keys()):
        if old["sources"][id_] != new["sources"][id_]:
            name = id_.split(".", 1)[1]
            yield Reason(DATA, name, f"{name} has other rows{_growth(old, new, id_)}.")
    seeds = (old["data"].keys() & new["data"].keys()) - old["models"].keys()
    for name in sorted(seeds):
        if old["data"][name] != new["data"][name]:
            yield Reason(DATA, name, f"the seed {name} has other rows.")


def _growth(old: Manifest, new: Manifest, id_: str) -> str:
    before, after = old["seen"].get(id_, {}), new["seen"].get(id_, {})
    if not before or not after:
        return ""
    told = f": {before['rows']:,}, and now {after['rows']:,}"
    if before.get("last") != after.get("last"):
        told += f"; its last event was {_short(before.get('last'))}, and is {_short(after.get('last'))}"
    elif before.get("last"):
        told += f"; its last event is still {_short(before['last'])}"
    return told


def _asked(old: Manifest, new: Manifest) -> Iterator[Reason]:
    options = {"from": "--from", "to": "--to", "known_at": "--known-at"}
    for key, option in options.items():
        before, after = old["range"][key], new["range"][key]
        if before != after:
            yield Reason(ASKED, option, f"{option} is {_told(after)}, and was {_told(before)}.")
    for key, option in (("sample", "--sample"), ("outputs", "--features")):
        if old[key] != new[key]:
            yield Reason(ASKED, option, f"{option} is {_told(new[key])}, and was {_told(old[key])}.")


def _data_end(old: Manifest, new: Manifest) -> str | None:
    """The last instant of which the old set's changed sources knew."""
    changed = [id_ for id_, version in old["sources"].items() if new["sources"].get(id_, version) != version]
    ends = [
        end for id_ in changed if (end := old["seen"].get(id_, {}).get("known") or old["seen"].get(id_, {}).get("last"))
    ]
    return max(ends, default=None)


def _told(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(item)}" for key, item in value.items() if item is not None) or "not given"
    if isinstance(value, list | tuple):
        return ", ".join(_told(item) for item in value) or "none"
    return _short(value) if isinstance(value, str) else str(value)


def _short(text: str | None) -> str:
    """An instant without what is zero in it."""
    return (text or "nothing").removesuffix("+00:00").removesuffix("+00").replace("T", " ").removesuffix(" 00:00:00")
