"""A model is watched by what it really predicted: rows of the serving log, rows of tables, and the labels of both."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from sqlfeat.api import Project
from sqlfeat.base.clock import FixedClock
from sqlfeat.errors import UsageError
from sqlfeat.store.serving_log import ServingLog
from tests.made.projects import NOW, PROJECT_FILE
from tests.made.watched import FILES, quiet, table, watched_shop
from tests.ops.monitoring.test_monitor import HOOK, at

DAYS, A_DAY = 49, 40
ONLINE = FILES["models/sold.sql"].replace("event_time='sold_at'", "event_time='sold_at', online=true")


def orders():
    """Seven weeks; whoever comes back has paid more."""
    rows = quiet(DAYS, a_day=A_DAY)
    rows["amount"] = np.where(rows["came_back"], rows["amount"] * 1.8, rows["amount"])
    return rows


def rows_of(first: datetime, last: datetime):
    """The orders of a period, as they are asked for."""
    made = orders()
    names = ("order_id", "sold_at", "amount", "items", "channel")
    listed = zip(*(made[name] for name in names), strict=True)
    return [dict(zip(names, one, strict=True)) for one in listed if first <= one[1] < last]


def plain(row):
    """A row as JSON could have it."""
    return {**row, "order_id": int(row["order_id"]), "items": int(row["items"]), "amount": float(row["amount"])}


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A model that has scored its last week twice: served hour by hour, of amounts in cents; and into a table."""
    root = tmp_path_factory.mktemp("scored")
    files = {"hooks/returner.py": HOOK, "models/sold.sql": ONLINE}
    files["sqlfeat_project.yml"] = PROJECT_FILE + "    serve: {log: log}\n"
    opened = watched_shop(root, orders(), files)
    with opened.project() as project:
        project.train("returner")
        project.publish(at=at(1, 1))
        project.predict("returner", start=at(2, 12), end=at(2, 19), table="scores")
    log = ServingLog(root / "log", clock=FixedClock(NOW))
    with opened.project() as project, project.serve_session(log=log) as serving:
        for row in rows_of(at(2, 12), at(2, 19)):
            asked = {**plain(row), "amount": float(row["amount"]) * 100}
            serving.predict("returner", [asked], at=row["sold_at"] + timedelta(minutes=5))
    log.close()
    return opened


def monitored(opened, now: datetime = NOW, **question):
    with Project.load(opened.root, clock=FixedClock(now)) as project:
        return project.monitor("returner", remember=False, **question)


def test_what_was_served_is_looked_at_where_there_is_a_log(scored):
    found = monitored(scored)

    assert (found.current.kind, found.current.source) == ("log", "what returner@v1 served (log)")
    assert (found.current.rows, found.current.end) == (7 * A_DAY, at(2, 19))
    assert found.column("doubled").level == "breach"
    assert {one.name for one in found.columns} == {"doubled", "items", "channel", "came_back", "prediction"}


def test_how_often_is_asked_says_nothing(scored):
    assert {one.name for one in monitored(scored, current="log").measures} == {"freshness"} | {"skew" for _ in range(1)}


def test_what_a_table_has_is_looked_at_with_the_features_of_its_rows(scored):
    found = monitored(scored, current="scores")
    anew = monitored(scored, current="features")

    assert (found.current.kind, found.current.source) == ("predictions", "what returner@v1 predicted (table scores)")
    assert found.current.rows == anew.current.rows == 7 * A_DAY
    assert found.column("doubled").current == anew.column("doubled").current
    assert found.column("prediction").current == anew.column("prediction").current
    assert found.performance.as_dict() == anew.performance.as_dict()
    assert monitored(scored, current="predictions").current.source == found.current.source


def test_labels_are_those_of_the_row_that_was_predicted(scored):
    served = monitored(scored, current="log").performance
    anew = monitored(scored, current="features").performance

    assert (served.rows, served.labelled) == (anew.rows, anew.labelled) == (7 * A_DAY, 7 * A_DAY)
    assert served.metrics["log_loss"] != anew.metrics["log_loss"]  # what was served was predicted from cents


def test_labels_of_predictions_are_waited_for(scored):
    now = at(2, 19)

    found = monitored(scored, now, current="log")

    known = [row for row in rows_of(at(2, 12), at(2, 19)) if row["sold_at"] + timedelta(days=2) <= now]
    assert (found.performance.labelled, found.performance.rows) == (len(known), 7 * A_DAY)


def test_other_periods_of_the_log_can_be_compared(scored):
    found = monitored(scored, current="log", since=at(2, 16), until=at(2, 19), against="2024-02-12..2024-02-16")

    assert (found.baseline.rows, found.current.rows) == (4 * A_DAY, 3 * A_DAY)
    assert [one.text for one in found.findings] == ["The auc is 0.5, and was 0.7742."]  # since all that time


def test_without_predictions_in_the_period_they_are_made_anew(scored):
    found = monitored(scored, since=at(2, 5), until=at(2, 12))

    assert (found.current.kind, found.current.rows) == ("features", 7 * A_DAY)
    assert found.current.source == "what returner@v1 gives for returns"


def test_predictions_of_rows_that_are_no_label_rows_have_no_inputs_to_look_at(scored, tmp_path):
    strange = table({name: values[-2 * A_DAY :] for name, values in orders().items()})
    strange = strange.set_column(0, "order_id", [[one + 10_000 for one in strange["order_id"].to_pylist()]])
    with scored.project() as project:
        project.predict("returner", start=at(2, 12), end=at(2, 19), table="mixed")
        project.predict("returner", rows=strange, table="mixed", incremental=True)

    found = monitored(scored, current="mixed")

    assert found.current.rows == 7 * A_DAY
    assert found.column("prediction").current.rows == 9 * A_DAY
    assert found.notes[0] == (
        "80 of 360 predictions are of rows that returns does not have: their inputs are not looked at."
    )


@pytest.mark.parametrize(
    ("name", "current", "what"),
    [
        (
            "returner",
            "scoers",
            "'scoers' is no table of predictions, no file, and neither log, predictions nor features.",
        ),
        ("returns", "log", "returns is no registered model, so there is nothing to choose for --current."),
    ],
)
def test_what_there_is_none_of_cannot_be_looked_at(scored, name, current, what):
    with scored.project() as project, pytest.raises(UsageError) as caught:
        project.monitor(name, current=current)

    assert (caught.value.code, caught.value.what, bool(caught.value.hint)) == ("bad-current", what, True)


def test_files_of_predictions_are_looked_at_like_a_table(scored, tmp_path):
    folder = tmp_path / "scores"
    with scored.project() as project:
        for first, last in ((12, 15), (15, 19)):
            project.predict("returner", start=at(2, first), end=at(2, last), out=folder, incremental=True)

    found, beside = monitored(scored, current=str(folder)), monitored(scored, current="scores")

    assert found.current.source == f"what returner@v1 predicted ({folder}, 2 files)"
    assert found.current.end == beside.current.end
    assert [one.as_dict() for one in found.columns] == [one.as_dict() for one in beside.columns]
    assert found.performance.as_dict() == beside.performance.as_dict()


def test_a_csv_of_predictions_is_read_as_what_its_columns_are_to_be(scored, tmp_path):
    file = tmp_path / "scores.parquet"
    with scored.project() as project:
        project.predict("returner", start=at(2, 12), end=at(2, 19), out=file)
    text = tmp_path / "scores.csv"
    pa_csv.write_csv(pq.read_table(file), text)

    found, beside = monitored(scored, current=str(text)), monitored(scored, current=str(file))

    assert found.current.source == f"what returner@v1 predicted ({text})"
    assert found.column("prediction").as_dict() == beside.column("prediction").as_dict()
    assert found.performance.as_dict() == beside.performance.as_dict()


def test_predictions_of_another_version_in_a_file_are_left_out(scored, tmp_path):
    file = tmp_path / "scores.parquet"
    with scored.project() as project:
        project.predict("returner", start=at(2, 12), end=at(2, 19), out=file)
    rows = pq.read_table(file)
    place = rows.column_names.index("version")
    pq.write_table(rows.set_column(place, "version", pa.array([2] * rows.num_rows, pa.int32())), file)

    with pytest.raises(UsageError) as caught:
        monitored(scored, current=str(file))

    assert (caught.value.code, caught.value.what) == ("bad-current", f"{file} has no predictions of returner@v1.")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "There is no file or folder {file}."),
        (
            "order_id,sold_at,prediktion\n1,2024-02-12,0.5\n",
            "{file} has no column 'prediction', so it has no predictions of returner@v1.",
        ),
        (
            "order_id,sold_at,prediction\n1,yesterday,0.5\n",
            "The predictions in {file} cannot be read: invalid timestamp field format",
        ),
    ],
)
def test_files_that_hold_no_predictions_are_refused(scored, tmp_path, content, what):
    file = tmp_path / "scores.csv"
    if content is not None:
        file.write_text(content)

    with pytest.raises(UsageError) as caught:
        monitored(scored, current=str(file))

    assert (caught.value.code, caught.value.what.startswith(what.format(file=file))) == ("bad-current", True)
