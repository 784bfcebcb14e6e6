"""What of a view's text one of its columns depends on: its own item, those that decide the view's rows, and the rest.

So that a column's fingerprint stays when another column of the view changes. Where that cannot be told from the text
(a star, DISTINCT, GROUP BY ALL, a set operation), there is no answer, and the column is as old as its view. Which of
two rows wins that only the remaining columns could order is left out of this: that is an error in the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

from sqlglot import exp

from sqlfeat.base.files import canonical_json
from sqlfeat.compiler.manifest import CompiledModel, WindowCall
from sqlfeat.compiler.parse import Item, LastSelect, UnreadableSql, last_select, words


@dataclass(frozen=True)
class FeatureText:
    """``items`` are the texts by output name that a column depends on; ``rest`` is the view without its list."""

    items: Mapping[str, str]
    rest: str


@dataclass(frozen=True)
class _Told:
    """A view's text, read once for all of its columns: by output the text, and the outputs that are named in it."""

    texts: Mapping[str, str]
    named: Mapping[str, frozenset[str]]
    named_after: frozenset[str]
    rest: str


def text_of_feature(view: CompiledModel, column: str) -> FeatureText | None:
    """What a column of a view depends on in the view's text; None where it may be all of it."""
    told = _told(view.sql, tuple(view.windows))
    if told is None or column.casefold() not in told.texts:
        return None
    wanted = {name.casefold() for name in (column, *_deciding(view)) if name.casefold() in told.texts}
    wanted |= told.named_after
    waiting = list(wanted)
    while waiting:
        more = told.named[waiting.pop()] - wanted
        wanted |= more
        waiting += more
    return FeatureText({name: told.texts[name] for name in sorted(wanted)}, told.rest)


@lru_cache(maxsize=256)
def _told(sql: str, windows: tuple[WindowCall, ...]) -> _Told | None:
    """A text with some windows; None where its columns cannot be told apart."""
    try:
        select = last_select(sql)
    except UnreadableSql:
        return None
    items = {item.name.casefold(): item for item in select.items}
    if not _can_be_told_apart(select, items):
        return None
    calls = {call.token: canonical_json({**_plain(asdict(call)), "token": ""}) for call in windows}
    inside = {
        name: " ".join([item.text, *(call.aggregate for call in windows if call.token in item.text)])
        for name, item in items.items()
    }
    return _Told(
        {name: _with_calls(item.text, calls) for name, item in items.items()},
        {name: frozenset(_named_in(text, items)) for name, text in inside.items()},
        frozenset(_named_in(sql[select.end :], items)),
        f"{sql[: select.start]}…{sql[select.end :]}".strip(),
    )


def _can_be_told_apart(select: LastSelect, items: Mapping[str, Item]) -> bool:
    tree, group = select.tree, select.tree.args.get("group")
    if len(items) != len(select.items) or "" in items or tree.args.get("distinct"):
        return False
    by = [*(group.expressions if group else ()), *_ordered(tree)]
    if group is not None and (group.args.get("all") or not group.expressions):
        return False
    return not any(isinstance(each, exp.Literal) or each.name.casefold() == "all" for each in by)


def _ordered(tree: exp.Select) -> Sequence[exp.Expr]:
    order = tree.args.get("order")
    return [each.this if isinstance(each, exp.Ordered) else each for each in order.expressions] if order else []


def _deciding(view: CompiledModel) -> list[str]:
    """The columns that decide which row holds for whom and when."""
    time = view.time
    named = (*view.keys, time.event_time, time.available_at, *time.tie_breaker, *time.unique_key)
    return [name for name in named if name]


def _named_in(text: str, items: Mapping[str, Item]) -> set[str]:
    """The outputs whose names stand in a text: rather one too many, a column of a table may bear the same.

    But not a column that is passed on under its own name, which is the table's wherever it stands.
    """
    own = {name for name, item in items.items() if _is_passed_on(item)}
    try:
        found = {word.casefold() for word in words(text)}
    except UnreadableSql:
        return set(items)
    return found & (items.keys() - own)


def _is_passed_on(item: Item) -> bool:
    tree = item.tree.this if isinstance(item.tree, exp.Alias) else item.tree
    return isinstance(tree, exp.Column) and tree.name.casefold() == item.name.casefold()


def _with_calls(text: str, calls: Mapping[str, str]) -> str:
    """Window tokens are numbered through the view: what they stand for takes their place."""
    for token, call in calls.items():
        text = text.replace(token, call)
    return text


def _plain(shape: Mapping[str, object]) -> dict[str, object]:
    return {key: value if value is None or isinstance(value, str) else str(value) for key, value in shape.items()}
