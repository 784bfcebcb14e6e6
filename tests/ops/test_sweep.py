"""A sweep trains at every point of a grid, keeps the best and tells of the others; an interrupt leaves nothing."""

import pytest

from sqlfeat.errors import HookError, UsageError
from sqlfeat.ops import train as train_module
from sqlfeat.ops.sweep import Choice, Sweep, choice_of
from sqlfeat.ops.train import train
from sqlfeat.store.registry import registered_models
from tests.made.sessions import MadeSession, project
from tests.made.training_sets import late_flights

SWEPT = """
    from sqlfeat.hooks import trainer

    FIXED = {"objective": "binary", "verbosity": -1, "deterministic": True, "force_row_wise": True}

    @trainer("late_flights", params=FIXED | {"min_data_in_leaf": 5}, sweep={"rounds": [1, 6]})
    def late_lgbm(data, params):
        rounds = params.pop("rounds")
        if not rounds:
            raise ValueError("no rounds")
        print("rounds", rounds)
        import lightgbm as lgb
        return lgb.train(params, data.train.lightgbm(), rounds, callbacks=[data.curves()],
                         valid_sets=[data.validation.lightgbm()], valid_names=["validation"])
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A session, and what two sweeps over the same grid gave: two trials at a time, and one at a time."""
    folder = tmp_path_factory.mktemp("swept")
    made = late_flights(folder / "sets")
    session = MadeSession(project(folder / "flights", late_lgbm=SWEPT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "build_training_set", lambda session, name: made)
        versions = [
            train(session, "late_lgbm", {"seed": 1}, sweep={"rounds": [1, 0, 6], "num_leaves": [7]}, jobs=jobs)
            for jobs in (2, 1)
        ]
    return session, *versions


def test_the_best_is_registered_once_with_the_whole_sweep(swept):
    session, version, _ = swept
    told = version.reports["sweep"]

    assert [one.name for one in registered_models(session.spec.registry)] == ["late_lgbm"]
    assert (version.version, told["metric"], told["better"]) == (1, "validation.auc", "greater")
    assert told["grid"] == [{"param": "rounds", "values": [1, 0, 6]}, {"param": "num_leaves", "values": [7]}]
    assert [trial["values"] for trial in told["trials"]] == [
        {"rounds": 1, "num_leaves": 7}, {"rounds": 0, "num_leaves": 7}, {"rounds": 6, "num_leaves": 7},
    ]  # fmt: skip
    assert told["best"] == 3
    assert version.params["rounds"] == 6
    assert version.params["seed"] == 1
    assert version.metrics == told["trials"][2]["metrics"]
    assert version.log.read_text() == "rounds 6\n"


def test_a_trial_that_fails_does_not_lose_the_others(swept):
    session, version, _ = swept
    failed = version.reports["sweep"]["trials"][1]

    assert (failed["trial"], failed["metrics"]) == (2, {})
    assert failed["error"]["message"] == "The hook raised ValueError: no rounds"
    assert failed["error"]["hint"] == "all that it wrote is in target/logs/late_lgbm.trial2.txt."
    assert (session.spec.target_path / "logs" / "late_lgbm.trial2.txt").exists()


def test_how_many_run_at_a_time_changes_nothing(swept):
    _, parallel, alone = swept

    def without_seconds(version):
        told = version.reports["sweep"]
        return {**told, "trials": [{**trial, "seconds": None} for trial in told["trials"]]}

    assert without_seconds(parallel) == without_seconds(alone)
    assert parallel.sha256 == alone.sha256
    assert parallel.importances == alone.importances


def test_the_best_is_judged_in_full_and_keeps_its_curves(swept):
    _, version, _ = swept

    assert set(version.reports) == {"calibration", "slices", "curves", "sweep"}
    assert len(version.reports["curves"]["validation"]["binary_logloss"]) == 6
    assert set(version.importances) == {"gain", "split", "permutation"}


def test_whoever_watches_sees_every_trial_end(swept):
    session, _, _ = swept
    ends = [event for event in session.events if event.kind == "end"][:3]

    assert [event.index for event in ends] == [1, 2, 3]
    assert sorted((event.result.name, event.result.status) for event in ends) == [
        ("rounds=0 num_leaves=7", "failed"), ("rounds=1 num_leaves=7", "trained"), ("rounds=6 num_leaves=7", "trained"),
    ]  # fmt: skip
    assert {event.result.reason[:15] for event in ends} == {"The hook raised", "validation.auc "}
    assert [event.total for event in session.events if event.kind == "plan"] == [3, 3]


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """A session with this hook on a small training set; nothing of it may be registered."""
    made = late_flights(tmp_path / "sets")
    monkeypatch.setattr(train_module, "build_training_set", lambda session, name: made)
    body = "from sqlfeat.hooks import trainer\n@trainer('late_flights')\ndef late_lgbm(data, params):\n    "

    def session(text):
        return MadeSession(project(tmp_path / "flights", late_lgbm=body + text))

    return session


def test_nothing_is_registered_where_every_trial_fails(failing):
    session = failing("raise ValueError(params['a'])")

    with pytest.raises(HookError) as caught:
        train(session, "late_lgbm", sweep={"a": [1, 2]})

    assert (caught.value.code, caught.value.what) == ("sweep-failed", "All 2 trials of late_lgbm failed.")
    assert caught.value.details == ("a=1: The hook raised ValueError: 1", "a=2: The hook raised ValueError: 2")
    assert registered_models(session.spec.registry) == []
    assert list((session.spec.target_path / "work").iterdir()) == []


def test_an_interrupt_ends_every_trial_and_registers_nothing(failing):
    session = failing("import time; time.sleep(0 if params['a'] == 1 else 600)")

    def interrupt(event):
        if event.kind == "end":
            raise KeyboardInterrupt

    session = _Watched(session.spec, interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(session, "late_lgbm", sweep={"a": [1, 2, 3]}, jobs=3)

    assert registered_models(session.spec.registry) == []
    assert list((session.spec.target_path / "work").iterdir()) == []


class _Watched(MadeSession):
    """A session with a listener of one's own."""

    def __init__(self, spec, listener):
        super().__init__(spec)
        self._listener = listener

    @property
    def listener(self):
        return self._listener


def test_a_metric_that_no_trial_has_ends_the_sweep_with_the_nearest(failing):
    session = failing("import lightgbm as lgb; return lgb.train({'objective': 'binary'}, data.train.lightgbm(), 1)")

    with pytest.raises(UsageError) as caught:
        train(session, "late_lgbm", sweep={"a": [1]}, metric="max auk")

    assert caught.value.what == "The split 'validation' has no metric 'auk'."
    assert caught.value.hint == "did you mean 'auc'?"
    assert registered_models(session.spec.registry) == []


def test_what_is_given_on_the_command_line_is_not_swept_over(failing):
    session = failing("raise ValueError(sorted(params.items()))")
    (session.spec.root / "hooks" / "late_lgbm.py").write_text(
        "from sqlfeat import trainer\n@trainer('late_flights', sweep={'a': [1, 2], 'b': [3]})\n"
        "def late_lgbm(data, params): raise ValueError(sorted(params.items()))\n"
    )

    with pytest.raises(HookError) as caught:
        train(session, "late_lgbm", {"a": 9}, sweep=True)

    assert caught.value.details == ("b=3: The hook raised ValueError: [('a', 9), ('b', 3)]",)


@pytest.mark.parametrize(
    ("sweep", "what"),
    [
        (True, "There is nothing to sweep over."),
        ({"a": []}, "The parameter 'a' has no values to sweep over."),
        ({"a": range(100), "b": range(11)}, "The grid has 1,100 points; a sweep has at most 1,000."),
    ],
)
def test_a_grid_of_no_points_or_of_too_many_is_refused(failing, sweep, what):
    with pytest.raises(UsageError) as caught:
        train(failing("pass"), "late_lgbm", sweep=sweep)

    assert (caught.value.code, caught.value.what) == ("bad-sweep", what)


@pytest.mark.parametrize("asked", [{"metric": "auc"}, {"jobs": 2}])
def test_what_is_for_a_sweep_is_refused_without_one(failing, asked):
    with pytest.raises(UsageError, match="are for a sweep"):
        train(failing("pass"), "late_lgbm", **asked)


SPLITS = ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        (None, Choice("validation")),
        ("auc", Choice("validation", "auc")),
        ("test.auc", Choice("test", "auc")),
        ("min train.cost", Choice("train", "cost", less=True)),
        ("max lift.top", Choice("validation", "lift.top", less=False)),
    ],
)
def test_what_the_best_is_chosen_by(text, choice):
    assert choice_of(text, SPLITS) == choice


@pytest.mark.parametrize("text", ["least auc", "min auc now", "min"])
def test_what_cannot_be_a_metric_is_refused(text):
    if text == "min":
        assert choice_of(text, SPLITS) == Choice("validation", "min")
        return
    with pytest.raises(UsageError, match="is no metric"):
        choice_of(text, SPLITS)


def test_without_a_validation_split_the_split_must_be_named():
    with pytest.raises(UsageError) as caught:
        choice_of("auc", ["train", "test"])

    assert caught.value.what == "There is no split 'validation' to choose by; there is train, test."
    assert choice_of("test.auc", ["train", "test"]) == Choice("test", "auc")


@pytest.mark.parametrize(
    ("task", "name", "less"),
    [
        ("binary", "auc", False),
        ("multiclass", "log_loss", True),
        ("regression", "rmse", True),
        ("ranking", "ndcg_10", False),
    ],
)
def test_each_task_has_a_metric_of_its_own(task, name, less):
    assert Choice("validation").of(task) == Choice("validation", name, less)


def test_of_a_metric_of_ones_own_it_must_be_said_which_way_is_better():
    with pytest.raises(UsageError) as caught:
        Choice("validation", "cost").of("binary")

    assert caught.value.hint == "say it: --metric 'min validation.cost', or max."
    with pytest.raises(UsageError) as caught:
        Choice("validation", "acu").of("binary")
    assert caught.value.hint == "did you mean 'auc'? If not, say it: --metric 'min validation.acu', or max."
    assert Choice("validation", "cost", less=True).of("binary").less is True


def test_the_points_of_a_grid_are_in_its_order():
    points = Sweep({"b": (2, 1), "a": ("x", "y")}).points()

    assert [tuple(point.items()) for point in points] == [
        (("b", 2), ("a", "x")), (("b", 2), ("a", "y")), (("b", 1), ("a", "x")), (("b", 1), ("a", "y")),
    ]  # fmt: skip
