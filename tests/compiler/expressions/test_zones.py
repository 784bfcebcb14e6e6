"""Time zones: the tables that are made of DuckDB's offsets give what DuckDB gives, at every change of the clocks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from sqlfeat.compiler.expressions import Compiled, NotCovered, Unsupported, compile_expression
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.engine.duckdb.zones import FIRST, LAST
from tests.compiler.expressions.comparing import connect

ZONES = (
    "America/New_York",
    "america/st_johns",  # changed its clocks a minute after midnight; names are known in small letters
    "Europe/Dublin",  # whose winter is daylight saving time
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Casablanca",  # several times a year
    "Pacific/Apia",  # left out a day
    "Asia/Kathmandu",
    "Antarctica/Troll",  # by two hours
)
HOUR = 3_600_000_000
FOREVER = 2**63 - 1


@pytest.fixture(scope="module")
def engine() -> Iterator[Rowwise]:
    made = Rowwise()
    yield made
    made.close()


def given(engine: Rowwise, name: str) -> list[int]:
    """Instants and local times about every change, wherever the clocks are, and by chance."""
    zone = engine.zone(name)
    assert zone is not None
    near = (-HOUR, -HOUR // 2, -1, 0, 1, HOUR // 2, HOUR, 24 * HOUR)
    changes = [start for table in (zone.there, zone.back) for start in table.starts]
    chosen = random.Random(name).choices(range(FIRST, LAST, 1_000_003), k=3_000)
    some = {start + step for start in changes for step in near} | set(chosen) | {FIRST, LAST - 1}
    return [value for value in sorted(some) if FIRST <= value < LAST] + [FOREVER, -FOREVER]


def compiled(engine: Rowwise, sql: str, kind: str) -> Compiled:
    made = compile_expression(sql, {"t": kind}, plain=True, zones=engine.zone)
    assert isinstance(made, Compiled)
    return made


def said(sql: str, made: str, values: list[int]) -> list[Any]:
    """What DuckDB gives, as numbers."""
    listed = "select unnest(?::bigint[]) as x, generate_subscripts(?::bigint[], 1) as n"
    with connect() as connection:
        rows = connection.execute(
            f"select {sql} from (select {made}(x) as t, n from ({listed})) order by n", [values, values]
        ).fetchall()
    return [value for (value,) in rows]


@pytest.mark.parametrize("name", ZONES)
def test_local_times_and_instants_are_duckdbs_at_every_change(engine: Rowwise, name: str) -> None:
    values = given(engine, name)
    sqls = (f"t at time zone '{name}'", f"timezone('{name}', t)")
    for sql, kind, made in zip(
        sqls, ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP"), ("make_timestamptz", "make_timestamp"), strict=True
    ):
        function = compiled(engine, sql, kind)
        expected = said(f"epoch_us({sql})", made, values[:-2])
        assert [function({"t": value}) for value in values[:-2]] == expected
        assert [function({"t": value}) for value in (*values[-2:], None)] == [FOREVER, -FOREVER, None]


def test_parts_and_starts_of_local_times_are_duckdbs(engine: Rowwise) -> None:
    values = [t for t in given(engine, "America/New_York")[:-2:7] if t > FIRST + 24 * HOUR]  # so is its day's start
    local = "(t at time zone 'America/New_York')"
    for sql in (f"hour({local})", f"epoch_us(date_trunc('day', {local}) at time zone 'America/New_York')"):
        function = compiled(engine, sql, "TIMESTAMP WITH TIME ZONE")
        assert [function({"t": value}) for value in values] == said(sql, "make_timestamptz", values)


def test_what_lies_beyond_the_table_is_not_covered(engine: Rowwise) -> None:
    function = compiled(engine, "t at time zone 'Europe/Paris'", "TIMESTAMP WITH TIME ZONE")
    for value in (FIRST - 1, LAST, FOREVER - 1):
        with pytest.raises(NotCovered):
            function({"t": value})


@pytest.mark.parametrize("name", ["Nowhere/City", "", "+02:00", "Europe/Paris'--", "x" * 100])
def test_a_zone_that_duckdb_does_not_know_is_left_to_it(engine: Rowwise, name: str) -> None:
    quoted = name.replace("'", "''")
    made = compile_expression(f"t at time zone '{quoted}'", {"t": "TIMESTAMP"}, plain=True, zones=engine.zone)
    assert isinstance(made, Unsupported)
