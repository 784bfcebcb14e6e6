"""The process's edge: finds the command, and turns whatever happens into text and an exit code.

It knows which commands there are and in which module each lives; a module is imported when its command is asked for,
so that ``sqlfeat --help`` waits for no engine. Here alone an unexpected exception is caught. What the commands do,
and how an error reads, is told elsewhere.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import NoReturn

import click

from sqlfeat.cli.failure import EXIT_READER_GONE, Terminated, report
from sqlfeat.cli.options import Commands, shared_defaults

SECTIONS: dict[str, dict[str, str]] = {
    "Project": {"init": "project", "debug": "project", "clean": "project"},
    "Models": {"ls": "models", "show": "models", "compile": "models", "run": "models", "test": "models"}
    | {"build": "models", "check": "check", "verify": "verify", "lineage": "lineage"},
    "Training": {
        "build-training-set": "training",
        "training-sets": "training_sets",
        "features": "features",
        "explain": "explain",
        "train": "training",
        "predict": "training",
    }
    | {"registry": "registry"},
    "Watching": {"monitor": "monitor"},
    "Serving": {"publish": "online", "push": "online", "serve": "serve"},
}
"""Command by command, section by section: the module that holds it."""

MODULES = {name: module for section in SECTIONS.values() for name, module in section.items()}


class Program(Commands):
    """The commands of sqlfeat, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the help."""
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name: ``build-training-set`` is ``build_training_set`` in its module."""
        if cmd_name not in MODULES:
            return None
        module = import_module(f"sqlfeat.cli.{MODULES[cmd_name]}")
        command = getattr(module, cmd_name.replace("-", "_") + "_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by section."""
        for title, names in SECTIONS.items():
            with formatter.section(title):
                commands = ((name, self.get_command(ctx, name)) for name in names)
                formatter.write_dl([(name, command.get_short_help_str(80)) for name, command in commands if command])


def _say_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"sqlfeat {version('sqlfeat')}")
        ctx.exit()


@click.group(
    "sqlfeat",
    cls=Program,
    no_args_is_help=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="`sqlfeat COMMAND --help` tells more. A new project: sqlfeat init flights && cd flights && sqlfeat build",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_say_version,
    help="Say which version this is.",
)
@shared_defaults
@click.pass_context
def program(ctx: click.Context) -> None:
    """Features, training sets and models from SQL: time-safe, tested, versioned."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@contextmanager
def _termination() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does: what is under way is stopped and rolled back on the way out."""

    def stop(_number: int, _frame: object) -> NoReturn:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and give its exit code."""
    gc.set_threshold(50_000, 20, 50)  # what is imported and compiled stays: it need not be looked through so often
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json, debug = "--json" in words, "--debug" in words
    try:
        with _termination():
            code = program.main(words, prog_name="sqlfeat", standalone_mode=False)
            sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # click turns the first into the second
        return _reader_gone()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the process's edge)
        return report(error, as_json=as_json, debug=debug)
    return code if isinstance(code, int) else 0


def _reader_gone() -> int:
    """Whoever read our output has seen enough (``sqlfeat show … | head``): end without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to flush at exit goes there
    return EXIT_READER_GONE


if __name__ == "__main__":
    sys.exit(main())
