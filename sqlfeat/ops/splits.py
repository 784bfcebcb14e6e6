"""Which rows belong to which part of a training set, as SQL over its outputs.

By time: a row belongs to the part whose ``[start, next start)`` holds its as-of time, if its label was known before
the next part begins: ``t + embargo <= next start``. By hash: the first 8 bytes of sha256 of the seed and the row's
values as text, as a share of 2^64. A row of no part stays in the set, with a null split, and reaches no hook.
"""

from __future__ import annotations

from sqlfeat.base.names import literal, quote
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.split import SplitConfig
from sqlfeat.store.training_set import WHOLE

SEPARATOR = "\x1f"


def split_conditions(
    split: SplitConfig | None, as_of: str, keys: tuple[str, ...], embargo: Duration | None, place: Place | None
) -> dict[str, str]:
    """Part → SQL condition, in the order of the parts; without a split one part, ``all``, of everything."""
    if split is None:
        return {WHOLE: "true"}
    if split.by == "time":
        return _by_time(split, as_of, split.embargo or embargo)
    if split.by == "hash":
        return _by_hash(split, keys)
    raise ProjectError(
        "unsupported-split",
        "A split into folds cannot be built yet.",
        place,
        "split by time ({'train': '…', 'test': '…'}) or by hash ({'by': 'hash', …}).",
    )


def split_case(conditions: dict[str, str]) -> str:
    """The name of a row's part, or null, as one expression."""
    cases = " ".join(f"when {condition} then {literal(name)}" for name, condition in conditions.items())
    return f"case {cases} end"


def _by_time(split: SplitConfig, as_of: str, embargo: Duration | None) -> dict[str, str]:
    instant = f"cast({quote(as_of)} as timestamptz)"
    known = f"{instant} + {embargo.sql()}" if embargo else instant
    conditions = {}
    for index, (name, start) in enumerate(split.starts):
        condition = f"{instant} >= timestamptz {literal(start.isoformat())}"
        if index + 1 < len(split.starts):
            after = f"timestamptz {literal(split.starts[index + 1][1].isoformat())}"
            condition += f" and {instant} < {after} and {known} <= {after}"
        conditions[name] = condition
    return conditions


def _by_hash(split: SplitConfig, keys: tuple[str, ...]) -> dict[str, str]:
    columns = split.on or keys
    values = f" || {literal(SEPARATOR)} || ".join(f"coalesce(cast({quote(name)} as varchar), '')" for name in columns)
    digest = f"sha256({literal(str(split.seed))} || {literal(SEPARATOR)} || {values})"
    share = f"(cast('0x' || substr({digest}, 1, 16) as ubigint) / 18446744073709551616.0)"
    conditions, start = {}, 0.0
    for name, fraction in split.fractions:
        end = start + fraction
        conditions[name] = f"{share} >= {start!r} and {share} < {end!r}"
        start = end
    return conditions
