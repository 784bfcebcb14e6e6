"""One run of a trainer hook in a child process: what it made, or the error at its place in the hook's file.

Nothing counts but a result that the child itself has told, with the bytes of a model that are those that it speaks of.
However a hook fails, the user is shown the place in the hook's file, and what it wrote is kept in ``target/logs``.
"""

from __future__ import annotations

import hashlib
import linecache
import re
import secrets
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlfeat.base.process import ChildResult, run_in_child
from sqlfeat.errors import HookError, Place
from sqlfeat.spec.project import ProjectSpec
from sqlfeat.spec.trainer import TrainerSpec
from sqlfeat.store.registry import LOG
from sqlfeat.store.training_set import TrainingSet

_TRAIN = "sqlfeat.train_child:train"
_REPORT = "sqlfeat.train_child:report"
_LONGEST_LOG = 10_000_000
"""How many characters of a hook's output are kept; after them only its last lines."""
_LAST_LINES = 200


@dataclass(frozen=True)
class Order:
    """What a run is asked for.

    ``params`` win over those of the decorator. ``work`` is a folder of its own. ``full`` asks for reports beside the
    metrics. ``label`` is what the log is called where the run fails; ``threads`` is how many it may use.
    """

    spec: TrainerSpec
    training_set: TrainingSet
    params: Mapping[str, Any]
    work: Path
    full: bool = True
    label: str = ""
    threads: int | None = None

    def as_argument(self, root: Path) -> dict[str, Any]:
        """What the child is told."""
        return {
            "root": str(root),
            "file": str(self.spec.path),
            "hook": self.spec.name,
            "training_set": str(self.training_set.path),
            "params": dict(self.params),
            "folder": str(self.work),
            "full": self.full,
            "group": self.spec.group,
            "slices": None if self.spec.slices is None else list(self.spec.slices),
            "permutation": self.spec.permutation,
        }


@dataclass(frozen=True)
class Made:
    """What the child made: the description of a model, and its bytes."""

    data: bytes
    codec: str
    package: str
    file: str
    sha256: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    importances: Mapping[str, Any]
    reports: Mapping[str, Any]
    signature: Mapping[str, Any]
    around: Mapping[str, Any]
    task: str | None
    train_seconds: float
    evaluate_seconds: float


def run_trainer(
    project: ProjectSpec,
    order: Order,
    *,
    on_line: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Made:
    """Run the hook in a child; on failure keep what it wrote where the error says."""
    log_file = order.work / LOG
    with _Log(log_file, on_line) as log:
        result = _in_child(project, _TRAIN, order, order.as_argument(project.root), log, stop)
    try:
        told = _told(result, order.spec, project.root)
        return _made(told, order)
    except HookError as error:
        kept = project.target_path / "logs" / f"{order.label or order.spec.name}.txt"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log_file, kept)
        told_where = f"all that it wrote is in {shown(kept, project.root)}."
        error.hint = f"{error.hint.rstrip('.')}; {told_where}" if error.hint else told_where
        raise


def report_on(
    project: ProjectSpec, order: Order, made: Made, *, on_line: Callable[[str], None]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The reports and importances of a model that was made without them, from its bytes."""
    argument = {
        **order.as_argument(project.root),
        **{key: getattr(made, key) for key in ("codec", "file", "sha256", "signature", "params")},
    }
    result = _in_child(project, _REPORT, order, argument, on_line, None)
    told = _told(result, order.spec, project.root)
    return {**made.reports, **told["reports"]}, {**made.importances, **told["importances"]}


def _in_child(
    project: ProjectSpec,
    entry: str,
    order: Order,
    argument: Mapping[str, Any],
    on_line: Callable[[str], None],
    stop: threading.Event | None,
) -> ChildResult:
    return run_in_child(
        entry,
        argument,
        folder=project.root,
        timeout=order.spec.time_limit,
        memory_limit=order.spec.memory_limit,
        threads=order.threads,
        stop=stop,
        on_line=on_line,
    )


class _Log:
    """The file of a hook's output: its beginning, and its last lines where it is very long."""

    def __init__(self, path: Path, on_line: Callable[[str], None]) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._on_line = on_line
        self._room = _LONGEST_LOG
        self._left_out = 0
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    def __call__(self, line: str) -> None:
        self._room -= len(line) + 1
        if self._room >= 0:
            self._file.write(f"{line}\n")
            self._file.flush()
            self._on_line(line)
            return
        if not self._left_out:
            self._on_line("(it writes too much to show; the log has its beginning and its last lines)")
        self._left_out += 1
        self._last.append(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._left_out > len(self._last):
            self._file.write(f"({self._left_out - len(self._last):,} lines are left out)\n")
        self._file.writelines(f"{line}\n" for line in self._last)
        self._file.close()


@contextmanager
def work_folder(target: Path) -> Iterator[Path]:
    """A folder for one training, gone when it ends."""
    folder = target / "work" / f"train-{secrets.token_hex(6)}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _told(result: ChildResult, spec: TrainerSpec, root: Path) -> Mapping[str, Any]:
    """What the child told, if it is a result and no error."""
    if not result.ok:
        raise _ended_badly(result, spec, root)
    told: Mapping[str, Any] = result.value
    if "error" in told:
        raise _as_told(told["error"], spec)
    return told


def _made(told: Mapping[str, Any], order: Order) -> Made:
    path = order.work / told["file"]
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != told["sha256"]:
        raise HookError(
            "hook-no-result", f"The model that {order.spec.name} made is not in its file.", order.spec.place
        )
    return Made(data, **{one.name: told[one.name] for one in fields(Made) if one.name != "data"})


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
    if result.signal is not None and not result.forged:
        hint = "a native library failed, or the memory was not enough (memory_limit=)."
        return HookError("hook-died", f"The hook {spec.name} {result.failure}.", place, hint)
    if result.error is not None and result.error.type != "SystemExit":
        details = result.error.traceback.splitlines()[-6:]
        return HookError("hook-failed", f"The hook {spec.name} {result.failure}.", place, details=details)
    ended = "called exit" if result.error is not None else result.failure
    told = ended if result.forged else f"{ended} and returned nothing"
    return HookError("hook-no-result", f"The hook {spec.name} {told}.", place, "return the trained model.")


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
    return Place(shown(Path(file), root), number, indent + 1, text, max(len(text.strip()), 1))


def shown(path: Path, root: Path) -> str:
    """A path as it is said within the project."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
