"""The command that serves features and predictions over HTTP."""

from __future__ import annotations

import signal
from datetime import timedelta
from typing import Any

import click

from sqlfeat.cli.failure import EXIT_INTERRUPTED, EXIT_TERMINATED
from sqlfeat.cli.options import Call, Command, examples, shared, span

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command(
    "serve",
    cls=Command,
    epilog=examples("sqlfeat serve", "sqlfeat serve --port 8080 --model late@champion", "sqlfeat serve --host 0.0.0.0"),
)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Where to listen; 127.0.0.1, this machine alone.")
@click.option("--port", type=click.IntRange(0, 65535), default=6566, metavar="N", help="The port, 6566; 0 finds one.")
@click.option("--token", envvar="SQLFEAT_TOKEN", help="What clients must send; needed but for this machine.")
@click.option("--model", metavar="NAME[@VERSION]", help="What /invocations means where it names no model.")
@click.option("--refresh", type=span, default="1s", metavar="SPAN", help="How often to look for what is new; 1s.")
@click.option("--queue", type=click.IntRange(1), default=128, metavar="N", help="How many requests may wait; 128.")
@shared
def serve_command(
    call: Call, host: str, port: int, token: str | None, model: str | None, refresh: timedelta, queue: int
) -> int:
    """Serve features and predictions over HTTP.

    From the newest snapshot, and goes over to a newer one, or to what an alias means now, while requests run.
    GET /openapi.json tells what can be asked.
    """
    from sqlfeat.base.packages import install_hint
    from sqlfeat.cli.render import write_json
    from sqlfeat.errors import StoreError, UsageError

    if host not in LOOPBACK and not token:
        raise UsageError(
            "needs-token", f"Whoever reaches {host} could ask.", hint="choose a secret: SQLFEAT_TOKEN=… or --token."
        )
    try:
        from sqlfeat.serve.application import Application
        from sqlfeat.serve.served import Served
        from sqlfeat.serve.server import Server, listen, run
    except ModuleNotFoundError as error:
        package = error.name or "msgspec"
        hint = f"{install_hint(package)}."
        raise StoreError("missing-package", f"The package {package} is not installed.", hint=hint) from error

    def talk(text: str) -> None:
        if not (call.quiet or call.as_json):
            click.echo(text, err=True)

    def failed(text: Any) -> None:
        click.echo(f"[internal-error] {text if call.debug else str(text).strip().splitlines()[-1]}", err=True)

    with call.project() as project:
        served = Served(project, model=model, log=failed)
        with listen(host, port) as listening:
            address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
            served.keep_fresh(refresh.total_seconds())
            if call.as_json:
                write_json({"address": address})
            talk(f"Serving {project.spec.name} at {address} (Ctrl-C stops).")
            try:
                number = run(Server(Application(served, token=token, log=failed), queue=queue), listening)
            finally:
                served.close()
    talk("Stopped.")
    return {int(signal.SIGINT): EXIT_INTERRUPTED, int(signal.SIGTERM): EXIT_TERMINATED}.get(number, 0)
