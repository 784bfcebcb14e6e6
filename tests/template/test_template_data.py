"""The data that travel with the template: small, whole, and in the right order of time."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as parquet
import pytest

DATA = Path(__file__).parents[2] / "project_template" / "data"


@pytest.fixture(scope="module")
def flights():
    return by_id("flights")


@pytest.fixture(scope="module")
def departures():
    return by_id("departures")


@pytest.fixture(scope="module")
def arrivals():
    return by_id("arrivals")


def by_id(name):
    rows = parquet.read_table(DATA / f"{name}.parquet").to_pylist()
    found = {row["flight_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_all_files_together_are_under_three_megabytes():
    assert sum(file.stat().st_size for file in DATA.glob("*.parquet")) < 3_000_000


def test_a_flight_leaves_its_delay_after_its_schedule(flights, departures):
    wrong = [
        row for row in departures.values()
        if row["dep_utc"] != flights[row["flight_id"]]["sched_dep_utc"] + timedelta(minutes=row["dep_delay"])
    ]  # fmt: skip

    assert wrong == []


def test_a_flight_lands_its_delay_after_its_schedule(flights, arrivals):
    wrong = [
        row for row in arrivals.values()
        if row["landed_utc"] != flights[row["flight_id"]]["sched_arr_utc"] + timedelta(minutes=row["arr_delay"])
    ]  # fmt: skip

    assert wrong == []


def test_every_flight_that_landed_had_left_and_was_between_half_an_hour_and_thirteen_hours_under_way(
    departures, arrivals
):
    under_way = [row["landed_utc"] - departures[row["flight_id"]]["dep_utc"] for row in arrivals.values()]

    assert timedelta(minutes=25) < min(under_way)
    assert max(under_way) < timedelta(hours=13)


def test_every_answer_is_known_within_the_horizon(flights, arrivals):
    asked_before_landing = [
        row["landed_utc"] - flights[row["flight_id"]]["sched_dep_utc"] + timedelta(hours=1) for row in arrivals.values()
    ]

    assert max(asked_before_landing) <= timedelta(hours=36)


def test_schedules_follow_the_clock_when_it_goes_forward(flights):
    local = [row["sched_dep_utc"].astimezone(ZoneInfo("America/New_York")) for row in flights.values()]
    first_of_day = {day: min(moment for moment in local if moment.day == day and moment.month == 3) for day in (9, 10)}

    assert [first_of_day[day].strftime("%H %Z") for day in (9, 10)] == ["05 EST", "05 EDT"]
