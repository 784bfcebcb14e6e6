"""Generic tests as queries whose rows break them: their names, their SQL, and what they read."""

import pytest

from sqlfeat.compiler.data_tests import LONGEST_NAME, generic_test
from sqlfeat.compiler.rewriting import ref_token
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.project import TestSpec

HERE = Place("models/m.yml", 7)
M = ref_token("m")


def made(name, column="a", where=None, **arguments):
    """Name, SQL and further parents of a test of the model m."""
    return generic_test(TestSpec(name, column, HERE, arguments, where=where), "m", M)


def sql(*args, **kwargs):
    return " ".join(made(*args, **kwargs)[1].split())


def test_unique():
    assert made("unique")[0] == "unique_m_a"
    assert sql("unique") == (
        f'select "a", count(*) as n_rows from {M} as tested where "a" is not null group by all having count(*) > 1'
    )


def test_not_null():
    assert made("not_null")[0] == "not_null_m_a"
    assert sql("not_null") == f'select * from {M} as tested where "a" is null'


def test_a_condition_filters_the_rows_first():
    assert f"from (select * from {M} where b > 1) as tested" in sql("not_null", where="b > 1")


def test_names_of_columns_are_quoted():
    assert '"a ""b""" is null' in sql("not_null", column='a "b"')


@pytest.mark.parametrize(
    ("column_name", "expected"),
    [
        ("a", '"a"'),
        ("a, b", '"a", "b"'),
        ("a || '-' || b", "(a || '-' || b)"),
        ("coalesce(a, b)", "(coalesce(a, b))"),
    ],
)
def test_a_test_of_a_whole_model_names_columns_or_an_expression(column_name, expected):
    assert sql("unique", column=None, column_name=column_name).startswith(f"select {expected}, count(*)")


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        ({"values": ["x", "it's"]}, "'x', 'it''s'"),
        ({"values": [1, 2.5, True, None]}, "1, 2.5, true, null"),
        ({"values": ["1", "2"], "quote": False}, "1, 2"),
    ],
)
def test_accepted_values(arguments, listed):
    assert f'where "a" not in ({listed})' in sql("accepted_values", **arguments)


@pytest.mark.parametrize(
    ("to", "token", "parent"),
    [
        ("ref('other')", ref_token("other"), "ref.other"),
        ('ref("other")', ref_token("other"), "ref.other"),
        ("ref('package', 'other')", ref_token("other"), "ref.other"),
        ("{{ ref('other') }}", ref_token("other"), "ref.other"),
        ("source('raw', 'other')", '"sqlfeat:source:raw"."other"', "source.raw.other"),
    ],
)
def test_relationships(to, token, parent):
    name, text, parents = made("relationships", to=to, field="id")

    assert (name, parents) == ("relationships_m_a_id_other", (parent,))
    assert f'tested."a" not in (select "id" from {token} where "id" is not null)' in " ".join(text.split())


def test_names_are_made_of_letters_and_not_too_long():
    assert made("accepted_values", values=["a b", "c/d"])[0] == "accepted_values_m_a_a_b_c_d"
    long = made("accepted_values", values=[f"value_{i}" for i in range(20)])[0]
    longer = made("accepted_values", values=[f"value_{i}" for i in range(21)])[0]
    assert len(long) == len(longer) == LONGEST_NAME
    assert long != longer


@pytest.mark.parametrize(
    ("name", "column", "arguments"),
    [
        ("unique", None, {}),
        ("accepted_values", "a", {}),
        ("accepted_values", "a", {"values": []}),
        ("relationships", "a", {"to": "ref('b')"}),
        ("relationships", "a", {"to": "b", "field": "id"}),
        ("relationships", "a", {"to": "source('raw')", "field": "id"}),
    ],
)
def test_tests_that_lack_something(name, column, arguments):
    with pytest.raises(ProjectError) as caught:
        made(name, column, **arguments)

    assert (caught.value.code, caught.value.where) == ("bad-test", HERE)


def test_tests_know_what_they_read(manifest):
    files = {
        "models/a.sql": "select 1 as id",
        "models/b.sql": "select 1 as id",
        "models/b.yml": """
            models:
              - name: b
                columns:
                  - name: id
                    data_tests:
                      - relationships: {to: ref('a'), field: id}
                      - relationships: {to: "source('raw', 'orders')", field: order_id}
        """,
        "tests/t.sql": "select * from {{ ref('a') }} -- {{ source('raw', 'orders') }}",
    }

    assert {name: test.parents for name, test in manifest(files).tests.items()} == {
        "relationships_b_id_id_a": ("model.b", "model.a"),
        "relationships_b_id_order_id_orders": ("model.b", "source.raw.orders"),
        "t": ("model.a", "source.raw.orders"),
    }
