"""Feast's environment: made once beside the benchmarks, so that the project never depends on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WANTED = ("feast[duckdb,redis]==0.67.*", "lmdb")


def feast_python(folder: Path) -> Path | str:
    """The Python that has Feast, or words that say why there is none."""
    python, ready = folder / "bin" / "python", folder / ".ready"
    if ready.exists() and ready.read_text() == " ".join(WANTED):
        return python
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        return "Feast is not measured: this environment has no uv to install it with"
    environment = {**os.environ, "VIRTUAL_ENV": str(folder), "UV_SYSTEM_CERTS": "1"}
    for command in (
        [str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [str(uv), "pip", "install", "--quiet", *WANTED],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
        if done.returncode:
            return f"Feast is not measured: {(done.stderr.strip().splitlines() or ['uv failed'])[-1]}"
    ready.write_text(" ".join(WANTED))
    return python
