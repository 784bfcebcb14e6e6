"""Which models are made of one source's rows one by one: what may be said of a few new rows without reading the others.

Each model on the way has a SELECT of plain expressions over one relation, perhaps a WHERE, and joins to what never
changes (immutable relations, seeds). So the rows that it makes of two sets of rows are those that it makes of each.
``window()`` in the last one stands for what is computed later, from the rows that the rest of the SELECT gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlfeat.compiler import purity
from sqlfeat.compiler.algebra import (
    Call,
    Column,
    Constant,
    Expression,
    Filter,
    Join,
    Project,
    Relation,
    Scan,
    Subquery,
    Unknown,
)
from sqlfeat.compiler.manifest import CompiledModel, Manifest
from sqlfeat.compiler.resolve import Unresolved, resolve

_WORDS = {
    "Aggregate": "aggregates rows",
    "Windows": "has a window function over rows",
    "Distinct": "has a DISTINCT",
    "Limit": "has a LIMIT or a sample",
    "SetOperation": "has a set operation",
    "Recursive": "is recursive",
    "Reshaped": "pivots rows",
    "Rows": "reads no source",
    "TableFunction": "reads a table function",
}


@dataclass(frozen=True)
class RowByRow:
    """The way from a source (``source.SOURCE.TABLE``) to a model: the models in between, and it, the first one first.

    ``texts`` are the SELECTs that make rows of rows, the one of each model. ``beside`` are the nodes that these are
    joined to, with all that they are made from, the first one first.
    """

    source: str
    models: tuple[CompiledModel, ...]
    texts: tuple[str, ...]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mixed:
    """Why a model is not made of a source's rows one by one: what a model on the way does."""

    model: str
    why: str


def row_by_row(manifest: Manifest, model: CompiledModel) -> RowByRow | Mixed:
    """How a model is made of a source's rows one by one, or why it is not."""
    models: list[CompiledModel] = []
    texts: list[str] = []
    beside: set[str] = set()
    node = f"ref.{model.name}"
    while node.startswith("ref."):
        name = node.removeprefix("ref.")
        if name not in manifest.models:
            return Mixed(name, "is a seed, which is a file of the repo")
        step = manifest.models[name]
        if models and step.window_view is not None:
            return Mixed(name, "has window(), whose values hang on other rows")
        if step.deferred or step.config.post_hook:
            return Mixed(name, "asks run_query()" if step.deferred else "has a post_hook, which may change its rows")
        text = step.window_view.events if step.window_view is not None else step.sql
        found = _read(manifest, step, text, beside)
        if isinstance(found, Mixed):
            return found
        models.append(step)
        texts.append(text)
        node = found
    needed = beside | manifest.graph.ancestors(beside)
    if node in needed:
        return Mixed(model.name, "reads its source twice, and once as what never changes")
    order = tuple(other for other in manifest.graph.order() if other in needed)
    return RowByRow(node, tuple(reversed(models)), tuple(reversed(texts)), order)


def _read(manifest: Manifest, model: CompiledModel, text: str, beside: set[str]) -> str | Mixed:
    """The one relation that a SELECT makes its rows of, row by row; what it joins to is added ``beside``."""
    columns = {}
    for parent in model.parents:
        kind, name = parent.split(".", 1)
        columns[parent if kind == "source" else f"ref.{name}"] = manifest.columns[parent]
    try:
        relation = resolve(text, columns)
    except Unresolved as error:
        return Mixed(model.name, f"has a SELECT that is not understood: {error.what}")
    while not isinstance(relation, Scan):
        if isinstance(relation, Join):
            joined = _joined(manifest, relation)
            if joined is None:
                return Mixed(model.name, "joins relations that may change")
            why = next(_hidden(relation.condition), None) if relation.condition is not None else None
            if why is not None:
                return Mixed(model.name, why)
            relation = joined[0]
            beside.add(joined[1])
            continue
        if not isinstance(relation, Project | Filter):
            return Mixed(model.name, _WORDS.get(type(relation).__name__, "is made of several rows"))
        own = relation.expressions if isinstance(relation, Project) else (relation.condition,)
        for expression in own:
            why = next(_hidden(expression), None)
            if why is not None:
                return Mixed(model.name, why)
        relation = _input(relation)
    return relation.node


def _joined(manifest: Manifest, join: Join) -> tuple[Relation, str] | None:
    """The side of a join that has the new rows, and the node of the other one, where that never changes."""
    if join.kind not in ("inner", "left") or join.asof or join.lateral:
        return None
    right, left = _settled(manifest, join.right), _settled(manifest, join.left)
    if right is not None:
        return join.left, right
    return (join.right, left) if left is not None and join.kind == "inner" else None


def _settled(manifest: Manifest, relation: Relation) -> str | None:
    """The node that is scanned, if it is one that never changes."""
    if not isinstance(relation, Scan):
        return None
    kind, name = relation.node.split(".", 1)
    if kind == "source":
        return relation.node if manifest.source_time[relation.node].immutable else None
    model = manifest.models.get(name)
    if model is None:
        return f"seed.{name}"
    made = {node for node in manifest.graph.ancestors([model.id]) if node.startswith("model.")} | {model.id}
    plain = all(not _is_special(manifest.models[node.removeprefix("model.")]) for node in made)
    return model.id if model.time.immutable and plain else None


def _is_special(model: CompiledModel) -> bool:
    return model.deferred or bool(model.config.pre_hook) or bool(model.config.post_hook) or bool(model.windows)


def _input(relation: Project | Filter) -> Relation:
    return relation.input


def _hidden(expression: Expression) -> Iterator[str]:
    """What in an expression hangs on more than the row's values."""
    if isinstance(expression, Column | Constant):
        return
    if isinstance(expression, Subquery):
        yield "has a subquery"
    elif isinstance(expression, Unknown):
        yield f"has {expression.what}, which is not understood"
    elif isinstance(expression, Call):
        if expression.name in purity.CLOCKS | purity.DICE:
            yield f"calls {expression.name}(), which gives something else each time"
        elif expression.name == "unnest":
            yield "makes several rows of one"
        elif expression.name not in purity.PLAIN:
            yield f"calls {expression.name}(), of which it is not known what it hangs on"
        for argument in expression.arguments:
            yield from _hidden(argument)
    else:
        yield "has an aggregate or a window function"
