"""Keys of every type, names in any case, and models that hold for ever."""

from __future__ import annotations

from math import nan

import pyarrow as pa
import pytest

from sqlfeat.errors import SqlfeatError
from tests.oracles.point_in_time import HOUR
from tests.properties.small_project import (
    CARDS,
    NOON,
    asked_at,
    asking,
    project,
    rows,
    view,
)

KEYS = {
    "huge": ("hugeint", ["-170141183460469231731687303715884105728", "0", "170141183460469231731687303715884105727"]),
    "unsigned": ("ubigint", ["0", "9223372036854775808", "18446744073709551615"]),
    "money": ("decimal(38, 10)", ["0.0000000001", "-0.0000000001", "9999999999999999999999999999.9999999999"]),
    "float": ("double", ["0", "inf", "nan"]),
    "truth": ("boolean", ["true", "false"]),
    "day": ("date", ["1969-12-31", "1970-01-01", "0044-03-15 (BC)"]),
    "moment": ("timestamptz", ["1969-12-31 23:59:59.999999+00", "1970-01-01 00:00:00+00", "infinity"]),
    "clock": ("time", ["00:00:00", "23:59:59.999999"]),
    "uuid": ("uuid", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
    "bytes": ("blob", ["", "a", "\\x00"]),
    "kind": ("enum('b', 'a')", ["a", "b"]),
    "text": ("varchar", ["", " ", "A", "a"]),
}


def test_a_key_of_any_type_finds_its_own_rows_and_no_others(tmp_path):
    texts = [text for _, texts in KEYS.values() for text in texts]
    names = [name for name, (_, texts) in KEYS.items() for _ in texts]
    count = len(texts)
    facts = pa.table({"text": texts, "name": names, "happened": [NOON] * count, "v": list(range(count))})
    spine = asked_at(*[NOON] * count, text=texts, name=names)
    models, features = {}, []
    for name, (kind, _) in KEYS.items():
        cast = f"case when name = '{name}' then cast(text as {kind}) end as k"
        models[f"by_{name}"] = view(f"{cast}, happened, v")
        key = f"case when x.name = '{name}' then cast(x.text as {kind}) end"
        features.append(f"{{{{ feature('by_{name}.v', on={{'k': \"{key}\"}}) }}}} as {name}")
    with project(tmp_path / "p", {**models, "found": asking(*features)}, facts, spine) as made:
        found = rows(made)

    for row, own in zip(found, names, strict=True):
        assert {name: row[name] for name in KEYS if row[name] is not None} == {own: row["id"]}


def test_an_integer_key_may_be_narrower_or_wider_on_the_other_side(tmp_path):
    facts = pa.table({"k": pa.array([7, 2**40], pa.int64()), "happened": [NOON] * 2, "v": [1, 2]})
    spine = asked_at(NOON, NOON, k=pa.array([7, 8], pa.int16()))
    models = {"seen": view(), "found": asking("{{ feature('seen.v') }}")}
    with project(tmp_path / "p", models, facts, spine) as made:
        assert [row["v"] for row in rows(made)] == [1, None]


@pytest.mark.parametrize("floats", ["asked", "stored"])
def test_a_float_finds_the_integer_that_it_is_and_no_other(tmp_path, floats):
    """As doubles 2**53 and 2**53 + 1 are one number: a plain comparison would find two entities."""
    integers, doubles = pa.array([2**53, 2**53 + 1, 3], pa.int64()), pa.array([2.0**53, 2.5, nan], pa.float64())
    facts = pa.table({"k": integers if floats == "asked" else doubles, "happened": [NOON] * 3, "v": [1, 2, 3]})
    spine = asked_at(NOON, NOON, NOON, k=doubles if floats == "asked" else integers)
    models = {"seen": view(), "found": asking("{{ feature('seen.v') }}")}
    with project(tmp_path / "p", models, facts, spine) as made:
        assert [row["v"] for row in rows(made)] == [1, None, None]


def test_a_text_that_is_no_uuid_finds_nothing(tmp_path):
    known = "aaaaaaaa-0000-0000-0000-000000000000"
    facts = pa.table({"k": [known], "happened": [NOON], "v": [1]})
    models = {"seen": view("cast(k as uuid) as k, happened, v"), "found": asking("{{ feature('seen.v') }}")}
    with project(tmp_path / "p", models, facts, asked_at(NOON, NOON, k=[known.upper(), "nonsense"])) as made:
        assert [row["v"] for row in rows(made)] == [1, None]


def test_names_are_found_whatever_their_case(tmp_path):
    facts = pa.table({"K": ["a"], "Happened": [NOON], "Known": [NOON + HOUR], "V": [1]})
    models = {
        "seen": view("K, Happened, Known, V", event_time="happened", available_at="KNOWN"),
        "found": asking("{{ feature('seen.*') }}"),
    }
    with project(tmp_path / "p", models, facts, asked_at(NOON, NOON + HOUR)) as made:
        found = rows(made)

    assert [{name: row[name] for name in row if name not in ("id", "asked", "label")} for row in found] == [
        {"V": None}, {"V": 1}
    ]  # fmt: skip


def test_a_null_key_of_an_immutable_model_is_no_duplicate(tmp_path):
    facts = pa.table({"k": ["a", "b", None, None], "v": [1, 2, 3, 4]})
    models = {"cards": CARDS, "found": asking("{{ feature('cards.v') }}")}
    with project(tmp_path / "p", models, facts, asked_at(NOON, NOON, k=["b", None])) as made:
        assert [row["v"] for row in rows(made)] == [2, None]


def test_an_immutable_model_has_each_key_once(tmp_path):
    facts = pa.table({"k": ["a", "a"], "v": [1, 2]})
    models = {"cards": CARDS, "found": asking("{{ feature('cards.v') }}")}
    with project(tmp_path / "p", models, facts, asked_at(NOON)) as made, pytest.raises(SqlfeatError) as refused:
        rows(made)

    assert refused.value.code == "duplicate-keys"
