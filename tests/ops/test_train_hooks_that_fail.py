"""A hook that raises, hangs, dies, leaves early or returns nonsense registers nothing and is shown at its place.

Whatever it has started is gone with it.
"""

import os
import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest

from sqlfeat.errors import HookError
from sqlfeat.ops import train as train_module
from sqlfeat.ops.train import train
from sqlfeat.store.registry import registered_models
from tests.made.sessions import MadeSession, project
from tests.made.training_sets import COLUMNS, flights, keep

pytestmark = pytest.mark.usefixtures("started_anew")

HEAD = "from sqlfeat.hooks import trainer\n\n"
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux keeps to this limit")


def left_by(root: Path) -> list[int]:
    """The processes that a hook has noted, one a line."""
    noted = root / "pids.txt"
    return [int(line) for line in noted.read_text().split()] if noted.exists() else []


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """Train with a hook of this body, and give the error; nothing must be registered and nothing left to run."""
    small = keep(tmp_path / "sets", {"train": flights(30), "test": flights(10)}, COLUMNS)
    monkeypatch.setattr(train_module, "build_training_set", lambda session, name: small)

    def fail(body, arguments="", head=HEAD):
        text = f"{head}@trainer(training_set='late_flights'{arguments})\ndef late_lgbm(data, params):\n"
        session = MadeSession(project(tmp_path / "flights", late_lgbm=text + indent(dedent(body).strip("\n"), "    ")))
        with pytest.raises(HookError) as caught:
            train(session, "late_lgbm")
        assert registered_models(session.spec.registry) == []
        assert list((session.spec.target_path / "work").iterdir()) == []
        assert [pid for pid in left_by(session.spec.root) if is_alive(pid)] == []
        assert "all that it wrote is in target/logs/late_lgbm.txt." in caught.value.hint
        return caught.value

    return fail


def test_what_a_hook_raises_is_shown_at_its_own_line_with_a_caret(failing, tmp_path):
    error = failing("""
        import json
        print("so far so good")
        return json.loads("{broken")
    """)

    assert str(error).splitlines()[:3] == [
        "hooks/late_lgbm.py:7:12: [hook-failed] The hook raised json.decoder.JSONDecodeError: "
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        '  7 |     return json.loads("{broken")',
        "    |            ^^^^^^^^^^^^^^^^^^^^^",
    ]
    log = (tmp_path / "flights" / "target" / "logs" / "late_lgbm.txt").read_text()
    assert log.startswith("so far so good\nTraceback (most recent call last):")


def test_a_file_that_cannot_be_imported_says_where(failing):
    error = failing("return None", head=f"{HEAD}import lightgbm_of_tomorrow\n")

    assert error.code == "hook-failed"
    assert str(error.where) == "hooks/late_lgbm.py:3:1"
    assert "No module named 'lightgbm_of_tomorrow'" in error.what
    assert error.hint.startswith("pip install lightgbm_of_tomorrow;")


def test_a_split_that_is_not_there_is_named_with_those_that_are(failing):
    error = failing("return data.validation.lightgbm()")

    assert error.code == "no-such-split"
    assert error.what == "The training set late_flights has no split 'validation'; it has train, test."
    assert str(error.where) == "hooks/late_lgbm.py:5:12"


def test_a_hook_that_hangs_is_stopped_at_its_time_limit(failing):
    error = failing("while True: pass", arguments=", time_limit=1.5")

    assert error.code == "hook-timeout"
    assert "ran for 2 s, longer than it may" in error.what or "ran for 1 s" in error.what
    assert error.hint.startswith("train on less, or give @trainer a greater time_limit;")


def test_a_hook_that_ends_in_a_signal_is_shown_where_it_was(failing):
    error = failing("""
        import ctypes
        ctypes.string_at(0)
    """)

    assert error.code == "hook-died"
    assert error.what == "The hook late_lgbm was killed by SIGSEGV."
    assert error.where.text.strip() == "ctypes.string_at(0)"


@pytest.mark.parametrize("leaving", ["raise SystemExit(0)", "import os; os._exit(0)", "import sys; sys.exit('bye')"])
def test_a_hook_that_exits_early_has_no_result_whatever_its_exit_code(failing, leaving):
    error = failing(leaving)

    assert error.code == "hook-no-result"
    assert error.hint.startswith("return the trained model;")


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ("None", "nothing (None)"),
        ("[1, 2]", "a builtins.list"),
        ("data", "a sqlfeat.training_data.TrainingData"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_what_can(failing, returned, told):
    error = failing(f"return {returned}")

    assert error.code == "hook-bad-result"
    assert error.what == f"The hook returned {told}, which cannot be kept."
    assert error.hint.startswith("return a lightgbm Booster, LGBMClassifier")
    assert str(error.where) == "hooks/late_lgbm.py:4:5"


def test_a_model_of_other_inputs_is_refused(failing):
    error = failing("""
        import lightgbm as lgb
        import numpy as np
        both = np.random.default_rng(1).normal(size=(50, 2))
        return lgb.train({"verbosity": -1}, lgb.Dataset(both, both[:, 0]), 1)
    """)

    assert error.code == "hook-bad-result"
    assert error.what == "The model takes 2 inputs, and Column_0, Column_1 is none of the training set's inputs."


def test_a_hook_that_is_gone_when_the_file_is_imported_is_told(failing):
    error = failing("return 1", head=f"{HEAD}def trainer(**_): return lambda function: function\n")

    assert error.code == "hook-no-result"
    assert error.what.endswith("was imported and defined no hook 'late_lgbm'.")


def test_a_metric_that_is_no_number_is_refused(failing):
    error = failing("data.log_metric('lift', float('nan'))")

    assert error.code == "bad-metric"
    assert error.where.line == 5


STRAY = """
    import os, subprocess, sys, time
    sleeper = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]

    def note(pid):
        with open("pids.txt", "a") as file:
            file.write(f"{pid}\\n")

    def daemon(environment):
        first = os.fork()
        if first == 0:
            os.setsid()
            if os.fork() == 0:
                note(os.getpid())
                os.execve(sys.executable, sleeper, environment)
            os._exit(0)
        os.waitpid(first, 0)
        while not os.path.exists("pids.txt"):
            time.sleep(0.01)
"""


def body(*lines):
    """The lines after those that make daemons."""
    return dedent(STRAY) + "\n".join(lines)


@linux
@pytest.mark.parametrize("environment", ["dict(os.environ)", "{}"])
@pytest.mark.parametrize(
    ("end", "code"),
    [("raise ValueError('enough')", "hook-failed"), ("os.abort()", "hook-died"), ("os._exit(0)", "hook-no-result")],
)
def test_a_daemon_ends_with_the_hook_that_made_it_however_that_ends(failing, environment, end, code):
    error = failing(body(f"daemon({environment})", end))

    assert error.code == code


@linux
def test_a_daemon_of_a_hook_that_hangs_ends_with_it(failing):
    error = failing(body("daemon({})", "time.sleep(600)"), ", time_limit=4")

    assert error.code == "hook-timeout"


def test_a_child_that_was_forked_does_not_speak_for_its_parent(failing):
    error = failing("""
        import os
        if os.fork():
            os.wait()
            os._exit(0)
        return None
    """)

    assert error.code == "hook-no-result"


@linux
def test_a_hook_that_eats_memory_is_stopped_at_its_limit(failing):
    error = failing(
        """
        eaten = []
        while True:
            eaten.append(bytearray(1 << 26))
        """,
        ", memory_limit='2GB', time_limit=60",
    )

    assert error.code == "hook-failed"
    assert error.what == "The hook raised MemoryError."
    assert error.hint.startswith("train on less, or give @trainer a greater memory_limit;")


def test_a_hook_that_kills_its_whole_group_has_no_result(failing):
    error = failing("import os, signal; os.killpg(0, signal.SIGKILL)")

    assert error.code == "hook-died"
    assert error.what == "The hook late_lgbm was killed by SIGKILL."


def test_a_flood_of_output_is_kept_as_far_as_there_is_room_and_its_end(failing, tmp_path, monkeypatch):
    monkeypatch.setattr("sqlfeat.ops.hook_run._LONGEST_LOG", 1000)

    error = failing("""
        for number in range(200_000):
            print("line", number)
        raise ValueError("enough")
    """)

    log = (tmp_path / "flights" / "target" / "logs" / "late_lgbm.txt").read_text().splitlines()
    assert error.code == "hook-failed"
    assert log[0] == "line 0"
    assert any(line.endswith("lines are left out)") for line in log)
    assert log[-1] == "ValueError: enough"
    assert len(log) < 400


def test_a_result_that_the_hook_wrote_itself_is_none(failing):
    error = failing("""
        import json, os
        told = {"ok": True, "token": "0" * 32, "value": {"file": "model.txt"}}
        with open(os.environ["SQLFEAT_CHILD"] + "/result.json", "w") as file:
            json.dump(told, file)
        os._exit(0)
    """)

    assert error.code == "hook-no-result"
    assert error.what == "The hook late_lgbm left a result that it did not return."


def test_a_result_that_is_cut_short_is_none(failing):
    error = failing("""
        import os
        with open(os.environ["SQLFEAT_CHILD"] + "/result.json", "w") as file:
            file.write('{"ok": true, "val')
        os._exit(0)
    """)

    assert error.code == "hook-no-result"


def test_the_order_is_gone_before_the_hook_can_read_it(failing):
    error = failing("""
        import os
        raise ValueError(sorted(os.listdir(os.environ["SQLFEAT_CHILD"])))
    """)

    assert error.what == "The hook raised ValueError: []"


@pytest.mark.parametrize(
    ("arguments", "code", "underlined"),
    [
        (", slices=['carrier', 'origin']", "bad-slices", "['carrier', 'origin']"),
        (", slices=['delay_7d']", "bad-slices", "['delay_7d']"),
        (", group='query'", "no-such-group", "'query'"),
    ],
)
def test_columns_that_are_not_there_are_refused_before_anything_is_trained(failing_early, arguments, code, underlined):
    error = failing_early(arguments)

    assert error.code == code
    assert error.where.text[error.where.column - 1 :][: error.where.length] == underlined


@pytest.fixture
def failing_early(tmp_path, monkeypatch):
    """Train with a hook of these arguments that must never be called."""
    small = keep(tmp_path / "sets", {"train": flights(30), "test": flights(10)}, COLUMNS)
    monkeypatch.setattr(train_module, "build_training_set", lambda session, name: small)

    def fail(arguments):
        text = f"{HEAD}@trainer(training_set='late_flights'{arguments})\ndef late_lgbm(data): open('called', 'w')\n"
        session = MadeSession(project(tmp_path / "flights", late_lgbm=text))
        with pytest.raises(HookError) as caught:
            train(session, "late_lgbm")
        assert not (session.spec.root / "called").exists()
        return caught.value

    return fail
