"""A target is the file that it names, or it is refused."""

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
