"""One model bound to its parents: columns and types as the engine says them, time facts, window and lookup plans.

The engine's word is asked for every SELECT as it will run; whatever it refuses becomes an error at the template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlfeat.base.names import did_you_mean, quote
from sqlfeat.compiler import point_in_time, windows
from sqlfeat.compiler.catalog import Catalog, SqlProblem
from sqlfeat.compiler.manifest import Column, CompiledModel, Output, TimeFacts, TrainingSetPlan, WindowView
from sqlfeat.compiler.parse import UnreadableSql, one_statement
from sqlfeat.compiler.point_in_time import LabelRelation, UnplannableFeature
from sqlfeat.compiler.rewriting import Rewritten
from sqlfeat.compiler.time import facts_of_model
from sqlfeat.errors import Place, ProjectError

_CODES = {
    "syntax": "sql-syntax", "column": "missing-column", "table": "missing-table", "function": "sql-function",
    "type": "sql-type", "other": "sql-error",
}  # fmt: skip
_NUMERIC = (
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL",
)  # fmt: skip


class Binder:
    """Binds models in DAG order; what is above a model has been bound before."""

    def __init__(
        self,
        catalog: Catalog,
        models: Mapping[str, CompiledModel],
        source_time: Mapping[str, TimeFacts],
        columns: Mapping[str, tuple[Column, ...]],
    ) -> None:
        self.catalog = catalog
        self.models = models
        self.source_time = source_time
        self.columns = columns

    def bind(self, model: CompiledModel) -> tuple[CompiledModel, str | None]:
        """The model with columns, time facts and plan, and a warning if its time facts call for one.

        Raises:
            ProjectError: what is wrong, at its place in the template.
        """
        try:
            model = replace(model, sql=one_statement(model.sql))
            self._refuse_calls(model)
            if model.materialized == "training_set":
                return self._training_set(model), None
            return self._relation(model)
        except UnreadableSql as error:
            place = model.source_map.place(error.offset, error.length) or model.place()
            raise ProjectError("sql-grammar", _sentence(error.what), place, error.hint) from error

    def _refuse_calls(self, model: CompiledModel) -> None:
        for call in model.features:
            if model.materialized != "training_set":
                where = _token_place(model, call.token, "feature")
                raise ProjectError("feature-outside", "feature() is for training sets only.", where)
        for window in model.windows:
            if model.materialized != "feature_view":
                where = _token_place(model, window.token, "window")
                hint = "give the model materialized='feature_view' with entity and event_time."
                raise ProjectError("window-outside", "window() is for feature views only.", where, hint)

    # -- relations -------------------------------------------------------------------------------------------------

    def _relation(self, model: CompiledModel) -> tuple[CompiledModel, str | None]:
        text = windows.describable(model.sql, model.windows)
        columns = self._describe(text, model)
        for key in model.keys:
            if key.casefold() not in {column.name.casefold() for column in columns}:
                hint = did_you_mean(key, [column.name for column in columns])
                what = f"The entity {model.config.entity!r} has the key {key!r}, and {model.name} has no such column."
                raise ProjectError("missing-column", what, model.place("entity"), hint)
        facts, warning = facts_of_model(
            model.name, model.config, columns, self._parent_times(model), model.sql, model.places, model.place()
        )
        model = replace(model, columns=columns, time=facts)
        if model.windows:
            model = replace(model, window_view=self._window_view(model))
        return model, warning

    def _window_view(self, model: CompiledModel) -> WindowView:
        try:
            view = windows.take_apart(model.sql, model.windows)
        except windows.BadAggregate as error:
            call = next((c for c in model.windows if c.aggregate.strip() in str(error)), model.windows[0])
            raise ProjectError(
                "bad-window", _sentence(str(error)), _token_place(model, call.token, "window")
            ) from error
        events = self._describe(Rewritten(view.events), model)
        kept = {argument.column for argument in view.arguments}
        view = replace(
            view,
            plain=tuple(column.name for column in events if column.name not in kept),
            order=model.column_names,
        )
        lost = [
            name for name in self._event_columns(model) if name.casefold() not in {p.casefold() for p in view.plain}
        ]
        if lost:
            what = f"{lost[0]!r} says when or about what an event is, so it cannot be a window itself."
            raise ProjectError("bad-window", what, model.place())
        return view

    def _event_columns(self, model: CompiledModel) -> Sequence[str]:
        time = model.time
        named = (time.event_time, time.available_at, *time.tie_breaker, *time.unique_key, *model.keys)
        return [name for name in named if name]

    def _parent_times(self, model: CompiledModel) -> dict[str, TimeFacts]:
        times = {}
        for parent in model.parents:
            if parent in self.source_time:
                times[parent] = self.source_time[parent]
            elif parent.startswith("model."):
                times[parent] = self.models[parent.removeprefix("model.")].time
        return times

    # -- training sets ---------------------------------------------------------------------------------------------

    def _training_set(self, model: CompiledModel) -> CompiledModel:
        labels = self._labels(model)
        try:
            plan = point_in_time.plan_training_set(model.sql, model.config, model.features, labels, self.models)
        except UnplannableFeature as error:
            call = next(call for call in model.features if call.token == error.token)
            word = call.column if error.code == "unknown-feature" else call.view
            raise ProjectError(error.code, error.what, _token_place(model, error.token, word), error.hint) from error
        except ProjectError as error:
            error.where = error.where or model.place(_named_key(error))
            raise
        self._check_keys(model, plan)
        columns = self._describe(plan.select, model, {plan.labels: self._assembled(plan)})
        if len(columns) != len(plan.outputs):
            raise ProjectError("sql-grammar", "The outputs of this SELECT cannot be told apart.", model.place())
        outputs = tuple(
            self._typed(model, output, column) for output, column in zip(plan.outputs, columns, strict=True)
        )
        return replace(
            model,
            training_set=replace(plan, outputs=outputs),
            columns=tuple(Column(output.name, output.type) for output in outputs),
            time=TimeFacts(event_time=plan.as_of),
        )

    def _labels(self, model: CompiledModel) -> LabelRelation:
        node = point_in_time.label_node(model.sql)
        if node.startswith("source."):
            return LabelRelation(node, self.columns[node], self.source_time[node])
        name = node.removeprefix("ref.")
        if name not in self.models:
            return LabelRelation(node, self.columns[f"seed.{name}"], TimeFacts())
        label_model = self.models[name]
        return LabelRelation(node, label_model.columns, label_model.time)

    def _assembled(self, plan: TrainingSetPlan) -> list[Column]:
        """The relation that the SELECT runs over: the label columns and a struct for each lookup."""
        columns = list(plan.label_columns)
        for lookup in plan.lookups:
            view = self.models[lookup.view]
            types = {column.name: column.type for column in view.columns}
            fields = ", ".join(f"{quote(name)} {types[name]}" for name in lookup.columns)
            columns.append(Column(lookup.name, f"STRUCT({fields})"))
        return columns

    def _check_keys(self, model: CompiledModel, plan: TrainingSetPlan) -> None:
        """The SQL of every key can be evaluated, and compares with the view's key by equality of like with like."""
        relation = next(iter(_tokens_of(plan)), "")
        alias = f" as {quote(plan.alias)}" if plan.alias else ""
        for lookup in plan.lookups:
            if not lookup.keys:
                continue
            items = ", ".join(sql for _, sql in lookup.keys)
            call = next(call for call in model.features if call.view == lookup.view)
            try:
                found = self.catalog.describe(
                    f"select {items} from {relation}{alias}", {plan.labels: self._assembled(plan)}
                )
            except SqlProblem as problem:
                where = _token_place(model, call.token, problem.name or lookup.view)
                raise ProjectError(_CODES[problem.kind], _sentence(problem.what), where, _hint(problem)) from problem
            types = {column.name: column.type for column in self.models[lookup.view].columns}
            for (key, _), column in zip(lookup.keys, found, strict=True):
                own = next(type_ for name, type_ in types.items() if name.casefold() == key.casefold())
                if (own == "VARCHAR") != (column.type == "VARCHAR") and not {own[:4], column.type[:4]} & {
                    "ENUM",
                    "UUID",
                }:
                    what = f"The key {key!r} of {lookup.view} is {own}, and what it is looked up by is {column.type}."
                    where = _token_place(model, call.token, lookup.view)
                    raise ProjectError("key-type", what, where, "cast one of them in its model, or in on={…}.")

    def _typed(self, model: CompiledModel, output: Output, column: Column) -> Output:
        name = output.name or column.name
        type_name = _leaving(column.type)
        if output.role != "input":
            return replace(output, name=name, type=type_name)
        if type_name == "VARCHAR" or type_name.startswith("ENUM"):
            return replace(output, name=name, type=type_name, kind="categorical")
        if type_name.startswith(_NUMERIC) and "[" not in type_name:
            return replace(output, name=name, type=type_name, kind="numeric")
        offset = model.sql.find(name)
        place = model.source_map.place(offset, len(name)) if offset >= 0 else None
        raise ProjectError(
            "input-type",
            f"The output {name!r} is {type_name}, which is no model input.",
            place or model.place(),
            "cast it to a number or to text, or list it under passthrough=[…].",
        )

    # -- what the engine says --------------------------------------------------------------------------------------

    def _describe(
        self, text: Rewritten, model: CompiledModel, instead: Mapping[str, Sequence[Column]] | None = None
    ) -> tuple[Column, ...]:
        try:
            return self.catalog.describe(text.text, instead)
        except SqlProblem as problem:
            place: Place | None = None
            if problem.offset is not None:
                place = model.source_map.place(text.before(problem.offset), problem.length, problem.name)
            code = _CODES[problem.kind]
            raise ProjectError(code, _sentence(problem.what), place or model.place(), _hint(problem)) from problem


def _tokens_of(plan: TrainingSetPlan) -> list[str]:
    from_text = plan.select.text
    start = from_text.find('"sqlfeat:')
    end = from_text.find('"', from_text.find('"."', start) + 3) + 1
    return [from_text[start:end]] if start >= 0 else []


def _token_place(model: CompiledModel, token: str, word: str) -> Place:
    offset = model.sql.find(token)
    return (model.source_map.place(offset, len(token), word) if offset >= 0 else None) or model.place()


def _named_key(error: ProjectError) -> str | None:
    first = error.what.split(" ", 1)[0]
    return first if first in ("keys", "label", "weight", "passthrough") else None


def _hint(problem: SqlProblem) -> str | None:
    if problem.name and problem.candidates and problem.kind in ("column", "table"):
        return did_you_mean(problem.name, [candidate.split(".")[-1] for candidate in problem.candidates])
    return None


def _leaving(type_name: str) -> str:
    """The type that an output leaves with: HUGEINT as DECIMAL(38,0), instants as TIMESTAMPTZ."""
    if type_name in ("HUGEINT", "UHUGEINT"):
        return "DECIMAL(38,0)"
    return "TIMESTAMP WITH TIME ZONE" if type_name.startswith("TIMESTAMP") else type_name


def _sentence(text: str) -> str:
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
