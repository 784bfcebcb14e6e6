"""Numbers as people read them: shares, spans, and how likely chance is, in words. Knows nothing of what they are of."""

from __future__ import annotations

import math

_LEAST = 1e-300
"""Less is the next number beside 0, as an edge of a bin may be."""


def percent(share: float | None) -> str:
    """A share of rows."""
    if share is None:
        return "none"
    return "<0.1 %" if 0 < share < 0.001 else f"{share * 100:.1f} %"


def number(value: float | str | None) -> str:
    """A value; of a fraction four digits."""
    if value is None or isinstance(value, str):
        return str(value)
    if not math.isfinite(value):
        return "no number" if math.isnan(value) else "beyond all bounds"
    if abs(value) < _LEAST:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 10_000 or value == int(value) else f"{value:.4g}"


def interval(low: float | None, high: float | None) -> str:
    """A bin of numbers; None is no bound."""
    if low is None:
        return f"up to {number(high)}"
    return f"above {number(low)}" if high is None else f"{number(low)} to {number(high)}"


def span(seconds: float) -> str:
    """A length of time."""
    if seconds >= 172_800:
        return f"{seconds / 86_400:.1f} days"
    return f"{seconds / 3_600:.1f} hours" if seconds >= 7_200 else f"{seconds / 60:.0f} minutes"


def short(value: float) -> str:
    """A value at an axis, in seven letters at most: thousands and millions by their letter."""
    size = abs(value)
    if size < _LEAST:
        return "0"
    if size < 0.01 or size >= 1e12:
        digits, power = f"{value:.1e}".split("e")
        return f"{digits.removesuffix('.0')}e{int(power)}"
    for least, unit, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if size >= least:
            return f"{_digits(value / unit)}{letter}"
    return _digits(value)


def _digits(value: float) -> str:
    """Three digits that count; of more before the point, all."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def times(chance: float) -> str:
    """How often chance alone does something."""
    if chance < 0.000_001:
        return "less than once in a million times"
    if chance >= 0.2:
        return f"{chance * 100:.0f} times in 100"
    often = 1 / chance
    digits = 10 ** max(int(math.log10(often)) - 1, 0)
    return f"about once in {round(often / digits) * digits:,} times"
