"""A column through whatever only passes it on: where it is made, and from which columns of other nodes it comes."""

from __future__ import annotations

from sqlfeat.compiler.algebra import (
    Aggregate,
    Column,
    Distinct,
    Filter,
    Join,
    Limit,
    Project,
    Relation,
    Scan,
    SetOperation,
    Span,
    Windows,
)

NOWHERE = Span(-1, -1)


def passed_on(relation: Relation, index: int) -> frozenset[tuple[str, str]] | None:
    """The columns of other nodes, in lower case, that a column is passed on from, each row's from one of them."""
    if isinstance(relation, Scan):
        node = relation.node.replace("ref.", "model.", 1)
        return frozenset([(node, relation.fields[index].name.casefold())])
    if isinstance(relation, SetOperation) and relation.kind == "union":
        both = passed_on(relation.left, index), passed_on(relation.right, index)
        return None if both[0] is None or both[1] is None else both[0] | both[1]
    if isinstance(relation, Join | SetOperation):
        width = len(relation.left.fields)
        return passed_on(relation.left, index) if index < width else passed_on(relation.right, index - width)
    if isinstance(relation, Filter | Distinct | Limit) or (
        isinstance(relation, Windows) and index < len(relation.input.fields)
    ):
        return passed_on(relation.input, index)
    if isinstance(relation, Project | Aggregate):
        made = relation.expressions if isinstance(relation, Project) else relation.keys
        if index < len(made):
            column = made[index]
            if isinstance(column, Column) and not column.level:
                return passed_on(relation.input, column.index)
    return None


def written_at(relation: Relation, index: int) -> Span:
    """Where the expression stands that a column is made by, through whatever only passes it on."""
    span = NOWHERE
    while True:
        expressions = getattr(relation, "expressions", getattr(relation, "keys", ()))
        if isinstance(relation, Filter | Distinct | Limit | Windows):
            expressions = ()
        elif not isinstance(relation, Project | Aggregate):
            return span
        if expressions and index < len(expressions):
            made = expressions[index]
            span = made.span if made.span.start >= 0 else span
            if not isinstance(made, Column) or made.level:
                return span
            index = made.index
        elif isinstance(relation, Project | Aggregate):
            return span
        relation = relation.input
