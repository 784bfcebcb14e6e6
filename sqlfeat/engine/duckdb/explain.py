"""Why a training row holds what it holds: the rows of each view around the one that was used, each with its reason.

The values are those of the training set itself: the one label row is assembled as all of them are. Beside that the
rule of TIME semantics, section 2, is read anew from the view's own table, as plainly as it is written there, and that
both say the same is asserted: an explanation of another row would be worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import Column, CompiledModel, Lookup, Manifest, TrainingSetPlan
from sqlfeat.compiler.rewriting import Rewritten, ref_token, source_token
from sqlfeat.engine.base import Assembled, RowsRequest
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.explain_windows import read_windows
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, Shape, asked_instant
from sqlfeat.engine.duckdb.naming import physical
from sqlfeat.engine.duckdb.records import finite, records
from sqlfeat.engine.explanation import (
    Explained,
    ExplainedColumn,
    ExplainedLookup,
    ExplainRequest,
    RowLookup,
    UnusedRow,
    ViewRow,
    WindowRead,
)
from sqlfeat.errors import RunError

SHOWN = 5
SHOWN_AFTER = 2
_HISTORY, _JUDGED = "sqlfeat_explain_history", "sqlfeat_explain_judged"
_TIME = "__sqlfeat_time"
_REASON = "__sqlfeat_reason"
_PLACE = "__sqlfeat_place"


class ExplainedRow:
    """One row being explained; ``assemble`` is how the engine makes training rows."""

    def __init__(
        self,
        connection: Connection,
        manifest: Manifest,
        model: CompiledModel,
        request: ExplainRequest,
        assemble: Callable[[CompiledModel, RowsRequest], Assembled],
    ) -> None:
        self._connection = connection
        self._manifest = manifest
        self._model = model
        self._plan = _plan(model)
        self._request = request
        self._assemble = assemble
        self._asked = ""

    def explained(self) -> Explained:
        """All outputs of the row, and every lookup that was asked about."""
        try:
            self._asked = f"temp.{self._assemble(self._widened(), RowsRequest(rows=self._request.row)).relation}"
            items = [f"cast({quote(o.name)} as {o.type}) as {quote(o.name)}" for o in self._plan.outputs]
            row = records(self._connection, f"select {finite(_TIME)} as {_TIME}, {', '.join(items)} from {self._asked}")
            as_of = row[0].pop(_TIME)
            lookups = tuple(self._lookup(lookup) for lookup in self._wanted())
            return Explained(as_of, row[0], lookups)
        finally:
            for name in (_HISTORY, _JUDGED):
                self._connection.execute(f"drop table if exists temp.{name}")

    @property
    def _time(self) -> str:
        """The as-of instant, in SQL."""
        return f"(select {_TIME} from {self._asked})"

    def _wanted(self) -> list[Lookup]:
        return [lookup for lookup in self._plan.lookups if lookup.name in self._request.columns]

    def _widened(self) -> CompiledModel:
        """The training set, whose one row also holds the as-of instant, all keys and all features by themselves."""
        extra = [f"{asked_instant(self._plan.as_of)} as {_TIME}"]
        for lookup in self._wanted():
            extra += [f"{sql} as {_key(lookup, i)}" for i, (_, sql) in enumerate(lookup.keys)]
            for name in self._request.columns[lookup.name]:
                extra.append(f"{lookup.name}.{quote(name)} as {_value(lookup, name)}")
        kind, name = self._plan.labels.split(".", 1)
        token = ref_token(name) if kind == "ref" else source_token(*name.split(".", 1))
        alias = f" as {quote(self._plan.alias)}" if self._plan.alias else ""
        text = (
            f"select o.*, x.* from (\n{self._plan.select.text}\n) as o, "
            f"(\nselect {', '.join(extra)} from {token}{alias}) as x"
        )
        columns = tuple(Column(output.name, output.type) for output in self._plan.outputs)
        return replace(self._model, columns=columns, training_set=replace(self._plan, select=Rewritten(text)))

    def _lookup(self, lookup: Lookup) -> ExplainedLookup:
        view = self._manifest.models[lookup.view]
        self._keep_history(lookup, view)
        windowed = {item.name: item for item in view.window_view.items} if view.window_view else {}
        names = self._request.columns[lookup.name]
        plain = [name for name in names if name not in windowed]
        items = [f"{_key(lookup, i)} as k{i}" for i in range(len(lookup.keys))]
        items += [f"{_value(lookup, name)} as v{i}" for i, name in enumerate(names)]
        found = records(self._connection, f"select {', '.join(items)} from {self._asked}")[0]
        keys = {key: found[f"k{i}"] for i, (key, _) in enumerate(lookup.keys)}
        columns = []
        for number, name in enumerate(names):
            read: tuple[WindowRead, ...] = ()
            if view.window_view and name in windowed:
                read = read_windows(
                    self._connection, view.window_view, windowed[name], f"temp.{_HISTORY}", self._time,
                    strict=lookup.strict,
                )  # fmt: skip
            columns.append(ExplainedColumn(name, found[f"v{number}"], read))
        ttl = lookup.ttl or view.time.ttl
        return ExplainedLookup(
            name=lookup.name,
            view=view.name,
            keys=keys,
            given=dict(lookup.keys),
            strict=lookup.strict,
            ttl=str(ttl) if ttl and view.time.event_time else None,
            columns=tuple(columns),
            row=self._row(lookup, view, plain, keys) if plain else None,
        )

    # -- the row that holds ----------------------------------------------------------------------------------------

    def _keep_history(self, lookup: Lookup, view: CompiledModel) -> None:
        """All rows of the view that have the key, with their instants and their place in the order of the rule."""
        conditions = [
            f"{quote(key)} = (select {_key(lookup, i)} from {self._asked})" for i, (key, _) in enumerate(lookup.keys)
        ]
        where = " and ".join(conditions) or "true"
        shape = _shape(view)
        times = "" if view.window_view else f", {shape.event} as {EVENT}, {shape.available} as {AVAILABLE}"
        relation = physical(view.name, view.fingerprint, "events" if view.window_view else "")
        ranked = (EVENT, AVAILABLE, *view.time.tie_breaker, *shape.remaining)
        order = ", ".join(f"{quote(column)} asc nulls first" for column in ranked)
        self._connection.execute(
            f"create or replace temp table {_HISTORY} as "
            f"select *, row_number() over (order by {order}) as {_PLACE} "
            f"from (select *{times} from {relation} where {where})"
        )

    def _row(self, lookup: Lookup, view: CompiledModel, plain: Sequence[str], keys: Mapping[str, Any]) -> RowLookup:
        self._connection.execute(f"create or replace temp table {_JUDGED} as\n{self._judged_sql(lookup, view)}")
        self._assert_same(lookup, plain)
        told = list(dict.fromkeys([*plain, *view.time.tie_breaker]))
        counts = dict(
            self._connection.execute(
                f"select {_REASON}, count(*) from temp.{_JUDGED} group by 1 order by count(*) desc, 1"
            )
        )
        counts.pop("used", None)
        older = int(counts.pop("older", 0))
        rows = self._rows(told)
        used = [row for row in rows if row.reason == "used"]
        after = [row for row in rows if row.reason == "after"][-SHOWN_AFTER:]
        others = [row for row in rows if row.reason not in ("used", "after")][: SHOWN - len(after)]
        return RowLookup(
            outcome="found" if used else self._outcome(keys, counts),
            row=used[0].row if used else None,
            unused=(*after, *others),
            counts=counts,
            older=older,
        )

    def _judged_sql(self, lookup: Lookup, view: CompiledModel) -> str:
        """Every row of the key with what became of it: ``used``, ``older``, or a reason (``explanation.REASONS``)."""
        time = self._time
        late = ">=" if lookup.strict else ">"
        ttl = lookup.ttl or view.time.ttl
        expired = f"{EVENT} < {time} - {ttl.sql()}" if ttl and view.time.event_time else "false"
        broken = " or ".join(f"h.{quote(c)} is distinct from u.{quote(c)}" for c in view.time.tie_breaker) or "false"
        usable = f"greatest(h.{EVENT}, h.{AVAILABLE})"
        return f"""with judged as (
    select *, case
        when {EVENT} is null or {AVAILABLE} is null then 'no-time'
        when {time} is null then 'older'
        when {EVENT} {late} {time} then 'after'
        when {AVAILABLE} {late} {time} then 'not-yet-known'
        when {expired} then 'expired' end as __sqlfeat_judged
    from temp.{_HISTORY}
),
used as (select * from judged where __sqlfeat_judged is null order by {_PLACE} desc limit 1)
select h.* exclude (__sqlfeat_judged), coalesce(
    case when h.__sqlfeat_judged <> 'expired' then h.__sqlfeat_judged end,
    case
        when h.{_PLACE} = u.{_PLACE} then 'used'
        when h.{EVENT} = u.{EVENT} and h.{AVAILABLE} = u.{AVAILABLE} and ({broken}) then 'tie-breaker'
        when h.{EVENT} = u.{EVENT} and h.{AVAILABLE} = u.{AVAILABLE} then 'tie'
        when h.{EVENT} = u.{EVENT} then 'superseded'
        when {usable} >= greatest(u.{EVENT}, u.{AVAILABLE}) then 'out-of-date'
        when u.{_PLACE} is not null then 'older' end,
    h.__sqlfeat_judged) as {_REASON}
from judged as h left join used as u on true"""

    def _rows(self, told: Sequence[str]) -> list[UnusedRow]:
        """The row that was used, the first that happened after, and the newest of the others; newest first."""
        values = "".join(f", {quote(name)} as v{i}" for i, name in enumerate(told))
        kind = f"case when {_REASON} in ('used', 'after') then {_REASON} end"
        nearness = f"case when {_REASON} = 'after' then {_PLACE} else -{_PLACE} end"
        found = records(
            self._connection,
            f"select {_REASON} as reason, {finite(EVENT)} as event, {finite(AVAILABLE)} as available{values} "
            f"from temp.{_JUDGED} where {_REASON} <> 'older' "
            f"qualify row_number() over (partition by {kind} order by {nearness}) <= {SHOWN} order by {_PLACE} desc",
        )
        return [
            UnusedRow(
                ViewRow(row["event"], row["available"], {name: row[f"v{i}"] for i, name in enumerate(told)}),
                row["reason"],
            )
            for row in found
        ]

    def _outcome(self, keys: Mapping[str, Any], counts: Mapping[str, int]) -> str:
        if None in keys.values():
            return "null-key"
        if self._connection.value(f"select {_TIME} is null from {self._asked}"):
            return "null-time"
        for reason, outcome in (("expired", "expired"), ("not-yet-known", "not-yet-known"), ("after", "too-early")):
            if counts.get(reason):
                return outcome
        return "no-history"

    def _assert_same(self, lookup: Lookup, plain: Sequence[str]) -> None:
        """The row that is about to be explained is the one whose values the training set holds."""
        differs = " or ".join(f"u.{quote(name)} is distinct from q.{_value(lookup, name)}" for name in plain)
        wrong = self._connection.value(
            f"select {differs} from {self._asked} as q "
            f"left join (select * from temp.{_JUDGED} where {_REASON} = 'used') as u on true"
        )
        if wrong:
            raise RunError(
                "explanation-differs",
                f"The training set {self._model.name} holds another row of {lookup.view} than the rule gives.",
                hint="this should not happen: please report it; `sqlfeat run --full-refresh` builds the view anew.",
            )


def _plan(model: CompiledModel) -> TrainingSetPlan:
    assert model.training_set is not None
    return model.training_set


def _shape(view: CompiledModel) -> Shape:
    return Shape(view.keys, view.time, view.window_view.plain if view.window_view else view.column_names)


def _key(lookup: Lookup, number: int) -> str:
    return f"{lookup.name}_key_{number}"


def _value(lookup: Lookup, name: str) -> str:
    return f"{lookup.name}_value_{lookup.columns.index(name)}"
