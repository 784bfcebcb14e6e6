"""Feature views with ``window()``: a SELECT taken apart into events, aggregates and expressions over them.

The author's text is cut, never written anew: plain items stay as they are, and what an aggregate reads from an event
becomes a column of its own. What a window means is TIME semantics, section 3; how it is computed is the engine's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from sqlfeat.compiler.manifest import WindowAggregate, WindowArgument, WindowCall, WindowItem, WindowView
from sqlfeat.compiler.parse import (
    Item,
    LastSelect,
    UnreadableSql,
    last_select,
    parse_query,
    split_arguments,
    tokenize,
)  # fmt: skip
from sqlfeat.compiler.rewriting import Edit, Rewritten

_FORBIDDEN = {
    "group": "GROUP BY", "distinct": "DISTINCT", "qualify": "QUALIFY", "limit": "LIMIT", "having": "HAVING",
    "offset": "OFFSET", "order": "ORDER BY", "sample": "a SAMPLE",
}  # fmt: skip
_ORDER_WORDS = {"asc", "desc", "nulls", "first", "last"}


_NO_AGGREGATES = frozenset({
    "row_number", "rank", "dense_rank", "rank_dense", "percent_rank", "cume_dist", "ntile", "lag", "lead",
    "first_value", "last_value", "nth_value", "fill",
})  # fmt: skip
_TREATMENTS = (("ignore", "nulls"), ("respect", "nulls"))


class BadAggregate(Exception):  # becomes a ProjectError at the window()'s place
    """The text in ``window()`` is not one aggregate; the sentence says what is wrong.

    ``word`` is where in the text.
    """

    def __init__(self, what: str, word: str = "", token: str = "", hint: str | None = None) -> None:
        super().__init__(what)
        self.word, self.token, self.hint = word, token, hint


@dataclass
class _Kept:
    """What is kept of every event: each different text once."""

    columns: dict[str, str] = field(default_factory=dict)

    def column(self, sql: str) -> str:
        return self.columns.setdefault(sql, f"__sqlfeat_arg_{len(self.columns)}")


def describable(sql: str, calls: Sequence[WindowCall]) -> Rewritten:
    """The SELECT with every window's aggregate in its place as ``agg OVER ()``: for names, types and errors only."""
    edits = []
    for call in calls:
        replacement = f"{call.aggregate} over ()"
        edits += [Edit(found.start(), found.end(), replacement) for found in re.finditer(call.token, sql)]
    return Rewritten.apply(sql, edits)


def take_apart(sql: str, calls: Sequence[WindowCall]) -> WindowView:
    """Cut a SELECT with windows into its parts.

    Raises:
        UnreadableSql: the SELECT has a clause that windows forbid, or windows stand elsewhere than in its list.
        BadAggregate: a window's text is not one aggregate.
    """
    select = last_select(sql)
    _refuse_clauses(select)
    tokens = [call.token for call in calls]
    windowed = [item for item in select.items if any(token in item.text for token in tokens)]
    for token in tokens:
        if not any(token in item.text for item in windowed):
            raise UnreadableSql("window() belongs into the list of the last SELECT", sql.find(token), len(token))
    items = tuple(_window_item(item, tokens, windowed) for item in windowed)
    _refuse_aliases(select.items, windowed)
    kept = _Kept()
    aggregates = tuple(_of_call(call, kept) for call in calls)
    arguments = tuple(WindowArgument(column, text) for text, column in kept.columns.items())
    plain = [item for item in select.items if item not in windowed]
    events = [item.text for item in plain] + [f"{argument.sql} as {argument.column}" for argument in arguments]
    cut = Edit(select.start, select.end, ",\n    ".join(events))
    return WindowView(
        events=Rewritten.apply(sql, [cut]).text,
        plain=(),
        arguments=arguments,
        aggregates=aggregates,
        items=items,
        order=(),
    )


def _refuse_clauses(select: LastSelect) -> None:
    for clause, spelled in _FORBIDDEN.items():
        if select.tree.args.get(clause):
            what, hint = f"a SELECT with window() has no {spelled}", "do that in a CTE before it."
            raise UnreadableSql(what, *select.clause(spelled), hint)


def _window_item(item: Item, tokens: Sequence[str], windowed: Sequence[Item]) -> WindowItem:
    used = tuple(token for token in tokens if token in item.text)
    if not item.aliased:
        raise UnreadableSql("this window has no name", item.start, len(item.text), "write `… as name` after it.")
    for column in item.tree.find_all(exp.Column):
        if column.name not in used:
            raise UnreadableSql(
                f"besides windows an expression may use constants only, and {column.name!r} is a column",
                item.start + max(0, item.text.find(column.name)),
                len(column.name),
                "put the column into the aggregate, or into an item of its own.",
            )
    return WindowItem(item.name, item.expression, used)


def _refuse_aliases(items: Sequence[Item], windowed: Sequence[Item]) -> None:
    """A plain item cannot be computed from a window: it is stored with the event, and windows are not."""
    names = {item.name.casefold() for item in windowed}
    for item in items:
        if item in windowed:
            continue
        for column in item.tree.find_all(exp.Column):
            if not column.table and column.name.casefold() in names and column.name.casefold() != item.name.casefold():
                raise UnreadableSql(
                    f"{column.name!r} is a window, and an item without window() cannot use it",
                    item.start,
                    len(item.text),
                    "repeat the window() in this expression.",
                )


# -- the text of one aggregate -----------------------------------------------------------------------------------------


def taken_apart(text: str, token: str) -> tuple[WindowAggregate, tuple[WindowArgument, ...]]:
    """One aggregate's text on its own, and what it reads of every row; raises :class:`BadAggregate`."""
    kept = _Kept()
    aggregate = _of_call(WindowCall(token, text, None), kept)
    return aggregate, tuple(WindowArgument(column, sql) for sql, column in kept.columns.items())


def _of_call(call: WindowCall, kept: _Kept) -> WindowAggregate:
    try:
        return _aggregate(call, kept)
    except BadAggregate as error:
        error.token, error.word = call.token, error.word or call.aggregate
        raise
    except UnreadableSql as error:
        raise BadAggregate(f"{call.aggregate!r} cannot be read: {error.what}", call.aggregate, call.token) from error


def _aggregate(call: WindowCall, kept: _Kept) -> WindowAggregate:
    """``name([distinct] arguments [order by …] [ignore nulls]) [filter (where …)]`` taken apart."""
    text = call.aggregate.strip()
    tokens = list(tokenize(text))
    if len(tokens) < 3 or tokens[1].token_type != TokenType.L_PAREN:
        raise BadAggregate(f"{text!r} is not an aggregate", text, hint="write, for instance, 'sum(amount)'.")
    function = tokens[0].text.lower()
    if function in _NO_AGGREGATES:
        hint = "first(x) and last(x) are aggregates." if function in ("first_value", "last_value") else None
        raise BadAggregate(f"{function!r} is a window function of SQL's, not an aggregate", function, hint=hint)
    close = _closing(tokens, 1)
    inside: Sequence[Token] = tokens[2:close]
    rest = tokens[close + 1 :]
    condition = _filter(rest, text)
    distinct = bool(inside) and inside[0].text.lower() == "distinct"
    inside = inside[1:] if distinct else inside
    inside, skips_nulls = _before_treatment(inside)
    arguments, ordering = _before_and_after(inside, "order by")
    values = split_arguments(arguments, text)
    conditions = [f"({condition})"] if condition else []
    if skips_nulls and values:
        conditions.append(f"({values[0]}) is not null")
    return WindowAggregate(
        call=call,
        function=function,
        arguments=tuple(value if _constant(value) else kept.column(value) for value in values),
        distinct=distinct,
        order_by=", ".join(_kept_order(part, kept) for part in split_arguments(ordering, text)) or None,
        filter=kept.column(f"coalesce({' and '.join(conditions)}, false)") if conditions else None,
    )


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for index in range(opening, len(tokens)):
        kind = tokens[index].token_type
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
        if depth == 0:
            return index
    raise BadAggregate("a parenthesis of this aggregate is never closed")


def _filter(rest: Sequence[Token], text: str) -> str | None:
    if not rest:
        return None
    words = [token.text.lower() for token in rest[:3]]
    if words != ["filter", "(", "where"] or _closing(rest, 1) != len(rest) - 1 or len(rest) < 5:
        more = text[rest[0].start :]
        what = f"after the aggregate only `filter (where …)` may follow, not {more!r}"
        raise BadAggregate(what, more, hint="expressions go around window(), not into it.")
    return text[rest[3].start : rest[-2].end + 1]


def _before_treatment(tokens: Sequence[Token]) -> tuple[Sequence[Token], bool]:
    """What stands before ``ignore nulls``, and whether it stands there: an aggregate takes it as a filter."""
    treatment = tuple(token.text.lower() for token in tokens[-2:])
    return (tokens[:-2], treatment[0] == "ignore") if treatment in _TREATMENTS else (tokens, False)


def _before_and_after(tokens: Sequence[Token], words: str) -> tuple[Sequence[Token], Sequence[Token]]:
    depth = 0
    for index, token in enumerate(tokens):
        if depth == 0 and " ".join(token.text.lower().split()) == words:
            return tokens[:index], tokens[index + 1 :]
        kind = token.token_type
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
    return tokens, ()


def _kept_order(part: str, kept: _Kept) -> str:
    tokens = list(tokenize(part))
    end = len(tokens)
    while end > 1 and tokens[end - 1].text.lower() in _ORDER_WORDS:
        end -= 1
    expression = part[: tokens[end - 1].end + 1]
    return f"{kept.column(expression)}{part[len(expression) :]}"


def _constant(value: str) -> bool:
    if value == "*":
        return True
    try:
        tree = parse_query(f"select {value}")
    except UnreadableSql as error:
        raise BadAggregate(f"{value!r} cannot be read: {error.what}") from error
    return next(iter(tree.find_all(exp.Column, exp.Star)), None) is None
