"""In a scratch database it is as late as it is told to be, however its SQL asks for the time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sqlfeat.engine.duckdb.clock import set_clock
from sqlfeat.engine.duckdb.connection import Connection

THEN = datetime(2013, 2, 28, 23, 30, 15, 250_000, tzinfo=UTC)
INSTANT, LOCAL, DATE, TIME = "2013-02-28 23:30:15.25+00", "2013-02-28 23:30:15.25", "2013-02-28", "23:30:15.25"
ASKED = {
    "now()": INSTANT,
    "NOW()": INSTANT,
    "current_timestamp": INSTANT,
    "get_current_timestamp()": INSTANT,
    "transaction_timestamp()": INSTANT,
    "main.now()": INSTANT,
    "localtimestamp": LOCAL,
    "current_localtimestamp()": LOCAL,
    "current_date": DATE,
    "CURRENT_DATE": DATE,
    "current_date()": DATE,
    "today()": DATE,
    "localtime": TIME,
    "current_localtime()": TIME,
    "current_time": f"{TIME}+00",
    "get_current_time()": f"{TIME}+00",
    "age(timestamp '2013-01-01')": "1 month 27 days",
    "age(timestamp '2013-01-02', timestamp '2013-01-01')": "1 day",
    "ago(interval 1 day)": "2013-02-27 23:30:15.25+00",
    "list_transform([1], lambda x: today())[1]": DATE,
}


@pytest.fixture(scope="module")
def connection():
    made = Connection(threads=1)
    set_clock(made, THEN)
    yield made
    made.close()


@pytest.mark.parametrize("asked", ASKED)
def test_every_word_for_the_time_tells_the_injected_one(connection, asked):
    assert connection.value(f"select cast(({asked}) as varchar)") == ASKED[asked]


@pytest.mark.parametrize("asked", [asked for asked in ASKED if "main." not in asked])
def test_names_and_types_are_those_without_the_clock(connection, asked):
    plain = Connection(threads=1)
    try:
        assert connection.described(f"select {asked}") == plain.described(f"select {asked}")
    finally:
        plain.close()


def test_every_function_of_duckdb_that_tells_the_time_is_known(connection):
    """One that DuckDB learns later would be a hole in the proof."""
    told = connection.execute(
        "select distinct function_name from duckdb_functions() where internal and function_type = 'scalar' "
        "and len(parameters) = 0 and return_type similar to '(TIMESTAMP|DATE|TIME).*'"
    )

    known = {name.split("(")[0] for name in ASKED}
    assert {name for (name,) in told} - known == set()


def test_a_view_tells_the_time_too_and_a_later_one_once_it_is_set(connection):
    connection.execute("create or replace view clock as select cast(now() as varchar) as t")
    try:
        set_clock(connection, datetime(2020, 1, 1, tzinfo=UTC))
        assert connection.value("select t from clock") == "2020-01-01 00:00:00+00"
    finally:
        set_clock(connection, THEN)
