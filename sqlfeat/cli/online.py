"""The commands of the online side: publish what is served, and push what happens in between."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

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
        slow = project.slow_at_requests()
    if call.as_json:
        write_json({**publication.as_dict(), "check": checked.as_dict() if checked else None, "slow": slow})
    else:
        data().print(published(publication, checked, slow))
    if checked is not None and checked.differing:
        return 1
    return 0


@click.command(
    "push",
    cls=Command,
    epilog=examples("sqlfeat push spending --rows orders.jsonl", "sqlfeat push raw.orders --rows new.parquet"),
)
@click.argument("view")
@click.option(
    "--rows",
    "file",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Rows of the source: .parquet, .arrow, .csv or .jsonl.",
)
@shared
def push_command(call: Call, view: str, file: Path) -> int:
    """Push new rows of VIEW's source, to be seen at once.

    They are rows of the source that the view is made of: every online view that is made of it row by row has them
    within milliseconds, and the next run has them too. A row that was pushed before is known again.
    """
    from sqlfeat.cli.describe_online import pushed
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        push = project.push(view, file)
    if call.as_json:
        write_json(push.as_dict())
    else:
        data().print(pushed(push))
    return 0
