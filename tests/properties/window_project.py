"""Every window that a feature view may have, over events that are late, corrected, moved and tied.

Each window is said twice: as the text in ``window()``, and as what to make of the oracle's events in Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa

from tests.oracles.point_in_time import Months, View, available, events, lookup, rank
from tests.properties.aggregates import (
    Events,
    decimal_sum,
    deviation,
    exact_average,
    exact_sum,
    first_at_greatest,
    float_average,
    float_sum,
    greatest,
    joined,
    least,
    present,
    quantile,
)
from tests.properties.timelines import (
    DAY,
    HOUR,
    INTEGERS,
    MICROSECOND,
    QUARTER,
    TEXTS,
    asked_of,
    keys_of,
    some,
    times_of,
)  # fmt: skip

UTC_TIME = pa.timestamp("us", "UTC")
SPANS = {"1 hour": HOUR, "1 day": DAY, "15 minutes": QUARTER, "1 microsecond": MICROSECOND, "1 month": Months(1),
         "30 minutes": timedelta(minutes=30), "unbounded": None}  # fmt: skip
FLOATS = [0.0, -0.0, 5e-324, 0.1, 0.2, 0.3, -0.1, 1e16, 1.0, -1e16, 2.5, 1e308, -1e308, 1e-300, 7.0]
WILD = [*FLOATS, math.inf, -math.inf, math.nan, 1.7976931348623157e308]
PRICES = [0.1, 0.2, 0.3, -0.1, 1e16, 1.0, -1e16, 2.5, 1e-9, -0.0, math.inf, math.nan]
CENTS = [Decimal("0.10"), Decimal("-0.20"), Decimal("0.30"), Decimal("19.99")]
KEYS = {"k_text": pa.string(), "k_left": pa.string(), "k_right": pa.string()}
SCHEMAS = {
    "events": pa.schema({
        **KEYS, "happened": pa.timestamp("us"), "happened_utc": UTC_TIME, "known": UTC_TIME, "number": pa.int64(),
        "rank": pa.int32(), "amount": pa.int64(), "small": pa.int16(), "money": pa.decimal128(18, 2),
        "wide": pa.decimal128(38, 4), "x": pa.float64(), "price": pa.float64(), "wild": pa.float64(),
        "word": pa.string(), "flag": pa.bool_(), "id": pa.int64(),
    }),
    "asked": pa.schema({"label_id": pa.int64(), **KEYS, "asked": UTC_TIME, "label": pa.int32()}),
}  # fmt: skip


# ---- windows


@dataclass(frozen=True)
class Window:
    """One item of a view: its SQL, and what the oracle makes of the events of each of its windows."""

    sql: str
    spans: tuple[tuple[str, str | None], ...]
    made_of: Callable[..., Any]


def window(aggregate: str, span: str, made_of: Callable[[Events], Any], offset: str | None = None) -> Window:
    """An item that is one window."""
    ends = f", offset={offset!r}" if offset else ""
    return Window(f'{{{{ window("{aggregate}", {span!r}{ends}) }}}}', ((span, offset),), made_of)


WINDOWS: Mapping[str, Window] = {
    "n_1h": window("count(*)", "1 hour", len),
    "n_1d": window("count(*)", "1 day", len),
    "n": window("count(*)", "unbounded", len),
    "t": window("count(*)", "1 month", len),
    "n_moment": window("count(*)", "1 microsecond", len),
    "n_before": window("count(*)", "1 hour", len, offset="30 minutes"),
    "n_past": window("count(*)", "unbounded", len, offset="1 day"),
    "n_month_before": window("count(id)", "1 hour", len, offset="1 month"),
    "k0": window("count(x)", "1 day", lambda rows: len(present(rows, "x"))),
    "words": window("count(distinct word)", "1 day", lambda rows: len(set(present(rows, "word")))),
    "wilds": window("count(distinct wild)", "unbounded", lambda rows: len(set(map(rank, present(rows, "wild"))))),
    "amount_1h": window("sum(amount)", "1 hour", lambda rows: exact_sum(present(rows, "amount"))),
    "amount_all": window("sum(amount)", "unbounded", lambda rows: exact_sum(present(rows, "amount"))),
    "amount_15m": window("sum(amount)", "15 minutes", lambda rows: exact_sum(present(rows, "amount")), "15 minutes"),
    "money_1d": window("sum(money)", "1 day", lambda rows: decimal_sum(present(rows, "money"))),
    "money_1mo": window("sum(money)", "1 month", lambda rows: decimal_sum(present(rows, "money"))),
    "wide_1d": window("sum(wide)", "1 day", lambda rows: decimal_sum(present(rows, "wide"))),
    "x_1d": window("sum(x)", "1 day", lambda rows: float_sum(present(rows, "x"))),
    "x_all": window("sum(x)", "unbounded", lambda rows: float_sum(present(rows, "x"))),
    "wild_1h": window("sum(wild)", "1 hour", lambda rows: float_sum(present(rows, "wild"))),
    "price_1d": window("sum(price)", "1 day", lambda rows: float_sum(present(rows, "price"))),
    "price_past": window("sum(price)", "unbounded", lambda rows: float_sum(present(rows, "price")), "15 minutes"),
    "avg_price": window("avg(price)", "1 hour", lambda rows: float_average(present(rows, "price"))),
    "avg_dear": window(
        "avg(price) filter (where price > 0.15)", "unbounded",
        lambda rows: float_average([p for p in present(rows, "price") if p > 0.15 or math.isnan(p)]),
    ),
    "most_price": window("max(price)", "unbounded", lambda rows: greatest(present(rows, "price"))),
    "least_small": window("min(small)", "1 day", lambda rows: least(present(rows, "small")), "30 minutes"),
    "least_money": window("min(money)", "15 minutes", lambda rows: least(present(rows, "money"))),
    "avg_small": window("avg(small)", "1 day", lambda rows: exact_average(present(rows, "small"))),
    "avg_amount": window("avg(amount)", "1 day", lambda rows: exact_average(present(rows, "amount"))),
    "avg_money": window("avg(money)", "1 hour", lambda rows: exact_average(present(rows, "money"))),
    "avg_x": window("avg(x)", "1 day", lambda rows: float_average(present(rows, "x"))),
    "least_amount": window("min(amount)", "1 hour", lambda rows: least(present(rows, "amount"))),
    "most_wild": window("max(wild)", "1 day", lambda rows: greatest(present(rows, "wild"))),
    "least_x": window("min(x)", "1 day", lambda rows: least(present(rows, "x"))),
    "last_word_in_order": window("max(word)", "unbounded", lambda rows: greatest(present(rows, "word"))),
    "middle_x": window("median(x)", "1 day", lambda rows: quantile(present(rows, "x"), 0.5)),
    "quarter": window("quantile_cont(small, 0.25)", "1 day", lambda rows: quantile(present(rows, "small"), 0.25)),
    "spread_small": window("stddev_samp(small)", "1 day", lambda rows: deviation(present(rows, "small"))),
    "first_word": window("first(word)", "1 day", lambda rows: rows[0]["word"] if rows else None),
    "last_id": window("last(id)", "1 day", lambda rows: rows[-1]["id"] if rows else None),
    "last_wild": window("last(wild)", "1 hour", lambda rows: rows[-1]["wild"] if rows else None),
    "ids": window("list(id)", "1 day", lambda rows: [row["id"] for row in rows] or None),
    "some_words": window("string_agg(word, '|')", "1 hour", lambda rows: joined(present(rows, "word"))),
    "words_by_id": window(
        "list(word order by id desc)", "1 day",
        lambda rows: [row["word"] for row in sorted(rows, key=lambda row: -row["id"])] or None,
    ),
    "at_most": window("arg_max(id, small)", "1 day", lambda rows: first_at_greatest(rows, "id", "small")),
    "flagged": window("count(*) filter (where flag)", "1 day", lambda rows: sum(row["flag"] is True for row in rows)),
    "flagged_sum": window(
        "sum(small) filter (where flag or word = 'a')", "1 day",
        lambda rows: exact_sum(present([row for row in rows if row["flag"] or row["word"] == "a"], "small")),
    ),
    "any_flag": window("bool_or(flag)", "1 day", lambda rows: greatest(present(rows, "flag"))),
    "never_null": Window(
        """coalesce({{ window('sum(small)', '1 hour') }}, 0)""", (("1 hour", None),),
        lambda rows: exact_sum(present(rows, "small")) or Decimal(0),
    ),
    "share": Window(
        """{{ window('count(*)', '1 hour') }} / nullif({{ window('count(*)', '1 day') }}, 0)""",
        (("1 hour", None), ("1 day", None)),
        lambda hour, day: len(hour) / len(day) if day else None,
    ),
}  # fmt: skip
LAST = datetime.max.replace(tzinfo=UTC)
NO_INPUTS = ("ids", "words_by_id")
TOTALLED = ("n_1h", "n_1d", "n", "t", "n_moment", "n_before", "n_past", "n_month_before", "k0", "price_1d",
            "price_past", "avg_price", "avg_dear", "most_price", "least_small", "least_money", "avg_small",
            "least_amount", "most_wild", "flagged", "flagged_sum", "never_null", "share")  # fmt: skip
"""The windows that are had from totals, however late and wild the events are."""


@dataclass(frozen=True)
class Shape:
    """A feature view with every window: its keys and its time facts."""

    keys: tuple[str, ...] = ("k_text",)
    event: str = "happened"
    available_at: str | None = None
    available_after: str | None = None
    tie_breaker: tuple[str, ...] = ()
    unique_key: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    windows: tuple[str, ...] = tuple(WINDOWS)
    every: int = 1

    @property
    def columns(self) -> list[str]:
        named = [*self.keys, self.event, self.available_at, *self.tie_breaker, *self.unique_key, *self.plain]
        return [name for name in dict.fromkeys(named) if name]

    def sql(self) -> str:
        """The model's file."""
        config: dict[str, Any] = {"materialized": "feature_view", "event_time": self.event}
        if self.keys:
            config["entity"] = "_".join(self.keys)
        config["available_at"] = self.available_at or self.event
        if self.available_after:
            del config["available_at"]
            config["available_after"] = self.available_after
        for name in ("tie_breaker", "unique_key"):
            if getattr(self, name):
                config[name] = list(getattr(self, name))
        said = ", ".join(f"{key}={value!r}" for key, value in config.items())
        items = [*self.columns, *(f"{WINDOWS[name].sql} as {name}" for name in self.windows)]
        listed = ",\n    ".join(items)
        source = f"{{{{ source('world', 'events') }}}} where id % {self.every} = 0"
        return f"{{{{ config({said}) }}}}\nselect\n    {listed}\nfrom {source}\n"

    def reads(self, event: Mapping[str, Any]) -> bool:
        """Whether an event is one of this view's."""
        return bool(event["id"] % self.every == 0)

    def view(self, rows: Events) -> View:
        """The same for the oracle. What windows read orders ties last, in the order in which they read it."""
        kept = ("id", "x", "word", "price", "wild", "amount", "money", "wide", "small", "flag")
        return View(
            rows,
            keys=self.keys,
            event_time="happened_utc",
            available_at=self.available_at,
            available_after=SPANS[self.available_after] if self.available_after else None,
            tie_breaker=self.tie_breaker,
            unique_key=self.unique_key,
            columns=tuple(dict.fromkeys([*self.columns, *kept])),
        )


VIEWS = {
    "at_once": Shape(),
    "late": Shape(("k_left", "k_right"), event="happened_utc", available_at="known", plain=("id",)),
    "soon": Shape(available_after="15 minutes", tie_breaker=("rank",)),
    "slow": Shape(event="happened_utc", available_after="1 day"),
    "corrected": Shape(available_at="known", unique_key=("number",), tie_breaker=("rank",)),
    "moved": Shape(("k_left", "k_right"), available_at="known", unique_key=("number", "word"), plain=("id",)),
    "everywhere": Shape((), available_at="known", plain=("id",), every=5),
    "at_once_totals": Shape(windows=TOTALLED),
    "soon_totals": Shape(available_after="15 minutes", tie_breaker=("rank",), plain=("id",), windows=TOTALLED),
    "late_totals": Shape(("k_left", "k_right"), event="happened_utc", available_at="known", windows=TOTALLED),
    "corrected_totals": Shape(available_at="known", unique_key=("number",), plain=("id",), windows=TOTALLED),
    "moved_totals": Shape(("k_left", "k_right"), available_at="known", unique_key=("number", "word"), windows=TOTALLED),
    "everywhere_totals": Shape((), available_at="known", unique_key=("number",), windows=TOTALLED, every=5),
}
ENTITIES = sorted({shape.keys for shape in VIEWS.values() if shape.keys})
ASKED = {**{view: (view, False) for view in VIEWS}, **{f"{view}_strict": (view, True) for view in VIEWS}}


def files(views: Sequence[str] = tuple(VIEWS)) -> dict[str, str]:
    """The project's files: some views, and two training sets for each of them, inclusive and strict."""
    entities = "".join(f"  {'_'.join(keys)}: {{keys: [{', '.join(keys)}]}}\n" for keys in ENTITIES)
    made = {
        "sqlfeat_project.yml": "name: windowed\nversion: 1.0.0\ndefault_target: dev\n"
        f"targets:\n  dev: {{engine: duckdb, path: target/windowed.duckdb}}\nentities:\n{entities}",
        "models/sources.yml": "version: 2\nsources:\n  - name: world\n    config: {location: 'data/{name}.parquet'}\n"
        "    tables: [{name: events}, {name: asked}]\n",
        "models/labels.sql": "{{ config(materialized='table', role='label', event_time='asked', horizon='1 day') }}\n"
        "select label_id, k_text, k_left, k_right, asked, label from {{ source('world', 'asked') }}\n",
    }
    for view in views:
        made[f"models/{view}.sql"] = VIEWS[view].sql()
    for name, (view, strict) in ASKED.items():
        if view not in views:
            continue
        everything = f"{{{{ feature('{view}.*'{', strict=true' if strict else ''}) }}}}"
        passed = [item for item in NO_INPUTS if item in VIEWS[view].windows]
        listed = ",\n    ".join(["a.label_id", "a.asked", everything, "a.label"])
        made[f"models/of_{name}.sql"] = (
            f"{{{{ config(materialized='training_set', label='label', keys=['label_id'], passthrough={passed}) }}}}\n"
            f"select\n    {listed}\nfrom {{{{ ref('labels') }}}} as a\n"
        )
    return made


# ---- what happens


@dataclass(frozen=True)
class World:
    """Events and questions. A calm world has no large number, and nothing is known later than a quarter of an hour."""

    events: list[dict[str, Any]]
    asked: list[dict[str, Any]]

    @classmethod
    def made(cls, seed: int, entities: int, rows: int, labels: int, calm: bool = False) -> World:
        random = Random(seed)
        known: list[int | None] = [*range(entities), None]
        made = [_event(random, random.choice(known), number, calm) for number in range(rows)]
        again = range(1, rows // 3 + 1)
        made += [_version(random, random.choice(made), known, -number, calm) for number in again if made]
        random.shuffle(made)
        times: dict[int | None, list[datetime]] = {}
        for event in made:
            times.setdefault(event["entity"], []).extend(t for t in (event["happened_utc"], event["known"]) if t)
        asked = []
        for number in range(labels):
            entity = random.choice(known)
            keys = {name: value for name, value in keys_of(entity, random).items() if name in KEYS}
            at = asked_of(random, times.get(entity, []), entity)
            asked.append({"label_id": number, **keys, "asked": at, "label": some(random, [0, 1])})
        return cls(made, asked)

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        return {"events": self.events, "asked": self.asked}


def _event(random: Random, entity: int | None, number: int, calm: bool) -> dict[str, Any]:
    happened, known = times_of(random, entity)
    if calm and happened is not None:
        known = happened + random.choice([timedelta(0), MICROSECOND, QUARTER])
    keys = {name: value for name, value in keys_of(entity, random).items() if name in KEYS}
    return {
        "entity": entity,
        **keys,
        **_happened(happened),
        "known": known,
        "number": some(random, [number] if calm else [number, number // 4], nulls=0.1),
        "rank": some(random, [1, 2]),
        "amount": some(random, [0, 1, -1, 7, 1000] if calm else INTEGERS),
        "small": some(random, [-3, -1, 0, 1, 2, 7, 32_767]),
        "money": some(random, [*CENTS, *([] if calm else [Decimal("9" * 16 + ".99")])]),
        "wide": some(random, [Decimal("0.0001"), Decimal("1e20").quantize(Decimal("0.0001")), Decimal("-7.0000")]),
        "x": some(random, FLOATS),
        "price": some(random, PRICES),
        "wild": some(random, WILD),
        "word": some(random, TEXTS),
        "flag": some(random, [True, False]),
        "id": number,
    }


def _version(
    random: Random, event: Mapping[str, Any], known: Sequence[int | None], number: int, calm: bool
) -> dict[str, Any]:
    """A later row of the same event: other values, sometimes at another time or of another entity."""
    entity = event["entity"] if random.random() < 0.8 else random.choice(known)
    again = _event(random, entity, number, calm)
    again["number"] = event["number"]
    again["word"] = event["word"]
    if calm or random.random() < 0.6:
        again.update(_happened(event["happened_utc"]))
    if random.random() < 0.3:
        again["known"] = event["known"]
    elif calm and event["happened_utc"] is not None:
        again["known"] = event["happened_utc"] + random.choice([MICROSECOND, QUARTER])
    return again


def _happened(instant: datetime | None) -> dict[str, Any]:
    return {"happened_utc": instant, "happened": instant and instant.replace(tzinfo=None)}


# ---- what the oracle says


class Answers:
    """The oracle's windows of one world, one key's events at a time; ``known_at`` hides what was known later."""

    def __init__(self, world: World, known_at: datetime | None = None) -> None:
        self.world = world
        self.known_at = known_at
        self._views: dict[tuple[str, tuple[Any, ...]], View] = {}

    def view(self, name: str, key: tuple[Any, ...]) -> View:
        """The view over what concerns a key: its rows, and every other version of them."""
        if (name, key) not in self._views:
            shape = VIEWS[name]
            own = [row for row in self.rows(name) if tuple(row[k] for k in shape.keys) == key]
            if shape.unique_key:
                events_of = {tuple(row[k] for k in shape.unique_key) for row in own}
                own = [row for row in self.rows(name) if tuple(row[k] for k in shape.unique_key) in events_of]
            if self.known_at is not None:
                whole = shape.view(own)
                own = [row for row in own if (available(whole, row) or LAST) <= self.known_at]
            self._views[name, key] = shape.view(own)
        return self._views[name, key]

    def items(self, name: str, key: tuple[Any, ...], t: datetime | None, *, strict: bool = False) -> dict[str, Any]:
        """Every window item of a view at an instant."""
        view = self.view(name, key)
        inside: dict[tuple[str, str | None], Events] = {}
        found = {}
        for item in VIEWS[name].windows:
            made = WINDOWS[item]
            for span in made.spans:
                if span not in inside:
                    offset = SPANS[span[1]] if span[1] else None
                    inside[span] = events(view, SPANS[span[0]], key, t, offset=offset, strict=strict)
            found[item] = made.made_of(*(inside[span] for span in made.spans))
        return found

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [row for row in self.world.events if VIEWS[name].reads(row)]

    def entities(self, name: str) -> set[tuple[Any, ...]]:
        return {tuple(row[k] for k in VIEWS[name].keys) for row in self.rows(name)}

    def current(self, name: str, key: tuple[Any, ...], t: datetime) -> Mapping[str, Any] | None:
        return lookup(self.view(name, key), key, t)


def usable_from(view: View, row: Mapping[str, Any]) -> datetime | None:
    """When a row can first be used; null where its event time or its available_at is."""
    happened, known = row["happened_utc"], available(view, row)
    return None if None in (happened, known) else max(happened, known)
