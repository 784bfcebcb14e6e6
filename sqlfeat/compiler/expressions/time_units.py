"""Units of time by all their names, and what functions of times have in common."""

from __future__ import annotations

from sqlfeat.compiler.expressions.casts import cast
from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.running.instants import DAY, FOREVER, HOUR, MINUTE, SECOND
from sqlfeat.compiler.expressions.typed import NULL, Constant, Node, is_null, settled
from sqlfeat.compiler.expressions.types import DATE, INSTANTS, TIMESTAMP, literal_text

_UNIT_WORDS = {
    "year": "year years y yr yrs", "month": "month months mon mons", "day": "day days d dayofmonth",
    "hour": "hour hours h", "minute": "minute minutes m min mins", "second": "second seconds s sec secs",
    "millisecond": "millisecond milliseconds ms msec", "microsecond": "microsecond microseconds us usec",
    "week": "week weeks w weekofyear", "quarter": "quarter quarters", "decade": "decade decades dec decs",
    "century": "century centuries cent", "millennium": "millennium millennia mil mils", "isoyear": "isoyear",
    "dow": "dow dayofweek weekday", "isodow": "isodow", "doy": "doy dayofyear", "yearweek": "yearweek", "era": "era",
    "epoch": "epoch",
}  # fmt: skip
UNITS = {word: unit for unit, words in _UNIT_WORDS.items() for word in words.split()}
CLOCK = {"hour": HOUR, "minute": MINUTE, "second": SECOND, "millisecond": 1000, "microsecond": 1}
DATED = (DATE, *INSTANTS)


def unit_of(node: Node) -> str:
    if not isinstance(node, Constant) or not isinstance(node.value, str):
        raise NotCompiled("a unit of time that is not written out")
    unit = UNITS.get(node.value.lower())
    if unit is None:
        raise NotCompiled(f"the unit {node.value!r}")
    return unit


def instant(node: Node) -> Node:
    """A date as its midnight; instants as they are."""
    if node.type not in DATED:
        raise NotCompiled(f"{node.type} here")
    return cast(node, TIMESTAMP) if node.type == DATE else settled(node)


def expect(arguments: list[Node], *counts: int) -> None:
    if len(arguments) not in counts:
        raise NotCompiled(f"{len(arguments)} arguments")
    if any(node.type == NULL for node in arguments):
        raise NotCompiled("a bare NULL as an argument")


SIZES = {"microsecond": 1, "millisecond": 1000, "second": SECOND, "epoch": SECOND, "minute": MINUTE, "hour": HOUR}
SIZES |= dict.fromkeys(("day", "dow", "isodow", "doy"), DAY)
YEARS = {"decade": 10, "century": 100, "millennium": 1000}
FINITE = f"-{FOREVER} < {{0}} < {FOREVER}"
FINITE_TOO = f"-{FOREVER} < {{1}} < {FOREVER}"


def dated(node: Node) -> Node:
    if literal_text(node) or is_null(node):
        raise NotCompiled("text or NULL as a time")
    return node


def known(value: object) -> Constant:
    return Constant("", value)
