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

from sqlfeat.base.names import did_you_mean, literal
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.compiler.parse import UnreadableSql, last_select
from sqlfeat.compiler.rewriting import token_of
from sqlfeat.engine.base import Assembled, Engine, RowsRequest
from sqlfeat.errors import UsageError
from sqlfeat.ops.splits import as_of_instant, digest_of, instant_literal, share_of

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

    def as_dict(self) -> dict[str, Any]:
        """What a manifest says of it, canonically."""
        instants = {"from": self.start, "to": self.end, "known_at": self.known_at}
        sample = None
        if self.sample is not None:
            sample = {"share": self.sample} if self.sample < 1 else {"rows": int(self.sample)}
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


def check_sample_keys(model: CompiledModel, sample: float | None) -> None:
    """Raise :class:`UsageError` where there is nothing to sample by."""
    if sample is not None:
        key_columns(model)


def sampled(engine: Engine, model: CompiledModel, request: RowsRequest, sample: float | None) -> RowsRequest:
    """The request for the rows of a sample alone; rows of equal keys are in it together."""
    if sample is None:
        return request
    assert model.training_set is not None
    digest = digest_of(key_columns(model), _SAMPLE)
    if sample < 1:
        condition = f"{share_of(digest)} < {sample!r}"
    else:
        source = token_of(model.training_set.labels)
        asked = _conditions(model.training_set.as_of, request)
        drawn = f"select {digest} as h from {source} where {asked} order by h limit {int(sample)}"
        last = engine.arrow(f"select max(h) as h from ({drawn})").column("h")[0].as_py()
        condition = "false" if last is None else f"{digest} <= {literal(last)}"
    return replace(request, where=f"({request.where}) and {condition}" if request.where else condition)


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
    plan = model.training_set
    assert plan is not None
    own = {column.name.casefold(): column.name for column in plan.label_columns}
    try:
        items = last_select(plan.select.text).items
    except UnreadableSql:
        items = ()
    found = {}
    for output, item in zip(plan.outputs, items, strict=False):
        tree = item.tree.this if isinstance(item.tree, exp.Alias) else item.tree
        if isinstance(tree, exp.Column) and output.feature is None and tree.name.casefold() in own:
            found[output.name.casefold()] = own[tree.name.casefold()]
    missing = [key for key in model.config.keys if key.casefold() not in found]
    if missing:
        raise UsageError(
            "sample-keys",
            f"A sample goes by the keys, and {missing[0]!r} is no plain column of the label rows.",
            model.place("keys"),
            "compute it in the label model, or leave out --sample.",
        )
    return [found[key.casefold()] for key in model.config.keys]


def narrowed(assembled: Assembled, outputs: tuple[str, ...] | None) -> Assembled:
    """The assembled rows with these outputs alone."""
    if outputs is None:
        return assembled
    return replace(assembled, columns=tuple(column for column in assembled.columns if column.name in outputs))
