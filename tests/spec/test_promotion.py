"""What a project asks of a version before it becomes champion."""

from __future__ import annotations

import pytest

from sqlfeat.spec.promotion import PromotionRules, PromotionSpec

GIVEN = """\
name: x
registry:
  path: models
  promotion:
    aliases: [champion, eu]
    metric: auc
    split: test
    tolerance: 0.01
    minimum: {auc: 0.7, test.recall: 0.2}
    check: unproven
    models:
      late_lgbm: {tolerance: 0, maximum: {log_loss: 0.5}, signature: same}
      costs: {metric: cost, greater_is_better: false}
"""


def test_rules_are_for_every_model_and_those_of_one_win_key_by_key(load, tmp_path):
    project = load({"sqlfeat_project.yml": GIVEN})

    promotion = project.promotion
    assert project.registry == tmp_path / "models"
    assert [promotion.guards(alias) for alias in ("champion", "eu", "challenger")] == [True, True, False]
    everywhere = PromotionRules("auc", "test", 0.01, None, {"auc": 0.7, "test.recall": 0.2}, {}, "unproven")
    assert promotion.rules_for("another") == everywhere
    assert promotion.rules_for("late_lgbm").tolerance == 0
    assert promotion.rules_for("late_lgbm").minimum == everywhere.minimum
    assert promotion.rules_for("late_lgbm").maximum == {"log_loss": 0.5}
    assert promotion.rules_for("late_lgbm").signature == "same"
    assert promotion.rules_for("costs").greater_is_better is False


@pytest.mark.parametrize("registry", ["", "registry: models\n", "registry: {path: models}\n"])
def test_without_rules_champion_is_guarded_and_no_metric_refuses(load, registry):
    promotion = load({"sqlfeat_project.yml": f"name: x\n{registry}"}).promotion

    assert promotion == PromotionSpec(("champion",), PromotionRules(metric=None, check="unsafe"))


def test_nobody_need_be_guarded(load):
    assert load({"sqlfeat_project.yml": "name: x\nregistry: {promotion: {aliases: []}}\n"}).promotion.aliases == ()


@pytest.mark.parametrize(
    ("promotion", "code", "what"),
    [
        ("{metrik: auc}", "unknown-key", "The promotion has no key 'metrik'."),
        ("{tolerance: -1}", "bad-value", "'tolerance' of the promotion must be a number from 0, not -1."),
        ("{tolerance: much}", "bad-value", "must be a number from 0, not 'much'."),
        ("{minimum: {auc: high}}", "bad-value", "'auc' of 'minimum' of the promotion must be a number, not 'high'."),
        ("{minimum: 0.7}", "bad-value", "Expected 'minimum' of the promotion as a mapping, not 0.7."),
        ("{check: safe}", "bad-value", "'check' of the promotion is one of unsafe, unproven, ignore, not 'safe'."),
        ("{signature: equal}", "bad-value", "'signature' of the promotion is one of compatible, same, ignore"),
        ("{aliases: [a b]}", "bad-alias", "'a b' cannot be an alias."),
        ("{models: {late: {aliases: [x]}}}", "unknown-key", "The promotion of 'late' has no key 'aliases'."),
        ("{models: {a-b: {}}}", "bad-name", "'a-b' cannot be the name of a registered model."),
        ("yes", "bad-value", "Expected the promotion as a mapping, not True."),
    ],
)
def test_a_wrong_rule_is_refused(refused, promotion, code, what):
    error = refused({"sqlfeat_project.yml": f"name: x\nregistry:\n  promotion: {promotion}\n"})

    assert (error.code, error.where.line) == (code, 3)
    assert what in error.what
