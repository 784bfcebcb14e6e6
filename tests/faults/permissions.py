"""Folders that may not be written, and files that may not be read: every verb names the path, and serving goes on.

``python -m tests.faults.permissions``: a project is run, a training set built, published and a model registered once;
then again by a user who may not write into one of the folders, or who owns none of them. Each time the error names the
path and says what to do, what was there before is there and served, and with the right to write all goes on.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlfeat.api import Project
from sqlfeat.errors import SqlfeatError
from tests.faults.forks import ended, forked
from tests.faults.full_disk import MORE, served
from tests.faults.registry import NAME, fill, point
from tests.faults.runs import FILES, opened, state
from tests.faults.steps import NEEDED, ROWS
from tests.made.projects import shop, write

USER = 65534
"""Who does it where the superuser runs this, for whom no folder is closed."""
MODULES = (*NEEDED, "sqlfeat.ops.online.publish", "sqlfeat.ops.online.session", "sqlfeat.store.registry_changes")


def register(project: Project) -> None:
    """One more version, and an alias to it."""
    from sqlfeat.store.registry import register as registered

    version = registered(project.spec.registry_path, NAME, fill)
    point(project.spec.registry_path, "champion", version.version)


def run(project: Project) -> None:
    for node in project.run(full_refresh=True).results:
        if node.error is not None:
            raise node.error
