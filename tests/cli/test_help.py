"""Every command explains itself, at once."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from sqlfeat.cli.main import MODULES, program

REGISTRY = ("ls", "show", "history", "diff", "alias", "rollback", "archive", "gc", "audit", "reproduce")
COMMANDS = [*MODULES, *(f"registry {name}" for name in REGISTRY)]

LISTED = """\
Usage: sqlfeat [OPTIONS] [COMMAND] [ARGS]...

  Features, training sets and models from SQL: time-safe, tested, versioned.

Options:
  --version   Say which version this is.
  -h, --help  Show this message and exit.

Project:
  init   Make a new project that runs at once.
  debug  Say where everything is and whether the target answers.
  clean  Delete what was generated, and say what.

Models:
  ls       List models, sources, seeds and tests.
  show     Run a model's SQL and print its rows.
  compile  Write the SQL that is run; print that of a single model.
  run      Make the models that are missing or changed.
  test     Run the data tests.
  build    Make seeds and models and test them, in one go.
  check    Check everything that can be known without running it.
  verify   Prove by computing that no model looks into the future.
  lineage  Show which columns a column comes from, down to the sources.

Training:
  build-training-set  Join label rows with features as known at their time.
  training-sets       List, show, compare and drop the training sets that are kept.
  features            Look features up for any rows, as known at their time.
  explain             Show where the values of one training row come from.
  train               Train a hook's model, measure it, keep it as a version.
  predict             Score rows with a registered model.
  registry            Registered models: versions, aliases, who changed what.

Watching:
  monitor  Compare data and models with what they were.

Serving:
  publish  Publish the online feature views as one snapshot.
  push     Push new rows of VIEW's source, to be seen at once.
  serve    Serve features and predictions over HTTP.

"""


def test_the_program_lists_its_commands_by_what_they_are_for(typing):
    shown = typing("--help")

    assert shown.code == 0
    assert shown.out.startswith(LISTED)


def test_the_program_alone_shows_its_help(typing):
    assert typing().out == typing("--help").out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_sentence_and_options(typing, command):
    shown = typing(*command.split(), "--help")

    assert shown.code == 0
    assert shown.out.startswith(f"Usage: sqlfeat {command}")
    assert "..." not in typing("--help").out.partition("Project:")[2]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("registry", "training-sets")])
def test_every_command_has_the_options_of_every_command(typing, command):
    shared = typing(*command.split(), "--help").out.partition("Options of every command:")[2]

    for option in ("--project-dir", "--target", "--vars", "--threads", "--json", "--quiet", "--debug"):
        assert option in shared


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_in_a_help_text_can_be_typed(command):
    context = click.Context(program)
    found: click.Command | None = program
    for name in command.split():
        assert isinstance(found, click.Group)
        found = found.get_command(context, name)
    assert found is not None

    for line in (found.epilog or "").splitlines()[2:]:
        words = line.split()
        assert words[0] == "sqlfeat"
        program.make_context("sqlfeat", words[1:], resilient_parsing=False)


def test_the_version_is_the_package_s(typing):
    from importlib.metadata import version

    assert typing("--version").out == f"sqlfeat {version('sqlfeat')}\n"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"]])
def test_help_waits_for_no_engine(words):
    heavy = ("duckdb", "pyarrow", "sqlglot", "rich", "yaml", "jinja2", "numpy")
    script = (
        f"import sys; from sqlfeat.cli.main import main; main({words!r}); "
        f"sys.exit(' '.join(name for name in {heavy!r} if name in sys.modules) or 0)"
    )

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert ended.stderr == ""
    assert ended.returncode == 0


def test_a_project_is_there_before_any_engine_is():
    heavy = ("duckdb", "pyarrow", "numpy", "sqlglot")
    script = f"import sys, sqlfeat.api; sys.exit(' '.join(name for name in {heavy!r} if name in sys.modules) or 0)"

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (ended.stderr, ended.returncode) == ("", 0)
