"""Columns and data tests as dbt's YAML declares them, of models, seeds and source tables alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlfeat.base.names import did_you_mean
from sqlfeat.base.yaml import Node
from sqlfeat.errors import ProjectError
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.project import ColumnSpec, TestSpec, WrittenLater
from sqlfeat.spec.section import Section

GENERIC_TESTS: Mapping[str, tuple[str, ...]] = {
    "unique": (),
    "not_null": (),
    "accepted_values": ("values",),
    "relationships": ("to", "field"),
}
"""The tests there are, and the arguments that each needs."""
_OPTIONAL = {"accepted_values": ("quote",)}
_COLUMN = (
    "name", "description", "data_type", "data_tests", "tests", "meta", "tags", "config", "constraints", "quote",
    "policy_tags",
)  # fmt: skip
_WRITTEN = ("available_at", "available_after", "updated_in_place")
_TEST_CONFIG = ("severity", "where", "tags", "enabled", "meta", "limit", "store_failures", "store_failures_as")
_TEST = (*_TEST_CONFIG, "name", "description", "config", "arguments", "column_name")


def read_columns(owner: Section, *, timed: bool = False) -> tuple[ColumnSpec, ...]:
    """The columns of a model, seed or source table, each named once; ``timed`` ones may say when they are written."""
    columns: dict[str, ColumnSpec] = {}
    for section in owner.sections("columns", "a column"):
        section.only((*_COLUMN, *_WRITTEN) if timed else _COLUMN)
        name = section.text("name") if section.need("name") else None
        if name is None:
            continue
        if name in columns:
            owner.problems.add_unless_lenient(
                ProjectError(
                    "duplicate-column",
                    f"The column {name!r} is described twice; the first is at line {columns[name].place.line}.",
                    section.named_place,
                    "keep one of them.",
                )
            )
            continue
        columns[name] = ColumnSpec(
            name=name,
            place=section.named_place,
            description=section.text("description") or "",
            data_type=section.text("data_type"),
            tests=read_tests(section, name),
            meta=section.mapping("meta"),
            written=_written(section) if timed else None,
        )
    return tuple(columns.values())


def _written(column: Section) -> WrittenLater | None:
    """When a column is written that is not written with its row; said of the column, or in its ``config``."""
    config = column.section("config", f"the config of {column.what}")
    layers = [layer for layer in (config, column) if layer is not None]
    found = [(layer, key) for layer in layers for key in _WRITTEN if key in layer]
    if len(found) > 1:
        layer, key = found[1]
        column.problems.add(
            ProjectError(
                "config-conflict",
                f"A column says once when it is written, and here are {found[0][1]!r} and {key!r}.",
                layer.place_of(key),
                "name the column that says when, or the delay after the event time; or updated_in_place: true.",
            )
        )
    for layer, key in found[:1]:
        if key == "available_at":
            return WrittenLater(layer.text(key))
        if key == "available_after":
            return WrittenLater(None, layer.duration(key))
        return WrittenLater() if layer.flag(key) else None
    return None


def read_tests(owner: Section, column: str | None) -> tuple[TestSpec, ...]:
    """What stands under ``data_tests``, or ``tests`` as dbt called it before."""
    key = "data_tests" if "data_tests" in owner else "tests"
    read = (_read_test(node, column, owner.problems) for node in owner.elements(key))
    return tuple(test for test in read if test is not None)


def _read_test(node: Node, column: str | None, problems: Problems) -> TestSpec | None:
    """``unique``, ``{unique: {where: …}}`` or ``{test_name: unique, where: …}``."""
    if isinstance(node.value, str):
        return _test(node.value, Section(Node({}, node.place), "a data test", problems), node, column)
    if node.is_mapping and "test_name" in node.entries:
        arguments = Section(_without(node, "test_name"), "a data test", problems)
        return _test(str(node.value["test_name"]), arguments, node, column)
    if node.is_mapping and len(node.entries) == 1:
        ((name, arguments_node),) = node.entries.items()
        named = Node(node.value, node.keys[name], node.entries, node.keys)
        return _test(name, Section(arguments_node, f"the test {name!r}", problems), named, column)
    problems.add(
        ProjectError(
            "bad-value",
            "A data test is a name, or a name with its arguments.",
            node.place,
            "write `- unique`, or `- accepted_values: {values: [a, b]}`.",
        )
    )
    return None


def _without(node: Node, key: str) -> Node:
    entries = {name: entry for name, entry in node.entries.items() if name != key}
    return Node({name: entry.value for name, entry in entries.items()}, node.place, entries, node.keys)


def _test(name: str, given: Section, node: Node, column: str | None) -> TestSpec | None:
    if name not in GENERIC_TESTS:
        hint = did_you_mean(name, GENERIC_TESTS)
        given.problems.add_unless_lenient(
            ProjectError("unknown-test", f"There is no data test {name!r}.", node.place, hint)
        )
        return None
    needed = GENERIC_TESTS[name]
    given.only((*needed, *_OPTIONAL.get(name, ()), *_TEST))
    arguments, complete = _arguments(name, given, column)
    config = given.section("config", f"the config of the test {name!r}")
    if config is not None:
        config.only(_TEST_CONFIG)
    layers = [layer for layer in (config, given) if layer is not None]
    enabled = all(layer.flag("enabled", True) for layer in layers)
    if not complete or not enabled:
        return None
    return TestSpec(
        name=name,
        column=column,
        place=node.place,
        arguments=arguments,
        severity=_first(layer.one_of("severity", ("error", "warn")) for layer in layers) or "error",
        where=_first(layer.text("where") for layer in layers),
        tags=tuple(dict.fromkeys(tag for layer in layers for tag in layer.texts("tags"))),
    )


def _arguments(name: str, given: Section, column: str | None) -> tuple[dict[str, Any], bool]:
    """The test's own arguments, from the test itself or from dbt's newer ``arguments:``; and whether all are there."""
    nested = given.section("arguments", f"the arguments of the test {name!r}") or given
    needed = (*GENERIC_TESTS[name], *(() if column else ("column_name",)))
    if nested is not given:
        nested.only((*needed, *_OPTIONAL.get(name, ()), "column_name"))
    missing = [key for key in needed if nested.need(key) is None]
    values = nested.get("values")
    if values is not None and not values.is_list:
        given.problems.add_unless_lenient(
            ProjectError("bad-value", "'values' of the test 'accepted_values' must be a list.", values.place)
        )
        missing.append("values")
    known = {*needed, *_OPTIONAL.get(name, ()), "column_name"}
    return {key: entry.value for key, entry in nested.node.entries.items() if key in known}, not missing


def _first(values: Any) -> Any:
    return next((value for value in values if value is not None), None)
