"""Which label rows are meant by a key: found by what the training set's own SELECT calls them.

A key is an output, so it may be an expression. The SELECT is run over the label rows with every feature null, which
costs no lookup; a key that is made of features cannot be found so, and none should be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import CompiledModel, Manifest, TrainingSetPlan
from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.records import records
from sqlfeat.engine.explanation import LabelRows

MATCHES = 5
"""How many of the rows are given whole."""
_LABELS, _KEYS, _MATCHED = (f"sqlfeat_asked_{part}" for part in ("labels", "keys", "matched"))


def label_rows(
    connection: Connection,
    name_of: Callable[[str], str],
    manifest: Manifest,
    model: CompiledModel,
    where: Mapping[str, str | None],
) -> LabelRows:
    """The label rows whose outputs have these values, given as text and compared as what they are.

    ``name_of`` gives the label relation's physical name.
    """
    plan = model.training_set
    assert plan is not None
    identity = [output.name for output in plan.outputs if output.role in ("key", "as_of") or output.name in where]
    try:
        connection.execute(f"create or replace temp table {_LABELS} as select * from {name_of(plan.labels)}")
        text = with_relations(plan.select.text, lambda node: _without_features(plan, manifest)).text
        types = {output.name: output.type for output in plan.outputs}
        named = ", ".join(f"cast({quote(name)} as {types[name]}) as k{i}" for i, name in enumerate(identity))
        connection.execute(f"create or replace temp table {_KEYS} as select {named} from (\n{text}\n)")
        conditions = [_equals(f"k.k{identity.index(name)}", types[name], value) for name, value in where.items()]
        connection.execute(
            f"create or replace temp table {_MATCHED} as select * from temp.{_LABELS} as r "
            f"positional join (select {', '.join(f'k{i} as __sqlfeat_k{i}' for i in range(len(identity)))}, "
            f"{' and '.join(conditions)} as __sqlfeat_match from temp.{_KEYS} as k) where __sqlfeat_match"
        )
        return _matched(connection, plan, model, identity)
    finally:
        for name in (_LABELS, _KEYS, _MATCHED):
            connection.execute(f"drop table if exists temp.{name}")


def _matched(connection: Connection, plan: TrainingSetPlan, model: CompiledModel, identity: Sequence[str]) -> LabelRows:
    own = [column.name for column in plan.label_columns]
    first = [plan.as_of, *(key for key in model.config.keys if key in own and key != plan.as_of)]
    order = ", ".join(f"{quote(name)} asc nulls first" for name in [*first, *(n for n in own if n not in first)])
    columns = ", ".join(quote(name) for name in own)
    keys = ", ".join(f"__sqlfeat_k{i} as {quote(name)}" for i, name in enumerate(identity))
    count = int(connection.value(f"select count(*) from temp.{_MATCHED}"))
    rows = connection.arrow(f"select {columns} from temp.{_MATCHED} order by {order} limit {MATCHES}")
    found = records(connection, f"select {keys} from temp.{_MATCHED} order by {order} limit {MATCHES}")
    examples: Sequence[Mapping[str, Any]] = ()
    if not count:
        texts = ", ".join(
            f"cast(k{i} as varchar) as {quote(name)}" for i, name in enumerate(identity) if name in model.config.keys
        )
        examples = records(connection, f"select distinct {texts} from temp.{_KEYS} order by all limit 3")
    return LabelRows(count, rows, found, examples)


def _without_features(plan: TrainingSetPlan, manifest: Manifest) -> str:
    """The label rows as the relation that the SELECT runs over, every feature null: what a row is called needs none."""
    structs = []
    for lookup in plan.lookups:
        types = {column.name: column.type for column in manifest.models[lookup.view].columns}
        fields = ", ".join(f"{quote(name)} {types[name]}" for name in lookup.columns)
        structs.append(f", cast(null as struct({fields})) as {lookup.name}")
    alias = "" if plan.alias else f" as {quote(plan.labels.rsplit('.', 1)[1])}"
    return f"(select *{''.join(structs)} from temp.{_LABELS}){alias}"


def _equals(column: str, type_: str, value: str | None) -> str:
    if value is None:
        return f"{column} is null"
    text = literal(value)
    return f"coalesce({column} = try_cast({text} as {type_}) or cast({column} as varchar) = {text}, false)"
