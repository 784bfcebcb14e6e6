"""The one door to the resolver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from sqlfeat.compiler.algebra import Field, Relation, Span
from sqlfeat.compiler.manifest import UNKNOWN, Column
from sqlfeat.compiler.parse import UnreadableSql, parse_query
from sqlfeat.compiler.resolve.errors import Unresolved
from sqlfeat.compiler.resolve.query import Resolver

_SHAPES = (AttributeError, IndexError, KeyError, TypeError, ValueError, AssertionError)
"""What reading a tree ends in that has another shape than sqlglot usually gives."""


def resolve(sql: str, columns: Mapping[str, Sequence[Column]], tree: exp.Expr | None = None) -> Relation:
    """The relation that a text means; ``columns`` are those of the nodes (``ref.NAME``, ``source.SOURCE.TABLE``).

    ``tree`` is sqlglot's of the same text, where it has been parsed already.

    Raises:
        Unresolved: the text cannot be read, or it is not known what it means.
    """
    if tree is None:
        try:
            tree = parse_query(sql)
        except UnreadableSql as error:
            raise Unresolved(error.what, Span(error.offset, error.offset + error.length)) from error
    try:
        return Resolver(sql, _Fields(columns)).query(tree, None)
    except RecursionError as error:
        raise Unresolved("SQL that is nested too deeply") from error
    except _SHAPES as error:
        raise Unresolved("SQL of a shape that is not known here") from error


class _Fields(dict[str, tuple[Field, ...]]):
    """The columns of each node as fields, made when they are asked for."""

    def __init__(self, columns: Mapping[str, Sequence[Column]]) -> None:
        super().__init__()
        self._columns = columns

    def __missing__(self, node: str) -> tuple[Field, ...]:
        own = self._columns[node]
        self[node] = fields = tuple(Field(each.name, None if each.type == UNKNOWN else each.type) for each in own)
        return fields
