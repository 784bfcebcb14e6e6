"""What is known of the distances between the instants of one row: a difference-bound matrix that minds nulls.

A bound ``x - y <= c`` (microseconds) says something of the rows in which neither ``x`` nor ``y`` is null, and of no
others. So two bounds that share an end make a third one only where that end is sure to be there: because it is
``certain``, or because one of the outer ends implies it (a day that was cut from an instant is null where that is).
A clock is always there; one that never comes is infinitely late, and then a bound on it says that there is no such
row. :data:`ORIGIN` is the constant zero, the epoch: a bound to it is one in absolute time.

It knows numbers and variables; what they stand for is told elsewhere. (Difference-bound matrices: D. Dill, Timing
assumptions and verification of finite-state concurrent systems, 1989; zones as an abstract domain: A. Miné, 2001.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

ORIGIN = 0
"""The variable that is always the epoch."""

_LEAST = -(1 << 62)
"""A bound below this would say that some instant is before all time."""

_STEPS = 20_000
"""How long a closure may run: contradictory bounds over nullable variables could sink for ever."""


class Zone:
    """Upper bounds of differences, closed under what follows from them.

    ``certain`` variables are never null, ``absent`` ones always; ``implied[x]`` are those that are there where ``x``
    is. Every method keeps it sound: whatever rows satisfy what was said satisfy every bound that is given back.
    """

    __slots__ = ("_above", "_below", "absent", "certain", "implied")

    def __init__(self) -> None:
        self._above: dict[int, dict[int, int]] = {}
        self._below: dict[int, dict[int, int]] = {}
        self.certain: set[int] = {ORIGIN}
        self.absent: set[int] = set()
        self.implied: dict[int, frozenset[int]] = {}

    def copy(self) -> Zone:
        """The same, to be changed on its own."""
        other = Zone()
        other._above = {x: dict(row) for x, row in self._above.items()}
        other._below = {y: dict(row) for y, row in self._below.items()}
        other.certain = set(self.certain)
        other.absent = set(self.absent)
        other.implied = dict(self.implied)
        return other

    # -- what is known ---------------------------------------------------------------------------------------------

    def bound(self, x: int, y: int) -> int | None:
        """The least upper bound known of ``x - y``; None if there is none."""
        if x == y:
            return 0
        row = self._above.get(x)
        return None if row is None else row.get(y)

    def bounds_of(self, x: int) -> Mapping[int, int]:
        """Every ``y`` with the bound of ``x - y``."""
        return self._above.get(x, {})

    def bounds_from(self, y: int) -> Mapping[int, int]:
        """Every ``x`` with the bound of ``x - y``."""
        return self._below.get(y, {})

    # -- what is said ----------------------------------------------------------------------------------------------

    def require(self, x: int, y: int, bound: int) -> None:
        """Say that ``x - y <= bound`` where both are there."""
        if x == y or not self._tighten(x, y, bound):
            return
        waiting = [(x, y)]
        for _ in range(_STEPS):
            if not waiting:
                return
            waiting += self._compose(*waiting.pop())

    def _tighten(self, x: int, y: int, bound: int) -> bool:
        """Note a bound that is news. One that contradicts its opposite is none: no row has both, so all holds of them.

        Left in, it would go round and round, sinking all the time.
        """
        back = self._above.get(y, {}).get(x)
        if back is not None and bound + back < 0:
            return False
        row = self._above.setdefault(x, {})
        known = row.get(y)
        if known is not None and known <= bound:
            return False
        if bound < _LEAST:
            return False
        row[y] = bound
        self._below.setdefault(y, {})[x] = bound
        return True

    def _compose(self, x: int, y: int) -> list[tuple[int, int]]:
        """Follow ``a - x`` and ``x - y``, then ``x - y`` and ``y - b``; what has become tighter."""
        found = []
        middle = self._above[x][y]
        for a, bound in list(self._below.get(x, {}).items()):
            if a != y and self._passes(x, a, y) and self._tighten(a, y, bound + middle):
                found.append((a, y))
        for b, bound in list(self._above.get(y, {}).items()):
            if b != x and self._passes(y, x, b) and self._tighten(x, b, middle + bound):
                found.append((x, b))
        return found

    def _passes(self, through: int, one: int, other: int) -> bool:
        """Whether ``through`` is there wherever both ends are."""
        return through in self.certain or through in self.implied.get(one, ()) or through in self.implied.get(other, ())

    def equate(self, x: int, y: int, distance: int = 0) -> None:
        """Say that ``x = y + distance`` where both are there."""
        self.require(x, y, distance)
        self.require(y, x, -distance)

    def imply(self, x: int, others: Iterable[int]) -> None:
        """Say that where ``x`` is there, these are too."""
        direct = set(others) - {x}
        found = frozenset(chain(direct, *(self.implied.get(other, ()) for other in direct))) - {x}
        new = found - self.implied.get(x, frozenset())
        if not new:
            return
        self.implied[x] = self.implied.get(x, frozenset()) | new
        for other, known in list(self.implied.items()):
            if x in known and not new <= known:
                self.implied[other] = (known | new) - {other}
        if x in self.certain:
            self.assume(new)
        for through in new:
            self._close_over(through)

    def assume(self, variables: Iterable[int]) -> None:
        """Say that these are there in every row."""
        for variable in variables:
            new = ({variable} | self.implied.get(variable, frozenset())) - self.certain
            self.certain |= new
            for each in new:
                self._close_over(each)

    def _close_over(self, through: int) -> None:
        for a, bound in list(self._below.get(through, {}).items()):
            for b, more in list(self._above.get(through, {}).items()):
                if a != b and self._passes(through, a, b):
                    self.require(a, b, bound + more)

    def loosened(self, other: Zone, optional: set[int]) -> Zone:
        """What is known where these variables may be missing, all of them at once, as in the rows of a left join.

        ``other`` is what is known of the rest in any case. A bound on one of these is about the rows that have them;
        and there everything is that is certain here.
        """
        result = self.copy()
        for x, row in list(result._above.items()):
            if x in optional:
                continue
            for y in [y for y in row if y not in optional]:
                found = other.bound(x, y)
                if found is None:
                    del row[y]
                    del result._below[y][x]
                else:
                    row[y] = result._below[y][x] = found
        result.certain = set(other.certain)
        result.absent = set(other.absent)
        for x in optional:
            result.implied[x] = (self.implied.get(x, frozenset()) | self.certain) - {x, ORIGIN}
        for x in list(result.implied):
            if x not in optional:
                result.implied[x] = other.implied.get(x, frozenset())
        return result

    # -- several rows ----------------------------------------------------------------------------------------------

    def merge(self, other: Zone) -> None:
        """Take in what is known of the other half of a row; what both speak of is in the same row."""
        for x, row in other._above.items():
            own = self._above.setdefault(x, {})
            for y, bound in row.items():
                known = own.get(y)
                if known is None or bound < known:
                    own[y] = bound
                    self._below.setdefault(y, {})[x] = bound
        new = other.certain - self.certain
        self.absent |= other.absent
        for x, implied in other.implied.items():
            self.implied[x] = self.implied.get(x, frozenset()) | implied
        self.certain |= new
        shared = [v for v in new if v in self._below and v in self._above]
        for through in (ORIGIN, *shared):
            self._close_over(through)

    def hull(self, other: Zone) -> Zone:
        """What holds in the rows of either: the laxer of two bounds; one of them where the other says nothing."""
        result = Zone()
        result.certain = self.certain & other.certain
        result.absent = self.absent & other.absent
        for x in self.implied.keys() | other.implied.keys():
            implied = self._implied_against(x, other)
            if implied:
                result.implied[x] = implied
        for x, row in self._above.items():
            for y, bound in row.items():
                found = other.bound(x, y)
                if found is not None:
                    result._tighten(x, y, max(bound, found))
                elif x in other.absent or y in other.absent:
                    result._tighten(x, y, bound)
        for x, row in other._above.items():
            for y, bound in row.items():
                if (x in self.absent or y in self.absent) and self.bound(x, y) is None:
                    result._tighten(x, y, bound)
        return result

    def _implied_against(self, x: int, other: Zone) -> frozenset[int]:
        if x in self.absent:
            return other.implied.get(x, frozenset()) | other.certain - {x}
        if x in other.absent:
            return self.implied.get(x, frozenset()) | self.certain - {x}
        own = self.implied.get(x, frozenset()) | self.certain
        return (own & (other.implied.get(x, frozenset()) | other.certain)) - {x, ORIGIN}

    def keep(self, variables: set[int]) -> None:
        """Forget every other variable; what followed by way of them stays known."""
        kept = variables | {ORIGIN}
        for table in (self._above, self._below):
            for x in list(table):
                if x not in kept:
                    del table[x]
                    continue
                row = table[x]
                if any(y not in kept for y in row):
                    table[x] = {y: bound for y, bound in row.items() if y in kept}
        self.certain &= kept
        self.absent &= kept
        self.implied = {x: implied & kept for x, implied in self.implied.items() if x in kept and implied & kept}

    def renamed(self, names: Mapping[int, int]) -> Zone:
        """The same with other variables; one that is not named stays what it is."""
        result = Zone()
        for table, made in ((self._above, result._above), (self._below, result._below)):
            for x, row in table.items():
                made[names.get(x, x)] = {names.get(y, y): bound for y, bound in row.items()}
        result.certain = {names.get(x, x) for x in self.certain}
        result.absent = {names.get(x, x) for x in self.absent}
        result.implied = {
            names.get(x, x): frozenset(names.get(y, y) for y in implied) for x, implied in self.implied.items()
        }
        return result
