"""A training set's SELECT to a logical plan: label rows, lookups of feature views, and the SELECT over both.

What is asked is known after this; how the rows are found is the engine's. The author's text stays as it is, but for
the ``feature()`` tokens, which become fields of the struct that each lookup adds to the label rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from sqlfeat.base.names import did_you_mean, quote
from sqlfeat.compiler.manifest import (
    Column,
    CompiledModel,
    FeatureCall,
    Lookup,
    Output,
    TimeFacts,
    TrainingSetPlan,
)  # fmt: skip
from sqlfeat.compiler.parse import Item, LastSelect, UnreadableSql, last_select
from sqlfeat.compiler.rewriting import Edit, Rewritten, relation_edits
from sqlfeat.errors import ProjectError
from sqlfeat.spec.config import ModelConfig

_FORBIDDEN_CLAUSES = {
    "where": "WHERE", "joins": "JOIN", "laterals": "LATERAL", "group": "GROUP BY", "having": "HAVING",
    "qualify": "QUALIFY", "order": "ORDER BY", "limit": "LIMIT", "offset": "OFFSET", "distinct": "DISTINCT",
    "with_": "WITH", "sample": "SAMPLE",
}  # fmt: skip
_MEND = "filter and join in the label model; the list here is scalar."


@dataclass(frozen=True)
class LabelRelation:
    """What the FROM of a training set names: its node (``ref.NAME`` …), columns and time."""

    node: str
    columns: tuple[Column, ...]
    time: TimeFacts

    def column(self, name: str) -> str | None:
        """The column's own spelling of a name."""
        return next((c.name for c in self.columns if c.name.casefold() == name.casefold()), None)


@dataclass
class _Lookups:
    """The lookups found so far; equal ones are one."""

    found: dict[tuple[object, ...], str] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    keys: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    calls: dict[str, FeatureCall] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    after: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, call: FeatureCall, keys: tuple[tuple[str, str], ...], after: tuple[str, ...]) -> str:
        identity = (call.view, keys, call.ttl, call.strict)
        name = self.found.setdefault(identity, f"__sqlfeat_l{len(self.found)}")
        self.views[name], self.keys[name], self.after[name] = call.view, keys, after
        self.calls.setdefault(name, call)
        self.columns.setdefault(name, [])
        return name

    def column(self, name: str, column: str) -> None:
        if column not in self.columns[name]:
            self.columns[name].append(column)

    def plan(self) -> tuple[Lookup, ...]:
        return tuple(
            Lookup(
                name=name,
                view=self.views[name],
                keys=self.keys[name],
                columns=tuple(self.columns[name]),
                ttl=self.calls[name].ttl,
                strict=self.calls[name].strict,
                after=self.after[name],
            )
            for name in self.found.values()
        )


class _Planner:
    """Reads one training set's SELECT."""

    def __init__(
        self,
        sql: str,
        config: ModelConfig,
        calls: Sequence[FeatureCall],
        labels: LabelRelation,
        views: Mapping[str, CompiledModel],
    ) -> None:
        self.sql = sql
        self.config = config
        self.calls = {call.token: call for call in calls}
        self.labels = labels
        self.views = views
        self.lookups = _Lookups()
        self.resolved: dict[str, tuple[str, str]] = {}

    def field_of(self, token: str) -> str:
        """The SQL of one feature: a field of its lookup's struct."""
        lookup, column = self.resolve(token)
        return f"{lookup}.{quote(column)}"

    def resolve(self, token: str) -> tuple[str, str]:
        """The lookup and the column of a feature; a key that is itself a feature is resolved first."""
        if token not in self.resolved:
            call = self.calls[token]
            view = self._view(call)
            name = self._lookup(call, view)
            column = self._column(call, view)
            self.lookups.column(name, column)
            self.resolved[token] = (name, column)
        return self.resolved[token]

    def star(self, token: str) -> list[tuple[str, str]]:
        """(SQL, output name) of every feature that ``view.*`` means."""
        call = self.calls[token]
        view = self._view(call)
        name = self._lookup(call, view)
        hidden = {*view.keys, view.time.event_time, view.time.available_at, *view.time.tie_breaker}
        columns = [column for column in view.column_names if column not in hidden]
        for column in columns:
            self.lookups.column(name, column)
        return [(f"{name}.{quote(column)}", f"{call.prefix}{column}") for column in columns]

    def _view(self, call: FeatureCall) -> CompiledModel:
        view = self.views.get(call.view)
        feature_views = [v.name for v in self.views.values() if v.materialized == "feature_view" or v.time.immutable]
        if view is None:
            raise self._wrong(
                call, "unknown-feature-view", f"There is no feature view {call.view!r}.",
                did_you_mean(call.view, feature_views),
            )  # fmt: skip
        if call.view not in feature_views:
            raise self._wrong(
                call, "not-a-feature-view", f"{call.view!r} is a {view.materialized}, and feature() reads feature views.",
                "give it materialized='feature_view' with entity and event_time.",
            )  # fmt: skip
        return view

    def _column(self, call: FeatureCall, view: CompiledModel) -> str:
        for column in view.column_names:
            if column.casefold() == call.column.casefold():
                return column
        raise self._wrong(
            call, "unknown-feature", f"The feature view {call.view!r} has no column {call.column!r}.",
            did_you_mean(call.column, view.column_names),
        )  # fmt: skip

    def _lookup(self, call: FeatureCall, view: CompiledModel) -> str:
        given = {key.casefold(): value for key, value in call.on}
        for key, _ in call.on:
            if key.casefold() not in {own.casefold() for own in view.keys}:
                raise self._wrong(
                    call, "unknown-key", f"{key!r} is no key of {call.view!r}.", did_you_mean(key, view.keys)
                )
        keys, after = [], []
        for key in view.keys:
            sql = given.get(key.casefold())
            if sql is None:
                own = self.labels.column(key)
                if own is None:
                    raise self._wrong(
                        call,
                        "missing-key",
                        f"{call.view!r} is looked up by {key!r}, and the label relation has no such column.",
                        f"say where it comes from: feature('{call.view}.{call.column}', on={{'{key}': '…'}}).",
                    )
                sql = quote(own)
            for token in [token for token in self.calls if token in sql]:
                name, column = self.resolve(token)
                after.append(name)
                sql = sql.replace(token, f"{name}.{quote(column)}")
            keys.append((key, sql))
        if call.ttl is not None and view.time.ttl is not None and _longer(call.ttl, view.time.ttl):
            raise self._wrong(
                call, "longer-ttl", f"ttl={str(call.ttl)!r} is longer than the view's own ({view.time.ttl}).",
                "a lookup can only shorten the ttl.",
            )  # fmt: skip
        return self.lookups.add(call, tuple(keys), tuple(dict.fromkeys(after)))

    def _wrong(self, call: FeatureCall, code: str, what: str, hint: str | None) -> UnplannableFeature:
        return UnplannableFeature(call.token, code, what, hint)


class UnplannableFeature(Exception):  # becomes a ProjectError at the feature()'s place
    """A ``feature()`` that cannot be looked up; ``token`` says which."""

    def __init__(self, token: str, code: str, what: str, hint: str | None) -> None:
        super().__init__(what)
        self.token, self.code, self.what, self.hint = token, code, what, hint


def label_node(sql: str) -> str:
    """The node id (``ref.NAME`` or ``source.SOURCE.TABLE``) that a training set's FROM names.

    Raises:
        UnreadableSql: there is not exactly one FROM relation given by ``ref()`` or ``source()``.
    """
    nodes: list[str] = []

    def remember(node: str) -> str:
        nodes.append(node)
        return ""

    edits = relation_edits(sql, remember)
    if len(edits) != 1:
        raise UnreadableSql("a training set selects from exactly one ref() or source(): its label rows", 0)
    return nodes[0]


def plan_training_set(
    sql: str,
    config: ModelConfig,
    calls: Sequence[FeatureCall],
    labels: LabelRelation,
    views: Mapping[str, CompiledModel],
) -> TrainingSetPlan:
    """The logical plan of a training set; output types are empty until the engine has said them.

    Raises:
        UnreadableSql: the SELECT is not of the grammar (LANGUAGE, 2.2).
        UnplannableFeature: a feature does not exist or has no key to be found by.
        ProjectError: an output that the config names is missing (its place is still to be given).
    """
    select = last_select(sql)
    _refuse_clauses(sql, select)
    planner = _Planner(sql, config, calls, labels, views)
    edits, outputs = [], []
    for item in select.items:
        made, named = _outputs_of(item, planner)
        edits += made
        outputs += named
    as_of = labels.time.event_time
    if as_of is None:
        raise ProjectError(
            "no-as-of-time", f"The label relation {labels.node.split('.', 1)[1]!r} has no event_time.",
            hint="say config(event_time='…') in the label model: the time at which a row asks for features.",
        )  # fmt: skip
    relation = select.tree.args["from_"].this
    return TrainingSetPlan(
        labels=labels.node,
        alias=relation.alias or None,
        as_of=as_of,
        select=Rewritten.apply(sql, edits),
        lookups=planner.lookups.plan(),
        outputs=_with_roles(outputs, config, as_of),
        label_columns=labels.columns,
        needed=_needed(select, planner, outputs, _with_roles(outputs, config, as_of)),
    )


def _refuse_clauses(sql: str, select: LastSelect) -> None:
    for clause, spelled in _FORBIDDEN_CLAUSES.items():
        if select.tree.args.get(clause):
            offset = max(0, sql.lower().rfind(spelled.split()[0].lower()))
            raise UnreadableSql(f"a training set has no {spelled}", offset, len(spelled.split()[0]), _MEND)
    source = select.tree.args.get("from_")
    if source is None or not isinstance(source.this, exp.Table):
        raise UnreadableSql("a training set selects from one ref() or source(): its label rows", 0)
    for item in select.items:
        for node in item.tree.walk():
            spelled_node = _forbidden_node(node)
            if spelled_node:
                raise UnreadableSql(f"a training set's list has no {spelled_node}", item.start, len(item.text), _MEND)


def _forbidden_node(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Window):
        return "window function"
    if isinstance(node, exp.AggFunc) and not isinstance(node.parent, exp.Window):
        return "aggregate"
    if isinstance(node, exp.Subquery | exp.Select | exp.Exists):
        return "subquery"
    if isinstance(node, exp.Unnest | exp.Explode):
        return "unnest"
    if isinstance(node, exp.Star):
        return "`*`: name the columns; feature('view.*') is for a feature view"
    return None


@dataclass(frozen=True)
class _Named:
    """An output before its role and type are known; ``tokens`` are the features in its text."""

    name: str
    item: Item
    feature: str | None


def _outputs_of(item: Item, planner: _Planner) -> tuple[list[Edit], list[_Named]]:
    tokens = [token for token in planner.calls if token in item.text]
    bare = tokens[0] if len(tokens) == 1 and item.expression == tokens[0] else None
    if bare and planner.calls[bare].column == "*":
        if item.aliased:
            raise UnreadableSql(
                "`*` is several features and takes no alias", item.start, len(item.text), "use prefix=."
            )
        columns = planner.star(bare)
        view = planner.calls[bare].view
        text = ",\n    ".join(f"{sql} as {quote(name)}" for sql, name in columns)
        prefix = planner.calls[bare].prefix
        named = [_Named(name, item, f"{view}.{name.removeprefix(prefix)}") for _, name in columns]
        return [Edit(item.start, item.end, text)], named
    edits = []
    for token in tokens:
        if planner.calls[token].column == "*":
            raise UnreadableSql("`view.*` stands alone in the list", item.start, len(item.text))
        sql, name = planner.field_of(token), item.name
        if token == bare and not item.aliased:
            name = f"{planner.calls[token].prefix}{planner.resolve(token)[1]}"
            sql = f"{sql} as {quote(name)}"
        start = item.start + item.text.find(token)
        edits.append(Edit(start, start + len(token), sql))
        if token == bare:
            view, column = planner.calls[token].view, planner.resolve(token)[1]
            return edits, [_Named(name, item, f"{view}.{column}")]
    return edits, [_Named(item.name, item, None)]


def _with_roles(outputs: Sequence[_Named], config: ModelConfig, as_of: str) -> tuple[Output, ...]:
    names = [named.name for named in outputs]
    folded = {name.casefold(): name for name in names if name}
    if len(folded) < len([name for name in names if name]):
        twice = next(name for name in names if name and [n.casefold() for n in names].count(name.casefold()) > 1)
        raise ProjectError(
            "duplicate-output", f"Two outputs are called {twice!r}.", hint="give one of them another alias."
        )
    roles: dict[str, str] = {}
    wanted: list[tuple[str, str, Sequence[str]]] = [
        ("passthrough", "passthrough", config.passthrough),
        ("weight", "weight", (config.weight,) if config.weight else ()),
        ("label", "label", (config.label,) if config.label else ()),
        ("keys", "key", config.keys),
    ]
    for key, role, listed in wanted:
        for name in listed:
            if name.casefold() not in folded:
                raise ProjectError(
                    "missing-output", f"{key} names {name!r}, which is no output of this SELECT.",
                    hint=did_you_mean(name, [n for n in names if n]),
                )  # fmt: skip
            roles[folded[name.casefold()]] = role
    if as_of.casefold() not in folded:
        raise ProjectError(
            "missing-output", f"The as-of time {as_of!r} must be an output under its name.",
            hint=f"add {as_of} to the list.",
        )  # fmt: skip
    roles[folded[as_of.casefold()]] = "as_of"
    return tuple(Output(n.name, "", roles.get(n.name, "input"), None, n.feature) for n in outputs)


def _needed(
    select: LastSelect, planner: _Planner, named: Sequence[_Named], outputs: Sequence[Output]
) -> tuple[str, ...]:
    """The label columns that a request must carry: what lookups are keyed by and what inputs are computed from."""
    needed: dict[str, None] = {}

    def use(tree: exp.Expr) -> None:
        for column in tree.find_all(exp.Column):
            own = planner.labels.column(column.name)
            if own is not None and own != planner.labels.time.event_time:
                needed.setdefault(own)

    for lookup in planner.lookups.plan():
        for _, sql in lookup.keys:
            use(last_select(f"select {sql}").tree)
    for entry, output in zip(named, outputs, strict=True):
        if output.role == "input":
            use(entry.item.tree)
    return tuple(needed)


def _longer(one: object, other: object) -> bool:
    days = 31 * 86_400_000_000
    return _size(one, days) > _size(other, days)


def _size(duration: object, month: int) -> int:
    months: int = getattr(duration, "months", 0)
    microseconds: int = getattr(duration, "microseconds", 0)
    return months * month + microseconds
