"""What of a model can be compared between two readings, and from when on; and why some cannot be.

Time semantics, section 5: a row of a model must stay what it is from the instant on at which it is usable, a label
from its horizon on, a row of a training set from when its label is known, and its inputs from its as-of time on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlfeat.compiler.manifest import CompiledModel, Manifest, TimeFacts
from sqlfeat.compiler.parse import UnreadableSql, last_select, words
from sqlfeat.engine.comparison import Comparable
from sqlfeat.errors import Place
from sqlfeat.spec.duration import Duration

_FLOAT_AGGREGATES = frozenset({
    "sum", "avg", "mean", "fsum", "sumkahan", "kahan_sum", "favg", "product", "geomean", "geometric_mean", "stddev",
    "stddev_pop", "stddev_samp", "var_pop", "var_samp", "variance", "covar_pop", "covar_samp", "corr", "regr_avgx",
    "regr_avgy", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "skewness", "kurtosis",
    "kurtosis_pop", "sem", "entropy", "wavg", "weighted_avg", "list_sum", "list_avg", "list_product", "list_aggregate",
    "list_stddev_pop", "list_stddev_samp", "list_var_pop", "list_var_samp",
})  # fmt: skip
"""Aggregates whose result for floats depends on the order in which they meet them."""
_FLOATS = ("FLOAT", "DOUBLE")
_NO_HORIZON = "{} is a label without a horizon: nobody says from when its labels are known"


@dataclass(frozen=True)
class Subject:
    """A selected model: at a cutoff ``what`` is compared of it, or the ``reason`` why nothing is.

    ``whole`` are all rows, as two readings of the same sources have them. Of a training set the ``inputs`` are compared
    besides, even where its label cannot be.
    """

    model: CompiledModel
    whole: Comparable
    what: Comparable | None
    inputs: Comparable | None = None
    reason: str = ""

    @property
    def judged(self) -> bool:
        """Whether cutoffs can say anything of it."""
        return self.what is not None or self.inputs is not None


def subject_of(model: CompiledModel, manifest: Manifest) -> Subject:
    """What is compared of a model."""
    found = _training_set(model, manifest) if model.training_set is not None else _relation(model, manifest)
    inputs = _inputs(model, manifest)
    if isinstance(found, Comparable):
        return Subject(model, replace(found, time=None), found, inputs)
    whole = Comparable(model.name, model.fingerprint, _identity(model), approximate=adds_floats(model, manifest))
    return Subject(model, whole, None, inputs, found)


def _relation(model: CompiledModel, manifest: Manifest) -> Comparable | str:
    if model.config.role == "label" and model.config.horizon is None:
        return _NO_HORIZON.format(model.name)
    time: TimeFacts | None = model.time
    if model.time.immutable:
        time = None
    elif model.time.event_time is None:
        return "it has no event_time and is not immutable: nobody says when its rows are known"
    horizon = model.config.horizon if model.config.role == "label" else None
    approximate = adds_floats(model, manifest)
    return Comparable(model.name, model.fingerprint, _identity(model), time, horizon, approximate=approximate)


def _training_set(model: CompiledModel, manifest: Manifest) -> Comparable | str:
    plan = model.training_set
    assert plan is not None
    labels = manifest.models.get(plan.labels.removeprefix("ref."))
    horizon: Duration | None = None
    if labels is None:
        time = manifest.source_time.get(plan.labels, TimeFacts(plan.as_of))
    else:
        time = labels.time
        if labels.config.role == "label":
            horizon = labels.config.horizon
            if horizon is None:
                return _NO_HORIZON.format(labels.name)
    identity = (plan.as_of, *model.config.keys)
    approximate = adds_floats(model, manifest)
    return Comparable(model.name, model.fingerprint, identity, time, horizon, of_labels=True, approximate=approximate)


def _inputs(model: CompiledModel, manifest: Manifest) -> Comparable | None:
    """A training set's model inputs: they must be what they are from the as-of time on.

    Its rows need not: which of them there are may hang on their labels.
    """
    plan = model.training_set
    if plan is None or not plan.named("input"):
        return None
    return Comparable(
        name=model.name,
        fingerprint=model.fingerprint,
        identity=(plan.as_of, *model.config.keys),
        time=TimeFacts(plan.as_of),
        approximate=adds_floats(model, manifest),
        only=frozenset(plan.named("input")),
        values_only=True,
    )


def _identity(model: CompiledModel) -> tuple[str, ...]:
    """The columns that tell a model's rows apart: its times, then its keys."""
    times = [name for name in (model.time.event_time, model.time.available_at) if name]
    return tuple(dict.fromkeys([*times, *model.keys, *model.time.unique_key, *model.config.keys]))


def adds_floats(model: CompiledModel, manifest: Manifest) -> bool:
    """Whether floats of a model may be sums whose last bits depend on the order in which rows were met.

    So it is where it has floats, and its SQL, or that of a model above it, names such an aggregate. ``window()`` is
    exact.
    """
    if not any(kind in column.type for column in model.columns for kind in _FLOATS):
        return False
    return any(_names_float_aggregate(each) for each in (model, *_models_above(model, manifest)))


def _names_float_aggregate(model: CompiledModel) -> bool:
    try:
        return not _FLOAT_AGGREGATES.isdisjoint(word.casefold() for word in words(model.sql))
    except UnreadableSql:
        return True


def is_chancy(model: CompiledModel, manifest: Manifest) -> bool:
    """Whether a model, or one above it, says ``deterministic: false``."""
    return any(not each.config.deterministic for each in (model, *_models_above(model, manifest)))


def _models_above(model: CompiledModel, manifest: Manifest) -> list[CompiledModel]:
    nodes = manifest.graph.ancestors([model.id])
    return [manifest.models[node.removeprefix("model.")] for node in nodes if node.startswith("model.")]


def place_of_column(model: CompiledModel, column: str) -> Place:
    """Where a column's expression stands in the template; the model's first line where that cannot be told."""
    try:
        items = last_select(model.sql).items
    except UnreadableSql:
        return model.place()
    item = next((item for item in items if item.name.casefold() == column.casefold()), None)
    if item is None and model.training_set is not None and len(items) == len(model.training_set.outputs):
        names = [output.name.casefold() for output in model.training_set.outputs]
        item = items[names.index(column.casefold())] if column.casefold() in names else None
    if item is None:
        item = next((item for item in items if item.text.endswith("*")), None)
    if item is None:
        return model.place()
    return model.source_map.place(item.start, len(item.text)) or model.place()


def allowed_leak(model: CompiledModel, column: str | None, manifest: Manifest) -> str | None:
    """The reason for which a model may look into the future, in one of its columns; None where it may not.

    What a training set takes from a view that may is allowed with it, wherever its own list uses it.
    """
    if model.config.allow_leakage:
        return model.config.allow_leakage
    plan = model.training_set
    if plan is None or column is None:
        return None
    try:
        items = last_select(plan.select.text).items
    except UnreadableSql:
        return None
    for output, item in zip(plan.outputs, items, strict=False):
        if output.name == column:
            views = [lookup.view for lookup in plan.lookups if lookup.name in item.text]
            reasons = (manifest.models[view].config.allow_leakage for view in views)
            return next((reason for reason in reasons if reason), None)
    return None
