"""The order of a project, its circles, and dbt's selectors."""

import pytest

from sqlfeat.compiler.graph import Graph, Node
from sqlfeat.errors import UsageError


def model(name, *parents, folder="", tags=(), kind="view", entity=""):
    path = f"models/{folder}/{name}.sql" if folder else f"models/{name}.sql"
    return Node(f"model.{name}", name, "model", parents, path, tags, kind, entity)


#  raw.orders ─ stg_orders ┬ orders_1d ─ wanted
#  raw.prices ─ stg_prices ┴ margins ────┘
#  codes (seed) ─ coded
GRAPH = Graph(
    [
        Node("source.raw.orders", "raw.orders", "source", (), "models/staging/staging.yml", ("nightly",)),
        Node("source.raw.prices", "raw.prices", "source", (), "models/staging/staging.yml"),
        Node("seed.codes", "codes", "seed", (), "seeds/codes.csv"),
        model("stg_orders", "source.raw.orders", folder="staging", tags=("staging", "daily")),
        model("stg_prices", "source.raw.prices", folder="staging", tags=("staging",)),
        model("margins", "model.stg_orders", "model.stg_prices", folder="marts/finance", tags=("daily",), kind="table"),
        model("orders_1d", "model.stg_orders", folder="features", kind="feature_view", entity="customer"),
        model("coded", "seed.codes", kind="table"),
        Node("model.wanted", "wanted", "training_set", ("model.orders_1d", "model.margins"), "models/wanted.sql", (),
             "training_set"),
        Node("test.unique_margins", "unique_margins", "test", ("model.margins",), "models/marts/finance/finance.yml"),
    ]
)  # fmt: skip


def selected(*select, exclude=(), modified=()):
    """The names that are selected, in order."""
    ids = GRAPH.select(select, exclude, modified=frozenset(modified))
    return [GRAPH.nodes[node].name for node in ids]


def test_the_order_has_parents_first_and_never_changes():
    order = GRAPH.order()

    for node in GRAPH.nodes.values():
        assert all(order.index(parent) < order.index(node.id) for parent in node.parents)
    assert Graph(reversed(list(GRAPH.nodes.values()))).order() == order


def test_a_circle_is_told_in_the_order_of_reference():
    graph = Graph([model("b", "model.c"), model("c", "model.a"), model("a", "model.b"), model("d", "model.a")])

    assert graph.cycle() == ["model.a", "model.b", "model.c"]


def test_a_model_that_reads_itself_is_a_circle():
    assert Graph([model("a", "model.a")]).cycle() == ["model.a"]


def test_no_circle_is_nothing():
    assert GRAPH.cycle() == []


def test_ancestors_and_descendants_with_and_without_a_depth():
    assert GRAPH.ancestors(["model.orders_1d"]) == {"model.stg_orders", "source.raw.orders"}
    assert GRAPH.ancestors(["model.orders_1d"], 1) == {"model.stg_orders"}
    assert GRAPH.descendants(["model.stg_prices"]) == {"model.margins", "model.wanted", "test.unique_margins"}
    assert GRAPH.descendants(["model.stg_prices"], 1) == {"model.margins"}


STAGED = ["stg_orders", "stg_prices"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("margins", ["margins"]),
        ("stg_*", STAGED),
        ("stg_order?", ["stg_orders"]),
        ("+orders_1d", ["raw.orders", "stg_orders", "orders_1d"]),
        ("1+orders_1d", ["stg_orders", "orders_1d"]),
        ("stg_prices+", ["stg_prices", "margins", "unique_margins", "wanted"]),
        ("stg_prices+1", ["stg_prices", "margins"]),
        ("1+margins+1", ["stg_orders", "stg_prices", "margins", "unique_margins", "wanted"]),
        ("@orders_1d", ["raw.orders", "raw.prices", "stg_orders", "orders_1d", "stg_prices", "margins", "wanted"]),
        ("tag:daily", ["stg_orders", "margins"]),
        ("tag:dai*", ["stg_orders", "margins"]),
        ("tag:nightly+1", ["raw.orders", "stg_orders"]),
        ("path:models/staging", ["raw.orders", "raw.prices", *STAGED]),
        ("path:models/staging/", ["raw.orders", "raw.prices", *STAGED]),
        ("path:./models/staging", ["raw.orders", "raw.prices", *STAGED]),
        ("path:models/staging/stg_orders.sql", ["stg_orders"]),
        ("path:models/marts/*.sql", ["margins"]),
        ("file:margins.sql", ["margins"]),
        ("source:raw", ["raw.orders", "raw.prices"]),
        ("source:raw.orders", ["raw.orders"]),
        ("source:raw.prices+1", ["raw.prices", "stg_prices"]),
        ("config.materialized:feature_view", ["orders_1d"]),
        ("config.materialized:table", ["coded", "margins"]),
        ("resource_type:seed", ["codes"]),
        ("resource_type:training_set", ["wanted"]),
        ("entity:customer", ["orders_1d"]),
        ("staging", ["raw.orders", "raw.prices", *STAGED]),
        ("marts.finance.margins", ["margins"]),
        ("marts.*", ["margins", "unique_margins"]),
        ("tag:staging,tag:daily", ["stg_orders"]),
        ("stg_orders+,margins", ["margins"]),
        ("margins,orders_1d", []),
        ("coded orders_1d", ["coded", "orders_1d"]),
        ("coded orders_1d,tag:x*", None),
    ],
)  # fmt: skip
def test_selectors(selector, expected):
    if expected is None:
        with pytest.raises(UsageError):
            selected(selector)
        return
    found = selected(selector)
    assert sorted(found) == sorted(expected)
    assert found == [GRAPH.nodes[node].name for node in GRAPH.order() if GRAPH.nodes[node].name in expected]


def test_no_selector_is_everything():
    assert len(selected()) == len(GRAPH.nodes)
    assert selected("  ") == selected()


def test_several_selectors_add_up():
    assert selected("coded", "orders_1d") == selected("coded orders_1d") == ["coded", "orders_1d"]


def test_one_text_is_one_selector_and_not_its_letters():
    assert GRAPH.select("coded orders_1d") == GRAPH.select(["coded", "orders_1d"])
    assert selected(exclude="stg_orders+") == selected(exclude=["stg_orders+"])


def test_exclude_takes_away():
    assert selected("tag:staging", exclude=["stg_prices"]) == ["stg_orders"]
    assert selected("stg_orders+", exclude=["margins+"]) == ["stg_orders", "orders_1d"]


def test_what_was_modified_is_told_from_outside():
    assert selected("state:modified", modified=["model.coded"]) == ["coded"]
    assert selected("state:modified+", modified=["model.orders_1d"]) == ["orders_1d", "wanted"]
    assert selected("state:modified") == []


@pytest.mark.parametrize(
    ("selector", "code"),
    [
        ("nothing_like_it", "nothing-selected"),
        ("tag:nothing", "nothing-selected"),
        ("colour:red", "bad-selector"),
        ("state:old", "bad-selector"),
        ("+", "nothing-selected"),
    ],
)
def test_selectors_that_mean_nothing(selector, code):
    with pytest.raises(UsageError) as caught:
        selected(selector)

    assert caught.value.code == code
