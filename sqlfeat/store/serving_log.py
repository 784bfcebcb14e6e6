"""The log of what was served: rows with their features and predictions, in Parquet files by the hour.

A log is a folder: ``SUBJECT/date=2024-05-04/hour=12/NAME.parquet``, where the subject is a training set, or
``views/VIEW`` for rows that were looked up without one. A file has rows of one :class:`RowKind`, is written under
another name and renamed, and is never changed; its metadata say what its rows were answered from.

Whoever answers hands rows over and goes on: they wait in a queue of bounded length for a thread that writes them. Where
the queue is full, or the disk, rows are dropped and counted; a process that is killed loses what it has not written,
the rows of ``flush`` seconds at most. This file knows values and files, not what a request is.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.base.files import canonical_json, sha256_text, sync_folder
from sqlfeat.errors import StoreError, UsageError
from sqlfeat.store.plain_values import to_arrow, to_json

FORMAT_VERSION = 1
ABOUT = b"sqlfeat.serving_log"
VIEWS = "views"
"""The folder of rows that were looked up in a view, without a training set."""
MOST_WAITING = 10_000
MOST_IN_FILE = 50_000
_AT_ONCE = 128
"""Rows that are made Arrow at a time: whoever answers meanwhile waits for no more than that."""
_LOOKS = 0.2
_HOUR = 3_600_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = pa.timestamp("us", "UTC")
_TEXTS = pa.map_(pa.string(), pa.string())


@dataclass(frozen=True, eq=False)
class RowKind:
    """What rows of one file have in common: what they were asked of, and the types of their columns.

    ``about`` goes into the metadata of a file as it is; ``subject`` is the folder. Columns are (name, type), their
    values plain (``store.row_codec``).
    """

    subject: str
    training_set: str | None
    model: str | None
    version: int | None
    snapshot: int
    snapshot_as_of: int
    keys: tuple[tuple[str, pa.DataType], ...]
    request: tuple[tuple[str, pa.DataType], ...]
    features: tuple[tuple[str, pa.DataType], ...]
    about: Mapping[str, Any]

    @cached_property
    def metadata(self) -> Mapping[bytes, bytes]:
        """What a file says of its rows."""
        return {ABOUT: canonical_json({"format_version": FORMAT_VERSION, **self.about}).encode()}

    @cached_property
    def identity(self) -> str:
        """A few letters that are the same for equal kinds."""
        said = [self.subject, self.training_set, self.model, self.version, self.snapshot, self.about]
        return sha256_text(canonical_json(said))[:8]


@dataclass(frozen=True, slots=True)
class LoggedRow:
    """One row that was answered; instants are in microseconds since 1970, values plain and in their kind's order.

    ``asked_at`` is the clock's time of the answer, ``at`` the instant as of which was asked, ``seconds`` what the whole
    request took. ``event_times`` says of what time the row was that a lookup found. ``asked`` are the columns that were
    asked for, where it was not all of them.
    """

    request_id: str
    row: int
    route: str
    asked_at: int
    at: int
    seconds: float
    keys: Sequence[Any]
    request: Sequence[Any]
    features: Sequence[Any]
    statuses: Mapping[str, str]
    event_times: Mapping[str, int | None]
    prediction: float | None = None
    predicted_class: str | None = None
    probabilities: Mapping[str, float] | None = None
    asked: Sequence[str] | None = None


class ServingLog:
    """A log that is written to; any thread may hand rows over, and none ever waits for the disk.

    ``sample`` is the share of requests that are logged, chosen by their ids: the same id is always in or always out.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sample: float = 1.0,
        flush: timedelta = timedelta(seconds=60),
        waiting: int = MOST_WAITING,
        clock: Clock | None = None,
    ) -> None:
        self.folder = folder
        self.sample = sample
        self.written = 0
        self.dropped = 0
        self.failed = 0
        self.problem: StoreError | None = None
        self._flush = flush.total_seconds()
        self._most = waiting
        self._clock = clock or SystemClock()
        self._queue: deque[tuple[RowKind, LoggedRow]] = deque()
        self._open: dict[tuple[RowKind, int], list[pa.RecordBatch]] = {}
        self._prefix = secrets.token_hex(6)
        self._number = 0
        self._files = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._writing = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many rows wait to be written."""
        return len(self._queue)

    def new_id(self) -> str:
        """An id for a request that came without one."""
        self._number += 1
        return f"{self._prefix}-{self._number:x}"

    def wants(self, request_id: str) -> bool:
        """Whether a request is among those that are logged."""
        return is_sampled(request_id, self.sample)

    def now(self) -> int:
        """The clock's time in microseconds since 1970."""
        return (self._clock.now() - _EPOCH) // timedelta(microseconds=1)

    def offer(self, kind: RowKind, rows: Sequence[LoggedRow]) -> None:
        """Hand rows over; those for which there is no room are counted as dropped."""
        room = self._most - len(self._queue)
        if len(rows) > room:
            self.dropped += len(rows) - max(room, 0)
            rows = rows[: max(room, 0)]
        self._queue.extend((kind, row) for row in rows)
        if self._thread is None and rows:
            self._start()

    def flush(self) -> None:
        """Write all that has been handed over, now."""
        with self._writing:
            while self._take():
                pass
            self._write(list(self._open))

    def close(self) -> None:
        """Write what is left and end the thread; a row that comes later begins another one."""
        with self._starting:
            thread, self._thread = self._thread, None
            self._stop.set()
        if thread is not None:
            thread.join()
        self.flush()

    # -- the thread ------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._stop = threading.Event()
                self._thread = threading.Thread(target=self._work, args=(self._stop,), name="serving log", daemon=True)
                self._thread.start()

    def _work(self, stop: threading.Event) -> None:
        begun = self._clock.monotonic()
        while not stop.wait(min(_LOOKS, self._flush)):
            with self._writing:
                while self._take() and not stop.is_set():
                    time.sleep(0.001)  # whoever answers comes first
                if self._clock.monotonic() - begun >= self._flush:
                    begun = self._clock.monotonic()
                    self._write(list(self._open))

    def _take(self) -> bool:
        """Make Arrow of some rows that wait; whether there are more."""
        taken: dict[tuple[RowKind, int], list[LoggedRow]] = {}
        for _ in range(min(_AT_ONCE, len(self._queue))):
            kind, row = self._queue.popleft()
            taken.setdefault((kind, row.asked_at // _HOUR), []).append(row)
        for key, rows in taken.items():
            batches = self._open.setdefault(key, [])
            batches.append(batch_of(key[0], rows))
            if sum(batch.num_rows for batch in batches) >= MOST_IN_FILE:
                self._write([key])
        return bool(self._queue)

    def _write(self, keys: Sequence[tuple[RowKind, int]]) -> None:
        for kind, hour in keys:
            batches = self._open.pop((kind, hour))
            rows = sum(batch.num_rows for batch in batches)
            self._files += 1
            name = f"{self._prefix}-{self._files:06}-{kind.identity}.parquet"
            try:
                _write_file(self.folder / kind.subject / _hour_folder(hour) / name, pa.Table.from_batches(batches))
            except (OSError, pa.ArrowException) as error:
                self.failed += rows
                why = getattr(error, "strerror", None) or str(error)
                what = f"{rows:,} rows of the log could not be written to {self.folder}: {why}."
                self.problem = StoreError("cannot-write", what, hint="is there room, and may you write there?")
            else:
                self.written += rows
                self.problem = None


def is_sampled(request_id: str, share: float) -> bool:
    """Whether a share of all requests has this one in it."""
    if share >= 1.0:
        return True
    digest = blake2b(request_id.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _hour_folder(hour: int) -> Path:
    began = _EPOCH + timedelta(hours=hour)
    return Path(f"date={began:%Y-%m-%d}") / f"hour={began:%H}"


def _write_file(path: Path, table: pa.Table) -> None:
    """A file that is whole once it has its name; its folder is made."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        pq.write_table(table, temporary, compression="zstd")
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


# -- rows as Arrow -----------------------------------------------------------------------------------------------------


def batch_of(kind: RowKind, rows: Sequence[LoggedRow]) -> pa.RecordBatch:
    """Rows of a kind as the columns of a file."""
    count = len(rows)
    columns: dict[str, pa.Array] = {
        "request_id": pa.array([row.request_id for row in rows], pa.string()),
        "row": pa.array([row.row for row in rows], pa.int32()),
        "route": pa.array([row.route for row in rows], pa.string()),
        "asked_at": pa.array([row.asked_at for row in rows], pa.int64()).view(_INSTANT),
        "at": pa.array([row.at for row in rows], pa.int64()).view(_INSTANT),
        "seconds": pa.array([row.seconds for row in rows], pa.float64()),
        "training_set": pa.repeat(pa.scalar(kind.training_set, pa.string()), count),
        "model": pa.repeat(pa.scalar(kind.model, pa.string()), count),
        "version": pa.repeat(pa.scalar(kind.version, pa.int32()), count),
        "snapshot": pa.repeat(pa.scalar(kind.snapshot, pa.int64()), count),
        "snapshot_as_of": pa.repeat(pa.scalar(kind.snapshot_as_of, pa.int64()), count).view(_INSTANT),
        "statuses": pa.array([list(row.statuses.items()) for row in rows], _TEXTS),
        "event_times": _times(rows),
        "prediction": pa.array([row.prediction for row in rows], pa.float64()),
        "class": pa.array([row.predicted_class for row in rows], pa.string()),
        "probabilities": pa.array(
            [None if row.probabilities is None else list(row.probabilities.items()) for row in rows],
            pa.map_(pa.string(), pa.float64()),
        ),
    }
    if any(row.asked is not None for row in rows):
        columns["asked"] = pa.array([row.asked for row in rows], pa.list_(pa.string()))
    for name, fields, values in (
        ("keys", kind.keys, [row.keys for row in rows]),
        ("request", kind.request, [row.request for row in rows]),
        ("features", kind.features, [row.features for row in rows]),
    ):
        if fields:  # Parquet has no struct without a field
            columns[name] = _struct(fields, values)
    return pa.record_batch(columns).replace_schema_metadata(kind.metadata)


def _times(rows: Sequence[LoggedRow]) -> pa.Array:
    """Of what time the rows were that lookups found, as map from a view."""
    offsets, names, times = [0], [], []
    for row in rows:
        for name, value in row.event_times.items():
            names.append(name)
            times.append(value)
        offsets.append(len(names))
    return pa.MapArray.from_arrays(offsets, pa.array(names, pa.string()), pa.array(times, pa.int64()).view(_INSTANT))


def _struct(fields: Sequence[tuple[str, pa.DataType]], rows: Sequence[Sequence[Any]]) -> pa.Array:
    arrays, kinds = [], []
    for (name, kind), values in zip(fields, zip(*rows, strict=True), strict=True):
        if fits_parquet(kind):
            array = to_arrow(values, kind)
        else:
            array = pa.array([None if v is None else json.dumps(to_json(v, kind)) for v in values], pa.string())
        arrays.append(array)
        kinds.append(pa.field(name, array.type))
    return pa.StructArray.from_arrays(arrays, fields=kinds)


def fits_parquet(kind: pa.DataType) -> bool:
    """Whether Parquet has a type; intervals are kept as JSON's text."""
    if pa.types.is_interval(kind):
        return False
    return all(fits_parquet(kind.field(place).type) for place in range(kind.num_fields))


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LogFile:
    """A file of a log: where it is, what its rows were answered from, and the columns it has."""

    path: Path
    about: Mapping[str, Any]

    def read(self) -> pa.Table:
        """Its rows."""
        return pq.ParquetFile(self.path).read()


def log_files(folder: Path, since: datetime | None = None) -> Iterator[LogFile]:
    """The files of a log in the order of their hours and names, from the hour of ``since`` on.

    Raises:
        UsageError: ``no-serving-log`` where the folder is none.
        StoreError: ``damaged-log`` for a file that cannot be read.
    """
    if not folder.is_dir():
        what = f"There is no log at {folder}."
        raise UsageError("no-serving-log", what, hint="sqlfeat serve --log FOLDER writes one.")
    first = "" if since is None else str(_hour_folder((since - _EPOCH) // timedelta(hours=1)))
    found = [(path.parent.relative_to(path.parents[2]), path) for path in folder.glob("**/date=*/hour=*/*.parquet")]
    for hour, path in sorted(found, key=lambda one: (str(one[0]), str(one[1]))):
        if str(hour) >= first and not path.name.startswith("."):
            yield LogFile(path, _about(path))


def _about(path: Path) -> Mapping[str, Any]:
    try:
        said = (pq.read_schema(path).metadata or {}).get(ABOUT)
        about = json.loads(said) if said is not None else None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise StoreError("damaged-log", f"{path} is damaged: it is no Parquet file.", hint="delete it.") from error
    if not isinstance(about, dict) or about.get("format_version") != FORMAT_VERSION:
        raise StoreError("damaged-log", f"{path} is no file of a serving log of this version.", hint="move it away.")
    return about
