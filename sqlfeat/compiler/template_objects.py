"""What templates are handed that asks the renderer back: ``adapter``, ``config``, ``var``, ``exceptions``, ``api``.

Each is a facade over the :class:`Renderer` that made it; what it answers the renderer knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from sqlfeat.base.names import quote
from sqlfeat.compiler.environment import Facade
from sqlfeat.compiler.facades import Record, Relation, copied
from sqlfeat.compiler.mistakes import Misplaced
from sqlfeat.errors import ProjectError

if TYPE_CHECKING:
    from sqlfeat.compiler.template import Renderer

_LONGEST_MATCHED = 10_000
"""How long a text may be that a template matches: expressions can take very long over long ones."""


def _matched(name: str) -> Callable[..., Any]:
    """A function of Python's ``re`` as ``modules.re`` has it, over texts that are not too long."""
    function = getattr(re, name)

    def matched(*arguments: Any, **named: Any) -> Any:
        if any(isinstance(each, str) and len(each) > _LONGEST_MATCHED for each in arguments):
            raise ValueError(f"modules.re.{name}() takes texts of up to {_LONGEST_MATCHED} letters")
        return function(*map(_plain_text, arguments), **named)

    return matched


def _plain_text(value: Any) -> Any:
    return str.__str__(value) if isinstance(value, str) else value


EXPRESSIONS: Mapping[str, Any] = {
    **{name: _matched(name) for name in ("sub", "match", "search", "fullmatch", "findall", "split", "escape")},
    "IGNORECASE": int(re.IGNORECASE), "MULTILINE": int(re.MULTILINE), "DOTALL": int(re.DOTALL),
}  # fmt: skip


class Execute:
    """``execute``: false in the first pass, true in the second; remembers that it was asked."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def __bool__(self) -> bool:
        return self._renderer.ask_execute()

    def __str__(self) -> str:
        return str(bool(self))


class Config(Facade):
    allowed = frozenset({"get", "require"})

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def __call__(self, *positional: Mapping[str, Any], **values: Any) -> str:
        for mapping in positional:
            values = {**mapping, **values}
        self._renderer.configure(values)
        return ""

    def get(self, key: str, default: Any = None) -> Any:
        return copied(self._renderer.configured(key, default))

    def require(self, key: str) -> Any:
        value = self._renderer.configured(key)
        if value is None:
            raise Misplaced("config-missing", f"This model has no config {key!r}.", str(key))
        return copied(value)


class Variables(Facade):
    allowed = frozenset({"has_var"})
    _missing = object()

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def __call__(self, name: str, default: Any = _missing) -> Any:
        required = default is self._missing
        return self._renderer.variable(name, None if required else default, required=required)

    def has_var(self, name: str) -> bool:
        return self._renderer.has_variable(name)


class Exceptions(Facade):
    allowed = frozenset({"raise_compiler_error", "warn"})

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def raise_compiler_error(self, message: str) -> NoReturn:
        raise ProjectError("compiler-error", str(message))

    def warn(self, message: str) -> str:
        return self._renderer.log_text(f"warning: {message}")


class ColumnTypes(Facade):
    """``api.Column``: dbt's names of types as DuckDB's."""

    allowed = frozenset({"translate_type"})

    def translate_type(self, name: str) -> str:
        return {"string": "text", "float": "double"}.get(str(name).lower(), str(name))


class Relations(Facade):
    """``api.Relation``: names of relations that nobody needs to have."""

    allowed = frozenset({"create"})

    def create(self, database: Any = None, schema: Any = None, identifier: Any = None, **others: Any) -> Relation:
        parts = [quote(str(part)) for part in (database, schema, identifier) if part]
        return Relation(".".join(parts), str(identifier or ""), str(schema or ""))


class Adapter(Facade):
    allowed = frozenset(
        {
            "dispatch",
            "quote",
            "type",
            "get_columns_in_relation",
            "get_missing_columns",
            "get_relation",
            "relations_like",
        }
    )

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def type(self) -> str:
        return self._renderer.engine

    def dispatch(self, name: str, macro_namespace: Any = None, packages: Any = None) -> Any:
        return self._renderer.dispatch(name)

    def quote(self, name: str) -> str:
        return quote(str(name))

    def get_columns_in_relation(self, relation: Relation) -> list[Record]:
        """The columns that a relation will have when it is made; none in the first pass."""
        return [_column(name, kind) for name, kind in self._renderer.columns_of(relation)]

    def get_missing_columns(self, from_relation: Relation, to_relation: Relation) -> list[Record]:
        """The columns of the first that the second has not."""
        there = {name.casefold() for name, _ in self._renderer.columns_of(to_relation)}
        given = self._renderer.columns_of(from_relation)
        return [_column(name, kind) for name, kind in given if name.casefold() not in there]

    def get_relation(self, database: Any = None, schema: Any = None, identifier: Any = None) -> Relation | None:
        """What of the project lies under a name; nothing where there is none of it."""
        return self._renderer.relation_named(str(identifier))

    def relations_like(self, schema_pattern: str, table_pattern: str, exclude: str = "") -> list[Relation]:
        """The models, seeds and sources whose schemas and names match patterns of LIKE, and not the third one."""
        return self._renderer.relations_like(str(schema_pattern), str(table_pattern), str(exclude))


def _column(name: str, kind: str) -> Record:
    told: dict[str, Any] = {"name": name, "column": name, "quoted": quote(name), "data_type": kind, "dtype": kind}
    told |= {"char_size": None, "numeric_precision": None, "numeric_scale": None, "string_size": lambda: 256}
    return Record(f"the column {name}", {**told, **{f"is_{family}": _is(family, kind) for family in _FAMILIES}})


_INTEGERS = ("TINY", "SMALL", "INT", "BIGINT", "HUGE", "UTINY", "USMALL", "UINT", "UBIG", "UHUGE")
_FAMILIES = {
    "string": ("VARCHAR", "UUID", "ENUM"),
    "number": (*_INTEGERS, "DECIMAL", "DOUBLE", "FLOAT"),
    "numeric": ("DECIMAL",),
    "integer": _INTEGERS,
    "float": ("DOUBLE", "FLOAT"),
}  # fmt: skip


def _is(family: str, kind: str) -> Callable[[], bool]:
    """``column.is_string()`` and its like, as macros of packages ask them."""
    return lambda: kind.upper().startswith(_FAMILIES[family]) and not kind.upper().startswith("INTERVAL")
