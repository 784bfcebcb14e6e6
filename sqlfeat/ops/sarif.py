"""The findings of a check as SARIF 2.1.0, which code hosts and editors show beside the lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlfeat.base.files import canonical_json, write_atomically
from sqlfeat.compiler.findings import UNSAFE
from sqlfeat.compiler.rules import RULES
from sqlfeat.errors import Place, SqlfeatError
from sqlfeat.ops.check_result import CheckResult, Problem

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def write_sarif(result: CheckResult, path: Path) -> None:
    """Write the findings and compile errors of a check into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, canonical_json(sarif(result)) + "\n")


def sarif(result: CheckResult) -> dict[str, Any]:
    """The log: one run, a rule for each of ours, a result for each finding."""
    names = list(RULES)
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "sqlfeat check",
                        "version": version("sqlfeat"),
                        "rules": [_rule(name) for name in names],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [*_findings(result, names), *_errors(result)],
            }
        ],
    }


def _rule(name: str) -> dict[str, Any]:
    rule = RULES[name]
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.meaning},
        "help": {"text": f"{rule.mend[:1].upper()}{rule.mend[1:]}. See {rule.page}."},
    }


def _findings(result: CheckResult, names: list[str]) -> Iterator[dict[str, Any]]:
    """Each finding once, with the columns that bear it."""
    bearers: dict[tuple[object, ...], list[str]] = {}
    problems: dict[tuple[object, ...], Problem] = {}
    for model in result.models:
        for column in model.columns:
            for problem in column.problems:
                finding = problem.finding
                mark = (finding.rule, finding.model, finding.span, finding.verdict, finding.message)
                problems.setdefault(mark, problem)
                bearers.setdefault(mark, []).append(f"{model.name}.{column.name}")
    for key, problem in problems.items():
        finding = problem.finding
        text = f"{finding.message} For example: {finding.example}. Columns: {', '.join(bearers[key])}."
        found = {
            "ruleId": finding.rule,
            "ruleIndex": names.index(finding.rule),
            "level": "error" if finding.verdict == UNSAFE else "warning",
            "message": {"text": text},
            "locations": [_location(problem.place)],
            "properties": {"verdict": finding.verdict, "columns": bearers[key]},
        }
        if problem.allowed is not None:
            found["suppressions"] = [{"kind": "inSource", "justification": problem.allowed}]
        yield found


def _errors(result: CheckResult) -> Iterator[dict[str, Any]]:
    errors: Mapping[int, SqlfeatError] = {id(m.error): m.error for m in result.models if m.error is not None}
    for error in errors.values():
        found: dict[str, Any] = {"ruleId": error.code, "level": "error", "message": {"text": error.what}}
        if error.where is not None:
            found["locations"] = [_location(error.where)]
        yield found


def _location(place: Place) -> dict[str, Any]:
    region = {"startLine": place.line, "startColumn": place.column, "endColumn": place.column + place.length}
    return {"physicalLocation": {"artifactLocation": {"uri": place.file, "uriBaseId": "%SRCROOT%"}, "region": region}}
