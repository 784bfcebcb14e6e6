"""The commands about training sets that are kept: list them, show one, compare two, drop what nobody needs."""

from __future__ import annotations

import click

from sqlfeat.cli.options import Call, Command, Commands, examples, shared


@click.group(
    "training-sets",
    cls=Commands,
    invoke_without_command=True,
    epilog=examples(
        "sqlfeat training-sets ls",
        "sqlfeat training-sets show late_flights",
        "sqlfeat training-sets diff late_flights",
        "sqlfeat training-sets gc --dry-run",
    ),
)
@click.pass_context
def training_sets_command(ctx: click.Context) -> None:
    """List, show, compare and drop the training sets that are kept.

    A set is NAME (its newest), NAME@ID, NAME@previous or ID; the beginning of an id is enough.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@training_sets_command.command("ls", cls=Command)
@click.argument("name", required=False)
@click.option("--quick", is_flag=True, help="Do not read every file to see whether it is what was written.")
@shared
def training_sets_ls(call: Call, name: str | None, quick: bool) -> None:
    """List the sets, the newest of each name first.

    Which versions were trained on them; those that are damaged.
    """
    from sqlfeat.cli.describe_sets import listed_sets
    from sqlfeat.cli.render import data, talk, write_error, write_json

    with call.project() as project:
        sets = project.training_sets(name, verify=not quick)
    if call.as_json:
        write_json({"training_sets": [each.as_dict() for each in sets]})
        return
    if sets:
        data().print(listed_sets(sets))
    else:
        talk().print("No training set is kept yet: sqlfeat build-training-set NAME builds one.")
    for each in sets:
        if each.kept.error is not None:
            write_error(each.kept.error)


@training_sets_command.command(
    "show",
    cls=Command,
    epilog=examples("sqlfeat training-sets show late_flights", "sqlfeat training-sets show ff09c2 --json"),
)
@click.argument("reference", metavar="NAME[@ID]|ID")
@shared
def training_sets_show(call: Call, reference: str) -> None:
    """Show all that is known of one set.

    Columns, splits, label balance, sources, versions, and which models were trained on it.
    """
    from sqlfeat.cli.describe_sets import set_in_full
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        found = project.training_set(reference)
        listed = project.training_sets(found.name, verify=False)
    used_by = next((each.used_by for each in listed if each.kept.id == found.id), ())
    if call.as_json:
        write_json({**found.as_dict(), "used_by": used_by, "built": found.built, "manifest": found.manifest})
    else:
        data().print(set_in_full(found, used_by))


@training_sets_command.command(
    "diff",
    cls=Command,
    epilog=examples(
        "sqlfeat training-sets diff late_flights",
        "sqlfeat training-sets diff ff09c2 late_flights",
        "sqlfeat training-sets diff late_flights@previous late_flights --json",
    ),
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="[NEW]", required=False)
@shared
def training_sets_diff(call: Call, old: str, new: str | None) -> None:
    """Say which rows, columns and cells differ, and why.

    OLD alone is compared with the newest of its name, and a NAME alone is its newest, compared with the one before.
    """
    from sqlfeat.cli.describe_sets import difference
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        found = project.diff_training_sets(old, new)
    if call.as_json:
        write_json(found.as_dict())
    else:
        data().print(difference(found))


@training_sets_command.command(
    "gc", cls=Command, epilog=examples("sqlfeat training-sets gc --dry-run", "sqlfeat training-sets gc --keep 3")
)
@click.argument("name", required=False)
@click.option(
    "--keep", type=click.IntRange(0), default=1, show_default=True, metavar="N", help="How many of a name to keep."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be dropped.")
@shared
def training_sets_gc(call: Call, name: str | None, keep: int, dry_run: bool) -> None:
    """Drop the sets that no registered version needs.

    What a version was trained on stays, and so do the newest of each name. What is being written is not touched.
    """
    from sqlfeat.cli.describe_sets import collected
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        result = project.gc_training_sets(name, keep=keep, dry_run=dry_run)
    if call.as_json:
        write_json(result.as_dict())
    else:
        data().print(collected(result))
