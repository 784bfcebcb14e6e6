"""What config() and YAML may say of a model, and which of them wins."""

from __future__ import annotations

import pytest

from sqlfeat.errors import Place, ProjectError, ProjectErrors
from sqlfeat.spec.config import Layer, ModelConfig, config_identity, merge_config
from sqlfeat.spec.duration import Duration

CALL = Place("models/a.sql", 1, 4, "{{ config(…) }}", 9)


def config(**values) -> ModelConfig:
    return merge_config([Layer(values, place=CALL)])


def refused(**values) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        config(**values)
    return caught.value


def test_nothing_said_is_a_view():
    assert merge_config([]) == ModelConfig()
    assert ModelConfig().materialized == "view"


def test_values_are_typed():
    made = config(
        materialized="feature_view",
        entity="carrier",
        event_time="landed_utc",
        available_after="15 minutes",
        ttl="2 hours",
        tie_breaker="seq",
        unique_key=["a", "b"],
        online=True,
        pre_hook="analyze",
        tags="daily",
    )

    assert made.available_after == Duration.parse("15 minutes")
    assert made.ttl == Duration.parse("2 hours")
    assert (made.tie_breaker, made.unique_key) == (("seq",), ("a", "b"))
    assert (made.online, made.pre_hook, made.tags) == (True, ("analyze",), ("daily",))


def test_the_later_layer_wins_and_tags_and_meta_add_up():
    made = merge_config(
        [
            Layer({"materialized": "table", "tags": ["a", "b"], "meta": {"x": 1, "y": 1}, "owner": "them"}),
            Layer({"materialized": "view", "tags": "c", "meta": {"y": 2}}),
            Layer({"tags": ["a", "d"], "owner": None}),
        ]
    )

    assert made.materialized == "view"
    assert made.tags == ("a", "b", "c", "d")
    assert made.meta == {"x": 1, "y": 2}
    assert made.owner is None


def test_the_nearer_layer_chooses_between_a_column_and_a_delay():
    made = merge_config([Layer({"available_after": "1 day"}), Layer({"available_at": "loaded_at"})])

    assert (made.available_at, made.available_after) == ("loaded_at", None)


def test_both_a_column_and_a_delay_are_refused():
    error = refused(available_after="1 day", available_at="loaded_at")

    assert error.code == "config-conflict"
    assert error.what == "'available_at' and 'available_after' exclude each other."


def test_an_unknown_key_is_refused_with_the_nearest():
    assert str(refused(materialised="view")) == (
        "models/a.sql:1:4: [unknown-config] There is no config 'materialised'.\n"
        "  1 | {{ config(…) }}\n"
        "    |    ^^^^^^^^^\n"
        "\n"
        "Hint: did you mean 'materialized'?"
    )
    assert refused(zzzzz=1).hint == "keys of your own belong under 'meta'."


def test_a_value_is_refused_where_it_stands():
    place = Place("models/a.yml", 7, 12, "     ttl: soon", 4)

    with pytest.raises(ProjectError) as caught:
        merge_config([Layer({"ttl": "soon"}, {"ttl": place}, CALL)])

    assert caught.value.code == "bad-config-value"
    assert caught.value.where == place
    assert caught.value.what.startswith("'ttl' cannot be 'soon': expected a span of time, '<n> <unit>'")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"materialized": "tabel"}, "expected one of view, table, ephemeral, incremental, feature_view, training_set"),
        ({"entity": "a b"}, "expected a name"),
        ({"event_time": ""}, "expected the name of a column"),
        ({"event_time": ["a"]}, "expected the name of a column"),
        ({"online": "yes"}, "expected true or false"),
        ({"immutable": 1}, "expected true or false"),
        ({"role": "lable"}, "only 'label' is known"),
        ({"keys": []}, None),
        ({"keys": ["a", 1]}, "expected a column or a list of columns"),
        ({"keys": ["a", "a"]}, "the column 'a' is named twice"),
        ({"tags": {"a": 1}}, "expected a text or a list of texts"),
        ({"meta": "x"}, "expected a mapping"),
        ({"meta": {"x": object}}, "expected texts, numbers, lists and mappings only"),
        ({"split": {"train": "x"}}, "'train' starts at a date"),
        ({"allow_leakage": True}, "expected a text"),
        ({"schema": "a;b"}, "expected a name"),
        ({"ttl": 3}, "expected a span of time"),
        ({"on_schema_change": "shrug"}, "expected one of ignore, fail"),
    ],
)
def test_a_wrong_value_says_what_was_expected(values, expected):
    if expected is None:
        assert config(**values) == ModelConfig()
        return

    error = refused(**values)

    assert error.code == "bad-config-value"
    assert expected in error.what


def test_a_misspelt_materialization_gets_the_nearest():
    assert refused(materialized="featureview").hint == "did you mean 'feature_view'?"


def test_all_that_is_wrong_is_said_at_once():
    error = refused(ttl="soon", onlin=True)

    assert isinstance(error, ProjectErrors)
    assert {single.code for single in error.errors} == {"bad-config-value", "unknown-config"}


def test_a_feature_view_needs_an_event_time_unless_it_never_changes():
    error = refused(materialized="feature_view")

    assert (error.code, error.what) == ("config-missing", "A feature view needs 'event_time'.")
    assert config(materialized="feature_view", immutable=True, entity="airport").immutable


def test_a_training_set_needs_keys_and_is_told_where_it_became_one():
    place = Place("sqlfeat_project.yml", 5)

    with pytest.raises(ProjectError) as caught:
        merge_config([Layer({"materialized": "training_set"}, {"materialized": place}), Layer({}, place=CALL)])

    assert caught.value.what == "A training set needs 'keys'."
    assert caught.value.where == place


def test_keys_of_dbt_that_change_nothing_are_accepted():
    assert config(docs={"show": False}, group="x", access="public") == ModelConfig()
    assert merge_config([Layer({"post-hook": [{"sql": "analyze", "transaction": False}]})]).post_hook == ("analyze",)
    assert config(contract=True).contract == {"enforced": True}


def test_identity_is_what_determines_data_and_time():
    one = config(
        materialized="training_set",
        keys="id",
        ttl="24 hours",
        split={"train": "2013-01-01"},
        tags="x",
        description="y",
        owner="z",
        meta={"a": 1},
        schema="s",
        alias="t",
        contract=True,
        online=True,
    )
    other = config(materialized="training_set", keys=["id"], ttl="1 day", split={"by": "time", "train": "2013-01-01"})

    assert config_identity(one) == config_identity(other)
    assert config_identity(one) == {
        "materialized": "training_set",
        "ttl": "1 day",
        "keys": ["id"],
        "split": {"by": "time", "starts": [["train", "2013-01-01T00:00:00+00:00"]], "embargo": None},
    }
    assert config_identity(ModelConfig()) == {}


def test_identity_changes_with_what_a_model_computes():
    plain = config_identity(config(event_time="t"))

    for values in ({"event_time": "u"}, {"tie_breaker": "x"}, {"ttl": "1 day"}, {"post_hook": "x"}, {"role": "label"}):
        assert config_identity(config(**{"event_time": "t", **values})) != plain
