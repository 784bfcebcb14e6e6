"""Timelines on which a careless lookup goes wrong.

Instants lie on a coarse grid around moments that are hard by themselves, one microsecond before, on and after each
other's boundaries; so ties, expiries and late rows are the rule here, not the exception. Everything comes from one
``random.Random``: a seed tells the whole story.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import inf, nan
from random import Random
from typing import Any

MICROSECOND = timedelta(microseconds=1)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MONTH = timedelta(days=31)

MOMENTS = [
    datetime(2013, 3, 10, 7, tzinfo=UTC),  # clocks go forward in New York
    datetime(2013, 11, 3, 5, 30, tzinfo=UTC),  # the hour that New York has twice
    datetime(2016, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2015, 3, 31, tzinfo=UTC),  # a month before it is the end of February
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1931, 8, 4, 12, tzinfo=UTC),
    datetime(1700, 2, 28, 12, tzinfo=UTC),
    datetime(2199, 12, 31, tzinfo=UTC),
]
STEPS = [timedelta(0), MICROSECOND, QUARTER, HOUR, DAY, 28 * DAY, MONTH]

TEXTS = ["", " ", "a", "A", "a ", "á", "a\u0301", "null", "NULL", "ß", "ss", "ı", "i", "日本", "\U0001f600", "'", '"',
         "a\tb", "a|b", "1", "01", "\u200b", "\x01"]  # fmt: skip
INTEGERS = [0, 1, -1, 2**63 - 1, -(2**63), 2**53, 2**53 + 1, -(2**53) - 1, 2**31, 255]
DECIMALS = [Decimal("0.000000"), Decimal("0.000001"), Decimal("-0.000001"), Decimal("9" * 32 + ".999999"),
            Decimal("-" + "9" * 32), Decimal("1.100000"), Decimal("11.000000")]  # fmt: skip
FLOATS = [0.0, -0.0, nan, inf, -inf, 5e-324, -5e-324, 1.7976931348623157e308, 0.1, 0.2, 0.3, -0.1, 1e16, 1.0, -1e16]
PAIRS = [("", "ab"), ("a", "b"), ("ab", ""), ("a|", "b"), ("a", "|b"), ("b", "a")]


def text_key(entity: int) -> str:
    return TEXTS[entity] if entity < len(TEXTS) else f"k{entity}"


def integer_key(entity: int) -> int:
    return INTEGERS[entity] if entity < len(INTEGERS) else entity * 1_000_003


def decimal_key(entity: int) -> Decimal:
    return DECIMALS[entity] if entity < len(DECIMALS) else entity + Decimal("0.5")


def uuid_key(entity: int) -> str:
    """The first ones differ in their first bit only, where signed and unsigned orders part."""
    if entity < 4:
        return str(uuid.UUID(int=[0, 1, 2**127, 2**128 - 1][entity]))
    return str(uuid.UUID(int=entity * 0x9E3779B97F4A7C15F39CC0605CEDC834 % 2**128))


def date_key(entity: int) -> date:
    return date(1969, 12, 1) + entity * DAY


def pair_key(entity: int) -> tuple[str, str]:
    return PAIRS[entity] if entity < len(PAIRS) else (f"p{entity % 3}", f"q{entity}")


KEYS = {"k_text": text_key, "k_int": integer_key, "k_dec": decimal_key, "k_uuid": uuid_key, "k_date": date_key}
KEY_COLUMNS = (*KEYS, "k_left", "k_right")


def keys_of(entity: int | None, random: Random) -> dict[str, Any]:
    """The entity's key in every type; of no entity nulls, of a pair one half at least."""
    if entity is not None:
        left, right = pair_key(entity)
        return {**{name: key(entity) for name, key in KEYS.items()}, "k_left": left, "k_right": right}
    left, right = random.choice([(None, None), (None, "b"), ("a", None)])
    return {**dict.fromkeys(KEYS), "k_left": left, "k_right": right}


def grid(random: Random, entity: int | None) -> datetime:
    """An instant of an entity's timeline: its own moment and a few steps."""
    moment = MOMENTS[(entity or 0) % len(MOMENTS)]
    for _ in range(random.choice([0, 0, 1, 1, 2])):
        moment += random.choice([1, -1]) * random.choice(STEPS)
    return moment


def delayed(random: Random, event: datetime) -> datetime:
    """When a row became known: at once, before it happened, on time, late, or much too late."""
    return event + random.choice([1, 1, 1, -1]) * random.choice(STEPS) + random.choice([-1, 0, 0, 1]) * MICROSECOND


def times_of(random: Random, entity: int | None) -> tuple[datetime | None, datetime | None]:
    event = grid(random, entity)
    known = delayed(random, event) if random.random() < 0.7 else grid(random, entity)
    known = MOMENTS[(entity or 0) % len(MOMENTS)] + HOUR if random.random() < 0.1 else known  # one batch
    return _or_none(random, event), _or_none(random, known)


def asked_of(random: Random, events: Sequence[datetime], entity: int | None) -> datetime | None:
    """An as-of time on or beside the boundary of something that happened, or anywhere."""
    if not events or random.random() < 0.1:
        return _or_none(random, grid(random, entity))
    asked = random.choice(events) + random.choice([0, 0, 1, 1, 1, 2]) * random.choice(STEPS)
    return _or_none(random, asked + random.choice([-1, 0, 0, 1]) * MICROSECOND)


def _or_none(random: Random, value: Any) -> Any:
    return None if random.random() < 0.03 else value


def some(random: Random, values: Sequence[Any], nulls: float = 0.2) -> Any:
    return None if random.random() < nulls else random.choice(values)
