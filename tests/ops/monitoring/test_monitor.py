"""``Project.monitor`` on whole projects: views, training sets and models, what they are compared with, what is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from sqlfeat.api import Project
from sqlfeat.base.clock import FixedClock
from sqlfeat.errors import StoreError, UsageError
from sqlfeat.ops.monitoring import profiles
from sqlfeat.store.looks import FOLDER, Looks
from tests.made.watched import quiet, table, together, watched_shop

HOOK = """
    import lightgbm as lgb
    from sqlfeat import trainer

    @trainer(training_set="returns", params={"objective": "binary", "num_leaves": 4, "num_iterations": 8, "seed": 1,
             "verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}, permutation=False)
    def returner(data, params):
        return lgb.train(params, data.train.lightgbm())
"""
LISTENER = """
    import json
    from pathlib import Path
    from sqlfeat import on

    @on("monitor_breached")
    def note(event):
        Path("breached.json").write_text(json.dumps(event))
"""


def at(month: int, day: int) -> datetime:
    return datetime(2024, month, day, tzinfo=UTC)


def orders(*, broken: bool):
    """Seven weeks, in the last of which the amounts may be in another unit; whoever comes back pays more."""
    rows = together(quiet(42, a_day=60), quiet(7, first=42, a_day=60))
    amount, returning = np.array(rows["amount"]), np.array(rows["came_back"])
    amount = np.where(returning, amount * 1.8, amount)
    rows["amount"] = np.where(np.arange(len(amount)) >= 42 * 60, amount * 100, amount) if broken else amount
    return rows


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A trained model, and a last week in which amounts are in another unit."""
    root = tmp_path_factory.mktemp("broken")
    good = {name: values[: 42 * 60] for name, values in orders(broken=False).items()}
    opened = watched_shop(root, good, {"hooks/returner.py": HOOK, "hooks/listener.py": LISTENER})
    with opened.project() as project:
        project.train("returner")
    opened.change({"data/orders.parquet": table(orders(broken=True))})
    return opened


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    opened = watched_shop(tmp_path_factory.mktemp("sound"), orders(broken=False))
    with opened.project() as project:
        project.build_training_set("returns")
    return opened


def monitored(opened, name, **question):
    with opened.project() as project:
        return project.monitor(name, **question)


def test_a_training_set_is_compared_with_what_was_learned_from(sound):
    found = monitored(sound, "returns")

    assert (found.kind, found.level, found.findings) == ("training_set", "ok", ())
    assert (found.baseline.rows, found.current.rows) == (35 * 60 - 120, 7 * 60)  # two days of embargo
    assert (found.current.start, found.current.end) == (at(2, 12), at(2, 19))
    assert sorted(one.name for one in found.columns) == ["came_back", "channel", "doubled", "items"]
    assert {one.name: one.role for one in found.columns}["came_back"] == "label"


def test_every_training_set_keeps_a_profile_of_each_split(sound):
    with sound.project() as project:
        kept = profiles.of_training_set(project.training_set("returns"))

    assert {split: one.rows for split, one in kept.items()} == {"train": 35 * 60 - 120, "test": 14 * 60}
    assert kept["train"].shapes == kept["test"].shapes


def test_the_same_training_set_has_the_same_profile_elsewhere(sound, tmp_path):
    other = watched_shop(tmp_path, orders(broken=False))
    with other.project(threads=3) as project:
        built = project.build_training_set("returns")
    with sound.project() as project:
        first = project.training_set("returns")

    assert built.id == first.id
    assert (built.path / profiles.PROFILE).read_bytes() == (first.path / profiles.PROFILE).read_bytes()


def test_a_profile_can_be_left_out(tmp_path):
    opened = watched_shop(tmp_path, quiet(3, a_day=20), {
        "models/returns.yml": "version: 2\nmodels:\n  - {name: returns, config: {monitor: false}}\n"
    })  # fmt: skip

    with opened.project() as project:
        built = project.build_training_set("returns")

    assert not (built.path / profiles.PROFILE).exists()


def test_a_view_is_compared_with_all_rows_before(sound):
    found = monitored(sound, "sold")

    assert (found.kind, found.level, found.baseline.rows, found.current.rows) == ("feature_view", "ok", 2520, 420)


def test_a_view_can_be_compared_with_the_period_before_or_any_other(sound):
    previous = monitored(sound, "sold", against="previous")
    other = monitored(sound, "sold", since=at(2, 1), until=at(2, 8), against="2024-01-05..2024-01-20")

    assert (previous.baseline.rows, other.baseline.rows, other.current.rows) == (420, 900, 420)


def test_a_changed_unit_is_traced_up_to_its_source(broken):
    found = monitored(broken, "sold")

    gross = found.column("gross")
    assert (found.level, found.columns[0].name, gross.level, gross.first_seen) == (
        "breach",
        "gross",
        "breach",
        at(2, 12),
    )
    assert [(one.node, one.column, one.level) for one in gross.causes] == [("raw.orders", "amount", "breach")]


def test_a_model_is_watched_with_its_predictions_and_its_labels(broken):
    found = monitored(broken, "returner")

    roles = {one.name: one.role for one in found.columns}
    assert (found.kind, found.reference, found.level) == ("model", "returner@v1", "breach")
    assert roles == {
        "doubled": "feature", "items": "feature", "channel": "feature", "came_back": "label", "prediction": "prediction"
    }  # fmt: skip
    assert found.column("prediction").level == "breach"
    performance = found.performance
    assert (performance.metric, performance.labelled, performance.measure.level) == ("auc", 420, "breach")
    assert performance.low <= performance.metrics["auc"] <= performance.high < performance.baseline["auc"]
    assert len(performance.timeline) == 7


def test_what_moves_the_predictions_is_told(broken):
    found = monitored(broken, "returner")

    shares = {one.name: one.share for one in found.columns if one.share is not None}
    assert max(shares, key=shares.get) == "doubled"
    assert sum(shares.values()) == pytest.approx(1)


def test_labels_that_are_not_known_yet_are_not_counted(broken):
    times = orders(broken=True)["sold_at"]
    now = times[-1] + timedelta(hours=1)

    with Project.load(broken.root, clock=FixedClock(now)) as project:
        found = project.monitor("returner", remember=False)

    assert found.performance.labelled == sum(at(2, 12) <= time <= now - timedelta(days=2) for time in times)


def test_slices_are_looked_at_one_by_one(broken):
    found = monitored(broken, "returner", by=["channel"])

    web = next(one for one in found.slices if one.value == "web")
    assert {one.value for one in found.slices} == {"web", "shop", "phone"}
    assert (web.level, web.rows < 420, "auc" in web.metrics) == ("breach", True, True)


def test_a_breach_is_told_to_hooks(broken):
    (broken.root / "breached.json").unlink(missing_ok=True)

    monitored(broken, "returner")

    told = json.loads((broken.root / "breached.json").read_text())
    assert (told["name"], told["level"], "doubled" in told["drifted"]) == ("returner", "breach", True)


def test_what_was_found_is_kept_in_tables_of_the_target(broken):
    first = monitored(broken, "sold")

    with broken.project() as project:
        looks = project.monitor_history("sold")
        runs, columns = project.table("monitor_runs"), project.table("monitor_columns")
    last = looks[-1]
    assert (last.level, last.worst, last.sentence) == ("breach", "gross", first.sentence)
    assert json.loads(runs.filter(runs_of(runs, "sold")).to_pylist()[-1]["result"])["level"] == "breach"
    assert {"gross", "channel"} <= set(columns.column("column_name").to_pylist())


def runs_of(table, name):
    return [one == name for one in table.column("name").to_pylist()]


def test_a_look_need_not_be_remembered(sound):
    with sound.project() as project:
        before = len(project.monitor_history("asked_never"))
        project.monitor("sold", remember=False, against="previous", since=at(1, 15), until=at(1, 20))
        looks = project.monitor_history("sold")

    assert (before, [one for one in looks if one.since == at(1, 15)]) == (0, [])


def test_the_same_rows_are_told_in_the_same_words(sound):
    first, second = (monitored(sound, "returns", remember=False).as_dict() for _ in range(2))

    for told in (first, second):
        told.pop("seconds")
    assert first == second


def test_thresholds_stand_beside_the_model(tmp_path):
    opened = watched_shop(tmp_path, orders(broken=True), {
        "models/sold.yml": """
            version: 2
            models: [{name: sold, config: {monitor: {ignore: [gross, order_id], period: 3 days}}}]
        """
    })  # fmt: skip

    found = monitored(opened, "sold")

    assert (found.level, found.current.start, [one.name for one in found.columns]) == (
        "ok",
        at(2, 16),
        ["channel"],
    )


def test_a_column_that_is_gone_is_a_breach(sound, tmp_path):
    opened = watched_shop(tmp_path, orders(broken=False))
    with opened.project() as project:
        project.build_training_set("returns")
    text = (opened.root / "models/returns.sql").read_text().replace("a.items, ", "")
    opened.change({"models/returns.sql": text})

    found = monitored(opened, "returns")

    assert [(one.kind, one.text) for one in found.findings] == [("schema", "The column items is gone.")]


@pytest.mark.parametrize(
    ("name", "question", "code"),
    [
        ("returms", {}, "unknown-model"),
        ("asked", {}, "not-monitored"),
        ("sold", {"since": at(2, 3), "until": at(2, 3)}, "bad-period"),
        ("sold", {"against": "yesterday"}, "bad-period"),
        ("sold", {"against": "2020-01-01..2020-01-02"}, "empty-period"),
        ("returns", {"by": ["chanel"]}, "unknown-column"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_hint(sound, name, question, code):
    with pytest.raises(UsageError) as caught:
        monitored(sound, name, **question)

    assert (caught.value.code, bool(caught.value.hint)) == (code, True)


def test_of_a_model_a_wrong_column_is_refused_before_anything_is_counted_by_it(broken):
    with pytest.raises(UsageError) as caught:
        monitored(broken, "returner", by=["chanel"])

    assert (caught.value.code, caught.value.hint) == ("unknown-column", "did you mean 'channel'?")


def test_thresholds_of_columns_that_are_not_there_are_told_of(tmp_path):
    opened = watched_shop(tmp_path, orders(broken=False), {
        "models/sold.yml": """
            version: 2
            models: [{name: sold, config: {monitor: {ignore: [order_id, grosss], columns: {chanel: {shift: 1}}}}}]
        """
    })  # fmt: skip

    assert monitored(opened, "sold").notes == (
        "monitor: names a column 'grosss' that is not there; did you mean 'gross'?",
        "monitor: names a column 'chanel' that is not there; did you mean 'channel'?",
    )


def test_a_training_set_that_was_never_built_has_no_baseline(tmp_path):
    opened = watched_shop(tmp_path, quiet(3, a_day=20))

    with pytest.raises(StoreError) as caught:
        monitored(opened, "returns")

    assert caught.value.code == "no-such-training-set"


def test_a_period_without_rows_is_a_breach(sound):
    found = monitored(sound, "returns", since=at(3, 1), until=at(3, 8))

    assert (found.level, found.findings[0].text) == ("breach", "There is no row in this period.")


def test_slices_can_be_compared_with_another_period(sound):
    found = monitored(sound, "returns", against="previous", by=["channel"], remember=False)

    web = next(one for one in found.slices if one.value == "web")
    assert (found.baseline.rows, found.current.rows, found.level) == (420, 420, "ok")
    assert sum(one.rows for one in found.slices) == 420
    assert (web.baseline_rows == web.rows, web.level) == (False, "ok")


def test_servers_are_left_the_numbers_of_the_last_look(broken):
    found = monitored(broken, "returner")

    [look] = [one for one in Looks(broken.root / "target" / FOLDER).all() if one.name == "returner"]
    assert (look.reference, look.level, look.rows) == ("returner@v1", "breach", 420)
    assert look.psi == {one.name: one.statistics["psi"] for one in found.columns if "psi" in one.statistics}
    assert look.breaches["psi"] == sum(one.kind == "psi" and one.level == "breach" for one in found.findings)
    assert look.newest_row == max(orders(broken=True)["sold_at"])
    assert look.performance == {"auc": found.performance.metrics["auc"]}
