"""A model card: what a version predicts, from which data, how well, for whom less well, and what speaks against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlfeat.ops import version_sections as told_of
from sqlfeat.ops.document import Block, Document, Facts, Listing, Notes, Section, Table
from sqlfeat.store.registry import ModelVersion

_MOST_METRICS = 4
_FEW_ROWS = 100
_GAP = 0.1
"""A share of a metric by which the train split may be better before it is remarked."""
Record = Mapping[str, Any]


def model_card(version: ModelVersion, unknown: Sequence[str] = ()) -> Document:
    """The card of a version; ``unknown`` is what an audit does not know of it."""
    label = told_of.set_record(version).get("roles", {}).get("label") or "a value"
    return Document(
        f"Model card: {version.reference}",
        f"A {version.codec} model of {label}, trained on {version.training_set['name']}.",
        (
            Section("What it is", (Facts(tuple(told_of.model_facts(version))),)),
            Section("Data", tuple(_data(version))),
            Section("How good it is", tuple(told_of.metric_blocks(version)), "no metrics are recorded"),
            Section("For whom", tuple(_slices(version)), "no slices are recorded"),
            Section("Calibration", tuple(_calibration(version)), "no calibration is recorded"),
            Section("Inputs", (*told_of.input_blocks(version), *told_of.transform_blocks(version))),
            Section("What matters to it", tuple(told_of.importance_blocks(version)), "no importances are recorded"),
            Section("Limits and warnings", (Notes(tuple(_limits(version, unknown))),)),
            Section("How to make it again", tuple(_again(version))),
        ),
    )


def _data(version: ModelVersion) -> Iterator[Block]:
    told = told_of.set_record(version)
    facts = [("training set", f"{version.training_set['name']} {version.training_set['id']}")]
    if told:
        facts.append(("rows", told_of.count(told["rows"])))
        facts += [("split", told_of.split_words(told["split"]))] if told.get("split") else []
        facts += [("label is known after", str(told["horizon"]))] if told.get("horizon") else []
    yield Facts(tuple(facts))
    splits = tuple(told_of.split_tables(version))
    yield from splits
    yield from _balance(told)
    rows = [
        (told_of.plain_id(id_), told_of.count(one.get("rows")), told_of.moment(one.get("first")),
         told_of.moment(one.get("last")))
        for id_, one in version.provenance.get("sources", {}).items()
    ]  # fmt: skip
    if rows:
        yield Table(("source", "rows", "first event", "last event"), tuple(rows), (1,), "Sources and their period")


def _balance(told: Record) -> Iterator[Block]:
    balance = told.get("balance") or {}
    parts: Record = balance.get("parts", {})
    if balance.get("kind") != "classes" or not parts:
        return
    classes = list(dict.fromkeys(name for part in parts.values() for name in part["classes"]))
    rows = [
        (split, *(told_of.share(parts[split]["classes"].get(name, 0), parts[split]["rows"]) for name in classes))
        for split in told.get("split_order", parts)
        if split in parts
    ]
    yield Table(("split", *classes), tuple(rows), tuple(range(1, len(classes) + 1)), f"Classes of {balance['label']}")


def _slices(version: ModelVersion) -> Iterator[Block]:
    """The metrics of each value of the sliced columns, on the last split that has them."""
    slices = version.reports.get("slices", {})
    split = next((name for name in reversed(list(version.metrics)) if slices.get(name)), None)
    for column, told in slices.get(split, {}).items():
        values = [*told["values"], *([{**told["others"], "value": "all others"}] if told.get("others") else [])]
        names = list(dict.fromkeys(name for one in values for name in one["metrics"]))[:_MOST_METRICS]
        rows = [
            (
                str(one["value"]),
                told_of.count(one["rows"]),
                *(told_of.number(one["metrics"].get(name)) for name in names),
            )
            for one in values
        ]
        yield Table((column, "rows", *names), tuple(rows), tuple(range(1, len(names) + 2)), f"By {column}, on {split}")


def _calibration(version: ModelVersion) -> Iterator[Block]:
    calibration = version.reports.get("calibration", {})
    split = next((name for name in reversed(list(version.metrics)) if calibration.get(name)), None)
    told = calibration.get(split, {})
    bins = told.get("bins") or told.get("quantiles") or ()
    rows = [
        (f"{told_of.number(one['from'])} to {told_of.number(one['to'])}", told_of.count(one["rows"]),
         told_of.number(one["predicted"]), told_of.number(one["actual"]))
        for one in bins
    ]  # fmt: skip
    if rows:
        title = f"What was predicted and what came, on {split}"
        yield Table(("predicted", "rows", "mean predicted", "mean actual"), tuple(rows), (1, 2, 3), title)


def _limits(version: ModelVersion, unknown: Sequence[str]) -> Iterator[str]:
    told = told_of.set_record(version)
    yield from (str(one) for one in (*told.get("warnings", ()), *told.get("notes", ())))
    yield from _gaps(version.metrics)
    if told.get("unsplit"):
        yield f"{told['unsplit']:,} of {told['rows']:,} rows are in no split: it has not seen them."
    thin = [f"{split} ({rows:,})" for split, rows in told.get("splits", {}).items() if 0 < rows < _FEW_ROWS]
    if thin:
        yield f"Few rows in {', '.join(thin)}: what is measured there is uncertain."
    texts = [one.name for one in version.signature.inputs if one.kind == "categorical"]
    if texts:
        yield f"A value of {', '.join(texts)} that the train split does not have counts as missing."
    yield from (f"Not known: {one[0].lower()}{one[1:]}" for one in unknown)
    yield "It is judged on data of the past: how the world has changed since, nothing here tells."


def _gaps(metrics: Mapping[str, Mapping[str, float | None]]) -> Iterator[str]:
    """Where the model knows what it learned from much better than anything else."""
    splits = list(metrics)
    for name in ("auc", "r2"):
        first, last = (
            (metrics[split].get(name) for split in (splits[0], splits[-1])) if len(splits) > 1 else (None, None)
        )
        if first is not None and last is not None and first - last > _GAP:
            yield f"{name} is {first:.3f} on {splits[0]} and {last:.3f} on {splits[-1]}: it may have learned by heart."


def _again(version: ModelVersion) -> Iterator[Block]:
    commands = [f"sqlfeat registry audit {version.reference}", f"sqlfeat registry reproduce {version.reference}"]
    git = version.git
    if git:
        commands.insert(0, f"git checkout {git['commit']}")
    yield Listing("In the project's folder", "sh", "\n".join(commands))
    packages: Sequence[str] = [f"{name}=={number}" for name, number in version.versions.items() if name != "python"]
    yield Listing(f"With Python {version.versions.get('python', 'of then')} and", "text", "\n".join(packages))
    if git and git.get("dirty"):
        yield Notes(("The commit had uncommitted changes upon it: `reproduce` applies them as far as they are kept.",))
