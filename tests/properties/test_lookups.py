"""Lookups against the oracle: every kind of view, asked in every way, on timelines made to go wrong."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.properties import lookup_project
from tests.properties.lookup_project import AS_OF, ASKED, PLAIN, VIEWS, Answers, Asked, World, in_order
from tests.properties.searching import searching
from tests.properties.timelines import DAY, MOMENTS
from tests.properties.workbench import Workbench, same, told

recipes = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 50), st.integers(0, 500), st.integers(0, 120))
"""Seed, entities, facts and labels."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("lookups"), lookup_project.files(), lookup_project.SCHEMAS)
    yield bench
    bench.close()


@given(recipe=recipes)
@example(recipe=(0, 3, 0, 20))
@example(recipe=(0, 3, 20, 0))
@searching(2)
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


@given(recipe=recipes, moment=st.sampled_from(MOMENTS))
@searching(1)
def test_other_rows_and_other_times_are_looked_up_by_the_same_rule(bench, recipe, moment):
    """Request rows in the order given, one instant for all label rows, and the label rows of a stretch of time."""
    world = World.made(*recipe)
    bench.put(world.tables())
    answers = Answers(world)
    given = world.asked[::-1]
    at_once = in_order([{**label, "asked_utc": moment} for label in world.asked], "asked_utc")
    end = moment + 28 * DAY
    stretch = [label for label in world.asked if label["asked_utc"] and moment <= label["asked_utc"] < end]

    for labels, how in [
        (given, {"rows": pa.Table.from_pylist(given, schema=lookup_project.SCHEMAS["asked"])}),
        (at_once, {"at": moment}),
        (in_order(stretch, "asked_utc"), {"start": moment, "end": end}),
    ]:
        for label, row in zip(labels, bench.rows_of("found_at_asked_utc", **how), strict=True):
            agree(answers, label, row, "asked_utc")


@given(recipe=recipes, moment=st.sampled_from(MOMENTS))
@searching(1)
def test_what_became_known_later_is_not_found(bench, recipe, moment):
    world = World.made(*recipe)
    bench.put(world.tables())
    answers = Answers(world, known_at=moment)
    found = bench.rows_of("found_at_asked_utc", known_at=moment)
    for label, row in zip(in_order(world.asked, "asked_utc"), found, strict=True):
        agree(answers, label, row, "asked_utc")


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
