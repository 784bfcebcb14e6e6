"""How a training set reads, a list of them, and what differs between two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sqlfeat.cli.render import cell, columns, count, facts, headed, place, share

if TYPE_CHECKING:
    from sqlfeat.ops.set_difference import CellDifference, SetDifference
    from sqlfeat.ops.training_sets import Collected, ListedSet
    from sqlfeat.store.training_set import TrainingSet

_MOST_CLASSES = 8
_MOST_COLUMNS = 12
_MOST_PARAMETERS = 6
_ID = 12


def built_set(built: TrainingSet, out: Path | None) -> Text:
    """What building gives."""
    told = [
        ("id", built.id if built.created else f"{built.id} (nothing has changed: it was there)"),
        ("path", place(built.path)),
        *_asked(built),
        ("rows", count(built.rows)),
        ("columns", _columns(built)),
        ("features", _features(built)),
        *_open_labels(built),
    ]
    if out:
        told.append(("also in", place(out)))
    parts = [Text.assemble((f"training set {built.name}\n", "bold"), facts(told)), *_cut(built), _nulls(built)]
    return Text("\n\n").join([*parts, *_notes(built)])


def set_in_full(found: TrainingSet, used_by: Sequence[str]) -> Text:
    """All that is known of a set."""
    manifest = found.manifest
    git = found.built.get("git")
    commit = f"{git['commit']}{' with uncommitted changes' if git['dirty'] else ''}" if git else "no repository"
    told = [
        ("id", found.id),
        ("path", place(found.path)),
        ("created", _moment(found.built.get("created_at"))),
        ("git", commit),
        ("used by", ", ".join(used_by) or "no registered version"),
        *_asked(found),
        ("rows", count(found.rows)),
        ("columns", _columns(found)),
        *_open_labels(found),
        ("definition", str(manifest.get("definition", ""))),
        ("versions", ", ".join(f"{name} {number}" for name, number in manifest.get("versions", {}).items())),
    ]
    parts = [Text.assemble((f"training set {found.name}\n", "bold"), facts(told)), *_cut(found)]
    rows = [
        (c.name, c.type, c.role, c.kind or "", c.feature or "", share(found.null_rates.get(c.name, 0.0)))
        for c in found.columns
    ]
    parts.append(headed(("column", "type", "role", "kind", "feature", "nulls"), rows, right=[5]))
    if manifest.get("transforms"):
        parts.append(_transforms(manifest["transforms"]))
    if manifest.get("seen"):
        parts.append(_sources(manifest["seen"]))
    return Text("\n\n").join([*parts, *_notes(found)])


def _transforms(fitted: Mapping[str, Mapping[str, Any]]) -> Text:
    """Each transform with what was fitted, and the outputs that it takes part in."""
    rows = [
        (call, ", ".join(told["outputs"]), count(told["rows"]), _parameters(told["parameters"]))
        for call, told in fitted.items()
    ]
    return headed(("transform", "in", "fitted on", "parameters"), rows, right=[2])


def _parameters(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_parameter(value)}" for name, value in parameters.items())


def _parameter(value: Any) -> str:
    if isinstance(value, list):
        shown = ", ".join(_parameter(item) for item in value[:_MOST_PARAMETERS])
        more = len(value) - _MOST_PARAMETERS
        return f"[{shown}, … {more:,} more]" if more > 0 else f"[{shown}]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None else str(value)


def _sources(seen: Mapping[str, Mapping[str, Any]]) -> Text:
    rows = [
        (id_.split(".", 1)[1], count(told["rows"]), _moment(told.get("first")), _moment(told.get("last")))
        for id_, told in seen.items()
    ]
    return headed(("source", "rows", "first event", "last event"), rows, right=[1])


def _asked(built: TrainingSet) -> list[tuple[str, str]]:
    """What was asked for, if not for everything."""
    told = []
    between = built.manifest.get("range") or {}
    if between.get("from") or between.get("to"):
        ends = [f"{word} {_moment(between[key])}" for key, word in (("from", "from"), ("to", "to")) if between.get(key)]
        told.append(("asked for", " ".join(ends)))
    if between.get("known_at"):
        told.append(("known at", f"{_moment(between['known_at'])}, as it would have been built then"))
    sample = built.manifest.get("sample")
    if sample:
        size = share(sample["share"]) if "share" in sample else count(sample["rows"], "row")
        strata = f", each {', '.join(sample['stratify'])} in its share" if "stratify" in sample else ""
        told.append(("sample", f"{size}, by a hash of {', '.join(built.named('key'))}{strata}"))
    if built.manifest.get("outputs") is not None:
        told.append(("chosen", count(len(built.inputs), "input")))
    return told


def _open_labels(built: TrainingSet) -> list[tuple[str, str]]:
    rows = built.manifest.get("open_labels")
    return [("labels", f"{count(rows)} not known yet: they are null, and reach no hook")] if rows else []


def _columns(built: TrainingSet) -> str:
    kinds = [column.kind for column in built.inputs]
    told = f"{len(built.columns)}: {count(len(kinds), 'input')}"
    told += f" ({kinds.count('numeric')} numeric, {kinds.count('categorical')} categorical)"
    return told + (f", label {built.label}" if built.label else "")


def _features(built: TrainingSet) -> str:
    names = list(built.manifest.get("features", ()))
    if built.manifest.get("outputs") is not None:
        names = [column.feature for column in built.columns if column.feature]
    views = {name.split(".")[0] for name in names}
    return f"{len(names)} from {count(len(views), 'feature view')}" if names else "none"


# -- how it is cut -----------------------------------------------------------------------------------------------------


def _cut(built: TrainingSet) -> list[Text]:
    parts = []
    if built.splits:
        parts.append(_splits(built))
    if built.folds:
        parts.append(_folds(built.folds))
    balance = built.manifest.get("balance")
    if balance and not _is_truth(balance):
        told = {name: balance["parts"][name] for name in built.splits}  # a manifest has them by name, not in order
        show = _classes if balance["kind"] == "classes" else _range
        parts.append(show(balance["label"], told))
    return parts


def _is_truth(balance: Mapping[str, Any]) -> bool:
    classes = {name for told in balance["parts"].values() for name in told.get("classes", ())}
    return balance["kind"] == "classes" and classes <= {"true", "false"}


def _splits(built: TrainingSet) -> Text:
    """Rows of each part; of a yes or no label its share of yes."""
    balance = built.manifest.get("balance")
    truth = balance if balance and _is_truth(balance) else None
    rows: list[tuple[str, ...]] = []
    for name, number in built.splits.items():
        row = (name, count(number), share(number / (built.rows or 1)))
        rows.append((*row, _yes(truth["parts"].get(name))) if truth else row)
    unsplit = built.rows - sum(built.splits.values())
    if unsplit:
        rows.append(("no split", count(unsplit), share(unsplit / built.rows), *([""] if truth else [])))
    head = ("split", "rows", "share", *([truth["label"]] if truth else []))
    return headed(head, rows, right=[1, 2, 3])


def _yes(told: Mapping[str, Any] | None) -> str:
    classes = told["classes"] if told else {}
    known = sum(classes.values())
    return share(classes.get("true", 0) / known) if known else "none known"


def _folds(folds: Sequence[Mapping[str, Any]]) -> Text:
    """Rows of both sides of each fold, and by time where they begin and end."""
    timed = any("test_from" in fold for fold in folds)
    rows = []
    for fold in folds:
        row = (fold["name"], count(fold["train"]), count(fold["test"]))
        bounds = [_moment(fold.get(name)) or "the beginning" for name in ("train_from", "test_from", "test_to")]
        rows.append((*row, *bounds) if timed else row)
    head = ("fold", "train", "test", *(("train from", "test from", "to") if timed else ()))
    return headed(head, rows, right=[1, 2])


def _classes(label: str, parts: Mapping[str, Any]) -> Text:
    """The share of each class in each part."""
    total: dict[str, int] = {}
    for told in parts.values():
        for name, number in told["classes"].items():
            total[name] = total.get(name, 0) + number
    shown = sorted(total, key=lambda name: (-total[name], name))
    rows = []
    for name in shown[:_MOST_CLASSES]:
        known = [sum(told["classes"].values()) for told in parts.values()]
        of = [told["classes"].get(name, 0) for told in parts.values()]
        rows.append((name, *(share(one / all_) if all_ else "" for one, all_ in zip(of, known, strict=True))))
    if len(shown) > _MOST_CLASSES:
        rows.append((f"and {len(shown) - _MOST_CLASSES} more",))
    return headed((label, *parts), rows, right=range(1, len(parts) + 1))


def _range(label: str, parts: Mapping[str, Any]) -> Text:
    names = ("least", "middle", "greatest")
    rows = [(part, *(told[name] or "" for name in names)) for part, told in parts.items()]
    return headed((label, *names), rows, right=[1, 2, 3])


def _nulls(built: TrainingSet) -> Text:
    some = sorted(((rate, name) for name, rate in built.null_rates.items() if rate > 0), key=lambda it: (-it[0], it[1]))
    if not some:
        return Text("  No column has nulls.")
    return headed(("column", "nulls"), [(name, share(rate)) for rate, name in some], right=[1])


def _notes(built: TrainingSet) -> list[Text]:
    notes = built.manifest.get("notes") or ()
    return [Text("\n").join([Text(f"Note: {note}", "dim") for note in notes])] if notes else []


def _moment(text: str | None) -> str:
    """An instant of a manifest as short as it can be said."""
    if not text:
        return ""
    short = text.replace("T", " ").removesuffix("+00:00").removesuffix("+00")
    return short.removesuffix(" 00:00:00").split(".")[0]


# -- lists -------------------------------------------------------------------------------------------------------------


def listed_sets(sets: Sequence[ListedSet]) -> Text:
    """A set a line."""
    rows = []
    for each in sets:
        found = each.kept.training_set
        if found is None:
            rows.append((each.kept.name, each.kept.id[:_ID], "", "", _size(each.kept.bytes), "damaged"))
            continue
        made = _moment(found.built.get("created_at"))
        told = "; ".join(f"{name} {value}" for name, value in _asked(found))
        state = ", ".join([*each.used_by, *([told] if told else [])])
        rows.append((found.name, found.id[:_ID], made, count(found.rows), _size(each.kept.bytes), state))
    return headed(("name", "id", "created", "rows", "size", "used by; asked for"), rows, right=[3, 4])


def collected(result: Collected) -> Text:
    """What was dropped, or would be."""
    verb = "would drop" if result.dry_run else "dropped"
    lines = columns(
        (verb, f"{each.kept.name}@{each.kept.id[:_ID]}", _size(each.kept.bytes), each.state if each.kept.error else "")
        for each in result.dropped
    )
    lines += [f"  {verb}   {place(path)}, which a process left that is gone" for path in result.leftovers]
    total = f"{count(len(result.dropped), 'set')} {'would be ' if result.dry_run else ''}dropped"
    told = f"{total} ({_size(result.bytes)}), {count(len(result.kept))} kept."
    return Text("\n".join([*lines, told] if lines else [f"Nothing to drop: {count(len(result.kept))} kept."]))


def _size(number: int) -> str:
    """``812 B``, ``3.4 MB``."""
    power = min(3, (len(str(number)) - 1) // 3)
    size, unit = number / 1000**power, ("B", "kB", "MB", "GB")[power]
    return f"{size:.0f} {unit}" if not power or size >= 100 else f"{size:.1f} {unit}"


# -- differences -------------------------------------------------------------------------------------------------------


def difference(found: SetDifference) -> Text:
    """What differs between two sets, and why."""
    sides = [f"{one.name}@{one.id[:_ID]}" for one in (found.old, found.new)]
    head = Text(f"{sides[0]} → {sides[1]}", "bold")
    parts = [head.append("\n").append_text(_row_facts(found))]
    if found.added_columns or found.gone_columns or found.changed_columns:
        parts.append(_column_changes(found))
    if found.cells:
        parts.append(_cells(found.cells, found.in_both))
    parts.append(_why(found))
    return Text("\n\n").join(parts)


def _row_facts(found: SetDifference) -> Text:
    told = [("rows", f"{count(found.old.rows)} → {count(found.new.rows)}, {count(found.in_both)} in both")]
    for name, rows in (("added", found.added), ("gone", found.gone)):
        if rows.rows:
            told.append((name, f"{count(rows.rows)}: {'; '.join(_keys(keys) for keys in rows.examples)}{_more(rows)}"))
    told += [("moved", f"{count(move['rows'])} from {move['old']} to {move['new']}") for move in found.moved]
    return facts(told)


def _more(rows: Any) -> str:
    return "; …" if rows.rows > len(rows.examples) else ""


def _keys(keys: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {cell(value)}" for name, value in keys.items())


def _column_changes(found: SetDifference) -> Text:
    rows = [(name, "added", "") for name in found.added_columns] + [(name, "gone", "") for name in found.gone_columns]
    for change in found.changed_columns:
        rows.append((change.column, change.what, f"{_value(change.old)} → {_value(change.new)}"))
    return headed(("column", "is", ""), rows)


def _value(value: Any) -> str:
    text = cell(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _cells(cells: Sequence[CellDifference], rows: int) -> Text:
    shown = sorted(cells, key=lambda each: (-each.rows, each.column))[:_MOST_COLUMNS]
    lines: list[tuple[str, ...]] = []
    for each in shown:
        first = True
        for example in each.examples:
            named = (each.column, count(each.rows), share(each.rows / (rows or 1))) if first else ("", "", "")
            lines.append((*named, _keys(example.keys), f"{_value(example.old)} → {_value(example.new)}"))
            first = False
    table = headed(("column", "cells", "share", "for instance", "old → new"), lines, right=[1, 2])
    if len(cells) > len(shown):
        table.append(f"\n  and {count(len(cells) - len(shown), 'more column')}")
    return table


def _why(found: SetDifference) -> Text:
    if found.old.id == found.new.id:
        return Text("They are the same set.", "green")
    lines = [Text("  why", "bold"), *(Text(f"  {line}") for line in columns(_reason_rows(found), indent=""))]
    if not found.reasons:
        lines = [Text("Nothing that determines the rows differs.")]
    if found.same:
        lines.append(Text("The rows are the same, and cut in the same way.", "green"))
    return Text("\n").join(lines)


def _reason_rows(found: SetDifference) -> list[tuple[str, str]]:
    return [(reason.kind, reason.text) for reason in found.reasons]
