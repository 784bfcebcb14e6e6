"""The command that serves features and predictions over HTTP."""

from __future__ import annotations

import gc
import signal
from collections.abc import Sequence
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sqlfeat.cli.failure import EXIT_INTERRUPTED, EXIT_TERMINATED
from sqlfeat.cli.options import Call, Command, examples, shared, span

if TYPE_CHECKING:
    from sqlfeat.api import Project
    from sqlfeat.store.serving_log import ServingLog

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command(
    "serve",
    cls=Command,
    epilog=examples(
        "sqlfeat serve",
        "sqlfeat serve --port 8080 --model late@champion",
        "sqlfeat serve --log target/serving_log --log-sample 0.1",
        "sqlfeat serve --host 0.0.0.0",
    ),
)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Where to listen; 127.0.0.1, this machine alone.")
@click.option("--port", type=click.IntRange(0, 65535), default=6566, metavar="N", help="The port, 6566; 0 finds one.")
@click.option("--token", envvar="SQLFEAT_TOKEN", help="What clients must send; needed but for this machine.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="A name by which clients call it, beside localhost.")
@click.option("--model", metavar="NAME[@VERSION]", help="What /invocations means where it names no model.")
@click.option("--refresh", type=span, default="1s", metavar="SPAN", help="How often to look for what is new; 1s.")
@click.option("--queue", type=click.IntRange(1), default=1024, metavar="N", help="How many requests may wait; 1024.")
@click.option("--log", type=click.Path(path_type=Path), metavar="FOLDER", help="Log requests and answers in FOLDER.")
@click.option("--log-sample", type=click.FloatRange(0, 1), metavar="SHARE", help="Log a share of all requests; 1.")
@click.option("--log-flush", type=span, metavar="SPAN", help="Write the log every SPAN; 60s.")
@click.option("--no-log", is_flag=True, help="Keep no log, whatever the project says.")
@shared
def serve_command(
    call: Call,
    host: str,
    port: int,
    token: str | None,
    allow_host: Sequence[str],
    model: str | None,
    refresh: timedelta,
    queue: int,
    log: Path | None,
    log_sample: float | None,
    log_flush: timedelta | None,
    no_log: bool,
) -> int:
    """Serve features and predictions over HTTP.

    From the newest snapshot, and goes over to a newer one, or to what an alias means now, while requests run.
    GET /openapi.json tells what can be asked.
    """
    from sqlfeat.errors import UsageError

    if host not in LOOPBACK and not token:
        raise UsageError(
            "needs-token", f"Whoever reaches {host} could ask.", hint="choose a secret: SQLFEAT_TOKEN=… or --token."
        )
    _need_packages()
    from sqlfeat.serve.application import Application
    from sqlfeat.serve.served import Served
    from sqlfeat.serve.server import Server, listen, run

    def failed(text: Any) -> None:
        click.echo(f"[internal-error] {text if call.debug else str(text).strip().splitlines()[-1]}", err=True)

    serving_log: ServingLog | None = None
    with call.project() as project, listen(host, port) as listening:
        serving_log = None if no_log else _log_of(project, log, log_sample, log_flush)
        served = Served(
            project,
            model=model,
            log=failed,
            serving_log=serving_log,
            opened=_settle,
            noticed=lambda text: _talk(call, text),
        )
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        served.keep_fresh(refresh.total_seconds())
        _announce(call, project.spec.name, address, serving_log)
        try:
            hosts = None if token or host not in LOOPBACK else (*LOOPBACK, "[::1]", *allow_host)
            application = Application(served, token=token, hosts=hosts, log=failed)
            number = run(Server(application, queue=queue), listening)
        finally:
            served.close()
            if serving_log is not None:
                serving_log.close()
            gc.unfreeze()  # else DuckDB complains, as the process ends, of all that was not given back
    if serving_log is not None and serving_log.problem is not None:
        click.echo(f"[{serving_log.problem.code}] {serving_log.problem.what}", err=True)
    _talk(call, "Stopped.")
    return {int(signal.SIGINT): EXIT_INTERRUPTED, int(signal.SIGTERM): EXIT_TERMINATED}.get(number, 0)


def _need_packages() -> None:
    """Raise where what the server is made of is not installed."""
    from sqlfeat.base.packages import install_hint
    from sqlfeat.errors import StoreError

    try:
        import_module("sqlfeat.serve.server")
    except ModuleNotFoundError as error:
        package = error.name or "msgspec"
        hint = f"{install_hint(package)}."
        raise StoreError("missing-package", f"The package {package} is not installed.", hint=hint) from error


def _announce(call: Call, name: str, address: str, log: ServingLog | None) -> None:
    from sqlfeat.cli.render import place, write_json

    if call.as_json:
        write_json({"address": address})
    _talk(call, f"Serving {name} at {address} (Ctrl-C stops).")
    if log is not None:
        share = "" if log.sample == 1 else f"{log.sample:.4g} of "
        _talk(call, f"Logging {share}all requests in {place(log.folder)}.")


def _talk(call: Call, text: str) -> None:
    if not (call.quiet or call.as_json):
        click.echo(text, err=True)


def _settle() -> None:
    """What is there when the server is ready stays there: no search for garbage need go through it again."""
    gc.collect()
    gc.freeze()


def _log_of(project: Project, folder: Path | None, sample: float | None, flush: timedelta | None) -> ServingLog | None:
    """The log that is asked for, or that the project names; what is said here wins."""
    from sqlfeat.errors import UsageError
    from sqlfeat.spec.serve import ServingLogSpec
    from sqlfeat.store.serving_log import ServingLog

    said = project.spec.serving_log
    if folder is not None:
        said = ServingLogSpec(folder.absolute())
    if said is None:
        if sample is not None or flush is not None:
            hint = "--log FOLDER, or serve: {log: FOLDER} in sqlfeat_project.yml."
            raise UsageError("no-serving-log", "Where is the log to be kept?", hint=hint)
        return None
    return ServingLog(
        said.path,
        sample=said.sample if sample is None else sample,
        flush=said.flush if flush is None else flush,
    )
