"""Transforms fitted on assembled rows and applied to all of them: one query for each level of nesting, then a view.

What rows mean for a fit is told from outside; the SQL comes from ``compiler.fitted_select``, the parameters from
``fitting``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.base.names import quote
from sqlfeat.compiler import windows
from sqlfeat.compiler.fitted_select import (
    FIT,
    HELD,
    LABEL,
    SHARE,
    Fitted,
    UnplannableTransform,
    argument_of,
    given_model,
    given_names,
    shaped,
    with_arguments,
    with_transforms,
)
from sqlfeat.compiler.manifest import Column, CompiledModel, Manifest, TrainingSetPlan, Transform
from sqlfeat.compiler.transforms import CATEGORY, INTEGERS, KINDS, NUMBER, PLACE
from sqlfeat.engine.base import Assembled, Fit, FitRows, Transformed
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.fitting import fit_numbers, fit_target, fit_values, levels_of
from sqlfeat.engine.duckdb.layout import ROW
from sqlfeat.engine.duckdb.outputs import keep_instead
from sqlfeat.engine.duckdb.windows import aggregate_call
from sqlfeat.errors import ProjectError

GIVEN = "__sqlfeat_transformed"
FOLDED = "__sqlfeat_folded"
MOST_NUMBERS = 2**26
"""How many values a query for arguments gives at most, if it can give fewer."""


class Dictionaries:
    """The lists that SQL seeks places in, by their marks, and the function that does it."""

    def __init__(self, connection: Connection) -> None:
        self._lists: dict[str, pa.Array] = {}
        connection.function(PLACE, self._places, ("VARCHAR", "VARCHAR"), "INTEGER")

    def know(self, dictionaries: Mapping[str, Sequence[str]]) -> None:
        """Have these lists from now on."""
        for mark, levels in dictionaries.items():
            self._lists.setdefault(mark, pa.array(levels, pa.string()))

    def _places(self, values: pa.ChunkedArray, marks: pa.ChunkedArray) -> pa.ChunkedArray:
        """The place of each value in the list of its mark, which is one for all of them; the first place is 1."""
        if not len(values):
            return pa.array([], pa.int32())
        places = pc.index_in(values, value_set=self._lists[marks[0].as_py()])
        return pc.add(pc.fill_null(places, -1), pa.scalar(1, pa.int32()))


class Transforming:
    """One training set's transforms on a connection, in temporary relations that the next assembly drops."""

    def __init__(
        self,
        connection: Connection,
        dictionaries: Dictionaries,
        manifest: Manifest,
        model: CompiledModel,
        assembled: Assembled,
        threads: int,
    ) -> None:
        assert model.training_set is not None
        self.connection = connection
        self.dictionaries = dictionaries
        self.manifest = manifest
        self.model = model
        self.plan: TrainingSetPlan = model.training_set
        self.assembled = assembled
        self.threads = threads

    def run(self, rows: FitRows, wanted: Collection[str], folds: Mapping[str, FitRows]) -> Transformed:
        """Fit what takes part in the outputs ``wanted``, and give all rows under a name."""
        used = [one for one in self.plan.transforms if not set(wanted).isdisjoint(one.outputs)]
        whole = _Fitting(self, rows, "")
        whole.fit(used)
        model, text = whole.given()
        levels = {one.call.token: whole.parameters[one.call.token] for one in used if one.call.kind == "one_hot"}
        parts = {name: _Fitting(self, one, f"_{name}", levels) for name, one in folds.items()}
        for part in parts.values():
            part.fit(used)
        fit = Fit(whole.parameters, whole.count())
        fits = {name: Fit(part.parameters, part.count()) for name, part in parts.items()}
        names = given_names(self.plan, whole.fitted(), wanted)
        relation = self._kept(model, text, with_folds=bool(folds))
        given = replace(self.assembled, relation=relation, columns=model.columns)
        folded = self._folded(given, [name for name in names if name in self._computed(model)], parts)
        return Transformed(given, model, names, fit, fits, folded)

    def _computed(self, model: CompiledModel) -> list[str]:
        before = {column.name for column in self.assembled.columns}
        return [column.name for column in model.columns if column.name not in before]

    def _kept(self, model: CompiledModel, text: str, *, with_folds: bool) -> str:
        """The rows with what the transforms give; the name of their relation.

        Arithmetic is computed whenever rows are read, which costs less than to keep what it gives; what seeks texts in
        dictionaries, or hashes them, is computed once where the rows are in memory.
        """
        seeks = any(KINDS[one.call.kind].takes == CATEGORY for one in self.plan.transforms)
        if seeks and not with_folds and keep_instead(self.connection, model.columns, self._computed(model), text):
            self.connection.unregister(HELD)
            return self.assembled.relation
        self._show(GIVEN, model.columns, text)
        return GIVEN

    def _show(self, name: str, columns: Sequence[Column], text: str) -> None:
        items = ", ".join(f"cast({quote(c.name)} as {c.type}) as {quote(c.name)}" for c in columns)
        self.connection.execute(f"create or replace temp view {name} as select {items} from (\n{text}\n)")

    def _folded(self, given: Assembled, names: Sequence[str], parts: Mapping[str, _Fitting]) -> Assembled | None:
        """The rows with what each fold gives of these outputs beside."""
        if not parts:
            return None
        items, joined = ["w.*"], [f"temp.{given.relation} as w"]
        columns: list[Column] = []
        for place, (fold, part) in enumerate(parts.items()):
            model, text = part.given()
            own = [column for column in model.columns if column.name in names]
            self._show(f"{GIVEN}_{fold}", own, text)
            joined.append(f"temp.{GIVEN}_{fold} as f{place}")
            for column in own:
                columns.append(Column(f"fold_{fold}.{column.name}", column.type))
                items.append(f"f{place}.{quote(column.name)} as {quote(columns[-1].name)}")
        text = f"select {', '.join(items)} from {' positional join '.join(joined)}"
        self.connection.execute(f"create or replace temp view {FOLDED} as {text}")
        return replace(given, relation=FOLDED, columns=tuple(columns))


class _Fitting:
    """Transforms being fitted on some of the rows; ``levels`` are those of one_hots that are fitted already."""

    def __init__(
        self, work: Transforming, rows: FitRows, suffix: str, levels: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self._work = work
        self._connection = work.connection
        self._plan = work.plan
        self._assembled = work.assembled
        self._rows = rows
        self._held_name = f"{HELD}{suffix}"
        self.parameters: dict[str, Mapping[str, Any]] = dict(levels or {})
        self._held: dict[str, pa.Array] = {}

    def fit(self, used: Sequence[Transform]) -> None:
        """Fit level by level."""
        waiting = [one for one in used if one.call.token not in self.parameters]
        for level in sorted({one.level for one in waiting}):
            self._fit([one for one in waiting if one.level == level], level)

    def given(self) -> tuple[CompiledModel, str]:
        """The training set with what was fitted, and its SQL over the assembled rows."""
        work = self._work
        try:
            model = given_model(work.model, work.manifest, self.fitted(), self._source())
        except UnplannableTransform as error:
            where = work.model.place_of_call(error.token, error.word)
            raise ProjectError(error.code, error.what, where, error.hint) from error
        assert model.training_set is not None
        work.dictionaries.know(model.training_set.dictionaries)
        return model, model.training_set.select.text

    def fitted(self) -> Fitted:
        return Fitted(self.parameters, {token: f"{HELD}{token}" for token in self._held})

    # -- rows ------------------------------------------------------------------------------------------------------

    def _source(self) -> str:
        """The assembled rows, with the values that some hold of their own."""
        name = f"temp.{self._assembled.relation}"
        return f"{name} positional join {self._held_name} as {HELD}" if self._held else name

    @property
    def _is_fit(self) -> str:
        known = f" and {self._rows.label} is not null" if self._rows.label else ""
        return f"coalesce(({self._rows.where}){known}, false)"

    def count(self) -> int:
        return int(self._connection.value(f"select count(*) from temp.{self._assembled.relation} where {self._is_fit}"))

    def _relation(self, level: int, beside: Sequence[str]) -> str:
        """The rows with all that is fitted below a level, and the arguments of the level."""
        fitted = self.fitted()
        own = [f"{HELD}.*"] if self._held else [f"{self._is_fit} as {FIT}"]
        base = shaped(self._plan, self._work.manifest, self._source(), [*own, *beside])
        relation = with_arguments(self._plan, with_transforms(self._plan, base, fitted, level), level)
        self._work.dictionaries.know(fitted.dictionaries)
        return relation

    # -- fits ------------------------------------------------------------------------------------------------------

    def _fit(self, ones: Sequence[Transform], level: int) -> None:
        """Fit the transforms of one level."""
        for one in ones:
            if one.call.kind == "fitted":
                self.parameters[one.call.token] = {"value": self._aggregate(one, level)}
            elif one.call.kind == "hash_bucket":
                self.parameters[one.call.token] = {}
        read = [one for one in ones if one.call.kind not in ("fitted", "hash_bucket")]
        encoded = [one for one in read if one.call.kind == "target_encode"]
        most = max(1, MOST_NUMBERS // max(self._assembled.rows, 1))
        held: dict[str, pa.Array] = {}
        for start in range(0, len(read), most):
            some = read[start : start + most]
            columns = self._columns(some, level)
            plain = [one for one in some if one not in encoded]
            with ThreadPoolExecutor(self._work.threads, thread_name_prefix="fit") as workers:
                found = workers.map(_fit_one, plain, [columns[argument_of(one)] for one in plain])
                self.parameters |= {one.call.token: given for one, given in zip(plain, found, strict=True)}
            held |= {one.call.token: self._encode(one, columns) for one in some if one in encoded}
        if held:
            self._hold(held)

    def _columns(self, ones: Sequence[Transform], level: int) -> pa.Table:
        """The arguments of transforms in the rows that are fitted on, with what target_encode needs besides."""
        encoded = [one for one in ones if one.call.kind == "target_encode"]
        beside = [f"{self._rows.shares[one.call.token]} as {SHARE}{i}" for i, one in enumerate(encoded)]
        if encoded:
            beside.append(f"cast({self._rows.label} as double) as {LABEL}")
        names = [argument_of(one) for one in ones] + [f"{SHARE}{i}" for i in range(len(encoded))]
        names += [LABEL] if encoded else []
        table = self._connection.arrow(f"select {', '.join(names)} from {self._relation(level, beside)} where {FIT}")
        named = {f"{SHARE}{i}": f"{SHARE}{one.call.token}" for i, one in enumerate(encoded)}
        return table.rename_columns([named.get(name, name) for name in table.column_names])

    def _encode(self, one: Transform, columns: pa.Table) -> pa.Array:
        """Fit target_encode; gives the values of the rows that it was fitted on."""
        options, column = dict(one.call.options), columns[argument_of(one)]
        levels = [
            one_level
            for one_level in levels_of(one.call.kind, options, one.type, column, _shown(one))
            if one_level is not None
        ]
        shares = np.asarray(columns[f"{SHARE}{one.call.token}"].to_numpy(), dtype=np.float64)
        folds = np.minimum((shares * options["folds"]).astype(np.int64), options["folds"] - 1)
        label = np.asarray(pc.fill_null(columns[LABEL], math.nan).to_numpy(), dtype=np.float64)
        encoded = fit_target(options, levels, column, label, folds)
        self.parameters[one.call.token] = encoded.parameters
        return pa.array(encoded.own, pa.float64(), mask=np.isnan(encoded.own))

    def _hold(self, held: Mapping[str, pa.Array]) -> None:
        """Keep values of rows that were fitted on beside all rows."""
        asked = f"select {self._is_fit} as fit from temp.{self._assembled.relation}"
        fit = np.asarray(self._connection.arrow(asked).column("fit").to_numpy(), dtype=np.bool_)
        places: npt.NDArray[np.int64] = np.cumsum(fit) - 1
        taken = pa.array(places, mask=~fit)
        for token, own in held.items():
            self._held[token] = own.take(taken)
        self._connection.unregister(self._held_name)
        self._connection.register(
            self._held_name,
            pa.table({FIT: pa.array(fit), **{f"{HELD}{token}": own for token, own in self._held.items()}}),
        )

    def _aggregate(self, one: Transform, level: int) -> Any:
        """The value of an aggregate over the rows that are fitted on, in their order; text where it is no number."""
        aggregate, arguments = windows.taken_apart(one.sql, one.call.token)
        items = ", ".join([*(f"{a.sql} as {a.column}" for a in arguments), f"row_number() over () as {ROW}"])
        rows = f"select {items} from {self._relation(level, [])} where {FIT}"
        types = dict(self._connection.described(rows))
        inside = f"v.{ROW} is not null" + (f" and v.{aggregate.filter}" if aggregate.filter else "")
        call = aggregate_call(types, aggregate, inside)
        plain = one.gives in (*INTEGERS, "FLOAT", "DOUBLE", "BOOLEAN")
        asked = f"cast({call} as {one.gives if plain else 'varchar'})"
        value = self._connection.value(f"select {asked} from ({rows}) as v")
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _fit_one(one: Transform, column: pa.ChunkedArray) -> dict[str, Any]:
    options = dict(one.call.options)
    if KINDS[one.call.kind].takes == NUMBER:
        return fit_numbers(one.call.kind, options, column)
    if one.call.kind == "impute":
        return fit_values(options, one.gives, column)
    return {"levels": levels_of(one.call.kind, options, one.type, column, _shown(one))}


def _shown(one: Transform) -> str:
    return f"{one.call.kind}({one.call.argument})"
