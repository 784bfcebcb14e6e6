"""What runs inside a child process: the entry point is called, and what became of it is written to a file.

:mod:`sqlfeat.base.process` is the parent's side. Whether the child did its work is told by the result file alone,
which appears at once and whole; an exit code says nothing (code that it calls may exit, or die at the exit).
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlfeat.base.files import write_atomically
from sqlfeat.errors import SqlfeatError

_SET_DEATH_SIGNAL = 1
"""Linux's PR_SET_PDEATHSIG."""


def main(order_file: str) -> None:
    """Carry out the order: set the limits, call the entry point with its argument, write the result."""
    order = json.loads(Path(order_file).read_text())
    itself = os.getpid()
    _die_with_parent(order["parent"])
    try:
        _limit_memory(order["memory_limit"])
        value = _entry(order["entry"])(order["argument"])
        result = json.dumps({"ok": True, "value": value})
    except BaseException as error:  # noqa: BLE001  the process's edge: whatever it is, the parent must be told
        result = json.dumps({"ok": False, "error": describe(error)})
    if os.getpid() != itself:
        return  # the entry point forked, and this is not the one that was asked
    with contextlib.suppress(OSError, ValueError):  # nobody may be listening any more
        sys.stdout.flush()
        sys.stderr.flush()
    write_atomically(Path(order["result"]), result)


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


def _die_with_parent(parent: int) -> None:
    """On Linux, be killed when the parent is; elsewhere the parent's clean-up has to do."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


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
