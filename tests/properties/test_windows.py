"""Windows against the oracle: at label times, at the rows' own times, and at an instant."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from tests.properties import window_project
from tests.properties.timelines import MOMENTS
from tests.properties.window_project import ASKED, VIEWS, WINDOWS, Answers, World, usable_from
from tests.properties.workbench import Workbench, same, told

EXAMPLES = int(os.environ.get("SQLFEAT_EXAMPLES", "0"))
searching = settings(
    max_examples=EXAMPLES or 2,
    derandomize=not EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
)
recipes = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 300), st.integers(0, 200))


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("windows"), window_project.files(), window_project.SCHEMAS)
    yield bench
    bench.close()


@pytest.mark.parametrize("name", ASKED)
@given(recipe=recipes)
@example(recipe=(0, 1, 0, 5))
@example(recipe=(0, 2, 20, 0))
@searching
def test_every_window_is_what_the_oracle_counts(bench, name, recipe):
    view, strict = ASKED[name]
    world = World.made(*recipe)
    bench.put(world.tables())
    answers = Answers(world)
    found = {row["label_id"]: row for row in bench.rows_of(f"of_{name}")}

    assert found.keys() == {label["label_id"] for label in world.asked}
    for label in world.asked:
        key = tuple(label[k] for k in VIEWS[view].keys)
        expected = answers.items(view, key, label["asked"], strict=strict)
        agree(answers, view, key, label["asked"], expected, found[label["label_id"]])


@pytest.mark.parametrize("view", VIEWS)
@given(recipe=recipes)
@searching
def test_a_view_as_others_read_it_has_windows_as_of_each_rows_usable_time(bench, view, recipe):
    world = World.made(*recipe)
    bench.put(world.tables())
    answers = Answers(world)
    shape = VIEWS[view]
    plain = shape.columns
    expected = []
    for row in world.events:
        key = tuple(row[k] for k in shape.keys)
        t = usable_from(answers.view(view, key), row)
        expected.append({**{name: row[name] for name in plain}, **answers.items(view, key, t)})

    assert sorted(map(told_row, expected)) == sorted(map(told_row, bench.table(view)))


@pytest.mark.parametrize("view", VIEWS)
@given(recipe=recipes, moment=st.sampled_from(MOMENTS))
@searching
def test_a_view_at_an_instant_has_every_entity_that_was_seen(bench, view, recipe, moment):
    world = World.made(*recipe)
    bench.put(world.tables())
    answers = Answers(world)
    keys = VIEWS[view].keys
    found = {tuple(row[k] for k in keys): row for row in bench.shown(view, moment)}
    seen = {key for key in answers.entities(view) if answers.current(view, key, moment)}

    assert found.keys() == seen
    for key in seen:
        agree(answers, view, key, moment, answers.items(view, key, moment), found[key])


def agree(answers, view, key, t, expected, found) -> None:
    wrong = [name for name in WINDOWS if not same(expected[name], found[name])]
    if wrong:
        kept = ("happened_utc", "known", "number", "rank", "amount", "small", "x", "wild", "word", "flag", "id")
        rows = [{n: row[n] for n in kept} for row in answers.view(view, key).rows]
        said = "\n".join(f"  {n} ({WINDOWS[n].sql}): expected {expected[n]!r}, found {found[n]!r}" for n in wrong)
        pytest.fail(f"{view}: {VIEWS[view]}\nat {t} by {key!r}\n{told(rows)}\n{said}")


def told_row(row) -> str:
    """A row as text that tells -0.0 from 0.0 and 1 from 1.0."""
    at = {name: value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value for name, value in row.items()}
    return repr({name: at[name] for name in sorted(at)}).replace("zoneinfo.ZoneInfo(key='UTC')", "datetime.timezone.utc")
