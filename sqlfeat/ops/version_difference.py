"""What differs between two registered versions, and why: what went into them, and what came out.

All of it is read from what the versions themselves record, so neither sources nor training sets need be there any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlfeat.base.files import canonical_json, sha256_text
from sqlfeat.engine.duckdb.set_comparison import ComparedSets
from sqlfeat.errors import UsageError
from sqlfeat.ops.session import Session
from sqlfeat.ops.set_difference import CODE, DATA, VERSIONS, Reason
from sqlfeat.ops.training_set_diff import reasons
from sqlfeat.store import registry
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.signature import Input

HOOK, PARAMS = "hook", "params"
"""The kinds of reasons that a training set does not have."""
_NOTHING = ComparedSets(0, 0, 0, (), (), {}, (), 0)


@dataclass(frozen=True)
class Change:
    """One thing that two versions have otherwise; None is what one of them does not have."""

    name: str
    old: Any
    new: Any


@dataclass(frozen=True)
class VersionDifference:
    """Two versions side by side; ``metrics`` are named ``split.metric``, and all of them are there."""

    old: ModelVersion
    new: ModelVersion
    params: tuple[Change, ...]
    metrics: tuple[Change, ...]
    features: tuple[Change, ...]
    inputs: tuple[Change, ...]
    output: tuple[Change, ...]
    training_set: tuple[Change, ...]
    compiled: tuple[Change, ...]
    versions: tuple[Change, ...]
    code: tuple[Change, ...]
    reasons: tuple[Reason, ...]

    @property
    def same_model(self) -> bool:
        """Whether both are the same bytes."""
        return (self.old.codec, self.old.sha256) == (self.new.codec, self.new.sha256)

    def parts(self) -> Mapping[str, Sequence[Change]]:
        """What differs, by what it is of."""
        return {
            "params": self.params,
            "features": self.features,
            "inputs": self.inputs,
            "output": self.output,
            "training_set": self.training_set,
            "compiled": self.compiled,
            "versions": self.versions,
            "code": self.code,
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "old": self.old.reference,
            "new": self.new.reference,
            "same_model": self.same_model,
            "metrics": [asdict(change) for change in self.metrics],
            **{part: [asdict(change) for change in changes] for part, changes in self.parts().items()},
            "reasons": [asdict(reason) for reason in self.reasons],
        }


def diff(session: Session, old: str, new: str | None = None) -> VersionDifference:
    """Compare two versions; one alone (``NAME``, ``NAME@3``) is compared with the one before it.

    Raises:
        UsageError: ``nothing-before`` where there is none.
    """
    place = session.spec.registry
    first = registry.resolve(place, old)
    if new is not None:
        return compare(first, registry.resolve(place, new))
    _, state = registry.number_of(place, f"{first.name}@{first.version}")
    before = [number for number in state.current if number < first.version]
    if not before:
        hint = "name two: sqlfeat registry diff NAME@1 NAME@2."
        raise UsageError("nothing-before", f"{first.reference} has no version before it.", hint=hint)
    return compare(registry.load_version(place, first.name, before[-1]), first)


def compare(old: ModelVersion, new: ModelVersion) -> VersionDifference:
    """What differs between two versions, and why."""
    mine, yours = old.signature, new.signature
    found = VersionDifference(
        old=old,
        new=new,
        params=_changes(old.params, new.params),
        metrics=_metrics(old, new),
        features=_changes(old.features, new.features),
        inputs=_changes(_inputs(mine.inputs), _inputs(yours.inputs)),
        output=_changes(mine.output.as_dict(), yours.output.as_dict()),
        training_set=_changes(_training_set(old), _training_set(new)),
        compiled=_changes(old.compiled, new.compiled),
        versions=_changes(_packages(old), _packages(new)),
        code=_changes(_code(old), _code(new)),
        reasons=(),
    )
    return VersionDifference(**{**found.__dict__, "reasons": tuple(_reasons(found))})


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    names = [*old, *(name for name in new if name not in old)]
    return tuple(Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def _metrics(old: ModelVersion, new: ModelVersion) -> tuple[Change, ...]:
    splits = dict.fromkeys([*old.metrics, *new.metrics])
    told = []
    for split in splits:
        mine, yours = old.metrics.get(split, {}), new.metrics.get(split, {})
        told += [Change(f"{split}.{name}", mine.get(name), yours.get(name)) for name in dict.fromkeys([*mine, *yours])]
    return tuple(told)


def _inputs(inputs: Sequence[Input]) -> dict[str, Any]:
    """What is told of an input; of its categories, which may be many, how many there are and a hash of them."""
    return {one.name: {"type": one.type, "kind": one.kind, **_categories(one)} for one in inputs}


def _categories(one: Input) -> dict[str, Any]:
    if one.categories is None:
        return {}
    return {"categories": len(one.categories), "sha256": sha256_text(canonical_json(list(one.categories)))[:16]}


def _training_set(version: ModelVersion) -> dict[str, Any]:
    kept = version.provenance.get("training_set")
    rows = kept.get("splits") if isinstance(kept, Mapping) else None
    return {**version.training_set, **({"rows": rows} if rows is not None else {})}


def _packages(version: ModelVersion) -> dict[str, Any]:
    """Every package that was there when the model was trained, as far as that is recorded."""
    around = version.provenance.get("around")
    packages = around.get("packages") if isinstance(around, Mapping) else None
    return {**(packages if isinstance(packages, Mapping) else {}), **version.versions}


def _code(version: ModelVersion) -> dict[str, Any]:
    """The commit, and every file of the project with its hash."""
    code = version.provenance.get("code")
    files = code.get("files") if isinstance(code, Mapping) else None
    return {
        "commit": version.git.get("commit") if version.git else None,
        "dirty": version.git.get("dirty") if version.git else None,
        "hook": version.hook,
        **(files if isinstance(files, Mapping) else {}),
    }


def _reasons(found: VersionDifference) -> Iterator[Reason]:
    """Why the models differ, nearest first: parameters, the hook, the training set and what is above it, packages."""
    if found.params:
        names = ", ".join(change.name for change in found.params)
        yield Reason(PARAMS, names, f"other values of {names}.")
    before, after = (version.provenance.get("hook") for version in (found.old, found.new))
    if isinstance(before, Mapping) and isinstance(after, Mapping) and before.get("sha256") != after.get("sha256"):
        yield Reason(HOOK, found.new.hook, f"the file of the hook {found.new.hook} changed.")
    for change in found.code:
        if change.name == "commit" and change.old and change.new:
            yield Reason(CODE, "git", f"the commit is {str(change.new)[:12]}, and was {str(change.old)[:12]}.")
    if any(change.name == "id" for change in found.training_set):
        yield from _of_training_sets(found)
    for change in _changes(found.old.versions, found.new.versions):
        yield Reason(VERSIONS, change.name, f"{change.name} is {change.new}, and was {change.old}.")


def _of_training_sets(found: VersionDifference) -> Iterator[Reason]:
    before, after = (_manifest(version) for version in (found.old, found.new))
    if before is not None and after is not None and found.old.training_set["name"] == found.new.training_set["name"]:
        try:
            yield from [reason for reason in reasons(before, after, _NOTHING, None) if reason.kind != VERSIONS]
        except (KeyError, TypeError, AttributeError):  # written by a sqlfeat that recorded less
            pass
        else:
            return
    changed = ", ".join(change.name for change in found.compiled)
    if changed:
        yield Reason(CODE, changed, f"the SQL of {changed} changed.")
    else:
        yield Reason(DATA, "training set", "the training set has other rows, or was asked for otherwise.")


def _manifest(version: ModelVersion) -> dict[str, Any] | None:
    """What a version records of its training set's manifest."""
    kept = version.provenance.get("training_set")
    if not isinstance(kept, Mapping):
        return None
    return {**kept, "features": version.features, "compiled": version.compiled}
