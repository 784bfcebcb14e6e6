"""A Python that has imported what children of ours import, and is forked instead of one being started anew.

Python, sqlfeat and LightGBM take three seconds of processor to start, and tests start hundreds of children. A fork has
all of it at once. It is as near to a process of its own as can be: it has the folder, the environment, the session, the
output and the import path that were asked for, and knows no package but those that it imports (others were imported,
and are out of sight until it asks). What is about starting itself (a bound on memory, a hash seed, how hooks end) is
tested with processes that are started: the fixture ``started_anew`` of ``tests/conftest.py``.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import faulthandler
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from sqlfeat.base import process

ROOT = Path(__file__).resolve().parents[2]
CAN = sys.platform.startswith("linux")
ALWAYS = ("sqlfeat.base.child", "sqlfeat.hook_child", "sqlfeat.train_child", "pyarrow.compute", "pyarrow.parquet")
"""What every child has imported."""
ON_DEMAND: Mapping[str, tuple[str, ...]] = {
    "sqlfeat.cli.main": ("sqlfeat.api",),
    "pandas": (),
    "sklearn": ("scipy.stats", "sklearn.metrics", "sklearn.model_selection", "sklearn.preprocessing"),
    "lightgbm": (),
}
"""What is out of sight until it is imported, each with what comes with it; each may use those before it."""
USES = {"sklearn": ("pandas",), "lightgbm": ("pandas", "sklearn")}
CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as link:
    link.connect({path!r})
    socket.send_fds(link, [b" "], [0, 1, 2])
    order = {{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
    link.sendall(json.dumps(order).encode() + b"\\n")
    code = int(link.makefile().read().split()[1])
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
_DIE = 1
"""Linux's PR_SET_PDEATHSIG."""


class Warm:
    """The process that is forked, and how it is asked: started when it is first needed, ended with its parent."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        self.path = str(Path(self._folder.name, "asked"))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """The socket's path, once somebody listens there."""
        if self._process is None:
            kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "SQLFEAT"))}
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, self.path, str(os.getpid())],
                env={**kept, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "OMP_WAIT_POLICY": "PASSIVE"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
            assert self._process.stdout is not None
            assert self._process.stdout.read() == b"ready\n", "the warm Python has not come up"
            atexit.register(self.stop)
        return self.path

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self, file: Path) -> None:
        """Write a program that is ``sqlfeat``: it has a fork do what it is asked."""
        file.write_text(CLIENT.format(python=sys.executable, path=self.start()))
        file.chmod(0o755)


WARM = Warm()


class Forked:
    """A child as ``subprocess.Popen`` gives it, as far as ``sqlfeat.base.process`` uses it."""

    def __init__(self, path: str, order_file: str, folder: Path, environment: Mapping[str, str]) -> None:
        read, write = os.pipe()
        self._link = socket.socket(socket.AF_UNIX)
        self._link.connect(path)
        with Path(os.devnull).open() as nothing:
            socket.send_fds(self._link, [b" "], [nothing.fileno(), write, write])
        os.close(write)
        asked = {"order": order_file, "folder": str(folder), "environment": dict(environment)}
        self._link.sendall(json.dumps(asked).encode() + b"\n")
        self.stdout = open(read, "rb")  # noqa: PTH123, SIM115 (a descriptor)
        self._said = b""
        self.returncode: int | None = None
        while b"\n" not in self._said:
            self._said += self._link.recv(100)
        self.pid = int(self._said.split()[0])

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it has ended."""
        while self.returncode is None:
            if not select.select([self._link], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked child", timeout or 0)
            piece = self._link.recv(100)
            assert piece, "the warm Python is gone"
            self._said += piece
            if self._said.count(b"\n") == 2:
                self.returncode = int(self._said.split()[1])
        return self.returncode

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self.wait()
        self._link.close()


class Starting:
    """``subprocess`` as ``sqlfeat.base.process`` sees it: what can be a fork is one."""

    def __init__(self, warm: Warm | str) -> None:
        self._warm = warm

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], **given: Any) -> Any:  # noqa: N802
        """A fork, or a process where it must be one."""
        order = json.loads(Path(command[-1]).read_text())
        if order["memory_limit"] is not None or env.get("PYTHONHASHSEED") != "0":
            return subprocess.Popen(command, cwd=cwd, env=env, **given)
        path = self._warm if isinstance(self._warm, str) else self._warm.start()
        return Forked(path, command[-1], cwd, env)


def children_are_forks(warm: Warm | str = WARM) -> None:
    """Have children of this process be forks from now on."""
    if CAN:
        process.subprocess = Starting(warm)  # type: ignore[attr-defined]


def children_are_started() -> None:
    """Have children of this process be processes of their own."""
    process.subprocess = subprocess  # type: ignore[attr-defined]


class OutOfSight(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules that were imported and taken away again; they are back when one is asked for."""

    def __init__(self) -> None:
        self._always = {name.partition(".")[0] for name in sys.modules} - {"sqlfeat"}
        self._groups: dict[str, dict[str, types.ModuleType]] = {}
        self._group_of: dict[str, str] = {}

    def take(self, group: str, before: set[str]) -> None:
        """Note what has been imported since, but for Python's own modules and parts of what every child has."""
        known = self._always | sys.stdlib_module_names
        taken = {
            name: module
            for name, module in sys.modules.items()
            if name not in before and name.partition(".")[0] not in known
        }
        self._groups[group] = taken
        self._group_of |= dict.fromkeys(taken, group)

    def hide(self) -> None:
        for name in self._group_of:
            del sys.modules[name]

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """A module that was taken away, and with it all that came with it."""
        group = self._group_of.get(name)
        if group is None:
            return None
        for each in (*USES.get(group, ()), group):
            for restored, module in self._groups[each].items():
                sys.modules.setdefault(restored, module)
        return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = self._groups[self._group_of[spec.name]][spec.name]
        self._own = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        module.__spec__ = self._own


def main(path: str, parent: str) -> None:
    """Import everything, then listen, and fork for each that asks."""
    ctypes.CDLL(None).prctl(_DIE, signal.SIGKILL)
    if os.getppid() != int(parent):
        os._exit(1)
    for name in ALWAYS:
        importlib.import_module(name)
    hidden = OutOfSight()
    for name, more in ON_DEMAND.items():
        before = set(sys.modules)
        commands = getattr(importlib.import_module(name), "MODULES", {})
        for one in (*more, *(f"sqlfeat.cli.{command}" for command in commands.values())):
            importlib.import_module(one)
        hidden.take(name, before)
    hidden.hide()
    sys.meta_path.insert(0, hidden)
    children_are_forks(path)
    gc.collect()
    gc.freeze()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(64)
    signal.signal(signal.SIGCHLD, _bury)
    print("ready", flush=True)
    os.dup2(2, 1)
    while True:
        link, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _attend(link)
        link.close()


def _bury(_number: int, _frame: types.FrameType | None) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _attend(link: socket.socket) -> NoReturn:
    """Read what is asked, have a fork do it, say its process id and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, descriptors, _, _ = socket.recv_fds(link, 1, 3)
    text = b""
    while not text.endswith(b"\n"):
        text += link.recv(1 << 16)
    child = os.fork()
    if child == 0:
        link.close()
        _become(json.loads(text), descriptors)
    for one in descriptors:
        os.close(one)
    link.sendall(f"{child}\n".encode())
    ended = os.pidfd_open(child)
    if ended not in select.select([ended, link], [], [])[0]:
        os.kill(child, signal.SIGTERM)  # who asked is gone
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        link.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(asked: Mapping[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """Be the process that was asked for."""
    for number, one in enumerate(descriptors):
        os.dup2(one, number)
        os.close(one)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    sys.modules["__main__"] = types.ModuleType("__main__")
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    _obey_environment()
    code = 1
    try:
        code = _carry_out(asked)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 (the process's edge)
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code & 0xFF)


def _obey_environment() -> None:
    """What Python and its libraries read in the environment when they start."""
    environment = os.environ
    if "PYTHONUNBUFFERED" in environment:
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    if "PYTHONFAULTHANDLER" in environment:
        faulthandler.enable()
    if environment.get("PYTHONWARNINGS") == "ignore":
        import warnings

        warnings.simplefilter("ignore")
    if "OMP_NUM_THREADS" in environment:
        import threadpoolctl

        threadpoolctl.threadpool_limits(int(environment["OMP_NUM_THREADS"]))


def _carry_out(asked: Mapping[str, Any]) -> int:
    if "words" in asked:
        from sqlfeat.cli.main import main as command

        sys.argv = ["sqlfeat", *asked["words"]]
        return command()
    from sqlfeat.base import child

    os.setsid()
    order_file = Path(asked["order"])
    order = json.loads(order_file.read_text())
    order_file.write_text(json.dumps({**order, "parent": os.getppid()}))
    sys.path[:] = order["import_path"]
    sys.argv = ["-c", asked["order"]]
    child.main(asked["order"])
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
