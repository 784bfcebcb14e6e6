"""``sqlfeat lineage``: what it passes on, and how a tree reads on a terminal, as JSON and as a flowchart."""

from __future__ import annotations

import pytest

from sqlfeat.api import Project
from sqlfeat.errors import Place, UsageError
from sqlfeat.ops.lineage import LineageStep, LineageTree
from tests.made.projects import Opened, shop

SOURCE = LineageStep("source.raw.orders", "amount", "BIGINT")
KEY = LineageStep("source.raw.orders", "customer", "VARCHAR", via="indirect")
STAGED = LineageStep(
    "model.staged", "amount", "BIGINT", expression="o.amount", place=Place("models/staged.sql", 2, 5), steps=(SOURCE,)
)
SPENT = LineageStep(
    "model.spent", "total", "HUGEINT", expression="sum(amount)", place=Place("models/spent.sql", 3, 5),
    steps=(STAGED, KEY),
)  # fmt: skip
TREE = LineageTree("spent.total", False, (SPENT,))

DRAWN = """\
spent.total               HUGEINT   sum(amount)
├─ staged.amount          BIGINT
│  └─ raw.orders.amount   BIGINT
└─ raw.orders.customer    VARCHAR   decides rows
"""
CHART = """\
flowchart LR
    subgraph n0["model.spent"]
        c2["total"]
    end
    subgraph n1["model.staged"]
        c3["amount"]
    end
    subgraph n2["source.raw.orders"]
        c0["amount"]
        c1["customer"]
    end
    c3 --> c2
    c0 --> c3
    c1 -.-> c2
"""


def test_the_choices_are_passed_on(typing, project):
    project.answers["lineage"] = TREE

    typing("lineage", "spent.total", "--downstream", "--depth", "2", "--indirect")

    assert project.calls["lineage"] == (("spent.total",), {"downstream": True, "depth": 2, "indirect": True})


def test_a_tree_shows_what_each_column_comes_from(typing, project):
    project.answers["lineage"] = TREE

    assert typing("lineage", "spent.total").out == DRAWN


def test_json_nests_the_steps(typing, project):
    project.answers["lineage"] = TREE

    document = typing("lineage", "spent.total", "--json").document

    [column] = document["columns"]
    assert {key: column[key] for key in ("node", "column", "type", "expression", "file", "line", "position")} == {
        "node": "model.spent", "column": "total", "type": "HUGEINT", "expression": "sum(amount)",
        "file": "models/spent.sql", "line": 3, "position": 5,
    }  # fmt: skip
    assert [(step["node"], step["column"], step["via"]) for step in column["upstream"]] == [
        ("model.staged", "amount", "direct"), ("source.raw.orders", "customer", "indirect"),
    ]  # fmt: skip


def test_a_flowchart_has_a_box_for_each_node(typing, project):
    project.answers["lineage"] = TREE

    assert typing("lineage", "spent.total", "--mermaid").out == CHART


def test_downstream_arrows_lead_away(typing, project):
    project.answers["lineage"] = LineageTree("staged.amount", True, (STAGED,))

    assert "c1 --> c0" in typing("lineage", "staged.amount", "--mermaid").out


# -- over a whole project ----------------------------------------------------------------------------------------------

MODELS = {
    "models/staged.sql": "select *, amount * 2 as twice from {{ source('raw', 'orders') }}",
    "models/spent.sql": "select customer, sum(twice) as total, count(*) as n from {{ ref('staged') }} group by 1",
    "models/both.sql": "select total as one, total + 1 as other from {{ ref('spent') }}",
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with Opened(shop(tmp_path_factory.mktemp("shop"), MODELS)).project() as project:
        yield project


def names(tree: LineageTree) -> list[str]:
    found: list[str] = []

    def collect(step: LineageStep, depth: int) -> None:
        found.append(f"{'.' * depth}{step.name}{' again' if step.repeated else ''}")
        for below in step.steps:
            collect(below, depth + 1)

    for step in tree.columns:
        collect(step, 0)
    return found


def test_a_column_leads_down_to_its_source(opened: Project):
    assert names(opened.lineage("spent.total")) == ["spent.total", ".staged.twice", "..raw.orders.amount"]


def test_a_model_alone_means_all_its_columns_and_no_step_is_told_twice(opened: Project):
    assert names(opened.lineage("both")) == [
        "both.one", ".spent.total", "..staged.twice", "...raw.orders.amount", "both.other", ".spent.total again",
    ]  # fmt: skip


def test_a_column_made_of_no_value_shows_what_decides_its_rows(opened: Project):
    assert names(opened.lineage("spent.n", depth=1)) == ["spent.n", ".staged.customer"]


def test_what_is_made_of_a_source_is_found_downstream(opened: Project):
    tree = opened.lineage("raw.orders.amount", downstream=True)

    assert names(tree) == [
        "raw.orders.amount", ".staged.amount", ".staged.twice", "..spent.total", "...both.one", "...both.other",
    ]  # fmt: skip


def test_depth_ends_the_tree(opened: Project):
    assert names(opened.lineage("both.one", depth=2)) == ["both.one", ".spent.total", "..staged.twice"]


@pytest.mark.parametrize(
    ("name", "code", "hint"),
    [
        ("spent.totel", "unknown-column", "total"),
        ("spend.total", "unknown-model", "spent"),
        ("spend", "unknown-model", "spent"),
        ("raw.orders.amuont", "unknown-column", "amount"),
    ],
)
def test_what_is_misspelt_is_told_with_the_nearest_name(opened: Project, name, code, hint):
    with pytest.raises(UsageError) as caught:
        opened.lineage(name)

    assert (caught.value.code, hint in (caught.value.hint or "")) == (code, True)
