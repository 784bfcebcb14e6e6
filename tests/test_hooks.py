"""The decorators give the function back, note it, and refuse what cannot be."""

import pytest

from sqlfeat import hooks
from sqlfeat.errors import UsageError


@pytest.fixture(autouse=True)
def nothing_collected(monkeypatch):
    monkeypatch.setattr(hooks, "collected", hooks.Collected())


def test_a_trainer_is_noted_and_stays_a_function():
    @hooks.trainer(training_set="late_flights", params={"seed": 7})
    def late_lgbm(data, params):
        return data, params

    assert late_lgbm(1, 2) == (1, 2)
    assert hooks.collected.trainers["late_lgbm"] == hooks.Trainer("late_lgbm", late_lgbm, {"seed": 7})


def test_a_name_of_its_own_is_the_name():
    @hooks.trainer("late_flights", name="late")
    def anything(data): ...

    assert list(hooks.collected.trainers) == ["late"]


def test_event_hooks_are_noted_in_order():
    @hooks.on("run_end")
    def first(facts): ...

    @hooks.on("run_end")
    def second(facts): ...

    assert hooks.collected.events == {"run_end": [first, second]}


def test_an_unknown_event_is_refused():
    with pytest.raises(UsageError, match="'run_started' is no event") as caught:
        hooks.on("run_started")

    assert "run_end" in caught.value.hint


def test_a_promotion_hook_is_noted_with_and_without_a_model():
    @hooks.promotion
    def every(candidate): ...

    @hooks.promotion("late_lgbm")
    def one(candidate): ...

    @hooks.promotion(model="late_lgbm")
    def other(candidate): ...

    assert hooks.collected.promotions == {"every": every, "one": one, "other": other}
