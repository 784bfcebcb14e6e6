"""A training set's SELECT as a plan: what is looked up by which keys, and what comes out in which role."""

import pytest

from sqlfeat.compiler.lookups import LabelRelation, UnplannableFeature
from sqlfeat.compiler.manifest import Column, CompiledModel, FeatureCall, TimeFacts
from sqlfeat.compiler.parse import UnreadableSql
from sqlfeat.compiler.point_in_time import label_node, plan_training_set
from sqlfeat.compiler.rewriting import ref_token
from sqlfeat.compiler.source_map import SourceMap
from sqlfeat.errors import ProjectError
from sqlfeat.spec.config import Layer, merge_config
from sqlfeat.spec.duration import Duration

HOURS = Duration.parse("2 hours")


def relation(name, columns, keys, kind="feature_view", **time):
    """A bound model: ``columns`` and ``keys`` are names."""
    config = merge_config([Layer({"materialized": kind, "event_time": "at", "immutable": bool(time.get("immutable"))})])
    return CompiledModel(
        name=name, path=f"models/{name}.sql", config=config, places={}, sql="", source_map=SourceMap("", (), {}),
        parents=(), columns=tuple(Column(c, "VARCHAR") for c in columns), keys=tuple(keys),
        time=TimeFacts(**{"event_time": "at", **time}),
    )  # fmt: skip


VIEWS = {
    view.name: view
    for view in (
        relation("weather", ["airport", "at", "loaded", "seq", "temp", "wind"], ["airport"], ttl=HOURS,
                 available_at="loaded", tie_breaker=("seq",)),
        relation("routes", ["origin", "dest", "at", "delay"], ["origin", "dest"]),
        relation("accounts", ["account", "at", "merchant"], ["account"]),
        relation("merchants", ["merchant", "at", "risk"], ["merchant"]),
        relation("network", ["at", "load"], []),
        relation("planes", ["tail", "seats"], ["tail"], kind="table", event_time=None, immutable=True),
        relation("shown", ["tail", "seats"], ["tail"], kind="view", event_time=None, immutable=True),
        relation("plain", ["tail", "at"], ["tail"], kind="table"),
    )
}  # fmt: skip
LABELS = LabelRelation(
    "ref.asked",
    tuple(
        Column(name, "VARCHAR")
        for name in ("id", "at", "Origin", "dest", "account", "tail", "late", "weight", "airport", "extra")
    ),
    TimeFacts(event_time="at"),
)


def plan(items, *, labels=LABELS, config=None, tail="", **features):
    """The plan of a SELECT over ``asked as f``; ``{a}`` stands where the feature ``a`` is given."""
    calls = [FeatureCall(f"__sqlfeat_feature_{n}__", *given) for n, given in enumerate(features.values())]
    tokens = dict(zip(features, (call.token for call in calls), strict=True))
    sql = f"select f.id, f.at, {items.format(**tokens)} from {ref_token('asked')} as f{tail}"
    config = merge_config([Layer({"materialized": "training_set", "keys": ["id"], **(config or {})})])
    assert label_node(sql) == labels.node
    return plan_training_set(sql, config, calls, labels, VIEWS).plan


def feature(name, on=(), ttl=None, strict=False, prefix=""):
    """The arguments of a call: ``view.column`` and what was said of it."""
    view, _, column = name.partition(".")
    return (view, column, tuple(on), ttl, strict, prefix)


# -- keys --------------------------------------------------------------------------------------------------------------


def test_keys_are_found_by_name_in_the_label_rows_own_spelling():
    (lookup,) = plan("{a}", a=feature("routes.delay")).lookups

    assert (lookup.view, lookup.keys, lookup.columns) == (
        "routes",
        (("origin", '"Origin"'), ("dest", '"dest"')),
        ("delay",),
    )


def test_keys_are_given_with_on():
    (lookup,) = plan("{a}", a=feature("weather.temp", on=[("AIRPORT", "upper(f.origin)")])).lookups

    assert lookup.keys == (("airport", "upper(f.origin)"),)


def test_a_view_without_keys_is_looked_up_by_time_alone():
    assert plan("{a}", a=feature("network.load")).lookups[0].keys == ()


def test_a_key_may_come_from_another_feature_whose_lookup_comes_first():
    made = plan(
        "{risk}",
        merchant=feature("accounts.merchant"),
        risk=feature("merchants.risk", on=[("merchant", "__sqlfeat_feature_0__")]),
    )
    first, second = made.lookups

    assert (first.view, first.columns, first.after) == ("accounts", ("merchant",), ())
    assert (second.view, second.after) == ("merchants", (first.name,))
    assert second.keys == (("merchant", f'{first.name}."merchant"'),)
    assert made.needed == ("account",)


def test_an_immutable_table_with_an_entity_can_be_looked_up():
    assert plan("{a}", a=feature("planes.seats")).lookups[0].view == "planes"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (feature("weathr.temp"), "unknown-feature-view"),
        (feature("weather.tmp"), "unknown-feature"),
        (feature("plain.tail"), "not-a-feature-view"),
        (feature("shown.seats"), "not-a-feature-view"),
        (feature("merchants.risk"), "missing-key"),
        (feature("weather.temp", on=[("airprt", "f.dest")]), "unknown-key"),
        (feature("weather.temp", ttl=Duration.parse("3 hours")), "longer-ttl"),
        (feature("weather.temp", ttl=Duration.parse("1 month")), "longer-ttl"),
    ],
)
def test_features_that_cannot_be_looked_up(given, code):
    with pytest.raises(UnplannableFeature) as caught:
        plan("{a}", a=given)

    assert (caught.value.code, caught.value.token) == (code, "__sqlfeat_feature_0__")


# -- lookups -----------------------------------------------------------------------------------------------------------


def test_equal_lookups_are_one():
    made = plan("{a}, {b}, {a} - {b} as gap", a=feature("weather.temp"), b=feature("weather.wind"))

    assert [(lookup.view, lookup.columns) for lookup in made.lookups] == [("weather", ("temp", "wind"))]


def test_lookups_that_differ_in_keys_ttl_or_strictness_are_several():
    made = plan(
        "{a} as a, {b} as b, {c} as c, {d} as d",
        a=feature("weather.temp"),
        b=feature("weather.temp", on=[("airport", "f.dest")]),
        c=feature("weather.temp", ttl=Duration.parse("1 hour")),
        d=feature("weather.temp", strict=True),
    )

    assert [(lookup.keys[0][1], lookup.ttl, lookup.strict) for lookup in made.lookups] == [
        ('"airport"', None, False),
        ("f.dest", None, False),
        ('"airport"', Duration.parse("1 hour"), False),
        ('"airport"', None, True),
    ]


# -- the SELECT --------------------------------------------------------------------------------------------------------


def test_features_become_fields_and_the_rest_of_the_text_stays():
    made = plan("coalesce({a}, 0) -- or nothing\n as a , {b}", a=feature("weather.temp"), b=feature("routes.delay"))
    first, second = (lookup.name for lookup in made.lookups)

    assert made.select.text == (
        f'select f.id, f.at, coalesce({first}."temp", 0) -- or nothing\n as a , {second}."delay" as "delay" '
        f"from {ref_token('asked')} as f"
    )


def test_a_feature_that_is_used_twice_in_one_item():
    text = plan("{a} / {a} as one", a=feature("weather.temp")).select.text

    assert text.count('."temp"') == 2


def test_outputs_are_named_after_features_with_their_prefix():
    made = plan("{a}, {b} as other", a=feature("weather.TEMP", prefix="o_"), b=feature("weather.wind", prefix="o_"))

    assert [(output.name, output.feature) for output in made.outputs[2:]] == [
        ("o_temp", "weather.temp"),
        ("other", "weather.wind"),
    ]


def test_a_star_is_every_column_but_keys_times_and_tie_breakers():
    made = plan("{a}", a=feature("weather.*", prefix="o_"))

    assert [(output.name, output.feature) for output in made.outputs[2:]] == [
        ("o_temp", "weather.temp"),
        ("o_wind", "weather.wind"),
    ]
    assert '"temp" as "o_temp",\n    ' in made.select.text


def test_the_view_s_event_time_can_be_asked_for_by_name():
    assert plan("{a} as seen", a=feature("weather.at"), config={"passthrough": ["seen"]}).lookups[0].columns == ("at",)


@pytest.mark.parametrize(("item", "why"), [("{a} as x", "takes no alias"), ("{a} + 1", "stands alone")])
def test_a_star_stands_alone(item, why):
    with pytest.raises(UnreadableSql, match=why):
        plan(item, a=feature("weather.*"))


# -- roles -------------------------------------------------------------------------------------------------------------


def test_every_output_has_a_role():
    made = plan(
        "f.late, f.weight, f.extra, f.tail as plane",
        config={"label": "late", "weight": "weight", "passthrough": ["extra"], "keys": ["ID"]},
    )

    assert [(output.name, output.role) for output in made.outputs] == [
        ("id", "key"), ("at", "as_of"), ("late", "label"), ("weight", "weight"), ("extra", "passthrough"),
        ("plane", "input"),
    ]  # fmt: skip


def test_what_a_request_must_carry_is_what_keys_and_inputs_use():
    made = plan(
        "{a}, {b} as o, f.tail || f.dest as x, f.late, f.extra",
        a=feature("routes.delay"),
        b=feature("weather.temp", on=[("airport", "lower(f.origin)")]),
        config={"label": "late", "passthrough": ["extra"]},
    )

    assert sorted(made.needed) == ["Origin", "dest", "tail"]


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"label": "lat"}, "label"), ({"weight": "w"}, "weight"), ({"passthrough": ["x"]}, "passthrough"),
        ({"keys": ["k"]}, "keys"),
    ],
)  # fmt: skip
def test_what_config_names_must_be_an_output(config, name):
    with pytest.raises(ProjectError) as caught:
        plan("f.late", config=config)

    assert (caught.value.code, caught.value.what.split()[0]) == ("missing-output", name)


def test_the_as_of_time_must_be_an_output_under_its_name():
    sql = f"select f.id, f.at as asked_at from {ref_token('asked')} as f"
    config = merge_config([Layer({"materialized": "training_set", "keys": ["id"]})])

    with pytest.raises(ProjectError, match="The as-of time 'at' must be an output under its name"):
        plan_training_set(sql, config, [], LABELS, VIEWS)


def test_label_rows_need_a_time():
    with pytest.raises(UnreadableSql, match="has no event_time"):
        plan("f.late", labels=LabelRelation("ref.asked", LABELS.columns, TimeFacts()))


def test_two_outputs_of_one_name_are_refused_whatever_their_case():
    with pytest.raises(UnreadableSql, match="two outputs are called 'Temp'"):
        plan("{a}, f.tail as Temp", a=feature("weather.temp"))


# -- the grammar -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail",
    [
        " where f.late", " join t on true", ", t", " group by all", " order by 1", " limit 1", " offset 1",
        " qualify true", " using sample 3", " union all select 1, 2",
    ],
)  # fmt: skip
def test_no_other_clause_is_allowed(tail):
    with pytest.raises(UnreadableSql):
        plan("f.late", tail=tail)


@pytest.mark.parametrize(
    "item",
    [
        "sum(f.late)",
        "row_number() over ()",
        "(select 1)",
        "exists (select 1)",
        "unnest([1])",
        "f.*",
        "*",
        "columns('a')",
    ],
)
def test_the_list_is_scalar(item):
    with pytest.raises(UnreadableSql):
        plan(f"{item} as x" if "*" not in item else item)


@pytest.mark.parametrize(
    "sql", ["select 1", "with a as (select 1) select * from a", "select a from b", "from b select a"]
)
def test_what_it_selects_from_is_one_reference(sql):
    with pytest.raises(UnreadableSql):
        label_node(sql)


def test_a_second_relation_in_the_list_is_refused_and_one_in_a_comment_is_not():
    sql = f"select {ref_token('b')}.x from {ref_token('a')}"
    with pytest.raises(UnreadableSql, match="from nothing else") as caught:
        label_node(sql)

    assert caught.value.offset == sql.index(ref_token("b"))
    assert label_node(f"select {ref_token('a')}.x -- {ref_token('b')}\nfrom {ref_token('a')}") == "ref.a"


def test_the_labels_may_be_a_source():
    assert label_node('select x from "sqlfeat:source:raw"."asked"') == "source.raw.asked"
