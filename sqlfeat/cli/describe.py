"""How a trained model, its versions and its predictions read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sqlfeat.cli.render import bars, cell, count, facts, headed, number, place

if TYPE_CHECKING:
    from sqlfeat.ops.predict import Prediction
    from sqlfeat.store.registry import ModelVersion, RegisteredModel

_TOP = 12


def trained(version: ModelVersion) -> Text:
    """What a training gives: the version, its metrics, what matters to it."""
    told = [
        ("training set", _training_set(version)),
        ("path", place(version.path)),
        ("log", place(version.log)),
    ]
    head = Text.assemble((f"{version.name} version {version.version}\n", "bold"), facts(told))
    return _parts(head, metrics(version.metrics), importances(version.importances))


def version_in_full(version: ModelVersion) -> Text:
    """All that is known of a version."""
    told = [
        ("created", cell(version.created_at)),
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
    )


def registered(models: Sequence[RegisteredModel]) -> Text:
    """The registered models, one a line."""
    rows = []
    for model in models:
        latest = model.latest
        if latest is None:
            rows.append((model.name, "-", "-", "every version is damaged"))
        else:
            made = cell(latest.created_at.replace(microsecond=0))
            rows.append((model.name, f"v{latest.version}", made, _in_a_line(latest.metrics)))
    return headed(("name", "latest", "created", "metrics"), rows)


def predicted(prediction: Prediction) -> Text:
    """What a prediction gives."""
    told = [
        ("rows", count(prediction.rows)),
        ("path", place(prediction.path)),
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
    """What matters most to a model, as bars: by gain where that is known."""
    kind = "gain" if "gain" in by_kind else next(iter(by_kind), None)
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


def _in_a_line(by_split: Mapping[str, Mapping[str, float | None]]) -> str:
    if not by_split:
        return "none"
    split = list(by_split)[-1]
    return f"{split}: " + ", ".join(f"{name} {number(value)}" for name, value in list(by_split[split].items())[:3])


def _training_set(version: ModelVersion) -> str:
    return f"{version.training_set.get('name')} {version.training_set.get('id')}"


def _git(git: Mapping[str, Any] | None) -> str:
    if git is None:
        return "no repository"
    return f"{git.get('commit')}{' with uncommitted changes' if git.get('dirty') else ''}"
