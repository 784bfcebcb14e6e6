"""Where predictions go, which rows are new there, and what is left when scoring is stopped."""

import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pytest

from sqlfeat.engine.duckdb import lookup
from sqlfeat.errors import RunError, StoreError, UsageError
from sqlfeat.ops import predict as predict_module
from sqlfeat.ops import predictions
from sqlfeat.ops.training_set import assemble
from sqlfeat.store import codecs
from tests.made.projects import NOW, day, write
from tests.made.scoring import CLASSES, asked, booster, matrix_of, predicted, register_buyer, scored_shop, time_of


@pytest.fixture
def opened(tmp_path):
    made = scored_shop(tmp_path / "shop")
    register_buyer(made)
    return made


def numbers(opened, table="scores", *, version=None):
    """The label rows that a table or a folder has scores of, in their order."""
    found = opened.table(table) if isinstance(table, str) else pq.read_table(table)
    rows = found.select(["asked_id", "version"]).to_pylist()
    return [row["asked_id"] for row in rows if version in (None, row["version"])]


# -- rows --------------------------------------------------------------------------------------------------------------


def test_scores_are_what_the_model_gives_for_the_assembled_rows(opened):
    with opened.project() as project:
        rows = assemble(project._session, "buys").to_pylist()

    found = pq.read_table(predicted(opened).path)

    assert found.column_names == ["asked_id", "asked_at", "shop", "prediction", "model", "version"]
    assert found["asked_id"].to_pylist() == [row["asked_id"] for row in rows] == list(range(30))
    assert found["prediction"].to_pylist() == booster().predict(matrix_of(rows)).tolist()


@pytest.mark.parametrize("rows", [0, 1, 6, 7, 8, 14, 30])
def test_pieces_of_seven_rows_give_the_bytes_that_one_piece_gives(tmp_path, monkeypatch, rows):
    made = scored_shop(tmp_path / "shop", asked(*range(rows)))
    register_buyer(made)
    whole = predicted(made).path.read_bytes()
    asked_for = []

    def rows_within(columns, most):
        asked_for.append(most)
        return 7

    monkeypatch.setattr(lookup, "rows_within", rows_within)
    pieces = predicted(made, out=tmp_path / "pieces.parquet")

    assert pieces.rows == rows
    assert pieces.path.read_bytes() == whole
    assert asked_for
    looked_up = [event for event in made.events if event.name == "look up features"]
    assert looked_up[-1].facts == looked_up[0].facts


def test_pieces_that_cannot_be_kept_in_memory_give_the_same_rows(opened, monkeypatch):
    expected = pq.read_table(predicted(opened).path)
    monkeypatch.setattr(lookup, "rows_within", lambda columns, most: 11)
    monkeypatch.setattr("sqlfeat.engine.duckdb.outputs.KEPT_SHARE", 0)

    assert pq.read_table(predicted(opened).path).equals(expected)


# -- rows of one's own -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv"])
def test_rows_of_a_file_are_scored_in_their_order(opened, tmp_path, ending):
    expected = pq.read_table(predicted(opened).path)
    rows, file = asked(7, 3, 21).drop_columns(["bought"]), tmp_path / f"rows.{ending}"
    writers = {"parquet": pq.write_table, "csv": pa_csv.write_csv, "arrow": pa_feather.write_feather}
    writers[ending](rows, str(file))

    found = pq.read_table(predicted(opened, rows=file).path)

    assert found.equals(expected.take([7, 3, 21]))


def test_rows_of_a_model_a_seed_and_a_source_are_scored_in_the_order_of_label_rows(opened, tmp_path):
    expected = pq.read_table(predicted(opened).path)
    write(
        opened.root,
        {
            "models/tonight.sql": "select * exclude (bought) from {{ source('raw', 'asked') }} where asked_id > 20",
            "seeds/called.csv": asked(9, 4).drop_columns(["bought"]),
        },
    )

    found = {name: pq.read_table(predicted(opened, rows=name).path) for name in ("tonight", "called", "raw.asked")}

    assert found["tonight"].equals(expected.slice(21))
    assert found["called"].equals(expected.take([4, 9]))
    assert found["raw.asked"].equals(expected)


def test_rows_are_asked_between_two_instants_and_all_at_one(opened):
    some = predicted(opened, rows=asked(*range(30)), start=time_of(5), end=time_of(9))
    at_one = pq.read_table(predicted(opened, rows="raw.asked", at=day(9)).path)

    assert pq.read_table(some.path)["asked_id"].to_pylist() == [5, 6, 7, 8]
    assert set(at_one["asked_at"].to_pylist()) == {day(9)}


def test_every_column_that_rows_lack_is_named(opened):
    with pytest.raises(RunError) as caught:
        predicted(opened, rows=asked(1).drop_columns(["customer", "channel", "asked_at"]))

    assert caught.value.code == "missing-request-column"
    assert caught.value.what == "The rows have no columns 'asked_at', 'customer', 'channel', which buys needs."
    assert caught.value.hint == "needed are: asked_at, customer, channel. --at TIME is one as-of time for all."


@pytest.mark.parametrize(
    ("rows", "code", "hint"),
    [
        ("askd", "no-such-file", "did you mean 'asked'?"),
        ("gone.parquet", "no-such-file", None),
        ("buys", "not-a-relation", "give a view, a table, a seed, a source or a file."),
    ],
)
def test_what_has_no_rows_is_refused_with_what_was_meant(opened, rows, code, hint):
    with pytest.raises(UsageError) as caught:
        predicted(opened, rows=rows)

    assert (caught.value.code, caught.value.hint) == (code, hint)


def test_a_file_that_breaks_off_is_named_and_nothing_is_written(opened, tmp_path):
    rows = pa.concat_tables([asked(*range(30))] * 4_000)
    pa_csv.write_csv(rows, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open("a") as stream:
        stream.write("1,2,3\n")

    with pytest.raises(UsageError, match=r"rows\.csv cannot be read") as caught:
        predicted(opened, rows=tmp_path / "rows.csv")

    assert caught.value.code == "cannot-read"
    assert not list(opened.root.glob("target/predictions/buyer/*"))


# -- tables ------------------------------------------------------------------------------------------------------------


def test_a_table_holds_the_same_rows_and_when_they_were_written(opened):
    expected = pq.read_table(predicted(opened).path)

    prediction = predicted(opened, table="scores")

    found = opened.table("scores")
    assert found.drop_columns(["predicted_at"]).equals(expected)
    assert set(found["predicted_at"].to_pylist()) == {NOW}
    assert prediction.as_dict()["table"] == "scores"
    assert prediction.path == opened.root / "target" / "shop.duckdb"
    assert [row["asked_id"] for row in opened.show("scores")] == list(range(10))


def test_a_table_is_replaced_unless_rows_are_added(opened):
    predicted(opened, table="scores", end=time_of(4))

    predicted(opened, table="scores", start=time_of(28))

    assert numbers(opened) == [28, 29]


def test_a_table_that_predict_has_not_written_is_left_alone(opened):
    opened.run()
    for name in ("asked", "spent"):
        with pytest.raises(UsageError, match=f"{name} is a node of this project"):
            predicted(opened, table=name)
    (opened.root / "models" / "asked.sql").rename(opened.root / "models" / "questions.sql")
    (opened.root / "models" / "buys.sql").write_text(
        (opened.root / "models" / "buys.sql").read_text().replace("ref('asked')", "ref('questions')")
    )
    register_buyer(opened)

    with pytest.raises(RunError, match=r"main\.asked is there and was not written by predict") as caught:
        predicted(opened, table="asked")

    assert caught.value.code == "relation-in-the-way"


def test_a_table_needs_a_name_and_no_file_beside_it(opened, tmp_path):
    with pytest.raises(UsageError, match="into a table or into a file, not both"):
        predicted(opened, table="scores", out=tmp_path / "scores.parquet")


# -- only new rows -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["table", "folder"])
def place(request, opened, tmp_path):
    """Score what is new into a table, or into a folder; and say what is there."""

    class Place:
        where = {"table": "scores"} if request.param == "table" else {"out": tmp_path / "scores"}

        def add(self, reference="buyer", **how):
            return predicted(opened, reference, incremental=True, **self.where, **how).rows

        def scored(self, version=None):
            found = self.where.get("table", self.where.get("out"))
            return sorted(numbers(opened, found, version=version))

    return Place()


def test_rows_that_were_scored_are_not_scored_again(place):
    assert place.add(end=time_of(10)) == 10
    assert place.add() == 20
    assert place.add() == 0
    assert place.scored() == list(range(30))


def test_rows_that_come_late_are_scored_wherever_their_time_lies(opened, place):
    opened.change({"data/asked.parquet": asked(1, 5, 20)})
    assert place.add() == 3

    opened.change({"data/asked.parquet": asked(*range(30))})

    assert place.add() == 27
    assert place.scored() == list(range(30))


def test_a_new_version_scores_everything_again_and_the_old_scores_stay(opened, place):
    place.add()
    register_buyer(opened, seed=4)

    assert place.add(end=time_of(3)) == 3
    assert place.add() == 27
    assert place.add("buyer@1") == 0
    assert place.scored(version=1) == place.scored(version=2) == list(range(30))


def test_a_row_is_its_keys_and_its_as_of_time_whatever_else_changes(opened, place):
    place.add()
    later = asked(*range(30), channel="phone")
    moved = pa.array([day(20) if number == 7 else time_of(number) for number in range(30)], pa.timestamp("us", "UTC"))
    opened.change({"data/asked.parquet": later.set_column(2, "asked_at", moved)})

    assert place.add() == 1
    assert place.scored() == sorted([*range(30), 7])


def test_the_same_rows_at_another_instant_are_other_rows(place):
    assert place.add(at=day(20)) == 30
    assert place.add(at=day(20)) == 0
    assert place.add(at=day(21)) == 30


def test_a_row_without_a_key_is_scored_once_too(opened, place):
    nobody = asked(1, 2).set_column(0, "asked_id", pa.array([1, None], pa.int64()))
    opened.change({"data/asked.parquet": nobody})

    assert (place.add(), place.add()) == (2, 0)


def test_given_rows_are_added_once_in_their_order(place):
    assert place.add(rows=asked(9, 2, 5)) == 3
    assert place.add(rows=asked(9, 1, 5, 3)) == 2
    assert place.add(rows="raw.asked") == 25


def test_given_rows_that_are_added_need_their_keys(place):
    place.add()

    with pytest.raises(RunError, match="The rows have no column 'asked_id'"):
        place.add(rows=asked(9, 2).drop_columns(["asked_id"]))


def test_nothing_new_leaves_what_is_there_as_it_is(opened, place, tmp_path):
    place.add()
    files = {file: file.stat().st_mtime_ns for file in tmp_path.glob("scores/*.parquet")}

    place.add()

    assert {file: file.stat().st_mtime_ns for file in tmp_path.glob("scores/*.parquet")} == files
    assert "table" in place.where or len(files) == 1


def test_no_rows_at_all_are_still_a_place_with_columns(opened, place):
    opened.change({"data/asked.parquet": asked()})

    assert (place.add(), place.scored()) == (0, [])


def test_other_columns_are_not_added_to_what_is_there(place):
    place.add()

    with pytest.raises(RunError, match="holds predictions with other columns") as caught:
        place.add(contributions=True)

    assert caught.value.code == "other-columns"
    assert caught.value.details[0] == "contribution_channel is new"


@pytest.mark.parametrize("out", [None, "scores.parquet", "scores.csv"])
def test_what_is_new_can_only_be_told_where_something_lasts(opened, tmp_path, out):
    with pytest.raises(UsageError, match="--incremental adds to what is there") as caught:
        predicted(opened, incremental=True, out=out and tmp_path / out)

    assert caught.value.hint == "--table NAME or --out FOLDER."


def test_keys_that_are_computed_in_the_select_cannot_tell_what_is_new(opened):
    select = (opened.root / "models" / "buys.sql").read_text()
    (opened.root / "models" / "buys.sql").write_text(select.replace("a.asked_id,", "a.asked_id + 1 as asked_id,"))
    register_buyer(opened)

    with pytest.raises(UsageError) as caught:
        predicted(opened, table="scores", incremental=True)

    assert caught.value.code == "incremental-keys"


def test_keys_of_types_that_leave_as_text_or_decimals_are_known_again(tmp_path):
    made = scored_shop(tmp_path / "shop")
    wide = "asked_id::hugeint as asked_id, md5(asked_id::varchar)::uuid as shop"
    made.change({
        "models/asked.sql": "{{ config(materialized='table', role='label', event_time='asked_at', horizon='1 day') }}"
        f"select * exclude (asked_id, shop, asked_at), {wide}, asked_at::timestamp as asked_at"
        " from {{ source('raw', 'asked') }}",
    })  # fmt: skip
    select = (made.root / "models" / "buys.sql").read_text()
    (made.root / "models" / "buys.sql").write_text(
        select.replace("['asked_id'], passthrough=['shop']", "['asked_id', 'shop']")
    )
    register_buyer(made)
    for where in ({"table": "scores"}, {"out": tmp_path / "scores"}):
        assert predicted(made, incremental=True, end=time_of(12), **where).rows == 12
        assert predicted(made, incremental=True, **where).rows == 18
        assert predicted(made, incremental=True, **where).rows == 0


# -- stopped in the middle ---------------------------------------------------------------------------------------------

KILLED = """
import os, sys
from sqlfeat.api import Project
from sqlfeat.engine.duckdb.connection import Connection

execute = Connection.execute

def run(self, sql, parameters=()):
    if sql.startswith("comment on table"):
        os.kill(os.getpid(), 9)
    return execute(self, sql, parameters)

Connection.execute = run
with Project.load(sys.argv[1]) as project:
    project.predict("buyer", incremental=True, table="scores")
"""


def test_a_process_that_is_killed_while_it_writes_a_table_has_written_nothing(opened):
    predicted(opened, incremental=True, end=time_of(8), table="scores")

    ended = subprocess.run([sys.executable, "-c", KILLED, str(opened.root)], capture_output=True, check=False)

    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert numbers(opened) == list(range(8))
    assert predicted(opened, incremental=True, table="scores").rows == 22


@pytest.mark.parametrize("moment", ["scored", "sync", "keep"])
def test_whoever_interrupts_scoring_finds_what_was_there_and_the_next_one_goes_on(opened, place, monkeypatch, moment):
    place.add(end=time_of(8))
    monkeypatch.setattr(lookup, "rows_within", lambda columns, most: 7)
    monkeypatch.setattr(codecs, "ROWS_AT_ONCE", 7)
    scored, calls = predict_module.Scoring.scored, []

    def interrupted(*given):
        calls.append(given)
        if moment == "scored" and len(calls) < 3:
            return scored(*given)
        raise KeyboardInterrupt

    targets = {
        "scored": [(predict_module.Scoring, "scored")],
        "sync": [(predict_module, "sync")],
        "keep": [(predictions._Table, "keep"), (predictions._Folder, "keep")],
    }
    with monkeypatch.context() as patched:
        for target, name in targets[moment]:
            patched.setattr(target, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            place.add()

    assert place.scored() == list(range(8))
    assert not list(opened.root.parent.rglob(".predictions*"))
    assert place.add() == 22
    assert place.scored() == list(range(30))


def test_a_file_that_was_there_stays_when_scoring_fails(opened, tmp_path, monkeypatch):
    file = predicted(opened, out=tmp_path / "scores.parquet", end=time_of(8)).path
    monkeypatch.setattr("sqlfeat.ops.predict.sync", lambda file: (_ for _ in ()).throw(OSError(28, "no space left")))

    with pytest.raises(StoreError, match="no space left") as caught:
        predicted(opened, out=file)

    assert caught.value.code == "cannot-write"
    assert numbers(opened, file) == list(range(8))
    assert {path.name for path in tmp_path.iterdir()} == {"scores.parquet", "shop"}


# -- contributions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 100, 2**22])
def test_contributions_add_up_to_the_raw_score(opened, monkeypatch, at_once):
    monkeypatch.setattr("sqlfeat.ops.predict.CONTRIBUTIONS_AT_ONCE", at_once)
    with opened.project() as project:
        matrix = matrix_of(assemble(project._session, "buys").to_pylist())

    found = pq.read_table(predicted(opened, contributions=True).path)

    names = [f"contribution_{name}" for name in ("channel", "amount", "spent_3d", "base")]
    assert found.column_names[-6:] == ["model", "version", *names]
    contributions = np.column_stack([found[name].to_numpy() for name in names])
    np.testing.assert_array_equal(contributions, booster().predict(matrix, pred_contrib=True))
    np.testing.assert_allclose(contributions.sum(axis=1), booster().predict(matrix, raw_score=True), atol=1e-9)


def test_of_several_classes_the_contributions_are_those_to_the_predicted_one(opened):
    register_buyer(opened, objective="multiclass")
    with opened.project() as project:
        matrix = matrix_of(assemble(project._session, "buys").to_pylist())
    raw = booster("multiclass").predict(matrix, raw_score=True)

    found = pq.read_table(predicted(opened, contributions=True).path)

    names = [name for name in found.column_names if name.startswith("contribution_")]
    sums = np.column_stack([found[name].to_numpy() for name in names]).sum(axis=1)
    np.testing.assert_allclose(sums, raw.max(axis=1), atol=1e-9)
    assert found["prediction"].to_pylist() == [CLASSES[place] for place in raw.argmax(axis=1)]
    assert len(set(raw.argmax(axis=1))) > 1


def test_no_rows_have_no_contributions(opened):
    opened.change({"data/asked.parquet": asked()})

    found = pq.read_table(predicted(opened, contributions=True).path)

    assert (found.num_rows, found.column_names[-1]) == (0, "contribution_base")


def test_a_library_without_contributions_is_named(opened, monkeypatch):
    monkeypatch.delattr(codecs.LightGBM, "contributions")

    with pytest.raises(UsageError, match="buyer@v1 is a model of lightgbm, which does not say") as caught:
        predicted(opened, contributions=True)

    assert caught.value.code == "no-contributions"


def test_a_carried_column_never_has_the_name_of_a_contribution(opened):
    register_buyer(opened, carried=["asked_id", "asked_at", "Contribution_base"])

    with pytest.raises(RunError, match="'Contribution_base' of buys has a name that predictions use"):
        predicted(opened, contributions=True)
