"""Small things about nodes: where sqlglot's stand, and what type a resolved one is of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from sqlfeat.compiler.algebra import Call, Constant, Expression, Span
from sqlfeat.compiler.resolve import types
from sqlfeat.compiler.resolve.errors import NOWHERE
from sqlfeat.compiler.resolve.results import result_type

Handler = Callable[..., Expression]
"""Resolves one kind of sqlglot's nodes: given the resolver of expressions, the node and its scope."""


def span_of(tree: exp.Expr) -> Span:
    """Where a node's own word stands; an identifier, a literal, a star or a function's name has one."""
    start = tree.meta.get("start")
    return NOWHERE if start is None else Span(start, tree.meta["end"] + 1)


def type_of(node: Expression) -> str | None:
    """The type of a value; of a literal the one that DuckDB gives it."""
    if isinstance(node, Constant) and node.type is None:
        return types.of_literal(node.value)
    return getattr(node, "type", None)


def call(span: Span, name: str, arguments: Sequence[Expression]) -> Call:
    """A call with the type of its result."""
    return Call(span, name, tuple(arguments), result_type(name, [type_of(a) for a in arguments], arguments))


def json_path(tree: exp.Expr) -> str | None:
    """The path of a JSON operator, where it is a literal."""
    return tree.sql(dialect="duckdb").strip("'") if isinstance(tree, exp.JSONPath) else None
