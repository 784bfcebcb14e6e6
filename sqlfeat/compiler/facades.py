"""The objects that a template is handed: relations, answers of queries, records of plain values.

A template reaches nothing of them but what ``allowed`` lists; lists and mappings that they give are copies. They hold
values and no behaviour of the compiler's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Undefined

from sqlfeat.compiler.environment import Facade


@dataclass(frozen=True)
class Relation(Facade, Mapping[str, Any]):
    """What ``ref()``, ``source()`` and ``this`` give: text in a template, with dbt's attributes.

    It is a mapping, as dbt's are: macros of packages tell it from a text by that, and by its ``metadata``.
    """

    token: str
    identifier: str
    schema: str
    allowed = frozenset(
        {"identifier", "name", "table", "schema", "database", "type", "render", "get", "include", "is_cte", "is_view"}
    )
    is_cte = False
    is_view = False
    database = ""
    type = "table"

    def __getitem__(self, key: str) -> Any:
        return {"identifier": self.identifier, "schema": self.schema, "metadata": {"type": "DuckDBRelation"}}[key]

    def __iter__(self) -> Iterator[str]:
        return iter(("identifier", "schema", "metadata"))

    def __len__(self) -> int:
        return 3

    @property
    def name(self) -> str:
        return self.identifier

    @property
    def table(self) -> str:
        return self.identifier

    def render(self) -> str:
        return self.token

    def include(self, **parts: bool) -> Relation:
        return self

    def __str__(self) -> str:
        return self.token


class Named(Facade):
    """Values with names, in order: by number, by name, by attribute; iterated, they are the values."""

    allowed = frozenset({"keys", "values", "items", "get"})

    def __init__(self, names: tuple[str, ...], content: tuple[Any, ...]) -> None:
        self._names = names
        self._content = content

    def keys(self) -> list[str]:
        return list(self._names)

    def values(self) -> list[Any]:
        return list(self._content)

    def items(self) -> list[tuple[str, Any]]:
        return list(zip(self._names, self._content, strict=True))

    def get(self, name: str, default: Any = None) -> Any:
        return dict(self.items()).get(name, default)

    def __getitem__(self, key: int | str) -> Any:
        return dict(self.items())[key] if isinstance(key, str) else self._content[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __str__(self) -> str:
        return str(self._content)


@dataclass(frozen=True)
class AnswerColumn(Facade):
    """A column of an :class:`Answer`."""

    name: str
    content: tuple[Any, ...]
    allowed = frozenset({"name", "values"})

    def values(self) -> list[Any]:
        return list(self.content)

    def __getitem__(self, index: int) -> Any:
        return self.content[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.content)

    def __len__(self) -> int:
        return len(self.content)


@dataclass(frozen=True)
class Answer(Facade):
    """What ``run_query`` gives: rows, and columns by number and name, as dbt's tables have them."""

    column_names: tuple[str, ...]
    tuples: tuple[tuple[Any, ...], ...]
    allowed = frozenset({"column_names", "rows", "columns"})

    @property
    def rows(self) -> list[Named]:
        return list(self)

    @property
    def columns(self) -> Named:
        columns = (AnswerColumn(name, tuple(row[i] for row in self.tuples)) for i, name in enumerate(self.column_names))
        return Named(self.column_names, tuple(columns))

    def __iter__(self) -> Iterator[Named]:
        return (Named(self.column_names, row) for row in self.tuples)

    def __getitem__(self, index: int) -> Named:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.tuples)


class Record(Facade):
    """A mapping whose keys are read as attributes; nothing else of it can be reached. ``kind`` says what it is."""

    def __init__(self, kind: str, values: Mapping[str, Any]) -> None:
        self._kind = kind
        self._values = dict(values)
        self.allowed = frozenset({*values, "get"})

    def get(self, key: str, default: Any = None) -> Any:
        return copied(self._values.get(key, default))

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name in values:
            return copied(values[name])
        raise AttributeError(name)

    def __getitem__(self, key: str) -> Any:
        return copied(self._values[key])

    def __str__(self) -> str:
        return self._kind


def copied(value: Any) -> Any:
    """A template's own copy of a list or mapping of ours."""
    if isinstance(value, Facade):
        return value
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [copied(item) for item in value]
    return None if isinstance(value, Undefined) else value
