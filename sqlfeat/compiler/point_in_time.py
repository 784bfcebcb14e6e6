"""A training set's SELECT to a logical plan: label rows, lookups of feature views, and the SELECT over both.

What is asked is known after this; how the rows are found is the engine's. The author's text stays as it is, but for
the ``feature()`` tokens, which become fields of the struct that each lookup adds to the label rows; what transforms
read is found here, what becomes of them is told by ``fitted_select``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from sqlfeat.base.names import did_you_mean, quote
from sqlfeat.compiler.fitted_select import (
    FAMILY,
    Arguments,
    Read,
    UnplannableTransform,
    Written,
    label_columns_in,
    tokens_in,
)
from sqlfeat.compiler.lookups import LabelRelation, LookupPlanner
from sqlfeat.compiler.manifest import CompiledModel, FeatureCall, Output, TrainingSetPlan, TransformCall
from sqlfeat.compiler.parse import Item, LastSelect, UnreadableSql, last_select, node_of, references, tokenize
from sqlfeat.compiler.rewriting import Edit, Rewritten
from sqlfeat.errors import ProjectError
from sqlfeat.spec.config import ModelConfig

_FORBIDDEN_CLAUSES = {
    "where": "WHERE", "joins": "JOIN", "laterals": "LATERAL", "group": "GROUP BY", "having": "HAVING",
    "qualify": "QUALIFY", "order": "ORDER BY", "limit": "LIMIT", "offset": "OFFSET", "distinct": "DISTINCT",
    "with_": "WITH", "sample": "SAMPLE",
}  # fmt: skip
_MEND = "filter and join in the label model; the list here is scalar."


@dataclass(frozen=True)
class Planned:
    """A training set's plan, and what led to it: a call of each lookup, and the stretch of each output's text.

    The types of the outputs are empty until the engine has said them. ``reads`` says what transforms read, those first
    that others read, and ``uses`` in which outputs each takes part.
    """

    plan: TrainingSetPlan
    calls: Mapping[str, FeatureCall]
    stretches: tuple[tuple[int, int], ...]
    reads: tuple[Read, ...] = ()
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def label_node(sql: str) -> str:
    """The node id (``ref.NAME`` or ``source.SOURCE.TABLE``) that a training set's FROM names.

    Raises:
        UnreadableSql: the SELECT is not of the grammar, or its one FROM relation is no ``ref()`` or ``source()``.
    """
    select = last_select(sql)
    _refuse_clauses(select)
    node = node_of(select.tree.args["from_"].this)
    if node is None:
        raise UnreadableSql(_ONE_RELATION, *select.clause("FROM"))
    for other, start, end in references(sql):
        if other != node:
            raise UnreadableSql(_ONE_RELATION, start, end - start, _MEND)
    return node


_ONE_RELATION = "a training set selects from one ref() or source(), its label rows, and from nothing else"


def plan_training_set(
    sql: str,
    config: ModelConfig,
    calls: Sequence[FeatureCall],
    labels: LabelRelation,
    views: Mapping[str, CompiledModel],
    transforms: Sequence[TransformCall] = (),
) -> Planned:
    """The logical plan of a training set whose FROM :func:`label_node` has read.

    Raises:
        UnreadableSql: the SELECT is not of the grammar (LANGUAGE, 2.2).
        UnplannableFeature: a feature does not exist or has no key to be found by.
        UnplannableTransform: a transform reads what it may not, or what is not there.
        ProjectError: an output that the config names is missing (its place is still to be given).
    """
    select = last_select(sql)
    planner = LookupPlanner(calls, labels, views)
    families = {call.token for call in transforms if call.kind == "one_hot"}
    edits, outputs = [], []
    for item in select.items:
        made, named = _outputs_of(item, planner, families)
        edits += made
        outputs += named
    as_of = labels.time.event_time
    if as_of is None:
        _, start, end = next(found for found in references(sql) if found[0] == labels.node)
        raise UnreadableSql(
            f"the label relation {labels.node.split('.', 1)[1]!r} has no event_time", start, end - start,
            "say config(event_time='…') in the label model: the time at which a row asks for features.",
            code="no-as-of-time",
        )  # fmt: skip
    _refuse_twins(outputs)
    with_roles = _with_roles(outputs, config, as_of)
    relation = select.tree.args["from_"].this
    arguments = Arguments(
        {call.token: call for call in transforms},
        [Written(named.name, named.text, named.item) for named in outputs if named.name],
        planner,
        relation.alias or labels.node.rsplit(".", 1)[1],
    )
    uses = _uses(arguments, with_roles) if transforms else {}
    _refuse_leaks(arguments, uses, with_roles, as_of)
    plan = TrainingSetPlan(
        labels=labels.node,
        alias=relation.alias or None,
        as_of=as_of,
        select=Rewritten.apply(sql, edits),
        lookups=planner.lookups.plan(),
        outputs=with_roles,
        label_columns=labels.columns,
        needed=_needed(planner, outputs, with_roles, arguments, uses),
    )
    stretches = tuple((named.item.start, len(named.item.text)) for named in outputs)
    reads = tuple(sorted((arguments.read(token) for token in uses), key=lambda read: read.level))
    return Planned(plan, planner.lookups.calls, stretches, reads, uses)


def _refuse_clauses(select: LastSelect) -> None:
    for clause, spelled in _FORBIDDEN_CLAUSES.items():
        if select.tree.args.get(clause):
            raise UnreadableSql(f"a training set has no {spelled}", *select.clause(spelled), _MEND)
    source = select.tree.args.get("from_")
    if source is None or not isinstance(source.this, exp.Table):
        raise UnreadableSql(_ONE_RELATION, *select.clause("FROM"))
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
    if isinstance(node, exp.Star | exp.Columns):
        return "`*`: name the columns; feature('view.*') is for a feature view"
    return None


@dataclass(frozen=True)
class _Named:
    """An output before its role and type are known; ``text`` is its own, with tokens."""

    name: str
    item: Item
    feature: str | None
    text: str


def _outputs_of(item: Item, planner: LookupPlanner, families: Collection[str]) -> tuple[list[Edit], list[_Named]]:
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
        named = [_Named(name, item, f"{view}.{name.removeprefix(prefix)}", sql) for sql, name in columns]
        return [Edit(item.start, item.end, text)], named
    edits = []
    for token in tokens:
        if planner.calls[token].column == "*":
            raise UnreadableSql("`view.*` stands alone in the list", item.start, len(item.text))
        sql, name = planner.field_of(token), item.name
        if token == bare and not item.aliased:
            name = f"{planner.calls[token].prefix}{planner.resolve(token)[1]}"
            sql = f"{sql} as {quote(name)}"
        found = [item.start + match.start() for match in re.finditer(token, item.text)]
        edits += [Edit(start, start + len(token), sql) for start in found]
        if token == bare:
            view, column = planner.calls[token].view, planner.resolve(token)[1]
            return edits, [_Named(name, item, f"{view}.{column}", token)]
    if not tokens_in(item.text):
        return edits, [_Named(item.name, item, None, item.expression)]
    name, renamed = _name_of_transformed(item, families)
    return edits + renamed, [_Named(name, item, None, item.expression)]


def _name_of_transformed(item: Item, families: Collection[str]) -> tuple[str, list[Edit]]:
    """The name of an item with transforms; that of a one_hot stands for several outputs."""
    if not item.aliased:
        raise UnreadableSql("this transform has no name", item.start, len(item.text), "write `… as name` after it.")
    several = next((token for token in tokens_in(item.text) if token in families), None)
    if several is None:
        return item.name, []
    if item.expression != several:
        what = "a one_hot() is several outputs, and stands alone in the list"
        raise UnreadableSql(what, item.start, len(item.text), "ordinal() gives one number.", code="bad-transform")
    alias = tokenize(item.text)[-1]
    name = f"{item.name}{FAMILY}"
    return name, [Edit(item.start + alias.start, item.start + alias.end + 1, quote(name))]


def _uses(arguments: Arguments, outputs: Sequence[Output]) -> dict[str, tuple[str, ...]]:
    """The outputs that each transform takes part in, by itself or inside another one."""
    uses: dict[str, tuple[str, ...]] = {}
    written = {one.name: one for one in arguments.outputs}
    for output in outputs:
        waiting = tokens_in(arguments.expanded(written[output.name])) if output.name else []
        for token in waiting:
            if output.name not in uses.get(token, ()):
                uses[token] = (*uses.get(token, ()), output.name)
                waiting += tokens_in(arguments.read(token).sql)
    return uses


def _refuse_rows(call: TransformCall, sql: str) -> None:
    """Raise :class:`UnplannableTransform` where a transform reads more than one row; fitted() is of an aggregate."""
    for node in last_select(f"select {sql}").tree.expressions[0].walk():
        spelled = _forbidden_node(node)
        if spelled and not (call.kind == "fitted" and isinstance(node, exp.AggFunc | exp.Star)):
            what = f"The argument of {call.kind}() may have no {spelled.split(':')[0]}."
            hint = "{{ fitted('…') }} is an aggregate over the train split." if isinstance(node, exp.AggFunc) else _MEND
            raise UnplannableTransform(call.token, "bad-transform", what, hint, call.argument)


_ROLES = {"label": "the label", "weight": "the weight", "key": "a key", "as_of": "the as-of time"}


def _refuse_leaks(
    arguments: Arguments, uses: Mapping[str, Sequence[str]], outputs: Sequence[Output], as_of: str
) -> None:
    """Raise :class:`UnplannableTransform` where a transform makes what is no input, or reads the label."""
    roles = {output.name: output.role for output in outputs}
    made: dict[str, set[str]] = {"label": set(), "key": {as_of}, "as_of": {as_of}}
    for written in arguments.outputs if uses else ():
        if roles[written.name] in made:
            made[roles[written.name]] |= set(label_columns_in(arguments.expanded(written), arguments.planner))
    told = made["label"] - made["key"] - made["as_of"]
    for token, names in uses.items():
        call = arguments.calls[token]
        _refuse_rows(call, arguments.read(token).sql)
        other = next((name for name in names if roles[name] in _ROLES), None)
        if other is not None:
            what = f"{other!r} is {_ROLES[roles[other]]}, which {call.kind}() cannot make."
            raise UnplannableTransform(token, "transform-role", what, "transforms make model inputs.", call.kind)
        for name in label_columns_in(arguments.read(token).sql, arguments.planner):
            if name in told:
                what = f"{call.kind}() reads {name!r}, which the label is made of."
                hint = "target_encode() takes a category, and reads the label of the train split by itself."
                raise UnplannableTransform(token, "transform-label", what, hint, name)


def _refuse_twins(outputs: Sequence[_Named]) -> None:
    seen: set[str] = set()
    for named in outputs:
        if named.name and named.name.casefold() in seen:
            what, item = f"two outputs are called {named.name!r}", named.item
            hint = "give one of them another alias, or a prefix= to what comes from a view."
            raise UnreadableSql(what, item.start, len(item.text), hint, code="duplicate-output")
        seen.add(named.name.casefold())


def _with_roles(outputs: Sequence[_Named], config: ModelConfig, as_of: str) -> tuple[Output, ...]:
    names = [named.name for named in outputs]
    folded = {name.casefold(): name for name in names if name}
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
    planner: LookupPlanner,
    named: Sequence[_Named],
    outputs: Sequence[Output],
    arguments: Arguments,
    uses: Mapping[str, Sequence[str]],
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
    inputs = {output.name for output in outputs if output.role == "input"}
    for token, names in uses.items():
        if not inputs.isdisjoint(names):
            for own in label_columns_in(arguments.read(token).sql, planner):
                if own != planner.labels.time.event_time:
                    needed.setdefault(own)
    return tuple(needed)
