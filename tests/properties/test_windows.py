"""Windows against the oracle: at label times, at the rows' own times, and at an instant."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sqlfeat.engine.duckdb import build, lookup, totals
from tests.properties import window_project
from tests.properties.searching import searching
from tests.properties.timelines import MOMENTS
from tests.properties.window_project import ASKED, VIEWS, WINDOWS, Answers, World, usable_from
from tests.properties.workbench import Workbench, same, told

recipes = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(0, 150), st.integers(0, 100), st.booleans()
)
"""Seed, entities, events, labels, and whether the world is calm."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("windows"), window_project.files(), window_project.SCHEMAS)
    yield bench
    bench.close()


@pytest.mark.parametrize("view", VIEWS)
@given(recipe=recipes, moment=st.sampled_from(MOMENTS))
@example(recipe=(1, 3, 40, 40, True), moment=MOMENTS[0])
@searching(1)
def test_every_window_is_what_the_oracle_counts(bench, view, recipe, moment):
    everything_agrees(bench, view, recipe, moment)


@pytest.mark.parametrize("view", ["late", "corrected_totals"])
@pytest.mark.parametrize("recipe", [(0, 1, 0, 5), (0, 2, 20, 0), (0, 1, 0, 0)])
def test_without_events_a_window_is_what_sql_gives_for_no_rows(bench, view, recipe):
    everything_agrees(bench, view, recipe, MOMENTS[0])


@pytest.mark.parametrize("view", [view for view in VIEWS if view.endswith("_totals")])
def test_totals_are_asked_and_no_events_read(bench, view):
    """That the plan is taken; that it is right, the others tell."""
    bench.put(World.made(5, 3, 60, 10, False).tables())
    bench.table(view)
    model, facts = bench.project._session.manifest.models[view], bench.facts(view)

    found = bench.project._session.engine.arrow(
        f"select table_type as kind from information_schema.tables where table_schema = 'sqlfeat_{model.fingerprint}' "
        f"and table_name = '{view}'"
    )
    assert found.to_pylist() == [{"kind": "BASE TABLE"}]  # else its windows are computed by who reads it
    assert facts["totals"]["parts"] == (["settled"] if view == "at_once_totals" else ["settled", "passing"])


@pytest.mark.parametrize("view", ["late_totals", "corrected_totals"])
def test_many_single_events_are_looked_at_some_at_a_time(bench, view, monkeypatch):
    monkeypatch.setattr(totals, "_MOST_SINGLES", 3)
    monkeypatch.setattr(totals, "_ROWS", 11)
    monkeypatch.setattr(lookup, "WINDOW_CHUNK_ROWS", 25)
    monkeypatch.setattr(build, "CHUNK_ROWS", 40)

    everything_agrees(bench, view, (7, 2, 90, 60, False), MOMENTS[2])


def everything_agrees(bench, view, recipe, moment) -> None:
    world = World.made(*recipe)
    bench.put(world.tables())
    answers = Answers(world)

    label_times_agree(bench, view, answers)
    own_times_agree(bench, view, answers)
    an_instant_agrees(bench, view, answers, moment)


@pytest.mark.parametrize("view", ["late", "corrected", "soon"])
@given(recipe=recipes, moment=st.sampled_from(MOMENTS))
@example(recipe=(3, 4, 60, 40, False), moment=MOMENTS[3])
@searching(1)
def test_what_became_known_later_is_not_there(bench, view, recipe, moment):
    """``known_at``: what the lookups find is what was known then, whatever has been corrected since."""
    world = World.made(*recipe)
    bench.put(world.tables())
    answers = Answers(world, known_at=moment)
    found = {row["label_id"]: row for row in bench.rows_of(f"of_{view}", known_at=moment)}
    for label in world.asked:
        key = tuple(label[k] for k in VIEWS[view].keys)
        expected = answers.items(view, key, label["asked"])
        agree(answers, view, key, label["asked"], expected, found[label["label_id"]])


def label_times_agree(bench, view, answers) -> None:
    """At each label row's as-of time, inclusive and strict, one row for each label row."""
    for name in (view, f"{view}_strict"):
        found = {row["label_id"]: row for row in bench.rows_of(f"of_{name}")}
        assert found.keys() == {label["label_id"] for label in answers.world.asked}
        for label in answers.world.asked:
            key = tuple(label[k] for k in VIEWS[view].keys)
            expected = answers.items(view, key, label["asked"], strict=ASKED[name][1])
            agree(answers, view, key, label["asked"], expected, found[label["label_id"]])


def own_times_agree(bench, view, answers) -> None:
    """The view as others read it: every row, with the windows as of the instant from which it can be used."""
    shape, expected = VIEWS[view], []
    for row in answers.rows(view):
        key = tuple(row[k] for k in shape.keys)
        t = usable_from(answers.view(view, key), row)
        expected.append({**{name: row[name] for name in shape.columns}, **answers.items(view, key, t)})

    assert sorted(map(as_text, expected)) == sorted(map(as_text, bench.table(view)))


def an_instant_agrees(bench, view, answers, moment) -> None:
    """The view at an instant: every entity that was seen by then, with its windows."""
    keys = VIEWS[view].keys
    found = {tuple(row[k] for k in keys): row for row in bench.shown(view, moment)}
    seen = {key for key in answers.entities(view) if answers.current(view, key, moment)}

    assert found.keys() == seen
    for key in seen:
        agree(answers, view, key, moment, answers.items(view, key, moment), found[key])


def agree(answers, view, key, t, expected, found) -> None:
    wrong = [name for name in VIEWS[view].windows if not same(expected[name], found[name])]
    if wrong:
        kept = ("happened_utc", "known", "number", "rank", "amount", "small", "x", "wild", "word", "flag", "id")
        rows = [{n: row[n] for n in kept} for row in answers.view(view, key).rows]
        said = "\n".join(f"  {n} ({WINDOWS[n].sql}): expected {expected[n]!r}, found {found[n]!r}" for n in wrong)
        pytest.fail(f"{view}: {VIEWS[view]}\nat {t} by {key!r}\n{told(rows)}\n{said}")


def as_text(row) -> str:
    """A row as text that tells -0.0 from 0.0 and 1 from 1.0."""
    at = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
    return repr({name: at[name] for name in sorted(at)})
