"""Lookups against the oracle: every kind of view, asked in every way, on timelines made to go wrong."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.properties import lookup_project
from tests.properties.lookup_project import AS_OF, ASKED, PLAIN, VIEWS, Answers, Asked, World, in_order
from tests.properties.searching import searching
from tests.properties.workbench import Workbench, same, told

recipes = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 600), st.integers(0, 200))
"""Seed, entities, facts and labels."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("lookups"), lookup_project.files(), lookup_project.SCHEMAS)
    yield bench
    bench.close()


@given(recipe=recipes)
@example(recipe=(0, 1, 0, 0))
@example(recipe=(0, 3, 0, 20))
@example(recipe=(0, 3, 20, 0))
@searching(3)
def test_every_feature_is_of_the_row_that_the_oracle_finds(bench, recipe):
    world = World.made(*recipe)
    bench.put(world.tables())
    answers = Answers(world)
    for as_of in AS_OF:
        found = bench.rows_of(f"found_at_{as_of}")
        labels = in_order(world.asked, as_of)
        assert [row["label_id"] for row in found] == [label["label_id"] for label in labels]
        for label, row in zip(labels, found, strict=True):
            agree(answers, label, row, as_of)
    for label, row in zip(in_order(world.asked, "asked_utc"), bench.rows_of("whole_rows"), strict=True):
        arrived_whole(answers, label, row)


def agree(answers, label, row, as_of) -> None:
    for name, asked in ASKED.items():
        expected = answers.row(asked, label, as_of)
        if (expected and expected["id"]) != row[name]:
            pytest.fail(story(answers, asked, name, label, as_of, row[name]))
    assert row["card"] == answers.card(label, as_of)


def arrived_whole(answers, label, row) -> None:
    """Every value of the row that was found, to the last bit."""
    for view in ("plain", "late"):
        expected = answers.row(Asked(view), label, "asked_utc") or dict.fromkeys(PLAIN)
        for name in PLAIN:
            assert same(expected[name], row[f"{view}_{name}"]), (view, name, label, expected, row)


def story(answers, asked, name, label, as_of, found) -> str:
    """The whole case on one page: the key's rows, the question, and the two answers."""
    shape, key = VIEWS[asked.view], answers.key(asked, label, as_of)
    rows = answers.view(asked.view, key).rows
    expected = answers.row(asked, label, as_of)
    shown = [{n: row[n] for n in ("happened_utc", "known", "rank", "id") if n in row} for row in rows]
    return (
        f"{name}: {shape}, asked {dict(asked.how)} at {label[AS_OF[as_of]]} by {key!r}\n{told(shown)}\n"
        f"expected {expected and expected['id']}, found {found}"
    )
