"""A child process does what it likes; the parent learns what happened, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from sqlfeat.base.process import ChildResult, run_in_child

pytestmark = pytest.mark.usefixtures("started_anew")

HOOKS = """
import ctypes, os, signal, subprocess, sys, threading, time
from sqlfeat.errors import HookError

def double(number):
    print("doubling", number)
    return 2 * number

def where(_):
    return os.getcwd()

def fails(_):
    return deeper({})

def deeper(row):
    return row["delay"]

def refuses(_):
    raise HookError("no-rows", "There are no rows.", hint="build the set first.")

def aborts(_):
    os.abort()

def reads_address_zero(_):
    ctypes.string_at(0)

def hangs(_):
    print("hanging", flush=True)
    time.sleep(600)

def ignores_being_told(_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)

def leaves(argument):
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], **argument)
    return sleeper.pid

def forks(_):
    pid = os.fork()
    if pid == 0:
        return "the wrong one"
    os.waitpid(pid, 0)
    return pid

def exits_early(_):
    sys.exit(0)

def shows_its_threads(_):
    return os.environ["OMP_NUM_THREADS"]

def forges(argument):
    with open(os.path.join(os.environ["SQLFEAT_CHILD"], "result.json"), "w") as file:
        file.write(argument)
    os._exit(0)

def shows_the_exchange(_):
    return os.listdir(os.environ["SQLFEAT_CHILD"])

def is_gone(_):
    os._exit(0)

def eats(_):
    return len(bytearray(4 << 30))

def prints(_):
    for number in range(20_000):
        print(f"line {number}")
    print("x" * 50_000)
    print("the end", end="")

def cannot_be_kept(_):
    return object()

def keeps_a_thread(_):
    threading.Thread(target=time.sleep, args=(600,)).start()
    return "done"
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "some_hooks.py").write_text(HOOKS)
    monkeypatch.syspath_prepend(tmp_path)

    def call(function: str, argument: object = None, **limits) -> ChildResult:
        limits.setdefault("timeout", 60)
        return run_in_child(f"some_hooks:{function}", argument, folder=tmp_path, **limits)

    return call


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_child_gives_its_value_and_its_lines(run):
    lines: list[str] = []

    result = run("double", 21, on_line=lines.append)

    assert (result.ok, result.value) == (True, 42)
    assert result.lines == ("doubling 21",)
    assert lines == ["doubling 21"]
    assert result.exit_code == 0


def test_a_child_works_in_the_folder_it_is_given(run, tmp_path):
    assert run("where").value == str(tmp_path)


def test_an_exception_comes_back_with_the_users_own_lines(run, tmp_path):
    result = run("fails")

    assert not result.ok
    assert (result.error.type, result.error.message) == ("KeyError", "'delay'")
    assert [(frame.function, frame.text) for frame in result.error.frames] == [
        ("fails", "return deeper({})"),
        ("deeper", 'return row["delay"]'),
    ]
    assert result.error.innermost_in(tmp_path).line == HOOKS.splitlines().index('    return row["delay"]') + 1
    assert result.failure == "raised KeyError: 'delay'"
    assert "Traceback" in result.error.traceback


def test_a_syntax_error_is_placed_in_the_file_that_has_it(tmp_path, monkeypatch):
    (tmp_path / "broken_hook.py").write_text("x = 1\ndef broken(:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)

    result = run_in_child("broken_hook:broken", None, folder=tmp_path, timeout=60)

    assert result.error.type == "SyntaxError"
    assert (result.error.frames[-1].file, result.error.frames[-1].line) == (str(tmp_path / "broken_hook.py"), 2)


def test_an_error_of_sqlfeat_keeps_its_code_and_hint(run):
    result = run("refuses")

    assert result.error.reported["code"] == "no-rows"
    assert result.error.reported["hint"] == "build the set first."


@pytest.mark.parametrize(("function", "signal_name"), [("aborts", "SIGABRT"), ("reads_address_zero", "SIGSEGV")])
def test_a_crash_is_told_by_its_signal_and_where_it_was(run, function, signal_name):
    result = run(function)

    assert not result.ok
    assert result.signal == signal_name
    assert result.failure == f"was killed by {signal_name}"
    assert any("some_hooks.py" in line and function in line for line in result.lines)


@pytest.mark.parametrize("function", ["hangs", "ignores_being_told"])
def test_what_hangs_is_stopped_at_its_time_limit(run, function):
    result = run(function, timeout=0.7)

    assert not result.ok
    assert result.timed_out
    assert "longer than it may" in result.failure


def test_a_value_counts_though_a_thread_keeps_the_child_from_ending(run, monkeypatch):
    monkeypatch.setattr("sqlfeat.base.process._LINGER", 0.2)

    result = run("keeps_a_thread")

    assert (result.ok, result.value, result.timed_out) == (True, "done", False)


def test_what_a_child_started_does_not_outlive_it(run):
    result = run("leaves", {})

    assert result.ok
    assert not is_alive(result.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells whose child left its group")
def test_what_left_the_group_does_not_outlive_it_either(run):
    result = run("leaves", {"start_new_session": True})

    assert result.ok
    assert not is_alive(result.value)


def test_a_fork_of_the_child_does_not_speak_for_it(run):
    result = run("forks")

    assert result.ok
    assert isinstance(result.value, int)


def test_leaving_early_is_no_success(run):
    politely = run("exits_early")
    rudely = run("is_gone")

    assert not politely.ok
    assert politely.error.type == "SystemExit"
    assert not rudely.ok
    assert rudely.failure == "ended with exit code 0 before it was done"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux keeps to the limit")
def test_too_much_memory_is_an_error_and_not_the_end_of_the_machine(run):
    result = run("eats", memory_limit=1 << 30)

    assert not result.ok
    assert result.error.type == "MemoryError"


def test_a_flood_of_lines_passes_and_the_last_are_kept(run):
    passed: list[str] = []

    result = run("prints", on_line=passed.append)

    assert result.ok
    assert passed[:2] == ["line 0", "line 1"]
    assert "line 19999" in passed
    assert max(len(line) for line in passed) <= 10_000
    assert result.lines[-1] == passed[-1] == "the end"
    assert len(result.lines) == 200


def test_a_value_that_is_no_json_is_an_error(run):
    assert run("cannot_be_kept").error.type == "TypeError"


def test_an_entry_that_is_not_there_is_an_error(run):
    assert run("nothing").error.type == "AttributeError"


def test_an_interrupt_of_the_parent_ends_the_child(tmp_path, run):
    seen: list[str] = []
    before = children_of(os.getpid())

    def interrupt(line: str) -> None:
        seen.append(line)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run("hangs", on_line=interrupt)

    assert seen == ["hanging"]
    assert children_of(os.getpid()) == before


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_a_child_may_be_started_from_a_thread(run):
    results: list[ChildResult] = []
    worker = threading.Thread(target=lambda: results.append(run("double", 1)))
    worker.start()
    worker.join()

    assert results[0].value == 2


def test_native_libraries_are_told_how_many_threads_they_may_start(run):
    assert run("shows_its_threads", threads=3).value == "3"


@pytest.mark.parametrize("text", ['{"ok": true, "value": 1}', '{"ok": true, "token": "0"}', '{"ok"', "[1]", ""])
def test_a_result_that_others_wrote_is_none(run, text):
    result = run("forges", text)

    assert (result.ok, result.forged, result.value) == (False, True, None)
    assert result.failure == "left a result that it did not return"


def test_the_order_cannot_be_read_again(run):
    assert run("shows_the_exchange").value == []


def test_a_child_that_is_not_wanted_any_more_is_stopped(run):
    stop = threading.Event()

    result = run("hangs", stop=stop, on_line=lambda line: stop.set())

    assert (result.ok, result.stopped, result.timed_out) == (False, True, False)
    assert result.failure == "was stopped"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells whose child left its group")
def test_what_left_the_group_and_its_environment_does_not_outlive_it_either(run):
    result = run("leaves", {"start_new_session": True, "env": {}})

    assert result.ok
    assert not is_alive(result.value)
