"""What a definition is: what changes its fingerprint, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlfeat.compiler import fingerprint
from tests.made.projects import PROJECT_FILE, SOURCES, Files, Opened, shop

FILES: Files = {
    "macros/total.sql": "{% macro total(column) %}sum({{ column }}){% endmacro %}",
    "models/staged.sql": "select * from {{ source('raw', 'orders') }}",
    "models/spent.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
        select customer, ordered_at, amount, {{ window('sum(amount)', '7 days') }} as spent_7d from {{ ref('staged') }}
    """,
    "models/totals.sql": """
        {{ config(materialized='table') }}
        select customer, {{ total('amount') }} as total from {{ ref('staged') }} group by 1
    """,
    "models/asked.sql": """
        {{ config(materialized='table', role='label', event_time='asked') }}
        select order_id, customer, ordered_at as asked, amount > 15 as big from {{ source('raw', 'orders') }}
    """,
    "models/wanted.sql": """
        {{ config(materialized='training_set', keys=['order_id'], label='big') }}
        select f.order_id, f.asked, {{ feature('spent.spent_7d') }}, f.big from {{ ref('asked') }} as f
    """,
}
EVERYTHING = {"staged", "spent", "totals", "asked", "wanted"}


def marks(root: Path, files: Files, **settings) -> dict[str, str]:
    with Opened(shop(root, {**FILES, **files})).project(**settings) as project:
        return {node.split(".", 1)[1]: mark for node, mark in project.manifest.fingerprints.items()}


def changed(tmp_path: Path, files: Files, **settings) -> set[str]:
    """Whose fingerprints differ after a change of files."""
    before, after = marks(tmp_path / "before", {}), marks(tmp_path / "after", files, **settings)
    return {name for name in before if before[name] != after.get(name)}


def with_change(name: str, old: str, new: str) -> Files:
    text = FILES[f"models/{name}.sql"]
    assert isinstance(text, str)
    assert old in text
    return {f"models/{name}.sql": text.replace(old, new)}


DELAYED = {"models/sources.yml": SOURCES.replace("ordered_at", "ordered_at, available_after: 1 day")}


def test_the_same_project_elsewhere_is_the_same(tmp_path):
    assert changed(tmp_path, {}) == set()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (with_change("staged", "*", "*, 1 as one"), {"staged", "spent", "totals", "wanted"}),
        (with_change("totals", "group by 1", "group by all"), {"totals"}),
        ({"macros/total.sql": "{% macro total(column) %}max({{ column }}){% endmacro %}"}, {"totals"}),
        (with_change("totals", "'table'", "'view'"), {"totals"}),
        (with_change("spent", "7 days", "8 days"), {"spent", "wanted"}),
        (with_change("spent", "sum(amount)", "avg(amount)"), {"spent", "wanted"}),
        (with_change("spent", "'7 days'", "'7 days', offset='1 day'"), {"spent", "wanted"}),
        (with_change("spent", "'ordered_at')", "'ordered_at', ttl='1 day')"), {"spent", "wanted"}),
        (with_change("spent", "'ordered_at')", "'ordered_at', tie_breaker='amount')"), {"spent", "wanted"}),
        (with_change("spent", "'ordered_at')", "'ordered_at', available_after='1 day')"), {"spent", "wanted"}),
        (with_change("wanted", "spent_7d'", "spent_7d', ttl='1 day'"), {"wanted"}),
        (with_change("wanted", "spent_7d'", "spent_7d', strict=true"), {"wanted"}),
        (with_change("wanted", "spent_7d'", "spent_7d', on={'customer': 'f.customer'}"), {"wanted"}),
        (DELAYED, {"raw.orders", "staged", "spent", "totals", "asked", "wanted"}),
    ],
)  # fmt: skip
def test_what_changes_a_definition_and_all_that_reads_it(tmp_path, files, expected):
    assert changed(tmp_path, files) == expected


@pytest.mark.parametrize(
    "files",
    [
        {"models/totals.yml": "models:\n  - name: totals\n    description: All of it.\n    columns: [{name: total}]\n"},
        {"models/totals.yml": "models:\n  - name: totals\n    config: {tags: [a], meta: {b: 1}, owner: c}\n"},
        {"models/totals.yml": "models:\n  - name: totals\n    columns: [{name: total, data_tests: [not_null]}]\n"},
        with_change("totals", "'table'", "'table', alias='shown', schema='marts'"),
        with_change("spent", "'ordered_at')", "'ordered_at', online=true)"),
        with_change("totals", "{{ config", "{# a note #}{{ config"),
        with_change("totals", "{{ total('amount') }}", "{{ total(column='amount') }}"),
        {"models/sources.yml": SOURCES.replace("data/{name}.parquet", "./data/{name}.parquet")},
        {"models/sources.yml": SOURCES.replace("event_time: ordered_at", "event_time: ordered_at, tags: [x]")},
        {"models/other.sql": "select 1 as x"},
        {"sqlfeat_project.yml": PROJECT_FILE.replace("name: shop", "name: store")},
    ],
)
def test_what_says_nothing_of_the_data_changes_nothing(tmp_path, files):
    assert changed(tmp_path, files) == set()


def test_a_file_that_moves_is_the_same_model(tmp_path):
    before = marks(tmp_path / "before", {})
    shop(tmp_path / "after", FILES)
    (tmp_path / "after" / "models" / "marts").mkdir()
    (tmp_path / "after" / "models" / "totals.sql").rename(tmp_path / "after" / "models" / "marts" / "totals.sql")

    with Opened(tmp_path / "after").project() as project:
        assert project.manifest.fingerprints["model.totals"] == before["totals"]


def test_another_target_is_the_same_definition(tmp_path):
    targets = PROJECT_FILE.replace(
        "    entities:",
        "      prod: {engine: duckdb, path: /elsewhere/x.duckdb, schema: prod, threads: 2}\n    entities:",
    )

    assert changed(tmp_path, {"sqlfeat_project.yml": targets}, target="prod", threads=2) == set()


def test_the_environment_counts_only_where_the_text_reads_it(tmp_path, monkeypatch):
    text = with_change("totals", "group by 1", "group by 1 -- {{ env_var('SHOP_REGION') }}")
    monkeypatch.setenv("SHOP_REGION", "north")
    before = marks(tmp_path / "before", text)
    monkeypatch.setenv("SHOP_REGION", "south")
    after = marks(tmp_path / "after", text)

    assert {name for name in before if before[name] != after[name]} == {"totals"}


def test_variables_count_where_the_text_reads_them(tmp_path):
    text = with_change("totals", "group by 1", "group by 1 -- {{ var('x', 1) }}")
    before, after = marks(tmp_path / "a", text), marks(tmp_path / "b", text, vars={"x": 2, "y": 3})

    assert {name for name in before if before[name] != after[name]} == {"totals"}


def test_a_seed_is_its_name_and_its_types(tmp_path):
    seed = {"seeds/prices.csv": "product,price\ntea,1\n"}
    yml = "seeds:\n  - name: prices\n    description: What things cost.\n    config: {tags: [x]}\n"
    typed = yml.replace("tags: [x]", "column_types: {price: varchar}")
    one, described, other = (
        marks(tmp_path / name, {**seed, **files})["prices"]
        for name, files in {"a": {}, "b": {"seeds/p.yml": yml}, "c": {"seeds/p.yml": typed}}.items()
    )

    assert one == described
    assert one != other


VIEW = """
    {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
    select
        customer, ordered_at,
        amount,
        amount * 2 as twice,
        twice + 1 as more,
        {{ window('sum(amount)', '7 days') }} as spent_7d,
        {{ window('count(*)', '7 days') }} as orders_7d
    from {{ ref('staged') }}
    where amount > 0
"""


EVERY = {"amount", "twice", "more", "spent_7d", "orders_7d"}


def features(root: Path, text: str, columns: str = "") -> dict[str, str]:
    """The fingerprints of the features of a view, by column."""
    with Opened(
        shop(root, {**FILES, "models/spent.sql": text, "models/sources.yml": columns or SOURCES})
    ).project() as p:
        view = p.manifest.model("spent")
        return {
            name: fingerprint.of_feature(view, name, p.manifest.fingerprints)
            for name in view.column_names
            if name not in ("customer", "ordered_at")
        }


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("'7 days') }} as spent_7d", "'8 days') }} as spent_7d", {"spent_7d"}),
        ("count(*)", "count(amount)", {"orders_7d"}),
        ("amount * 2", "amount * 3", {"twice", "more"}),
        ("twice + 1", "twice + 2", {"more"}),
        ("amount * 2 as twice", "-- a note\n    amount   * 2 as twice", {"twice", "more"}),
        ("        amount,\n", "        amount, product,\n", set()),
        ("        customer, ordered_at,\n", "        ordered_at,\n\n        customer,\n", set()),
        ("{{ window('sum(amount)', '7 days') }} as spent_7d,", "", set()),
        ("customer, ordered_at", "upper(customer) as customer, ordered_at", EVERY),
        ("where amount > 0", "where amount > 1", EVERY),
        ("'ordered_at')", "'ordered_at', ttl='1 day')", EVERY),
        ("'ordered_at')", "'ordered_at', available_after='1 day')", EVERY),
        ("ref('staged')", "source('raw', 'orders')", EVERY),
    ],
)  # fmt: skip
def test_a_feature_is_its_own_text_and_what_decides_its_view_s_rows(tmp_path, old, new, changed):
    assert old in VIEW
    before, after = features(tmp_path / "a", VIEW), features(tmp_path / "b", VIEW.replace(old, new, 1))

    assert {name for name in before.keys() & after.keys() if before[name] != after[name]} == changed & after.keys()


def test_a_feature_is_its_ancestry_and_its_time(tmp_path):
    before, after = features(tmp_path / "a", VIEW), features(tmp_path / "b", VIEW, DELAYED["models/sources.yml"])

    assert [name for name in before if before[name] == after[name]] == []


@pytest.mark.parametrize("start", ["select distinct", "select *, 1 as one,"])
def test_a_feature_of_a_view_whose_columns_hang_together_is_all_of_it(tmp_path, start):
    text = "{{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}\n" + (
        f"{start} customer, ordered_at, amount, 1 as x from {{{{ ref('staged') }}}}"
        if "distinct" in start
        else "select *, 1 as x from {{ ref('staged') }}"
    )
    before, after = features(tmp_path / "a", text), features(tmp_path / "b", text.replace("1 as x", "2 as x"))

    assert [name for name in before if before[name] == after[name]] == []


def test_a_split_is_no_part_of_what_a_training_set_s_rows_are(tmp_path):
    split = with_change("wanted", "label='big'", "label='big', split={'train': '2024-01-01', 'test': '2024-01-03'}")
    longer = with_change("wanted", "f.big from", "f.big, f.customer from")
    one, divided, other = (
        rows_of(tmp_path / name, files) for name, files in {"a": {}, "b": split, "c": longer}.items()
    )

    assert one == divided
    assert one != other


def rows_of(root: Path, files: Files) -> str:
    with Opened(shop(root, {**FILES, **files})).project() as project:
        model = project.manifest.model("wanted")
        parents = {parent: project.manifest.fingerprints[parent] for parent in model.parents}
        return fingerprint.of_training_set(model, parents)
