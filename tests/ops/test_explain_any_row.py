"""Explain any row: what is told is what the oracle says and what the training set holds, and every reason is true."""

from __future__ import annotations

import random

import pyarrow.parquet as parquet
import pytest

from sqlfeat import Project
from tests.made.readings import hours, project, view
from tests.oracles.point_in_time import HOUR, available, events, has_key, lookup, usable, window


def made_up(seed):
    """Readings and questions on a grid so coarse that everything meets: ties, corrections, late rows, ends of ttl."""
    chance = random.Random(seed)
    rows = []
    for number in range(60):
        at = chance.choice([None, *range(-9, 4)])
        known = chance.choice([None, *range(-9, 4)]) if at is None else at + chance.choice([0, 0, 0, 1, 2, 5])
        key = chance.choice(["a", "b", "c"])
        rows.append((key, at, known, chance.choice([1, 2]), chance.randrange(40), chance.choice([0.5, 1.0, 2.0, None])))
        if number % 9 == 0:
            rows.append((key, at, None if chance.random() < 0.2 else known, 1, number, 4.0))
    asked = [(number, chance.choice(["a", "b", "c", "d"]), chance.choice(range(-8, 5))) for number in range(16)]
    return rows, asked


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    rows, asked = made_up(seed=3)
    with Project.load(project(tmp_path_factory.mktemp("made"), rows, asked)) as opened:
        yield opened, rows, asked


def built(opened, name, folder):
    out = folder / f"{name}.parquet"
    opened.build_training_set(name, out=out)
    return {row["row_id"]: row for row in parquet.read_table(out).to_pylist()}


def test_the_explained_row_is_the_oracle_s_and_its_values_are_the_training_set_s(world, tmp_path):
    opened, rows, asked = world
    facts, held = view(rows), built(opened, "held", tmp_path)

    for row_id, sensor, at in asked:
        explanation = opened.explain("held", {"row_id": row_id})
        assert {output.name: output.value for output in explanation.outputs} == held[row_id]
        for explained in explanation.lookups[:2]:
            expected = lookup(facts, (sensor,), hours(at), strict=explained.strict)
            found = explained.row.row
            assert (found and found.event_time) == (expected and expected["happened"])
            assert (found and found.values["seq"]) == (expected and expected["seq"])
            judged(explained.row, facts, sensor, hours(at), expected, strict=explained.strict)


def judged(told, facts, sensor, t, used, *, strict):
    """Every reason is true of its row, and no row of the key is forgotten."""
    history = [row for row in facts.rows if has_key(facts, row, (sensor,))]
    assert sum(told.counts.values()) + told.older + (used is not None) == len(history)
    for unused in told.unused:
        event, known = unused.row.event_time, unused.row.available_at
        past = event is not None and (event < t if strict else event <= t)
        seen = known is not None and (known < t if strict else known <= t)
        fresh = event is not None and event >= t - 6 * HOUR
        same = used is not None and event == used["happened"]
        assert {
            "no-time": event is None or known is None,
            "after": not past,
            "not-yet-known": past and not seen,
            "expired": past and seen and not fresh and used is None,
            "superseded": same and known is not None and used is not None and known < used["known"],
            "tie-breaker": same and known == (used and used["known"]) and unused.row.values["seq"] < used["seq"],
            "tie": same and known == (used and used["known"]) and unused.row.values["seq"] == used["seq"],
            "out-of-date": past
            and seen
            and used is not None
            and event < used["happened"]
            and never_held(facts, sensor, event, known),
        }[unused.reason], unused


def never_held(facts, sensor, event, known):
    """Whether no instant gives a row of these times."""
    instants = {
        instant for row in facts.rows if usable(facts, row) for instant in (row["happened"], available(facts, row))
    }
    held = [lookup(facts, (sensor,), instant) for instant in instants]
    return all((row["happened"], row["known"]) != (event, known) for row in held if row)


def test_explained_windows_are_the_oracle_s_and_their_values_are_the_training_set_s(world, tmp_path):
    opened, rows, asked = world
    facts, summed = view(rows, unique_key=("number",), ttl=None), built(opened, "summed", tmp_path)

    for row_id, sensor, at in asked:
        explanation = opened.explain("summed", {"row_id": row_id})
        assert {output.name: output.value for output in explanation.outputs} == summed[row_id]
        columns = {(lookup.strict, column.name): column for lookup in explanation.lookups for column in lookup.columns}
        for strict in (False, True):
            counted = columns[strict, "n_6h"]
            expected = events(facts, 6 * HOUR, (sensor,), hours(at), strict=strict)
            (read,) = counted.windows
            assert (counted.value, read.events) == (len(expected), len(expected))
            assert (read.first and read.first.event_time) == (expected[0]["happened"] if expected else None)
            assert (read.last and read.last.available_at) == (expected[-1]["known"] if expected else None)
            inside = [
                row
                for row in facts.rows
                if usable(facts, row)
                and has_key(facts, row, (sensor,))
                and (read.start <= row["happened"] < read.end if strict else read.start < row["happened"] <= read.end)
            ]
            assert read.events + read.not_yet_known + read.superseded == len(inside)
            late = [row for row in inside if (row["known"] >= hours(at) if strict else row["known"] > hours(at))]
            assert read.not_yet_known == len(late)
        high = columns[False, "high_6h"]
        passes = {"where": lambda row: row["value"] is not None and row["value"] > 1}
        assert high.value == window(facts, "sum", "seq", 6 * HOUR, (sensor,), hours(at), **passes)
        assert high.windows[0].events == window(facts, "count", None, 6 * HOUR, (sensor,), hours(at), **passes)
