"""The commands about registered models: list them, show one."""

from __future__ import annotations

import click

from sqlfeat.cli.options import Call, Command, Commands, examples, shared


@click.group(
    "registry",
    cls=Commands,
    invoke_without_command=True,
    epilog=examples("sqlfeat registry ls", "sqlfeat registry show late_lgbm"),
)
@click.pass_context
def registry_command(ctx: click.Context) -> None:
    """Look at the registered models and their versions."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@registry_command.command("ls", cls=Command)
@shared
def registry_ls(call: Call) -> None:
    """List the registered models."""
    from sqlfeat.cli.describe import registered
    from sqlfeat.cli.render import data, talk, write_error, write_json

    with call.project() as project:
        models = project.registered_models()
    if call.as_json:
        write_json({"models": [model.as_dict() for model in models]})
        return
    if models:
        data().print(registered(models))
    else:
        talk().print("No model is registered yet: sqlfeat train HOOK registers one.")
    for model in models:
        for error in model.damaged:
            write_error(error)


@registry_command.command(
    "show", cls=Command, epilog=examples("sqlfeat registry show late_lgbm", "sqlfeat registry show late_lgbm@2 --json")
)
@click.argument("reference", metavar="NAME[@VERSION]")
@shared
def registry_show(call: Call, reference: str) -> None:
    """Show all that is known of one version.

    Metrics, parameters, what it was trained on, and what matters to it.
    """
    from sqlfeat.cli.describe import version_in_full
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        version = project.registered_model(reference)
    if call.as_json:
        write_json(version.as_dict())
    else:
        data().print(version_in_full(version))
