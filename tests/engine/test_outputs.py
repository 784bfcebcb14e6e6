"""An output that is a feature alone is given as it was gathered: that may not change a value, a type or an order."""

import pyarrow as pa
import pytest

from sqlfeat.compiler.manifest import Lookup, Output, TrainingSetPlan
from sqlfeat.compiler.rewriting import Rewritten
from sqlfeat.engine.duckdb.outputs import divided, given_as
from sqlfeat.ops.training_set import assemble
from tests.made.projects import Opened, day, shop

FACTS = """
    {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
    select
        customer, ordered_at, product as text, amount as whole, amount % 20 = 0 as flag, ordered_at::timestamp as local,
        ordered_at::date as date_of, (amount / 7)::decimal(12, 3) as money, amount::hugeint * 10 as huge,
        case when amount > 20 then amount::double / 7 end as real, md5(product)::uuid as id, amount::varchar as "a ""b",
        case when amount > 10 then product end::enum ('jam', 'tea') as kind, ('-0.0')::float as zero, product as liked
    from {{ source('raw', 'orders') }}
"""
ASKED = """
    {{ config(materialized='table', role='label', event_time='asked_at', horizon='1 day') }}
    select * from {{ source('raw', 'asked') }}
"""
WANTED = """
    {{ config(materialized='training_set', label='bought', keys=['asked_id'], passthrough=['local', 'the day', 'id']) }}
    select
        a.asked_id, {{ feature('facts.whole') }} as amount, a.asked_at, amount + 1 as more, {{ feature('facts.text') }},
        {{ feature('facts.flag') }}, {{ feature('facts.local') }}, {{ feature('facts.date_of') }} as "the day",
        {{ feature('facts.money') }} as money, {{ feature('facts.huge') }}, {{ feature('facts.real') }},
        {{ feature('facts.id') }}, {{ feature('facts.kind') }}, {{ feature('facts.zero') }},
        {{ feature('facts.a "b') }}, upper("a ""b") as loud,
        coalesce({{ feature('facts.money') }}, 0) * 2 as doubled, {{ feature('facts.liked') }},
        {{ feature('facts.whole', on={'customer': 'a.friend'}) }} as friends,
        {{ feature('products.price', on={'product': "{{feature('facts.liked')}}"}) }} as price,
        a.bought
    from {{ ref('asked') }} as a
"""
PRODUCTS = """
    {{ config(materialized='table', entity='product', immutable=true) }}
    select product, max(amount) as price from {{ source('raw', 'orders') }} group by product
"""
SOURCES = """
    version: 2
    sources:
      - name: raw
        config: {location: "data/{name}.parquet"}
        tables:
          - {name: orders, config: {event_time: ordered_at}}
          - {name: asked, config: {event_time: asked_at}}
"""


def asked():
    rows = [
        (number, who, friend, day(1 + number % 5, number), number % 2 == 0)
        for number, (who, friend) in enumerate([("ann", "bob"), ("bob", None), (None, "ann"), ("zoe", "ann")] * 2)
    ]
    names = ("asked_id", "customer", "friend", "asked_at", "bought")
    kinds = (pa.int64(), pa.string(), pa.string(), pa.timestamp("us", "UTC"), pa.bool_())
    return pa.table([pa.array(c, k) for c, k in zip(zip(*rows, strict=True), kinds, strict=True)], names=names)


@pytest.fixture
def opened(tmp_path):
    files = {
        "models/sources.yml": SOURCES,
        "data/asked.parquet": asked(),
        "models/facts.sql": FACTS,
        "models/products.sql": PRODUCTS,
        "models/asked.sql": ASKED,
        "models/wanted.sql": WANTED.replace("\"{{feature('facts.liked')}}\"", "feature('facts.liked')"),
    }
    return Opened(shop(tmp_path, files))


def assembled(opened):
    with opened.project() as project:
        return assemble(project._session, "wanted")


def test_rows_are_the_same_whether_they_are_kept_in_memory_or_in_a_table_at_once_or_in_chunks(opened, monkeypatch):
    expected = assembled(opened)
    for share, rows in ((0.25, 3), (0.0, 1_000), (0.0, 3)):
        monkeypatch.setattr("sqlfeat.engine.duckdb.outputs.KEPT_SHARE", share)
        monkeypatch.setattr("sqlfeat.engine.duckdb.lookup.CHUNK_ROWS", rows)

        kept = assembled(opened)

        assert kept.schema == expected.schema
        assert str(kept.to_pylist()) == str(expected.to_pylist())


def test_expressions_over_features_and_over_other_outputs_are_computed(opened):
    rows = assembled(opened).to_pylist()

    found = [row for row in rows if row["amount"] is not None]
    assert len(found) == 3
    for row in found:
        assert row["more"] == row["amount"] + 1
        assert row["loud"] == str(row["amount"])
        assert row["doubled"] == 2 * row["money"]
        assert row["huge"] == 10 * row["amount"]
        assert row["price"] == {"tea": 40, "jam": 30}[row["liked"]]
    assert [row["doubled"] for row in rows if row["amount"] is None] == [0] * 5


def plan(text, *columns):
    lookup = Lookup("__sqlfeat_l0", "v", (("k", '"k"'),), columns)
    names = tuple(Output(name, "", "input") for name in ("ts", *columns, "made"))
    return TrainingSetPlan("ref.labels", None, "ts", Rewritten(text), (lookup,), names, (), ())


SELECT = 'select ts, __sqlfeat_l0."x" as "x", __sqlfeat_l0."y" as Z, %s as made from labels'


@pytest.mark.parametrize(
    ("made", "read"),
    [
        ("1", set()),
        ("k + 1", set()),
        ('__sqlfeat_l0."y" + 1', {"y"}),
        ("X + 1", {"x"}),
        ('"z" + 1', {"y"}),
        ("#2", {"x", "y"}),
    ],
)
def test_what_an_expression_may_read_is_kept_for_it(made, read):
    division = divided(plan(SELECT % made, "x", "y"), ["ts", "x", "Z", "made"], {"__sqlfeat_l0": {"x", "y"}})

    assert division.found == {"x": ("__sqlfeat_l0", "x"), "Z": ("__sqlfeat_l0", "y")}
    assert division.computed == ("ts", "made")
    assert set(division.read["__sqlfeat_l0"]) == read


def test_only_types_that_come_back_as_they_were_are_given_as_found():
    assert given_as(pa.float64(), "DOUBLE")
    assert given_as(pa.decimal128(12, 3), "DECIMAL(12,3)")
    assert given_as(pa.timestamp("us", "UTC"), "TIMESTAMP WITH TIME ZONE")
    assert given_as(pa.large_string(), "UUID")
    assert not given_as(pa.string(), "JSON")
    assert not given_as(pa.int64(), "INTEGER")
    assert not given_as(pa.timestamp("ns"), "TIMESTAMP_NS")
    assert not given_as(pa.string(), "HUGEINT")
