"""The columns of sources as they were when something was last made of them: what has changed is told before a run.

A new column is noted, and so are another order and a promise to hold no nulls that is gone: nothing becomes wrong by
them. A column that is gone or of another type would change what is made without a word, or break a model in the middle
of a run; so nothing is made until somebody says that it is meant, by ``--full-refresh``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sqlfeat.compiler.manifest import Manifest
from sqlfeat.engine.base import Engine, SourceColumn
from sqlfeat.errors import RunError
from sqlfeat.spec.project import SourceTable

_SHOWN = 4


@dataclass(frozen=True)
class _Difference:
    """What of a source is not as it was, in words: what stops a run, and what is only noted."""

    table: SourceTable
    wrong: tuple[str, ...]
    noted: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.table.source}.{self.table.name}"


def check_sources(
    manifest: Manifest, engine: Engine, nodes: Collection[str], log: Callable[[str], None], *, accept: bool
) -> None:
    """Compare the sources above these nodes with what they were; with ``accept`` what they are now is what holds.

    Raises:
        RunError: ``source-changed``.
    """
    above = {*nodes, *manifest.graph.ancestors(nodes)}
    read = [table for node, table in manifest.sources.items() if node in above and node in manifest.columns]
    for table in read:
        for doubt in engine.doubts_about(table):
            log(f"warning: source {table.source}.{table.name}: {doubt}")
    known, found, told = engine.source_columns(), {}, []
    for table in read:
        columns, key = engine.columns_now(table, manifest.columns[table.id]), _key(table)
        if columns != known.get(key):
            found[key] = columns
            told.append(_difference(table, known.get(key, columns), columns))
    wrong = [difference for difference in told if difference.wrong]
    if wrong and not accept:
        raise _changed(wrong)
    for difference in told:
        for note in difference.noted:
            log(f"Source {difference.name}: {note}.")
    if found:
        engine.keep_source_columns(found)


def _key(table: SourceTable) -> str:
    """Under which name a source's columns are kept: one that is told to lie elsewhere is another source."""
    return f"{table.id} {table.location}"


def sources_read(manifest: Manifest, node: str) -> list[SourceTable]:
    """The sources whose files are read where a node is made, or a training set: its own, and those of views above."""
    found, waiting = dict[str, SourceTable](), [node]
    seen = set(waiting)
    while waiting:
        for parent in manifest.models[waiting.pop().removeprefix("model.")].parents:
            if parent in manifest.sources:
                found[parent] = manifest.sources[parent]
            elif parent not in seen and _is_view(manifest, parent):
                waiting.append(parent)
            seen.add(parent)
    return list(found.values())


def _is_view(manifest: Manifest, node: str) -> bool:
    model = manifest.models.get(node.removeprefix("model."))
    return node.startswith("model.") and model is not None and model.materialized in ("view", "ephemeral")


def _difference(table: SourceTable, before: Sequence[SourceColumn], now: Sequence[SourceColumn]) -> _Difference:
    old, new = {column.name: column for column in before}, {column.name: column for column in now}
    added = [column for column in now if column.name not in old]
    declared = {column.name for column in table.columns if column.data_type} if table.format == "csv" else set()
    wrong = [_gone(column, before.index(column), now, added) for column in before if column.name not in new]
    for name in (name for name in old if name in new):
        if old[name].type != new[name].type and name not in declared:  # what is declared is as it is declared
            wrong.append(f"{name!r} was {old[name].type} and is {new[name].type}")
    noted = []
    if added:
        noted.append(f"new columns: {', '.join(f'{column.name} ({column.type})' for column in added)}")
    noted += [
        f"{column.name!r} could hold no nulls and now can"
        for column in before
        if column.required and column.name in new and not new[column.name].required
    ]
    ordered, stand = [name for name in old if name in new], [name for name in new if name in old]
    if ordered != stand:
        noted.append(f"the columns came as {', '.join(ordered)} and come as {', '.join(stand)}")
    return _Difference(table, tuple(wrong), tuple(noted))


def _gone(column: SourceColumn, place: int, now: Sequence[SourceColumn], added: Sequence[SourceColumn]) -> str:
    """A column that is not there any more; where another of its type has its place it was probably renamed."""
    stands = now[place] if place < len(now) else None
    if stands in added and stands is not None and stands.type == column.type:
        return f"{column.name!r} ({column.type}) is gone, and {stands.name!r} stands in its place"
    return f"{column.name!r} ({column.type}) is gone"


def _changed(wrong: Sequence[_Difference]) -> RunError:
    sentences = []
    for difference in wrong:
        more = len(difference.wrong) - _SHOWN
        listed = "; ".join([*difference.wrong[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
        sentences.append(f"Source {difference.name} is not what it was when it was last read: {listed}.")
    selectors = " ".join(f"source:{difference.name}+" for difference in wrong)
    csv = any(difference.table.format == "csv" for difference in wrong)
    return RunError(
        "source-changed",
        " ".join(sentences),
        wrong[0].table.place,
        "nothing was made. Bring the columns back; or, if this is meant, sqlfeat run --full-refresh -s "
        f"{selectors}{'; a data_type that a CSV column declares is not guessed from its values' if csv else ''}.",
    )
