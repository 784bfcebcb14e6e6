"""Features asked for any rows: a training set that no file says, made of names and of the columns that rows have.

It takes the way of every training set from here on - the same lookups, the same binding - so that a notebook gets the
values that a model would have been trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlfeat.base.names import did_you_mean, quote
from sqlfeat.compiler.bind import Binder
from sqlfeat.compiler.catalog import Catalog
from sqlfeat.compiler.lookups import features_of
from sqlfeat.compiler.manifest import Column, CompiledModel, FeatureCall, Manifest, TimeFacts
from sqlfeat.compiler.rewriting import token_of
from sqlfeat.compiler.source_map import SourceMap
from sqlfeat.errors import UsageError
from sqlfeat.spec.config import ModelConfig

NAME = "rows"
"""What errors call the rows that were given."""
_NODE = f"source.sqlfeat.{NAME}"


@dataclass(frozen=True)
class AskedFeatures:
    """What is asked: features as ``view.column`` or ``view.*``, and how the rows say for whom and as of when.

    ``on`` maps an entity's keys to the rows' own columns where these have other names. ``full_names`` calls every
    feature ``view__column``; otherwise only those are called so whose plain name is taken.
    """

    names: tuple[str, ...]
    as_of: str
    on: Mapping[str, str] = field(default_factory=dict)
    full_names: bool = False

    @property
    def views(self) -> tuple[str, ...]:
        """The views that the features are of, each once."""
        return tuple(dict.fromkeys(_split(name)[0] for name in self.names))


def compile_asked(
    asked: AskedFeatures, columns: Sequence[Column], manifest: Manifest, catalog: Catalog
) -> CompiledModel:
    """The training set whose label rows have these columns and whose other outputs are the features asked for.

    Raises:
        UsageError: a name that is no feature, a key that the rows have not.
        ProjectError: what a training set of the same text would be refused for.
    """
    features = _expanded(asked.names, manifest)
    _refuse_strange_keys(asked, manifest)
    named = _named(features, {column.name.casefold() for column in columns}, asked.full_names)
    calls = []
    for number, (view, column) in enumerate(features):
        keys = manifest.models[view].keys
        own = {column.name.casefold(): column.name for column in columns}
        on = tuple((key, quote(_column(asked.on[key], own))) for key in keys if key in asked.on)
        calls.append(FeatureCall(f"__sqlfeat_feature_{number}__", view, column, on))
    items = [f"r.{quote(column.name)}" for column in columns]
    items += [f"{call.token} as {quote(name)}" for call, name in zip(calls, named, strict=True)]
    sql = f"select {', '.join(items)} from {token_of(_NODE)} as r"
    passed = tuple(name for name in [*(c.name for c in columns), *named] if name != asked.as_of)
    model = CompiledModel(
        name=NAME,
        path=NAME,
        config=ModelConfig(materialized="training_set", passthrough=passed),
        places={},
        sql=sql,
        source_map=SourceMap(sql, (), {}),
        parents=tuple(f"model.{view}" for view in asked.views),
        features=tuple(calls),
    )
    times = {**manifest.source_time, _NODE: TimeFacts(event_time=asked.as_of)}
    return Binder(catalog, manifest.models, times, {**manifest.columns, _NODE: tuple(columns)}, {}).bind(model)


def _split(name: str) -> tuple[str, str]:
    view, dot, column = name.strip().partition(".")
    if not dot or not view or not column:
        raise UsageError("bad-feature", f"{name!r} is no feature: write VIEW.COLUMN or VIEW.*")
    return view, column


def view_named(name: str, manifest: Manifest) -> CompiledModel:
    """The model that a feature's first half names; raises :class:`UsageError` where there is none."""
    if name not in manifest.models:
        views = [model.name for model in manifest.models.values() if model.materialized == "feature_view"]
        hint = did_you_mean(name, views)
        raise UsageError("unknown-feature-view", f"There is no feature view {name!r}.", hint=hint)
    return manifest.models[name]


def _refuse_strange_keys(asked: AskedFeatures, manifest: Manifest) -> None:
    keys = {key for view in asked.views for key in manifest.models[view].keys}
    strange = next((key for key in asked.on if key not in keys), None)
    if strange is not None:
        hint = did_you_mean(strange, keys)
        raise UsageError("unknown-key", f"{strange!r} is no key of {', '.join(asked.views)}.", hint=hint)


def _expanded(names: Sequence[str], manifest: Manifest) -> list[tuple[str, str]]:
    """(view, column) of every feature, each once, in the order asked."""
    found: dict[tuple[str, str], None] = {}
    for name in names:
        view_name, column = _split(name)
        view = view_named(view_name, manifest)
        wanted = features_of(view) if column == "*" else [column]
        for one in wanted:
            own = next((c for c in view.column_names if c.casefold() == one.casefold()), None)
            if own is None:
                what = f"The feature view {view_name!r} has no column {one!r}."
                raise UsageError("unknown-feature", what, hint=did_you_mean(one, view.column_names))
            found.setdefault((view_name, own))
    return list(found)


def _named(features: Sequence[tuple[str, str]], taken: set[str], full_names: bool) -> list[str]:
    """What each feature is called in the result: its column, or ``view__column`` where that is wished or needed."""
    plain = [column.casefold() for _, column in features]
    return [
        f"{view}__{column}"
        if full_names or column.casefold() in taken or plain.count(column.casefold()) > 1
        else column
        for view, column in features
    ]


def _column(name: str, own: Mapping[str, str]) -> str:
    if name.casefold() not in own:
        hint = did_you_mean(name, own.values())
        raise UsageError("missing-column", f"The rows have no column {name!r}, which `on` names.", hint=hint)
    return own[name.casefold()]
