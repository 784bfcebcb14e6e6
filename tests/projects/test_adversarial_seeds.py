"""The adversarial case with other seeds than the one that is kept here: the whole case makes its data anew."""

import subprocess
import sys

import pyarrow.parquet as parquet
import pytest

from sqlfeat import Project
from tests.projects.cases import WHOLE, copy_of, differences, whole_cases
from tests.projects.test_adversarial import TRAINING_SETS, T


@whole_cases
@pytest.mark.parametrize("seed", [2, 20_130_310])
def test_every_variant_is_exactly_as_expected(tmp_path, monkeypatch, seed):
    make = [sys.executable, str(WHOLE / "adversarial" / "make.py"), "--seed", str(seed), "--out", str(tmp_path)]
    subprocess.run(make, check=True, capture_output=True)
    monkeypatch.setenv("ADVERSARIAL_DATA", str(tmp_path / "data"))
    wrong = {}
    with Project.load(copy_of("adversarial", tmp_path)) as project:
        for name in TRAINING_SETS:
            project.build_training_set(name, out=tmp_path / f"{name}.parquet")
            rows = parquet.read_table(tmp_path / f"{name}.parquet")
            wrong[name] = differences(tmp_path / "expected" / f"{name}.parquet", rows, ["row_id"])[:3]
        for view, snapshot in (("readings", "snapshot"), ("readings_created", "snapshot_created")):
            expected = tmp_path / "expected" / f"{snapshot}_20161231T235959_000001Z.parquet"
            wrong[snapshot] = differences(expected, project.show(view, at=T, limit=None), ["tenant", "user id"])[:3]

    assert {name: found for name, found in wrong.items() if found} == {}
