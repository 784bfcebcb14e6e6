"""SQL scalar expressions as Python closures with DuckDB's semantics, for request time.

What tests prove equal is compiled; everything else is :class:`Unsupported`, with its reason and place, and DuckDB
evaluates it. Nothing here knows DuckDB, Arrow, or where a row comes from.
"""

from sqlfeat.compiler.expressions.entry import Compiled, compile_expression, compile_expressions, compile_items
from sqlfeat.compiler.expressions.refusals import Unsupported
from sqlfeat.compiler.expressions.running.errors import ExpressionError, NotCovered

__all__ = [
    "Compiled",
    "ExpressionError",
    "NotCovered",
    "Unsupported",
    "compile_expression",
    "compile_expressions",
    "compile_items",
]
