"""Times: every unit over the days where calendars go wrong, with and without a zone, against DuckDB."""

import itertools

from tests.compiler.expressions.comparing import Table, compare

_INSTANTS = [
    "2019-12-31 00:00:00",
    "2020-01-30 10:00:00",
    "2020-01-31 10:00:00.000001",
    "2020-02-28 23:59:59.999999",
    "2020-02-29 10:00:00",
    "2020-03-30 09:00:00",
    "2020-03-31 10:00:00",
    "2021-02-28 10:00:00.5",
    "2021-03-28 01:00:00",
    "2023-10-29 00:59:59.999999",
    "1969-12-31 10:00:00",
    "1968-02-29 00:00:00",
    "2025-01-01 00:00:00",
    "1900-02-28 00:00:00",
    "0001-01-31 00:00:00",
    "9998-11-30 00:00:00",
    "infinity",
    "-infinity",
]
_TYPES = {
    "ts": "TIMESTAMP",
    "t2": "TIMESTAMP",
    "z": "TIMESTAMP WITH TIME ZONE",
    "z2": "TIMESTAMP WITH TIME ZONE",
    "dt": "DATE",
    "d2": "DATE",
}
_UNITS_TEXT = """
year month day hour minute second millisecond microsecond week quarter decade century millennium isoyear dow isodow
doy epoch yearweek
"""
_UNITS = _UNITS_TEXT.split()
_PAIRS = [("ts", "t2"), ("z", "z2"), ("dt", "d2"), ("dt", "t2")]
_COLUMNS = ["ts", "z", "dt"]


def _pairs() -> Table:
    rows = [
        [f"'{one}'", f"'{other}'", f"'{one}'", f"'{other}'", f"'{one[:10]}'", f"'{other[:10]}'"]
        for one, other in itertools.product(_INSTANTS, _INSTANTS[::2])
    ]
    return Table(_TYPES, [[cell.replace("-infinity"[:10], "-infinity") for cell in row] for row in rows])


def test_differences_in_every_unit() -> None:
    expressions = [
        f"{name}('{unit}', {one}, {other})"
        for name in ("date_diff", "date_sub")
        for unit in _UNITS
        for one, other in _PAIRS
    ]
    expressions += ["age(ts, t2)", "age(z, z2)", "age(dt, d2)", "ts - dt", "dt - ts"]
    outcome = compare(_pairs(), expressions)

    assert [str(difference) for difference in outcome.differences] == []
    assert outcome.compiled > 0.9 * outcome.expressions


def test_parts_and_starts_in_every_unit() -> None:
    expressions = [
        f"{name}('{unit}', {column})" for name in ("date_part", "date_trunc") for unit in _UNITS for column in _COLUMNS
    ]
    expressions += [
        f"{name}({column})"
        for name in (
            "last_day",
            "dayname",
            "monthname",
            "epoch",
            "epoch_ms",
            "epoch_us",
            "isfinite",
            "isinf",
            "era",
            "weekday",
            "dayofyear",
        )
        for column in _COLUMNS
    ]
    expressions += [
        f"{column}::{kind}" for column in _COLUMNS for kind in ("date", "timestamp", "timestamptz", "varchar")
    ]
    expressions += [
        "ts::time",
        "strftime(ts, '%Y-%m-%d %H:%M:%S.%f %j %a %A %b %B %p %I %y %w %u')",
        "strftime(dt, '%G-W%V')",
    ]
    outcome = compare(_pairs(), expressions)

    assert [str(difference) for difference in outcome.differences] == []
    assert outcome.compiled > 0.9 * outcome.expressions


def test_intervals_added_and_taken_away() -> None:
    intervals = [
        "1 month",
        "-1 month",
        "13 months",
        "-11 months 3 days",
        "1 month 30 days 23 hours",
        "-1 day -5 hours",
        "1 year",
        "-4 years",
        "1499 months 30 days 10:11:12.123457",
        "25 hours",
        "1 month -1 day",
        "0 days",
    ]
    expressions = [f"{column} {sign} interval '{own}'" for column in _COLUMNS for sign in "+-" for own in intervals]
    expressions += ["dt + 1", "dt - 30", "1 + dt", "dt - d2", "(ts - interval '1 day') - (t2 + interval '1 hour')"]
    outcome = compare(_pairs(), expressions)

    assert [str(difference) for difference in outcome.differences] == []


def test_buckets() -> None:
    widths = ["1 hour", "7 days", "1 month", "3 months", "1 year", "90 seconds", "13 hours"]
    expressions = []
    for width, (one, other) in itertools.product(widths, [("ts", "t2"), ("z", "z2"), ("dt", "d2")]):
        call = f"time_bucket(interval '{width}', {one}"
        expressions += [
            f"{call})",
            f"{call}, {other})",
            f"{call}, interval '5 days 2 hours')",
            f"{call}, interval '-1 month')",
        ]
    outcome = compare(_pairs(), expressions)

    assert [str(difference) for difference in outcome.differences] == []
