"""A sweep on the command line: what is swept over, how its trials read, and which code comes back."""

from __future__ import annotations

from typing import Any

import pytest
from rich.text import Text

from sqlfeat.cli.describe_training import reports
from sqlfeat.ops.results import Event, NodeResult
from tests.cli.test_training import version


def trial(number: int, leaves: int, auc: float | None, error: str | None = None) -> dict[str, Any]:
    return {
        "trial": number,
        "values": {"num_leaves": leaves, "rate": 0.1},
        "params": {},
        "metrics": {} if auc is None else {"validation": {"auc": auc}},
        "seconds": 1.25,
        "error": None if error is None else {"message": error},
    }


def swept(*trials: dict[str, Any]) -> dict[str, Any]:
    grid = [{"param": "num_leaves", "values": [15, 31, 63]}, {"param": "rate", "values": [0.1]}]
    return {"metric": "validation.auc", "better": "greater", "grid": grid, "best": 2, "trials": list(trials)}


GOOD = swept(trial(1, 15, 0.71), trial(2, 31, 0.7251))
PARTLY = swept(trial(1, 15, 0.71), trial(2, 31, 0.7251), trial(3, 63, None, "The hook raised ValueError: no"))


def test_the_trials_of_a_sweep_are_told_one_a_line(typing, project):
    project.answers["train"] = version(reports={"sweep": GOOD})

    ended = typing("train", "late_lgbm", "--sweep")

    assert ended.code == 0
    assert ended.out.endswith(
        """
  sweep over 2 trials; greater validation.auc is better
  trial   num_leaves   rate    time   validation.auc
      1   15           0.1    1.2 s           0.7100
      2   31           0.1    1.2 s           0.7251   the best
"""
    )


def test_a_trial_that_failed_is_told_and_is_a_failure(typing, project):
    project.answers["train"] = version(reports={"sweep": PARTLY})

    ended = typing("train", "late_lgbm", "--sweep")

    assert ended.code == 1
    assert ended.out.splitlines()[-1] == (
        "      3   63           0.1    1.2 s                    failed: The hook raised ValueError: no"
    )
    assert typing("train", "late_lgbm", "--sweep", "--json").code == 1
    assert typing("train", "late_lgbm", "--sweep", "--json").document["reports"]["sweep"] == PARTLY


@pytest.mark.parametrize(
    ("words", "params", "sweep"),
    [
        (["--sweep"], {}, True),
        (["--sweep", "-p", "a=15,31,x", "-p", "b=1"], {"b": 1}, {"a": [15, 31, "x"]}),
        (
            ["--grid", "a=1e-3, 2", "--grid", "b=[[1], null]", "--grid", "c=5"],
            {},
            {"a": [0.001, 2], "b": [[1], None], "c": [5]},
        ),
        (["--sweep", "-p", "a=[1,2]", "-p", 'b="x,y"'], {"a": [1, 2], "b": "x,y"}, True),
        (["-p", "a=auc,loss"], {"a": "auc,loss"}, False),
    ],
)
def test_several_values_are_a_grid_where_a_sweep_is_meant(typing, project, words, params, sweep):
    project.answers["train"] = version()

    typing("train", "late_lgbm", *words, "--quiet")

    assert project.calls["train"] == (("late_lgbm",), {"params": params, "sweep": sweep, "metric": None, "jobs": None})


def test_what_the_best_is_chosen_by_and_how_many_run_at_a_time_go_along(typing, project):
    project.answers["train"] = version()

    typing("train", "late_lgbm", "--sweep", "--metric", "min test.cost", "--jobs", "3")

    assert project.calls["train"][1] == {"params": {}, "sweep": True, "metric": "min test.cost", "jobs": 3}


def test_trials_are_shown_while_they_end(typing, project):
    result = NodeResult("num_leaves=15", "trial", "trained", None, 1.25, "validation.auc 0.71")
    project.answers["train"] = version()
    project.events = [
        Event("plan", total=2),
        Event("start", "num_leaves=15"),
        Event("end", "num_leaves=15", result=result),
    ]

    shown = typing("train", "late_lgbm", "--sweep").err

    assert " ".join(shown.split()) == "[1/2] trained num_leaves=15 trial 1.2 s validation.auc 0.71"


REPORTS = {
    "calibration": {
        "test": {"of": "probability", "error": 0.02, "bins": [], "quantiles": []},
        "validation": {
            "of": "probability",
            "error": 0.0123,
            "bins": [],
            "quantiles": [{"from": 0, "to": 0.2, "rows": 1234, "weight": 1234.0, "predicted": 0.1, "actual": 0.125}],
        },
    },
    "slices": {
        "test": {
            "carrier": {
                "values": [{"value": "UA", "rows": 1500, "metrics": {"auc": 0.75, "brier": None}},
                           {"value": None, "rows": 3, "metrics": {"auc": None, "brier": 0.5}}],
                "others": {"values": 4, "rows": 10, "metrics": {"auc": 0.5, "brier": 0.2}},
            }
        }
    },
    "curves": {"validation": {"auc": [0.5, None, 0.75, 0.7]}},
}  # fmt: skip


def test_the_reports_of_a_version_read_as_a_person_wants_them():
    told = reports(version(reports=REPORTS, importances={"permutation": {"delay_7d": 0.0314, "carrier": -0.001}}))

    assert isinstance(told, Text)
    assert (
        told.plain
        == """\
  importance (permutation): how much worse the metric gets without it
  input      worse by
  delay_7d    +0.0314
  carrier     -0.0010

  calibration of the probability on validation; expected error: test 0.0200, validation 0.0123
  predicted   actual    rows
     0.1000   0.1250   1,234

  slices of test
  column    value       rows      auc    brier
  carrier   UA         1,500   0.7500     null
  carrier   null           3     null   0.5000
  carrier   (4 more)

  curves
  set          metric   rounds    first    least     most     last
  validation   auc           4   0.5000   0.5000   0.7500   0.7000"""
    )


def test_a_version_without_reports_says_nothing_of_them():
    assert reports(version(importances={})) is None
