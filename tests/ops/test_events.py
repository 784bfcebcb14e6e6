"""Event hooks hear what has happened, and cannot undo it."""

import json
from textwrap import dedent

from sqlfeat.ops.events import notify
from tests.made.projects import Opened, shop
from tests.made.sessions import NOW, MadeSession, project

HOOKS = """
    import json
    from pathlib import Path
    from sqlfeat.hooks import on

    @on("run_end")
    def note(facts):
        Path("noted.json").write_text(json.dumps(facts))

    @on("run_end")
    def shout():
        print("done")

    @on("model_registered")
    def fail(facts):
        raise ValueError("nobody listens")
"""


def test_the_hooks_of_an_event_get_its_facts(tmp_path):
    session = MadeSession(project(tmp_path / "flights", events=HOOKS, others="x = 1"))

    notify(session, "run_end", {"failed": False})

    assert json.loads((session.spec.root / "noted.json").read_text()) == {"failed": False}
    assert [event.text for event in session.events] == ["done"]


def test_a_hook_that_fails_is_shown_at_its_place_and_changes_nothing(tmp_path):
    session = MadeSession(project(tmp_path / "flights", events=HOOKS))

    notify(session, "model_registered", {})

    shown = session.events[-1].text
    assert shown.startswith(
        "warning: hooks/events.py:16:5: [event-hook-failed] The hook raised ValueError: nobody listens"
    )


def test_an_event_hook_that_dies_is_told(tmp_path):
    text = "import os\nfrom sqlfeat.hooks import on\n@on('run_end')\ndef leave(facts): os._exit(3)\n"
    session = MadeSession(project(tmp_path / "flights", events=text))

    notify(session, "run_end", {})

    assert "The hook leave of run_end ended with exit code 3 before it was done." in session.events[-1].text


def test_without_hooks_nothing_happens(tmp_path):
    session = MadeSession(project(tmp_path / "flights"))

    notify(session, "run_end", {})

    assert session.events == []


def test_a_hook_that_fails_does_not_silence_the_next_of_its_file(tmp_path):
    text = """
        from sqlfeat.hooks import on

        @on("run_end")
        def fail(facts):
            raise ValueError("nobody listens")

        @on("run_end")
        def shout(facts):
            print("done")
    """
    session = MadeSession(project(tmp_path / "flights", events=text))

    notify(session, "run_end", {})

    assert session.events[0].text.startswith("Traceback")
    assert "done" in [event.text for event in session.events]
    assert "nobody listens" in session.events[-1].text


def test_a_hook_that_hangs_is_stopped_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr("sqlfeat.ops.events._TIME_LIMIT", 2.0)
    text = "import time\nfrom sqlfeat.hooks import on\n@on('run_end')\ndef wait(facts): time.sleep(600)\n"
    session = MadeSession(project(tmp_path / "flights", events=text))

    notify(session, "run_end", {})

    assert "The hook wait of run_end ran for 2 s, longer than it may" in session.events[-1].text


def test_a_hooks_file_that_cannot_be_read_is_told_and_changes_nothing(tmp_path):
    session = MadeSession(project(tmp_path / "flights", events="def ("))

    notify(session, "run_end", {})

    assert session.events[-1].text.startswith("warning: hooks/events.py:1:")


def test_a_hook_that_was_changed_is_heard_as_it_is_now(tmp_path):
    session = MadeSession(project(tmp_path / "flights", events="x = 1"))
    notify(session, "run_end", {})
    (session.spec.root / "hooks" / "events.py").write_text(
        "from sqlfeat.hooks import on\n@on('run_end')\ndef shout(): print('now')\n"
    )

    notify(session, "run_end", {})

    assert [event.text for event in session.events] == ["now"]


def test_facts_are_plain_values(tmp_path):
    session = MadeSession(project(tmp_path / "flights", events=HOOKS))

    notify(session, "run_end", {"at": NOW, "path": tmp_path})

    noted = json.loads((session.spec.root / "noted.json").read_text())
    assert noted == {"at": "2013-04-01 12:00:00+00:00", "path": str(tmp_path)}


LISTENER = """
    import json
    from sqlfeat import on
    from sqlfeat.spec.hook import EVENTS

    def told(event):
        def tell(facts):
            with open("heard.txt", "a") as file:
                file.write(f"{event} {facts.get('command') or facts.get('name') or sorted(facts)}\\n")
        return tell
"""


def listening(*events):
    """A hooks file that notes what it hears of these events."""
    return dedent(LISTENER) + "".join(
        f"\n@on({event!r})\ndef {event}(facts): told({event!r})(facts)\n" for event in events
    )


def test_the_steps_of_a_build_are_told_in_their_order(tmp_path):
    events = ["run_start", "model_built", "model_failed", "test_failed", "run_end", "check_end", "verify_end"]
    schema = "version: 2\nmodels:\n  - name: good\n    columns: [{name: x, data_tests: [unique]}]\n"
    models = {"models/good.sql": "select 1 as x union all select 1", "models/bad.sql": "select cast('a' as int) as x"}
    tables = {name: "{{ config(materialized='table') }} " + text for name, text in models.items()}
    opened = Opened(shop(tmp_path, {**tables, "models/schema.yml": schema, "hooks/tell.py": listening(*events)}))

    with opened.project() as open_project:
        open_project.build()
        open_project.check()
        open_project.test()

    heard = (tmp_path / "heard.txt").read_text().splitlines()
    assert [line.split()[0] for line in heard] == [
        "run_start", "model_failed", "model_built", "test_failed", "run_end",
        "check_end", "run_start", "test_failed", "run_end",
    ]  # fmt: skip
    assert heard[0] == "run_start build"
    assert heard[1] == "model_failed bad"
    assert heard[3] == "test_failed unique_good_x"
    assert heard[-1] == "run_end test"
