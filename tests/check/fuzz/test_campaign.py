"""The campaign itself: a checker that lets leaks pass is caught, soon, and with a small example."""

from __future__ import annotations

import pytest

from tests.check.fuzz.campaign import Campaign, Judgement
from tests.check.fuzz.checking import StaticCheck
from tests.check.fuzz.generator import generate
from tests.check.fuzz.tree import walk


def all_safe(manifest):
    return {name: {each.name: Judgement("safe") for each in model.columns} for name, model in manifest.models.items()}


def all_unproven(manifest):
    return {
        name: {each.name: Judgement("unproven") for each in model.columns} for name, model in manifest.models.items()
    }


@pytest.fixture
def checker():
    made = []

    def checker(verdicts, **lies):
        made.append(StaticCheck(verdicts, lies))
        return made[-1]

    yield checker
    for each in made:
        each.close()


def test_the_same_seed_makes_the_same_program():
    assert [generate(seed) for seed in range(50)] == [generate(seed) for seed in range(50)]


def test_a_checker_that_calls_everything_safe_is_refuted_with_a_small_program_and_few_rows(checker):
    report = Campaign(checker(all_safe), datasets=32, fresh=40).run(range(40), stop_at=1)

    missed = report.missed[0]
    assert len(list(walk(missed.program))) <= 40
    assert sum(len(rows) for rows in missed.witness.data.values()) <= 3
    assert f"seed {missed.seed}: called safe, and refuted" in missed.told()


def test_a_checker_that_proves_nothing_is_never_refuted_and_counted(checker):
    report = Campaign(checker(all_unproven), datasets=32).run(range(80))

    assert report.missed == []
    assert 50 < report.programs == 80 - report.passed_over
    assert {"unproven"} == {verdict for _, verdict in report.columns}
    assert report.confirmed["unproven"] > 20
