"""Event hooks hear what has happened, and cannot undo it."""

import json

from sqlfeat.ops.events import notify
from tests.made.sessions import MadeSession, project

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
