"""The lineage of a dbt project whose database is not here: what its files tell, and no more."""

from __future__ import annotations

import pytest

from sqlfeat.errors import ProjectError, ProjectErrors
from tests.made.projects import Opened, write

YAML = """\
version: 2
sources:
  - name: raw
    schema: landing
    tables:
      - name: orders
        columns: [{name: id, data_type: integer}, {name: at, data_type: timestamp}]
      - name: people
      - name: web_clicks
        columns: [{name: url}]
      - name: web_views
        columns: [{name: url}, {name: seconds}]
      - name: everything
models:
  - name: elo
    columns: [{name: rating}]
"""

FILES = {
    "dbt_project.yml": "name: jaffle\nversion: '1.0'\n",
    "models/schema.yml": YAML,
    "seeds/countries.csv": "code,name\n",
    "models/stg_orders.sql": (
        "with source as (select * from {{ source('raw', 'orders') }})\n"
        "select id as order_id, at::date as day, amount, person from source"
    ),
    "models/base_people.sql": "select * from {{ source('raw', 'people') }}",
    "models/named.sql": (
        "select o.order_id, p.name, c.name as country\n"
        "from {{ ref('stg_orders') }} o join {{ ref('base_people') }} p on p.id = o.person\n"
        "left join {{ ref('countries') }} c using (code)"
    ),
    "models/starred.sql": "select {{ dbt_utils.star(ref('stg_orders'), except=['day']) }} from {{ ref('stg_orders') }}",
    "models/unioned.sql": (
        "{{ dbt_utils.union_relations(dbt_utils.get_relations_by_prefix('landing', 'web_'), source_column_name=none) }}"
    ),
    "models/pivoted.sql": (
        "select person{% for kind in dbt_utils.get_column_values(ref('stg_orders'), 'day', default=['x']) %},"
        " max(amount) as of_{{ kind }}{% endfor %} from {{ ref('stg_orders') }} group by person"
    ),
    "models/asking.sql": (
        "{% set all = source('raw', 'everything') %} select {{ dbt_utils.star(all) }} from {{ all }}"
    ),
    "models/elo.py": "def model(dbt, session): ...",
    "models/ratings.sql": "select rating, player, own.f(rating) as better from {{ ref('elo') }}",
    "models/broken.sql": "select {{ no_such_macro() }} as a from {{ ref('elo') }}",
    "models/above.sql": "select a, b from {{ ref('broken') }}",
    "models/bare.sql": "select order_id from stg_orders",
    "tests/of_nothing.sql": "select * from {{ ref('not_there') }}",
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return Opened(write(tmp_path_factory.mktemp("dbt"), FILES))


@pytest.fixture(scope="module")
def project(opened: Opened):
    with opened.project() as project:
        yield project


@pytest.fixture
def comes_from(project):
    """The names of the columns that a column is made from, one step up."""

    def comes_from(name: str) -> list[str]:
        return [step.name for step in project.lineage(name, depth=1).columns[0].steps]

    return comes_from


def test_columns_are_traced_to_those_that_yaml_describes(comes_from):
    assert comes_from("stg_orders.order_id") == ["raw.orders.id"]
    assert comes_from("stg_orders.day") == ["raw.orders.at"]


def test_a_column_that_only_models_name_is_traced_and_said_not_to_be_declared(project):
    ((step,),) = [column.steps for column in project.lineage("stg_orders.amount").columns]

    assert (step.name, step.type, step.undeclared) == ("raw.orders.amount", "unknown", True)
    assert not project.lineage("stg_orders.order_id").columns[0].steps[0].undeclared


def test_types_are_those_that_are_said(project):
    types = [(step.column, step.type) for step in project.lineage("stg_orders").columns]

    assert types == [("order_id", "INTEGER"), ("day", "DATE"), ("amount", "unknown"), ("person", "unknown")]


def test_what_others_name_of_a_model_that_passes_all_on_is_its_source_s(comes_from):
    assert comes_from("named.name") == ["base_people.name"]
    assert comes_from("base_people.name") == ["raw.people.name"]


def test_a_seed_without_rows_has_the_columns_of_its_header(comes_from, project):
    assert comes_from("named.country") == ["countries.name"]
    assert [step.type for step in project.lineage("countries").columns] == ["VARCHAR", "VARCHAR"]


def test_star_and_its_like_are_answered_before_anything_is_built(comes_from, project):
    assert [step.column for step in project.lineage("starred").columns] == ["order_id", "amount", "person"]
    assert comes_from("starred.amount") == ["stg_orders.amount"]


def test_relations_that_are_found_by_name_are_united(comes_from):
    assert comes_from("unioned.url") == ["raw.web_clicks.url", "raw.web_views.url"]
    assert comes_from("unioned.seconds") == ["raw.web_views.seconds"]


def test_values_that_nobody_knows_are_those_that_the_template_takes_by_default(comes_from):
    assert comes_from("pivoted.of_x") == ["stg_orders.amount"]


def test_columns_that_nobody_says_are_one_error_of_one_model(project):
    with pytest.raises((ProjectError, ProjectErrors)) as caught:
        project.lineage("asking")

    assert "This template asks for the columns of raw.everything, which nobody says." in str(caught.value)


def test_a_python_model_has_the_columns_that_are_described_and_named(comes_from, project):
    (rating, player) = project.lineage("elo").columns

    assert [(step.column, step.undeclared) for step in (rating, player)] == [("rating", False), ("player", True)]
    assert rating.untraced == "sqlfeat does not make 'elo': it is a Python model of dbt."
    assert comes_from("ratings.rating") == ["elo.rating"]


def test_a_function_in_a_schema_of_one_s_own_is_traced_through(comes_from):
    assert comes_from("ratings.better") == ["elo.rating"]


def test_a_template_that_fails_stops_neither_the_project_nor_the_models_above(comes_from, project):
    (column, *_) = project.lineage("broken").columns

    assert column.untraced == "'no_such_macro' is not defined in this template."
    assert comes_from("above.b") == ["broken.b"]


def test_a_model_by_its_bare_name_is_that_model(comes_from):
    assert comes_from("bare.order_id") == ["stg_orders.order_id"]


def test_nothing_is_run_with_what_is_assumed(project):
    results = {node.name: node.status for node in project.run().results}

    assert results["stg_orders"] != "built"


def test_a_test_of_what_is_not_there_is_left_out_and_said(project, opened):
    project.lineage("stg_orders")

    assert any("There is no model 'not_there'. The test is left out." in event.text for event in opened.events)
