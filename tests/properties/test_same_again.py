"""The same rows, bit for bit: in another folder, another time zone, with other threads and another hash seed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.properties import lookup_project, window_project
from tests.properties.workbench import laid_out

REPOSITORY = Path(__file__).resolve().parents[2]
SEED = 20_130_310
BUILD = """
import sys
from pathlib import Path
from sqlfeat import Project
with Project.load(sys.argv[1], threads=int(sys.argv[2])) as project:
    for name in sys.argv[3:]:
        project.build_training_set(name, out=Path(sys.argv[1]) / "out" / f"{name}.parquet")
    project.build_training_set(sys.argv[3], sample=0.5)
    project.build_training_set(sys.argv[3], sample=20)
"""
MACHINES = {
    "UTC, one thread": {"TZ": "UTC", "PYTHONHASHSEED": "0", "threads": "1"},
    "New York": {"TZ": "America/New_York", "PYTHONHASHSEED": "1", "threads": "2"},
    "Kolkata": {"TZ": "Asia/Kolkata", "PYTHONHASHSEED": "12345", "threads": "4", "LC_ALL": "C"},
}
PROJECTS = {
    "lookups": (lookup_project, lookup_project.files(), ["whole_rows"], (SEED, 30, 300, 150)),
    "windows": (
        window_project,
        window_project.files(["late", "soon_totals"]),
        ["of_late_strict", "of_soon_totals"],
        (SEED, 10, 120, 100, True),
    ),
}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_training_set_has_the_same_bytes_on_every_machine(tmp_path, name):
    module, files, training_sets, recipe = PROJECTS[name]
    told = {}
    for number, (machine, settings) in enumerate(MACHINES.items()):
        folder = tmp_path / f"folder number {number}"
        laid_out(folder, files, module.World.made(*recipe).tables(), module.SCHEMAS)
        environment = {**os.environ, **{key: value for key, value in settings.items() if key != "threads"}}
        run = [sys.executable, "-c", BUILD, str(folder), settings["threads"], *training_sets]
        done = subprocess.run(run, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told[machine] = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "out").iterdir())
        }
        kept = folder / "target" / "training_sets"
        told[machine] |= {
            str(path.relative_to(kept)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(kept.rglob("*"))
            if path.is_file() and path.name != "built.json"
        }

    first, *others = told.values()
    assert len(first) == len(training_sets) + 3 * (len(training_sets) + 2)  # Parquet, manifest, profile of each
    assert [other for other in others if other != first] == []
