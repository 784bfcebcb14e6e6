"""How an error reads, and which exit code it has.

Every exception that ends a command becomes a :class:`SqlfeatError` first, so that there is one shape: place, code,
sentence, the line with a caret, details, hint. It goes to stderr for a person and, with ``--json``, to stdout as the
one document. Knows nothing of commands.
"""

from __future__ import annotations

import errno
import traceback
from typing import TYPE_CHECKING

import click

from sqlfeat.base.names import nearest
from sqlfeat.errors import ProjectErrors, SqlfeatError, StoreError, UsageError, excerpt

if TYPE_CHECKING:
    from rich.text import Text

EXIT_FAILED = 1
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_READER_GONE = 141
EXIT_TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM came. A kind of Ctrl-C, so that whoever cleans up after one cleans up after the other."""


def report(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Tell what ended the command, and give the exit code."""
    from sqlfeat.cli.render import write_error, write_json

    known, code = classify(error)
    if debug:
        traceback.print_exception(error)
    if as_json:
        write_json({"error": known.as_dict()})
    else:
        write_error(known)
    return code


def classify(error: BaseException) -> tuple[SqlfeatError, int]:
    """The error in our own words, and its exit code."""
    if isinstance(error, SqlfeatError):
        return error, error.exit_code
    if isinstance(error, click.Abort) and error.__cause__ is not None:
        return classify(error.__cause__)
    if isinstance(error, Terminated):
        return SqlfeatError("terminated", "Stopped by SIGTERM; what was under way is rolled back."), EXIT_TERMINATED
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return SqlfeatError("interrupted", "Interrupted; what was under way is rolled back."), EXIT_INTERRUPTED
    if isinstance(error, click.ClickException):
        return usage_error(error), EXIT_ERROR
    if isinstance(error, OSError) and error.errno in _MACHINE:
        return machine_error(error), EXIT_ERROR
    return internal_error(error), EXIT_ERROR


_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
"""What a machine refuses, and no program can mend."""


def machine_error(error: OSError) -> SqlfeatError:
    """A file that the machine does not let us write or read, wherever that was."""
    which = str(error.filename) if error.filename else "A file"
    hint = "is there room on the disk, and may you write into the project's folder?"
    return StoreError("cannot-write", f"{which} cannot be written or read: {error.strerror}.", hint=hint)


def usage_error(error: click.ClickException) -> SqlfeatError:
    """A command line that click cannot read, in our own words."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "sqlfeat"
    look = f"`{command} --help` says what there is."
    if isinstance(error, click.NoSuchOption):
        return _unknown_option(error, command, context)
    if isinstance(error, click.MissingParameter):
        missing = error.param.make_metavar(context) if error.param and context else "an argument"
        return UsageError("missing-argument", f"{command} needs {missing}.", hint=look)
    if isinstance(error, click.BadParameter):
        name = error.param.opts[0] if error.param and isinstance(error.param, click.Option) else "An argument"
        return UsageError("bad-argument", f"{name}: {error.message}", hint=look)
    return UsageError("bad-usage", f"{command}: {error.format_message()}", hint=look)


def _unknown_option(error: click.NoSuchOption, command: str, context: click.Context | None) -> SqlfeatError:
    options = context.command.get_params(context) if context else []
    names = [
        name for option in options if isinstance(option, click.Option) and not option.hidden for name in option.opts
    ]
    meant = nearest(error.option_name, [name for name in names if name.startswith("--")])
    hint = f"did you mean {meant!r}?" if meant else f"`{command} --help` says what there is."
    return UsageError("unknown-option", f"{command} has no option {error.option_name!r}.", hint=hint)


def internal_error(error: BaseException) -> SqlfeatError:
    """A bug of ours: say so in a sentence, and how to get the traceback."""
    what = f"{type(error).__name__}: {error}".strip().rstrip(":").splitlines()[0]
    return SqlfeatError(
        "internal-error",
        f"Something in sqlfeat went wrong that should not have: {what}",
        hint="the same command with --debug prints the traceback; please report it with that.",
    )


def error_text(error: SqlfeatError) -> Text:
    """The error as it is printed: ``str(error)`` with colour, nothing more and nothing less."""
    from rich.text import Text

    if isinstance(error, ProjectErrors):
        return Text("\n\n").join([error_text(one) for one in error.errors])
    place = error.where
    text = Text()
    if place:
        text.append(f"{place}: ", "bold")
    text.append(f"[{error.code}]", "bold red").append(f" {error.what}", "bold")
    if place and place.text:
        line, caret = excerpt(place)
        text.append(f"\n{line}").append(f"\n{caret}", "red")
    for detail in error.details:
        text.append(f"\n  {detail}")
    for caller in place.via if place else ():
        text.append(f"\n  called from {caller}", "dim")
    if error.hint:
        text.append("\n\nHint: ", "cyan").append(error.hint)
    return text
