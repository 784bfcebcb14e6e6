"""Columns that are updated in place: declared in a source, judged by check, hidden by verify until they are written."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlfeat.api import Project
from sqlfeat.errors import SqlfeatError

SOURCES = """
version: 2
sources:
  - name: raw
    tables:
      - name: tickets
        config: {{event_time: opened_at}}
        columns:
{columns}
"""
OPEN = """{{{{ config(event_time='opened_at') }}}}
select ticket, opened_at, {feature} as feature from {{{{ source('raw', 'tickets') }}}} {where}
"""
CLOSED = "          - {name: closed_at, available_at: closed_at}\n          - {name: outcome, available_at: closed_at}"


def at(hour: int) -> datetime:
    return datetime(2024, 3, 1, hour, tzinfo=UTC)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "sqlfeat_project.yml").write_text(
        "name: desk\ntargets:\n  dev: {engine: duckdb, path: target/desk.duckdb, threads: 1}\n", "utf-8"
    )
    rows = {
        "ticket": [1, 2, 3],
        "opened_at": [at(1), at(2), at(3)],
        "closed_at": pa.array([at(2), at(9), None], pa.timestamp("us", "UTC")),
        "outcome": ["solved", "dropped", None],
    }
    pq.write_table(pa.table(rows), tmp_path / "data" / "tickets.parquet")

    def project(feature: str, columns: str = CLOSED, where: str = "") -> Project:
        (tmp_path / "models" / "sources.yml").write_text(SOURCES.format(columns=columns), "utf-8")
        (tmp_path / "models" / "tickets_seen.sql").write_text(OPEN.format(feature=feature, where=where), "utf-8")
        return Project.load(tmp_path)

    return project


def test_what_is_written_later_is_found_by_check_and_shown_by_verify(project):
    with project("outcome") as opened:
        column = opened.check().models[0].columns[2]
        verified = opened.verify(at=[at(3)])

    assert (column.verdict, column.problems[0].finding.rule) == ("unsafe", "in-place-update")
    assert "The column outcome of raw.tickets is updated in place, at closed_at" in column.problems[0].finding.message
    assert verified.failed


def test_what_was_written_by_the_row_s_time_is_safe_and_the_same_at_every_cutoff(project):
    with project("outcome", where="where closed_at <= opened_at") as opened:
        checked = opened.check().models[0]
        verified = opened.verify(at=[at(1), at(3), at(9)])

    assert checked.verdict == "safe"
    assert not verified.failed


def test_nobody_knows_when_it_was_written(project):
    with project("outcome", "          - {name: outcome, updated_in_place: true}") as opened:
        column = opened.check().models[0].columns[2]
        verified = opened.verify(at=[at(9)])

    assert column.verdict == "unsafe"
    assert "nothing says when" in column.problems[0].finding.message
    assert verified.failed


def test_a_declaration_changes_what_the_models_above_are(project):
    with project("outcome") as opened:
        declared = opened.manifest.models["tickets_seen"].fingerprint
    with project("outcome", "          - {name: outcome}") as opened:
        plain = opened.manifest.models["tickets_seen"].fingerprint

    assert declared != plain


@pytest.mark.parametrize(
    ("columns", "code", "what"),
    [
        ("{name: outcome, available_at: closed_at, updated_in_place: true}", "config-conflict", "says once when"),
        ("{name: outcome, available_at: closed}", "missing-column", "has no column 'closed'"),
        ("{name: outcome, available_at: ticket}", "not-a-time", "not a time"),
        ("{name: opened_at, available_after: 1 day}", "config-conflict", "as its own time"),
        ("{name: outcome, available_after: soon}", "bad-value", "soon"),
    ],
)
def test_a_declaration_that_says_nothing_is_refused(project, columns, code, what):
    with pytest.raises(SqlfeatError) as raised, project("outcome", f"          - {columns}") as opened:
        opened.manifest.raise_errors(["model.tickets_seen"])

    assert code == raised.value.code
    assert what in str(raised.value)
