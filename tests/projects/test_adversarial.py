"""Everything that is hard about a point-in-time lookup, as a project: eight training sets, each exactly as expected."""

from datetime import UTC, datetime, timedelta

import pyarrow.parquet as parquet
import pytest

from sqlfeat import Project
from tests.projects.cases import SLICES, copy_of, differences

CASE = SLICES / "adversarial"
TRAINING_SETS = [
    "pit_incl_nottl", "pit_incl_ttl1h", "pit_incl_ttl0", "pit_strict_nottl", "pit_strict_ttl1h",
    "pit_incl_nottl_created", "pit_incl_ttl1h_created", "window_1h",
]  # fmt: skip
T = datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC) + timedelta(microseconds=1)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adversarial")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADVERSARIAL_DATA", str(CASE / "data"))
        with Project.load(copy_of("adversarial", folder)) as project:
            yield project


@pytest.mark.parametrize("name", TRAINING_SETS)
def test_a_training_set_is_exactly_as_expected(project, tmp_path, name):
    project.build_training_set(name, out=tmp_path / "rows.parquet")
    rows = parquet.read_table(tmp_path / "rows.parquet")

    assert differences(CASE / "expected" / f"{name}.parquet", rows, ["row_id"])[:5] == []


@pytest.mark.parametrize(("view", "snapshot"), [("readings", "snapshot"), ("readings_created", "snapshot_created")])
def test_a_view_at_an_instant_is_the_snapshot(project, view, snapshot):
    project.run([f"+{view}"])
    shown = project.show(view, at=T, limit=None)

    expected = CASE / "expected" / f"{snapshot}_20161231T235959_000001Z.parquet"
    assert differences(expected, shown, ["tenant", "user id"])[:5] == []


def test_wall_clocks_become_the_instants_that_they_mean(project):
    project.run(["local_times"])
    ours = {(row["local"], row["zone"]): row["utc"] for row in project.table("local_times").to_pylist()}
    expected = parquet.read_table(CASE / "expected" / "local_times.parquet").to_pylist()

    wrong = [row for row in expected if not row["ambiguous"] and ours[row["local"], row["zone"]] != row["utc"]]
    assert wrong[:3] == []
