"""Sources and data tests in YAML."""

from __future__ import annotations

import pytest

from sqlfeat.spec.duration import Duration
from sqlfeat.spec.source import format_of


def source(load, text: str):
    return load({"models/s.yml": text}).sources


def test_a_table_inherits_what_its_source_says(load):
    sources = source(
        load,
        "sources:\n"
        "  - name: raw\n"
        "    config: {location: 'data/{source}/{name}.parquet', available_after: 15 minutes, immutable: true}\n"
        "    tags: [a]\n"
        "    tables:\n"
        "      - name: flights\n"
        "        description: Departures.\n"
        "        config: {event_time: sched, available_at: landed, keys: flight_id, tags: b}\n"
        "        freshness: {warn_after: {count: 2, period: day}}\n"
        "      - name: weather\n"
        "        location: weather/*.csv.gz\n"
        "        immutable: false\n",
    )

    flights, weather = sources["raw", "flights"], sources["raw", "weather"]
    assert (flights.location, flights.format) == ("data/raw/flights.parquet", "parquet")
    assert (flights.event_time, flights.available_at, flights.available_after) == ("sched", "landed", None)
    assert (flights.keys, flights.immutable, flights.tags) == (("flight_id",), True, ("a", "b"))
    assert flights.freshness == {"warn_after": {"count": 2, "period": "day"}}
    assert flights.description == "Departures."
    assert flights.id == "source.raw.flights"
    assert (weather.location, weather.format) == ("weather/*.csv.gz", "csv")
    assert weather.available_after == Duration.parse("15 minutes")
    assert not weather.immutable


def test_without_a_location_a_table_is_parquet_under_data(load):
    table = source(load, "sources: [{name: raw, tables: [{name: a}]}]")["raw", "a"]

    assert (table.location, table.format) == ("data/a.parquet", "parquet")


def test_the_locations_of_dbt_duckdb_are_read(load):
    sources = source(
        load,
        "sources:\n"
        "  - name: raw\n"
        "    meta: {external_location: 'lake/{identifier}.csv', owner: x}\n"
        "    tables: [{name: a, identifier: A1}, {name: b, config: {external_location: b.json}}]\n",
    )

    assert sources["raw", "a"].location == "lake/A1.csv"
    assert sources["raw", "b"].location == "b.json"


def test_a_table_that_is_not_enabled_is_left_out(load):
    assert not source(load, "sources: [{name: raw, tables: [{name: a, config: {enabled: false}}]}]")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("a.parquet", "parquet"),
        ("a/*.PARQUET", "parquet"),
        ("a.csv", "csv"),
        ("a.csv.gz", "csv"),
        ("a.json", "json"),
        ("a.jsonl.gz", "jsonl"),
        ("a.arrow", "arrow"),
        ("a.feather", "feather"),
        ("a.duckdb", "duckdb"),
        ("a.sqlite", "sqlite"),
        ("postgres://host/db", "postgres"),
        ("https://host/a.parquet?token=x", "parquet"),
        ("folder/", None),
        ("a.xlsx", None),
    ],
)
def test_the_format_is_told_by_the_ending(location, expected):
    assert format_of(location) == expected


@pytest.mark.parametrize(
    ("table", "code", "what"),
    [
        ("location: data/x", "unknown-format", "The format of 'data/x' cannot be told from its ending."),
        ("format: parkett", "unknown-format", "'format' of a source table is one of parquet, csv"),
        ("location: '{nme}.csv'", "bad-location", "A location has no placeholder {nme}."),
        ("available_after: soon", "bad-value", "must be a span of time such as '15 minutes', not 'soon'."),
        ("available_after: 1 day, available_at: x", "config-conflict", "exclude each other"),
        ("config: {evnt_time: x}", "unknown-key", "The config of a source table has no key 'evnt_time'."),
        ("immutable: 7", "bad-value", "must be true or false, not 7."),
        ("keys: {a: b}", "bad-value", "must be a text or a list of texts, not a mapping."),
    ],
)
def test_what_is_wrong_with_a_table_is_said(refused, table, code, what):
    error = refused({"models/s.yml": f"sources:\n- name: raw\n  tables:\n  - {{name: a, {table}}}\n"})

    assert error.code == code
    assert what in error.what
    assert error.where.line == 4


def test_a_format_makes_a_folder_readable(load):
    table = source(load, "sources: [{name: raw, tables: [{name: a, location: events/, format: parquet}]}]")["raw", "a"]

    assert (table.location, table.format) == ("events/", "parquet")


def test_a_table_described_twice_is_refused(refused):
    error = refused({"models/s.yml": "sources:\n- name: raw\n  tables:\n  - name: a\n  - name: a\n"})

    assert (error.code, error.where.line) == ("duplicate-source", 5)
    assert error.what == "The source table 'raw.a' is described twice; the first is at models/s.yml:4:11."


def column_tests(load, text: str):
    project = load(
        {
            "models/a.sql": "select 1",
            "models/a.yml": f"models:\n- name: a\n  columns:\n  - name: c\n    tests: [{text}]",
        }
    )
    return project.models["a"].properties.columns[0].tests


def test_a_data_test_has_its_arguments_and_its_config(load):
    values, reference, newer, named = column_tests(
        load,
        "{accepted_values: {values: [a, b], severity: warn}},"
        "{relationships: {to: ref('b'), field: id, config: {where: x > 0, tags: slow}}},"
        "{accepted_values: {arguments: {values: [1]}, config: {severity: ERROR}}},"
        "{test_name: not_null, where: c > 1}",
    )

    assert (values.name, values.arguments, values.severity) == ("accepted_values", {"values": ["a", "b"]}, "warn")
    assert reference.arguments == {"to": "ref('b')", "field": "id"}
    assert (reference.where, reference.tags, reference.severity) == ("x > 0", ("slow",), "error")
    assert (newer.arguments, newer.severity) == ({"values": [1]}, "error")
    assert (named.name, named.where, named.arguments) == ("not_null", "c > 1", {})


def test_a_data_test_that_is_not_enabled_is_left_out(load):
    assert not column_tests(load, "{unique: {config: {enabled: false}}}")


@pytest.mark.parametrize(
    ("text", "code", "what", "hint"),
    [
        ("uniqe", "unknown-test", "There is no data test 'uniqe'.", "did you mean 'unique'?"),
        ("accepted_values", "missing-key", "A data test needs 'values'.", None),
        ("{relationships: {to: ref('b')}}", "missing-key", "The test 'relationships' needs 'field'.", None),
        ("{accepted_values: {values: a}}", "bad-value", "must be a list", None),
        ("{unique: {severity: fatal}}", "bad-value", "is one of error, warn, not 'fatal'.", None),
        ("{unique: {were: x}}", "unknown-key", "The test 'unique' has no key 'were'.", "did you mean 'where'?"),
        ("[unique]", "bad-value", "A data test is a name, or a name with its arguments.", "write `- unique`"),
        ("{unique: {}, not_null: {}}", "bad-value", "A data test is a name", "write `- unique`"),
    ],
)
def test_what_is_wrong_with_a_data_test_is_said(refused, text, code, what, hint):
    error = refused(
        {
            "models/a.sql": "select 1",
            "models/a.yml": f"models:\n- name: a\n  columns:\n  - name: c\n    tests: [{text}]",
        }
    )

    assert (error.code, error.where.line) == (code, 5)
    assert what in error.what
    assert hint is None or hint in error.hint


def test_a_column_described_twice_is_refused(refused):
    error = refused({"models/a.sql": "", "models/a.yml": "models:\n- name: a\n  columns:\n  - name: c\n  - name: c\n"})

    assert (error.code, error.where.line) == ("duplicate-column", 5)
    assert error.what == "The column 'c' is described twice; the first is at line 4."
