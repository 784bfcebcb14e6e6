"""A source is not what it was: what is new is noted, what is gone or otherwise stops everything before it is begun."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlfeat.errors import RunError, SqlfeatError
from tests.made.projects import SOURCES, Opened, day, orders, result_of, shop, statuses

ALL = "{{ config(materialized='table') }} select * from {{ source('raw', 'orders') }}"
OTHER = "{{ config(materialized='table') }} select 1 as one"
WHOLE = orders()
REQUIRED = pa.table(WHOLE.columns, schema=pa.schema([field.with_nullable(False) for field in WHOLE.schema]))
CSV = "order_id,customer,amount\n1,ann,10\n2,bob,20\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A project that was run, and that nothing here may change for good."""
    files = {"models/everything.sql": ALL, "models/other.sql": OTHER, "data/orders.parquet": REQUIRED}
    opened = Opened(shop(tmp_path_factory.mktemp("made"), files))
    assert not opened.run().failed
    return opened


def refused(opened: Opened, *select: str) -> SqlfeatError:
    with pytest.raises(RunError) as raised:
        opened.run(*select)
    return raised.value


def renamed(old: str, new: str) -> pa.Table:
    return REQUIRED.rename_columns([new if name == old else name for name in REQUIRED.column_names])


def cast(name: str, kind: pa.DataType) -> pa.Table:
    place = REQUIRED.schema.get_field_index(name)
    return REQUIRED.set_column(place, pa.field(name, kind, nullable=False), REQUIRED[name].cast(kind))


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (REQUIRED.drop_columns(["amount"]), "'amount' (BIGINT) is gone."),
        (renamed("amount", "price"), "'amount' (BIGINT) is gone, and 'price' stands in its place."),
        (cast("amount", pa.float64()), "'amount' was BIGINT and is DOUBLE."),
        (cast("amount", pa.string()), "'amount' was BIGINT and is VARCHAR."),
    ],
    ids=["gone", "renamed", "wider", "text"],
)
def test_a_source_whose_columns_are_not_what_they_were_stops_a_run_before_it_is_begun(made, now, told):
    rows = made.rows("everything")
    pq.write_table(now, made.root / "data" / "orders.parquet")
    made.change({"models/other.sql": OTHER.replace("1", "2")})

    error = refused(made)

    made.change({"data/orders.parquet": REQUIRED})
    assert (error.code, error.what) == (
        "source-changed",
        f"Source raw.orders is not what it was when it was last read: {told}",
    )
    assert str(error.where).startswith("models/sources.yml:6")
    assert "sqlfeat run --full-refresh -s source:raw.orders+" in (error.hint or "")
    assert made.rows("everything") == rows
    with pytest.raises(SqlfeatError, match="has changed since it was built"):
        made.rows("other")
    made.change({"models/other.sql": OTHER})


def test_what_does_not_read_the_source_is_made_all_the_same(made):
    made.change({"data/orders.parquet": REQUIRED.drop_columns(["amount"])})

    result = made.run("other")

    made.change({"data/orders.parquet": REQUIRED})
    assert statuses(result) == {"other": "unchanged"}


def test_a_new_column_is_noted_once(tmp_path):
    opened = Opened(shop(tmp_path, {"models/everything.sql": ALL}))
    opened.run()
    opened.change({"data/orders.parquet": WHOLE.append_column("coupon", pa.nulls(4, pa.string()))})

    result = opened.run()
    again = opened.run(full_refresh=True)

    assert statuses(result) == statuses(again) == {"everything": "built"}
    said = [event.text for event in opened.events if "coupon" in event.text]
    assert said == ["Source raw.orders: new columns: coupon (VARCHAR)."]
    assert "coupon" in opened.table("everything").column_names


def test_another_order_and_nulls_that_may_come_are_noted(made):
    other = REQUIRED.set_column(3, pa.field("amount", pa.int64()), REQUIRED["amount"])
    made.change({"data/orders.parquet": other.select(["customer", "order_id", "product", "amount", "ordered_at"])})
    made.events.clear()

    result = made.run("everything")

    told = [event.text for event in made.events if event.text.startswith("Source")]
    made.change({"data/orders.parquet": REQUIRED})
    made.run("everything")
    assert statuses(result) == {"everything": "built"}
    assert told == [
        "Source raw.orders: 'amount' could hold no nulls and now can.",
        "Source raw.orders: the columns came as order_id, customer, product, amount, ordered_at and come as customer, "
        "order_id, product, amount, ordered_at.",
    ]


def test_a_full_refresh_says_that_it_is_meant(tmp_path):
    opened = Opened(shop(tmp_path, {"models/everything.sql": ALL}))
    opened.run()
    opened.change({"data/orders.parquet": WHOLE.drop_columns(["amount"])})
    assert refused(opened).code == "source-changed"

    result = opened.run("source:raw.orders+", full_refresh=True)

    assert statuses(result) == {"everything": "built"}
    assert statuses(opened.run()) == {"everything": "unchanged"}
    assert "amount" not in opened.table("everything").column_names


def test_a_training_set_and_a_publication_are_stopped_by_the_source_and_not_by_the_model_that_reads_it(tmp_path):
    opened = Opened(
        shop(
            tmp_path,
            {
                "models/spending.sql": """
                    {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', online=true) }}
                    select customer, ordered_at, amount from {{ source('raw', 'orders') }}
                """,
                "models/asked.sql": """
                    {{ config(role='label', event_time='ordered_at', horizon='1 day') }}
                    select order_id, customer, ordered_at, amount > 15 as much from {{ source('raw', 'orders') }}
                """,
                "models/much.sql": """
                    {{ config(materialized='training_set', label='much', keys=['order_id']) }}
                    select a.order_id, a.ordered_at, {{ feature('spending.amount') }}, a.much
                    from {{ ref('asked') }} as a
                """,
            },
        )
    )
    opened.run()
    opened.change({"data/orders.parquet": WHOLE.drop_columns(["amount"])})

    for verb in ("build_training_set", "publish"):
        with opened.project() as project, pytest.raises(SqlfeatError) as raised:
            getattr(project, verb)(*(["much"] if verb == "build_training_set" else []))
        assert raised.value.code == "source-changed", verb


def csv(folder: Path) -> Opened:
    sources = SOURCES.replace(".parquet", ".csv").replace("\n            config: {event_time: ordered_at}", "")
    return Opened(shop(folder, {"data/orders.csv": CSV, "models/sources.yml": sources, "models/everything.sql": ALL}))


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (CSV.replace("20", "n/a"), "'amount' was BIGINT and is VARCHAR"),
        (CSV.replace("amount", "price"), "'amount' (BIGINT) is gone, and 'price' stands in its place"),
        ("order_id,customer\n1,ann\n", "'amount' (BIGINT) is gone"),
    ],
    ids=["text", "renamed", "gone"],
)
def test_so_does_a_csv_whose_values_or_head_say_something_else(tmp_path, now, told):
    opened = csv(tmp_path)
    opened.run()
    opened.change({"data/orders.csv": now})

    error = refused(opened)

    assert told in error.what
    assert "data_type" in (error.hint or "")


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (CSV.removesuffix("\n"), "data/orders.csv has no newline at its end: it may be cut, or still be written."),
        (CSV.removesuffix("2,bob,20\n"), "is shorter than when it was last read: 34 bytes, and 43 before."),
    ],
)
def test_a_csv_that_may_be_cut_is_read_with_a_warning(tmp_path, now, told):
    opened = csv(tmp_path)
    opened.run()
    opened.change({"data/orders.csv": now})

    result = opened.run()

    assert statuses(result) == {"everything": "built"}
    assert len([one for one in opened.events if one.text.startswith("warning: ") and told in one.text]) == 1


def test_a_value_of_another_type_than_declared_is_told_with_its_line(tmp_path):
    opened = csv(tmp_path)
    sources = (opened.root / "models" / "sources.yml").read_text()
    opened.change({"models/sources.yml": f"{sources}        columns: [{{name: amount, data_type: bigint}}]\n"})
    opened.run()
    opened.change({"data/orders.csv": CSV.replace("20", "n/a")})

    error = result_of(opened.run(), "everything").error

    assert error is not None
    assert error.what.startswith("Line 3 of ")
    assert "Could not convert string \"n/a\" to 'BIGINT'" in error.what


def test_a_file_that_changes_while_it_is_read_is_not_kept(tmp_path, monkeypatch):
    from sqlfeat.engine.duckdb.build import Builder

    opened = csv(tmp_path)
    opened.run()
    opened.change({"data/orders.csv": f"{CSV}3,ann,30\n"})
    build = Builder.build

    def while_somebody_writes(self, model):
        made = build(self, model)
        with (tmp_path / "data" / "orders.csv").open("a") as stream:
            stream.write("4,bob,40\n")
        return made

    monkeypatch.setattr(Builder, "build", while_somebody_writes)
    error = result_of(opened.run(), "everything").error
    monkeypatch.undo()

    assert error is not None
    assert (error.code, error.what) == (
        "source-changing",
        "Source raw.orders: data/orders.csv changed while it was read.",
    )
    assert len(opened.rows("everything")) == 2
    assert statuses(opened.run()) == {"everything": "built"}
    assert len(opened.rows("everything")) == 4


def test_a_file_is_hashed_again_only_when_it_has_changed(made, monkeypatch):
    from sqlfeat.engine.duckdb import sources

    made.run()
    monkeypatch.setattr(sources, "sha256", lambda path: pytest.fail(f"{path} was read again"))
    made.run()


def test_late_orders_are_no_change_of_columns(tmp_path):
    opened = Opened(shop(tmp_path, {"models/everything.sql": ALL}))
    opened.run()
    later = pa.concat_tables([WHOLE, WHOLE.set_column(4, "ordered_at", pa.array([day(9)] * 4, WHOLE.schema[4].type))])
    opened.change({"data/orders.parquet": later})

    assert statuses(opened.run()) == {"everything": "built"}
