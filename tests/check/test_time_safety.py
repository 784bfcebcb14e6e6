"""What a training set warns of: each cause once, with whom it concerns, where it is, and what settles it."""

from __future__ import annotations

from sqlfeat.compiler.algebra import Span
from sqlfeat.compiler.findings import Finding
from sqlfeat.errors import Place
from sqlfeat.ops.check_result import CheckedColumn, Problem
from sqlfeat.ops.time_safety import TimeSafety


def output(name: str, line: int, message: str = "Nobody says when orders are known.") -> CheckedColumn:
    finding = Finding("untimed", "unproven", message, "", "declare its event_time", "asked", Span(0, 1))
    return CheckedColumn(name, "unproven", (Problem(finding, Place("models/asked.sql", line, 1)),))


def test_one_cause_is_told_once_with_all_that_bear_it_and_what_settles_it():
    safety = TimeSafety((output("customer", 3), output("spent", 7), output("seen", 7)), {})

    assert safety.warnings == [
        "customer, spent, seen unproven: Nobody says when orders are known (models/asked.sql:3:1, "
        "models/asked.sql:7:1). To settle it: declare its event_time. See docs/rules/untimed.md"
    ]


def test_another_cause_is_told_apart():
    safety = TimeSafety((output("customer", 3), output("spent", 3, "It reads what is late.")), {})

    assert [told.split(":")[0] for told in safety.warnings] == ["customer unproven", "spent unproven"]
