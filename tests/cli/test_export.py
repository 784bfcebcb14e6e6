"""The command that tells MLflow of a version: what it passes on, and how the answer reads."""

from __future__ import annotations

import dataclasses

from sqlfeat.ops.mlflow_export import Exported

EXPORTED = Exported("late_lgbm", 3, "sqlite:////flights/mlflow.db", "flights", "e8ed145c", "2", ("champion",), True)


def test_it_says_what_is_there_now(typing, project):
    project.answers["export_to_mlflow"] = EXPORTED

    assert (
        typing("registry", "export", "late_lgbm@3", "--mlflow").out
        == """\
late_lgbm version 3 is in MLflow now
  model        models:/late_lgbm/2
  aliases      champion
  experiment   flights
  run          e8ed145c
  tracking     sqlite:////flights/mlflow.db
"""
    )
    assert project.calls["export_to_mlflow"] == (("late_lgbm@3",), {"tracking_uri": None, "experiment": None})


def test_it_says_what_was_there_already_and_takes_another_place(typing, project):
    project.answers["export_to_mlflow"] = dataclasses.replace(EXPORTED, created=False, aliases=())

    ended = typing(
        "registry", "export", "late_lgbm", "--mlflow", "--tracking-uri", "http://mlflow", "--experiment", "late"
    )

    assert ended.out.startswith("late_lgbm version 3 was in MLflow already\n")
    assert "aliases      none\n" in ended.out
    options = {"tracking_uri": "http://mlflow", "experiment": "late"}
    assert project.calls["export_to_mlflow"] == (("late_lgbm",), options)


def test_it_is_one_json_document(typing, project):
    project.answers["export_to_mlflow"] = EXPORTED

    ended = typing("registry", "export", "late_lgbm", "--mlflow", "--json")

    assert ended.err == ""
    assert ended.document == {
        "name": "late_lgbm", "version": 3, "tracking_uri": "sqlite:////flights/mlflow.db", "experiment": "flights",
        "run_id": "e8ed145c", "model_version": "2", "model_uri": "models:/late_lgbm/2", "aliases": ["champion"],
        "created": True,
    }  # fmt: skip


def test_without_a_destination_it_says_which_there_are(typing, project):
    ended = typing("registry", "export", "late_lgbm")

    assert ended.code == 2
    assert "[bad-export] It is not said where to export to." in ended.err
    assert "Hint: sqlfeat registry export late_lgbm --mlflow." in ended.err
