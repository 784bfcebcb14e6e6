"""Which entities a verification looks at, where it does not look at all: a share of them, or so many.

Both readings of a comparison take the same rows from the sources, so a sample can miss a difference and never makes
one.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlfeat.compiler.manifest import Manifest
from sqlfeat.engine.base import Scratch
from sqlfeat.engine.comparison import Sample
from sqlfeat.errors import UsageError
from sqlfeat.ops.verification import SampleView
from sqlfeat.spec.project import EntitySpec

ENOUGH = 0.5
"""An entity is sampled by whose keys stand in this share of the timed rows, rather than the keys of rows."""


def sample_of(
    scratch: Scratch, manifest: Manifest, entities: Sequence[EntitySpec], timed: Sequence[str], size: float
) -> tuple[Sample, SampleView]:
    """The sample of ``size``, a share below 1 or a number of entities, and what it takes rows from.

    Raises:
        UsageError: ``bad-sample`` where the size is neither, ``nothing-to-sample`` where no timed source has keys.
    """
    if size <= 0 or (size >= 1 and size != int(size)):
        raise UsageError(
            "bad-sample", f"A sample of {size} cannot be taken.", hint="a share as 0.1, or a number as 500."
        )
    columns = {node: [column.name for column in manifest.columns[node]] for node in timed}
    rows = {node: scratch.rows(node) for node in timed}
    of_entities = [(entity.name, entity.keys) for entity in entities]
    of_rows = [(None, manifest.sources[node].keys) for node in timed if node in manifest.sources]
    found = _widest(of_entities, columns, rows, least=ENOUGH) or _widest([*of_entities, *of_rows], columns, rows)
    if found is None:
        raise UsageError(
            "nothing-to-sample",
            "No timed source has the keys of an entity, or keys of its own.",
            hint="declare keys: [...] under the source's config, or leave out --sample.",
        )
    entity, keys = found
    sampled = [node for node in timed if _has(columns[node], keys)]
    share, count = (size, None) if size < 1 else (None, int(size))
    sample = Sample(keys, scratch.threshold(sampled, keys, share, count), entity)
    told = [tuple(node.split(".", 1)[1] for node in timed if (node in sampled) is taken) for taken in (True, False)]
    return sample, SampleView(entity, keys, *told)


def _widest(
    candidates: Sequence[tuple[str | None, tuple[str, ...]]],
    columns: dict[str, list[str]],
    rows: dict[str, int],
    least: float = 0.0,
) -> tuple[str | None, tuple[str, ...]] | None:
    """The keys that stand in most timed rows, the first of equals."""
    total = sum(rows.values())
    best, most = None, least * total
    for name, keys in candidates:
        covered = sum(count for node, count in rows.items() if keys and _has(columns[node], keys))
        if covered and (covered > most or (best is None and covered >= most)):
            best, most = (name, keys), covered
    return best


def _has(columns: Sequence[str], keys: Sequence[str]) -> bool:
    return {key.casefold() for key in keys} <= {column.casefold() for column in columns}
