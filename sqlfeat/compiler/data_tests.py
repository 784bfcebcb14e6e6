"""Data tests as queries whose rows break them: the four generic ones, the singular ones, and the built-in one.

The built-in one is every feature view's own: no two of its rows are equal in all that the point-in-time rule goes by
(TIME semantics, 2.2 and 3.5). What it reads is known when the view is bound; that it exists, from the text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlfeat.base.files import sha256_text
from sqlfeat.base.names import is_identifier, literal, quote
from sqlfeat.compiler.manifest import CompiledModel, CompiledTest, TimeFacts
from sqlfeat.compiler.parse import UnreadableSql, last_select
from sqlfeat.compiler.rewriting import ref_token, source_token
from sqlfeat.compiler.source_map import SourceMap, place_in
from sqlfeat.errors import ProjectError
from sqlfeat.spec.config import Layer, merge_config
from sqlfeat.spec.project import TestSpec

LONGEST_NAME = 60
UNIQUE_ROWS = "unique_rows"
"""What the built-in test is called, before the name of its view."""


def generic_test(spec: TestSpec, owner: str, relation: str) -> tuple[str, str, tuple[str, ...]]:
    """The name, the SQL and the further parents of a generic test of ``owner``, whose token is ``relation``.

    Raises:
        ProjectError: an argument is missing or wrong, at the test's place.
    """
    column = str(spec.arguments.get("column_name") or spec.column or "")
    if not column:
        raise _wrong(spec, "no column to test", "put it under a column, or give column_name.")
    source = f"(select * from {relation} where {spec.where})" if spec.where else relation
    name = re.sub(r"\W+", "_", f"{spec.name}_{owner}_{column}").strip("_")
    parents: tuple[str, ...] = ()
    if spec.name == "unique":
        sql = (
            f"select {', '.join(_parts(spec, column))}, count(*) as n_rows\nfrom {source} as tested\n"
            f"where {' and '.join(f'{part} is not null' for part in _parts(spec, column))}\n"
            "group by all\nhaving count(*) > 1"
        )
    elif spec.name == "not_null":
        sql = f"select *\nfrom {source} as tested\nwhere {_parts(spec, column, single=True)[0]} is null"
    elif spec.name == "accepted_values":
        name, sql = _accepted(spec, name, column, source)
    elif spec.name == "relationships":
        name, sql, parents = _relationships(spec, name, column, source)
    else:
        raise _wrong(spec, "a test of this name is not known", None)
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 9]}_{sha256_text(name)[:8]}"
    return name, sql, parents


def _parts(spec: TestSpec, column: str, *, single: bool = False) -> list[str]:
    """SQL of what is tested: a column, or of a whole relation's test several, or dbt's expression."""
    if spec.column is not None:
        return [quote(column)]
    parts = [part.strip() for part in column.split(",")]
    if all(is_identifier(part) for part in parts) and not (single and len(parts) > 1):
        return [quote(part) for part in parts]
    return [f"({column})"]


def _accepted(spec: TestSpec, name: str, column: str, source: str) -> tuple[str, str]:
    values = spec.arguments.get("values")
    if not isinstance(values, list | tuple) or not values:
        raise _wrong(spec, "accepted_values needs a list of values", "values: [a, b]")
    quoted = spec.arguments.get("quote", True)
    tested = _parts(spec, column, single=True)[0]
    listed = ", ".join(literal(v) if isinstance(v, str) and quoted else _constant(v) for v in values)
    sql = (
        f"select {tested} as value, count(*) as n_rows\nfrom {source} as tested\n"
        f"where {tested} not in ({listed})\ngroup by all"
    )
    return re.sub(r"\W+", "_", f"{name}_{'_'.join(str(value) for value in values)}"), sql


def _relationships(spec: TestSpec, name: str, column: str, source: str) -> tuple[str, str, tuple[str, ...]]:
    to, field = spec.arguments.get("to"), spec.arguments.get("field")
    if not isinstance(to, str) or not isinstance(field, str):
        raise _wrong(spec, "relationships needs `to` and `field`", "to: ref('carriers'), field: carrier")
    token, parent = _reference(spec, to)
    sql = (
        f"select tested.{quote(column)} as value, count(*) as n_rows\nfrom {source} as tested\n"
        f"where tested.{quote(column)} is not null\n"
        f"  and tested.{quote(column)} not in (select {quote(field)} from {token} where {quote(field)} is not null)\n"
        "group by all"
    )
    return f"{name}_{field}_{parent.rsplit('.', 1)[-1]}", sql, (parent,)


def _reference(spec: TestSpec, text: str) -> tuple[str, str]:
    """``ref('x')`` or ``source('x', 'y')`` as YAML writes them: the token and the node's id."""
    kind, _, inside = text.strip().removeprefix("{{").removesuffix("}}").strip().partition("(")
    names = [part.strip().strip("'\"") for part in inside.rstrip(")").split(",") if part.strip()]
    if kind.strip() == "ref" and names:
        return ref_token(names[-1]), f"ref.{names[-1]}"
    if kind.strip() == "source" and len(names) == 2:
        return source_token(*names), f"source.{names[0]}.{names[1]}"
    raise _wrong(spec, f"{text!r} is no reference", "write ref('model') or source('name', 'table').")


def _constant(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wrong(spec: TestSpec, what: str, hint: str | None) -> ProjectError:
    return ProjectError("bad-test", f"The test {spec.name}: {what}.", spec.place, hint)


# -- singular tests ----------------------------------------------------------------------------------------------------


_OWN_CONFIG = frozenset(
    {"severity", "where", "limit", "store_failures", "store_failures_as", "fail_calc", "error_if", "warn_if"}
)
"""Config of tests only; of these sqlfeat heeds ``severity``."""


def singular_test(
    name: str, path: str, sql: str, config: Mapping[str, Any], parents: tuple[str, ...], source_map: SourceMap
) -> CompiledTest | None:
    """A file under ``tests/``, rendered: its query is the test. None where it is disabled.

    Raises:
        ProjectError: its config or its severity cannot be meant.
    """
    place = place_in(source_map.templates[path], path, 0)
    shared = {key: value for key, value in config.items() if key not in _OWN_CONFIG}
    merged = merge_config([Layer(shared, place=place)])
    severity = str(config.get("severity", "error")).lower()
    if severity not in ("error", "warn"):
        what = f"'severity' cannot be {config['severity']!r}: expected one of error, warn."
        raise ProjectError("bad-config-value", what, place)
    spec = TestSpec(name, None, place, {}, severity, None, merged.tags)
    return CompiledTest(name, str.__str__(sql), parents, spec, path, source_map) if merged.enabled else None


# -- the built-in test -------------------------------------------------------------------------------------------------


def with_unique_rows(tests: Mapping[str, CompiledTest], models: Iterable[CompiledModel]) -> dict[str, CompiledTest]:
    """The tests with those that feature views have of themselves; a file of the same name stands in its place."""
    declared = {name: test for name, test in tests.items() if not _is_built_in(test)}
    built_in = {test.name: test for test in map(unique_rows_test, models) if test is not None}
    return {**declared, **{name: test for name, test in built_in.items() if name not in declared}}


def unique_rows_test(model: CompiledModel) -> CompiledTest | None:
    """The built-in test of a feature view; None for a view whose rows may be equal, and for other models.

    Before the model is bound its text and its config say what there is to test.
    """
    time = model.time if model.columns else _declared(model)
    if model.materialized != "feature_view" or time.event_time is None:
        return None
    known = [time.event_time, *([time.available_at] if time.available_at else [])]
    named = {name.casefold() for name in (*model.keys, *known, *time.tie_breaker, *time.unique_key)}
    if any(name.casefold() not in named for name in _plain_columns(model)):
        equal = [*model.keys, *known, *time.tie_breaker]
        present = [*model.keys, *known]
    elif time.unique_key:
        equal = [*time.unique_key, known[-1]]
        present = [*model.keys, *time.unique_key, *known]
    else:
        return None
    columns = ", ".join(quote(name) for name in _once(equal))
    order = ", ".join(str(position) for position in range(1, len(_once(equal)) + 1))
    sql = (
        f"select {columns}, count(*) as n_rows\nfrom {ref_token(model.name)} as tested\n"
        f"where {' and '.join(f'{quote(name)} is not null' for name in _once(present))}\n"
        f"group by all\nhaving count(*) > 1\norder by count(*) desc, {order}"
    )
    spec = TestSpec(UNIQUE_ROWS, None, model.place(), severity="warn")
    return CompiledTest(f"{UNIQUE_ROWS}_{model.name}", sql, (model.id,), spec, model.path)


def _is_built_in(test: CompiledTest) -> bool:
    return test.spec is not None and test.spec.name == UNIQUE_ROWS != test.name


def _declared(model: CompiledModel) -> TimeFacts:
    config = model.config
    return TimeFacts(
        config.event_time, config.available_at, tie_breaker=config.tie_breaker, unique_key=config.unique_key
    )


def _plain_columns(model: CompiledModel) -> Sequence[str]:
    """The columns that are no windows; ``*`` and what has no name count as themselves before the model is bound."""
    if model.window_view is not None:
        return model.window_view.plain
    if model.columns:
        return model.column_names
    try:
        items = last_select(model.sql).items
    except UnreadableSql:
        return ("*",)
    tokens = [call.token for call in model.windows]
    return [item.name or "*" for item in items if not any(token in item.text for token in tokens)]


def _once(names: Sequence[str]) -> list[str]:
    return list({name.casefold(): name for name in reversed(names)}.values())[::-1]
