"""The hooks of a project, read without running them.

Which hooks there are, which training set they want and which limits they have is what the files under ``hooks/`` say:
the Python files by their syntax tree (``hook_file``), the ``.yml`` files beside them under ``trainers:``
(``trainer``). Here the two are put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlfeat.base.names import did_you_mean
from sqlfeat.base.yaml import read_yaml
from sqlfeat.errors import Place, ProjectError, UsageError
from sqlfeat.spec.hook_file import EVENTS, EventHookSpec, PromotionHookSpec, read_hook_file
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.trainer import TrainerSettings, TrainerSpec, read_trainers

__all__ = ["EVENTS", "EventHookSpec", "Hooks", "PromotionHookSpec", "TrainerSpec", "discover_hooks"]


@dataclass(frozen=True)
class Hooks:
    """All hooks of a project; trainers by name, the others in the order of files and lines."""

    trainers: Mapping[str, TrainerSpec]
    events: tuple[EventHookSpec, ...] = ()
    promotions: tuple[PromotionHookSpec, ...] = ()

    def trainer(self, name: str) -> TrainerSpec:
        """The trainer of this name."""
        if name in self.trainers:
            return self.trainers[name]
        hint = did_you_mean(name, self.trainers) or "write one in hooks/: a function under @trainer(training_set=…)."
        raise UsageError("unknown-hook", f"There is no hook {name!r} in this project.", hint=hint)


def discover_hooks(files: Iterable[Path], root: Path) -> Hooks:
    """Read the hooks of these files; all errors are collected and raised together."""
    problems = Problems()
    trainers: dict[str, TrainerSpec] = {}
    events: list[EventHookSpec] = []
    promotions: list[PromotionHookSpec] = []
    said: list[TrainerSettings] = []
    for path in sorted(files):
        with problems.collected():
            if path.suffix != ".py":
                said += _settings(path, root, problems)
                continue
            for spec in read_hook_file(path, root, problems):
                if isinstance(spec, EventHookSpec):
                    events.append(spec)
                elif isinstance(spec, PromotionHookSpec):
                    promotions.append(spec)
                elif spec.name in trainers:
                    problems.add(_duplicate(spec, trainers[spec.name]))
                else:
                    trainers[spec.name] = spec
    trainers |= _overridden(trainers, said, problems)
    problems.raise_if_any()
    return Hooks(trainers, tuple(events), tuple(promotions))


def _settings(path: Path, root: Path, problems: Problems) -> list[TrainerSettings]:
    file = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    try:
        node = read_yaml(path.read_text(encoding="utf-8-sig"), file)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ProjectError("cannot-read", f"{file} cannot be read: {why}.", Place(file)) from error
    return [] if node is None else list(read_trainers(node, problems))


def _overridden(
    trainers: Mapping[str, TrainerSpec], said: Sequence[TrainerSettings], problems: Problems
) -> dict[str, TrainerSpec]:
    """The trainers of which files say something, as they say it."""
    found: dict[str, TrainerSettings] = {}
    for one in said:
        if one.name not in trainers:
            what = f"There is no hook {one.name!r} under @trainer in this project."
            problems.add(ProjectError("unknown-hook", what, one.place, did_you_mean(one.name, trainers)))
        elif one.name in found:
            what = f"The hook {one.name!r} is described twice; the first is at {found[one.name].place}."
            problems.add(ProjectError("duplicate-hook", what, one.place, "keep one of them."))
        else:
            found[one.name] = one
    return {name: trainers[name].overridden(one) for name, one in found.items()}


def _duplicate(spec: TrainerSpec, first: TrainerSpec) -> ProjectError:
    return ProjectError(
        "duplicate-hook",
        f"There are two hooks named {spec.name!r}.",
        spec.place,
        f"the other is at {first.place}; give one of them another name=.",
    )
