"""Python in a child process of its own: with limits, watched, and with nothing left of it afterwards.

User code may raise, crash, hang, fork, eat memory or exit when it likes. The child leads a process group; its
output is passed on line by line; its result is a file with a token. However it ends, the whole group is killed, and on
Linux also what has left the group. :mod:`sqlfeat.base.child` is what runs inside.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sqlfeat.base.clock import SystemClock

_BOOTSTRAP = """
import json, sys
with open(sys.argv[1]) as stream:
    sys.path[:] = json.load(stream)["import_path"]
from sqlfeat.base.child import main
main(sys.argv[1])
"""
_MARK = "SQLFEAT_CHILD"
_KEPT_LINES = 200
_LONGEST_LINE = 10_000
_TICK = 0.1
_LINGER = 5.0
"""How long a child may take to end once its result is there."""
_GRACE = 0.8
"""How long it may take to end when it is told to."""
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_MAX_THREADS",
    "POLARS_MAX_THREADS",
)  # fmt: skip
"""What native libraries read to know how many threads they may start."""


@dataclass(frozen=True)
class Frame:
    """One step of a traceback."""

    file: str
    line: int
    function: str
    text: str


@dataclass(frozen=True)
class ChildError:
    """An exception in the child; ``frames`` go from the entry point inwards, ``traceback`` is Python's own text.

    ``reported`` is an error of sqlfeat's in the shape of its ``as_dict``, where the child raised one.
    """

    type: str
    message: str
    frames: tuple[Frame, ...]
    traceback: str
    reported: Mapping[str, Any] | None = None

    def innermost_in(self, folder: Path) -> Frame | None:
        """The innermost frame of a file below the folder: the user's own line that led to the error."""
        inside = (frame for frame in reversed(self.frames) if Path(frame.file).is_relative_to(folder))
        return next(inside, None)


@dataclass(frozen=True)
class ChildResult:
    """What became of a child: ``ok`` with a ``value``, or an ``error``, or neither where it died before its end.

    ``lines`` are the last lines that it wrote, ``signal`` the name of what killed it, if something did. ``stopped`` is
    set where the caller stopped it, ``forged`` where its result file was written by somebody else.
    """

    ok: bool
    value: Any = None
    error: ChildError | None = None
    exit_code: int | None = None
    signal: str | None = None
    timed_out: bool = False
    stopped: bool = False
    forged: bool = False
    lines: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def failure(self) -> str:
        """What went wrong, in words that follow a subject: *the hook* raised, was killed, ran too long."""
        if self.stopped:
            return "was stopped"
        if self.forged:
            return "left a result that it did not return"
        if self.timed_out:
            return f"ran for {self.seconds:.0f} s, longer than it may, and was stopped"
        if self.error is not None:
            return f"raised {self.error.type}: {self.error.message}"
        if self.signal is not None:
            return f"was killed by {self.signal}"
        return f"ended with exit code {self.exit_code} before it was done"


def run_in_child(
    entry: str,
    argument: Any,
    *,
    folder: Path,
    timeout: float | None = None,
    memory_limit: int | None = None,
    threads: int | None = None,
    stop: threading.Event | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> ChildResult:
    """Call ``module:function`` with the argument (JSON-able) in a child process whose working folder is ``folder``.

    ``timeout`` is in seconds, ``memory_limit`` in bytes; ``threads`` is how many its native libraries may start, as
    far as they ask the environment. ``on_line`` gets every line that the child writes, while it runs. An interrupt of
    the caller ends the child first; where the caller is not the main thread, ``stop`` is how it is told.
    """
    with tempfile.TemporaryDirectory(prefix="sqlfeat-") as exchange:
        order = Path(exchange, "order.json")
        result = Path(exchange, "result.json")
        token = secrets.token_hex(16)
        order.write_text(json.dumps(_order(entry, argument, memory_limit, result, token)))
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", _MARK: exchange}
        environment.setdefault("PYTHONHASHSEED", "0")  # the same inputs give the same bytes
        environment |= {name: str(threads) for name in _THREADS if threads is not None}
        with subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOTSTRAP, str(order)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            watch = _Watch(process, result, token, on_line, timeout, stop)
            try:
                watch.until_the_end()
            finally:
                _end_group(process, exchange)
            watch.drain()
            return watch.result()


def _order(entry: str, argument: Any, memory_limit: int | None, result: Path, token: str) -> Mapping[str, Any]:
    return {
        "entry": entry,
        "argument": argument,
        "memory_limit": memory_limit,
        "result": str(result),
        "token": token,
        "parent": os.getpid(),
        "import_path": [str(Path(path).absolute()) if path else str(Path.cwd()) for path in sys.path],
    }


class _Watch:
    """Reads the child's output and waits for its end, its result or its time limit."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        result: Path,
        token: str,
        on_line: Callable[[str], None],
        timeout: float | None,
        stop: threading.Event | None,
    ) -> None:
        assert process.stdout is not None
        self._process = process
        self._output: IO[bytes] = process.stdout
        self._result = result
        self._token = token
        self._on_line = on_line
        self._stop = stop
        self._clock = SystemClock()
        self._started = self._clock.monotonic()
        self._deadline = None if timeout is None else self._started + timeout
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._rest = b""
        self._timed_out = False
        self._stopped = False
        os.set_blocking(self._output.fileno(), False)

    def until_the_end(self) -> None:
        """Return when the child has ended, has had its time, is not wanted, or lingers though its result is there."""
        lingers_until: float | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while self._process.poll() is None:
                now = self._clock.monotonic()
                if self._stop is not None and self._stop.is_set():
                    self._stopped = True
                    return
                if lingers_until is None and self._result.exists():
                    lingers_until = now + _LINGER
                if lingers_until is not None and now >= lingers_until:
                    return
                if self._deadline is not None and now >= self._deadline:
                    self._timed_out = lingers_until is None
                    return
                if not selector.get_map():
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._process.wait(_TICK)
                elif selector.select(_TICK) and not self._read():
                    selector.unregister(self._output)

    def drain(self) -> None:
        """Read what the dead have left in the pipe."""
        while self._read():
            pass
        self._pass_on(self._rest)
        self._rest = b""

    def _read(self) -> bool:
        """Read what there is and pass its lines on; False at the end of the output, or where there is nothing."""
        try:
            chunk = os.read(self._output.fileno(), 1 << 16)
        except BlockingIOError:
            return False
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._pass_on(line, ended=True)
        if len(self._rest) > _LONGEST_LINE:
            self._pass_on(self._rest)
            self._rest = b""
        return bool(chunk)

    def _pass_on(self, raw: bytes, *, ended: bool = False) -> None:
        if not raw and not ended:
            return
        line = raw[:_LONGEST_LINE].decode(errors="replace").rstrip("\r")
        self._lines.append(line)
        self._on_line(line)

    def result(self) -> ChildResult:
        """What the result file and the child's end say together."""
        code = self._process.returncode
        told = self._told()
        error = told.get("error") if told else None
        return ChildResult(
            ok=told is not None and told["ok"] and not self._stopped,
            value=told.get("value") if told else None,
            error=_child_error(error) if error else None,
            exit_code=code if code is not None and code >= 0 else None,
            signal=_signal_name(-code) if code is not None and code < 0 else None,
            timed_out=self._timed_out,
            stopped=self._stopped,
            forged=told is None,
            lines=tuple(self._lines),
            seconds=self._clock.monotonic() - self._started,
        )

    def _told(self) -> Mapping[str, Any] | None:
        """What the child has told, nothing where it has not; None where somebody else speaks for it."""
        if not self._result.exists():
            return {"ok": False}
        try:
            told = json.loads(self._result.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return told if isinstance(told, dict) and told.get("token") == self._token else None


def _child_error(error: Mapping[str, Any]) -> ChildError:
    frames = tuple(Frame(**frame) for frame in error["frames"])
    return ChildError(error["type"], error["message"], frames, error["traceback"], error["reported"])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end_group(process: subprocess.Popen[bytes], mark: str) -> None:
    """End the child and everything that it has started: politely first if it still runs, then for certain."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(10):  # a stray may fork while we look
        strays = _strays(mark)
        for stray in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(stray, signal.SIGKILL)
        if not strays:
            return


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _strays(mark: str) -> list[int]:
    """Living processes that left the child's group but carry its mark in their environment (Linux only)."""
    needle = f"{_MARK}={mark}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if needle in environ.read_bytes():  # a zombie's is empty
                found.append(int(environ.parent.name))
    return found
