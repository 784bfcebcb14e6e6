"""Plain values as answers show them: as JSON has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import pyarrow as pa

from sqlfeat.store.plain_values import to_json

Show = Callable[[Any], Any]


class Shown:
    """Rows of plain values of some types, shown; ``show_of`` gives what shows a value of a type."""

    def __init__(self, kinds: Sequence[pa.DataType], show_of: Callable[[pa.DataType], Show | None]) -> None:
        self._shows = [show_of(kind) for kind in kinds]
        self._floats = [place for place, kind in enumerate(kinds) if pa.types.is_floating(kind)]
        self._are_floats = len(self._floats) == len(kinds)
        floats = set(self._floats)
        self._others = [
            (place, show) for place, show in enumerate(self._shows) if show is not None and place not in floats
        ]

    def __call__(self, values: Sequence[Any]) -> Sequence[Any]:
        """The values of a row."""
        floats = values if self._are_floats else [values[place] for place in self._floats]
        try:
            total = sum(floats)
        except TypeError:  # None is among them
            total = sum(filter(None, floats))
        if not isfinite(total):  # one of them may be what JSON has no number for
            pairs = zip(values, self._shows, strict=True)
            return [value if show is None or value is None else show(value) for value, show in pairs]
        if not self._others:
            return values
        shown = list(values)
        for place, show in self._others:
            if shown[place] is not None:
                shown[place] = show(shown[place])
        return shown


def json_of(kind: pa.DataType) -> Show | None:
    """What makes a plain value one of JSON's; None where it is one as it is."""
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind):
        return None
    if pa.types.is_floating(kind):
        return lambda value: value if value - value == 0 else to_json(value, kind)  # neither NaN nor infinite
    return lambda value: to_json(value, kind)


def number_of(kind: pa.DataType) -> Show | None:
    """The same, but decimals as numbers: for clients that know none, whole ones exactly and others as doubles."""
    if pa.types.is_decimal128(kind):
        return (lambda value: value) if not kind.scale else (lambda value: float(to_json(value, kind)))
    return json_of(kind)
