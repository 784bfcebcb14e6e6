"""Every kind of feature view over one table of facts, each said twice: as a model, and as the oracle's ``View``.

The label relations ask all of them, inclusive and strict, with the view's ttl and with shorter ones, by their own keys,
by another role's, by a key that a feature gives, and by none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa

from tests.oracles.point_in_time import Months, View, available, lookup
from tests.properties.timelines import (
    DAY,
    FLOATS,
    HOUR,
    INTEGERS,
    KEY_COLUMNS,
    MICROSECOND,
    QUARTER,
    TEXTS,
    asked_of,
    keys_of,
    some,
    times_of,
)  # fmt: skip

LAST = datetime.max.replace(tzinfo=UTC)
UTC_TIME = pa.timestamp("us", "UTC")
KEY_TYPES = {"k_text": pa.string(), "k_int": pa.int64(), "k_dec": pa.decimal128(38, 6), "k_uuid": pa.string(),
             "k_date": pa.date32(), "k_left": pa.string(), "k_right": pa.string()}  # fmt: skip
VALUES = {"rank": pa.int32(), "v_float": pa.float64(), "v_text": pa.string(), "v_big": pa.int64(),
          "v_flag": pa.bool_(), "next": pa.int64(), "n": pa.int64(), "t": pa.int32(), "id": pa.int64()}  # fmt: skip
SCHEMAS = {
    "facts": pa.schema({**KEY_TYPES, "happened": pa.timestamp("us"), "happened_utc": UTC_TIME, "day": pa.date32(),
                        "known": UTC_TIME, **VALUES}),
    "news": pa.schema({"happened": pa.timestamp("us"), "known": UTC_TIME, "id": pa.int64()}),
    "cards": pa.schema({"k_text": pa.string(), "k_int": pa.int64(), "id": pa.int64()}),
    "asked": pa.schema({"label_id": pa.int64(), **KEY_TYPES, **{f"other_{k}": t for k, t in KEY_TYPES.items()},
                        "asked_utc": UTC_TIME, "asked": pa.timestamp("us"), "asked_day": pa.date32(),
                        "label": pa.int32()}),
}  # fmt: skip
PLAIN = ["rank", "v_float", "v_text", "v_big", "v_flag", "next", "n", "t", "id"]
SPANS = {"0 seconds": timedelta(0), "1 microsecond": MICROSECOND, "15 minutes": QUARTER, "1 hour": HOUR, "1 day": DAY,
         "1 month": Months(1)}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """A feature view over ``facts``: its keys and its time facts."""

    keys: tuple[str, ...]
    event: str = "happened"
    available_at: str | None = None
    available_after: str | None = None
    tie_breaker: tuple[str, ...] = ()
    ttl: str | None = None
    source: str = "facts"

    @property
    def columns(self) -> list[str]:
        times = [self.event, *([self.available_at] if self.available_at else [])]
        return [*self.keys, *times, *(PLAIN if self.source == "facts" else ["id"])]

    def sql(self) -> str:
        """The model's file."""
        config = {"materialized": "feature_view", "event_time": self.event}
        if self.keys:
            config["entity"] = "_".join(self.keys)
        for name in ("available_at", "available_after", "tie_breaker", "ttl"):
            if getattr(self, name):
                value = getattr(self, name)
                config[name] = list(value) if isinstance(value, tuple) else value
        if self.available_at is None and self.available_after is None and self.event != "day":
            config["available_at"] = self.event
        said = ", ".join(f"{key}={value!r}" for key, value in config.items())
        items = ["cast(k_uuid as uuid) as k_uuid" if name == "k_uuid" else name for name in self.columns]
        return f"{{{{ config({said}) }}}}\nselect {', '.join(items)}\nfrom {{{{ source('world', '{self.source}') }}}}\n"

    def view(self, rows: Sequence[Mapping[str, Any]]) -> View:
        """The same for the oracle, of one key's rows."""
        return View(
            rows,
            keys=self.keys,
            event_time=EVENTS[self.event],
            available_at=self.available_at,
            available_after=SPANS[self.available_after] if self.available_after else None,
            tie_breaker=self.tie_breaker,
            ttl=SPANS[self.ttl] if self.ttl else None,
            columns=tuple(EVENTS.get(name, name) for name in self.columns),
        )


EVENTS = {"happened": "happened_utc", "happened_utc": "happened_utc", "day": "midnight"}
"""Where the oracle finds an event time: as an instant in UTC."""

VIEWS = {
    "plain": Shape(("k_text",)),
    "with_ttl": Shape(("k_int",), event="happened_utc", ttl="1 hour"),
    "exact": Shape(("k_dec",), ttl="0 seconds"),
    "for_a_month": Shape(("k_text",), event="happened_utc", ttl="1 month"),
    "late": Shape(("k_left", "k_right"), available_at="known"),
    "late_ttl": Shape(("k_uuid",), event="happened_utc", available_at="known", ttl="1 day"),
    "late_tied": Shape(("k_int",), available_at="known", tie_breaker=("rank", "v_float")),
    "tied": Shape(("k_date",), tie_breaker=("v_text",)),
    "delayed": Shape(("k_text",), available_after="15 minutes", ttl="1 hour"),
    "delayed_exact": Shape(("k_int",), event="happened_utc", available_after="15 minutes", ttl="0 seconds"),
    "daily": Shape(("k_text",), event="day"),
    "daily_late": Shape(("k_left", "k_right"), event="day", available_at="known", ttl="1 day"),
    "world_news": Shape((), source="news"),
    "late_news": Shape((), event="happened", available_at="known", ttl="1 day", source="news"),
}
ENTITIES = sorted({shape.keys for shape in VIEWS.values() if shape.keys} | {("k_int",)})


@dataclass(frozen=True)
class Asked:
    """One ``feature()``: of which view, how, and by which columns of a label row its keys are found."""

    view: str
    how: Mapping[str, Any] = field(default_factory=dict)
    role: str = ""
    through: str = ""

    def sql(self, name: str) -> str:
        on = {key: f"a.{self.role}{key}" for key in VIEWS[self.view].keys} if self.role else {}
        said = [f"{key}={value!r}" for key, value in self.how.items()]
        if on:
            said.append(f"on={on!r}")
        if self.through:
            said.append(f"on={{'k_int': feature('{self.through}')}}")
        return f"{{{{ feature({', '.join([repr(f'{self.view}.id'), *said])}) }}}} as {name}"


def _all_asked() -> dict[str, Asked]:
    asked = {}
    for view, shape in VIEWS.items():
        asked[view] = Asked(view)
        asked[f"{view}_strict"] = Asked(view, {"strict": True})
        if shape.ttl != "0 seconds":
            asked[f"{view}_brief"] = Asked(view, {"ttl": "15 minutes"})
        if shape.keys:
            asked[f"{view}_other"] = Asked(view, role="other_")
    asked["late_brief_strict"] = Asked("late", {"ttl": "1 microsecond", "strict": True})
    asked["late_moment"] = Asked("late", {"ttl": "0 seconds"})
    asked["late_month"] = Asked("late", {"ttl": "1 month"})
    asked["next_late"] = Asked("late_tied", through="plain.next")
    asked["next_ttl"] = Asked("with_ttl", through="plain.next")
    return asked


ASKED = _all_asked()
AS_OF = {"asked_utc": "asked_utc", "asked": "asked_utc", "asked_day": "asked_midnight"}
"""The label relations by their event time, and where the oracle finds it."""


def files() -> dict[str, str]:
    """The project's files."""
    entities = "".join(f"  {'_'.join(keys)}: {{keys: [{', '.join(keys)}]}}\n" for keys in ENTITIES)
    made = {
        "sqlfeat_project.yml": "name: looked_up\nversion: 1.0.0\ndefault_target: dev\n"
        "targets:\n  dev: {engine: duckdb, path: target/looked_up.duckdb}\n"
        f"entities:\n{entities}",
        "models/sources.yml": "version: 2\nsources:\n  - name: world\n    config: {location: 'data/{name}.parquet'}\n"
        "    tables:\n" + "".join(f"      - name: {name}\n" for name in SCHEMAS),
        "models/cards.sql": "{{ config(materialized='table', entity='k_text', immutable=true) }}\n"
        "select k_text, k_int, id from {{ source('world', 'cards') }}\n",
    }
    for name, shape in VIEWS.items():
        made[f"models/{name}.sql"] = shape.sql()
    for as_of in AS_OF:
        made[f"models/asked_at_{as_of}.sql"] = _labels(as_of)
        made[f"models/found_at_{as_of}.sql"] = _training_set(as_of, [a.sql(name) for name, a in ASKED.items()])
    stars = [f"{{{{ feature('{view}.*', prefix='{view}_') }}}}" for view in ("plain", "late")]
    passed = ["plain_id", *(f"{view}_{name}" for view in ("plain", "late") for name in ("v_flag",))]
    made["models/whole_rows.sql"] = _training_set("asked_utc", stars, passed)
    return made


def _labels(as_of: str) -> str:
    columns = ["label_id", *KEY_COLUMNS, *(f"other_{key}" for key in KEY_COLUMNS), as_of, "label"]
    items = [f"cast({name} as uuid) as {name}" if name.endswith("k_uuid") else name for name in columns]
    return (
        f"{{{{ config(materialized='table', role='label', event_time='{as_of}', horizon='1 day') }}}}\n"
        f"select {', '.join(items)} from {{{{ source('world', 'asked') }}}}\n"
    )


def _training_set(as_of: str, features: Sequence[str], passed: Sequence[str] = ()) -> str:
    items = ["a.label_id", f"a.{as_of}", *features, "{{ feature('cards.id') }} as card", "a.label"]
    listed = ",\n    ".join(items)
    return (
        f"{{{{ config(materialized='training_set', label='label', keys=['label_id'], passthrough={list(passed)}) }}}}\n"
        f"select\n    {listed}\nfrom {{{{ ref('asked_at_{as_of}') }}}} as a\n"
    )


@dataclass(frozen=True)
class World:
    """What happened, and who asks: rows as they are written, with what the oracle reads beside it."""

    facts: list[dict[str, Any]]
    news: list[dict[str, Any]]
    cards: list[dict[str, Any]]
    asked: list[dict[str, Any]]

    @classmethod
    def made(cls, seed: int, entities: int, rows: int, labels: int) -> World:
        random = Random(seed)
        known: list[int | None] = [*range(entities), None]
        facts = [_fact(random, random.choice(known), entities, number) for number in range(rows)]
        facts += [dict(random.choice(facts), id=-number) for number in range(1, rows // 8 + 1) if facts]
        news = [{**_times(random, 0), "id": number} for number in range(min(rows, 12))]
        cards = [{"k_text": keys_of(e, random)["k_text"], "k_int": e, "id": e} for e in range(0, entities, 2)]
        times: dict[int | None, list[Any]] = {}
        for fact in facts:
            instants = (fact["happened_utc"], fact["known"])
            times.setdefault(fact["entity"], []).extend(t for t in instants if t is not None)
        asked = [_label(random, known, times, number) for number in range(labels)]
        asked += [dict(random.choice(asked)) for _ in range(labels // 10) if asked]
        return cls(facts, news, cards, asked)

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        return {"facts": self.facts, "news": self.news, "cards": self.cards, "asked": self.asked}


def _times(random: Random, entity: int | None) -> dict[str, Any]:
    event, known = times_of(random, entity)
    day = None if event is None else event.date()
    midnight = None if event is None else event.replace(hour=0, minute=0, second=0, microsecond=0)
    return {"happened": event and event.replace(tzinfo=None), "happened_utc": event, "day": day, "midnight": midnight,
            "known": known}  # fmt: skip


def _fact(random: Random, entity: int | None, entities: int, number: int) -> dict[str, Any]:
    following = some(random, range(entities))
    return {
        "entity": entity,
        **keys_of(entity, random),
        **_times(random, entity),
        "rank": some(random, [1, 2, -1]),
        "v_float": some(random, FLOATS),
        "v_text": some(random, TEXTS),
        "v_big": some(random, INTEGERS),
        "v_flag": some(random, [True, False]),
        "next": None if following is None else keys_of(following, random)["k_int"],
        "n": some(random, [1, 2]),
        "t": some(random, [1, 2]),
        "id": random.randrange(1000) * 1000 + number,
    }


def _label(random: Random, known: Sequence[int | None], times: Mapping[int | None, list[Any]], number: int) -> Any:
    entity, other = random.choice(known), random.choice(known)
    asked = asked_of(random, times.get(random.choice([entity, entity, other]), []), entity)
    midnight = None if asked is None else asked.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "label_id": random.choice([number, number, number // 2]),
        **keys_of(entity, random),
        **{f"other_{name}": value for name, value in keys_of(other, random).items()},
        "asked_utc": asked,
        "asked": asked and asked.replace(tzinfo=None),
        "asked_day": midnight and midnight.date(),
        "asked_midnight": midnight,
        "label": some(random, [0, 1]),
    }


class Answers:
    """What the oracle says of one world: each key's rows are cut out once, then every row of them is read.

    ``known_at`` hides what was known later.
    """

    def __init__(self, world: World, known_at: datetime | None = None) -> None:
        self.world = world
        self.known_at = known_at
        self._views: dict[tuple[str, tuple[Any, ...]], View] = {}
        self._groups: dict[tuple[str, ...], dict[tuple[Any, ...], list[Any]]] = {}

    def view(self, name: str, key: tuple[Any, ...]) -> View:
        shape = VIEWS[name]
        if not shape.keys:
            return shape.view(self._known(shape, self.world.news))
        if shape.keys not in self._groups:
            groups: dict[tuple[Any, ...], list[Any]] = {}
            for fact in self.world.facts:
                groups.setdefault(tuple(fact[k] for k in shape.keys), []).append(fact)
            self._groups[shape.keys] = groups
        if (name, key) not in self._views:
            self._views[name, key] = shape.view(self._known(shape, self._groups[shape.keys].get(key, [])))
        return self._views[name, key]

    def _known(self, shape: Shape, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        if self.known_at is None:
            return rows
        view = shape.view(rows)
        return [row for row in rows if (available(view, row) or LAST) <= self.known_at]

    def key(self, asked: Asked, label: Mapping[str, Any], as_of: str) -> tuple[Any, ...]:
        if asked.through:
            view, column = asked.through.split(".")
            row = self.row(Asked(view), label, as_of)
            return (row and row[column],)
        return tuple(label[f"{asked.role}{key}"] for key in VIEWS[asked.view].keys)

    def row(self, asked: Asked, label: Mapping[str, Any], as_of: str) -> Mapping[str, Any] | None:
        key = self.key(asked, label, as_of)
        ttl = SPANS[asked.how["ttl"]] if "ttl" in asked.how else None
        strict = bool(asked.how.get("strict"))
        return lookup(self.view(asked.view, key), key, label[AS_OF[as_of]], strict=strict, ttl=ttl)

    def card(self, label: Mapping[str, Any], as_of: str) -> int | None:
        if label[AS_OF[as_of]] is None:
            return None
        return next((card["id"] for card in self.world.cards if card["k_text"] == label["k_text"]), None)


def in_order(labels: Sequence[Mapping[str, Any]], as_of: str) -> list[Mapping[str, Any]]:
    """The label rows as a training set has them: by as-of time, keys, then all remaining columns, nulls lowest."""
    names = [as_of, "label_id", *KEY_COLUMNS, *(f"other_{key}" for key in KEY_COLUMNS), "label"]

    def place(row: Mapping[str, Any]) -> list[tuple[bool, Any]]:
        return [(row[name] is not None, 0 if row[name] is None else row[name]) for name in names]

    return sorted(labels, key=place)
