"""The commands about registered models: list and show them, compare two, move aliases, archive and drop versions."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import click

from sqlfeat.cli.options import Call, Command, Commands, examples, shared, span
from sqlfeat.errors import UsageError

ELSEWHERE: dict[str, str] = {"audit": "audit", "reproduce": "audit", "export": "export"}
"""Commands of this group that live in other modules of the package: ``{"audit": "audit"}`` is ``registry_audit`` in
``cli/audit.py``, imported when it is asked for."""


class _RegistryCommands(Commands):
    """The commands of the group, in the order in which they were written; those from elsewhere come last."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        command = getattr(import_module(f"sqlfeat.cli.{ELSEWHERE[cmd_name]}"), f"registry_{cmd_name}")
        assert isinstance(command, click.Command)
        return command


@click.group(
    "registry",
    cls=_RegistryCommands,
    invoke_without_command=True,
    epilog=examples(
        "sqlfeat registry ls",
        "sqlfeat registry show late_lgbm@champion",
        "sqlfeat registry alias late_lgbm champion 3",
        "sqlfeat registry rollback late_lgbm",
    ),
)
@click.pass_context
def registry_command(ctx: click.Context) -> None:
    """Registered models: versions, aliases, who changed what.

    A version is NAME (the latest that is not archived), NAME@3 or NAME@ALIAS.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


_message = click.option("--message", "-m", metavar="TEXT", help="Why, for the journal.")


@registry_command.command("ls", cls=Command, epilog=examples("sqlfeat registry ls", "sqlfeat registry ls late_lgbm"))
@click.argument("name", required=False)
@click.option("--archived", is_flag=True, help="Archived versions too.")
@shared
def registry_ls(call: Call, name: str | None, archived: bool) -> None:
    """List the registered models, or the versions of one.

    Aliases, the metric that counts, and those that are damaged.
    """
    from sqlfeat.cli.describe_registry import registered, versions
    from sqlfeat.cli.render import data, talk, write_error, write_json

    with call.project() as project:
        models = project.registered_models() if name is None else [project.registered_versions(name)]
        told = [(model, project.standings(model)) for model in models]
    if call.as_json:
        write_json({"models": [_listed(model, standings, archived) for model, standings in told]})
        return
    if name is not None:
        data().print(versions([one for one in told[0][1] if archived or not one.archived]))
    elif models:
        data().print(registered(told))
    else:
        talk().print("No model is registered yet: sqlfeat train HOOK registers one.")
    for model in models:
        for error in model.damaged:
            write_error(error)


def _listed(model: Any, standings: Any, archived: bool) -> dict[str, Any]:
    shape = model.as_dict()
    keys = {one.version.version: one for one in standings}
    shown = [version for version in shape["versions"] if archived or not version["archived"]]
    for version in shown:
        known = keys[version["version"]]
        version["metric"] = {"split": known.key[0], "name": known.key[1], "value": known.value} if known.key else None
    return {**shape, "latest": model.latest.version if model.latest else None, "versions": shown}


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
        known = project.standing(version)
    if call.as_json:
        write_json({**version.as_dict(), "aliases": list(known.aliases), "archived": known.archived})
    else:
        data().print(version_in_full(version, known))


@registry_command.command(
    "history",
    cls=Command,
    epilog=examples("sqlfeat registry history late_lgbm", "sqlfeat registry history late_lgbm --json"),
)
@click.argument("name")
@shared
def registry_history(call: Call, name: str) -> None:
    """Show who changed what of a registered model, when and why.

    Every entry is bound to the one before it by a hash: a changed journal is told.
    """
    from sqlfeat.cli.describe_registry import history
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        found = project.history(name)
    if call.as_json:
        write_json(found.as_dict())
    else:
        data().print(history(found))


@registry_command.command(
    "diff",
    cls=Command,
    epilog=examples(
        "sqlfeat registry diff late_lgbm@1 late_lgbm@2", "sqlfeat registry diff late_lgbm@champion late_lgbm"
    ),
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="[NEW]", required=False)
@shared
def registry_diff(call: Call, old: str, new: str | None) -> None:
    """Say what differs between two versions, and why.

    Metrics, parameters, features, inputs, training set, packages, code. OLD alone is compared with the version before.
    """
    from sqlfeat.cli.describe_registry import difference
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        found = project.diff_versions(old, new)
    if call.as_json:
        write_json(found.as_dict())
    else:
        data().print(difference(found))


@registry_command.command(
    "alias",
    cls=Command,
    epilog=examples(
        "sqlfeat registry alias late_lgbm champion 3",
        "sqlfeat registry alias late_lgbm champion challenger -m 'better for a week'",
        "sqlfeat registry alias late_lgbm champion 3 --force -m 'the old one is broken'",
        "sqlfeat registry alias late_lgbm challenger --delete",
    ),
)
@click.argument("name")
@click.argument("alias")
@click.argument("version", required=False)
@click.option("--delete", is_flag=True, help="Take the alias away.")
@click.option("--force", is_flag=True, help="Move it whatever speaks against it; needs --message.")
@_message
@shared
def registry_alias(
    call: Call, name: str, alias: str, version: str | None, delete: bool, force: bool, message: str | None
) -> None:
    """Let an alias point to a version.

    VERSION is a number, latest, or another alias. For champion (and what the project file lists) the promotion checks
    are asked first, and a refusal names every reason.
    """
    from sqlfeat.cli.describe_registry import change, moved
    from sqlfeat.cli.render import data, write_json

    if "@" in name:
        model, _, number = name.partition("@")
        hint = f"sqlfeat registry alias {model} {alias} {number or 'VERSION'}"
        raise UsageError("bad-usage", "The version stands after the alias, not after the name.", hint=hint)
    if delete == (version is not None):
        hint = "sqlfeat registry alias NAME ALIAS VERSION, or sqlfeat registry alias NAME ALIAS --delete."
        what = "--delete takes no VERSION." if delete else f"Which version shall be {alias}?"
        raise UsageError("bad-usage", what, hint=hint)
    with call.project() as project:
        if version is None:
            gone = project.delete_alias(name, alias, message=message)
            shape, text = gone.as_dict(), change(gone)
        else:
            result = project.set_alias(name, alias, version, force=force, message=message)
            shape, text = result.as_dict(), moved(result)
    if call.as_json:
        write_json(shape)
    else:
        data().print(text)


@registry_command.command(
    "rollback",
    cls=Command,
    epilog=examples("sqlfeat registry rollback late_lgbm", "sqlfeat registry rollback late_lgbm challenger"),
)
@click.argument("name")
@click.argument("alias", default="champion", metavar="[ALIAS]")
@_message
@shared
def registry_rollback(call: Call, name: str, alias: str, message: str | None) -> None:
    """Let an alias (champion) point to what it did before.

    By the journal; once more, and it goes back further. What it goes back to is verified, and not judged again.
    """
    from sqlfeat.cli.describe_registry import change
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        result = project.rollback(name, alias, message=message)
    if call.as_json:
        write_json(result.as_dict())
    else:
        data().print(change(result))


@registry_command.command(
    "archive",
    cls=Command,
    epilog=examples("sqlfeat registry archive late_lgbm@2", "sqlfeat registry archive late_lgbm@2 --undo"),
)
@click.argument("reference", metavar="NAME@VERSION")
@click.option("--undo", is_flag=True, help="Bring it back.")
@_message
@shared
def registry_archive(call: Call, reference: str, undo: bool, message: str | None) -> None:
    """Hide a version from lists and from what NAME alone means.

    It can still be named, compared and brought back, until gc drops it.
    """
    from sqlfeat.cli.describe_registry import archived
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        result = project.archive(reference, undo=undo, message=message)
    if call.as_json:
        write_json(result.as_dict())
    else:
        data().print(archived(result))


@registry_command.command(
    "gc",
    cls=Command,
    epilog=examples("sqlfeat registry gc --dry-run", "sqlfeat registry gc late_lgbm --older-than '7 days'"),
)
@click.argument("name", required=False)
@click.option(
    "--older-than",
    type=span,
    default="30 days",
    show_default=True,
    metavar="SPAN",
    help="How long a version must have been archived.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be dropped.")
@_message
@shared
def registry_gc(call: Call, name: str | None, older_than: timedelta, dry_run: bool, message: str | None) -> None:
    """Drop versions that were archived long ago.

    What an alias points to, or would after a rollback, stays. A number is never given again.
    """
    from sqlfeat.cli.describe_registry import collected
    from sqlfeat.cli.render import data, write_error, write_json

    with call.project() as project:
        result = project.gc_registry(name, older_than=older_than, dry_run=dry_run, message=message)
    if call.as_json:
        write_json(result.as_dict())
        return
    data().print(collected(result))
    for error in result.damaged:
        write_error(error)
