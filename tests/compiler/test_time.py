"""Time facts: what is declared is checked, what is inherited is carried, and what is lost is found by the proof."""

import pyarrow as pa
import pytest

from sqlfeat.compiler.manifest import Column, TimeFacts
from sqlfeat.compiler.resolve import resolve
from sqlfeat.compiler.rewriting import ref_token
from sqlfeat.compiler.time import facts_of_model
from sqlfeat.compiler.verdicts import Verdicts
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.config import Layer, merge_config
from sqlfeat.spec.duration import Duration
from tests.made.projects import NOW

HERE = Place("models/m.sql")
TYPES = {"at": "TIMESTAMP", "loaded": "TIMESTAMP WITH TIME ZONE", "day": "DATE", "k": "BIGINT"}
LOADED = TimeFacts("at", "loaded")
DELAYED = TimeFacts("at", available_after=Duration.parse("1 hour"))
QUARTER = Duration.parse("15 minutes")


def facts(sql, columns, parents=None, **config):
    """The facts of a model that selects from these parents."""
    listed = [Column(name, TYPES.get(name.split("_")[0].lower(), "TIMESTAMP")) for name in columns.split()]
    nodes = {f"model.{name}": time for name, time in (parents or {}).items()}
    for name in parents or {}:
        sql = sql.replace(f"<{name}>", ref_token(name))
    return facts_of_model(
        "m", merge_config([Layer(config)]), listed, nodes, sql, {"event_time": Place("m.sql", 3)}, HERE
    )


# -- what is declared --------------------------------------------------------------------------------------------------


def test_declared_times_are_taken():
    time = facts("select 1", "at loaded k", event_time="at", available_at="loaded", ttl="2 hours", tie_breaker="k")

    assert (time.event_time, time.available_at, time.tie_breaker, time.ttl) == (
        "at",
        "loaded",
        ("k",),
        Duration.parse("2 hours"),
    )


@pytest.mark.parametrize("key", ["event_time", "available_at", "tie_breaker", "unique_key"])
def test_a_declared_column_must_be_there(key):
    with pytest.raises(ProjectError) as caught:
        facts("select 1", "at loaded", **{"event_time": "at", key: "loadd"})

    assert (caught.value.code, caught.value.hint) == ("missing-column", "did you mean 'loaded'?")
    assert f"which its {key} names" in caught.value.what


@pytest.mark.parametrize("key", ["event_time", "available_at"])
def test_a_declared_time_must_be_one(key):
    with pytest.raises(ProjectError) as caught:
        facts("select 1", "at k", **{"event_time": "at", key: "k"})

    assert caught.value.code == "not-a-time"


def test_an_error_stands_where_the_key_is_written():
    with pytest.raises(ProjectError) as caught:
        facts("select 1", "at", event_time="nothing")

    assert str(caught.value.where) == "m.sql:3:1"


def test_a_date_is_a_time():
    assert facts("select 1", "day", event_time="day").event_time == "day"


# -- what is inherited -------------------------------------------------------------------------------------------------


def test_a_model_over_a_timed_one_has_its_event_time():
    assert facts("select at, k from <a>", "at k", {"a": TimeFacts("at")}).event_time == "at"
    assert facts("select At, k from <a>", "At k", {"a": TimeFacts("at")}).event_time == "At"


def test_the_event_time_is_lost_with_its_column_or_between_two_parents():
    assert facts("select k from <a>", "k", {"a": TimeFacts("at")}).event_time is None
    assert facts("select at from <a> join <b> using (k)", "at", {"a": LOADED, "b": LOADED}).event_time is None


@pytest.mark.parametrize(
    ("sql", "columns", "expected"),
    [
        ("select at, loaded from <a>", "at loaded", "loaded"),
        ("select at, loaded as loaded_1 from <a>", "at loaded_1", "loaded_1"),
        ("select at, a.loaded as loaded_1, k from <a> as a", "at loaded_1 k", "loaded_1"),
        ("select * from <a>", "at loaded k", "loaded"),
        ("select at, LOADED as Loaded_1 from <a>", "at Loaded_1", "Loaded_1"),
        ("with b as (select * from <a>) select at, loaded from b", "at loaded", "loaded"),
    ],
)
def test_when_a_row_was_known_passes_on_under_its_name_or_a_plain_alias(sql, columns, expected):
    assert facts(sql, columns, {"a": LOADED}, event_time="at").available_at == expected


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("select at, k from <a>", "at k"),
        ("select at, loaded + interval 1 hour as loaded_1 from <a>", "at loaded_1"),
        ("select at, max(loaded) as latest from <a> group by 1", "at latest"),
        ("select at, k as loaded from <a>", "at loaded"),
    ],
)
def test_what_is_not_plainly_passed_on_is_not_inherited(sql, columns):
    assert facts(sql, columns, {"a": LOADED}, event_time="at").available_at is None


def test_a_column_of_its_name_that_is_no_time_is_another_one():
    listed = [Column("at", "TIMESTAMP"), Column("loaded", "BIGINT")]
    sql = f"with b as (from {ref_token('a')}) select * from b"
    config = merge_config([Layer({"event_time": "at"})])
    time = facts_of_model("m", config, listed, {"model.a": LOADED}, sql, {}, HERE)

    assert time.available_at is None


def test_what_is_declared_anew_is_not_lost():
    assert facts("select at, k from <a>", "at k", {"a": LOADED}, event_time="at", available_after="15 minutes") == (
        TimeFacts("at", available_after=QUARTER)
    )
    declared = facts("select at, day from <a>", "at day", {"a": LOADED}, event_time="at", available_at="day")

    assert declared.available_at == "day"


def test_a_row_whose_event_is_that_it_became_known_is_known_then():
    assert facts("select loaded as at, k from <a>", "at k", {"a": LOADED}, event_time="at").available_at is None


def test_a_constant_delay_passes_on_with_the_event_time():
    time = facts("select at as at_1, k from <a>", "at_1 k", {"a": DELAYED}, event_time="at_1")

    assert time.available_after == Duration.parse("1 hour")


def test_a_constant_delay_of_another_time_does_not():
    assert facts("select loaded as at_1 from <a>", "at_1", {"a": DELAYED}, event_time="at_1").available_after is None


def test_several_parents_must_agree():
    sql = "select a.at, a.loaded as loaded_a, b.loaded as loaded_b from <a> as a join <b> as b using (k)"
    time = facts(sql, "at loaded_a loaded_b", {"a": LOADED, "b": LOADED}, event_time="at")

    assert time.available_at is None


def test_what_one_parent_drops_the_other_does_not_make_up_for():
    sql = "select a.at, a.loaded from <a> as a join <b> as b using (k)"

    assert facts(sql, "at loaded", {"a": LOADED, "b": LOADED}, event_time="at").available_at is None


def test_a_parent_without_a_time_says_nothing():
    sql = "select a.at, a.loaded from <a> as a join <b> as b using (k)"

    assert facts(sql, "at loaded", {"a": LOADED, "b": TimeFacts(immutable=True)}, event_time="at") == LOADED


def test_labels_look_ahead_by_purpose():
    sql = "select at, loaded, k from <a>"

    assert facts(sql, "at loaded k", {"a": LOADED}, event_time="at", role="label").available_at is None


def read(sql, columns, parents, **config):
    """The facts of a model whose SELECT can be read, as in a project."""
    listed = [Column(name, TYPES.get(name.split("_")[0].lower(), "TIMESTAMP")) for name in columns.split()]
    for name in parents:
        sql = sql.replace(f"<{name}>", ref_token(name))
    given = {f"ref.{name}": [Column(each, kind) for each, kind in TYPES.items()] for name in parents}
    times = {f"model.{name}": time for name, time in parents.items()}
    merged = merge_config([Layer(config)])
    return facts_of_model("m", merged, listed, times, sql, {}, HERE, lambda: resolve(sql, given))


@pytest.mark.parametrize(
    ("sql", "parents"),
    [
        ("select at + interval 59 minutes as at from <a>", {"a": DELAYED}),
        ("select b.at from <b> as b left join <a> as a on a.at <= b.at", {"a": DELAYED, "b": TimeFacts("at")}),
        ("select greatest(a.at, b.at) as at from <a> as a join <b> as b using (k)", {"a": DELAYED, "b": DELAYED}),
        ("with b as (select loaded as at from <a>) select at from b", {"a": DELAYED}),
    ],
)
def test_a_delay_does_not_pass_on_with_a_name_alone(sql, parents):
    assert read(sql, "at", parents, event_time="at").available_after is None


@pytest.mark.parametrize(
    ("sql", "parents"),
    [
        ("with b as (select * from <a>) select at from b where k > 1", {"a": DELAYED}),
        ("select at, sum(k) over (order by at) as k_1 from <a>", {"a": DELAYED}),
        ("select at, max(k) as k_1 from <a> group by at", {"a": DELAYED}),
        ("select a.at, b.k from <a> as a left join <b> as b on b.at <= a.at", {"a": DELAYED, "b": TimeFacts("at")}),
        ("select at, k from <a> union all select at, k from <b>", {"a": DELAYED, "b": TimeFacts("at")}),
    ],
)
def test_a_delay_passes_on_with_its_event_time_however_that_goes(sql, parents):
    columns = "at k_1" if "k_1" in sql else "at k" if ", k" in sql.replace("b.k", ", k") else "at"

    assert read(sql, columns, parents, event_time="at").available_after == DELAYED.available_after


def test_the_other_parent_s_column_of_the_same_name_is_another_one():
    sql = "with q as (select a.at, b.loaded from <a> as a join <b> as b using (k)) select * from q"
    parents = {"a": LOADED, "b": TimeFacts(immutable=True)}

    assert read(sql, "at loaded", parents, event_time="at").available_at is None


# -- in a project ------------------------------------------------------------------------------------------------------


def test_time_passes_from_a_source_through_views_to_a_feature_view(manifest):
    files = {
        "models/sources.yml": """
            sources:
              - name: raw
                config: {location: "data/{name}.parquet"}
                tables: [{name: orders, config: {event_time: ordered_at, available_after: 1 hour}}]
        """,
        "models/staged.sql": "select customer, ordered_at, amount from {{ source('raw', 'orders') }} where amount > 0",
        "models/spent.sql": """
            {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
            select customer, ordered_at, {{ window('sum(amount)', '7 days') }} as spent_7d from {{ ref('staged') }}
        """,
        "models/late.sql": """
            {{ config(materialized='feature_view', entity='customer', event_time='hour') }}
            select customer, date_trunc('hour', ordered_at) as hour, amount from {{ ref('staged') }}
        """,
    }
    compiled = manifest(files)

    assert compiled.model("spent").time.available_after == Duration.parse("1 hour")
    assert Verdicts(compiled).of("spent").verdict == "safe"


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("select customer, done from {{ source('raw', 'loads') }}", "dropped-available-at"),
        ("select done, loaded + interval 1 hour as later from {{ source('raw', 'loads') }}", "dropped-available-at"),
        ("select done, max(loaded) as latest from {{ source('raw', 'loads') }} group by 1", "event-time-for-available"),
        ("select customer, date_trunc('hour', done) as done from {{ source('raw', 'waits') }}", "bucket-start"),
        ("select customer, done - interval '1 minute' as done from {{ source('raw', 'waits') }}", "slack-bound"),
    ],
)
def test_what_is_lost_on_the_way_is_found_by_the_proof(manifest, sql, rule):
    orders = pa.table({"customer": ["a"], "done": [NOW], "loaded": [NOW]})
    compiled = manifest(
        {
            "models/sources.yml": """
                sources:
                  - name: raw
                    config: {location: "data/{name}.parquet"}
                    tables:
                      - {name: loads, config: {event_time: done, available_at: loaded}}
                      - {name: waits, config: {event_time: done, available_after: 1 hour}}
            """,
            "data/loads.parquet": orders,
            "data/waits.parquet": orders,
            "models/lost.sql": "{{ config(event_time='done') }} " + sql,
        }
    )
    columns = Verdicts(compiled).of("lost").columns

    assert rule in {finding.rule for column in columns for finding in column.findings}
    assert {column.verdict for column in columns} == {"unsafe"}
