"""The four generic data tests and the singular ones, as queries whose rows break them."""

from __future__ import annotations

from typing import Any

from sqlfeat.base.files import sha256_text
from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.rewriting import ref_token, source_token
from sqlfeat.errors import ProjectError
from sqlfeat.spec.project import TestSpec

LONGEST_NAME = 60


def generic_test(spec: TestSpec, owner: str, relation: str) -> tuple[str, str, tuple[str, ...]]:
    """The name, the SQL and the further parents of a generic test of ``owner``, whose token is ``relation``.

    Raises:
        ProjectError: an argument is missing or wrong, at the test's place.
    """
    column = str(spec.arguments.get("column_name") or spec.column or "")
    if not column:
        raise _wrong(spec, "no column to test", "put it under a column, or give column_name.")
    source = f"(select * from {relation} where {spec.where})" if spec.where else relation
    name = f"{spec.name}_{owner}_{column}"
    parents: tuple[str, ...] = ()
    if spec.name == "unique":
        sql = (
            f"select {_columns(column)}, count(*) as n_rows\nfrom {source} as tested\n"
            f"where {_not_null(column)}\ngroup by all\nhaving count(*) > 1"
        )
    elif spec.name == "not_null":
        sql = f"select *\nfrom {source} as tested\nwhere {quote(column)} is null"
    elif spec.name == "accepted_values":
        name, sql = _accepted(spec, name, column, source)
    elif spec.name == "relationships":
        name, sql, parents = _relationships(spec, name, column, source)
    else:
        raise _wrong(spec, "a test of this name is not known", None)
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 9]}_{sha256_text(name)[:8]}"
    return name, sql, parents


def _columns(column: str) -> str:
    return ", ".join(quote(part.strip()) for part in column.split(","))


def _not_null(column: str) -> str:
    return " and ".join(f"{quote(part.strip())} is not null" for part in column.split(","))


def _accepted(spec: TestSpec, name: str, column: str, source: str) -> tuple[str, str]:
    values = spec.arguments.get("values")
    if not isinstance(values, list | tuple) or not values:
        raise _wrong(spec, "accepted_values needs a list of values", "values: [a, b]")
    quoted = spec.arguments.get("quote", True)
    listed = ", ".join(literal(v) if isinstance(v, str) and quoted else _constant(v) for v in values)
    sql = (
        f"select {quote(column)} as value, count(*) as n_rows\nfrom {source} as tested\n"
        f"where {quote(column)} not in ({listed})\ngroup by all"
    )
    return f"{name}_{'_'.join(str(value) for value in values)}".replace(" ", "_"), sql


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
    kind, _, inside = text.strip().partition("(")
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
