"""Explain a row of a training set: which source rows its values come from, and why not newer ones.

What is above the training set is made first where it is missing, as building it would; so what is explained is what
building it now gives.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from sqlfeat.base.names import did_you_mean
from sqlfeat.compiler.fitted_select import is_transformed
from sqlfeat.compiler.manifest import CompiledModel, TrainingSetPlan
from sqlfeat.compiler.parse import last_select
from sqlfeat.engine.base import RowsRequest
from sqlfeat.engine.explanation import ExplainedLookup, ExplainRequest, LabelRows
from sqlfeat.errors import UsageError
from sqlfeat.ops.definition import definition_of, with_calls
from sqlfeat.ops.session import Session
from sqlfeat.ops.training_set import in_utc, make_upstream
from sqlfeat.ops.transforms import with_parameters
from sqlfeat.store.training_sets import kept_sets


@dataclass(frozen=True)
class ExplainedOutput:
    """An output of the row: its value, its text in the SELECT, and the features (``view.column``) that are in it."""

    name: str
    value: Any
    role: str
    sql: str
    features: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": self.value,
            "role": self.role,
            "sql": self.sql,
            "features": list(self.features),
        }


@dataclass(frozen=True)
class Explanation:
    """One row of a training set, explained.

    ``keys`` identify it, as-of time included; ``matching`` rows bear the keys asked for, this is the first of them in
    the training set's order, and ``others`` has the keys of a few more.
    """

    name: str
    keys: Mapping[str, Any]
    as_of: datetime | None
    outputs: tuple[ExplainedOutput, ...]
    lookups: tuple[ExplainedLookup, ...]
    matching: int = 1
    others: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "keys": dict(self.keys),
            "as_of": self.as_of,
            "matching": self.matching,
            "others": [dict(keys) for keys in self.others],
            "outputs": [output.as_dict() for output in self.outputs],
            "lookups": [lookup.as_dict() for lookup in self.lookups],
        }


def explain(session: Session, name: str, row: str | Mapping[str, Any], column: str | None = None) -> Explanation:
    """Explain the row that bears the keys ``row`` (``'k=v,k2=v2'``, ``'v'`` where there is one key, or a mapping).

    ``column`` names one output to explain; by default all are. The as-of time may be among the keys.

    Raises:
        UsageError: there is no such training set, row, key or output.
        RunError: what is above the training set cannot be made.
    """
    model = session.training_set(name)
    plan = _plan(model)
    where = keys_of(row, model)
    uses = _uses(model)
    wanted = _named(column, plan)
    make_upstream(session, model)
    found = session.engine.label_rows(model, session.manifest, where)
    if not found.count:
        raise _no_such_row(model, where, found)
    columns = _with_keys(plan, [use for output in wanted for use in uses[output].fields])
    explained = session.engine.explain(model, session.manifest, ExplainRequest(found.rows.slice(0, 1), columns))
    values = {**explained.outputs, **_transformed(session, model, found.rows.slice(0, 1), wanted)}
    outputs = [
        ExplainedOutput(o.name, values[o.name], o.role, uses[o.name].sql, uses[o.name].features)
        for o in plan.outputs
        if o.name in wanted
    ]
    return Explanation(
        name=model.name,
        keys=found.keys[0],
        as_of=explained.as_of,
        outputs=tuple(outputs),
        lookups=tuple(_told(lookup, plan, {name: uses[name] for name in wanted}) for lookup in explained.lookups),
        matching=found.count,
        others=tuple(found.keys[1:]),
    )


def _transformed(session: Session, model: CompiledModel, row: pa.Table, wanted: Collection[str]) -> dict[str, Any]:
    """What transforms give for the row, by the parameters of the newest set that is kept of this definition."""
    plan = _plan(model)
    outputs = [output.name for output in plan.outputs if is_transformed(plan, output) and output.name in wanted]
    if not outputs:
        return {}
    definition = definition_of(model, session.manifest)
    kept = kept_sets(session.spec.target_path / "training_sets", model.name, verify=False)
    known = [one.training_set.manifest for one in kept if one.training_set is not None]
    fitted = next((told["transforms"] for told in known if told["definition"] == definition), None)
    if fitted is None:
        session.log(f"warning: {model.name} is not built as it is now: what its transforms give is not known.")
        return dict.fromkeys(outputs)
    assembled = session.engine.assemble(with_parameters(model, fitted), session.manifest, RowsRequest(rows=row))
    values = session.engine.read(assembled).read_all().to_pylist()[0]
    if any(call.kind == "target_encode" for call in model.transforms):
        session.log("note: target_encode() is shown as it predicts; rows of the train split hold what other folds say.")
    return {name: values[name] if name in values else _set_levels(name, values) for name in outputs}


def _set_levels(family: str, values: Mapping[str, Any]) -> str | None:
    """Which of the columns of a one_hot is 1."""
    prefix = family.removesuffix("*")
    return next((name for name, value in values.items() if name.startswith(prefix) and value == 1), None)


# -- which row ---------------------------------------------------------------------------------------------------------


def keys_of(row: str | Mapping[str, Any], model: CompiledModel) -> dict[str, str | None]:
    """What ``row`` asks for: key outputs and the as-of time, by their own names, as text.

    Raises:
        UsageError: ``bad-row`` where a name is missing, ``unknown-row-key`` where it is no key.
    """
    plan = _plan(model)
    keys = plan.named("key") or plan.named("as_of")
    names = list(dict.fromkeys([*keys, *plan.named("as_of")]))
    given = _pairs(row, keys, names, model.name) if isinstance(row, str) else {key: _text(v) for key, v in row.items()}
    own = {name.casefold(): name for name in names}
    types = {output.name: output.type for output in plan.outputs}
    where: dict[str, str | None] = {}
    for key, value in given.items():
        name = own.get(key.casefold())
        if name is None:
            hint = did_you_mean(key, names)
            raise UsageError("unknown-row-key", f"{key!r} is no key of the training set {model.name}.", hint=hint)
        is_null = value is not None and value.casefold() == "null" and types[name] != "VARCHAR"
        where[name] = None if is_null else value
    if not where:
        raise _bad_row("", keys, model.name)
    return where


def _pairs(text: str, keys: Sequence[str], names: Sequence[str], owner: str) -> dict[str, str | None]:
    known = "|".join(re.escape(name) for name in names)
    parts = re.split(rf",(?=\s*(?:{known})\s*=)", text, flags=re.IGNORECASE)
    pairs: dict[str, str | None] = {}
    for part in parts:
        key, sign, value = part.partition("=")
        if sign and (key.strip().casefold() in {name.casefold() for name in names} or key.strip().isidentifier()):
            pairs[key.strip()] = value.strip()
        elif len(keys) == 1 and len(parts) == 1 and text.strip():
            pairs[keys[0]] = text.strip()
        else:
            raise _bad_row(text, keys, owner)
    return pairs


def _bad_row(text: str, keys: Sequence[str], owner: str) -> UsageError:
    spelled = ",".join(f"{name}=…" for name in keys)
    return UsageError("bad-row", f"{text!r} names no row of {owner}.", hint=f"its keys are needed: --row {spelled}")


def _text(value: Any) -> str | None:
    """A value of Python's as text that the engine casts to the key's type."""
    if value is None:
        return None
    if isinstance(value, datetime):
        instant = in_utc(value)
        return instant.replace(tzinfo=None).isoformat(sep=" ") if instant else None
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value)


def _no_such_row(model: CompiledModel, where: Mapping[str, str | None], found: LabelRows) -> UsageError:
    asked = _spelled(where)
    shown = " or ".join(_spelled(keys) for keys in found.examples)
    hint = f"there is, for instance, {shown}." if shown else "there are no label rows at all."
    return UsageError("no-such-row", f"No label row of {model.name} has {asked}.", hint=hint)


def _spelled(keys: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={'null' if value is None else value}" for name, value in keys.items())


# -- which columns -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Use:
    """What an output reads: its text, and the features in it, as ``view.column`` and as (lookup, column)."""

    sql: str
    features: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]


def _uses(model: CompiledModel) -> dict[str, _Use]:
    """What each output reads, from the planned SELECT: its items are the outputs, in order."""
    plan = _plan(model)
    views = {lookup.name: lookup.view for lookup in plan.lookups}
    uses = {}
    written = last_select(plan.open or plan.select.text).items
    for output, item, own in zip(plan.outputs, last_select(plan.select.text).items, written, strict=True):
        fields = _fields(item.text, plan)
        features = tuple(f"{views[lookup]}.{column}" for lookup, column in fields)
        uses[output.name] = _Use(_readable(with_calls(own.expression, model), plan), features, fields)
    return uses


def _fields(sql: str, plan: TrainingSetPlan) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys((match[1], match[2].replace('""', '"')) for match in _field(plan).finditer(sql)))


def _readable(sql: str, plan: TrainingSetPlan) -> str:
    views = {lookup.name: lookup.view for lookup in plan.lookups}
    return _field(plan).sub(lambda match: f"{views[match[1]]}.{match[2].replace(chr(34) * 2, chr(34))}", sql)


def _field(plan: TrainingSetPlan) -> re.Pattern[str]:
    """A field of a lookup's struct, as the plan's SELECT and its keys write it."""
    names = "|".join(re.escape(lookup.name) for lookup in plan.lookups) or "(?!)"
    return re.compile(rf'\b({names})\."((?:[^"]|"")*)"')


def _named(column: str | None, plan: TrainingSetPlan) -> list[str]:
    """The outputs to explain, in order."""
    names = [output.name for output in plan.outputs]
    if column is None:
        return names
    found = [name for name in names if name.casefold() == column.casefold()]
    if not found:
        raise UsageError("unknown-output", f"There is no output {column!r}.", hint=did_you_mean(column, names))
    return found


def _with_keys(plan: TrainingSetPlan, fields: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """The columns to explain of each lookup, with those that the keys of others are taken from."""
    wanted: dict[str, list[str]] = {}
    lookups = {lookup.name: lookup for lookup in plan.lookups}
    waiting = list(fields)
    while waiting:
        name, column = waiting.pop(0)
        if column not in wanted.setdefault(name, []):
            wanted[name].append(column)
            waiting += [field for _, sql in lookups[name].keys for field in _fields(sql, plan)]
    return {name: tuple(columns) for name, columns in wanted.items()}


def _told(lookup: ExplainedLookup, plan: TrainingSetPlan, uses: Mapping[str, _Use]) -> ExplainedLookup:
    """The lookup with the outputs that each of its columns is used in, and its keys in readable SQL."""
    columns = []
    for column in lookup.columns:
        outputs = tuple(name for name, use in uses.items() if (lookup.name, column.name) in use.fields)
        columns.append(replace(column, outputs=outputs))
    given = {key: _readable(sql, plan) for key, sql in lookup.given.items()}
    return replace(lookup, columns=tuple(columns), given=given)


def _plan(model: CompiledModel) -> TrainingSetPlan:
    assert model.training_set is not None
    return model.training_set
