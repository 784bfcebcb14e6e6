"""What every command is told: the options that they share, and the kinds of values that they take.

A command receives the shared options as one :class:`Call`. They may stand before the command too
(``sqlfeat --project-dir x run``). Knows how to open the project that a call is about; not what is done with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from sqlfeat.base.names import did_you_mean
from sqlfeat.errors import UsageError

if TYPE_CHECKING:
    from sqlfeat.api import Project

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Call:
    """The shared options of one command line."""

    project_dir: Path = Path()
    target: str | None = None
    vars: Mapping[str, Any] = field(default_factory=dict)
    threads: int | None = None
    as_json: bool = False
    quiet: bool = False
    debug: bool = False

    @contextmanager
    def project(self) -> Iterator[Project]:
        """The project, open, with somebody who watches the work unless only data are asked for."""
        from sqlfeat.api import Project
        from sqlfeat.cli.progress import watching

        with (
            watching(silently=self.quiet or self.as_json) as listener,
            Project.load(
                self.project_dir,
                target=self.target,
                vars=self.vars,
                threads=self.threads,
                listener=listener,
            ) as project,
        ):
            yield project


def instant(text: str) -> datetime:
    """A date or a time as ISO 8601 writes it, aware and in UTC; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time; write 2013-03-01, '2013-03-01 06:30' or 2013-03-01T06:30-05:00."
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def assignment(text: str) -> Mapping[str, Any]:
    """``key=value``: the value is a number, true, false, null, a JSON list or object, or else text."""
    key, sign, value = text.partition("=")
    if not sign or not re.fullmatch(r"[A-Za-z_][\w.-]*", key):
        raise click.BadParameter(f"{text!r} is no key=value.")
    return {key: plain_value(value)}


def variables(text: str) -> Mapping[str, Any]:
    """``{key: value, …}`` in YAML or JSON, as dbt has it, or ``key=value``."""
    if re.match(r"[A-Za-z_]\w*=", text):
        return assignment(text)
    from sqlfeat.base.yaml import read_yaml

    node = read_yaml(text, "--vars")
    if node is not None and not node.is_mapping:
        raise click.BadParameter(f"{text!r} is no mapping; write 'horizon: 15' or horizon=15.")
    return dict(node.value) if node else {}


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def plain_value(text: str) -> Any:
    """What a value on the command line means: ``1e-3`` is a number, ``true`` is true, ``gbdt`` is text."""
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    if text.casefold() in ("true", "false", "null", "none"):
        return {"true": True, "false": False}.get(text.casefold())
    if text[:1] in ("[", "{", '"'):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def merged(_: click.Context, __: click.Parameter, values: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    """Several mappings as one; the last one wins."""
    return {key: value for mapping in values for key, value in mapping.items()}


def _shared(*, hidden: bool) -> list[Callable[[Callable[..., Any]], Callable[..., Any]]]:
    folder = click.Path(path_type=Path)
    return [
        click.option(
            "--project-dir",
            "project_dir",
            type=folder,
            default=Path(),
            metavar="FOLDER",
            hidden=hidden,
            help="The project's folder; where you are by default.",
        ),
        click.option(
            "--target",
            "-t",
            "target",
            metavar="NAME",
            hidden=hidden,
            help="The target to work on; the project's default_target by default.",
        ),
        click.option(
            "--vars",
            "vars",
            type=variables,
            multiple=True,
            callback=merged,
            metavar="YAML",
            hidden=hidden,
            help="Variables over those of the project: '{horizon: 15}' or horizon=15; may be repeated.",
        ),
        click.option(
            "--threads",
            "threads",
            type=click.IntRange(1),
            metavar="N",
            hidden=hidden,
            help="How many threads to work on; the target's by default.",
        ),
        click.option(
            "--json",
            "as_json",
            is_flag=True,
            hidden=hidden,
            help="One JSON document on stdout, and nothing else anywhere.",
        ),
        click.option("--quiet", "-q", "quiet", is_flag=True, hidden=hidden, help="No talk: only data and errors."),
        click.option("--debug", "debug", is_flag=True, hidden=hidden, help="Tracebacks with errors."),
    ]


def shared_defaults(function: Callable[P, R]) -> Callable[..., R]:
    """The shared options on the group itself: what a command is not told holds from there."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in Call.__dataclass_fields__:
            kwargs.pop(name, None)
        return function(*args, **kwargs)

    decorated: Callable[..., R] = wrapper
    for option in _shared(hidden=True):
        decorated = option(decorated)
    return decorated


def shared(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the shared options, as the :class:`Call` that is its first argument."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> R:
        context = click.get_current_context()
        told = {name: kwargs.pop(name) for name in Call.__dataclass_fields__}
        before = context.find_root().params
        for name in told:
            if context.get_parameter_source(name) is click.core.ParameterSource.DEFAULT and name in before:
                told[name] = before[name]
        return function(Call(**told), *args, **kwargs)

    decorated: Callable[..., R] = wrapper
    for option in reversed(_shared(hidden=False)):
        decorated = option(decorated)
    return decorated


class Commands(click.Group):
    """A group that knows which command was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest one."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            hint = did_you_mean(args[0], known)
            raise UsageError("unknown-command", f"{ctx.command_path} has no command {args[0]!r}.", hint=hint)
        return super().resolve_command(ctx, args)


def examples(*lines: str) -> str:
    """What stands below a command's options."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


class Command(click.Command):
    """A command whose help tells its own options apart from those of every command."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both kinds of options."""
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for option in self.get_params(ctx):
            line = option.get_help_record(ctx)
            if line and isinstance(option, click.Option):
                (shared if option.name in Call.__dataclass_fields__ or option.name == "help" else own).append(line)
        for title, lines in (("Options", own), ("Options of every command", shared)):
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines, col_max=26)


class Selecting(Command):
    """A command without arguments whose ``--select`` takes several words, as dbt's does: ``-s staging +orders``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each word that follows it."""
        ctx.allow_extra_args = True
        super().parse_args(ctx, spread(args, ("-s", "--select", "--exclude")))
        if ctx.args:
            names = " ".join(ctx.args)
            hint = f"to choose: {ctx.command_path} --select {names}"
            raise UsageError("bad-usage", f"{ctx.command_path} takes no argument {names!r}.", hint=hint)
        return ctx.args


class Listing(Command):
    """A command whose ``--features`` takes several words: ``--features carrier_delays.* dep_hour``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each word that follows it; what stands before it are the arguments."""
        return super().parse_args(ctx, spread(args, ("--features",)))


def spread(args: list[str], options: tuple[str, ...]) -> list[str]:
    """The words with an option repeated before each of those that follow it."""
    written: list[str] = []
    taking = ""
    for word in args:
        if word.startswith("-"):
            taking = word if word in options else ""
        elif taking and written[-1] != taking:
            written.append(taking)
        written.append(word)
    return written


def size(text: str) -> float:
    """A number of rows (``500``), or a share of them (``0.1``, ``10%``)."""
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no sample; write 500, 0.1 or 10%.") from None
    return number / 100 if text.endswith("%") else number


_CENTURY = 36_525 * 86_400_000_000


def span(text: str) -> timedelta:
    """A span of time of a fixed length: ``30 days``, ``12h``."""
    from sqlfeat.spec.duration import Duration

    try:
        length = Duration.parse(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no span of time; write '30 days' or '12 hours'.") from None
    if length.months or length.microseconds > _CENTURY:
        raise click.BadParameter(f"{text!r} is no number of days that can be meant; write '30 days'.")
    return timedelta(microseconds=length.microseconds)


def words(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The words of an option that may be repeated and may hold several."""
    return tuple(word for value in values for word in value.replace(",", " ").split())


def _words(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in value.split())


def selection(function: Callable[..., R]) -> Callable[..., R]:
    """``--select`` and ``--exclude``, as dbt has them."""
    exclude = click.option(
        "--exclude", multiple=True, callback=_words, metavar="SELECTOR…", help="Leave these out, in the same words."
    )
    select = click.option(
        "--select",
        "-s",
        "select",
        multiple=True,
        callback=_words,
        metavar="SELECTOR…",
        help="Only these: NAME, +NAME (with all it needs), NAME+ (with all that needs it), 2+NAME, @NAME, tag:T, "
        "path:P, source:S, config.materialized:M, with * in names; a space is 'or', a comma is 'and'.",
    )
    return select(exclude(function))
