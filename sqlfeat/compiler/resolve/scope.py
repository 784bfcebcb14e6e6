"""Which names a piece of SQL sees, and the column that each of them means.

DuckDB's order: a parameter of a lambda, a column of FROM, an alias of the same SELECT, then the same again for the row
that a subquery is evaluated for. Names are compared without regard to case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from sqlfeat.compiler.algebra import Call, Column, Constant, Expression, Field, Relation, Span
from sqlfeat.compiler.resolve import types
from sqlfeat.compiler.resolve.errors import Unresolved


@dataclass(frozen=True)
class Binding:
    """One relation of a FROM: what it is called, and where in the row its fields begin."""

    name: str
    fields: tuple[Field, ...]
    start: int
    schema: str
    names: Mapping[str, int]

    @classmethod
    def of(cls, name: str, fields: tuple[Field, ...], schema: str = "") -> Binding:
        """A relation that stands alone; of columns of one name the first is meant."""
        names = {own.name.casefold(): index for index, own in reversed(list(enumerate(fields)))}
        return cls(name, fields, 0, schema, names)

    def position(self, name: str) -> int | None:
        """Where in the row the column of a name (in lower case) is."""
        index = self.names.get(name)
        return None if index is None else self.start + index


@dataclass(frozen=True)
class Merged:
    """A column of USING or NATURAL: one name for the columns of both sides. ``parts`` of a full join is several."""

    name: str
    positions: frozenset[int]
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """The row that FROM gives: its relation, and the names of its columns."""

    relation: Relation
    bindings: tuple[Binding, ...]
    merged: tuple[Merged, ...] = ()

    def group(self, name: str) -> Merged | None:
        return next((merged for merged in self.merged if merged.name == name), None)

    def field(self, position: int) -> Field:
        return self.relation.fields[position]

    def column(self, position: int, span: Span, level: int = 0) -> Column:
        return Column(span, position, level, self.field(position).type)

    def merged_column(self, merged: Merged, span: Span, level: int = 0) -> Expression:
        parts = tuple(self.column(part, span, level) for part in merged.parts)
        if len(parts) == 1:
            return parts[0]
        types = {part.type for part in parts}
        return Call(span, "coalesce", parts, types.pop() if len(types) == 1 else None)

    def named(self, name: str, span: Span, level: int = 0) -> Expression | None:
        """The column that a bare name means."""
        merged = self.group(name)
        if merged is not None:
            return self.merged_column(merged, span, level)
        found = [p for p in (binding.position(name) for binding in self.bindings) if p is not None]
        if len(found) > 1:
            raise Unresolved(f"{name!r} is a column of several relations", span)
        return self.column(found[0], span, level) if found else None

    def binding(self, name: str, schema: str = "") -> Binding | None:
        """The relation that a prefix means."""
        found = [b for b in self.bindings if b.name.casefold() == name and schema in ("", b.schema.casefold())]
        if len(found) > 1:
            raise Unresolved(f"several relations are called {name!r}")
        return found[0] if found else None


Aliased = Callable[[str, Span], Expression | None]


@dataclass(frozen=True)
class Found:
    """What a dotted name begins with, how many of its parts that takes, and the depth of the row that has it."""

    expression: Expression
    taken: int
    depth: int


@dataclass(frozen=True)
class Scope:
    """What an expression sees: a row, the aliases of its SELECT, parameters of lambdas, and the scope further out.

    ``depth`` counts the rows from the outermost one; ``windows`` are the windows that the SELECT names.
    """

    row: Row | None
    outer: Scope | None = None
    aliased: Aliased | None = None
    parameters: Mapping[str, Expression] = field(default_factory=dict)
    depth: int = 0
    windows: Mapping[str, exp.Expr] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Row | None, outer: Scope | None) -> Scope:
        return cls(row, outer, depth=outer.depth + 1 if outer else 0)

    def with_parameters(self, parameters: Mapping[str, Expression]) -> Scope:
        return replace(self, parameters={**self.parameters, **parameters})

    def find(self, parts: Sequence[str], span: Span) -> Found | None:
        """The column that a dotted name begins with; what it does not take are fields of a struct."""
        scope: Scope | None = self
        level = 0
        folded = [part.casefold() for part in parts]
        while scope is not None:
            found = scope._own(folded, span, level)
            if found is not None:
                return found
            scope, level = scope.outer, level + 1
        return None

    def _own(self, parts: Sequence[str], span: Span, level: int) -> Found | None:
        first = parts[0]
        if level == 0 and first in self.parameters:
            return Found(self.parameters[first], 1, self.depth)
        if self.row is not None:
            found = self._of_row(self.row, parts, span, level)
            if found is not None:
                return found
        alias = self.aliased(first, span) if self.aliased is not None else None
        if alias is not None:
            if level:
                raise Unresolved("an alias of the outer query", span)
            return Found(alias, 1, self.depth)
        if self.row is not None and len(parts) == 1:
            binding = self.row.binding(first)
            if binding is not None:
                return Found(whole_row(self.row, binding, span, level), 1, self.depth)
        return None

    def _of_row(self, row: Row, parts: Sequence[str], span: Span, level: int) -> Found | None:
        for taken, schema in ((3, parts[0]), (2, "")):
            if len(parts) >= taken:
                binding = row.binding(parts[taken - 2], schema)
                position = binding.position(parts[taken - 1]) if binding else None
                if position is not None:
                    return Found(row.column(position, span, level), taken, self.depth)
        column = row.named(parts[0], span, level)
        if column is None or (len(parts) > 1 and not self._has_fields(column, parts[0], span)):
            return None
        return Found(column, 1, self.depth)

    def _has_fields(self, column: Expression, name: str, span: Span) -> bool:
        """Whether a column has fields; one that has not is passed over for a relation of that name further out."""
        known = getattr(column, "type", None)
        if known is not None:
            return types.has_fields(known)
        outer = self.outer
        while outer is not None:
            if outer.row is not None and outer.row.binding(name) is not None:
                raise Unresolved(f"{name!r} is a column and a relation", span)
            outer = outer.outer
        return True


def whole_row(row: Row, binding: Binding, span: Span, level: int = 0) -> Expression:
    """A relation's name used as a value: a struct of its columns."""
    parts: list[Expression] = []
    for index, own in enumerate(binding.fields):
        parts += [Constant(span, own.name), row.column(binding.start + index, span, level)]
    return Call(span, "struct_pack", tuple(parts), types.struct_of(binding.fields))
