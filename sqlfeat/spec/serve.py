"""How a project is served: ``serve: {log: …}``, the log of requests and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlfeat.errors import ProjectError
from sqlfeat.spec.section import Section

LOG_FLUSH = timedelta(seconds=60)


@dataclass(frozen=True)
class ServingLogSpec:
    """A log: its folder, the share of requests that it has, and how often what has come is written."""

    path: Path
    sample: float = 1.0
    flush: timedelta = LOG_FLUSH


def read_serving_log(file: Section, root: Path) -> ServingLogSpec | None:
    """Read ``serve:`` of the project file; what is wrong is noted. A log may be no more than its folder."""
    serve = file.section("serve", "the server")
    if serve is None:
        return None
    serve.only(("log",))
    given = serve.get("log")
    if given is None:
        return None
    if isinstance(given.value, str):
        return ServingLogSpec((root / given.value).absolute())
    log = Section(given, "the log", file.problems)
    log.only(("path", "sample", "flush"))
    log.need("path")
    flush = log.duration("flush")
    length = timedelta(microseconds=flush.microseconds) if flush and not flush.months else LOG_FLUSH
    return ServingLogSpec((root / (log.text("path") or "log")).absolute(), _share(log), length)


def _share(log: Section) -> float:
    found = log.get("sample")
    if found is None:
        return 1.0
    if isinstance(found.value, int | float) and not isinstance(found.value, bool) and 0 <= found.value <= 1:
        return float(found.value)
    what = f"'sample' of the log must be a share from 0 to 1, not {found.value!r}."
    log.problems.add(ProjectError("bad-value", what, found.place))
    return 1.0
