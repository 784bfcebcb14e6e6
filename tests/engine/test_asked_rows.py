"""Lookups by the same keys ask together: each is told what it would have been told alone."""

import pytest

from sqlfeat.engine.duckdb.asked_rows import NEVER, Asking, ask
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.errors import RunError

LABELS = """
    select n, case when n <> 14 then make_timestamptz(n * 1000) end as t,
        case when n % 5 <> 3 then n % 5 end as k0, 'x' || (n % 2) as k1 from range(10, 30) as l(n)
"""


@pytest.fixture
def connection():
    opened = Connection()
    for number in (0, 1):
        opened.execute(
            f"create table entities{number} as select k0, 'x' || k1 as k1, k0 * 10 + k1 as start "
            f"from range({number}, 4) as a(k0), range(2) as b(k1)"
        )
    yield opened
    opened.close()


def asking(number):
    return Asking("v", 2, {f"l{number}_edge": "q.t"}, f"entities{number}", {f"l{number}_start": "start"})


def told(asked, number):
    return [
        asked.integers(name, missing).tolist()
        for name, missing in (("t", NEVER), (f"l{number}_edge", NEVER), (f"l{number}_start", -1))
    ]


def test_what_is_asked_together_is_what_is_asked_alone(connection):
    together = ask(connection, [asking(0), asking(1)], LABELS, 10, 20)

    for number in (0, 1):
        assert told(together, number) == told(ask(connection, [asking(number)], LABELS, 10, 20), number)
    assert told(together, 1)[2][:6] == [-1, 11, 20, -1, -1, -1]


def test_views_without_keys_ask_together_as_well(connection):
    connection.execute("create table whole as select 7::bigint as start")
    one, two = (Asking("v", 0, {}, "whole", {f"l{number}_start": "start"}) for number in (0, 1))

    together = ask(connection, [one, two], "select n, make_timestamptz(n) as t from range(3) as l(n)", 0, 3)

    assert together.integers("l0_start", -1).tolist() == together.integers("l1_start", -1).tolist() == [7, 7, 7]


def test_rows_may_come_in_any_order_but_each_once(connection):
    backwards = f"select * from ({LABELS}) order by n desc"

    assert told(ask(connection, [asking(0)], backwards, 10, 20), 0) == told(
        ask(connection, [asking(0)], LABELS, 10, 20), 0
    )
    connection.execute("insert into entities0 select * from entities0")
    with pytest.raises(RunError, match="lost or doubled"):
        ask(connection, [asking(0)], LABELS, 10, 20)
