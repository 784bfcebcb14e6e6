"""Training: a hook in a child process becomes a version with all that went into it."""

import json
import math
import shutil
import subprocess
from dataclasses import replace

import pytest

from sqlfeat.errors import HookError, ProjectError, RunError, StoreError, UsageError
from sqlfeat.ops import train as train_module
from sqlfeat.ops.train import train
from sqlfeat.store.registry import read_model, registered_models, resolve
from sqlfeat.store.training_set import OutputColumn
from tests.made.sessions import NOW, MadeSession, project
from tests.made.training_sets import COLUMNS, flights, keep, late_flights

LATE_LGBM = """
    import lightgbm as lgb
    from sqlfeat.hooks import trainer

    FIXED = {"objective": "binary", "verbosity": -1, "deterministic": True, "force_row_wise": True, "num_threads": 1}

    @trainer(training_set="late_flights", params={"num_leaves": 7, "seed": 7, "min_data_in_leaf": 5})
    def late_lgbm(data, params):
        booster = lgb.train(FIXED | params, data.train.lightgbm(), 8, valid_sets=[data.validation.lightgbm()])
        print("trained", booster.num_trees(), "trees")
        data.log_metric("trees", booster.num_trees())
        return booster
"""


@pytest.fixture
def building(monkeypatch):
    """Let ``train`` get this training set instead of building one."""

    def use(training_set):
        monkeypatch.setattr(train_module, "build_training_set", lambda session, name: training_set)

    return use


@pytest.fixture
def session(tmp_path, building):
    building(late_flights(tmp_path / "sets"))
    return MadeSession(project(tmp_path / "flights", late_lgbm=LATE_LGBM))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A session that has trained twice, and the two versions."""
    folder = tmp_path_factory.mktemp("trained")
    made = late_flights(folder / "sets")
    session = MadeSession(project(folder / "flights", late_lgbm=LATE_LGBM))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "build_training_set", lambda session, name: made)
        return session, train(session, "late_lgbm", {"num_leaves": 5}), train(session, "late_lgbm", {"num_leaves": 5})


def test_a_hook_becomes_a_version_with_all_that_went_into_it(trained):
    session, version, _ = trained

    assert (version.name, version.version, version.hook) == ("late_lgbm", 1, "late_lgbm")
    assert version.created_at == NOW
    assert version.training_set == {
        "name": "late_flights", "id": "0f3a", "definition": "d1", "splits": ["train", "validation", "test"],
        "request": None,
    }  # fmt: skip
    assert version.features == {"carrier_delays.delay_7d": "f1"}
    assert version.compiled == {"carrier_delays": "c1", "late_flights": "c2"}
    assert version.params == {"num_leaves": 5, "seed": 7, "min_data_in_leaf": 5}
    assert [one.name for one in version.signature.inputs] == ["carrier", "delay_7d", "dep_hour"]
    assert version.signature.inputs[0].categories == ("AA", "B6", "UA")
    assert version.signature.output.classes == (False, True)
    assert version.carried == ("flight_id", "asked_utc", "sched_dep_utc")
    assert set(version.versions) == {"python", "sqlfeat", "duckdb", "numpy", "pyarrow", "lightgbm"}
    assert version.git is None
    assert version.log.read_text() == "trained 8 trees\n"
    assert resolve(session.spec.registry, "late_lgbm@1") == version
    assert read_model(version).num_trees() == 8
    assert json.loads(json.dumps(version.as_dict()))["version"] == 1


def test_metrics_are_computed_on_every_split_and_those_of_the_hook_are_kept(trained):
    _, version, _ = trained
    computed = {"auc", "log_loss", "brier", "accuracy", "average_precision", "positive_rate"}
    computed |= {"precision", "recall", "f1", "calibration_error"}

    assert list(version.metrics) == ["train", "validation", "test"]
    assert [set(metrics) - {"trees"} for metrics in version.metrics.values()] == [computed] * 3
    assert version.metrics["train"]["auc"] > version.metrics["test"]["auc"] > 0.7
    assert version.metrics["validation"]["trees"] == 8
    assert "trees" not in version.metrics["train"]
    assert max(version.importances["gain"], key=version.importances["gain"].get) == "delay_7d"


def test_a_version_keeps_its_reports(trained):
    session, version, _ = trained

    assert set(version.reports) == {"calibration", "slices"}
    assert set(version.reports["calibration"]) == {"train", "validation", "test"}
    assert {name: list(columns) for name, columns in version.reports["slices"].items()} == {
        "test": ["carrier"], "validation": ["carrier"],
    }  # fmt: skip
    assert set(version.importances) == {"gain", "split", "permutation"}
    assert version.importances["permutation"]["delay_7d"] > 0.1
    assert resolve(session.spec.registry, "late_lgbm@1").reports == version.reports


def test_training_twice_gives_the_same_bytes(trained):
    _, first, second = trained

    assert first.reports == second.reports
    assert first.importances == second.importances

    assert (first.version, second.version) == (1, 2)
    assert first.sha256 == second.sha256
    assert first.metrics == second.metrics


def test_whoever_watches_sees_the_steps_and_the_output(trained):
    session, _, _ = trained
    steps = [event.name for event in session.events if event.kind == "step"]

    assert steps == ["build", "train", "evaluate", "register"] * 2
    assert [event.text for event in session.events if event.kind == "log"] == ["trained 8 trees"] * 2
    assert session.events[-1].facts == {"model": "late_lgbm", "version": "v2"}
    assert list((session.spec.target_path / "work").iterdir()) == []


def test_a_version_is_found_wherever_the_registry_lies(trained, tmp_path):
    session, _, _ = trained

    shutil.copytree(session.spec.registry, tmp_path / "elsewhere")

    assert resolve(tmp_path / "elsewhere", "late_lgbm").path == tmp_path / "elsewhere" / "late_lgbm" / "v2"


def test_the_commit_is_noted_and_whether_the_project_differs_from_it(session):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=session.spec.root, check=True, capture_output=True)

    git("init")
    (session.spec.root / ".gitignore").write_text("target/\nregistry/\n")
    git("add", ".")
    git("commit", "-m", "flights")

    clean = train(session, "late_lgbm")
    (session.spec.root / "notes.md").write_text("to do")
    dirty = train(session, "late_lgbm")

    assert clean.git["dirty"] is False
    assert len(clean.git["commit"]) == 40
    assert dirty.git == {"commit": clean.git["commit"], "dirty": True}


def test_an_unknown_hook_is_named_with_the_nearest(session):
    with pytest.raises(UsageError, match="no hook 'late_lgmb'") as caught:
        train(session, "late_lgmb")

    assert caught.value.code == "unknown-hook"
    assert caught.value.hint == "did you mean 'late_lgbm'?"


def test_a_training_set_without_rows_to_train_on_is_refused_at_the_hook(session, building, tmp_path):
    building(keep(tmp_path / "empty", {"train": flights(0), "test": flights(5)}))

    with pytest.raises(RunError, match="no row to train on") as caught:
        train(session, "late_lgbm")

    assert caught.value.where.file == "hooks/late_lgbm.py"
    assert caught.value.where.text[caught.value.where.column - 1 :].startswith('"late_flights"')


def test_a_damaged_training_set_trains_nothing(session, building, tmp_path):
    made = late_flights(tmp_path / "damaged")
    building(made)
    content = bytearray(made.file("test").read_bytes())
    content[100] ^= 1
    made.file("test").write_bytes(content)

    with pytest.raises(StoreError, match=r"test\.parquet is damaged") as caught:
        train(session, "late_lgbm")

    assert caught.value.code == "damaged-training-set"
    assert registered_models(session.spec.registry) == []


def test_keys_that_predictions_could_not_carry_are_refused_before_training(session, building, tmp_path):
    key = OutputColumn("version", "BIGINT", "key")
    table = flights(5).rename_columns(["version", *flights(5).column_names[1:]])
    building(keep(tmp_path / "reserved", {"train": table}, (key, *COLUMNS[1:])))

    with pytest.raises(RunError, match="'version' of late_flights has a name that predictions use") as caught:
        train(session, "late_lgbm")

    assert caught.value.hint == "give it another in the SELECT: version as …."


def test_a_hook_may_take_the_data_alone_and_import_from_beside_it(tmp_path, building):
    building(late_flights(tmp_path / "sets"))
    hook = """
        import sqlfeat.hooks as sf
        from shared import booster

        @sf.trainer("late_flights", name="plain", params={"seed": 3})
        def anything(data):
            assert data.seed == data.params["seed"] == 3
            return booster(data)
    """
    shared = """
        import lightgbm as lgb

        def booster(data):
            assert len(data.train) == 120
            return lgb.train({"objective": "binary", "verbosity": -1}, data.train.lightgbm(), 2)
    """
    session = MadeSession(project(tmp_path / "flights", hook=hook, shared=shared))

    assert train(session, "plain").name == "plain"
    assert not list(session.spec.root.rglob("__pycache__"))


def test_a_hook_file_may_bear_the_name_of_its_library(tmp_path, building):
    building(late_flights(tmp_path / "sets"))
    session = MadeSession(project(tmp_path / "flights", lightgbm=LATE_LGBM))

    assert train(session, "late_lgbm").version == 1


def test_an_unknown_training_set_is_shown_where_the_hook_names_it(session, monkeypatch):
    def build(session, name):
        raise UsageError("unknown-training-set", f"{name!r} is no model.", hint="did you mean 'late_flight'?")

    monkeypatch.setattr(train_module, "build_training_set", build)

    with pytest.raises(ProjectError, match="late_lgbm: 'late_flights' is no model") as caught:
        train(session, "late_lgbm")
    assert caught.value.where.text[caught.value.where.column - 1 :].startswith('"late_flights"')


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"bytes"])
def test_parameters_that_json_cannot_keep_are_refused(session, value):
    with pytest.raises(UsageError) as caught:
        train(session, "late_lgbm", {"alpha": value})

    assert caught.value.code == "bad-params"


def test_parameters_of_a_file_win_over_the_decorators_and_given_ones_over_both(session):
    hook = session.spec.root / "hooks" / "late_lgbm.py"
    hook.write_text(
        "from sqlfeat import trainer\n@trainer('late_flights', params={'a': 1, 'b': 1, 'c': 1})\n"
        "def late_lgbm(data, params): raise ValueError(params)\n"
    )
    said = hook.with_suffix(".yml")
    said.write_text("trainers: [{name: late_lgbm, params: {b: 2, c: 2}}]\n")
    session.spec = replace(session.spec, hooks=(hook, said))

    with pytest.raises(HookError) as caught:
        train(session, "late_lgbm", {"c": 3})

    assert caught.value.what == "The hook raised ValueError: {'a': 1, 'b': 2, 'c': 3}"


def test_the_hooks_of_a_training_hear_that_it_begins_and_how_it_ends(session):
    hook = session.spec.root / "hooks" / "late_lgbm.py"
    hook.write_text(
        "import json\nfrom sqlfeat import on, trainer\n"
        "@trainer('late_flights')\ndef late_lgbm(data): raise ValueError('no')\n"
        "@on('train_start')\ndef begin(facts): print(json.dumps(facts))\n"
        "@on('train_failed')\ndef end(facts): print(facts['hook'], facts['error']['message'])\n"
    )

    with pytest.raises(HookError):
        train(session, "late_lgbm", {"c": 3})

    heard = [event.text for event in session.events if event.name in ("begin", "end")]
    assert heard == [
        '{"hook": "late_lgbm", "training_set": "late_flights", "params": {"c": 3}}',
        "late_lgbm The hook raised ValueError: no",
    ]


def test_numbers_are_judged_as_numbers(tmp_path, building):
    label = OutputColumn("minutes", "DOUBLE", "label")
    table = flights(80, label="minutes")
    building(keep(tmp_path / "sets", {"train": table, "test": table}, (*COLUMNS[:-1], label)))
    hook = (
        LATE_LGBM.replace('"binary"', '"regression"')
        .replace("data.validation", "data.test")
        .replace('data.log_metric("trees", booster.num_trees())', "")
    )

    version = train(MadeSession(project(tmp_path / "flights", late_lgbm=hook)), "late_lgbm")

    assert version.signature.output.as_dict() == {"kind": "value", "classes": None}
    assert set(version.metrics["test"]) == {"rmse", "mae", "r2", "mean_error"}
    assert 0 < version.metrics["test"]["r2"] < 1


def test_classes_of_text_keep_their_names(tmp_path, building):
    label = OutputColumn("why", "VARCHAR", "label")
    table = flights(80, label="why")
    building(keep(tmp_path / "sets", {"all": table}, (*COLUMNS[:-1], label)))
    hook = """
        import lightgbm as lgb
        from sqlfeat.hooks import trainer

        @trainer(training_set="late_flights")
        def why(data):
            params = {"objective": "multiclass", "num_class": len(data.classes), "verbosity": -1}
            return lgb.train(params, data.train.lightgbm(), 3)
    """

    version = train(MadeSession(project(tmp_path / "flights", why=hook)), "why")

    assert version.signature.output.as_dict() == {"kind": "probabilities", "classes": ["none", "weather"]}
    assert set(version.metrics["all"]) == {"log_loss", "accuracy", "f1_macro", "auc_ovr", "calibration_error"}
    assert version.metrics["all"]["accuracy"] > 0.6
    assert version.metrics["all"]["log_loss"] < math.log(2)
