"""CDNOW's orders as a project: recency, frequency, spend and churn, to the cent what was made without sqlfeat."""

from datetime import UTC, datetime

import pyarrow.parquet as parquet
import pytest

from sqlfeat import Project
from tests.projects.cases import SLICES, WHOLE, copy_of, differences, judged, whole_cases

SLICE = SLICES / "cdnow_churn"
KEYS = ["customer_id", "cutoff"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project on the slice; its tables are made by whoever needs them first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDNOW_DATA", str(SLICE / "data"))
        with Project.load(copy_of("cdnow_churn", tmp_path_factory.mktemp("cdnow"))) as project:
            yield project


@pytest.fixture(scope="module")
def rows(project, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "churn.parquet"
    project.build_training_set("churn", out=out)
    return parquet.read_table(out)


def test_the_slice_has_exactly_the_expected_rows(rows):
    assert differences(SLICE / "expected" / "training_set.parquet", rows, KEYS)[:5] == []


def test_labels_are_those_of_the_label_rows(rows):
    assert differences(SLICE / "data" / "spine.parquet", rows, KEYS)[:5] == []


def test_cutoffs_whose_churn_was_not_known_when_the_test_began_are_in_no_split(rows):
    months: dict = {}
    for row in rows.select(["cutoff", "split"]).to_pylist():
        months.setdefault(row["split"], set()).add(row["cutoff"].isoformat())

    assert max(months["train"]) == "1997-10-01"
    assert months[None] == {"1997-11-01", "1997-12-01"}
    assert min(months["test"]) == "1998-01-01"


def test_the_data_tests_pass(project):
    results = project.build().results

    assert [result.name for result in results if result.status not in ("built", "unchanged", "passed")] == []


def test_a_view_at_an_instant_has_one_row_for_each_customer_with_an_order_before(project):
    orders = parquet.read_table(SLICE / "data" / "orders.parquet").to_pylist()
    before = [row["customer_id"] for row in orders if row["order_date"].isoformat() < "1998-01-01"]
    shown = project.show("customer_orders", at=datetime(1998, 1, 1, tzinfo=UTC), limit=None).to_pylist()

    assert {row["customer_id"]: row["n_orders"] for row in shown} == {
        customer: before.count(customer) for customer in before
    }


@whole_cases
def test_the_whole_case_is_judged_same(tmp_path, monkeypatch):
    monkeypatch.setenv("CDNOW_DATA", str(WHOLE / "cdnow_churn" / "data"))
    out = tmp_path / "churn.parquet"
    with Project.load(copy_of("cdnow_churn", tmp_path)) as project:
        training_set = project.build_training_set("churn", out=out)

    assert training_set.rows == 306_410
    assert judged("cdnow_churn", "training_set.parquet", out, "customer_id,cutoff") == "SAME"
