"""What runs inside a child process: the entry point is called, and what became of it is written to a file.

:mod:`sqlfeat.base.process` is the parent's side. Whether the child did its work is told by the result file alone,
which appears at once and whole; an exit code says nothing (code that it calls may exit, or die at the exit). The file
bears a token that the order brought and that is nowhere else, so a file that other code writes there is no result.

On Linux the process is two: one that does the work, and above it one that does nothing but wait. Whatever the work
leaves behind, however it was detached, becomes a child of the one that waits and ends with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from sqlfeat.base.files import write_atomically
from sqlfeat.errors import SqlfeatError

_SET_DEATH_SIGNAL = 1
"""Linux's PR_SET_PDEATHSIG."""
_SET_SUBREAPER = 36
"""Linux's PR_SET_CHILD_SUBREAPER."""
_GRACE = 0.3
"""How long the work may take to end when it is told to."""
_ROUNDS = 200
"""How often the dead are counted: what forks while it is being ended may need more than one round."""


class _ToldToEnd(Exception):
    """SIGTERM has come."""


def main(order_file: str) -> None:
    """Carry out the order: set the limits, call the entry point with its argument, write the result."""
    order = json.loads(Path(order_file).read_text())
    Path(order_file).unlink()
    if sys.platform.startswith("linux"):
        _die_with(order["parent"], signal.SIGTERM)
        _control(_SET_SUBREAPER, 1)
        waiting = os.getpid()
        worker = os.fork()
        if worker:
            _wait_for(worker)
        _die_with(waiting, signal.SIGKILL)
    _work(order)


def _work(order: Mapping[str, Any]) -> None:
    itself = os.getpid()
    try:
        _limit_memory(order["memory_limit"])
        value = _entry(order["entry"])(order["argument"])
        result = json.dumps({"token": order["token"], "ok": True, "value": value})
    except BaseException as error:  # noqa: BLE001  the process's edge: whatever it is, the parent must be told
        result = json.dumps({"token": order["token"], "ok": False, "error": describe(error)})
    if os.getpid() != itself:
        return  # the entry point forked, and this is not the one that was asked
    with contextlib.suppress(OSError, ValueError):  # nobody may be listening any more
        sys.stdout.flush()
        sys.stderr.flush()
    write_atomically(Path(order["result"]), result)


def _wait_for(worker: int) -> NoReturn:
    """Wait for the worker, end what it has left, and end as it did."""
    faulthandler.disable()  # the worker's own has told where it was
    status = _status_of(worker)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_descendants()
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _status_of(worker: int) -> int:
    """The status that the worker ends with; told to end, it has a moment for that."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise _ToldToEnd

    try:
        signal.signal(signal.SIGTERM, stop)
        while True:
            ended, status = os.waitpid(-1, 0)
            if ended == worker:
                return status
    except _ToldToEnd:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.kill(worker, signal.SIGTERM)
        until = time.monotonic() + _GRACE
        while time.monotonic() < until:
            ended, status = os.waitpid(worker, os.WNOHANG)
            if ended:
                return status
            time.sleep(0.01)
        return int(signal.SIGTERM)


def _end_descendants() -> None:
    """Kill the children, and theirs, who become ours when their parents are dead."""
    for _ in range(_ROUNDS):
        children = _children(os.getpid())
        for child in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        for child in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
        if not children:
            return


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int(stat.read_text(errors="replace").rsplit(")", 1)[1].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def _entry(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _limit_memory(limit: int | None) -> None:
    """Bound the address space, where the system lets us."""
    if limit is None:
        return
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _die_with(parent: int, number: signal.Signals) -> None:
    """Get this signal when the parent ends, and now if it has; elsewhere than on Linux the clean-up has to do."""
    _control(_SET_DEATH_SIGNAL, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _control(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value)


def describe(error: BaseException) -> Mapping[str, Any]:
    """The error as JSON-able values: its type, message and frames, the innermost last."""
    frames = [
        {"file": frame.filename, "line": frame.lineno or 0, "function": frame.name, "text": frame.line or ""}
        for frame in traceback.extract_tb(_own_frames(error.__traceback__))
    ]
    if isinstance(error, SyntaxError) and error.filename:
        text = (error.text or "").strip()
        frames.append({"file": error.filename, "line": error.lineno or 0, "function": "<module>", "text": text})
    return {
        "type": type(error).__name__,
        "message": error.msg if isinstance(error, SyntaxError) else str(error),
        "frames": frames,
        "traceback": "".join(traceback.format_exception(error)),
        "reported": error.as_dict() if isinstance(error, SqlfeatError) else None,
    }


def _own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of this file and of the import system above the entry point."""
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _is_ours(file: str) -> bool:
    return file == __file__ or file == importlib.__file__ or file.startswith("<frozen importlib")
