"""What a compiled expression raises."""

from __future__ import annotations


class ExpressionError(Exception):  # the query fails in DuckDB for the same reason
    """An expression that has no value for this row: an overflow, a cast that cannot be done, a division by zero.

    ``kind`` is conversion, out-of-range or invalid-input, as DuckDB tells its errors apart.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class NotCovered(Exception):  # whoever called asks DuckDB for this row
    """A value that the compiled expression is not proved to treat as DuckDB does: a year 12000, a rare letter."""


def overflow(what: str) -> ExpressionError:
    return ExpressionError("out-of-range", f"Overflow in {what}.")


def unconvertible(value: object, type_name: str) -> ExpressionError:
    return ExpressionError("conversion", f"Could not convert {value!r} to {type_name}.")


def invalid(message: str) -> ExpressionError:
    return ExpressionError("invalid-input", message)


def divided_by_zero() -> ExpressionError:
    return ExpressionError("invalid-input", "Division by zero.")
