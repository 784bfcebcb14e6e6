"""Prediction: assembled rows through a registered version into a Parquet file, or a refusal that says why."""

from datetime import UTC, datetime

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pytest

from sqlfeat.errors import RunError, StoreError, UsageError
from sqlfeat.ops import predict as predict_module
from sqlfeat.ops.given_rows import read_rows
from sqlfeat.ops.predict import predict
from sqlfeat.store import codecs
from sqlfeat.store.signature import PROBABILITIES, Output
from tests.made.sessions import MadeSession, project
from tests.made.training_sets import flights
from tests.made.versions import booster_text, register_version

CARRIED = ["flight_id", "asked_utc", "sched_dep_utc"]


@pytest.fixture
def assembled(monkeypatch):
    """Let ``predict`` get these rows; what it was asked for is kept beside them."""
    asked = {"table": flights(10), "pieces": 1}

    def assemble_in_pieces(session, name, request, nodes=(), transforms=None):
        asked.update(name=name, request=request, nodes=nodes, transforms=transforms)
        rows = -(-asked["table"].num_rows // asked["pieces"])
        for piece in range(asked["pieces"]):
            table = asked["table"].slice(piece * rows, rows)
            yield pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=4))

    monkeypatch.setattr(predict_module, "assemble_in_pieces", assemble_in_pieces)
    return asked


@pytest.fixture
def session(tmp_path, assembled):
    return MadeSession(project(tmp_path / "flights"))


def test_rows_are_scored_and_written_with_what_identifies_them(session):
    register_version(session.spec.registry)

    prediction = predict(session, "late_lgbm")

    assert (prediction.rows, prediction.name, prediction.version) == (10, "late_lgbm", 1)
    assert prediction.path.parent == session.spec.target_path / "predictions" / "late_lgbm"
    written = pq.read_table(prediction.path)
    assert tuple(written.column_names) == prediction.columns == (*CARRIED, "prediction", "model", "version")
    assert written.select(CARRIED).equals(flights(10).select(CARRIED))
    assert set(written["model"].to_pylist()) == {"late_lgbm"}
    assert set(written["version"].to_pylist()) == {1}


def test_the_model_sees_its_own_categories_whatever_today_has(session, assembled):
    register_version(session.spec.registry)
    booster = lightgbm.Booster(model_str=booster_text().decode())
    matrix = np.array([[2, 5.0, 3], [np.nan, np.nan, 4], [np.nan, 7.0, 5]])
    assembled["table"] = flights(3).set_column(3, "carrier", pa.array(["UA", None, "9E"]).dictionary_encode())
    assembled["table"] = assembled["table"].set_column(4, "delay_7d", pa.array([5.0, None, 7.0]))
    assembled["table"] = assembled["table"].set_column(5, "dep_hour", pa.array([3, 4, 5]))

    written = pq.read_table(predict(session, "late_lgbm").path)

    assert written["prediction"].to_pylist() == booster.predict(matrix).tolist()


def test_what_is_asked_for_reaches_the_assembly(session, assembled):
    register_version(session.spec.registry)
    instant, rows = datetime(2013, 3, 20, tzinfo=UTC), pa.table({"carrier": ["AA"]})

    predict(session, "late_lgbm@v1", at=instant, rows=rows, start=instant, end=instant)

    request = assembled["request"]
    assert assembled["name"] == "late_flights"
    assert (request.at, request.start, request.end, request.without) == (instant, instant, instant, None)
    assert request.rows is rows


@pytest.mark.parametrize("pieces", [1, 3, 10])
def test_the_same_predictions_are_the_same_file_however_many_pieces_they_come_in(session, assembled, pieces):
    register_version(session.spec.registry)
    expected = predict(session, "late_lgbm").path
    assembled["pieces"] = pieces

    found = predict(session, "late_lgbm")

    assert (found.rows, found.path) == (10, expected)


def test_the_rows_are_the_same_however_many_are_scored_at_once(session, assembled, monkeypatch):
    register_version(session.spec.registry)
    first = predict(session, "late_lgbm")
    monkeypatch.setattr(codecs, "ROWS_AT_ONCE", 3)
    in_parts = predict(session, "late_lgbm", out=session.spec.root / "parts" / "late.parquet")

    assert pq.read_table(in_parts.path).equals(pq.read_table(first.path))
    assembled["table"] = flights(11)
    assert predict(session, "late_lgbm").path != first.path
    assert not list(session.spec.root.rglob(".predictions*"))


def test_no_rows_are_a_file_without_rows(session, assembled):
    register_version(session.spec.registry)
    assembled["table"] = flights(0)

    prediction = predict(session, "late_lgbm")

    assert prediction.as_dict()["rows"] == 0
    assert pq.read_schema(prediction.path).names == [*CARRIED, "prediction", "model", "version"]


def test_several_classes_have_a_column_each_and_the_likeliest(session):
    classes = ("early", "on time", "late", "never")
    register_version(session.spec.registry, output=Output(PROBABILITIES, classes))

    written = pq.read_table(predict(session, "late_lgbm").path)

    columns = [f"probability_{one}" for one in classes]
    assert written.column_names == [*CARRIED, *columns, "prediction", "model", "version"]
    probabilities = np.column_stack([written[column].to_numpy() for column in columns])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert written["prediction"].to_pylist() == [classes[place] for place in probabilities.argmax(axis=1)]


def test_another_definition_of_a_feature_is_refused_by_name(session):
    register_version(session.spec.registry, git={"commit": "c0ffee" * 6 + "c0ff", "dirty": False})
    session.definition = {"definition": "d2", "features": {"carrier_delays.delay_7d": "f2", "route.flights": "f9"}}

    with pytest.raises(RunError, match="late_lgbm@v1 was trained on another definition of late_flights") as caught:
        predict(session, "late_lgbm")

    assert caught.value.code == "definition-changed"
    assert caught.value.details == (
        "the feature carrier_delays.delay_7d changed", "the feature route.flights is new",
    )  # fmt: skip
    assert caught.value.hint == "train it again: sqlfeat train late_lgbm or check out commit c0ffeec0ffee."
    assert not (session.spec.target_path / "predictions").exists()


def test_another_select_over_the_same_features_is_refused_too(session):
    register_version(session.spec.registry)
    session.definition = {**session.definition, "definition": "d2"}

    with pytest.raises(RunError) as caught:
        predict(session, "late_lgbm")

    assert caught.value.details == ("the SELECT of late_flights changed; its features did not",)


def test_a_damaged_version_predicts_nothing(session):
    version = register_version(session.spec.registry)
    (version.path / "model.txt").write_bytes(booster_text()[:-50])

    with pytest.raises(StoreError, match=r"model\.txt is damaged: it has .* bytes and had") as caught:
        predict(session, "late_lgbm")

    assert caught.value.code == "damaged-version"


def test_predictions_are_written_as_parquet_only(session):
    register_version(session.spec.registry)

    with pytest.raises(UsageError, match=r"written as Parquet, not as 'late\.csv'"):
        predict(session, "late_lgbm", out=session.spec.root / "late.csv")


def test_a_place_that_cannot_be_written_to_is_named(session):
    register_version(session.spec.registry)
    (session.spec.root / "file").write_text("")

    with pytest.raises(StoreError, match="Predictions cannot be written to") as caught:
        predict(session, "late_lgbm", out=session.spec.root / "file" / "late.parquet")

    assert caught.value.code == "cannot-write"


def test_rows_are_read_from_parquet_arrow_and_csv(tmp_path):
    rows = pa.table({"carrier": ["AA", None], "flight_id": [7, 8]})
    pq.write_table(rows, tmp_path / "rows.parquet")
    pa_feather.write_feather(rows, str(tmp_path / "rows.arrow"))
    pa_csv.write_csv(rows, tmp_path / "rows.csv")

    assert read_rows(tmp_path / "rows.parquet").equals(rows)
    assert read_rows(tmp_path / "rows.arrow").equals(rows)
    assert read_rows(tmp_path / "rows.csv").to_pylist() == [
        {"carrier": "AA", "flight_id": "7"}, {"carrier": None, "flight_id": "8"},
    ]  # fmt: skip


def test_the_values_of_a_csv_are_text_and_nothing_is_guessed(tmp_path):
    (tmp_path / "rows.csv").write_text("tail,code\n007,NA\n0x1F,\n")

    assert read_rows(tmp_path / "rows.csv").to_pydict() == {"tail": ["007", "0x1F"], "code": ["NA", None]}


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("rows.xlsx", b"", "bad-rows"),
        ("rows.parquet", b"PAR1", "cannot-read"),
        ("rows.arrow", b"nonsense", "cannot-read"),
        ("rows.csv", b"", "cannot-read"),
        ("none.parquet", None, "no-such-file"),
        ("none.csv", None, "no-such-file"),
    ],
)
def test_rows_that_cannot_be_read_are_refused(tmp_path, name, content, code):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(UsageError) as caught:
        read_rows(tmp_path / name)

    assert caught.value.code == code
