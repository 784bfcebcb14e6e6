"""The commands from label rows to predictions: build a training set, train, predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from sqlfeat.cli.options import (
    Call,
    Command,
    Listing,
    assignment,
    examples,
    instant,
    plain_value,
    shared,
    size,
    words,
)

start = click.option("--from", "start", type=instant, metavar="TIME", help="Only label rows from TIME on.")
end = click.option("--to", "end", type=instant, metavar="TIME", help="Only label rows before TIME.")


@click.command(
    "build-training-set",
    cls=Listing,
    epilog=examples(
        "sqlfeat build-training-set late_flights",
        "sqlfeat build-training-set late_flights --to 2013-03-01 --out late.parquet",
        "sqlfeat build-training-set late_flights --sample 0.1 --features carrier_delays.* dep_hour",
        "sqlfeat build-training-set late_flights --sample 5000 --stratify is_late",
        "sqlfeat build-training-set late_flights --known-at 2013-03-01",
    ),
)
@click.argument("name")
@start
@end
@click.option(
    "--known-at", type=instant, metavar="TIME", help="As it would have been built at TIME: nothing known later."
)
@click.option("--sample", type=size, metavar="N|SHARE", help="Only so many rows (5000), or such a share (0.1, 10%).")
@click.option(
    "--stratify",
    multiple=True,
    metavar="COLUMN",
    help="In the sample each value of COLUMN keeps its share: the label, for instance. May be repeated.",
)
@click.option(
    "--features",
    multiple=True,
    callback=words,
    metavar="NAME…",
    help="Only these inputs: outputs, VIEW.COLUMN or VIEW.*; keys, label and what is passed through stay.",
)
@click.option("--no-run", is_flag=True, help="Refuse where a model upstream is missing, instead of making it.")
@click.option("--strict", is_flag=True, help="Refuse outputs that are not proved to be safe, too.")
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
    sample: float | None,
    stratify: Sequence[str],
    features: Sequence[str],
    no_run: bool,
    strict: bool,
    out: Path | None,
) -> None:
    """Join label rows with features as known at their time.

    One row for each label row, whatever the feature views hold. The set is kept with its manifest
    under target/training_sets/NAME/ID/.
    """
    from sqlfeat.cli.describe_sets import built_set
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        built = project.build_training_set(
            name,
            start=start,
            end=end,
            known_at=known_at,
            sample=sample,
            stratify=stratify,
            features=features,
            out=out,
            run_upstream=not no_run,
            strict=strict,
        )
    if call.as_json:
        write_json({**built.as_dict(), "out": str(out) if out else None})
    else:
        data().print(built_set(built, out))


def _key_and_values(text: str) -> str:
    """The text as it is, if it is ``key=…``: what it means hangs on whether it is for a sweep."""
    assignment(text)
    return text


@click.command(
    "train",
    cls=Command,
    epilog=examples(
        "sqlfeat train late_lgbm",
        "sqlfeat train late_lgbm --param num_leaves=63 -p learning_rate=0.05",
        "sqlfeat train late_lgbm --sweep --param num_leaves=15,31,63 --metric auc",
        "sqlfeat train late_lgbm --grid num_leaves=15,31 --grid learning_rate=0.05,0.1 --jobs 2",
    ),
)
@click.argument("hook")
@click.option(
    "--param",
    "-p",
    "params",
    type=_key_and_values,
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter over the hook's own; may be repeated. In a sweep several values are a grid: KEY=15,31,63.",
)
@click.option("--sweep", is_flag=True, help="Train at every point of the grid and keep the best.")
@click.option(
    "--grid",
    "grid",
    type=_key_and_values,
    multiple=True,
    metavar="KEY=A,B,C",
    help="Values to sweep over; may be repeated.",
)
@click.option(
    "--metric", metavar="[SPLIT.]METRIC", help="What the best is chosen by: auc, test.auc, 'min validation.cost'."
)
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="How many trials at a time; by default the threads.")
@shared
def train_command(
    call: Call,
    hook: str,
    params: Sequence[str],
    sweep: bool,
    grid: Sequence[str],
    metric: str | None,
    jobs: int | None,
) -> None:
    """Train a hook's model, measure it, keep it as a version.

    HOOK is a function under hooks/ with @trainer. Its training set is built first where it is missing.
    With --sweep exit 1 where a trial failed, though the best of the others is kept.
    """
    from sqlfeat.cli.describe import trained
    from sqlfeat.cli.describe_training import sweep as described
    from sqlfeat.cli.render import data, write_json

    swept = sweep or bool(grid)
    several = [text for text in params if swept and _has_several(text)]
    given = {key: value for text in params if text not in several for key, value in assignment(text).items()}
    points = {key: values for text in (*several, *grid) for key, values in _values(text).items()}
    with call.project() as project:
        version = project.train(hook, params=given, sweep=points or swept, metric=metric, jobs=jobs)
    told = version.reports.get("sweep")
    if call.as_json:
        write_json(version.as_dict())
    else:
        data().print(trained(version))
        if told:
            data().print("\n", described(told), sep="")
    if told and any(trial["error"] for trial in told["trials"]):
        raise click.exceptions.Exit(1)


def _has_several(text: str) -> bool:
    """Whether the value is a list of values: it has a comma that no JSON is around."""
    value = text.partition("=")[2]
    return "," in value and value[:1] not in ("[", "{", '"')


def _values(text: str) -> Mapping[str, list[Any]]:
    """``key=a,b,c`` or ``key=[a, b]`` as a list of values."""
    [(key, value)] = assignment(text).items()
    if isinstance(value, list):
        return {key: value}
    return {key: [plain_value(each.strip()) for each in text.partition("=")[2].split(",") if each.strip()]}


@click.command(
    "predict",
    cls=Command,
    epilog=examples(
        "sqlfeat predict late_lgbm",
        "sqlfeat predict late_lgbm@3 --from 2013-03-15 --out scores.parquet",
        "sqlfeat predict late_lgbm --table late_scores --incremental",
        "sqlfeat predict late_lgbm --rows tonight.csv --contributions",
    ),
)
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--at", type=instant, metavar="TIME", help="Ask for all rows at TIME instead of each at its own.")
@click.option(
    "--rows",
    type=click.Path(path_type=Path),
    metavar="FILE|MODEL",
    help="Score the rows of a .parquet, .arrow or .csv, or of a model, seed or source; not the label rows.",
)
@start
@end
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write, as Parquet; under target/ by default. With --incremental a folder of such files.",
)
@click.option("--table", metavar="NAME", help="Into a table of the target instead, which is replaced.")
@click.option(
    "--incremental", is_flag=True, help="Only rows that this version has not scored there; adds to --table or --out."
)
@click.option("--contributions", is_flag=True, help="Also what each input adds to the raw score (SHAP values).")
@shared
def predict_command(
    call: Call,
    reference: str,
    at: datetime | None,
    rows: Path | None,
    start: datetime | None,
    end: datetime | None,
    out: Path | None,
    table: str | None,
    incremental: bool,
    contributions: bool,
) -> None:
    """Score rows with a registered model.

    The features are those known at each row's time. NAME alone is the latest version.
    """
    from sqlfeat.cli.describe import predicted
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        prediction = project.predict(
            reference,
            at=at,
            rows=rows,
            start=start,
            end=end,
            out=out,
            table=table,
            incremental=incremental,
            contributions=contributions,
        )
    if call.as_json:
        write_json(prediction.as_dict())
    else:
        data().print(predicted(prediction))
