"""Promotion: every reason against a version, fair comparisons, hooks, and what is recorded of a forced one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from sqlfeat.errors import RunError, UsageError
from sqlfeat.ops import promotion as promotion_module
from sqlfeat.ops.metrics import area_under_roc
from sqlfeat.ops.promotion import judge
from sqlfeat.ops.registry import delete_alias, history, rollback, set_alias
from sqlfeat.spec.promotion import PromotionRules, PromotionSpec
from sqlfeat.store import codecs
from sqlfeat.store.registry import read_model, resolve
from sqlfeat.store.signature import PROBABILITY, VALUE, Input, Output, Signature
from tests.made.sessions import MadeSession, project
from tests.made.training_sets import flights, keep
from tests.made.versions import INPUTS, register_version

NAME = "late_lgbm"


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Sessions on one project, with rules of their own and a check that finds these verdicts."""

    def session(rules=None, verdicts=None, allowed=(), hooks=None):
        made = MadeSession(project(tmp_path / "flights", **(hooks or {})))
        made.spec = replace(made.spec, promotion=PromotionSpec(("champion",), rules or PromotionRules()))
        columns = [
            SimpleNamespace(
                name=name, verdict=verdict, fails=verdict == "unsafe" and name not in allowed, open=name not in allowed
            )
            for name, verdict in (verdicts or {}).items()
        ]
        made.manifest, made.training_set = None, lambda name: None
        monkeypatch.setattr(promotion_module, "check_model", lambda manifest, model: SimpleNamespace(columns=columns))
        return made

    return session


def registered(session, *aucs, **changes):
    """Versions with these AUCs on test."""
    return [
        register_version(session.spec.registry, metrics={"train": {"auc": 0.9}, "test": {"auc": auc}}, **changes)
        for auc in aucs
    ]


def reasons(session, candidate, champion=None):
    return list(judge(session, "champion", candidate, champion).reasons)


# -- metrics -----------------------------------------------------------------------------------------------------------


def test_a_version_that_is_worse_than_the_champion_by_more_than_the_tolerance_is_refused(make):
    session = make(PromotionRules(metric="auc", tolerance=0.02))
    champion, near, far = registered(session, 0.75, 0.7301, 0.7299)

    assert reasons(session, near, champion) == []
    assert reasons(session, far, champion) == [
        "auc on test is 0.7299, worse than the 0.7500 of late_lgbm@v1 by more than 0.02"
    ]


def test_less_may_be_better(make):
    worse = {"train": {}, "test": {"log_loss": 0.5, "cost": 5.0}}
    better = {"train": {}, "test": {"log_loss": 0.4, "cost": 4.0}}
    session = make(PromotionRules(metric="log_loss"))
    one, other = (register_version(session.spec.registry, metrics=metrics) for metrics in (better, worse))

    assert reasons(session, other, one) == ["log_loss on test is 0.5000, worse than the 0.4000 of late_lgbm@v1"]
    own = make(PromotionRules(metric="cost", greater_is_better=False))
    assert len(reasons(own, other, one)) == 1
    assert reasons(own, one, other) == []


def test_without_a_rule_a_worse_version_is_warned_of_and_let_through(make):
    session = make()
    champion, candidate = registered(session, 0.75, 0.7)

    judgement = judge(session, "champion", candidate, champion)

    assert judgement.allowed
    assert judgement.warnings[0] == "auc on test is 0.7000, worse than the 0.7500 of late_lgbm@v1"


def test_bounds_hold_without_a_champion_and_every_reason_is_told(make):
    rules = PromotionRules(minimum={"auc": 0.8, "train.auc": 0.95}, maximum={"log_loss": 0.5, "test.auc": 0.6})
    session = make(rules)
    (candidate,) = registered(session, 0.7)

    assert reasons(session, candidate) == [
        "auc on test must be at least 0.8, and is 0.7000",
        "auc on train must be at least 0.95, and is 0.9000",
        "log_loss must be at most 0.5, and is not known (known are: auc)",
        "auc on test must be at most 0.6, and is 0.7000",
    ]


def test_a_metric_that_is_not_there_cannot_be_judged(make):
    session = make(PromotionRules(metric="recall"))
    champion, candidate = registered(session, 0.75, 0.8)

    assert reasons(session, candidate, champion) == ["recall on test is not known of late_lgbm@v2"]


# -- on which rows -----------------------------------------------------------------------------------------------------


def two_sets(session, **changes):
    """A champion on one training set, a candidate on a later one with more rows."""
    folder = session.spec.target_path / "training_sets"
    keep(folder, {"train": flights(120), "test": flights(40, first=120)}, identity="aaaa")
    keep(folder, {"train": flights(160), "test": flights(50, first=110)}, identity="bbbb")
    shape = {"name": "late_flights", "definition": "d1", "splits": ["train", "test"]}
    metrics = {"train": {"auc": 0.9}, "test": {"auc": 0.99}}
    champion = register_version(session.spec.registry, metrics=metrics, training_set={**shape, "id": "aaaa"})
    theirs = {"training_set": {**shape, "id": "bbbb"}, "metrics": {"train": {"auc": 0.9}, "test": {"auc": 0.9}}}
    return champion, register_version(session.spec.registry, **{**theirs, **changes})


def test_a_champion_of_other_rows_is_judged_on_the_candidates(make):
    session = make(PromotionRules(metric="auc"))
    champion, candidate = two_sets(session)

    judgement = judge(session, "champion", candidate, champion)

    rows = flights(50, first=110)
    model = read_model(champion)
    scores = codecs.predict(codecs.codec_named("lightgbm"), model, champion.signature.inputs, rows)
    expected = area_under_roc(rows["is_late"].to_numpy(zero_copy_only=False), scores, np.ones(50))
    comparison = judgement.comparison
    assert (comparison.how, comparison.split, comparison.candidate) == ("predicted", "test", 0.9)
    assert comparison.champion == expected
    assert comparison.champion != 0.99
    shared = "late_lgbm@v1 learned from 10 of these 50 rows, which favours it"
    assert shared in judgement.warnings


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"training_set": {"name": "late_flights", "id": "bbbb", "definition": "d2", "splits": ["test"]}},
            "the champion was trained on another definition of the training set",
        ),
        ({"transforms": {"temp_z": {"mean": 3}}}, "transforms were fitted on other rows for the champion"),
        (
            {"training_set": {"name": "late_flights", "id": "cccc", "definition": "d1", "splits": ["test"]}},
            "has an id that begins with cccc",
        ),
        ({"metrics": {"test": {"cost": 3.0}, "train": {}}}, "cost is not one that sqlfeat computes of these rows"),
    ],
)
def test_where_that_cannot_be_the_comparison_is_said_to_be_unfair(make, changes, why):
    session = make()
    champion, candidate = two_sets(session, **changes)

    judgement = judge(session, "champion", candidate, champion)

    assert judgement.comparison.how == "apart"
    assert "was measured on different rows (late_lgbm@v2 on late_flights" in judgement.warnings[0]
    assert why in judgement.warnings[0]


# -- what callers rely on ----------------------------------------------------------------------------------------------


def asking(*columns):
    request = [{"name": name, "type": "BIGINT"} for name in columns]
    shape = {"name": "late_flights", "id": "0f3a", "definition": "d1", "splits": ["train", "test"]}
    return {**shape, "request": request}


def test_a_version_that_gives_something_else_is_refused(make):
    session = make()
    champion, candidate = (
        register_version(session.spec.registry, output=output, training_set=asking())
        for output in (Output(PROBABILITY, (False, True)), Output(VALUE))
    )

    assert reasons(session, candidate, champion) == [
        "it gives a value, and late_lgbm@v1 gives a probability of False, True"
    ]


def test_a_version_that_callers_must_send_more_for_is_refused_and_one_for_less_is_not(make):
    session = make()
    more, less = (
        register_version(session.spec.registry, training_set=asking(*columns))
        for columns in (("carrier", "dest"), ("carrier",))
    )

    assert reasons(session, less, more) == []
    assert reasons(session, more, less) == ["requests would have to carry dest, which late_lgbm@v2 does not need"]
    assert reasons(make(PromotionRules(signature="ignore")), more, less) == []


def test_a_column_of_another_type_is_refused(make):
    session = make()
    champion = register_version(session.spec.registry, training_set=asking("dest"))
    other = {**asking(), "request": [{"name": "dest", "type": "VARCHAR"}]}
    candidate = register_version(session.spec.registry, training_set=other)

    assert reasons(session, candidate, champion) == ["requests would have to carry dest as VARCHAR, not BIGINT"]


def test_the_same_signature_is_the_same_inputs_too(make):
    session = make(PromotionRules(signature="same"))
    champion = register_version(session.spec.registry, training_set=asking())
    inputs = (INPUTS[0], replace(INPUTS[1], type="FLOAT"), Input("temp", "DOUBLE", "numeric"))
    shape = Signature(inputs, Output(PROBABILITY, (False, True))).as_dict()
    candidate = register_version(session.spec.registry, training_set=asking(), signature=shape)

    assert reasons(session, candidate, champion) == [
        "it has the new input temp",
        "it lacks the input dep_hour",
        "it has another type of delay_7d",
    ]


# -- time safety -------------------------------------------------------------------------------------------------------


def test_an_unsafe_input_is_refused_and_an_unproven_one_where_that_is_asked(make):
    verdicts = {"carrier": "unsafe", "delay_7d": "unproven", "dep_hour": "safe", "is_late": "unsafe"}
    (candidate,) = registered(make(), 0.7)

    assert reasons(make(verdicts=verdicts), candidate) == ["check calls carrier unsafe"]
    assert reasons(make(PromotionRules(check="unproven"), verdicts), candidate) == [
        "check calls carrier unsafe",
        "check calls delay_7d unproven",
    ]
    assert reasons(make(PromotionRules(check="ignore"), verdicts), candidate) == []


def test_an_unsafe_input_that_the_project_allows_is_warned_of(make):
    session = make(verdicts={"carrier": "unsafe"}, allowed=("carrier",))
    (candidate,) = registered(session, 0.7)

    judgement = judge(session, "champion", candidate, None)

    assert judgement.allowed
    assert judgement.warnings == ("check calls carrier unsafe, and the project allows it (allow_leakage)",)


def test_where_the_project_has_gone_on_what_was_proved_at_the_building_holds(make):
    session = make(PromotionRules(check="unproven"))
    safety = {"verdicts": {"carrier": "unproven", "dep_hour": "safe"}, "rules": {}, "allowed": {}}
    known, unknown = (
        registered(session, 0.7, provenance={"training_set": told})[0] for told in ({"time_safety": safety}, {})
    )
    session.definition = {"definition": "d2", "features": {}}

    assert reasons(session, known) == ["check calls carrier unproven"]
    judgement = judge(session, "champion", unknown, None)
    assert judgement.warnings == ("whether an input of late_lgbm@v2 sees the future cannot be told any more",)


# -- hooks -------------------------------------------------------------------------------------------------------------

HOOKS = """
    from sqlfeat.hooks import promotion

    @promotion
    def in_office_hours(candidate, champion, alias):
        assert champion is None or champion["metrics"]
        return "nobody is there to watch it" if alias == "champion" else True

    @promotion("other")
    def never(candidate):
        return False

    @promotion("late_lgbm")
    def broken(facts):
        raise KeyError("x")
"""


def test_hooks_are_asked_and_one_that_fails_refuses(make):
    session = make(hooks={"asked": HOOKS})
    champion, candidate = registered(session, 0.7, 0.8)

    assert reasons(session, candidate, champion) == [
        "nobody is there to watch it (in_office_hours, hooks/asked.py:5:5)",
        "the hook broken (hooks/asked.py:14:5) failed: The hook raised KeyError: 'x'",
    ]


# -- moving aliases ----------------------------------------------------------------------------------------------------


def test_a_refused_version_does_not_become_champion_and_may_be_anything_else(make):
    session = make(PromotionRules(minimum={"auc": 0.9}))
    registered(session, 0.7)

    with pytest.raises(RunError, match=r"late_lgbm@v1 may not become champion") as caught:
        set_alias(session, NAME, "champion", 1)

    assert (caught.value.code, caught.value.exit_code) == ("promotion-refused", 1)
    assert caught.value.details == ("auc on test must be at least 0.9, and is 0.7000",)
    assert set_alias(session, NAME, "challenger", "latest").change.version == 1
    assert [entry.action for entry in history(session, NAME).entries] == ["registered", "alias_set"]


def test_a_forced_version_becomes_champion_and_the_journal_says_against_what_and_why(make):
    session = make(PromotionRules(minimum={"auc": 0.9}))
    registered(session, 0.7)
    with pytest.raises(UsageError, match="needs a reason"):
        set_alias(session, NAME, "champion", 1, force=True, message=" ")

    moved = set_alias(session, NAME, "champion", 1, force=True, message="there is no other")

    last = history(session, NAME).entries[-1]
    assert moved.forced
    assert resolve(session.spec.registry, "late_lgbm@champion").version == 1
    assert (last.message, last.facts["forced"]) == ("there is no other", True)
    assert last.facts["reasons"] == ["auc on test must be at least 0.9, and is 0.7000"]


def test_force_with_nothing_to_force_is_no_forced_change(make):
    session = make()
    registered(session, 0.7)

    assert not set_alias(session, NAME, "champion", "v1", force=True, message="sure").forced
    assert history(session, NAME).entries[-1].facts["forced"] is False


def test_a_damaged_champion_is_passed_over_and_told(make):
    session = make(PromotionRules(metric="auc"))
    registered(session, 0.9, 0.7)
    set_alias(session, NAME, "champion", 1)
    (session.spec.registry / NAME / "v1" / "model.txt").write_text("nonsense")

    assert set_alias(session, NAME, "champion", 2).change.version == 2
    assert "v1/model.txt is damaged" in session.events[-1].text


def test_an_alias_may_be_named_by_another_and_event_hooks_hear_of_it(make, tmp_path):
    heard = tmp_path / "heard.txt"
    hook = f"""
        from sqlfeat.hooks import on

        @on("alias_changed")
        def told(facts):
            with open({str(heard)!r}, "a") as stream:
                print(facts["action"], facts["alias"], facts["before"], facts["version"], facts["message"], file=stream)
    """
    session = make(hooks={"told": hook})
    registered(session, 0.7, 0.8)

    set_alias(session, NAME, "challenger", 2)
    set_alias(session, NAME, "champion", 1)
    set_alias(session, NAME, "champion", "challenger", message="better")
    set_alias(session, NAME, "champion", 2)
    rollback(session, NAME)
    delete_alias(session, NAME, "challenger")

    assert heard.read_text().splitlines() == [
        "alias_set challenger None 2 None",
        "alias_set champion None 1 None",
        "alias_set champion 1 2 better",
        "rolled_back champion 2 1 None",
        "alias_deleted challenger 2 None None",
    ]


def test_a_rollback_is_not_judged_but_never_leads_to_a_damaged_version(make):
    session = make()
    registered(session, 0.5, 0.7)
    for number in (1, 2):
        set_alias(session, NAME, "champion", number)
    session.spec = replace(session.spec, promotion=PromotionSpec(rules=PromotionRules(minimum={"auc": 0.9})))
    assert rollback(session, NAME).version == 1

    set_alias(session, NAME, "champion", 2, force=True, message="again")
    (session.spec.registry / NAME / "v1" / "model.txt").write_text("nonsense")

    with pytest.raises(Exception, match="is damaged"):
        rollback(session, NAME)
    assert resolve(session.spec.registry, "late_lgbm@champion").version == 2


def test_rows_without_a_label_are_no_rows_to_judge_by(make):
    session = make(PromotionRules(metric="auc"))
    champion, _ = two_sets(session)
    rows = flights(50, first=110)
    unknown = rows.set_column(rows.column_names.index("is_late"), "is_late", pa.array([None] * 50, pa.bool_()))
    keep(session.spec.target_path / "training_sets", {"train": flights(160), "test": unknown}, identity="dddd")
    shape = {"name": "late_flights", "definition": "d1", "splits": ["train", "test"], "id": "dddd"}
    other = register_version(session.spec.registry, training_set=shape, metrics={"train": {}, "test": {"auc": 0.9}})

    assert judge(session, "champion", other, champion).comparison.how == "apart"
