"""The environment of the real clients: ``make clients`` makes it from ``requirements.txt``; tests only ask it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".clients" / "bin" / "python"


def run(script: str, *arguments: str, python: Path = PYTHON, timeout: float = 100.0) -> str:
    """What a script of this folder, or a module (``-m NAME``), prints in that environment."""
    if not python.exists():
        raise AssertionError("the environment of the clients is not there: make clients")
    program = ["-m", script.removeprefix("-m ")] if script.startswith("-m ") else [str(Path(__file__).parent / script)]
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "COV_", "PYTHON"))}
    environment |= {"FEAST_USAGE": "False", "NO_PROXY": "127.0.0.1"}
    command = [str(python), "-W", "ignore", *program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answer(script: str, *arguments: str, python: Path = PYTHON) -> Any:
    """The JSON document that a script prints last."""
    return json.loads(run(script, *arguments, python=python).strip().splitlines()[-1])
