"""What is published: the wheel holds all that it needs and nothing else, and the main job runs from it.

The wheel is built and installed into an environment of its own, where sqlfeat comes from the wheel and its
dependencies are borrowed from the environment that runs the tests. Every command runs outside the checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
METADATA = f"sqlfeat-{version('sqlfeat')}.dist-info"

pytestmark = pytest.mark.packaging


def outside(folder: Path) -> dict[str, str]:
    """An environment in which nothing leads back to the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "COV_"))}
    return {**kept, "COLUMNS": "120", "PATH": f"{folder}{os.pathsep}{kept['PATH']}"}


def run(
    *words: str | Path, folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [str(word) for word in words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, f"{words}\n{ended.stdout}\n{ended.stderr}"
    return ended


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of a fresh environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    install = ("install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-compile", wheel)
    run(sys.executable, "-m", "pip", "--python", python, *install, folder=folder)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


@pytest.fixture(scope="module")
def flights(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project, made by `sqlfeat init`."""
    folder = tmp_path_factory.mktemp("somewhere")
    run("sqlfeat", "init", "x", folder=folder, environment=outside(installed))
    return folder / "x"


def test_the_wheel_holds_the_package_its_assets_and_the_license(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        license_text = archive.read(f"{METADATA}/licenses/LICENSE").decode()

    assert "sqlfeat/_assets/project_template/sqlfeat_project.yml" in names
    assert {name for name in names if name.startswith("sqlfeat/_assets/project_template/data/")}
    macros = {f"sqlfeat/_assets/{file.relative_to(ROOT).as_posix()}" for file in (ROOT / "macros").rglob("*.sql")}
    assert macros
    assert macros <= names
    page = {file.relative_to(ROOT).as_posix() for file in (ROOT / "sqlfeat/ops/monitoring/page").iterdir()}
    assert len(page) == 4
    assert page <= names
    assert "sqlfeat/py.typed" in names
    assert "Apache License" in license_text


def test_the_wheel_holds_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    assert {name.split("/")[0] for name in names} == {"sqlfeat", METADATA}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".duckdb"))]
    assert not [name for name in names if name.startswith(("sqlfeat/tests", "sqlfeat/_assets/project_template/target"))]


def test_sqlfeat_comes_from_the_wheel(installed, tmp_path):
    words = (installed / "python", "-c", "import sqlfeat; print(sqlfeat.__file__)")
    ended = run(*words, folder=tmp_path, environment=outside(installed))

    assert ended.stdout.startswith(str(installed.parent))


def test_a_new_project_runs_once_and_then_has_nothing_to_do(installed, flights):
    first = json.loads(run("sqlfeat", "run", "--json", folder=flights, environment=outside(installed)).stdout)
    second = run("sqlfeat", "run", folder=flights, environment=outside(installed))

    assert {result["status"] for result in first["results"]} == {"built"}
    assert second.stderr == f"Nothing to do: all {len(first['results'])} models are up to date.\n"


def test_the_main_job_runs_from_the_wheel(installed, flights):
    def answer(*words: str) -> dict[str, object]:
        return json.loads(run("sqlfeat", *words, "--json", folder=flights, environment=outside(installed)).stdout)

    built = answer("build")
    training_set = answer("build-training-set", "late_flights")
    trained = answer("train", "late_lgbm")
    predicted = answer("predict", "late_lgbm")

    assert {result["status"] for result in built["results"]} <= {"built", "unchanged", "passed", "warned"}
    assert Path(training_set["path"]).is_dir()
    assert trained["metrics"]["test"]["auc"] > 0.6
    assert predicted["version"] == trained["version"]
    assert Path(predicted["path"]).is_file()
