"""Where columns come from: one step in a query, whole projects, and what is told where nothing is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlfeat.api import Project
from sqlfeat.compiler.dependencies import Tracer
from sqlfeat.compiler.lineage import Lineage
from sqlfeat.compiler.resolve import Unresolved, resolve
from tests.compiler.resolving import World, world
from tests.made.projects import Opened, shop

the_world = pytest.fixture(scope="module", name="world")(world)
REPOSITORY = Path(__file__).resolve().parents[2]
PROJECTS = (
    "project_template",
    "tests/projects/cdnow_churn",
    "tests/projects/ecom_clicks",
    "tests/projects/adversarial",
)


def step(world: World, query: str) -> dict[str, tuple[set[str], set[str]]]:
    """What each column of a query is made from: directly, and indirectly."""
    relation = world.resolved(query)
    traced = Tracer().relation(relation)
    found = {}
    for field, uses in zip(relation.fields, traced.fields, strict=True):
        direct = {f"{node.removeprefix('ref.')}.{column}" for node, column in uses.direct}
        indirect = {f"{node.removeprefix('ref.')}.{column}" for node, column in uses.indirect | traced.rows}
        found[field.name] = (direct, indirect - direct)
    return found


STEPS = {
    "a value that passes through": ("select a from ref.t", {"a": ({"t.a"}, set())}),
    "a value that is computed": ("select a + k as x from ref.t", {"x": ({"t.a", "t.k"}, set())}),
    "a condition": ("select a from ref.t where k > 1", {"a": ({"t.a"}, {"t.k"})}),
    "the keys of a join": (
        "select t.a, u.c from ref.t join ref.u on t.k = u.k",
        {"a": ({"t.a"}, {"t.k", "u.k"}), "c": ({"u.c"}, {"t.k", "u.k"})},
    ),
    "a full join by name": (
        "select k, w from ref.u full join ref.v using (k)",
        {"k": ({"u.k", "v.k"}, set()), "w": ({"v.w"}, {"u.k", "v.k"})},
    ),
    "groups": (
        "select k, sum(a) as s, count(*) as n from ref.t group by k",
        {"k": ({"t.k"}, set()), "s": ({"t.a"}, {"t.k"}), "n": (set(), {"t.k"})},
    ),
    "a filter and an order inside an aggregate": (
        "select list(a order by ts) filter (where k > 1) as l from ref.t",
        {"l": ({"t.a"}, {"t.ts", "t.k"})},
    ),
    "a window": (
        "select sum(a) over (partition by k order by ts) as s, b from ref.t",
        {"s": ({"t.a"}, {"t.k", "t.ts"}), "b": ({"t.b"}, set())},
    ),
    "qualify": (
        "select a from ref.t qualify row_number() over (partition by k order by ts) = 1",
        {"a": ({"t.a"}, {"t.k", "t.ts"})},
    ),
    "distinct on": ("select distinct on (k) a from ref.t order by ts", {"a": ({"t.a"}, {"t.k", "t.ts"})}),
    "a limit": ("select a from ref.t order by ts limit 1", {"a": ({"t.a"}, {"t.ts"})}),
    "an order alone": ("select a from ref.t order by ts", {"a": ({"t.a"}, set())}),
    "a union": ("select a as x from ref.t union all select k from ref.u", {"x": ({"t.a", "u.k"}, set())}),
    "an except": ("select k from ref.t except select k from ref.u", {"k": ({"t.k"}, {"u.k"})}),
    "a scalar subquery": (
        "select (select max(c) from ref.u where u.k = t.k) as m from ref.t",
        {"m": ({"u.c"}, {"u.k", "t.k"})},
    ),
    "exists": (
        "select a from ref.t where exists (select 1 from ref.u where u.k = t.k)",
        {"a": ({"t.a"}, {"u.k", "t.k"})},
    ),
    "in": ("select a in (select k from ref.u where c > 1) as x from ref.t", {"x": ({"t.a", "u.k"}, {"u.c"})}),
    "a lateral join": (
        "select z.m from ref.t, lateral (select max(w) as m from ref.v where v.k = t.k) z",
        {"m": ({"v.w"}, {"v.k", "t.k"})},
    ),
    "a field of a struct": ("select s.x as x from ref.t", {"x": ({"t.s"}, set())}),
    "an unnested list": ("select a, x from ref.t, unnest(l) as u(x)", {"a": ({"t.a"}, set()), "x": ({"t.l"}, set())}),
    "a lambda": ("select list_transform(l, lambda x: x + k) as y from ref.t", {"y": ({"t.l", "t.k"}, set())}),
    "a star with changes": (
        "select * exclude (c) replace (a + k as a) from ref.u",
        {"a": ({"u.a", "u.k"}, set()), "k": ({"u.k"}, set())},
    ),
    "a pivot": (
        "select * from (select k, b, f from ref.t) pivot (sum(f) for b in ('x'))",
        {"k": ({"t.k"}, set()), "x": ({"t.b", "t.f"}, {"t.k"})},
    ),
    "an unpivot": (
        "unpivot ref.q on jan, feb into name month value v",
        {"id": ({"q.id"}, set()), "mar": ({"q.mar"}, set()), "month": (set(), set()), "v": ({"q.jan", "q.feb"}, set())},
    ),
    "a recursive cte": (
        "with recursive c as (select k, w from ref.v union all select v.k, c.w from ref.v join c on v.w = c.k) from c",
        {"k": ({"v.k"}, {"v.w"}), "w": ({"v.w"}, {"v.k"})},
    ),
    "constants": ("select 1 as one from ref.t", {"one": (set(), set())}),
    "asof": (
        "select e.v from ref.t asof join ref.e on t.k = e.k and t.ts >= e.ts",
        {"v": ({"e.v"}, {"t.k", "e.k", "t.ts", "e.ts"})},
    ),
}


@pytest.mark.parametrize("what", STEPS)
def test_one_step(world: World, what):
    query, expected = STEPS[what]

    assert expected == step(world, query)


def test_a_cte_is_followed_once(world: World):
    text = "with c0 as (select k from ref.v)"
    for number in range(1, 40):
        text += f", c{number} as (select x.k from c{number - 1} x join c{number - 1} y on x.k = y.k)"

    assert ({"v.k"}, set()) == step(world, f"{text} select k from c39")["k"]


# -- queries in the shapes of the usual benchmarks ---------------------------------------------------------------------

REVENUE = """
with totals as (
    select u.k as supplier, sum(u.c * (1 - t.f)) as revenue
    from ref.t join ref.u on t.a = u.a
    where t.d >= date '2020-01-01' and t.d < date '2020-01-01' + interval '3 months'
    group by u.k
)
select supplier, revenue, rank() over (order by revenue desc) as place
from totals
where revenue = (select max(revenue) from totals)
"""
RETURNS = """
with a as (select k, sum(w) as total from ref.v group by k),
     b as (select k, count(*) as n from ref.u where c > 1 group by k)
select coalesce(a.k, b.k) as k, case when n > 0 then total / n end as share
from a full join b on a.k = b.k
where exists (select 1 from ref.t where t.k = a.k)
order by share desc limit 100
"""


def test_the_shape_of_a_top_supplier(world: World):
    found = step(world, REVENUE)
    deciding = {"t.a", "u.a", "t.d", "u.k", "t.f", "u.c"}

    assert {name: direct for name, (direct, _) in found.items()} == {
        "supplier": {"u.k"}, "revenue": {"u.c", "t.f"}, "place": set(),
    }  # fmt: skip
    assert found["place"][1] == deciding


def test_the_shape_of_sales_and_returns(world: World):
    found = step(world, RETURNS)

    assert found["k"][0] == {"v.k", "u.k"}
    assert found["share"][0] == {"v.w"}
    assert found["share"][1] == {"v.k", "u.k", "u.c", "t.k"}


# -- whole projects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", PROJECTS)
def test_every_column_of_our_projects_is_traced(folder):
    with Project.load(REPOSITORY / folder) as project:
        manifest = project.manifest
    lineage = Lineage(manifest)
    untraced = [
        (model.name, column.column)
        for model in manifest.models.values()
        for column in lineage.columns(model.id).values()
        if column.untraced
    ]

    assert untraced == []


@pytest.mark.parametrize("folder", PROJECTS)
def test_the_models_of_our_projects_have_the_columns_that_duckdb_says(folder):
    with Project.load(REPOSITORY / folder) as project:
        manifest = project.manifest
    columns = {node.replace("model.", "ref."): own for node, own in manifest.columns.items()}
    for model in manifest.models.values():
        if model.training_set is None and not model.windows:
            fields = resolve(model.sql, columns).fields
            types = [(field.type or own.type) for field, own in zip(fields, model.columns, strict=True)]

            assert list(model.column_names) == [field.name for field in fields]
            assert [own.type for own in model.columns] == types


MODELS = {
    "models/staged.sql": "select *, amount * 2 as twice from {{ source('raw', 'orders') }}",
    "models/spent.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
        select
            customer,
            ordered_at,
            {{ window("sum(twice) filter (where product = 'tea')", '7 days') }} as spent_7d,
            {{ window('count(*)', '7 days') }} as orders_7d,
            amount
        from {{ ref('staged') }}
        where amount > 0
    """,
    "models/asked.sql": """
        {{ config(materialized='table', event_time='ordered_at', role='label') }}
        select order_id, customer, ordered_at, amount > 20 as big from {{ ref('staged') }}
    """,
    "models/training.sql": """
        {{ config(materialized='training_set', label='big', keys=['order_id']) }}
        select
            a.order_id,
            a.ordered_at,
            {{ feature('spent.spent_7d') }} / 7 as a_day,
            {{ feature('spent.*', prefix='customer_') }},
            a.big
        from {{ ref('asked') }} as a
    """,
}


@pytest.fixture(scope="module")
def lineage(tmp_path_factory):
    with Opened(shop(tmp_path_factory.mktemp("shop"), MODELS)).project() as project:
        return Lineage(project.manifest)


def parents(lineage: Lineage, column: str, via: str) -> set[str]:
    node, name = column.rsplit(".", 1)
    found = lineage.parents(node, name)
    return {f"{parent.node}.{parent.column}" for parent in found if parent.via == via}


def test_a_window_comes_from_what_its_aggregate_reads(lineage):
    assert parents(lineage, "model.spent.spent_7d", "direct") == {"model.staged.twice"}
    assert parents(lineage, "model.spent.spent_7d", "indirect") == {
        "model.staged.customer", "model.staged.ordered_at", "model.staged.product", "model.staged.amount",
    }  # fmt: skip
    assert parents(lineage, "model.spent.orders_7d", "direct") == set()


def test_a_feature_comes_from_its_view_by_keys_and_time(lineage):
    assert parents(lineage, "model.training.a_day", "direct") == {"model.spent.spent_7d"}
    assert parents(lineage, "model.training.a_day", "indirect") == {
        "model.spent.customer", "model.spent.ordered_at", "model.asked.customer", "model.asked.ordered_at",
    }  # fmt: skip
    assert parents(lineage, "model.training.customer_amount", "direct") == {"model.spent.amount"}


def test_a_label_comes_from_its_column_alone(lineage):
    assert parents(lineage, "model.training.big", "direct") == {"model.asked.big"}
    assert parents(lineage, "model.training.big", "indirect") == set()


def test_a_step_has_the_text_and_the_place_of_its_expression(lineage):
    spent = lineage.columns("model.spent")["spent_7d"]
    day = lineage.columns("model.training")["a_day"]
    twice = lineage.columns("model.staged")["twice"]

    assert spent.expression == "sum(twice) filter (where product = 'tea') over 7 days"
    assert day.expression == "spent.spent_7d / 7"
    assert (twice.expression, twice.place.file, twice.place.line, twice.place.column) == (
        "amount * 2", "models/staged.sql", 1, 11,
    )  # fmt: skip


def test_what_comes_of_a_column_is_found_too(lineage):
    children = lineage.children("model.staged", "twice")

    assert [(child.node, child.column, child.via) for child in children] == [("model.spent", "spent_7d", "direct")]


def test_a_model_that_is_not_understood_is_named_and_nothing_is_guessed(tmp_path):
    files = {"models/read.sql": "select order_id, #2 as other from {{ source('raw', 'orders') }}"}
    with Opened(shop(tmp_path, files)).project() as project:
        found = Lineage(project.manifest).columns("model.read")

    assert [(own.parents, bool(own.untraced)) for own in found.values()] == [((), True), ((), True)]


def test_what_is_resolved_without_columns_says_so():
    with pytest.raises(Unresolved, match="not known"):
        resolve('select * from "sqlfeat:ref"."absent"', {})
