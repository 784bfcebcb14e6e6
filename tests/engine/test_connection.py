"""A target is the file that it names, or it is refused."""

import os
import subprocess
import sys

import duckdb
import pytest

from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.errors import EngineError
from tests.made.projects import PROJECT_FILE, Opened, shop


def test_a_file_of_rows_is_not_taken_for_a_database(tmp_path):
    """DuckDB opens it as a view over the file, in memory, and would keep nothing of a run."""
    rows = tmp_path / "orders.csv"
    rows.write_text("order_id\n1\n")

    with pytest.raises(EngineError, match="is no DuckDB database") as caught:
        Connection(rows)

    assert caught.value.code == "database-unreadable"
    assert rows.read_text() == "order_id\n1\n"


def test_a_target_in_memory_is_refused_with_the_reason(tmp_path):
    in_memory = PROJECT_FILE.replace("target/shop.duckdb", "':memory:'")
    opened = Opened(shop(tmp_path, {"sqlfeat_project.yml": in_memory, "models/one.sql": "select 1 as one"}))

    with pytest.raises(EngineError) as caught:
        opened.run()

    assert caught.value.what == "The target 'dev' is in memory, and what a run makes has to outlast it."
    assert caught.value.hint == "give it a file: path: target/NAME.duckdb."


def test_what_fails_in_the_middle_of_a_stream_is_rolled_back_and_the_next_statement_runs(tmp_path):
    connection = Connection(tmp_path / "some.duckdb", threads=1)
    connection.execute("create table kept as select 1 as x")

    def fail() -> None:
        with connection.transaction():
            connection.execute("insert into kept values (2)")
            connection.batches("select * from range(1000000)", 1000).read_next_batch()
            raise OSError("no room")

    with pytest.raises(OSError, match="no room") as caught:
        fail()

    assert caught.traceback  # which holds the stream, as a kept error does
    assert connection.execute("select x from kept") == [(1,)]
    connection.close()


def test_a_database_has_its_name_once_it_is_whole(tmp_path, monkeypatch):
    target, connect, seen = tmp_path / "shop.duckdb", duckdb.connect, []

    def watched(path):
        seen.append((os.path.relpath(path, tmp_path).replace(str(os.getpid()), "PID"), target.exists()))
        return connect(path)

    monkeypatch.setattr(duckdb, "connect", watched)
    Connection(target).close()

    assert seen == [(".shop.duckdb.PID.new", False), ("shop.duckdb", True)]
    assert [path.name for path in tmp_path.iterdir()] == ["shop.duckdb"]


def test_what_a_process_left_that_was_killed_while_it_made_one_is_no_hindrance(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    (tmp_path / f".shop.duckdb.{gone.pid}.new").write_bytes(b"half a header")
    alive = tmp_path / f".shop.duckdb.{os.getppid()}.new"
    alive.write_bytes(b"half a header")

    Connection(tmp_path / "shop.duckdb").close()

    assert sorted(path.name for path in tmp_path.iterdir()) == [alive.name, "shop.duckdb"]


def test_a_database_that_another_process_was_first_to_make_is_taken(tmp_path, monkeypatch):
    target, link = tmp_path / "shop.duckdb", os.link

    def second(new, path):
        with duckdb.connect(str(target)) as first:
            first.execute("create table there as select 1 as one")
        link(new, path)

    monkeypatch.setattr(os, "link", second)
    connection = Connection(target)

    assert connection.value("select one from there") == 1
    connection.close()
    assert [path.name for path in tmp_path.iterdir()] == ["shop.duckdb"]
