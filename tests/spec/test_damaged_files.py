"""Whatever stands in a file, reading it gives a project or an error with its place, never a traceback."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfeat.errors import ProjectError, ProjectErrors
from sqlfeat.spec.config import Layer, config_identity, merge_config
from sqlfeat.spec.load import load_project

PROJECT = """\
name: flights
default_target: dev
targets:
  dev: {engine: duckdb, path: target/x.duckdb, threads: 2, memory_limit: 8GB}
entities: {route: {keys: [origin, dest]}}
online: {store: lmdb, path: "${env:NOWHERE:-x}"}
models:
  staging: {materialized: view, +tags: [a]}
"""
PROPERTIES = """\
version: 2
sources:
  - name: raw
    config: {location: "data/{name}.parquet", available_after: 1 day}
    tables:
      - name: flights
        config: {event_time: t, keys: [id]}
        columns: [{name: id, data_tests: [unique, {accepted_values: {values: [1]}}]}]
models:
  - name: a
    config: {materialized: feature_view, split: {train: 2013-01-01}}
    columns:
      - {name: c, tests: [relationships: {to: ref('b'), field: d}]}
"""
PIECES = [
    "",
    "\n",
    "  ",
    "\t",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "'",
    '"',
    "&a ",
    "*a",
    "<<: ",
    "~",
    "1",
    "${env:",
    "{{ ",
    "é",
    "\x00",
]


def damaged(text: str) -> st.SearchStrategy[str]:
    cut = st.tuples(st.integers(0, len(text)), st.integers(0, 12), st.sampled_from(PIECES))
    return st.lists(cut, min_size=1, max_size=3).map(lambda cuts: apply(text, cuts))


def apply(text: str, cuts: list[tuple[int, int, str]]) -> str:
    for start, length, piece in cuts:
        text = text[:start] + piece + text[start + length :]
    return text


@settings(max_examples=200)
@given(project=damaged(PROJECT), properties=damaged(PROPERTIES))
def test_a_damaged_file_is_a_project_or_an_error_with_its_place(project, properties):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "models" / "staging").mkdir(parents=True)
        (root / "models" / "staging" / "a.sql").write_text("select 1")
        (root / "sqlfeat_project.yml").write_text(project)
        (root / "models" / "a.yml").write_text(properties)
        try:
            load_project(root, environment={})
        except ProjectError as error:
            for single in error.errors if isinstance(error, ProjectErrors) else (error,):
                assert single.where is not None
                assert 1 <= single.where.column <= len(single.where.text) + 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["1 day", "view"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=5,
)
KEYS = ("materialized", "entity", "ttl", "tags", "meta", "split", "keys", "pre_hook", "online", "contract", "horizon")


@settings(max_examples=200)
@given(values=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_whatever_config_is_given_it_is_config_or_an_error(values):
    try:
        merged = merge_config([Layer(values)])
    except ProjectError:
        return
    json.dumps(config_identity(merged))
