"""Columns of every type, and values at their edges, as SQL."""

from __future__ import annotations

import random

TYPES = {
    "a": "BIGINT", "b": "BIGINT", "i": "INTEGER", "j": "INTEGER", "si": "SMALLINT", "ti": "TINYINT", "h": "HUGEINT",
    "x": "DOUBLE", "y": "DOUBLE", "f": "FLOAT", "d": "DECIMAL(10,2)", "m": "DECIMAL(18,3)", "w": "DECIMAL(38,4)",
    "p": "BOOLEAN", "q": "BOOLEAN", "s": "VARCHAR", "u": "VARCHAR", "ts": "TIMESTAMP", "t2": "TIMESTAMP",
    "z": "TIMESTAMP WITH TIME ZONE", "z2": "TIMESTAMP WITH TIME ZONE", "dt": "DATE", "d2": "DATE", "tm": "TIME",
    "iv": "INTERVAL", "li": "INTEGER[]", "ls": "VARCHAR[]", "ui": "UINTEGER", "ub": "UBIGINT",
}  # fmt: skip
"""The columns that random expressions are about."""


def _whole(bits: int, *more: int) -> list[str]:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return [f"({value})" for value in (low, low + 1, -7, -1, 0, 1, 2, 3, 10, 60, high - 1, high, *more)]


_DOUBLES_TEXT = """
0.0 -0.0 1.0 -1.0 0.5 -0.5 1.5 2.5 -2.5 0.1 0.3 3.14159 1e-7 1e15 1e16 -1e16 123456.789 4503599627370496.5
9007199254740993 1e300 -1e300 1e308 5e-324 nan inf -inf 59.33 -18.06 100 0.49999999999999994 2.675 1.005
"""
_DOUBLES = _DOUBLES_TEXT.split()
_FLOATS = ("0.1", "-0.0", "1.5", "16777216", "3.4e38", "1e-40", "nan", "inf", "2.5")
_DATES_TEXT = """
0001-01-01 1582-10-15 1899-12-31 1969-12-31 1970-01-01 1999-12-31 2000-02-29 2004-12-31 2019-12-30 2020-02-29
2020-03-31 2021-01-03 2021-03-28 2023-10-29 2024-01-01 2024-02-29 2024-12-31 9999-12-31 infinity -infinity
"""
_DATES = _DATES_TEXT.split()
_INSTANTS = [
    "0001-01-01 00:00:00", "1582-10-15 12:00:00", "1899-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999",
    "1969-12-31 22:30:00.5", "1970-01-01 00:00:00", "1970-01-01 00:00:00.000001", "2000-02-29 12:34:56.789",
    "2020-03-31 23:30:15", "2021-03-28 01:00:00", "2021-03-28 00:59:59.999999", "2023-10-29 01:30:00",
    "2024-02-29 23:59:59.999999", "2024-12-30 00:00:00", "2024-12-31 10:11:12.123456", "2025-01-01 00:00:00",
    "9999-12-31 23:59:59.999999", "infinity", "-infinity",
]  # fmt: skip
_TEXTS = [
    "", " ", "a", "A", "Héllo 123 ok", "hello world", "HELLO", "ünïcödé ß", "ΑΣ", "日本語", "👨‍👩‍👧 x",
    "42", "-7", " 3 ",
    "3.7", "1e3", "abc123", "a-b-c", "foo@example.com", "a%b_c", "true", "no", "2020-02-29", "2020-02-30",
    "2024-01-15 10:20:30", "tab\there", "line\nbreak", "  padded  ", "null", "9223372036854775808",
    "0.30000000000000004",
    "İstanbul", "x.y.z", "GB-1234", "AAAbbb",
]  # fmt: skip
_INTERVALS = [
    "0 seconds", "1 day", "-1 day", "1 month", "13 months -3 days", "36 hours", "90 minutes", "1 second",
    "-5 milliseconds",
    "29 days 25 hours", "1 year 2 months 3 days 04:05:06.7",
]  # fmt: skip
_POOLS = {
    "BIGINT": _whole(64, 86400, 1577836800, 9007199254740993), "INTEGER": _whole(32, 5000, 86400, -100000),
    "SMALLINT": _whole(16, 365), "TINYINT": _whole(8, 12), "HUGEINT": _whole(128, 10**20, 2**64),
    "DOUBLE": [f"'{value}'::double" for value in _DOUBLES],
    "FLOAT": [f"'{value}'::float" for value in _FLOATS],
    "DECIMAL(10,2)": ["0", "0.01", "-0.01", "1.5", "-2.25", "99999999.99", "-99999999.99", "12.34", "100"],
    "DECIMAL(18,3)": ["0", "0.001", "-0.005", "1.5", "2.675", "999999999999999.999", "-999999999999999.999", "19.99"],
    "DECIMAL(38,4)": ["0", "0.0001", "-1.5", "9999999999999999999999999999999999.9999", "123456789.1234"],
    "BOOLEAN": ["true", "false"], "VARCHAR": ["'" + text.replace("'", "''") + "'" for text in _TEXTS],
    "DATE": [f"'{value}'" for value in _DATES], "TIMESTAMP": [f"'{value}'" for value in _INSTANTS],
    "TIMESTAMP WITH TIME ZONE": [f"'{value}'" for value in _INSTANTS],
    "TIME": ["'00:00:00'", "'12:34:56.789'", "'23:59:59.999999'", "'01:02:03'"],
    "INTERVAL": [f"'{value}'" for value in _INTERVALS],
    "STRUCT(country VARCHAR, visits INTEGER)": [
        "{'country': 'SE', 'visits': 3}", "{'country': null, 'visits': null}",
        "{'country': 'DE', 'visits': 2147483647}",
    ],
    "INTEGER[]": ["[]", "[1, 2, 3]", "[null]", "[3, null, -1, 3]", "[2147483647, 1]"],
    "VARCHAR[]": ["[]", "['a', 'b']", "['a', null, 'Héllo']", "['']"],
    "UINTEGER": ["0", "1", "7", "4294967295"], "UBIGINT": ["0", "1", "18446744073709551615"],
}  # fmt: skip
_GENTLE = {
    "BIGINT": ["(-3)", "0", "1", "7", "42", "1577836800"], "INTEGER": ["(-3)", "0", "1", "7", "42"],
    "HUGEINT": ["5", "(-12)"], "SMALLINT": ["3", "12"], "TINYINT": ["3", "5"],
    "DATE": ["'2020-02-29'", "'2024-12-31'", "'1999-05-17'"],
    "TIMESTAMP": ["'2020-02-29 23:30:15'", "'2024-12-31 10:11:12.123456'", "'1969-07-20 20:17:40'"],
    "TIMESTAMP WITH TIME ZONE": ["'2020-02-29 23:30:15'", "'2024-12-31 10:11:12.123456'", "'1969-07-20 20:17:40'"],
}  # fmt: skip


def random_rows(chance: random.Random, count: int, types: dict[str, str] | None = None) -> list[list[str]]:
    """Rows of edge values, ordinary values and nulls."""
    found = []
    for _ in range(count):
        row = []
        gentle = chance.random() < 0.4
        for kind in (types or TYPES).values():
            pool = _GENTLE.get(kind, _POOLS[kind]) if gentle else _POOLS[kind]
            row.append("null" if chance.random() < 0.12 else f"{chance.choice(pool)}::{kind}")
        found.append(row)
    return found
