"""The commands from label rows to predictions: build a training set, train, predict."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sqlfeat.cli.options import Call, Command, assignment, examples, instant, merged, shared

if TYPE_CHECKING:
    from rich.text import Text

    from sqlfeat.store.training_set import TrainingSet

start = click.option("--from", "start", type=instant, metavar="TIME", help="Only label rows from TIME on.")
end = click.option("--to", "end", type=instant, metavar="TIME", help="Only label rows before TIME.")


@click.command(
    "build-training-set",
    cls=Command,
    epilog=examples(
        "sqlfeat build-training-set late_flights",
        "sqlfeat build-training-set late_flights --to 2013-03-01 --out late.parquet",
    ),
)
@click.argument("name")
@start
@end
@click.option(
    "--known-at", type=instant, metavar="TIME", help="As it would have been built at TIME: nothing known later."
)
@click.option("--no-run", is_flag=True, help="Refuse where a model upstream is missing, instead of making it.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Also all rows in one .parquet, .arrow or .csv."
)
@shared
def build_training_set_command(
    call: Call,
    name: str,
    start: datetime | None,
    end: datetime | None,
    known_at: datetime | None,
    no_run: bool,
    out: Path | None,
) -> None:
    """Join label rows with features as known at their time.

    One row for each label row, whatever the feature views hold. The set is kept with its manifest
    under target/training_sets/NAME/ID/.
    """
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        built = project.build_training_set(
            name, start=start, end=end, known_at=known_at, out=out, run_upstream=not no_run
        )
    if call.as_json:
        write_json({**built.as_dict(), "out": str(out) if out else None})
    else:
        data().print(_training_set(built, out))


def _training_set(built: TrainingSet, out: Path | None) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import count, facts, place

    told = [
        ("id", built.id if built.created else f"{built.id} (nothing has changed: it was there)"),
        ("path", place(built.path)),
        ("rows", count(built.rows)),
        ("columns", _columns(built)),
        ("features", _features(built)),
    ]
    if out:
        told.append(("also in", place(out)))
    parts = [Text.assemble((f"training set {built.name}\n", "bold"), facts(told))]
    if built.splits:
        parts.append(_splits(built))
    parts.append(_nulls(built))
    return Text("\n\n").join(parts)


def _columns(built: TrainingSet) -> str:
    from sqlfeat.cli.render import count

    kinds = [column.kind for column in built.inputs]
    told = f"{len(built.columns)}: {count(len(kinds), 'input')}"
    told += f" ({kinds.count('numeric')} numeric, {kinds.count('categorical')} categorical)"
    return told + (f", label {built.label}" if built.label else "")


def _features(built: TrainingSet) -> str:
    from sqlfeat.cli.render import count

    names = list(built.manifest.get("features", ()))
    views = {name.split(".")[0] for name in names}
    return f"{len(names)} from {count(len(views), 'feature view')}" if names else "none"


def _splits(built: TrainingSet) -> Text:
    from sqlfeat.cli.render import count, headed, share

    rows = [(name, count(rows), share(rows / (built.rows or 1))) for name, rows in built.splits.items()]
    unsplit = built.rows - sum(built.splits.values())
    if unsplit:
        rows.append(("no split", count(unsplit), share(unsplit / built.rows)))
    return headed(("split", "rows", "share"), rows, right=[1, 2])


def _nulls(built: TrainingSet) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import headed, share

    some = sorted(((rate, name) for name, rate in built.null_rates.items() if rate > 0), key=lambda it: (-it[0], it[1]))
    if not some:
        return Text("  No column has nulls.")
    return headed(("column", "nulls"), [(name, share(rate)) for rate, name in some], right=[1])


@click.command(
    "train",
    cls=Command,
    epilog=examples("sqlfeat train late_lgbm", "sqlfeat train late_lgbm --param num_leaves=63 -p learning_rate=0.05"),
)
@click.argument("hook")
@click.option(
    "--param",
    "-p",
    "params",
    type=assignment,
    multiple=True,
    callback=merged,
    metavar="KEY=VALUE",
    help="A parameter over the hook's own; may be repeated.",
)
@shared
def train_command(call: Call, hook: str, params: Mapping[str, Any]) -> None:
    """Train a hook's model, measure it, keep it as a version.

    HOOK is a function under hooks/ with @trainer. Its training set is built first where it is missing.
    """
    from sqlfeat.cli.describe import trained
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        version = project.train(hook, params=params)
    if call.as_json:
        write_json(version.as_dict())
    else:
        data().print(trained(version))


@click.command(
    "predict",
    cls=Command,
    epilog=examples("sqlfeat predict late_lgbm", "sqlfeat predict late_lgbm@3 --from 2013-03-15 --out scores.parquet"),
)
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--at", type=instant, metavar="TIME", help="Ask for all rows at TIME instead of each at its own.")
@click.option(
    "--rows",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Score these rows (.parquet, .arrow, .csv), not the label rows.",
)
@start
@end
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write, as Parquet; under target/ by default.",
)
@shared
def predict_command(
    call: Call,
    reference: str,
    at: datetime | None,
    rows: Path | None,
    start: datetime | None,
    end: datetime | None,
    out: Path | None,
) -> None:
    """Score rows with a registered model.

    The features are those known at each row's time. NAME alone is the latest version.
    """
    from sqlfeat.cli.describe import predicted
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        prediction = project.predict(reference, at=at, rows=rows, start=start, end=end, out=out)
    if call.as_json:
        write_json(prediction.as_dict())
    else:
        data().print(predicted(prediction))
