"""The commands about SQL models: list, show, compile, run, test, build."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sqlfeat.cli.options import Call, Command, Selecting, examples, instant, selection, shared

if TYPE_CHECKING:
    from sqlfeat.ops.results import RunResult

RESOURCE_TYPES = ("model", "source", "seed", "test")

full_refresh = click.option("--full-refresh", is_flag=True, help="Make everything anew, incremental models too.")


@click.command(
    "ls",
    cls=Selecting,
    epilog=examples("sqlfeat ls -s tag:weather", "sqlfeat ls -s +late_flights --resource-type source"),
)
@selection
@click.option(
    "--resource-type", type=click.Choice(RESOURCE_TYPES), multiple=True, help="Only this kind; may be repeated."
)
@shared
def ls_command(call: Call, select: Sequence[str], exclude: Sequence[str], resource_type: Sequence[str]) -> None:
    """List models, sources, seeds and tests.

    In a pipe one name a line.
    """
    from sqlfeat.cli.render import data, headed, talk, write_json

    with call.project() as project:
        nodes = project.nodes(select, exclude)
    if resource_type:
        nodes = [node for node in nodes if node.resource_type in resource_type]
    out = data()
    if call.as_json:
        write_json({"nodes": [node.as_dict() for node in nodes]})
    elif not nodes:
        talk().print("Nothing is selected.")
    elif out.is_terminal:
        rows = [
            (node.name, node.materialized or node.resource_type, _first_sentence(node.description)) for node in nodes
        ]
        out.print(headed(("name", "kind", "what it is"), rows))
    else:
        out.print("\n".join(node.name for node in nodes))


def _first_sentence(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 80 else f"{flat[:79]}…"


@click.command(
    "show",
    cls=Command,
    epilog=examples(
        "sqlfeat show carrier_delays --limit 3",
        "sqlfeat show carrier_delays --at 2013-02-01T12:00 --json",
        "sqlfeat show stg_flights --out flights.csv",
    ),
)
@click.argument("model")
@click.option("--limit", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="How many rows.")
@click.option("--at", type=instant, metavar="TIME", help="A feature view: one row per entity, as it stands at TIME.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write all rows to .parquet, .arrow or .csv."
)
@shared
@click.pass_context
def show_command(ctx: click.Context, call: Call, model: str, limit: int, at: datetime | None, out: Path | None) -> None:
    """Run a model's SQL and print its rows."""
    from sqlfeat.cli.render import count, data, grid, place, talk, write_json

    given = ctx.get_parameter_source("limit") is not click.core.ParameterSource.DEFAULT
    with call.project() as project:
        table = project.show(model, limit=limit if given or out is None else None, at=at, out=out)
    if call.as_json:
        document = {"columns": table.column_names, "rows": table.to_pylist()}
        write_json(document if out is None else {**document, "rows": table.num_rows, "path": str(out)})
    elif out is not None:
        talk().print(f"{count(table.num_rows, 'row')} in {place(out)}")
    elif table.num_rows == 0:
        data().print(grid(table.column_names, []))
        talk().print("No rows.")
    else:
        screen = data()
        room = screen.width if screen.is_terminal else None
        screen.print(grid(table.column_names, table.to_pylist(), room=room))


@click.command("compile", cls=Selecting, epilog=examples("sqlfeat compile", "sqlfeat compile -s carrier_delays"))
@selection
@shared
def compile_command(call: Call, select: Sequence[str], exclude: Sequence[str]) -> None:
    """Write the SQL that is run; print that of a single model.

    The files lie under target/compiled/.
    """
    from sqlfeat.cli.render import count, data, place, talk, write_json

    with call.project() as project:
        files = project.compile(select, exclude)
        checked = {model.name: model for model in project.check(select, exclude).models} if call.as_json else {}
    if call.as_json:
        compiled = [
            {"name": file.name, "path": str(file.path), "sql": file.sql, **checked[file.name].lookback_as_dict()}
            for file in files
        ]
        write_json({"compiled": compiled})
        return
    if len(files) == 1:
        data().print(files[0].sql.strip("\n"))
        told = f"written to {place(files[0].path)}"
    else:
        for file in files:
            data().print(place(file.path))
        told = f"{count(len(files), 'model')} compiled"
    if not call.quiet:
        talk().print(told)


@click.command(
    "run", cls=Selecting, epilog=examples("sqlfeat run", "sqlfeat run -s +carrier_delays --exclude tag:slow")
)
@selection
@full_refresh
@shared
def run_command(call: Call, select: Sequence[str], exclude: Sequence[str], full_refresh: bool) -> int:
    """Make the models that are missing or changed.

    In the order in which they need each other, each whole or not at all. Exit code 1
    where one failed; what hangs on it is skipped.
    """
    with call.project() as project:
        result = project.run(select, exclude, full_refresh=full_refresh)
    return _told(call, result)


@click.command("test", cls=Selecting, epilog=examples("sqlfeat test -s stg_flights"))
@selection
@shared
def test_command(call: Call, select: Sequence[str], exclude: Sequence[str]) -> int:
    """Run the data tests.

    These are unique, not_null, accepted_values and relationships in YAML, and the queries under tests/.
    Exit code 1 where a row breaks one; a test with `severity: warn` only says so.
    """
    with call.project() as project:
        result = project.test(select, exclude)
    return _told(call, result)


@click.command("build", cls=Selecting, epilog=examples("sqlfeat build", "sqlfeat build -s late_flights"))
@selection
@full_refresh
@shared
def build_command(call: Call, select: Sequence[str], exclude: Sequence[str], full_refresh: bool) -> int:
    """Make seeds and models and test them, in one go.

    In the order in which they need each other; below a failure nothing is made. Exit code 1 where there is one.
    """
    with call.project() as project:
        result = project.build(select, exclude, full_refresh=full_refresh)
    return _told(call, result)


def _told(call: Call, result: RunResult) -> int:
    from sqlfeat.cli.progress import failures, summary
    from sqlfeat.cli.render import talk, write_json

    if call.as_json:
        write_json(result.as_dict())
    elif not call.quiet:
        talk().print(summary(result))
    elif result.failed:
        talk().print(failures(result))
    return 1 if result.failed else 0
