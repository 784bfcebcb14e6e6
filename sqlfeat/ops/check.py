"""Check a project without running it: references, columns, types and contracts as it compiles, then time safety.

The proof itself is the compiler's (``compiler.verdicts``); here its verdicts are chosen, placed and counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlfeat.compiler.findings import Finding
from sqlfeat.compiler.lookback import Lookback
from sqlfeat.compiler.manifest import CompiledModel, Manifest
from sqlfeat.compiler.verdicts import ModelVerdict, Verdicts
from sqlfeat.ops.check_memory import Marks, recall, remember
from sqlfeat.ops.check_result import CheckedColumn, CheckedModel, CheckResult, Problem
from sqlfeat.ops.events import notify
from sqlfeat.ops.selection import selected
from sqlfeat.ops.session import Session


def check(
    session: Session, select: Sequence[str] = (), exclude: Sequence[str] = (), *, strict: bool = False
) -> CheckResult:
    """Check the selected models; what does not compile is told with its error, all else with its verdicts."""
    ids = [id_ for id_ in selected(session, select, exclude) if id_.startswith("model.")]
    marks = Marks(session)
    known = recall(session, marks, ids)
    left = [id_ for id_ in ids if id_ not in known]
    if left:
        manifest = session.bound({*left, *marks.naming_labels(left)})
        verdicts = Verdicts(manifest)
        new = {id_: _checked(verdicts, manifest, id_) for id_ in left}
        remember(session, marks, new)
        known |= new
    result = CheckResult(tuple(known[id_] for id_ in ids), strict)
    notify(session, "check_end", {"failed": result.failed, **result.as_dict()})
    return result


def _checked(verdicts: Verdicts, manifest: Manifest, id_: str) -> CheckedModel:
    model = manifest.models[id_.removeprefix("model.")]
    error = next(
        (manifest.errors[node] for node in (id_, *manifest.graph.ancestors({id_})) if node in manifest.errors), None
    )
    if error is not None:
        return CheckedModel(model.name, model.path, (), Lookback(None, None, "it does not compile"), None, error)
    verdict = verdict_of(verdicts, model)
    columns = tuple(
        CheckedColumn(
            column.name, column.verdict, tuple(_problem(verdicts, manifest, model, f) for f in column.findings)
        )
        for column in verdict.columns
    )
    notes = tuple((note.message, verdicts.place_of(model.name, note.span)) for note in verdict.notes)
    slow = _slow_online(manifest, model)
    return CheckedModel(model.name, model.path, columns, verdict.lookback, verdict.allowed, None, notes, slow)


def _slow_online(manifest: Manifest, model: CompiledModel) -> tuple[tuple[str, str], ...]:
    """What no compiled expression gives of a training set whose views are online."""
    lookups = model.training_set.lookups if model.training_set is not None else ()
    if not lookups or not all(manifest.models[lookup.view].config.online for lookup in lookups):
        return ()
    from sqlfeat.ops.online.uncovered import uncovered  # here, as few projects serve

    return uncovered(manifest, model)


def check_model(manifest: Manifest, model: CompiledModel) -> CheckedModel:
    """One model that compiles, with all that it is made from."""
    return _checked(Verdicts(manifest), manifest, model.id)


def verdict_of(verdicts: Verdicts, model: CompiledModel) -> ModelVerdict:
    """A model's verdict, a training set's too."""
    if model.materialized == "training_set":
        return verdicts.of_training_set(model.name)
    return verdicts.of(model.name)


def _problem(verdicts: Verdicts, manifest: Manifest, model: CompiledModel, finding: Finding) -> Problem:
    """The finding at its place; it is allowed by the model that has it, or by the one in which it began."""
    for owner in (model, manifest.models[finding.model]):
        if owner.config.allow_leakage:
            return Problem(finding, verdicts.place(finding), owner.config.allow_leakage, owner.name)
    return Problem(finding, verdicts.place(finding))
