"""Columns of what cannot be read: sources of a dbt project whose database is not here, and the models above them.

A source has the columns that a seed of its name has, that its YAML describes, and that models name of it; their types
are those that are said. A model has the columns that its text gives, by names alone. One that cannot be read, for
whatever reason, has those that are described and those that others name of it, so that its neighbours can be told of.
Nothing is run with any of this: the errors stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from sqlfeat.compiler import windows
from sqlfeat.compiler.algebra import Relation
from sqlfeat.compiler.manifest import UNKNOWN, Column, CompiledModel
from sqlfeat.compiler.named_columns import NamedColumns
from sqlfeat.compiler.resolve import Unresolved, resolve
from sqlfeat.spec.project import ColumnSpec, ProjectSpec

_MOST_ROUNDS = 3
"""How often what others name of unreadable models is looked for: each round may let others be read."""


class Assumptions:
    """What is assumed of the nodes of one project; ``models`` and ``columns`` are added to."""

    def __init__(
        self,
        spec: ProjectSpec,
        models: dict[str, CompiledModel],
        columns: dict[str, tuple[Column, ...]],
        id_of: Callable[[str], str],
    ) -> None:
        self._spec = spec
        self._models = models
        self._columns = columns
        self._id_of = id_of
        self._earlier: dict[str, tuple[Column, ...]] = {}
        self._sources = {table.id: table for table in spec.sources.values()}

    def fill(
        self, nodes: Sequence[str], rendered: Callable[[CompiledModel], CompiledModel]
    ) -> dict[str, frozenset[str]]:
        """Columns for these nodes, in the order of the graph; gives what of each only the SQL of others names.

        ``rendered`` is a model's text once more, when the columns of what it is made from are known.
        """
        opaque = [node for node in nodes if not node.startswith(("model.", "test.")) or self._has_no_text(node)]
        declared = {node: self._declared(node) for node in opaque}
        before = dict(self._columns)
        for _ in range(_MOST_ROUNDS):
            assumed, unread = self._filled(nodes, declared, rendered)
            if not unread:
                break
            self._earlier = dict(self._references_with_columns())
            self._columns.clear()  # once more, with what others name of those that cannot be read
            self._columns.update(before)
            declared |= {node: self._declared(node) for node in unread}
        else:
            assumed, _ = self._filled(nodes, declared, rendered)
        return assumed

    def _filled(
        self,
        nodes: Sequence[str],
        declared: Mapping[str, Sequence[Column]],
        rendered: Callable[[CompiledModel], CompiledModel],
    ) -> tuple[dict[str, frozenset[str]], list[str]]:
        """One round: what is assumed of the nodes, and the models that cannot be read though they have a text."""
        named = self._named(declared, nodes)
        assumed: dict[str, frozenset[str]] = {}
        unread = []
        for node in nodes:
            if node.startswith("test."):
                continue
            relation = self._read(node, rendered) if node.startswith("model.") else None
            if relation is not None:
                self._columns[node] = tuple(Column(own.name, own.type or UNKNOWN) for own in relation.fields)
                assumed[node] = frozenset()
            else:
                if node not in declared:
                    unread.append(node)
                known = declared[node] if node in declared else self._declared(node)
                others = [name for key, name in named.get(node, {}).items() if key not in _folded(known)]
                self._columns[node] = (*known, *(Column(name, UNKNOWN) for name in others))
                assumed[node] = frozenset(others)
            if node.startswith("model."):
                model = self._models[node.removeprefix("model.")]
                self._models[model.name] = replace(model, columns=self._columns[node])
        return assumed, unread

    def _has_no_text(self, node: str) -> bool:
        return node.startswith("model.") and not self._models[node.removeprefix("model.")].sql.strip()

    def _read(self, node: str, rendered: Callable[[CompiledModel], CompiledModel]) -> Relation | None:
        """What a model's text means; nothing where it cannot be read."""
        model = rendered(self._models[node.removeprefix("model.")])
        self._models[model.name] = model
        known = {**self._earlier, **dict(self._references_with_columns())}
        try:
            relation = resolve(windows.describable(model.sql, model.windows).text, known)
        except Unresolved:
            return None
        names = [own.name.casefold() for own in relation.fields]
        return relation if names and len(set(names)) == len(names) else None

    def _references(self) -> Iterator[tuple[str, str]]:
        for node in self._columns:
            kind, name = node.split(".", 1)
            yield (node if kind == "source" else f"ref.{name}"), node

    def _references_with_columns(self) -> Iterator[tuple[str, tuple[Column, ...]]]:
        return ((reference, self._columns[node]) for reference, node in self._references())

    # -- what is said ----------------------------------------------------------------------------------------------

    def _declared(self, node: str) -> tuple[Column, ...]:
        """The columns of a node as a seed of its name has them, or as its YAML describes them."""
        kind, name = node.split(".", 1)
        if kind == "source":
            table = self._sources[node]
            names = (table.name, table.location.rpartition(".")[2])
            seed = next((f"seed.{each}" for each in names if f"seed.{each}" in self._columns), None)
            return self._columns[seed] if seed else _described(table.columns)
        properties = (self._spec.seeds if kind == "seed" else self._spec.models)[name].properties
        return _described(properties.columns) if properties else ()

    def _named(self, declared: Mapping[str, Sequence[Column]], nodes: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """What the models name of the nodes without columns of their own."""
        by_reference = dict(self._references())
        known = {ref: [column.name for column in self._columns[node]] for ref, node in by_reference.items()}
        open_ones = {_reference(node): [column.name for column in own] for node, own in declared.items()}
        unread = [self._models[node.removeprefix("model.")] for node in nodes if node.startswith("model.")]
        texts = {_reference(model.id): model.sql for model in unread if model.sql.strip()}
        read = [model.sql for model in self._models.values() if _reference(model.id) in known]
        found = NamedColumns.of(known, open_ones, texts, read).found
        return {self._id_of(node): names for node, names in found.items()}


def _reference(node: str) -> str:
    kind, name = node.split(".", 1)
    return node if kind == "source" else f"ref.{name}"


def _described(columns: Iterable[ColumnSpec]) -> tuple[Column, ...]:
    once = {column.name.casefold(): column for column in reversed(tuple(columns))}
    return tuple(Column(column.name, _type(column.data_type)) for column in reversed(once.values()))


def _type(said: str | None) -> str:
    """A type as YAML says it, where it is one of DuckDB's; another engine's is not known here."""
    name = (said or "").strip().upper()
    return _KNOWN.get(name.split("(")[0].strip(), UNKNOWN) if not name.startswith("DECIMAL(") else name


_KNOWN = {
    "VARCHAR": "VARCHAR", "TEXT": "VARCHAR", "STRING": "VARCHAR", "CHAR": "VARCHAR", "BOOLEAN": "BOOLEAN",
    "BOOL": "BOOLEAN", "INTEGER": "INTEGER", "INT": "INTEGER", "BIGINT": "BIGINT", "SMALLINT": "SMALLINT",
    "DOUBLE": "DOUBLE", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP", "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip


def _folded(columns: Iterable[Column]) -> set[str]:
    return {column.name.casefold() for column in columns}
