"""The commands of the online side: publish what is served."""

from __future__ import annotations

from datetime import datetime

import click

from sqlfeat.cli.options import Call, Command, examples, instant, shared


@click.command(
    "publish",
    cls=Command,
    epilog=examples("sqlfeat publish", "sqlfeat publish --incremental", "sqlfeat publish --at 2013-03-15 --check"),
)
@click.option("--at", type=instant, metavar="TIME", help="As of TIME instead of now; nothing earlier can be read.")
@click.option("--incremental", is_flag=True, help="Write only what differs from the snapshot before.")
@click.option("--check", is_flag=True, help="Then compare some entities with what the same features are offline.")
@shared
def publish_command(call: Call, at: datetime | None, incremental: bool, check: bool) -> int:
    """Publish the online feature views as one snapshot.

    All or nothing: whoever reads sees the old snapshot or the new one. What is missing upstream is made first.
    """
    from sqlfeat.cli.describe_online import published
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        publication = project.publish(at=at, incremental=incremental)
        checked = project.check_published() if check else None
    if call.as_json:
        write_json({**publication.as_dict(), "check": checked.as_dict() if checked else None})
    else:
        data().print(published(publication, checked))
    if checked is not None and checked.differing:
        return 1
    return 0
