"""The command that tells others of registered models: ``registry export``."""

from __future__ import annotations

import click

from sqlfeat.cli.options import Call, Command, examples, shared
from sqlfeat.errors import UsageError


@click.command(
    "export",
    cls=Command,
    epilog=examples(
        "sqlfeat registry export late_lgbm --mlflow",
        "sqlfeat registry export late_lgbm@champion --mlflow --tracking-uri sqlite:///mlflow.db",
    ),
)
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--mlflow", "to_mlflow", is_flag=True, help="Export it to MLflow.")
@click.option("--tracking-uri", metavar="URI", help="Where MLflow is; by default as in the project file, or its own.")
@click.option("--experiment", metavar="NAME", help="Its experiment there; by default the project's name.")
@shared
def registry_export(
    call: Call, reference: str, to_mlflow: bool, tracking_uri: str | None, experiment: str | None
) -> None:
    """Export a version to MLflow: a run, the model, its aliases.

    What is there already is not made again.
    """
    from rich.text import Text

    from sqlfeat.cli.render import data, facts, write_json

    if not to_mlflow:
        hint = f"sqlfeat registry export {reference} --mlflow."
        raise UsageError("bad-export", "It is not said where to export to.", hint=hint)
    with call.project() as project:
        exported = project.export_to_mlflow(reference, tracking_uri=tracking_uri, experiment=experiment)
    if call.as_json:
        write_json(exported.as_dict())
        return
    how = "is in MLflow now" if exported.created else "was in MLflow already"
    told = [
        ("model", exported.model_uri),
        ("aliases", ", ".join(exported.aliases) or "none"),
        ("experiment", exported.experiment),
        ("run", exported.run_id),
        ("tracking", exported.tracking_uri),
    ]
    head = (f"{exported.name} version {exported.version} {how}\n", "bold")
    data().print(Text.assemble(head, facts(told)))
