"""Training sets as a user gets them: rows, splits, categories, files, and what is said on the way."""

import json
from datetime import timedelta

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from sqlfeat.engine.base import LookupReport
from sqlfeat.errors import ProjectError, RunError, UsageError
from sqlfeat.ops.training_set import doubts_about
from tests.made.projects import NOW, Opened, day, shop

SPENT = """
    {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
    select customer, ordered_at, product as last_product, {{ window('sum(amount)', '3 days') }} as spent_3d
    from {{ ref('stg_orders') }}
"""
ASKED = """
    {{ config(materialized='table', role='label', event_time='asked_at', horizon='1 day') }}
    select * from {{ source('raw', 'asked') }}
"""
WANTED = """
    {{ config(materialized='training_set', label='bought', keys=['asked_id']%s) }}
    select
        a.asked_id, a.asked_at, a.channel,
        {{ feature('spent.spent_3d') }}, {{ feature('spent.last_product') }}, a.bought
    from {{ ref('asked') }} as a
"""
BY_TIME = ", split={'train': '2024-01-02', 'test': '2024-01-05'}"


def asked(*rows):
    number, customer, at, channel, bought = zip(*rows, strict=True)
    return pa.table(
        {
            "asked_id": pa.array(number, pa.int64()),
            "customer": pa.array(customer),
            "asked_at": pa.array(at, pa.timestamp("us", "UTC")),
            "channel": pa.array(channel),
            "bought": pa.array(bought, pa.bool_()),
        }
    )


ROWS = asked(
    (4, "bob", day(5), "web", True),
    (1, "ann", day(1), "web", False),
    (2, "ann", day(3), "shop", True),
    (2, "ann", day(3), "shop", True),
    (3, None, day(4), None, False),
    (5, "zoe", day(6), "phone", True),
    (6, "bob", day(4, 12), "web", True),
)


def project(root, *, split="", rows=ROWS, **files):
    return Opened(
        shop(
            root,
            {
                "models/sources.yml": """
                    version: 2
                    sources:
                      - name: raw
                        config: {location: "data/{name}.parquet"}
                        tables:
                          - {name: orders, config: {event_time: ordered_at}}
                          - {name: asked, config: {event_time: asked_at}}
                """,
                "models/stg_orders.sql": "select * from {{ source('raw', 'orders') }}",
                "models/spent.sql": SPENT,
                "models/asked.sql": ASKED,
                "models/wanted.sql": WANTED % split,
                "data/asked.parquet": rows,
                **files,
            },
        )
    )


def built(opened, **settings):
    with opened.project() as loaded:
        return loaded.build_training_set("wanted", **settings)


def rows_of(training_set, part="all"):
    return pq.read_table(training_set.file(part)).to_pylist()


def test_there_is_one_row_for_each_label_row_in_the_order_of_time_and_keys(tmp_path):
    training_set = built(project(tmp_path))

    assert [row["asked_id"] for row in rows_of(training_set)] == [1, 2, 2, 3, 6, 4, 5]
    assert training_set.rows == 7


def test_features_are_those_of_the_instant_and_null_where_there_are_none(tmp_path):
    training_set = built(project(tmp_path))

    found = {row["asked_id"]: (row["spent_3d"], row["last_product"]) for row in rows_of(training_set)}
    assert found == {1: (10, "tea"), 2: (40, "jam"), 3: (None, None), 6: (60, "tea"), 4: (40, "tea"), 5: (None, None)}


def test_parts_begin_at_their_starts_and_end_when_their_labels_are_known(tmp_path):
    training_set = built(project(tmp_path, split=BY_TIME))

    assert dict(training_set.splits) == {"train": 3, "test": 2}
    assert [row["asked_id"] for row in rows_of(training_set, "train")] == [2, 2, 3]
    # 1 was asked before the first start; the label of 6 was known half a day after the test began
    assert [row["asked_id"] for row in rows_of(training_set, "unsplit")] == [1, 6]


def test_a_hash_keeps_the_rows_of_a_key_together_and_does_not_move_them(tmp_path):
    split = ", split={'by': 'hash', 'on': 'channel', 'seed': 7, 'train': 0.5, 'test': 0.5}"
    first = built(project(tmp_path / "a", split=split))
    again = built(project(tmp_path / "b", split=split, rows=pa.concat_tables([ROWS, ROWS])))

    def parts(training_set):
        return {row["channel"]: part for part in training_set.splits for row in rows_of(training_set, part)}

    assert set(parts(first)) == {"web", "shop", "phone", None}
    assert parts(first) == parts(again)


def test_categories_are_those_of_the_train_split_in_binary_order(tmp_path):
    training_set = built(project(tmp_path, split=BY_TIME))

    categories = {column.name: column.categories for column in training_set.columns if column.kind == "categorical"}
    assert categories == {"channel": ("shop",), "last_product": ("jam",)}


def test_the_same_thing_is_built_once(tmp_path):
    opened = project(tmp_path)
    first, second = built(opened), built(opened)

    assert first.created
    assert not second.created
    assert first.id == second.id


def test_other_data_make_another_training_set(tmp_path):
    opened = project(tmp_path)
    first = built(opened)
    opened.change({"data/asked.parquet": ROWS.slice(1)})

    second = built(opened)

    assert second.id != first.id
    assert second.rows == first.rows - 1


def test_a_range_of_as_of_times_is_half_open(tmp_path):
    training_set = built(project(tmp_path), start=day(3), end=day(5))

    assert [row["asked_id"] for row in rows_of(training_set)] == [2, 2, 3, 6]


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv"])
def test_out_writes_all_rows_into_one_file_with_their_part(tmp_path, ending):
    out = tmp_path / "given" / f"all.{ending}"
    built(project(tmp_path / "project", split=BY_TIME), out=out)

    readers = {"parquet": pq.read_table, "csv": pyarrow.csv.read_csv}
    table = readers[ending](out) if ending in readers else pa.ipc.open_file(out).read_all()
    assert [part or None for part in table["split"].to_pylist()] == [
        None,
        "train",
        "train",
        "train",
        None,
        "test",
        "test",
    ]


def test_out_of_an_unknown_kind_is_refused_before_anything_is_built(tmp_path):
    opened = project(tmp_path)

    with pytest.raises(UsageError, match=r"ends in none of \.parquet, \.arrow, \.csv"):
        built(opened, out=tmp_path / "rows.xlsx")
    assert not (tmp_path / "target" / "shop.duckdb").exists()


def test_without_a_run_what_is_missing_upstream_is_named(tmp_path):
    with pytest.raises(RunError, match="needs what is not built: asked, stg_orders, spent"):
        built(project(tmp_path), run_upstream=False)


def test_a_name_that_is_no_training_set_is_told_so(tmp_path):
    with project(tmp_path).project() as loaded, pytest.raises(UsageError) as caught:
        loaded.build_training_set("wantd")

    assert caught.value.hint == "did you mean 'wanted'?"


def test_a_split_that_names_no_output_is_refused_at_its_place_before_anything_is_built(tmp_path):
    opened = project(tmp_path, split=", split={'by': 'hash', 'on': 'chanel', 'train': 1.0}")

    with pytest.raises(ProjectError) as caught:
        built(opened)

    assert (caught.value.code, caught.value.hint) == ("missing-output", "did you mean 'channel'?")
    assert str(caught.value.where) == "models/wanted.sql:1:75"
    assert not (tmp_path / "target" / "shop.duckdb").exists()


def test_a_file_says_of_itself_what_it_is(tmp_path):
    training_set = built(project(tmp_path, split=BY_TIME))
    schema = pq.read_schema(training_set.file("train"))

    told = json.loads(schema.metadata[b"sqlfeat"])
    assert (told["id"], told["name"], told["split"]) == (training_set.id, "wanted", "train")
    assert [column["role"] for column in told["columns"]] == ["key", "as_of", "input", "input", "input", "label"]
    spent = json.loads(schema.field("spent_3d").metadata[b"sqlfeat"])
    assert spent == {"feature": "spent.spent_3d", "kind": "numeric", "role": "input", "type": "DECIMAL(38,0)"}


def test_the_manifest_is_the_same_whenever_it_is_built_and_when_it_was_lies_beside_it(tmp_path):
    first, second = built(project(tmp_path / "a", split=BY_TIME)), built(project(tmp_path / "b", split=BY_TIME))

    assert (first.path / "manifest.json").read_bytes() == (second.path / "manifest.json").read_bytes()
    assert first.created_at == NOW
    assert "2024-05-01" not in (first.path / "manifest.json").read_text()


def test_a_set_is_another_one_where_its_windows_are(tmp_path):
    first = built(project(tmp_path / "a"))
    longer = built(project(tmp_path / "b", **{"models/spent.sql": SPENT.replace("3 days", "4 days")}))

    assert first.id != longer.id
    assert first.manifest["compiled"]["spent"] != longer.manifest["compiled"]["spent"]
    assert "window('sum(amount)', '4 days')" in longer.manifest["models"]["spent"]["sql"]
    changed = {name for name, mark in first.manifest["features"].items() if mark != longer.manifest["features"][name]}
    assert changed == {"spent.spent_3d"}


def test_what_no_feature_of_it_hangs_on_leaves_its_definition(tmp_path):
    more = SPENT.replace("as spent_3d", "as spent_3d, amount as amount")
    first, second = built(project(tmp_path / "a")), built(project(tmp_path / "b", **{"models/spent.sql": more}))

    assert first.manifest["definition"] == second.manifest["definition"]
    assert first.id != second.id


def test_weights_that_are_none_are_refused_at_their_place(tmp_path):
    wanted = (WANTED % ", weight='w'").replace(
        "a.bought\n", "a.bought, case when a.asked_id = 3 then -1.5 else 1 end as w\n"
    )

    with pytest.raises(RunError, match="'w' of wanted is null, negative or not finite in 1 rows") as caught:
        built(project(tmp_path, **{"models/wanted.sql": wanted}))

    assert caught.value.code == "bad-weight"
    assert str(caught.value.where) == "models/wanted.sql:1:75"


def test_the_hooks_of_a_built_training_set_hear_of_it_once(tmp_path):
    hook = """
        from pathlib import Path
        from sqlfeat import on

        @on("training_set_built")
        def note(facts):
            with Path("heard.txt").open("a") as file:
                file.write(f"{facts['name']} {facts['rows']}\\n")
    """
    opened = project(tmp_path, **{"hooks/note.py": hook})
    built(opened)
    built(opened)

    assert (tmp_path / "heard.txt").read_text() == "wanted 7\n"


def test_a_lookup_that_went_oddly_is_warned_of():
    odd = LookupReport("l", "spent", rows=10, found=1, expired=3, not_yet_known=0, no_history=6, ties=2)

    assert [doubt.split(" ")[1] for doubt in doubts_about(odd)] == ["60%", "30%", "2"]


def test_a_lookup_that_went_well_is_not():
    well = LookupReport("l", "spent", rows=10, found=8, expired=1, not_yet_known=1, no_history=0, ties=0)

    assert doubts_about(well) == []


def test_no_label_rows_make_an_empty_training_set(tmp_path):
    training_set = built(project(tmp_path, rows=ROWS.slice(0, 0)))

    assert training_set.rows == 0
    assert rows_of(training_set) == []


def test_the_tail_of_a_window_is_open_and_its_head_closed(tmp_path):
    at = [day(1) + timedelta(days=3), day(1) + timedelta(days=3) - timedelta(microseconds=1)]
    rows = asked((1, "ann", at[0], "web", True), (2, "ann", at[1], "web", True))
    training_set = built(project(tmp_path, rows=rows))

    assert {row["asked_id"]: row["spent_3d"] for row in rows_of(training_set)} == {1: 30, 2: 40}


def test_an_output_that_no_file_can_hold_is_refused_at_its_place_before_anything_is_built(tmp_path):
    opened = project(
        tmp_path,
        **{
            "models/wanted.sql": """
                {{ config(materialized='training_set', keys=['asked_id'], passthrough=['age']) }}
                select a.asked_id, a.asked_at, a.asked_at - timestamptz '2024-01-01' as age from {{ ref('asked') }} as a
            """
        },
    )

    with pytest.raises(ProjectError) as caught:
        built(opened)

    assert caught.value.code == "output-type"
    assert str(caught.value.where) == "models/wanted.sql:2:32"
    assert not (tmp_path / "target" / "shop.duckdb").exists()


@pytest.mark.parametrize("name", ["sqlfeat_rows", "sqlfeat_output", "sqlfeat_chunk"])
def test_a_label_model_may_be_called_what_it_likes(tmp_path, name):
    wanted = (WANTED % "").replace("ref('asked')", f"ref('{name}')")
    training_set = built(project(tmp_path, **{f"models/{name}.sql": ASKED, "models/wanted.sql": wanted}))

    assert training_set.rows == 7


@pytest.mark.parametrize("chunk", [2, 1_000])
def test_label_rows_keep_their_order_where_a_column_is_called_rowid(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("sqlfeat.engine.duckdb.lookup.WINDOW_CHUNK_ROWS", chunk)
    labels = ASKED.replace("select *", "select *, 'label ' || asked_id as RowId")
    wanted = (WANTED % "").replace("a.channel", "a.channel, a.RowId")
    training_set = built(project(tmp_path, **{"models/asked.sql": labels, "models/wanted.sql": wanted}))

    rows = [(row["asked_id"], row["RowId"], row["spent_3d"]) for row in rows_of(training_set)]
    assert rows == [
        (1, "label 1", 10), (2, "label 2", 40), (2, "label 2", 40), (3, "label 3", None), (6, "label 6", 60),
        (4, "label 4", 40), (5, "label 5", None),
    ]  # fmt: skip


def test_labels_are_stored_by_time_and_none_of_them_is_lost(tmp_path):
    opened = project(tmp_path, **{"models/asked.sql": ASKED + "order by asked_id desc limit 5 -- the newest\n"})
    opened.run("asked")

    assert [(row["asked_id"], row["asked_at"]) for row in opened.rows("asked")] == [
        (2, day(3)), (3, day(4)), (6, day(4, 12)), (4, day(5)), (5, day(6)),
    ]  # fmt: skip
