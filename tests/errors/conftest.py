"""Errors as a user meets them: a project with a mistake in it, and the whole text that sqlfeat tells of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from sqlfeat.errors import SqlfeatError
from tests.made.projects import Files, Opened, error_of, result_of, shop

Telling = Callable[..., str]


def as_read(error: SqlfeatError, root: Path) -> str:
    """The error's text as it is printed; the project's own folder is called ``PROJECT``."""
    return str(error).replace(str(root), "PROJECT")


def text(expected: str) -> str:
    """An expected text, indented in the test for the eye."""
    return dedent(expected).strip("\n")


@pytest.fixture
def told(tmp_path: Path) -> Telling:
    """What compiling a project with these files tells, or one that holds only these (``alone``)."""

    def told(files: Files) -> str:
        root = shop(tmp_path, files)
        return as_read(error_of(root), root)

    return told


@pytest.fixture
def told_by_run(tmp_path: Path) -> Telling:
    """What running a project with these files tells of one node."""

    def told_by_run(files: Files, node: str) -> str:
        root = shop(tmp_path, files)
        error = result_of(Opened(root).run(), node).error
        assert error is not None
        return as_read(error, root)

    return told_by_run
