"""A command line without a project behind it: what is typed, what is printed, which code comes back.

``typing`` runs a command line in this process; ``project`` is the stand-in for ``sqlfeat.api.Project`` that it opens.
A test gives the stand-in what its methods shall return (or raise), and reads what they were called with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from sqlfeat.cli.main import main


@dataclass
class StandIn:
    """Takes the place of an open project."""

    answers: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)

    def load(self, path: Any, **settings: Any) -> StandIn:
        self.calls["load"] = ((path,), settings)
        self._listener = settings["listener"]
        return self

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        self.calls["close"] = ((), {})

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def method(*arguments: Any, **keywords: Any) -> Any:
            self.calls[name] = (arguments, keywords)
            for event in self.events:
                self._listener(event)
            answer = self.answers[name]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return method


@dataclass(frozen=True)
class Outcome:
    """What became of a command line."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document of stdout; anything else there is an error."""
        return json.loads(self.out)


Typing = Callable[..., Outcome]


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    module = ModuleType("sqlfeat.api")
    module.Project = stand_in  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sqlfeat.api", module)
    return stand_in


@pytest.fixture
def typing(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typing:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def type_in(*words: str) -> Outcome:
        code = main(words)
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return type_in
