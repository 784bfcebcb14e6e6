"""The lookups of a training set: which feature view is asked for which columns, by which keys of the label rows.

Equal lookups are one. A key may come from another feature, whose lookup then comes first. How rows are found is the
engine's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlfeat.base.names import did_you_mean, quote
from sqlfeat.compiler.manifest import Column, CompiledModel, FeatureCall, Lookup, TimeFacts


@dataclass(frozen=True)
class LabelRelation:
    """What the FROM of a training set names: its node (``ref.NAME`` …), columns and time."""

    node: str
    columns: tuple[Column, ...]
    time: TimeFacts

    def column(self, name: str) -> str | None:
        """The column's own spelling of a name."""
        return next((c.name for c in self.columns if c.name.casefold() == name.casefold()), None)


@dataclass
class _Lookups:
    """The lookups found so far; equal ones are one."""

    found: dict[tuple[object, ...], str] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    keys: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    calls: dict[str, FeatureCall] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    after: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, call: FeatureCall, keys: tuple[tuple[str, str], ...], after: tuple[str, ...]) -> str:
        identity = (call.view, keys, call.ttl, call.strict)
        name = self.found.setdefault(identity, f"__sqlfeat_l{len(self.found)}")
        self.views[name], self.keys[name], self.after[name] = call.view, keys, after
        self.calls.setdefault(name, call)
        self.columns.setdefault(name, [])
        return name

    def column(self, name: str, column: str) -> None:
        if column not in self.columns[name]:
            self.columns[name].append(column)

    def plan(self) -> tuple[Lookup, ...]:
        return tuple(
            Lookup(
                name=name,
                view=self.views[name],
                keys=self.keys[name],
                columns=tuple(self.columns[name]),
                ttl=self.calls[name].ttl,
                strict=self.calls[name].strict,
                after=self.after[name],
            )
            for name in self.found.values()
        )


class LookupPlanner:
    """Finds what each ``feature()`` of one training set means."""

    def __init__(self, calls: Sequence[FeatureCall], labels: LabelRelation, views: Mapping[str, CompiledModel]) -> None:
        self.calls = {call.token: call for call in calls}
        self.labels = labels
        self.views = views
        self.lookups = _Lookups()
        self.resolved: dict[str, tuple[str, str]] = {}

    def field_of(self, token: str) -> str:
        """The SQL of one feature: a field of its lookup's struct."""
        lookup, column = self.resolve(token)
        return f"{lookup}.{quote(column)}"

    def resolve(self, token: str) -> tuple[str, str]:
        """The lookup and the column of a feature; a key that is itself a feature is resolved first."""
        if token not in self.resolved:
            call = self.calls[token]
            view = self._view(call)
            name = self._lookup(call, view)
            column = self._column(call, view)
            self.lookups.column(name, column)
            self.resolved[token] = (name, column)
        return self.resolved[token]

    def star(self, token: str) -> list[tuple[str, str]]:
        """(SQL, output name) of every feature that ``view.*`` means."""
        call = self.calls[token]
        view = self._view(call)
        name = self._lookup(call, view)
        columns = features_of(view)
        for column in columns:
            self.lookups.column(name, column)
        return [(f"{name}.{quote(column)}", f"{call.prefix}{column}") for column in columns]

    def _view(self, call: FeatureCall) -> CompiledModel:
        view = self.views.get(call.view)
        known = [view.name for view in self.views.values() if _can_be_looked_up(view)]
        if view is None:
            what = f"There is no feature view {call.view!r}."
            raise self._wrong(call, "unknown-feature-view", what, did_you_mean(call.view, known))
        if view.name not in known:
            what = f"{call.view!r} is a {view.materialized}, and feature() reads feature views."
            hint = "give it materialized='feature_view' with entity and event_time."
            if view.time.immutable and view.keys:
                what = f"{call.view!r} is a {view.materialized}, and feature() reads what is kept."
                hint = "give it materialized='table'."
            raise self._wrong(call, "not-a-feature-view", what, hint)
        return view

    def _column(self, call: FeatureCall, view: CompiledModel) -> str:
        for column in view.column_names:
            if column.casefold() == call.column.casefold():
                return column
        raise self._wrong(
            call, "unknown-feature", f"The feature view {call.view!r} has no column {call.column!r}.",
            did_you_mean(call.column, view.column_names), call.column,
        )  # fmt: skip

    def _lookup(self, call: FeatureCall, view: CompiledModel) -> str:
        given = {key.casefold(): value for key, value in call.on}
        for key, _ in call.on:
            if key.casefold() not in {own.casefold() for own in view.keys}:
                raise self._wrong(
                    call, "unknown-key", f"{key!r} is no key of {call.view!r}.", did_you_mean(key, view.keys), key
                )
        keys, after = [], []
        for key in view.keys:
            sql = given.get(key.casefold())
            if sql is None:
                own = self.labels.column(key)
                if own is None:
                    raise self._wrong(
                        call,
                        "missing-key",
                        f"{call.view!r} is looked up by {key!r}, and the label relation has no such column.",
                        f"say where it comes from: feature('{call.view}.{call.column}', on={{'{key}': '…'}}).",
                    )
                sql = quote(own)
            for token in [token for token in self.calls if token in sql]:
                name, column = self.resolve(token)
                after.append(name)
                sql = sql.replace(token, f"{name}.{quote(column)}")
            keys.append((key, sql))
        if call.ttl is not None and view.time.ttl is not None and _longer(call.ttl, view.time.ttl):
            raise self._wrong(
                call, "longer-ttl", f"ttl={str(call.ttl)!r} is longer than the view's own ({view.time.ttl}).",
                "a lookup can only shorten the ttl.", str(call.ttl),
            )  # fmt: skip
        return self.lookups.add(call, tuple(keys), tuple(dict.fromkeys(after)))

    def _wrong(self, call: FeatureCall, code: str, what: str, hint: str | None, word: str = "") -> UnplannableFeature:
        return UnplannableFeature(call.token, code, what, hint, word or call.view)


def features_of(view: CompiledModel) -> list[str]:
    """What ``view.*`` means: its columns but keys, event time, available_at and tie breakers."""
    named = (*view.keys, view.time.event_time, view.time.available_at, *view.time.tie_breaker)
    hidden = {name.casefold() for name in named if name}
    return [column for column in view.column_names if column.casefold() not in hidden]


class UnplannableFeature(Exception):  # becomes a ProjectError at the feature()'s place
    """A ``feature()`` that cannot be looked up; ``token`` says which, and ``word`` where in it."""

    def __init__(self, token: str, code: str, what: str, hint: str | None, word: str) -> None:
        super().__init__(what)
        self.token, self.code, self.what, self.hint, self.word = token, code, what, hint, word


def _longer(one: object, other: object) -> bool:
    days = 31 * 86_400_000_000
    return _size(one, days) > _size(other, days)


def _size(duration: object, month: int) -> int:
    months: int = getattr(duration, "months", 0)
    microseconds: int = getattr(duration, "microseconds", 0)
    return months * month + microseconds


def _can_be_looked_up(view: CompiledModel) -> bool:
    """A feature view, or a kept table without a time of its own that an entity's key finds."""
    kept = view.materialized in ("table", "incremental")
    return view.materialized == "feature_view" or (kept and view.time.immutable and bool(view.keys))
