"""Train: build the training set, run the hook in a child process, keep what it made as a new version.

Nothing is registered unless the child's result is there and the model's bytes are those that it speaks of. However a
hook fails, the user is shown the place in the hook's file, and what it wrote is kept in ``target/logs``.
"""

from __future__ import annotations

import hashlib
import linecache
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from sqlfeat.base.files import canonical_json
from sqlfeat.base.process import ChildResult, run_in_child
from sqlfeat.errors import HookError, Place, ProjectError, RunError, UsageError
from sqlfeat.ops.events import notify
from sqlfeat.ops.predict import carried_columns
from sqlfeat.ops.provenance import git_state, package_versions
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session
from sqlfeat.ops.training_set import build_training_set
from sqlfeat.spec.hook import TrainerSpec, discover_hooks
from sqlfeat.store import registry
from sqlfeat.store.artifacts import verify_files
from sqlfeat.store.registry import LOG, ModelVersion
from sqlfeat.store.training_set import TrainingSet

_CHILD = "sqlfeat.hook_child:train"
_PACKAGES = ("sqlfeat", "duckdb", "numpy", "pyarrow")


def train(session: Session, hook: str, params: Mapping[str, Any] | None = None) -> ModelVersion:
    """Train with a hook of the project; ``params`` win over those of its decorator."""
    spec = discover_hooks(session.spec.hooks, session.spec.root).trainer(hook)
    _refuse_strange_params(params or {})
    started = session.clock.monotonic()
    training_set = _build(session, spec)
    _tell(
        session,
        "build",
        session.clock.monotonic() - started,
        {"training set": training_set.name, "id": training_set.id, "rows": training_set.rows},
    )
    git = git_state(session.spec.root)
    with _work_folder(session.spec.target_path) as work:
        made = _run(session, spec, training_set, params or {}, work)
        _tell(session, "train", made.train_seconds, {"hook": spec.name, "kept as": made.codec})
        _tell(session, "evaluate", made.evaluate_seconds, {"splits": len(made.metrics)})
        started = session.clock.monotonic()
        version = _register(session, spec, training_set, made, work, git)
    seconds = session.clock.monotonic() - started
    _tell(session, "register", seconds, {"model": version.name, "version": f"v{version.version}"})
    notify(session, "model_registered", version.as_dict())
    return version


def _refuse_strange_params(params: Mapping[str, Any]) -> None:
    try:
        canonical_json(dict(params))
    except (TypeError, ValueError) as error:
        hint = "give texts, finite numbers, booleans, None, and lists and dicts of these."
        raise UsageError("bad-params", f"These parameters cannot be kept: {error}.", hint=hint) from error


def _build(session: Session, spec: TrainerSpec) -> TrainingSet:
    try:
        training_set = build_training_set(session, spec.training_set)
    except UsageError as error:
        if error.code != "unknown-training-set":
            raise
        raise ProjectError(error.code, f"{spec.name}: {error.what}", spec.training_set_place, error.hint) from error
    verify_files(training_set.path, training_set.manifest)
    carried_columns(training_set)
    if training_set.splits.get("train") == 0 or not any(training_set.splits.values()):
        raise RunError(
            "empty-split",
            f"The training set {training_set.name} has no row to train on.",
            spec.training_set_place,
            hint="look at the dates in its config(split={…}), and at the label rows.",
        )
    return training_set


@dataclass(frozen=True)
class _Made:
    """What the child made: the description of a model, and its bytes."""

    data: bytes
    codec: str
    package: str
    file: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    importances: Mapping[str, Any]
    signature: Mapping[str, Any]
    train_seconds: float
    evaluate_seconds: float


def _run(
    session: Session, spec: TrainerSpec, training_set: TrainingSet, params: Mapping[str, Any], work: Path
) -> _Made:
    """Run the hook in a child; on failure keep what it wrote where the error says."""
    argument = {
        "root": str(session.spec.root),
        "file": str(spec.path),
        "hook": spec.name,
        "training_set": str(training_set.path),
        "params": dict(params),
        "folder": str(work),
    }
    with (work / LOG).open("w", encoding="utf-8") as log:
        result = run_in_child(
            _CHILD,
            argument,
            folder=session.spec.root,
            timeout=spec.time_limit,
            memory_limit=spec.memory_limit,
            on_line=_listening(session, spec.name, log),
        )
    try:
        return _checked(result, spec, session.spec.root, work)
    except HookError as error:
        kept = session.spec.target_path / "logs" / f"{spec.name}.txt"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work / LOG, kept)
        told = f"all that it wrote is in {_shown(kept, session.spec.root)}."
        error.hint = f"{error.hint.rstrip('.')}; {told}" if error.hint else told
        raise


def _listening(session: Session, hook: str, log: TextIO) -> Callable[[str], None]:
    def listen(line: str) -> None:
        log.write(f"{line}\n")
        log.flush()
        session.listener(Event("log", name=hook, text=line))

    return listen


def _checked(result: ChildResult, spec: TrainerSpec, root: Path, work: Path) -> _Made:
    """What the child made, if its result is there and right."""
    if not result.ok:
        raise _ended_badly(result, spec, root)
    told = result.value
    if "error" in told:
        raise _as_told(told["error"], spec)
    path = work / told["file"]
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != told["sha256"]:
        raise HookError("hook-no-result", f"The model that {spec.name} made is not in its file.", spec.place)
    return _Made(data, **{one.name: told[one.name] for one in fields(_Made) if one.name != "data"})


def _as_told(error: Mapping[str, Any], spec: TrainerSpec) -> HookError:
    """The error that the child describes; where it knows no place, the hook's own."""
    place = Place(*error["place"]) if error["place"] else spec.place
    return HookError(error["code"], error["what"], place, error["hint"], details=error["details"])


def _ended_badly(result: ChildResult, spec: TrainerSpec, root: Path) -> HookError:
    """The error of a hook that left no result."""
    place = _last_seen(result, root) or spec.place
    if result.timed_out:
        hint = "train on less, or give @trainer a greater time_limit."
        return HookError("hook-timeout", f"The hook {spec.name} {result.failure}.", spec.place, hint)
    if result.signal is not None:
        hint = "a native library failed, or the memory was not enough (memory_limit=)."
        return HookError("hook-died", f"The hook {spec.name} {result.failure}.", place, hint)
    if result.error is not None and result.error.type != "SystemExit":
        details = result.error.traceback.splitlines()[-6:]
        return HookError("hook-failed", f"The hook {spec.name} {result.failure}.", place, details=details)
    ended = "called exit" if result.error is not None else result.failure
    return HookError(
        "hook-no-result", f"The hook {spec.name} {ended} and returned nothing.", place, "return the trained model."
    )


def _last_seen(result: ChildResult, root: Path) -> Place | None:
    """The line of the project that the child was in, as its traceback or Python's fault handler says."""
    if result.error is not None:
        frame = result.error.innermost_in(root)
        return _line_of(frame.file, frame.line, root) if frame else None
    for line in result.lines:
        match = re.match(r'\s*File "(.+)", line (\d+) in ', line)
        if match and Path(match[1]).is_relative_to(root) and "site-packages" not in match[1]:
            return _line_of(match[1], int(match[2]), root)
    return None


def _line_of(file: str, number: int, root: Path) -> Place:
    text = linecache.getline(file, number).rstrip("\n")
    indent = len(text) - len(text.lstrip())
    return Place(_shown(Path(file), root), number, indent + 1, text, max(len(text.strip()), 1))


def _register(
    session: Session,
    spec: TrainerSpec,
    training_set: TrainingSet,
    made: _Made,
    work: Path,
    git: Mapping[str, Any] | None,
) -> ModelVersion:
    manifest = training_set.manifest

    def fill(folder: Path, number: int) -> Mapping[str, Any]:
        (folder / made.file).write_bytes(made.data)
        shutil.copyfile(work / LOG, folder / LOG)
        return {
            "hook": spec.name,
            "training_set": {
                "name": training_set.name,
                "id": training_set.id,
                "definition": manifest["definition"],
                "splits": [split for split in training_set.splits if split in made.metrics],
            },
            "features": manifest["features"],
            "compiled": manifest["compiled"],
            "params": made.params,
            "metrics": made.metrics,
            "importances": made.importances,
            "signature": made.signature,
            "carried": carried_columns(training_set),
            "codec": made.codec,
            "file": made.file,
            "versions": package_versions((*_PACKAGES, made.package)),
            "git": git,
            "seconds": made.train_seconds,
        }

    return registry.register(session.spec.registry, spec.name, fill, session.clock)


@contextmanager
def _work_folder(target: Path) -> Iterator[Path]:
    """A folder for one training, gone when it ends."""
    folder = target / "work" / f"train-{secrets.token_hex(6)}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tell(session: Session, step: str, seconds: float, facts: Mapping[str, Any]) -> None:
    session.listener(Event("step", name=step, seconds=seconds, facts=facts))


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
