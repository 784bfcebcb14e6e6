"""Explained rows of the template's training set, against the arrays of an oracle that shares no code with sqlfeat."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sqlfeat import Project
from tests.oracles import flights

TEMPLATE = Path(__file__).parents[2] / "project_template"
EVERY = 30_011


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flights") / "project"
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("target", "registry", "__pycache__"))
    with Project.load(folder) as project:
        yield project


@pytest.fixture(scope="module")
def expected():
    return flights.expected_rows(TEMPLATE / "data", EVERY)


@pytest.fixture(scope="module")
def explained(project, expected):
    return {row["flight_id"]: project.explain("late_flights", {"flight_id": row["flight_id"]}) for row in expected}


def microseconds(value):
    """Instants as the oracle has them."""
    return (value - flights.EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value


def lookup_of(explanation, view):
    return next(lookup for lookup in explanation.lookups if lookup.view == view)


def test_explained_values_are_exactly_those_that_the_oracle_gives(explained, expected):
    actual = {
        flight: {output.name: microseconds(output.value) for output in explanation.outputs}
        for flight, explanation in explained.items()
    }

    assert len(actual) == 3
    assert list(flights.mismatches(expected, actual)) == []


def test_the_hour_of_weather_is_the_newest_that_was_over(explained):
    for explanation in explained.values():
        told = lookup_of(explanation, "airport_weather").row
        assert told.row.available_at == told.row.event_time + timedelta(hours=1)
        assert explanation.as_of - timedelta(hours=2) <= told.row.event_time
        assert told.row.available_at <= explanation.as_of
        for unused in told.unused:
            assert unused.row.available_at > explanation.as_of
            assert (unused.reason == "after") == (unused.row.event_time > explanation.as_of)


def test_windows_read_as_many_events_as_they_count(explained, expected):
    for row in expected:
        lookup = lookup_of(explained[row["flight_id"]], "carrier_delays")
        events = {column.name: column.windows[0].events for column in lookup.columns}
        assert (events["flights_1d"], events["flights_7d"]) == (row["carrier_flights_1d"], row["carrier_flights_7d"])


def test_the_last_landing_is_that_of_the_plane(explained, expected):
    for row in expected:
        used = lookup_of(explained[row["flight_id"]], "tail_arrivals").row.row
        asked = datetime.fromtimestamp(row["asked_utc"] / 1_000_000, UTC)
        assert (used and used.values["arr_delay"]) == row["plane_delay"]
        assert (used and (asked - used.event_time) // timedelta(minutes=1)) == row["minutes_since_landing"]
