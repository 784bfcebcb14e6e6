"""What of a training set's list DuckDB is asked for at every request, told by its text, before anything is published.

Windows are not looked at: what they cost is known when their view is published.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlfeat.base.names import quote
from sqlfeat.compiler.expressions import Unsupported, compile_expressions
from sqlfeat.compiler.expressions.running.zones import unread
from sqlfeat.compiler.fitted_select import is_transformed, with_tokens
from sqlfeat.compiler.manifest import CompiledModel, Manifest
from sqlfeat.compiler.parse import last_select
from sqlfeat.ops.online.expressions import Key
from sqlfeat.ops.online.request import plan_of


def uncovered(manifest: Manifest, model: CompiledModel) -> tuple[tuple[str, str], ...]:
    """The outputs and keys of a training set that no compiled expression gives, each with the reason."""
    plan = plan_of(model, {})
    types: dict[Key, str] = {plan.as_of[0]: plan.as_of[1], **plan.columns}
    slow: dict[str, str] = {}

    def compiled(name: str, sql: str) -> str | None:
        """The type of an expression; None where it is not compiled."""
        made = compile_expressions([sql], types, relation=plan.relation, plain=True, zones=unread)
        if isinstance(made, Unsupported):
            slow[name] = made.reason.rstrip(".")
            return None
        return made.type

    asked: set[str] = set()
    for lookup in plan.lookups:
        for key, sql in lookup.keys:
            compiled(f"the key {key} of {lookup.view}", sql)
        columns = {column.name: column.type for column in manifest.models[lookup.view].columns}
        types |= {(lookup.name, name): columns[name] for name in lookup.columns}
        asked |= {f"{lookup.name}.{quote(name)}" for name in lookup.columns}
    for step in plan.steps:
        made = {name: kind for name, sql in step.items() if (kind := compiled(name, sql)) is not None}
        if len(made) < len(step):  # what is made of these has types that only the engine knows
            return tuple(slow.items())
        types |= made
    for name, (sql, _) in plan.outputs.items():
        if sql not in asked:
            compiled(name, sql)
    for name, sql in _around_transforms(model):
        compiled(name, sql)
    return tuple(slow.items())


def _around_transforms(model: CompiledModel) -> Iterator[tuple[str, str]]:
    """What the author wrote around transforms, and as their arguments; transforms themselves are all compiled."""
    plan = model.training_set
    assert plan is not None
    fitted = {one.call.token: f"cast(null as {one.gives})" for one in plan.transforms}
    if fitted:
        for item, output in zip(last_select(plan.open).items, plan.outputs, strict=True):
            if output.role == "input" and is_transformed(plan, output):
                yield output.name, with_tokens(item.expression, fitted)
    for one in plan.transforms:
        yield one.outputs[0], with_tokens(one.sql, fitted)
