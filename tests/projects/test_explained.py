"""Explained rows of the cases: quoted names, composite keys, strict lookups, global views, hand-written windows."""

import pyarrow.parquet as parquet
import pytest

from sqlfeat import Project
from tests.projects.cases import SLICES, copy_of, same

CASES = [
    ("adversarial", "ADVERSARIAL_DATA", "pit_strict_ttl1h", ["row_id"]),
    ("adversarial", "ADVERSARIAL_DATA", "pit_incl_ttl1h_created", ["row_id"]),
    ("adversarial", "ADVERSARIAL_DATA", "window_1h", ["row_id"]),
    ("ecom_clicks", "ECOM_DATA", "purchases", ["event_id"]),
    ("cdnow_churn", "CDNOW_DATA", "churn", ["customer_id", "cutoff"]),
]
ROWS = 3


@pytest.mark.parametrize(("case", "variable", "name", "keys"), CASES)
def test_an_explained_row_is_the_training_set_s(tmp_path, monkeypatch, case, variable, name, keys):
    monkeypatch.setenv(variable, str(SLICES / case / "data"))
    out = tmp_path / "rows.parquet"
    with Project.load(copy_of(case, tmp_path)) as project:
        project.build_training_set(name, out=out)
        rows = parquet.read_table(out).to_pylist()
        for row in rows[:: len(rows) // ROWS]:
            explanation = project.explain(name, {key: row[key] for key in keys})

            assert explanation.matching == 1
            assert [o.name for o in explanation.outputs if not same(row[o.name], o.value)] == []
            assert {lookup.view for lookup in explanation.lookups if lookup.row or lookup.columns[0].windows} == {
                lookup.view for lookup in project.manifest.models[name].training_set.lookups
            }
