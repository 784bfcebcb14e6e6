"""Readings of a project, one after the other: everything computed from what is seen of its sources, and compared.

The reading of all rows stays as a file beside which the others are opened. It knows how models are made and compared
in a scratch database; why a difference matters is not its concern.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from sqlfeat.base.files import FolderLock
from sqlfeat.compiler.manifest import TimeFacts
from sqlfeat.engine.base import Scratch
from sqlfeat.engine.comparison import Compared, Vantage
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.comparable import Subject
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session

Stopped = SqlfeatError | str
"""Why a node could not be made or compared: its own error, or in words what it reads that could not be made."""

FULL, _BESIDE = "full", "beside"
"""The folders of the reading of all rows, and of the one that is compared with it."""


@dataclass(frozen=True)
class Reading:
    """What came of a reading beside the one of all rows, by node.

    ``inputs`` are those of training sets: with the label rows as they are here, and as they are there.
    """

    compared: dict[str, Compared] = field(default_factory=dict)
    inputs: dict[str, list[Compared]] = field(default_factory=dict)
    stopped: dict[str, Stopped] = field(default_factory=dict)

    @property
    def differing(self) -> int:
        """How many nodes differ."""
        inputs = {node for node, compared in self.inputs.items() if not all(each.same for each in compared)}
        return len(inputs | {node for node, compared in self.compared.items() if not compared.same})


@contextmanager
def scratch_folder(session: Session) -> Iterator[Path]:
    """A folder of our own, which is gone afterwards whatever happens; what a killed process left goes first."""
    folder = session.spec.target_path / "verify"
    with FolderLock(folder):
        for left in (FULL, _BESIDE):
            shutil.rmtree(folder / left, ignore_errors=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class Readings:
    """The nodes of a verification, in DAG order, and what is compared of those that are its subjects."""

    def __init__(
        self,
        session: Session,
        nodes: Sequence[str],
        subjects: Mapping[str, Subject],
        times: Mapping[str, TimeFacts],
        folder: Path,
    ) -> None:
        self._session = session
        self._manifest = session.manifest
        self._nodes = nodes
        self._subjects = subjects
        self._times = times
        self._folder = folder
        labels = (s.model.training_set.labels for s in subjects.values() if s.model.training_set is not None)
        self._kept = {*subjects, *(label.replace("ref.", "model.", 1) for label in labels)}

    @contextmanager
    def opened(self, name: str, vantage: Vantage, threads: int | None) -> Iterator[Scratch]:
        """A scratch database in a folder of that name, closed afterwards.

        ``FULL`` is the one that the others are compared with. All bear the target's own name, for SQL can ask for it.
        """
        shutil.rmtree(self._folder / name, ignore_errors=True)
        scratch = self._session.scratch(self._path(name), vantage, self._times, threads)
        try:
            yield scratch
        finally:
            scratch.close()

    def _path(self, name: str) -> Path:
        target = self._session.target.path
        return self._folder / name / f"{target.stem if target else 'scratch'}.duckdb"

    def compute(self, scratch: Scratch) -> dict[str, Stopped]:
        """Make every node from what is seen; gives those that could not be made."""
        stopped: dict[str, Stopped] = {}
        made = [node for node in self._nodes if not node.startswith("source.")]
        for index, node in enumerate(made, start=1):
            kind, name = node.split(".", 1)
            self._session.listener(Event("start", name, kind, index, len(made)))
            try:
                self._make(scratch, node, stopped)
            except SqlfeatError as error:
                stopped[node] = error
            finally:
                self._session.listener(Event("end", name, kind, index, len(made)))
        return stopped

    def _make(self, scratch: Scratch, node: str, stopped: dict[str, Stopped]) -> None:
        kind, name = node.split(".", 1)
        if kind == "seed":
            scratch.read_seed(self._manifest.seeds[node])
            return
        model = self._manifest.models[name]
        blocked = next((parent for parent in model.parents if parent in stopped), None)
        if blocked is not None:
            stopped[node] = f"it reads {blocked.split('.', 1)[1]}, which could not be made"
            return
        subject = self._subjects.get(node)
        what = (subject.what or subject.inputs or subject.whole) if subject else None
        scratch.compute(model, what, keep=node in self._kept)

    def beside_full(
        self,
        vantage: Vantage,
        cutoff: datetime | None,
        threads: int | None,
        among: Collection[str],
        leave_out: Mapping[str, frozenset[str]],
    ) -> Reading:
        """Read from a vantage, and compare some of the subjects with the reading of all rows."""
        reading = Reading()
        with self.opened(_BESIDE, vantage, threads) as scratch:
            reading.stopped.update(self.compute(scratch))
            scratch.beside(self._path(FULL))
            for node in among:
                if node not in reading.stopped:
                    try:
                        self._compare(scratch, node, cutoff, leave_out.get(node, frozenset()), reading)
                    except SqlfeatError as error:
                        reading.stopped[node] = error
        return reading

    def _compare(
        self, scratch: Scratch, node: str, cutoff: datetime | None, leave_out: frozenset[str], reading: Reading
    ) -> None:
        subject = self._subjects[node]
        judged = subject.whole if cutoff is None else subject.what
        if judged is not None:
            reading.compared[node] = scratch.compare(replace(judged, leave_out=leave_out), cutoff)
        if subject.inputs is not None and cutoff is not None:
            inputs = replace(subject.inputs, leave_out=leave_out)
            reading.inputs[node] = [
                scratch.compare_inputs(subject.model, inputs, cutoff),
                scratch.compare(inputs, cutoff),
            ]
