"""The template's training set against an oracle that shares no code with sqlfeat: exactly equal, row for row."""

import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from sqlfeat import Project
from tests.oracles import flights

TEMPLATE = Path(__file__).parents[2] / "project_template"
EVERY = 97


@pytest.fixture(scope="module")
def training_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flights") / "project"
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("target", "registry", "__pycache__"))
    with Project.load(folder) as project:
        return project.build_training_set("late_flights")


@pytest.fixture(scope="module")
def expected():
    return flights.expected_rows(TEMPLATE / "data", EVERY)


@pytest.fixture(scope="module")
def rows_by_file(training_set):
    return {Path(file).stem: flights.read(training_set.path / file) for file in training_set.files}


def test_every_97th_row_has_exactly_the_features_that_were_known_when_it_was_asked(expected, rows_by_file):
    actual = {row["flight_id"]: row for rows in rows_by_file.values() for row in rows}

    assert list(flights.mismatches(expected, actual))[:5] == []


def test_there_is_one_row_for_each_flight_that_landed(training_set, rows_by_file):
    landed = parquet.read_table(TEMPLATE / "data" / "arrivals.parquet")["flight_id"].to_pylist()
    rows = [row["flight_id"] for rows in rows_by_file.values() for row in rows]

    assert training_set.rows == len(landed)
    assert Counter(rows) == Counter(landed)


def test_a_row_is_in_the_split_of_its_time_unless_its_answer_came_too_late(rows_by_file):
    wrong = {
        (row["flight_id"], name)
        for name, rows in rows_by_file.items()
        for row in rows
        if (flights.split_of(row["asked_utc"]) or "unsplit") != name
    }

    assert wrong == set()


def test_rows_come_by_time_and_then_by_key(rows_by_file):
    for rows in rows_by_file.values():
        places = [(row["asked_utc"], row["flight_id"]) for row in rows]

        assert places == sorted(places)


def test_there_are_no_columns_but_those_that_the_oracle_knows(training_set, expected):
    assert sorted(column.name for column in training_set.columns) == sorted(expected[0])
