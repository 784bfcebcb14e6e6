"""Texts from outside that mean harm: each is a value, a name that is refused, or no part of a statement."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from sqlfeat.errors import SqlfeatError
from tests.made.projects import Opened, day, shop

TEXTS = (
    "x'; drop table spent; --", "'; attach '/etc/passwd' as p; --", '"; drop schema main cascade; --', "x' or '1'='1",
    "x'); copy spent to '../out.csv'; --", "1; select 1", "*/ drop table spent /*", "\0", "\n--", "{{ 7 * 7 }}",
    "{% raw %}", "${env:HOME}", "$1", "?", "%s%n", "\u202e", "''", '""', "\\'",
)  # fmt: skip
PATHS = (
    "../x", "..", ".", "/etc/passwd", "a/../../b", "....//....//etc", "..\\..\\x", "%2e%2e/x", "file:///etc/passwd",
    "~/x", "a\0b", "a/b", "C:\\x", "//host/share", "x" * 300, ".lock", "-rf", "nul", "",
)  # fmt: skip
"""Ways out of a folder by which other registries of models were left."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    project = Opened(
        shop(
            tmp_path_factory.mktemp("hostile") / "project",
            {
                "models/spent.sql": """
                    {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
                    select customer, ordered_at, amount from {{ source('raw', 'orders') }}
                """,
                "models/said.sql": "{{ config(materialized='table') }} select '{{ var(\"said\", \"\") }}' as said",
                "models/asked.sql": """
                    {{ config(role='label', event_time='ordered_at', horizon='1 day') }}
                    select order_id, customer, ordered_at, amount > 15 as much from {{ source('raw', 'orders') }}
                """,
                "models/much.sql": """
                    {{ config(materialized='training_set', label='much', keys=['order_id']) }}
                    select a.order_id, a.ordered_at, {{ feature('spent.amount') }}, a.much from {{ ref('asked') }} as a
                """,
            },
        )
    )
    assert not project.run().failed
    with project.project() as one:
        one.build_training_set("much")
    return project


def files(opened: Opened) -> set[str]:
    """All that lies beside the project, and in it but for what is generated."""
    names = (path.relative_to(opened.root.parent).as_posix() for path in opened.root.parent.rglob("*"))
    return {name for name in names if not name.startswith("project/target/")}


ENTRANCES = {
    "a selector": lambda project, text: project.nodes([text]),
    "a feature's name": lambda project, text: project.features([text], rows=rows(["ann"])),
    "a feature of a view": lambda project, text: project.features([f"spent.{text}"], rows=rows(["ann"])),
    "a row to explain": lambda project, text: project.explain("much", text),
    "a training set": lambda project, text: project.build_training_set(text),
    "a kept training set": lambda project, text: project.training_set(text),
    "a registered model": lambda project, text: project.predict(text),
}


def rows(customers: Sequence[str]) -> pa.Table:
    asked = pa.array([day(9)] * len(customers), pa.timestamp("us", "UTC"))
    return pa.table({"customer": customers, "asked_at": asked})


def test_a_key_of_any_text_is_a_value_that_is_not_known(opened):
    with opened.project() as project:
        found = project.features(["spent.amount"], rows=rows([*TEXTS, *PATHS, "ann"]))

    assert found.column("amount").to_pylist() == [*[None] * len(TEXTS + PATHS), 30]


@pytest.mark.parametrize("name", TEXTS[:3])
def test_a_column_of_any_name_is_a_column(opened, name):
    with opened.project() as project:
        found = project.features(["spent.amount"], rows=rows(["ann"]).append_column(name, [[1]]))

    assert found.column("amount").to_pylist() == [30]
    assert found.column(name).to_pylist() == [1]


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_no_text_is_more_than_a_value_or_a_name_that_is_refused(opened, entrance):
    before, codes = files(opened), set()
    with opened.project() as project:
        for text in (*TEXTS, *PATHS):
            try:
                ENTRANCES[entrance](project, text)
            except SqlfeatError as error:
                codes.add(error.code)
        assert project.table("spent").num_rows == 4

    assert not codes & {"internal-error", "run-failed", "sql-error", "sql-syntax"}
    assert files(opened) == before


@pytest.mark.parametrize("text", ["x'; drop table spent; --", "x'); copy spent to '../x.csv'; --", "'; attach 'x'; --"])
def test_a_variable_that_ends_the_statement_is_refused_before_anything_runs(opened, text):
    with opened.project(vars={"said": text}) as project:
        (said,) = project.run(["said"]).results

    assert said.error is not None
    assert said.error.code in ("sql-syntax", "sql-grammar")
    assert opened.table("spent").num_rows == 4
