"""What the engine refuses, as an error at its place in the template, with what was probably meant."""

from __future__ import annotations

from collections.abc import Mapping

from sqlfeat.base.names import nearest
from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.compiler.mistakes import sentence
from sqlfeat.compiler.parse import UnreadableSql, unbalanced, words
from sqlfeat.compiler.rewriting import Rewritten
from sqlfeat.compiler.source_map import SourceMap
from sqlfeat.errors import Place, ProjectError

_CODES = {
    "syntax": "sql-syntax", "column": "missing-column", "table": "missing-table", "function": "sql-function",
    "type": "sql-type", "alias": "missing-table", "no aggregate": "sql-function", "other": "sql-error",
}  # fmt: skip


def refusal(
    problem: SqlProblem, text: Rewritten, source_map: SourceMap, fallback: Place, calls: Mapping[str, str]
) -> ProjectError:
    """What the engine refuses, at its place in the template; ``calls`` are what a relation's bare name stood for."""
    if problem.kind == "syntax":
        found = unbalanced(text.text) if _readable_text(text.text) else None
        if found is not None:
            problem = SqlProblem(found.what, "syntax", offset=found.offset, length=found.length)
    place: Place | None = None
    if problem.offset is not None:
        place = source_map.place(text.before(problem.offset), problem.length, problem.name)
    error = told(problem, place or fallback)
    if problem.kind == "table" and problem.name and problem.name in calls:
        error.hint = f"write {{{{ {calls[problem.name]} }}}}."
    return error


def told(problem: SqlProblem, where: Place) -> ProjectError:
    """The same, where its place is known already."""
    return ProjectError(_CODES[problem.kind], sentence(problem.what), where, _hint(problem))


def _readable_text(text: str) -> bool:
    try:
        words(text)
    except UnreadableSql:
        return False
    return True


def _hint(problem: SqlProblem) -> str | None:
    """The nearest of the names that the engine thinks of; it does not think of all that there are."""
    if problem.name is None or problem.kind not in ("column", "table", "alias", "function"):
        return None
    names = [candidate.split(".")[-1] for candidate in problem.candidates]
    near = nearest(problem.name, [name for name in names if not name.startswith("__sqlfeat")])
    return f"did you mean {near!r}?" if near else None
