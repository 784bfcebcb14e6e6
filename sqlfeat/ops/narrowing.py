"""What of a training set is asked for: a range of time, what was known at an instant, a sample of rows, some outputs.

A sample goes by a hash of the row's keys, so the same rows are in it on every machine and in every later build, and a
greater sample has all rows of a smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlglot import exp

from sqlfeat.base.names import did_you_mean, literal, quote
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.compiler.parse import UnreadableSql, last_select
from sqlfeat.compiler.rewriting import token_of
from sqlfeat.engine.base import Assembled, Engine, RowsRequest
from sqlfeat.errors import UsageError
from sqlfeat.ops.splits import (
    SEPARATOR,
    as_of_instant,
    digest_of,
    instant_literal,
    label_known,
    refuse_many_strata,
    share_of,
)
from sqlfeat.spec.duration import Duration

KEPT_ROLES = ("key", "as_of", "label", "weight", "passthrough")
_SAMPLE = "sqlfeat sample"
"""What the hash of a sample begins with, so that it has nothing to do with that of a split."""


@dataclass(frozen=True)
class Narrowed:
    """What is asked for; ``outputs`` None is all of them. Instants are in UTC."""

    start: datetime | None = None
    end: datetime | None = None
    known_at: datetime | None = None
    sample: float | None = None
    outputs: tuple[str, ...] | None = None
    stratify: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """What a manifest says of it, canonically."""
        instants = {"from": self.start, "to": self.end, "known_at": self.known_at}
        sample: dict[str, Any] | None = None
        if self.sample is not None:
            sample = {"share": self.sample} if self.sample < 1 else {"rows": int(self.sample)}
            sample |= {"stratify": list(self.stratify)} if self.stratify else {}
        return {
            "range": {name: value.isoformat() if value else None for name, value in instants.items()},
            "sample": sample,
            "outputs": None if self.outputs is None else list(self.outputs),
        }


def check_sample(sample: float | None) -> float | None:
    """A share below one, or a whole number of rows; raises :class:`UsageError` for anything else."""
    if sample is None or 0 < sample < 1 or (sample >= 1 and sample == int(sample)):
        return sample
    what = f"A sample of {sample} cannot be taken."
    raise UsageError("bad-sample", what, hint="a share as 0.1, or a number of rows as 500.")


def chosen_outputs(model: CompiledModel, names: Sequence[str]) -> tuple[str, ...] | None:
    """The outputs that these names mean, besides those that every training set has, in the order of the SELECT.

    A name is an output's, a feature's (``view.column``) or ``view.*``.

    Raises:
        UsageError: ``unknown-feature``.
    """
    if not names:
        return None
    assert model.training_set is not None
    outputs = model.training_set.outputs
    chosen = {output.name for output in outputs if output.role in KEPT_ROLES}
    for name in names:
        found = {output.name for output in outputs if _is_meant(name.casefold(), output.name, output.feature)}
        if not found:
            known = [output.name for output in outputs] + [output.feature for output in outputs if output.feature]
            what = f"{model.name} has no output and no feature {name!r}."
            hint = did_you_mean(name, known) or "an output of its SELECT, VIEW.COLUMN, or VIEW.* for all of a view."
            raise UsageError("unknown-feature", what, hint=hint)
        chosen |= found
    return tuple(output.name for output in outputs if output.name in chosen)


def _is_meant(name: str, output: str, feature: str | None) -> bool:
    if name == output.casefold() or (feature and name == feature.casefold()):
        return True
    return feature is not None and name.endswith(".*") and feature.casefold().startswith(name[:-1])


def check_sample_keys(model: CompiledModel, sample: float | None, stratify: Sequence[str] = ()) -> None:
    """Raise :class:`UsageError` where there is nothing to sample by."""
    if sample is not None:
        key_columns(model)
    elif stratify:
        raise UsageError("bad-sample", "Strata are those of a sample, and none is asked for.", hint="add --sample 10%.")
    _strata(model, stratify)


def sampled(
    engine: Engine, model: CompiledModel, request: RowsRequest, asked: Narrowed, horizon: Duration | None
) -> RowsRequest:
    """The request for the rows of a sample alone; rows of equal keys are in it together.

    ``horizon`` is that of the labels: one that was not known yet is no stratum.
    """
    sample = asked.sample
    if sample is None:
        return request
    assert model.training_set is not None
    source = token_of(model.training_set.labels)
    wanted = _conditions(model.training_set.as_of, request)
    digest = digest_of(key_columns(model), _SAMPLE)
    if asked.stratify:
        stratum = _stratum(model, asked, horizon)
        condition = _by_stratum(engine, f"from {source} where {wanted}", digest, stratum, sample, asked.stratify)
    elif sample < 1:
        condition = f"{share_of(digest)} < {sample!r}"
    else:
        drawn = f"select {digest} as h from {source} where {wanted} order by h limit {int(sample)}"
        last = engine.arrow(f"select max(h) as h from ({drawn})").column("h")[0].as_py()
        condition = "false" if last is None else f"{digest} <= {literal(last)}"
    return replace(request, where=f"({request.where}) and {condition}" if request.where else condition)


def _by_stratum(engine: Engine, rows: str, digest: str, stratum: str, sample: float, names: Sequence[str]) -> str:
    """The condition of a sample in which every stratum has its share of the rows, as nearly as whole rows can.

    Of the n rows of a stratum the r-th by digest stands at (r - 1/2) / n, and those come first that stand lowest
    (Webster's method), so a greater sample has all rows of a smaller one.
    """
    ranked = (
        f"select s, h, (rank() over (partition by s order by h) - 0.5) / count(*) over (partition by s) as p "
        f"from (select {stratum} as s, {digest} as h {rows})"
    )
    if sample < 1:
        drawn = f"select s, h from ({ranked}) where p < {sample!r}"
    else:
        drawn = f"select s, h from ({ranked}) order by p, h, s limit {int(sample)}"
    count = int(engine.arrow(f"select count(distinct {stratum}) as n {rows}").column("n")[0].as_py())
    refuse_many_strata(names, count)
    lasts = engine.arrow(f"select s, max(h) as h from ({drawn}) group by s order by s").to_pylist()
    if not lasts:
        return "false"
    cases = " ".join(f"when {literal(last['s'])} then {digest} <= {literal(last['h'])}" for last in lasts)
    return f"(case {stratum} {cases} else false end)"


def _stratum(model: CompiledModel, asked: Narrowed, horizon: Duration | None) -> str:
    """The SQL of a row's stratum as text; a label that was not known yet is missing."""
    plan = model.training_set
    assert plan is not None
    label, items = plain_columns(model).get((model.config.label or "").casefold()), []
    for column in _strata(model, asked.stratify):
        text = f"cast({quote(column)} as varchar)"
        if asked.known_at is not None and column == label:
            known = f"{label_known(plan.as_of, horizon)} <= {instant_literal(asked.known_at)}"
            text = f"case when {known} then {text} end"
        items.append(f"coalesce('=' || {text}, '')")
    return f"({f' || {literal(SEPARATOR)} || '.join(items)})"


def _strata(model: CompiledModel, names: Sequence[str]) -> list[str]:
    """The label relation's columns that strata are told by."""
    assert model.training_set is not None
    found = plain_columns(model)
    found |= {column.name.casefold(): column.name for column in model.training_set.label_columns}
    for name in names:
        if name.casefold() not in found:
            what = f"A sample is drawn from the label rows of {model.name}, which have no column {name!r}."
            raise UsageError("missing-column", what, hint=did_you_mean(name, found.values()))
    return [found[name.casefold()] for name in names]


def _conditions(as_of: str, request: RowsRequest) -> str:
    conditions = [request.where or "true"]
    if request.start:
        conditions.append(f"{as_of_instant(as_of)} >= {instant_literal(request.start)}")
    if request.end:
        conditions.append(f"{as_of_instant(as_of)} < {instant_literal(request.end)}")
    return " and ".join(f"({condition})" for condition in conditions)


def key_columns(model: CompiledModel) -> list[str]:
    """The label relation's columns that the keys are, in the order of the keys.

    Raises:
        UsageError: ``sample-keys`` where a key is something else than a column of the label rows.
    """
    found = plain_columns(model)
    missing = [key for key in model.config.keys if key.casefold() not in found]
    if missing:
        raise UsageError(
            "sample-keys",
            f"A sample goes by the keys, and {missing[0]!r} is no plain column of the label rows.",
            model.place("keys"),
            "compute it in the label model, or leave out --sample.",
        )
    return [found[key.casefold()] for key in model.config.keys]


def plain_columns(model: CompiledModel) -> dict[str, str]:
    """The outputs, in small letters, that are columns of the label relation, and their names there."""
    plan = model.training_set
    assert plan is not None
    own = {column.name.casefold(): column.name for column in plan.label_columns}
    try:
        items = last_select(plan.select.text).items
    except UnreadableSql:
        items = ()
    found: dict[str, str] = {}
    for output, item in zip(plan.outputs, items, strict=False):
        tree = item.tree.this if isinstance(item.tree, exp.Alias) else item.tree
        if isinstance(tree, exp.Column) and output.feature is None and tree.name.casefold() in own:
            found[output.name.casefold()] = own[tree.name.casefold()]
    return found


def narrowed(assembled: Assembled, outputs: tuple[str, ...] | None) -> Assembled:
    """The assembled rows with these outputs alone."""
    if outputs is None:
        return assembled
    return replace(assembled, columns=tuple(column for column in assembled.columns if column.name in outputs))
