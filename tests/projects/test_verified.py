"""The cases' projects, on their slices, look into no future: computed as of an instant, they were what they are."""

from __future__ import annotations

import pytest

from sqlfeat import Project
from tests.projects.cases import SLICES, copy_of

DATA = {"cdnow_churn": "CDNOW_DATA", "ecom_clicks": "ECOM_DATA", "adversarial": "ADVERSARIAL_DATA"}
RARE = {"payment_errors": "not compared"}
"""An error that happens but once in the slice, after the cutoff."""


@pytest.mark.parametrize("case", DATA)
def test_a_case_is_the_same_as_of_the_middle_of_its_time(tmp_path, monkeypatch, case):
    monkeypatch.setenv(DATA[case], str(SLICES / case / "data"))
    with Project.load(copy_of(case, tmp_path)) as project:
        found = project.verify(cutoffs=1, rebuild=False)

    assert {model.name: model.verdict for model in found.models} == {
        model.name: RARE.get(model.name, "same") for model in found.models
    }
    assert not found.failed
