"""Small random data for every source of the corpus, the same for a seed on every machine.

A proof holds for all data that a source may have, so these are nasty on purpose: rows that are known late, early,
or never; equal instants; instants on the borders of hours, days and months; nulls in times; corrections under one id;
deliveries before their order, validity ranges that overlap. What a source's declaration does not promise is not kept.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

Row = dict[str, Any]

INSTANT = pa.timestamp("us", "UTC")
SCHEMAS: dict[str, dict[str, pa.DataType]] = {
    "events": {
        "event_id": pa.int64(), "user_id": pa.int32(), "kind": pa.string(), "item": pa.string(),
        "amount": pa.float64(), "ts": INSTANT,
    },
    "payments": {
        "payment_id": pa.int64(), "account_id": pa.int32(), "merchant_id": pa.int32(), "amount": pa.float64(),
        "status": pa.string(), "paid_at": INSTANT, "recorded_at": INSTANT,
    },
    "chargebacks": {"payment_id": pa.int64(), "reason": pa.string(), "reported_at": INSTANT},
    "sensor": {"device_id": pa.int32(), "hour_ts": INSTANT, "temp": pa.float64()},
    "orders": {
        "order_id": pa.int64(), "customer_id": pa.int32(), "product_id": pa.int32(), "quantity": pa.int32(),
        "total": pa.float64(), "ordered_at": INSTANT,
    },
    "deliveries": {"order_id": pa.int64(), "depot": pa.string(), "delivered_at": INSTANT},
    "customers": {
        "customer_id": pa.int32(), "segment": pa.string(), "country": pa.string(), "birth_date": pa.date32(),
        "signed_up_at": INSTANT,
    },
    "customer_versions": {
        "customer_id": pa.int32(), "plan": pa.string(), "city": pa.string(), "valid_from": INSTANT,
        "valid_to": INSTANT,
    },
    "prices": {"product_id": pa.int32(), "price": pa.float64(), "announced_at": INSTANT, "valid_from": INSTANT},
    "products": {"product_id": pa.int32(), "category": pa.string(), "cost": pa.float64()},
    "fx_daily": {"currency": pa.string(), "day": pa.date32(), "rate": pa.float64()},
    "stock": {"product_id": pa.int32(), "stock_day": pa.date32(), "units": pa.int32()},
    "calendar": {"day": pa.date32(), "is_holiday": pa.bool_(), "season": pa.string()},
    "clicks": {
        "visitor_id": pa.int32(), "campaign": pa.string(), "cost": pa.float64(), "clicked_at": pa.timestamp("us"),
    },
    "requests": {
        "request_id": pa.int64(), "user_id": pa.int32(), "account_id": pa.int32(), "customer_id": pa.int32(),
        "product_id": pa.int32(), "device_id": pa.int32(), "visitor_id": pa.int32(), "shipment_id": pa.int32(),
        "currency": pa.string(), "asked_at": INSTANT,
    },
    "applications": {
        "application_id": pa.int64(), "applicant_id": pa.int32(), "purpose": pa.string(), "requested": pa.float64(),
        "applied_at": INSTANT,
    },
    "outcomes": {"application_id": pa.int64(), "defaulted": pa.bool_(), "decided_at": INSTANT},
    "scans": {"shipment_id": pa.int32(), "depot": pa.string(), "scanned_at": INSTANT, "received_at": INSTANT},
    "tickets": {
        "ticket_id": pa.int64(), "customer_id": pa.int32(), "opened_at": INSTANT, "closed_at": INSTANT,
        "outcome": pa.string(), "score": pa.float64(), "priority": pa.int32(),
    },
}  # fmt: skip

SPANS = {
    "day": (datetime(2024, 2, 29, 18, tzinfo=UTC), timedelta(hours=14)),
    "week": (datetime(2024, 2, 27, tzinfo=UTC), timedelta(days=6)),
    "quarter": (datetime(2024, 1, 10, tzinfo=UTC), timedelta(days=100)),
    "years": (datetime(2023, 3, 1, tzinfo=UTC), timedelta(days=600)),
}
"""Where the instants of a dataset lie: dense ones find slack of minutes, long ones that of months."""

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_NEAR = [timedelta(0), MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 5 * HOUR, 23 * HOUR, DAY, 2 * DAY, 7 * DAY, 29 * DAY]
_LATE = [timedelta(0), timedelta(0), MINUTE, HOUR, 5 * HOUR, DAY, 3 * DAY, -2 * HOUR]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Maker:
    """Makes the rows of one dataset: instants lie close to some anchors, so that windows have something in them."""

    def __init__(self, seed: int, span: str, rows: int) -> None:
        self.random = random.Random(f"{seed} {span}")
        self.start, self.length = SPANS[span]
        self.near = [near for near in _NEAR if near <= self.length]
        self.rows = rows
        self.anchors = [self._anywhere() for _ in range(5)]

    def _anywhere(self) -> datetime:
        minutes = self.random.randrange(int(self.length / MINUTE))
        return self._rounded(self.start + minutes * MINUTE)

    def _rounded(self, instant: datetime) -> datetime:
        to = self.random.choice([MINUTE, 15 * MINUTE, HOUR, HOUR, DAY])
        return instant - (instant - _EPOCH) % to

    def instant(self, nulls: float = 0.04) -> datetime | None:
        if self.random.random() < nulls:
            return None
        instant = self.random.choice(self.anchors) + self.random.choice([1, -1]) * self.random.choice(self.near)
        if self.random.random() < 0.4:
            instant = self._anywhere()
        return instant + self.random.choice([0, 0, 0, 0, 1, -1]) * timedelta(microseconds=1)

    def late(self, instant: datetime | None) -> datetime | None:
        if instant is None or self.random.random() < 0.06:
            return None
        return instant + self.random.choice(_LATE)

    def day(self) -> date | None:
        instant = self.instant()
        return instant.date() if instant else None

    def key(self) -> int | None:
        return None if self.random.random() < 0.03 else self.random.randint(1, 3)

    def amount(self) -> float | None:
        return None if self.random.random() < 0.04 else self.random.randrange(-40, 200) / 4

    def word(self, *words: str) -> str:
        return self.random.choice(words)

    def many(self, row: Callable[[int], Row], rows: int | None = None) -> list[Row]:
        return [row(number) for number in range(1, (rows or self.rows) + 1)]

    # -- the sources -----------------------------------------------------------------------------------------------

    def events(self, number: int) -> Row:
        return {
            "event_id": self.random.randrange(1000) * 100 + number,
            "user_id": self.key(),
            "kind": self.word("view", "view", "cart", "purchase", "refund"),
            "item": self.word("tea", "jam", "cup"),
            "amount": self.amount(),
            "ts": self.instant(),
        }

    def payments(self, number: int) -> Row:
        paid = self.instant()
        return {
            "payment_id": self.random.randint(1, self.rows),
            "account_id": self.key(),
            "merchant_id": self.key(),
            "amount": self.amount(),
            "status": self.word("settled", "settled", "declined"),
            "paid_at": paid,
            "recorded_at": self.late(paid),
        }

    def chargebacks(self, number: int) -> Row:
        return {
            "payment_id": self.random.randint(1, self.rows),
            "reason": self.word("fraud", "fraud", "dispute"),
            "reported_at": self.instant(),
        }

    def sensor(self, number: int) -> Row:
        return {"device_id": self.key(), "hour_ts": self.instant(), "temp": self.amount()}

    def orders(self, number: int) -> Row:
        return {
            "order_id": number,
            "customer_id": self.key(),
            "product_id": self.key(),
            "quantity": self.random.randint(1, 5),
            "total": self.amount(),
            "ordered_at": self.instant(),
        }

    def deliveries(self, number: int) -> Row:
        return {
            "order_id": self.random.randint(1, self.rows),
            "depot": self.word("north", "south"),
            "delivered_at": self.instant(),
        }

    def customers(self, number: int) -> Row:
        return {
            "customer_id": number,
            "segment": self.word("shop", "home"),
            "country": self.word("de", "us"),
            "birth_date": date(1980 + number, 2, 29 if number % 4 == 0 else 28),
            "signed_up_at": self.instant(),
        }

    def customer_versions(self, number: int) -> Row:
        start = self.instant()
        end = start + self.random.choice([HOUR, DAY, 7 * DAY]) if start and self.random.random() < 0.6 else None
        return {
            "customer_id": self.key(),
            "plan": self.word("free", "plus", "pro"),
            "city": self.word("Kiel", "Ulm"),
            "valid_from": start,
            "valid_to": end,
        }

    def prices(self, number: int) -> Row:
        valid = self.instant()
        ahead = self.random.choice([HOUR, DAY, 5 * DAY, timedelta(0), -HOUR, -2 * DAY])
        announced = None if valid is None or self.random.random() < 0.05 else valid - ahead
        return {"product_id": self.key(), "price": self.amount(), "announced_at": announced, "valid_from": valid}

    def products(self, number: int) -> Row:
        return {"product_id": number, "category": self.word("food", "ware"), "cost": self.amount()}

    def fx_daily(self, number: int) -> Row:
        rate = self.random.randrange(80, 130) / 100
        return {"currency": self.word("EUR", "GBP"), "day": self.day(), "rate": rate}

    def stock(self, number: int) -> Row:
        return {"product_id": self.key(), "stock_day": self.day(), "units": self.random.randrange(50)}

    def clicks(self, number: int) -> Row:
        instant = self.instant()
        return {
            "visitor_id": self.key(),
            "campaign": self.word("spring", "brand"),
            "cost": self.amount(),
            "clicked_at": instant.replace(tzinfo=None) if instant else None,
        }

    def requests(self, number: int) -> Row:
        keys = ("user_id", "account_id", "customer_id", "product_id", "device_id", "visitor_id", "shipment_id")
        drawn = {key: self.key() for key in keys}
        return {"request_id": number, **drawn, "currency": self.word("EUR", "GBP"), "asked_at": self.instant()}

    def applications(self, number: int) -> Row:
        return {
            "application_id": number,
            "applicant_id": self.key(),
            "purpose": self.word("car", "home"),
            "requested": self.amount(),
            "applied_at": self.instant(),
        }

    def outcomes(self, number: int) -> Row:
        return {
            "application_id": self.random.randint(1, self.rows),
            "defaulted": self.random.choice([True, False, False]),
            "decided_at": self.instant(),
        }

    def scans(self, number: int) -> Row:
        scanned = self.instant()
        return {
            "shipment_id": self.key(),
            "depot": self.word("north", "south"),
            "scanned_at": scanned,
            "received_at": self.late(scanned),
        }

    def tickets(self, number: int) -> Row:
        opened = self.instant()
        closed = self.late(opened) if self.random.random() < 0.7 else None
        return {
            "ticket_id": number,
            "customer_id": self.key(),
            "opened_at": opened,
            "closed_at": closed,
            "outcome": self.word("solved", "dropped") if closed else None,
            "score": self.amount(),
            "priority": self.random.randint(1, 3),
        }

    def calendar(self) -> list[Row]:
        first, days = (self.start - DAY).date(), self.length.days + 3
        listed = [first + number * DAY for number in range(min(days, 140))]
        return [
            {
                "day": day,
                "is_holiday": day.weekday() == 6 or day.day == 1,
                "season": "winter" if day.month < 3 else "spring",
            }
            for day in listed
        ]


def dataset(seed: int, span: str, rows: int = 24) -> dict[str, pa.Table]:
    """Every source's table, by its name."""
    maker = Maker(seed, span, rows)
    made: dict[str, list[Row]] = {}
    for name in SCHEMAS:
        if name == "calendar":
            made[name] = maker.calendar()
        else:
            made[name] = maker.many(getattr(maker, name), 4 if name in ("customers", "products") else None)
    return {name: table(name, rows) for name, rows in made.items()}


def table(name: str, rows: list[Row]) -> pa.Table:
    """Rows as the source's table."""
    return pa.Table.from_pylist(rows, schema=pa.schema(list(SCHEMAS[name].items())))
