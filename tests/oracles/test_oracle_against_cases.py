"""Two oracles that know nothing of each other: ours, and the one that made the case ``adversarial``."""

from datetime import timedelta
from decimal import Decimal
from math import isnan
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from tests.oracles.point_in_time import HOUR, View, lookup, window

CASE = Path(__file__).parents[1] / "cases" / "adversarial"
VALUES = ("dbl", "big", "dec", 'Ünïcode "q"')
EVERY = 7
VARIANTS = {
    "incl_nottl": {},
    "incl_ttl1h": {"ttl": HOUR},
    "incl_ttl0": {"ttl": timedelta(0)},
    "strict_nottl": {"strict": True},
    "strict_ttl1h": {"strict": True, "ttl": HOUR},
    "incl_nottl_created": {},
    "incl_ttl1h_created": {"ttl": HOUR},
}


def rows(name):
    return parquet.read_table(CASE / f"{name}.parquet").to_pylist()


def readings(created=False):
    return View(
        rows("data/source"),
        keys=("tenant", "user id"),
        event_time="event ts",
        available_at="created_ts" if created else None,
        tie_breaker=("seq",) if created else ("created_ts", "seq"),
    )


def key(row):
    return row["tenant"], row["user id"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_lookups_agree(variant):
    view, how = readings(created=variant.endswith("_created")), VARIANTS[variant]
    expected = {row["row_id"]: row for row in rows(f"expected/pit_{variant}")}

    for asked in rows("data/spine")[::EVERY]:
        found = lookup(view, key(asked), asked["as of"], **how) or dict.fromkeys(("event ts", "seq", *VALUES))
        wanted = expected[asked["row_id"]]
        assert [str(found[name]) for name in ("event ts", "seq", *VALUES)] == [
            str(wanted[name]) for name in ("event ts", "seq", *VALUES)
        ]


def test_windows_agree():
    view, text = readings(), 'Ünïcode "q"'
    expected = {row["row_id"]: row for row in rows("expected/window_1h")}

    for asked in rows("data/spine")[::EVERY]:
        at = (HOUR, key(asked), asked["as of"])
        big = window(view, "sum", "big", *at)
        assert expected[asked["row_id"]] == {
            "row_id": asked["row_id"],
            "n_1h": window(view, "count", None, *at),
            "n_big_1h": window(view, "count", "big", *at),
            "sum_big_1h": None if big is None else Decimal(big),
            "min_big_1h": window(view, "min", "big", *at),
            "sum_dec_1h": window(view, "sum", "dec", *at),
            "max_dec_1h": window(view, "max", "dec", *at),
            "n_nan_1h": window(
                view, "count", None, *at, where=lambda row: row["dbl"] is not None and isnan(row["dbl"])
            ),
            "n_txt_1h": window(view, "count", text, *at),
            "nd_txt_1h": window(view, "count distinct", text, *at),
        }
