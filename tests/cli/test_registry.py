"""The commands about registered models: what they pass on, and how the answers read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sqlfeat.errors import RunError, StoreError
from sqlfeat.ops.comparison import PREDICTED, Comparison
from sqlfeat.ops.promotion import Judgement
from sqlfeat.ops.registry import Archived, CollectedVersions, History, Moved, Standing
from sqlfeat.ops.version_difference import compare
from sqlfeat.store.journal import Author, Entry
from sqlfeat.store.registry import RegisteredModel
from sqlfeat.store.registry_changes import AliasChange, CollectedModel, Droppable
from tests.cli.test_training import version

AT = datetime(2013, 4, 2, 8, 15, 0, 5, tzinfo=UTC)


def entry(number, action, message=None, **facts):
    return Entry(number, AT, Author("ann", "vm"), action, "0" * 64, message, facts)


@pytest.fixture
def models(project):
    """A model with three versions of which one is archived, and one of which nothing is whole."""
    damaged = StoreError("damaged-version", "The version old@v1 is damaged.")
    late = RegisteredModel("late_lgbm", (version(1), version(2), version(3)), (), {"champion": 2}, {3: AT})
    project.answers["registered_models"] = [late, RegisteredModel("old", (), (damaged,))]
    project.answers["registered_versions"] = late
    project.answers["standings"] = [
        Standing(version, late.aliases_of(version.version), version.version == 3, ("test", "auc"))
        for version in late.versions
    ]
    return project


def test_the_list_has_aliases_and_the_metric_that_counts(typing, models):
    models.answers["registered_models"][0] = models.answers["registered_versions"]

    shown = typing("registry", "ls")

    assert (
        shown.out
        == """\
  name        latest   versions   aliases       created                metric
  late_lgbm   v2       2          champion v2   2013-04-01 12:30:05Z   test.auc 0.7000
  old         -        0          -             -                      every version is damaged
"""
    )
    assert shown.err == "[damaged-version] The version old@v1 is damaged.\n"


def test_the_list_of_one_model_has_its_versions_and_archived_ones_when_asked(typing, models):
    assert (
        typing("registry", "ls", "late_lgbm").out
        == """\
  version   aliases    created                metric            training set
  v2        champion   2013-04-01 12:30:05Z   test.auc 0.7000   late_flights 5f2c9a
  v1        -          2013-04-01 12:30:05Z   test.auc 0.7000   late_flights 5f2c9a
"""
    )
    assert "  v3        archived   " in typing("registry", "ls", "late_lgbm", "--archived").out
    assert models.calls["registered_versions"] == (("late_lgbm",), {})


def test_the_list_as_json(typing, models):
    late, old = typing("registry", "ls", "--json").document["models"]

    assert (late["name"], late["latest"], late["aliases"]) == ("late_lgbm", 2, {"champion": 2})
    assert [each["version"] for each in late["versions"]] == [1, 2]
    assert late["versions"][1]["aliases"] == ["champion"]
    assert late["versions"][1]["metric"] == {"split": "test", "name": "auc", "value": 0.7}
    assert (old["latest"], old["damaged"][0]["code"]) == (None, "damaged-version")


def test_an_empty_registry_says_how_to_fill_it(typing, project):
    project.answers["registered_models"] = []

    assert typing("registry", "ls").err == "No model is registered yet: sqlfeat train HOOK registers one.\n"


def test_the_registry_shows_all_that_is_known_of_a_version(typing, project):
    project.answers["registered_model"] = version()
    project.answers["standing"] = Standing(version(), ("champion", "eu"), archived=False)

    shown = typing("registry", "show", "late_lgbm@3")

    assert (
        shown.out
        == f"""\
late_lgbm version 3
  created        2013-04-01 12:30:05.123456Z
  aliases        champion, eu
  hook           hooks/late_flights.py:late_lgbm
  training set   late_flights 5f2c9a
  path           registry/late_lgbm/v3
  file           model.txt (lightgbm), sha256 {"0f" * 32}
  git            abc123 with uncommitted changes
  versions       python 3.11.7, lightgbm 4.7.0
  log            registry/late_lgbm/v3/log.txt

  metric      train     test
  auc        0.8123   0.7000
  log_loss   0.4000     null

  parameters
  num_leaves   31
  objective    binary

  importance (gain)
  delay_7d   75.0 %   ██████████████████████████████
  carrier    25.0 %   ██████████
  idle        0.0 %
"""
    )
    assert project.calls["registered_model"] == (("late_lgbm@3",), {})
    document = typing("registry", "show", "late_lgbm@3", "--json").document
    assert (document["version"], document["aliases"], document["archived"]) == (3, ["champion", "eu"], False)


@pytest.mark.parametrize("missing", [{"git": None}, {"importances": {}}, {"params": {}}, {"metrics": {}}])
def test_a_version_of_which_less_is_known_is_shown_too(typing, project, missing):
    project.answers["registered_model"] = version(**missing)
    project.answers["standing"] = Standing(version(**missing), archived=True)

    shown = typing("registry", "show", "late_lgbm")

    assert shown.code == 0
    assert "  archived       yes: only its number means it\n" in shown.out


def test_an_alias_is_moved_and_the_comparison_is_shown(typing, project):
    found = Comparison("auc", "test", 0.81, 0.8, PREDICTED)
    judged = Judgement("late_lgbm", "champion", "late_lgbm@v3", "late_lgbm@v2", comparison=found)
    change = AliasChange("late_lgbm", "champion", 2, 3, entry(7, "alias_set"))
    project.answers["set_alias"] = Moved(change, judged)

    shown = typing("registry", "alias", "late_lgbm", "champion", "3", "-m", "better")

    assert (
        shown.out
        == """\
late_lgbm@champion is v3, and was v2.
  auc on test: 0.8100, late_lgbm@v2 0.8000, both on the rows of this one
"""
    )
    assert project.calls["set_alias"] == (("late_lgbm", "champion", "3"), {"force": False, "message": "better"})
    document = typing("registry", "alias", "late_lgbm", "champion", "3", "--json").document
    assert (document["version"], document["before"], document["changed"]) == (3, 2, True)
    assert document["comparison"]["how"] == "predicted"


def test_a_forced_alias_says_against_what(typing, project):
    change = AliasChange("late_lgbm", "champion", None, 3, entry(7, "alias_set"))
    judged = Judgement("late_lgbm", "champion", "late_lgbm@v3", None, ("auc is too low",))
    project.answers["set_alias"] = Moved(change, judged, forced=True)

    assert typing("registry", "alias", "late_lgbm", "champion", "3", "--force", "-m", "x").out == (
        "late_lgbm@champion is v3, and was nothing.\n  forced, against: auc is too low\n"
    )


def test_a_refusal_names_every_reason_and_ends_with_1(typing, project):
    project.answers["set_alias"] = RunError(
        "promotion-refused", "late_lgbm@v3 may not become champion.", details=["one", "two"], hint="mend that."
    )

    shown = typing("registry", "alias", "late_lgbm", "champion", "3")

    assert shown.code == 1
    assert shown.err == (
        "[promotion-refused] late_lgbm@v3 may not become champion.\n  one\n  two\n\nHint: mend that.\n"
    )


def test_an_alias_is_taken_away(typing, project):
    project.answers["delete_alias"] = AliasChange("late_lgbm", "eu", 2, None, entry(7, "alias_deleted"))

    assert typing("registry", "alias", "late_lgbm", "eu", "--delete").out == "late_lgbm@eu is gone; it was v2.\n"
    assert project.calls["delete_alias"] == (("late_lgbm", "eu"), {"message": None})


@pytest.mark.parametrize(
    ("words", "what"),
    [(("eu",), "Which version shall be eu?"), (("eu", "3", "--delete"), "--delete takes no VERSION.")],
)
def test_an_alias_needs_a_version_or_delete(typing, project, words, what):
    shown = typing("registry", "alias", "late_lgbm", *words)

    assert shown.code == 2
    assert shown.err.startswith(f"[bad-usage] {what}\n")


def test_a_version_that_stands_in_the_wrong_place_is_told(typing, project):
    shown = typing("registry", "alias", "late_lgbm@3", "champion")

    assert shown.code == 2
    assert shown.err.endswith("Hint: sqlfeat registry alias late_lgbm champion 3\n")


def test_a_rollback_is_of_champion_unless_another_is_named(typing, project):
    project.answers["rollback"] = AliasChange("late_lgbm", "champion", 3, 2, entry(8, "rolled_back"))

    assert typing("registry", "rollback", "late_lgbm").out == "late_lgbm@champion is v2, and was v3.\n"
    assert project.calls["rollback"] == (("late_lgbm", "champion"), {"message": None})
    typing("registry", "rollback", "late_lgbm", "eu", "--message", "broken")
    assert project.calls["rollback"] == (("late_lgbm", "eu"), {"message": "broken"})


def test_a_version_is_archived_and_brought_back(typing, project):
    project.answers["archive"] = Archived("late_lgbm", 2, archived=True, entry=entry(8, "archived"))
    assert typing("registry", "archive", "late_lgbm@2").out == "late_lgbm@v2 is archived.\n"

    project.answers["archive"] = Archived("late_lgbm", 2, archived=False, entry=None)
    assert typing("registry", "archive", "late_lgbm@2", "--undo").out == "late_lgbm@v2 is not archived already.\n"
    assert project.calls["archive"] == (("late_lgbm@2",), {"undo": True, "message": None})


def test_gc_says_what_went_and_what_stays_and_why(typing, project):
    versions = (
        Droppable("late_lgbm", 1, 1_234, AT),
        Droppable("late_lgbm", 2, 99, AT, "a rollback of champion goes back to it"),
    )
    model = CollectedModel("late_lgbm", versions, (Path("registry/late_lgbm/.v9.1.ab.tmp"),), 66)
    project.answers["gc_registry"] = CollectedVersions((model,), dry_run=True)

    shown = typing("registry", "gc", "--dry-run", "--older-than", "7 days")

    assert (
        shown.out
        == """\
  version                                  size   why
  late_lgbm@v1                      1,234 bytes   dropped
  late_lgbm@v2                         99 bytes   a rollback of champion goes back to it
  registry/late_lgbm/.v9.1.ab.tmp                 left by a killed process

1,300 bytes would be freed.
"""
    )
    told = {"older_than": timedelta(days=7), "dry_run": True, "message": None}
    assert project.calls["gc_registry"] == ((None,), told)
    document = typing("registry", "gc", "late_lgbm", "--json").document
    assert (document["bytes"], len(document["dropped"]), len(document["kept"])) == (1_300, 1, 1)
    assert project.calls["gc_registry"][1]["older_than"] == timedelta(days=30)


@pytest.mark.parametrize("length", ["soon", "1 month", "99999999 days", "-1d"])
def test_a_span_of_time_has_a_length(typing, project, length):
    shown = typing("registry", "gc", "--older-than", length)

    assert shown.code == 2
    assert "write '30 days'" in shown.err


def test_gc_with_nothing_archived_says_so(typing, project):
    project.answers["gc_registry"] = CollectedVersions((CollectedModel("late_lgbm", ()),))

    assert typing("registry", "gc").out == "No version is archived: there is nothing to drop.\n"


def test_the_history_is_read_from_its_end(typing, project):
    entries = (
        entry(1, "adopted", versions={"1": "ab"}),
        entry(2, "registered", version=2, manifest="cd"),
        entry(3, "alias_set", "urgent", alias="champion", before=1, version=2, forced=True),
        entry(4, "alias_deleted", alias="eu", before=1),
        entry(5, "archived", version=1),
    )
    project.answers["history"] = History("late_lgbm", entries, "0f" * 32)

    assert (
        typing("registry", "history", "late_lgbm").out
        == """\
  entry   when                   who      change          of                          message
      5   2013-04-02 08:15:00Z   ann@vm   archived        v1
      4   2013-04-02 08:15:00Z   ann@vm   alias deleted   eu: v1 → nothing
      3   2013-04-02 08:15:00Z   ann@vm   alias set       champion: v1 → v2, forced   urgent
      2   2013-04-02 08:15:00Z   ann@vm   registered      v2
      1   2013-04-02 08:15:00Z   ann@vm   adopted         v1
"""
    )
    document = typing("registry", "history", "late_lgbm", "--json").document
    assert document["head"] == "0f" * 32
    assert document["entries"][2] == {
        "entry": 3, "at": AT.isoformat(), "user": "ann", "host": "vm", "action": "alias_set", "message": "urgent",
        "alias": "champion", "before": 1, "version": 2, "forced": True,
    }  # fmt: skip


def test_a_difference_shows_metrics_first_then_what_differs_and_why(typing, project):
    new = version(
        4,
        params={"num_leaves": 15, "objective": "binary"},
        metrics={"train": {"auc": 0.82}, "test": {"auc": 0.7, "log_loss": 0.5}},
        features={"delays.x": "ab" * 32},
        versions={"python": "3.11.7", "lightgbm": "4.8.0"},
        sha256="0e" * 32,
    )
    project.answers["diff_versions"] = compare(version(), new)

    shown = typing("registry", "diff", "late_lgbm@3", "late_lgbm@4")

    assert (
        shown.out
        == """\
late_lgbm@v3 → late_lgbm@v4
  model   other bytes

  metric           late_lgbm@v3   late_lgbm@v4    change
  train.auc              0.8123         0.8200   +0.0077
  train.log_loss         0.4000
  test.auc               0.7000         0.7000         =
  test.log_loss                         0.5000

  parameter    late_lgbm@v3   late_lgbm@v4
  num_leaves   31             15

  feature    late_lgbm@v3   late_lgbm@v4
  delays.x   -              abababababab

  package    late_lgbm@v3   late_lgbm@v4
  lightgbm   4.7.0          4.8.0

  why
  params     other values of num_leaves.
  versions   lightgbm is 4.8.0, and was 4.7.0.
"""
    )
    assert project.calls["diff_versions"] == (("late_lgbm@3", "late_lgbm@4"), {})


def test_versions_without_a_difference_say_so(typing, project):
    project.answers["diff_versions"] = compare(version(1), version(2))

    shown = typing("registry", "diff", "late_lgbm")

    assert "  model   the same bytes\n" in shown.out
    assert shown.out.endswith("\n  Nothing that was recorded differs.\n")
    assert project.calls["diff_versions"] == (("late_lgbm", None), {})
    document = typing("registry", "diff", "late_lgbm", "--json").document
    assert (document["same_model"], document["params"], document["reasons"]) == (True, [], [])
