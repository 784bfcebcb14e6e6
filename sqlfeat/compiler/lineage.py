"""Where every column of a project comes from, through every model down to source columns, and where it goes to.

One step leads from a column to the columns of the parents that its SELECT reads. A ``window()`` reads what its
aggregate reads, a ``feature()`` the view's column; keys and times that decide which rows these are count as indirect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlfeat.base.names import quote
from sqlfeat.compiler import transforms, windows
from sqlfeat.compiler.algebra import Relation, Span
from sqlfeat.compiler.dependencies import Leaf, Leaves, Traced, Tracer, union, written_at
from sqlfeat.compiler.excerpts import Excerpts
from sqlfeat.compiler.manifest import Column, CompiledModel, Manifest, TrainingSetPlan
from sqlfeat.compiler.resolve import Unresolved, resolve
from sqlfeat.compiler.rewriting import Rewritten, token_of, with_relations
from sqlfeat.errors import Place


@dataclass(frozen=True)
class Parent:
    """A column that another one is made from; ``via`` is ``direct`` or ``indirect``."""

    node: str
    column: str
    via: str


@dataclass(frozen=True)
class ColumnLineage:
    """One step from a column: the columns that it is made from, and the expression that makes it.

    ``untraced`` says why nothing is known, where that is so; ``undeclared``: only the SQL of others names it.
    """

    node: str
    column: str
    type: str
    parents: tuple[Parent, ...] = ()
    expression: str = ""
    place: Place | None = None
    untraced: str | None = None
    undeclared: bool = False


@dataclass(frozen=True)
class _Made:
    """What a column is made from, and where in the rendered text."""

    direct: Leaves
    indirect: Leaves
    span: Span | None


class Lineage:
    """The lineage of a project's columns; each model is resolved when it is first asked for."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._columns = _NodeColumns(manifest)
        self._models: dict[str, Mapping[str, ColumnLineage]] = {}
        self._children: dict[tuple[str, str], list[Parent]] | None = None

    def columns(self, node: str) -> Mapping[str, ColumnLineage]:
        """Every column of a node (``model.NAME``, ``seed.NAME``, ``source.SOURCE.TABLE``), one step each."""
        if node not in self._models:
            kind, name = node.split(".", 1)
            if kind == "model":
                self._models[node] = self._of_model(self._manifest.models[name])
            else:
                own = self._manifest.columns.get(node, ())
                only_named = self._manifest.assumed.get(node, frozenset())
                self._models[node] = {
                    column.name: ColumnLineage(node, column.name, column.type, undeclared=column.name in only_named)
                    for column in own
                }
        return self._models[node]

    def parents(self, node: str, column: str) -> tuple[Parent, ...]:
        """The columns that a column is made from."""
        return self.columns(node)[column].parents

    def children(self, node: str, column: str) -> Sequence[Parent]:
        """The columns that are made from a column; for this every model is resolved."""
        if self._children is None:
            self._children = {}
            for name in self._manifest.models:
                for own in self.columns(f"model.{name}").values():
                    for parent in own.parents:
                        child = Parent(own.node, own.column, parent.via)
                        self._children.setdefault((parent.node, parent.column), []).append(child)
        return self._children.get((node, column), ())

    # -- one model -----------------------------------------------------------------------------------------------------

    def _of_model(self, model: CompiledModel) -> Mapping[str, ColumnLineage]:
        try:
            made = _Model(self._manifest, self._columns, model).made()
        except Unresolved as error:
            place = model.source_map.place(error.offset, error.length)
            why = error.what
            if model.id in self._manifest.assumed and not model.sql.strip():
                found_before = self._manifest.errors[model.id]
                why, place = found_before.what, getattr(found_before, "where", None)
            named = self._manifest.assumed.get(model.id, frozenset())
            return {
                own.name: ColumnLineage(
                    model.id, own.name, own.type, place=place, untraced=why, undeclared=own.name in named
                )
                for own in model.columns
            }
        excerpts = Excerpts(model.sql)
        found = {}
        for own in model.columns:
            source = made[own.name]
            text, place = "", None
            if source.span is not None:
                whole = excerpts.around(source.span)
                text = excerpts.text(whole)
                place = model.source_map.place(whole.start, whole.end - whole.start)
            parents = self._parents(source)
            found[own.name] = ColumnLineage(model.id, own.name, own.type, parents, self._spelled(model, text), place)
        return found

    def _parents(self, made: _Made) -> tuple[Parent, ...]:
        direct = [Parent(*self._node(leaf), "direct") for leaf in made.direct]
        indirect = [Parent(*self._node(leaf), "indirect") for leaf in made.indirect - made.direct]
        return tuple(sorted(direct, key=_order) + sorted(indirect, key=_order))

    def _node(self, leaf: Leaf) -> Leaf:
        """A reference's node: ``ref.NAME`` is a model or a seed."""
        node, column = leaf
        kind, name = node.split(".", 1)
        if kind != "ref":
            return leaf
        return (f"model.{name}" if name in self._manifest.models else f"seed.{name}"), column

    def _spelled(self, model: CompiledModel, text: str) -> str:
        """An expression without tokens: windows as their aggregates, features and references by name."""
        text = with_relations(text, lambda node: node.split(".", 1)[1]).text
        for window in model.windows:
            over = f"{' '.join(window.aggregate.split())} over {window.length or 'all time'}"
            over += f", ending {window.offset} before" if window.offset else ""
            text = text.replace(window.token, over)
        for made in reversed(model.transforms):
            text = text.replace(made.token, transforms.written(made.kind, made.argument, made.options))
        for call in model.features:
            text = text.replace(call.token, f"{call.view}.{call.column}")
        return text


class _Model:
    """What one model's columns are made from, as far as its own SELECT says."""

    def __init__(self, manifest: Manifest, columns: Mapping[str, Sequence[Column]], model: CompiledModel) -> None:
        self._manifest = manifest
        self._columns = columns
        self._model = model

    def made(self) -> Mapping[str, _Made]:
        """By column; raises :class:`Unresolved`."""
        model = self._model
        if model.training_set is not None:
            return self._training_set(model.training_set)
        text = windows.describable(model.sql, model.windows) if model.windows else Rewritten(model.sql)
        relation = resolve(text.text, self._columns)
        traced = Tracer().relation(relation)
        made = self._by_name(relation, traced, text)
        view = model.window_view
        if view is not None:
            by = traced.rows | self._deciding(model, made)
            for item in view.items:
                own = made[item.name]
                made[item.name] = _Made(own.direct, own.indirect | by, own.span)
        return made

    def _by_name(self, relation: Relation, traced: Traced, text: Rewritten) -> dict[str, _Made]:
        """The fields of a query as the model's columns, which are in the same order."""
        made = {}
        if len(traced.fields) != len(self._model.columns):  # only where columns are assumed
            raise Unresolved("not all columns of what it is made from are known")
        for index, (name, uses) in enumerate(zip(self._model.column_names, traced.fields, strict=True)):
            span = written_at(relation, index)
            start, end = text.before(max(0, span.start)), text.before(max(0, span.end - 1)) + 1
            made[name] = _Made(uses.direct, uses.indirect | traced.rows, Span(start, end))
        return made

    def _deciding(self, model: CompiledModel, made: Mapping[str, _Made]) -> Leaves:
        """What the columns are made from that say about what and when a row of a feature view is."""
        folded = {name.casefold(): own for name, own in made.items()}
        found = [folded[name.casefold()] for name in _deciding_names(model) if name.casefold() in folded]
        return union(own.direct for own in found)

    # -- training sets -------------------------------------------------------------------------------------------------

    def _training_set(self, plan: TrainingSetPlan) -> Mapping[str, _Made]:
        """Label columns as they stand; features as columns of their views, found by keys and the as-of time."""
        lookups = {lookup.name: lookup for lookup in plan.lookups}

        def pick(leaf: Leaf, name: str) -> Leaf | None:
            lookup = lookups.get(leaf[1])
            return (f"ref.{lookup.view}", name) if lookup is not None and leaf[0] == plan.labels else None

        columns = _With(self._columns, plan.labels, self._assembled(plan))
        relation = resolve(plan.select.text, columns)
        made = self._by_name(relation, Tracer(pick).relation(relation), plan.select)
        found: dict[str, Leaves] = {}
        for lookup in plan.lookups:
            by = {(plan.labels, plan.as_of)}
            view = self._manifest.models[lookup.view]
            by |= {(f"ref.{lookup.view}", name) for name in _deciding_names(view) if name in view.column_names}
            for _, sql in lookup.keys:
                key = resolve(f"select {sql} from {token_of(plan.labels)}{_alias(plan)}", columns)
                by |= Tracer(pick).relation(key).fields[0].direct
            found[lookup.name] = frozenset(by)
        with_lookups = {}
        for name, own in made.items():
            views = {leaf[0] for leaf in own.direct}
            by_lookups = [found[lookup.name] for lookup in plan.lookups if f"ref.{lookup.view}" in views]
            with_lookups[name] = _Made(own.direct, own.indirect.union(*by_lookups), own.span)
        return with_lookups

    def _assembled(self, plan: TrainingSetPlan) -> tuple[Column, ...]:
        """The label columns, and a struct for each lookup."""
        columns = list(plan.label_columns)
        for lookup in plan.lookups:
            types = {column.name: column.type for column in self._manifest.models[lookup.view].columns}
            fields = ", ".join(f"{quote(name)} {types[name]}" for name in lookup.columns)
            columns.append(Column(lookup.name, f"STRUCT({fields})"))
        return tuple(columns)


def _alias(plan: TrainingSetPlan) -> str:
    return f" as {quote(plan.alias)}" if plan.alias else ""


def _deciding_names(model: CompiledModel) -> list[str]:
    """The columns of a feature view that say which of its rows holds when, and for whom."""
    time = model.time
    named = (*model.keys, time.event_time, time.available_at, *time.tie_breaker, *time.unique_key)
    return [name for name in named if name]


def _order(parent: Parent) -> tuple[str, str]:
    return parent.node, parent.column


class _NodeColumns(Mapping[str, Sequence[Column]]):
    """The columns of what SQL names: ``ref.NAME`` is a model or a seed."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    def __getitem__(self, node: str) -> Sequence[Column]:
        kind, name = node.split(".", 1)
        if kind != "ref":
            return self._manifest.columns[node]
        return self._manifest.columns[f"model.{name}" if name in self._manifest.models else f"seed.{name}"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._manifest.columns)

    def __len__(self) -> int:
        return len(self._manifest.columns)


class _With(Mapping[str, Sequence[Column]]):
    """Columns of nodes, one of which has others."""

    def __init__(self, columns: Mapping[str, Sequence[Column]], node: str, instead: Sequence[Column]) -> None:
        self._columns = columns
        self._node = node
        self._instead = instead

    def __getitem__(self, node: str) -> Sequence[Column]:
        return self._instead if node == self._node else self._columns[node]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
