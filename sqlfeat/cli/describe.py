"""How a trained model, its versions and its predictions read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sqlfeat.cli.describe_training import permutation, reports
from sqlfeat.cli.render import bars, cell, count, facts, headed, number, place

if TYPE_CHECKING:
    from sqlfeat.ops.predict import Prediction
    from sqlfeat.ops.registry import Standing
    from sqlfeat.store.registry import ModelVersion

_TOP = 12


def trained(version: ModelVersion) -> Text:
    """What a training gives: the version, its metrics, what matters to it."""
    told = [
        ("training set", _training_set(version)),
        ("path", place(version.path)),
        ("log", place(version.log)),
    ]
    head = Text.assemble((f"{version.name} version {version.version}\n", "bold"), facts(told))
    return _parts(head, metrics(version.metrics), importances(version.importances) or permutation(version))


def version_in_full(version: ModelVersion, known: Standing | None = None) -> Text:
    """All that is known of a version."""
    told = [
        ("created", cell(version.created_at)),
        *_standing(known),
        ("hook", version.hook),
        ("training set", _training_set(version)),
        ("path", place(version.path)),
        ("file", f"{version.file} ({version.codec}), sha256 {version.sha256}"),
        ("git", _git(version.git)),
        ("versions", ", ".join(f"{name} {number}" for name, number in version.versions.items())),
        ("log", place(version.log)),
    ]
    head = Text.assemble((f"{version.name} version {version.version}\n", "bold"), facts(told))
    params = facts((name, cell(value)) for name, value in version.params.items())
    return _parts(
        head,
        metrics(version.metrics),
        _titled("parameters", params) if version.params else None,
        importances(version.importances),
        reports(version),
    )


def _standing(known: Standing | None) -> Iterator[tuple[str, str]]:
    if known is not None and known.aliases:
        yield "aliases", ", ".join(known.aliases)
    if known is not None and known.archived:
        yield "archived", "yes: only its number means it"


def predicted(prediction: Prediction) -> Text:
    """What a prediction gives."""
    told = [
        ("rows", count(prediction.rows)),
        ("path", place(prediction.path)),
        *([("table", prediction.table)] if prediction.table else []),
        ("columns", ", ".join(prediction.columns)),
    ]
    head = (f"predictions of {prediction.name} version {prediction.version}\n", "bold")
    return Text.assemble(head, facts(told))


def metrics(by_split: Mapping[str, Mapping[str, float | None]]) -> Text | None:
    """A table: a metric a line, a split a column."""
    names = list(dict.fromkeys(name for values in by_split.values() for name in values))
    if not names:
        return None
    rows = [(name, *(number(values[name]) if name in values else "" for values in by_split.values())) for name in names]
    return headed(("metric", *by_split), rows, right=range(1, len(by_split) + 1))


def importances(by_kind: Mapping[str, Mapping[str, float]]) -> Text | None:
    """What matters most to a model by its library's account, as bars: by gain where that is known."""
    kinds = [kind for kind in by_kind if kind != "permutation"]
    kind = "gain" if "gain" in kinds else next(iter(kinds), None)
    if kind is None or not by_kind[kind]:
        return None
    values = by_kind[kind]
    return _titled(_importance_title(kind, len(values)), bars(values, most=_TOP))


def _importance_title(kind: str, inputs: int) -> str:
    return f"importance ({kind})" + (f", the first {_TOP} of {inputs} inputs" if inputs > _TOP else "")


def _titled(title: str, body: Text) -> Text:
    return Text.assemble((f"  {title}\n", "bold"), body)


def _parts(*parts: Text | None) -> Text:
    return Text("\n\n").join([part for part in parts if part is not None])


def _training_set(version: ModelVersion) -> str:
    return f"{version.training_set.get('name')} {version.training_set.get('id')}"


def _git(git: Mapping[str, Any] | None) -> str:
    if git is None:
        return "no repository"
    return f"{git.get('commit')}{' with uncommitted changes' if git.get('dirty') else ''}"
