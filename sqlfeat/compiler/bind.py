"""One model bound to its parents: columns and types as the engine says them, time facts, window and lookup plans.

The engine's word is asked for every SELECT as it will run; whatever it refuses becomes an error at the template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlfeat.base.names import did_you_mean, quote
from sqlfeat.compiler import point_in_time, transforms, windows
from sqlfeat.compiler.algebra import Relation
from sqlfeat.compiler.catalog import Catalog, SqlProblem
from sqlfeat.compiler.fitted_select import UnplannableTransform, names_in, tokens_in, with_tokens
from sqlfeat.compiler.lookups import LabelRelation, UnplannableFeature
from sqlfeat.compiler.manifest import (
    Column,
    CompiledModel,
    CompiledTest,
    Lookup,
    Output,
    TimeFacts,
    TrainingSetPlan,
    Transform,
    TransformCall,
    WindowView,
)
from sqlfeat.compiler.mistakes import sentence
from sqlfeat.compiler.parse import (
    UnparsableSql,
    UnreadableSql,
    UnreadableText,
    last_select,
    one_statement,
    words,
)
from sqlfeat.compiler.point_in_time import Planned
from sqlfeat.compiler.refusals import refusal, told
from sqlfeat.compiler.resolve import Unresolved, resolve
from sqlfeat.compiler.rewriting import Edit, Rewritten, token_of
from sqlfeat.compiler.source_map import SourceMap
from sqlfeat.compiler.time import facts_of_model
from sqlfeat.errors import Place, ProjectError

_FLOATS = ("FLOAT", "DOUBLE")
_NUMERIC = (
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL",
)  # fmt: skip


class Binder:
    """Binds models in DAG order; what is above a model has been bound before.

    ``calls`` says of the bare name of a relation how a template names it.
    """

    def __init__(
        self,
        catalog: Catalog,
        models: Mapping[str, CompiledModel],
        source_time: Mapping[str, TimeFacts],
        columns: Mapping[str, tuple[Column, ...]],
        calls: Mapping[str, str],
    ) -> None:
        self.catalog = catalog
        self.models = models
        self.source_time = source_time
        self.columns = columns
        self.calls = calls

    def bind(self, model: CompiledModel) -> CompiledModel:
        """The model with columns, time facts and plan.

        Raises:
            ProjectError: what is wrong, at its place in the template.
        """
        try:
            model = self._readable(model)
            self._refuse_calls(model)
            if model.materialized == "training_set":
                return self._training_set(model)
            return self._relation(model)
        except UnreadableSql as error:
            place = model.source_map.place(error.offset, error.length) or model.place()
            raise ProjectError(error.code, sentence(error.what), place, error.hint) from error

    def _readable(self, model: CompiledModel) -> CompiledModel:
        """The model as one statement, with the windows and features only that stand in code, not in a comment."""
        try:
            sql = one_statement(model.sql)
        except UnreadableText:
            self._describe(Rewritten(model.sql), model)  # DuckDB says where it was that something did not end
            raise
        code = words(sql)
        made = {call.token for call in model.transforms if call.token in code}
        for made_of in reversed(model.transforms):  # what a transform reads may be another one, made before it
            if made_of.token in made:
                made |= {*tokens_in(made_of.argument)}
        arguments = " ".join(call.argument for call in model.transforms if call.token in made)
        used = {call.token for call in model.features if call.token in code or call.token in arguments}
        for call in reversed(model.features):  # a feature's key may be another one, made before it
            if call.token in used:
                used |= {other.token for other in model.features for _, key in call.on if other.token in key}
        return replace(
            model,
            sql=sql,
            windows=tuple(call for call in model.windows if call.token in code),
            features=tuple(call for call in model.features if call.token in used),
            transforms=tuple(call for call in model.transforms if call.token in made),
        )

    def _refuse_calls(self, model: CompiledModel) -> None:
        for parent in model.parents:
            name = parent.removeprefix("model.")
            if parent.startswith("model.") and self.models[name].materialized == "training_set":
                what = f"{name!r} is a training set, whose rows lie in files of their own and not in the target."
                where = model.place_of_call(f"ref.{name}", name)
                raise ProjectError("training-set-ref", what, where, "read the models that it reads.")
        for call in model.features:
            if model.materialized != "training_set":
                where = model.place_of_call(call.token, "feature")
                raise ProjectError("feature-outside", "feature() is for training sets only.", where)
        for transform in model.transforms:
            if model.materialized != "training_set":
                where = model.place_of_call(transform.token, transform.kind)
                what = f"{transform.kind}() is fitted on the train split, so it is for training sets only."
                raise ProjectError("transform-outside", what, where, "move it into the list of the training set.")
        for window in model.windows:
            if model.materialized != "feature_view":
                where = model.place_of_call(window.token, "window")
                hint = "give the model materialized='feature_view' with entity and event_time."
                raise ProjectError("window-outside", "window() is for feature views only.", where, hint)

    # -- relations -------------------------------------------------------------------------------------------------

    def _relation(self, model: CompiledModel) -> CompiledModel:
        view = self._taken_apart(model) if model.windows else None
        columns = self._describe(windows.describable(model.sql, model.windows), model)
        _refuse_twins(model, columns)
        for key in model.keys:
            if key.casefold() not in {column.name.casefold() for column in columns}:
                hint = did_you_mean(key, [column.name for column in columns])
                what = f"The entity {model.config.entity!r} has the key {key!r}, and {model.name} has no such column."
                raise ProjectError("missing-column", what, model.place("entity"), hint)
        facts = facts_of_model(
            model.name, model.config, columns, self._parent_times(model), model.sql, model.places, model.place(),
            lambda: self._read(model),
        )  # fmt: skip
        model = replace(model, columns=columns, time=facts)
        if model.windows:
            view = view or windows.take_apart(model.sql, model.windows)
            model = replace(model, window_view=self._window_view(model, view))
        return model

    def _read(self, model: CompiledModel) -> Relation | None:
        """What a SELECT means, column by column, where that can be told."""
        columns = {parent.replace("model.", "ref.", 1): self.columns[parent] for parent in model.parents}
        columns |= {f"ref.{parent[5:]}": self.columns[parent] for parent in model.parents if parent.startswith("seed.")}
        try:
            return resolve(windows.describable(model.sql, model.windows).text, columns)
        except Unresolved:
            return None

    def _taken_apart(self, model: CompiledModel) -> WindowView | None:
        """The windows of a SELECT; nothing where only the engine can say what is wrong with it."""
        try:
            return windows.take_apart(model.sql, model.windows)
        except windows.BadAggregate as error:
            where = model.place_of_call(error.token, error.word or "window")
            raise ProjectError("bad-window", sentence(str(error)), where, error.hint) from error
        except UnparsableSql:
            return None

    def _window_view(self, model: CompiledModel, view: WindowView) -> WindowView:
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
            raise ProjectError("bad-window", what, model.place_of_call(model.windows[0].token, "window"))
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
            planned = point_in_time.plan_training_set(
                model.sql, model.config, model.features, labels, self.models, model.transforms
            )
        except (UnplannableFeature, UnplannableTransform) as error:
            where = model.place_of_call(error.token, error.word)
            raise ProjectError(error.code, error.what, where, error.hint) from error
        except ProjectError as error:
            error.where = error.where or model.place(_named_key(error))
            raise
        plan = planned.plan
        plan = replace(plan, lookups=self._comparable_keys(model, planned))
        plan = self._with_transforms(plan, model, planned) if planned.reads else plan
        columns = self._describe(plan.select, model, {plan.labels: self._assembled(plan)})
        if len(columns) != len(plan.outputs):
            raise ProjectError("sql-grammar", "The outputs of this SELECT cannot be told apart.", model.place())
        outputs = []
        for output, column, (start, length) in zip(plan.outputs, columns, planned.stretches, strict=True):
            outputs.append(_typed(output, column, start, length))
        model = replace(
            model,
            training_set=replace(plan, outputs=tuple(outputs)),
            columns=tuple(Column(output.name, output.type) for output in outputs),
            time=TimeFacts(event_time=plan.as_of),
        )
        _refuse_twins(model, model.columns)
        _refuse_unencodable(model, outputs)
        return model

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

    def _comparable_keys(self, model: CompiledModel, planned: Planned) -> tuple[Lookup, ...]:
        """The lookups, with key SQL that can be evaluated and compares with the view's keys, like with like."""
        plan = planned.plan
        lookups = []
        kinds: dict[str, str] = {}
        alias = f" as {quote(plan.alias)}" if plan.alias else ""
        for lookup in plan.lookups:
            call = planned.calls[lookup.name]
            types = {column.name.casefold(): column.type for column in self.models[lookup.view].columns}
            keys = []
            for key, sql in lookup.keys:
                asked = f"select {sql} from {token_of(plan.labels)}{alias}"
                try:
                    if sql not in kinds:
                        kinds[sql] = self.catalog.describe(asked, {plan.labels: self._assembled(plan)})[0].type
                except SqlProblem as problem:
                    where = model.place_of_call(call.token, problem.name or sql)
                    raise told(problem, where) from problem
                own, found = types[key.casefold()], kinds[sql]
                if _family(own) != _family(found):
                    what = f"The key {key!r} of {lookup.view} is {own}, and what it is looked up by is {found}."
                    where = model.place_of_call(call.token, lookup.view)
                    raise ProjectError("key-type", what, where, "cast one of them in its model, or in on={…}.")
                keys.append((key, _exactly(sql, found, own)))
            lookups.append(replace(lookup, keys=tuple(keys)))
        return tuple(lookups)

    def _with_transforms(self, plan: TrainingSetPlan, model: CompiledModel, planned: Planned) -> TrainingSetPlan:
        """The plan with its transforms, and with an expression of the right type in the place of each."""
        made: list[Transform] = []
        instead: dict[str, str] = {}
        for read in planned.reads:
            call, sql = read.call, with_tokens(read.sql, instead)
            try:
                if call.kind == "fitted":
                    windows.taken_apart(read.sql, call.token)
                given = self._type_of(sql, plan, model, call)
                gives = transforms.result_type(call.kind, dict(call.options), given)
            except (transforms.BadArgument, windows.BadAggregate) as error:
                where = model.place_of_call(call.token, call.argument)
                hint = error.hint and error.hint.replace("window()", "fitted()")
                what = sentence(str(error)) if isinstance(error, windows.BadAggregate) else f"{error}."
                raise ProjectError("bad-transform", what, where, hint) from error
            instead[call.token] = transforms.stand_in(
                call.kind, gives, ", ".join(names_in(sql)) if call.kind == "fitted" else sql
            )
            made.append(Transform(call, read.sql, given, gives, read.level, planned.uses[call.token]))
        found = re.finditer("|".join(instead), model.sql)
        edits = [Edit(match.start(), match.end(), f"({instead[match[0]]})") for match in found]
        select = Rewritten.apply(model.sql, [*plan.select.edits, *edits])
        return replace(plan, select=select, open=plan.select.text, transforms=tuple(made))

    def _type_of(self, sql: str, plan: TrainingSetPlan, model: CompiledModel, call: TransformCall) -> str:
        """The type of what a transform reads, as the engine says it."""
        alias = f" as {quote(plan.alias)}" if plan.alias else ""
        try:
            return self.catalog.describe(
                f"select {sql} from {token_of(plan.labels)}{alias}", {plan.labels: self._assembled(plan)}
            )[0].type
        except SqlProblem as problem:
            raise told(problem, model.place_of_call(call.token, problem.name or call.argument)) from problem

    # -- what the engine says --------------------------------------------------------------------------------------

    def _describe(
        self, text: Rewritten, model: CompiledModel, instead: Mapping[str, Sequence[Column]] | None = None
    ) -> tuple[Column, ...]:
        try:
            return self.catalog.describe(text.text, instead)
        except SqlProblem as problem:
            raise refusal(problem, text, model.source_map, model.place(), self.calls) from problem


def bind_test(test: CompiledTest, catalog: Catalog) -> CompiledTest:
    """The test as one statement that the engine accepts.

    Raises:
        ProjectError: what is wrong, at its place: in a file of its own, or where a .yml declares it.
    """
    fallback = test.spec.place if test.spec else Place(test.path)
    source_map = test.source_map or SourceMap("", (), {})
    try:
        try:
            sql = one_statement(test.sql)
        except UnreadableText:
            catalog.describe(test.sql)
            raise
        catalog.describe(sql)
    except UnreadableSql as error:
        place = source_map.place(error.offset, error.length) or fallback
        raise ProjectError(error.code, sentence(error.what), place, error.hint) from error
    except SqlProblem as problem:
        raise refusal(problem, Rewritten(test.sql), source_map, fallback, {}) from problem
    return replace(test, sql=sql)


def _refuse_twins(model: CompiledModel, columns: Sequence[Column]) -> None:
    """Two columns of one name: the engine would only say so when it makes the table."""
    seen: set[str] = set()
    for index, column in enumerate(columns):
        if column.name.casefold() in seen:
            raise UnreadableSql(
                f"two columns are called {column.name!r}",
                *_stretch(model.sql, index, len(columns)),
                "give one of them another alias, or leave it out.",
                code="duplicate-column",
            )
        seen.add(column.name.casefold())


def _refuse_unencodable(model: CompiledModel, outputs: Sequence[Output]) -> None:
    """target_encode() is of a label that is a number, or true or false."""
    label = next((output for output in outputs if output.role == "label"), None)
    for call in model.transforms:
        if call.kind != "target_encode" or (label is not None and transforms.is_number(label.type)):
            continue
        what = f"target_encode() takes means of the label, and {label.name!r} is {label.type}." if label else (
            "target_encode() takes means of the label, and this training set has none."
        )  # fmt: skip
        hint = "make it true or false in the label model." if label else "say which output it is: config(label='…')."
        raise ProjectError("bad-transform", what, model.place_of_call(call.token, call.kind), hint)


def _stretch(sql: str, index: int, of: int) -> tuple[int, int]:
    """Offset and length of an item of the last SELECT, where it can be told."""
    try:
        items = last_select(sql).items
    except UnreadableSql:
        return 0, 1
    if len(items) != of:
        star = next((item for item in items if item.text.endswith("*")), items[-1])
        return star.start, len(star.text)
    return items[index].start, len(items[index].text)


def _typed(output: Output, column: Column, start: int, length: int) -> Output:
    """The output with its name and type, and how a model takes it."""
    name = output.name or column.name
    type_name = _leaving(column.type)
    if "INTERVAL" in type_name:
        what = f"the output {name!r} is {type_name}, which Parquet cannot hold"
        raise UnreadableSql(what, start, length, "make it a number: epoch(…) gives seconds.", code="output-type")
    if output.role != "input":
        return replace(output, name=name, type=type_name)
    if type_name == "VARCHAR" or type_name.startswith("ENUM"):
        return replace(output, name=name, type=type_name, kind="categorical")
    if type_name.startswith(_NUMERIC) and "[" not in type_name:
        return replace(output, name=name, type=type_name, kind="numeric")
    what = f"the output {name!r} is {type_name}, which is no model input"
    hint = "cast it to a number or to text, or list it under passthrough=[…]."
    raise UnreadableSql(what, start, length, hint, code="input-type")


def _family(type_name: str) -> str:
    """What compares with what: numbers with numbers, texts with texts, instants with instants."""
    if "[" in type_name or type_name.startswith(("STRUCT", "MAP")):
        return type_name
    if type_name.startswith(("VARCHAR", "ENUM", "UUID")):
        return "text"
    if type_name.startswith(("TIMESTAMP", "DATE")):
        return "time"
    return "number" if type_name.startswith(_NUMERIC) and type_name != "BOOLEAN" else type_name


def _exactly(sql: str, found: str, own: str) -> str:
    """A key's SQL as the view's type, where DuckDB would compare in one that rounds, or that not all texts are of."""
    if {found, own} == {"VARCHAR", "UUID"}:
        return f"try_cast({sql} as {own})"
    if (found in _FLOATS) == (own in _FLOATS) or "number" not in (_family(found), _family(own)):
        return sql
    return f"case when try_cast(try_cast({sql} as {own}) as {found}) = {sql} then try_cast({sql} as {own}) end"


def _named_key(error: ProjectError) -> str | None:
    first = error.what.split(" ", 1)[0]
    return first if first in ("keys", "label", "weight", "passthrough") else None


def _leaving(type_name: str) -> str:
    """The type that an output leaves with: HUGEINT as DECIMAL(38,0), instants as TIMESTAMPTZ."""
    if type_name in ("HUGEINT", "UHUGEINT"):
        return "DECIMAL(38,0)"
    if type_name.endswith("[]"):
        return f"{_leaving(type_name.removesuffix('[]'))}[]"
    return "TIMESTAMP WITH TIME ZONE" if type_name.startswith("TIMESTAMP") else type_name
