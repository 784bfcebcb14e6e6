"""What the campaign has found: programs that were once called safe and that data refute, kept as golden cases.

A case is a file ``found/NAME.sql``: a header, then the models below lines ``-- model: NAME``. ``columns`` are those of
the last model that are not safe.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.check.fuzz.project import template
from tests.check.fuzz.tree import Program

HERE = Path(__file__).parent / "found"
_HEADER = re.compile(r"-- (verdict|columns|why|found): (.*)")
_MODEL = re.compile(r"^-- model: (\w+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One case: ``verdict`` is the truth about ``columns`` of the last model."""

    name: str
    verdict: str
    columns: tuple[str, ...]
    why: str
    found: str
    models: dict[str, str]

    @property
    def last(self) -> str:
        return list(self.models)[-1]


def read_cases() -> dict[str, Case]:
    """Every case, by its name."""
    cases = {}
    for path in sorted(HERE.glob("*.sql")):
        head, *parts = _MODEL.split(path.read_text("utf-8"))
        said = {found[1]: found[2].strip() for line in head.split("\n") if (found := _HEADER.fullmatch(line))}
        models = dict(zip(parts[::2], parts[1::2], strict=True))
        columns = tuple(name.strip() for name in said["columns"].split(","))
        cases[path.stem] = Case(path.stem, said["verdict"], columns, said["why"], said["found"], models)
    return cases


def case_text(program: Program, columns: Iterable[str], why: str, found: str) -> str:
    """A case as its file has it."""
    lines = ["-- verdict: unsafe", f"-- columns: {', '.join(columns)}", f"-- why: {why}", f"-- found: {found}"]
    lines += [f"-- model: {model.name}\n{template(model, program).rstrip()}" for model in program.models]
    return "\n".join(lines) + "\n"
