"""A session on a project that has hooks and nothing else, for what happens after a training set is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

from sqlfeat.base.clock import FixedClock
from sqlfeat.compiler.manifest import Column, Output, TrainingSetPlan
from sqlfeat.compiler.rewriting import Rewritten
from sqlfeat.ops.results import Event
from sqlfeat.spec.project import ProjectSpec, TargetSpec

NOW = datetime(2013, 4, 1, 12, tzinfo=UTC)


def project(root: Path, **hooks: str) -> ProjectSpec:
    """A project at ``root`` whose ``hooks/NAME.py`` hold these texts."""
    (root / "hooks").mkdir(parents=True, exist_ok=True)
    for name, text in hooks.items():
        (root / "hooks" / f"{name}.py").write_text(dedent(text))
    return ProjectSpec(
        root=root, name="flights", version="1.0.0", default_target="dev", targets={}, entities={}, sources={},
        models={}, macros=(), singular_tests=(), seeds={}, hooks=tuple(sorted((root / "hooks").glob("*.py"))), vars={},
        registry=root / "registry", target_path=root / "target",
    )  # fmt: skip


@dataclass
class MadeSession:
    """What training and prediction ask of a session."""

    spec: ProjectSpec
    target: TargetSpec = field(default_factory=lambda: TargetSpec("dev", "duckdb"))
    variables: Mapping[str, Any] = field(default_factory=dict)
    threads: int | None = None
    notifies: bool = True
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    events: list[Event] = field(default_factory=list)
    definition: Mapping[str, Any] = field(
        default_factory=lambda: {"definition": "d1", "features": {"carrier_delays.delay_7d": "f1"}}
    )

    @property
    def listener(self) -> Callable[[Event], None]:
        return self.events.append

    def training_set(self, name: str) -> SimpleNamespace:
        assert name == "late_flights"
        columns = (Column("asked_utc", "TIMESTAMP WITH TIME ZONE"), Column("distance", "INTEGER"))
        select = Rewritten("select distance from flights_asked")
        outputs = (Output("distance", "INTEGER", "input"),)
        plan = TrainingSetPlan("ref.flights_asked", None, "asked_utc", select, (), outputs, columns, ("distance",))
        return SimpleNamespace(name=name, training_set=plan, transforms=())

    def training_set_definition(self, name: str) -> Mapping[str, Any]:
        assert name == "late_flights"
        return self.definition
