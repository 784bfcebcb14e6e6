"""What git says of a folder; None wherever it says nothing.

Nothing here writes into a repository: where an index is needed it is one of ours, given in ``environment``.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 20.0
"""So many seconds git may take before we go on without its answer."""


def git(
    folder: Path,
    *arguments: str,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    patience: float = PATIENCE,
) -> bytes | None:
    """What ``git ARGUMENTS`` prints in a folder; None where it fails, takes too long, or is not there."""
    # What a git hook or a wrapper left in the environment must not lead to another repository than the folder's own.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            timeout=patience,
            check=False,
            env={**clean, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **(environment or {})},
            input=stdin,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def git_line(folder: Path, *arguments: str) -> str | None:
    """The same as text, without what ends it."""
    said = git(folder, *arguments)
    return None if said is None else said.decode(errors="replace").strip()


def git_paths(folder: Path, *arguments: str) -> list[str] | None:
    """The paths that a command with ``-z`` prints."""
    said = git(folder, *arguments)
    return None if said is None else [os.fsdecode(path) for path in said.split(b"\0") if path]
