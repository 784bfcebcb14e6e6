"""A web shop's clicks as a project: sessions, strict lookups, ratios of windows and a view without an entity."""

import pyarrow.parquet as parquet
import pytest

from sqlfeat import Project
from tests.projects.cases import SLICES, WHOLE, copy_of, differences, judged, whole_cases


@pytest.fixture
def build(tmp_path, monkeypatch):
    def build(data):
        monkeypatch.setenv("ECOM_DATA", str(data))
        with Project.load(copy_of("ecom_clicks", tmp_path)) as project:
            project.build_training_set("purchases", out=tmp_path / "purchases.parquet")
        return tmp_path / "purchases.parquet"

    return build


def test_the_slice_has_exactly_the_expected_rows(build):
    rows = parquet.read_table(build(SLICES / "ecom_clicks" / "data"))

    assert differences(SLICES / "ecom_clicks" / "expected" / "training_set.parquet", rows, ["event_id"])[:5] == []


@whole_cases
def test_the_whole_case_is_judged_same(build):
    out = build(WHOLE / "ecom_clicks" / "data")

    assert judged("ecom_clicks", "training_set.parquet", out, "event_id") == "SAME"
