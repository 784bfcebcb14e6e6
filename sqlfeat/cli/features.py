"""The command that looks features up for any rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import click

from sqlfeat.cli.options import Call, Command, examples, instant, merged, shared


def _named_column(text: str) -> Mapping[str, str]:
    key, sign, column = text.partition("=")
    if not sign or not key or not column:
        raise click.BadParameter(f"{text!r} is no KEY=COLUMN.")
    return {key: column}


@click.command(
    "features",
    cls=Command,
    epilog=examples(
        "sqlfeat features carrier_delays.delay_7d tail_arrivals.* --rows asked.csv",
        "sqlfeat features airport_weather.* --rows asked.parquet --on airport=origin --time asked_utc --out found.csv",
    ),
)
@click.argument("names", nargs=-1, required=True, metavar="VIEW.COLUMN…")
@click.option(
    "--rows", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The rows: .parquet, .arrow or .csv."
)
@click.option("--time", "time", metavar="COLUMN", help="The column with each row's as-of time, if it is not plain.")
@click.option("--at", type=instant, metavar="TIME", help="Ask for all rows at TIME instead of each at its own.")
@click.option(
    "--on",
    type=_named_column,
    multiple=True,
    callback=merged,
    metavar="KEY=COLUMN",
    help="The column that holds an entity's key, where it has another name; may be repeated.",
)
@click.option("--full-names", is_flag=True, help="Call every feature view__column.")
@click.option("--known-at", type=instant, metavar="TIME", help="Hide what became known after TIME.")
@click.option("--limit", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="Rows to print.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write all to .parquet, .arrow or .csv.")
@shared
def features_command(
    call: Call,
    names: Sequence[str],
    rows: Path,
    time: str | None,
    at: datetime | None,
    on: Mapping[str, str],
    full_names: bool,
    known_at: datetime | None,
    limit: int,
    out: Path | None,
) -> None:
    """Look features up for any rows, as known at their time.

    One row for each row of the file, in its order; VIEW.* is every feature of a view.
    """
    from sqlfeat.cli.render import count, data, grid, place, talk, write_json
    from sqlfeat.ops.training_files import write_table

    with call.project() as project:
        table = project.features(names, rows, time=time, at=at, on=on, full_names=full_names, known_at=known_at)
    if out is not None:
        write_table(table, out)
    shown = table.slice(0, limit)
    if call.as_json:
        document = {"columns": table.column_names, "rows": table.to_pylist()}
        write_json(document if out is None else {**document, "rows": table.num_rows, "path": str(out)})
    elif out is not None:
        talk().print(f"{count(table.num_rows, 'row')} in {place(out)}")
    else:
        screen = data()
        room = screen.width if screen.is_terminal else None
        screen.print(grid(table.column_names, shown.to_pylist(), room=room))
        if table.num_rows > limit:
            talk().print(f"{count(shown.num_rows, 'row')} of {count(table.num_rows)}; --out FILE writes all.")
