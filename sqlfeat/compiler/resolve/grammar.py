"""The parts of sqlglot's nodes that the resolver reads: whatever else a query says is refused, never passed over."""

from __future__ import annotations

from sqlglot import exp

from sqlfeat.compiler.algebra import Span
from sqlfeat.compiler.resolve.errors import Unresolved, hull

_ENDS = "order limit offset with_"
_READ: dict[type[exp.Expr], str] = {
    exp.Select: f"expressions from_ joins where group having qualify windows distinct sample {_ENDS}",
    exp.Union: f"this expression distinct by_name {_ENDS}",
    exp.Intersect: f"this expression distinct by_name {_ENDS}",
    exp.Except: f"this expression distinct by_name {_ENDS}",
    exp.Join: "this on side kind using method",
    exp.Table: "this alias db catalog joins pivots sample ordinality",
    exp.Subquery: f"this alias joins pivots sample {_ENDS}",
    exp.Lateral: "this alias outer view",
    exp.Unnest: "expressions alias offset",
    exp.Values: "expressions alias pivots",
    exp.Window: "this partition_by order spec alias over",
    exp.WindowSpec: "kind start start_side end end_side exclude",
    exp.Ordered: "this desc nulls_first",
    exp.CTE: "this alias materialized",
    exp.With: "expressions recursive",
    exp.Group: "expressions all rollup cube grouping_sets",
    exp.Pivot: "this alias expressions fields unpivot using group columns include_nulls into with_ pivot_column_naming",
    exp.Limit: "expression limit_options",
    exp.Fetch: "direction count limit_options",
}
_KNOWN = {kind: frozenset(words.split()) for kind, words in _READ.items()}


def refuse_more(tree: exp.Expr) -> None:
    """Raise :class:`Unresolved` for a part of a query that nobody here reads."""
    known = _KNOWN[type(tree)]
    for part, value in tree.args.items():
        if value and part not in known:
            raise Unresolved(f"{type(tree).__name__.upper()} with {part.strip('_').replace('_', ' ')}", where(tree))


def where(tree: exp.Expr) -> Span:
    """Where something of a tree stands."""
    spans = [node.meta for node in tree.find_all(exp.Identifier, exp.Literal, exp.Star) if "start" in node.meta]
    return hull(*[Span(meta["start"], meta["end"] + 1) for meta in spans])
