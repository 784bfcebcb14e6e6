"""Splits as a user gets them: folds, strata, what is told of them. Every cut is checked against one made by hand."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlfeat.errors import RunError, UsageError
from sqlfeat.ops.splits import before
from sqlfeat.spec.duration import Duration
from sqlfeat.store.training_set import TrainingSet
from sqlfeat.training_data import TrainingData
from tests.made.projects import Opened, day, shop
from tests.ops.test_training_set import asked

CUSTOMERS = ("ann", "bob", "cat", "dan", "eve", "fay", "gus")
ROWS = asked(
    *(
        (i, CUSTOMERS[i % 7], day(1) + timedelta(hours=8 * i), ("web", "shop", None)[i % 3], i % 5 == 0)
        for i in range(90)
    )
)
FILES = {
    "models/sources.yml": """
        version: 2
        sources:
          - name: raw
            config: {location: "data/{name}.parquet"}
            tables: [{name: asked, config: {event_time: asked_at}}]
    """,
    "models/asked.sql": """
        {{ config(materialized='table', role='label', event_time='asked_at', horizon='1 day') }}
        select * from {{ source('raw', 'asked') }}
    """,
    "data/asked.parquet": ROWS,
}
WANTED = """
    {{ config(materialized='training_set', label='%s', keys=['asked_id'], split=%s) }}
    select a.asked_id, a.asked_at, a.customer, a.channel, a.bought, a.asked_id * 1.5 as size
    from {{ ref('asked') }} as a
"""
END = day(1) + timedelta(hours=8 * 89, microseconds=1)


def project(root: Path, split: str, label: str = "bought", **files) -> Opened:
    return Opened(shop(root, {**FILES, "models/wanted.sql": WANTED % (label, split), **files}))


def built(root: Path, split: str, **settings) -> TrainingSet:
    with project(root, split, **settings).project() as loaded:
        return loaded.build_training_set("wanted")


def rows_of(training_set: TrainingSet, part: str = "all") -> list[dict]:
    return pq.read_table(training_set.file(part)).to_pylist()


def sides(training_set: TrainingSet) -> dict[str, dict[str, list[dict]]]:
    """The rows of both sides of each fold, as a hook sees them."""
    return {
        fold.name: {"train": fold.train.arrow().to_pylist(), "test": fold.test.arrow().to_pylist()}
        for fold in TrainingData(training_set).folds
    }


@pytest.mark.parametrize("train", ["5 days", None])
def test_folds_roll_through_time_and_learn_from_what_was_known_when_each_test_begins(tmp_path, train):
    given = f"'train': '{train}', " if train else ""
    training_set = built(tmp_path, f"{{'by': 'folds', 'folds': 3, {given}'test': '4 days'}}")

    found = sides(training_set)
    for index in range(3):
        opens = END - timedelta(days=4 * (3 - index))
        begins = opens - timedelta(days=5) if train else datetime.min.replace(tzinfo=UTC)
        every = ROWS.to_pylist()
        learned = [row["asked_id"] for row in every if begins <= row["asked_at"] <= opens - timedelta(days=1)]
        tested = [row["asked_id"] for row in every if opens <= row["asked_at"] < opens + timedelta(days=4)]
        fold = found[str(index + 1)]
        assert [row["asked_id"] for row in fold["train"]] == learned
        assert [row["asked_id"] for row in fold["test"]] == tested
        told = training_set.folds[index]
        assert (told["train"], told["test"]) == (len(learned), len(tested))
        assert datetime.fromisoformat(told["test_from"]) == opens


def test_rows_after_the_folds_end_reach_no_hook(tmp_path):
    training_set = built(
        tmp_path,
        "{'by': 'folds', 'folds': 2, 'train': '6 days', 'test': '2 days', 'step': '3 days', 'end': '2024-01-20',"
        " 'embargo': '2 days'}",
    )

    first, second = sides(training_set).values()
    assert max(row["asked_at"] for row in second["test"]) < day(20)
    assert max(row["asked_at"] for row in second["train"]) <= day(16)
    assert min(row["asked_at"] for row in first["test"]) == day(15)
    assert min(row["asked_at"] for row in rows_of(training_set)) == day(9)
    assert training_set.splits["all"] + len(rows_of(training_set, "unsplit")) == 90
    assert TrainingData(training_set).train.arrow().num_rows == training_set.splits["all"]


def test_folds_by_hash_test_every_entity_once_and_never_learn_from_it_then(tmp_path):
    training_set = built(tmp_path, "{'by': 'hash', 'folds': 3, 'on': 'customer', 'seed': 5}")

    tested = Counter()
    for fold in sides(training_set).values():
        learned_from = {row["customer"] for row in fold["train"]}
        tested_on = {row["customer"] for row in fold["test"]}
        assert learned_from & tested_on == set()
        assert len(fold["train"]) + len(fold["test"]) == 90
        tested.update(tested_on)
    assert tested == Counter(CUSTOMERS)


def test_out_has_a_column_for_each_fold(tmp_path):
    opened = project(tmp_path / "project", "{'by': 'folds', 'folds': 2, 'test': '4 days'}")
    with opened.project() as loaded:
        training_set = loaded.build_training_set("wanted", out=tmp_path / "out.parquet")

    table = pq.read_table(tmp_path / "out.parquet")
    for fold in training_set.folds:
        counted = Counter(table[f"fold_{fold['name']}"].to_pylist())
        assert (counted["train"], counted["test"]) == (fold["train"], fold["test"])


def digest(seed: int, key: int) -> str:
    return hashlib.sha256(f"{seed}\x1f{key}".encode()).hexdigest()[:16]


def test_strata_have_the_same_shares_in_every_part(tmp_path):
    training_set = built(tmp_path, "{'by': 'hash', 'seed': 4, 'stratify': 'bought', 'train': 0.7, 'test': 0.3}")

    expected: dict[str, list[int]] = {"train": [], "test": []}
    for bought in (False, True):
        own = sorted((r["asked_id"] for r in ROWS.to_pylist() if r["bought"] is bought), key=lambda key: digest(4, key))
        cut = round(0.7 * len(own))
        expected["train"] += own[:cut]
        expected["test"] += own[cut:]
    found = {part: sorted(row["asked_id"] for row in rows_of(training_set, part)) for part in expected}
    assert found == {part: sorted(keys) for part, keys in expected.items()}


def test_folds_can_have_strata(tmp_path):
    training_set = built(tmp_path, "{'by': 'hash', 'folds': 3, 'stratify': ['bought', 'channel']}")

    tested = [Counter((r["bought"], r["channel"]) for r in fold["test"]) for fold in sides(training_set).values()]
    for stratum in tested[0]:
        assert max(each[stratum] for each in tested) - min(each[stratum] for each in tested) <= 1


def test_too_many_strata_are_refused(tmp_path):
    many = asked(*((i, "ann", day(1), f"channel {i}", True) for i in range(1_001)))

    with pytest.raises(Exception, match=r"channel has 1,001 different values, and at most 1,000 can be strata"):
        built(tmp_path, "{'by': 'hash', 'stratify': 'channel', 'train': 1.0}", **{"data/asked.parquet": many})


def test_the_balance_of_classes_is_told_for_each_part(tmp_path):
    training_set = built(tmp_path, "{'train': '2024-01-01', 'test': '2024-01-20'}")

    parts = training_set.manifest["balance"]["parts"]
    for part in ("train", "test"):
        expected = Counter(str(row["bought"]).lower() for row in rows_of(training_set, part))
        assert parts[part]["classes"] == expected


def test_of_a_number_to_be_learned_the_range_is_told(tmp_path):
    training_set = built(tmp_path, "{'train': '2024-01-01', 'test': '2024-01-20'}", label="size")

    sizes = sorted(row["size"] for row in rows_of(training_set, "train"))
    told = training_set.manifest["balance"]["parts"]["train"]
    assert (float(told["least"]), float(told["greatest"])) == (sizes[0], sizes[-1])
    assert sizes[len(sizes) // 2 - 1] <= float(told["middle"]) <= sizes[len(sizes) // 2]


def test_an_embargo_that_is_shorter_than_the_horizon_is_warned_of(tmp_path):
    training_set = built(tmp_path, "{'train': '2024-01-01', 'test': '2024-01-20', 'embargo': '8 hours'}")

    assert (
        "2 rows of train have labels that are known after test begins: "
        "the embargo (8 hours) is shorter than the horizon of the labels (1 day)." in training_set.manifest["notes"]
    )


def test_entities_on_both_sides_are_told_of_unless_the_split_keeps_them_apart(tmp_path):
    by_time = built(tmp_path / "a", "{'train': '2024-01-01', 'test': '2024-01-20'}")
    by_entity = built(tmp_path / "b", "{'by': 'hash', 'on': 'customer', 'train': 0.5, 'test': 0.5}")

    assert by_time.manifest["notes"] == ["Entities of test that train has too: customer (7 of 7)."]
    assert [note for note in by_entity.manifest["notes"] if "Entities" in note] == []


def test_keys_on_both_sides_are_warned_of(tmp_path):
    twice = asked((1, "ann", day(2), "web", True), (1, "ann", day(21), "web", True))
    training_set = built(tmp_path, "{'train': '2024-01-01', 'test': '2024-01-20'}", **{"data/asked.parquet": twice})

    assert (
        training_set.manifest["notes"][0]
        == "1 values of the keys (asked_id) are in train and in test: is a row there twice?"
    )


def test_folds_with_nothing_in_them_are_warned_of(tmp_path):
    training_set = built(tmp_path, "{'by': 'folds', 'folds': 2, 'test': '20 days'}")

    assert training_set.manifest["notes"] == ["fold 1 has nothing to learn from, or nothing to test on."]


def test_no_label_rows_make_folds_of_nothing(tmp_path):
    training_set = built(
        tmp_path, "{'by': 'folds', 'folds': 2, 'test': '2 days'}", **{"data/asked.parquet": ROWS.slice(0, 0)}
    )

    assert (training_set.rows, dict(training_set.splits)) == (0, {"all": 0})


@pytest.mark.parametrize(
    ("span", "times", "expected"),
    [
        ("1 day", 3, datetime(2024, 3, 28, 12, tzinfo=UTC)),
        ("1 month", 1, datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("1 month", 3, datetime(2023, 12, 31, 12, tzinfo=UTC)),
        ("1 year", 2, datetime(2022, 3, 31, 12, tzinfo=UTC)),
        ("9000 years", 1, datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_months_are_taken_away_by_the_calendar(span, times, expected):
    assert before(datetime(2024, 3, 31, 12, tzinfo=UTC), Duration.parse(span), times) == expected


def test_a_greater_share_of_a_sample_holds_a_smaller_one(tmp_path):
    opened = project(tmp_path, "{'train': '2024-01-01', 'test': '2024-01-20'}")
    with opened.project() as loaded:
        sets = [loaded.build_training_set("wanted", sample=size) for size in (5, 0.3, 60, 90)]

    keys = [
        {row["asked_id"] for file in each.files for row in pq.read_table(each.path / file).to_pylist()} for each in sets
    ]
    assert [len(each) for each in (keys[0], keys[2], keys[3])] == [5, 60, 90]
    for smaller, greater in pairwise(keys):
        assert smaller < greater
    assert json.loads((sets[0].path / "manifest.json").read_text())["sample"] == {"rows": 5}


@pytest.mark.parametrize("split", ["{'train': '2024-01-01', 'test': '2024-01-20', 'embargo': 'horizon + 2 days'}",
                                   "{'train': '2024-01-01', 'test': '2024-01-20', 'embargo': '3 days'}"])  # fmt: skip
def test_an_embargo_on_top_of_the_horizon_is_their_sum(tmp_path, split):
    training_set = built(tmp_path, split)

    assert max(row["asked_at"] for row in rows_of(training_set, "train")) == day(17)
    assert [row["asked_id"] for row in rows_of(training_set, "unsplit")] == [49, 50, 51, 52, 53, 54, 55, 56]


def strata_of(training_set: TrainingSet) -> Counter:
    rows = [row for file in training_set.files for row in pq.read_table(training_set.path / file).to_pylist()]
    return Counter(row["channel"] for row in rows)


UNEVEN = asked(
    *((i, "ann", day(1) + timedelta(hours=i), None if i % 50 == 3 else ("web", "shop")[i % 8 == 0], i % 4 == 0)
      for i in range(200))
)  # fmt: skip
"""4 rows without a channel, 25 of shop, 171 of web."""


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0.5, {"web": 85, "shop": 12, None: 2}),
        (0.1, {"web": 17, "shop": 2}),
        (100, {"web": 86, "shop": 12, None: 2}),
        (9, {"web": 8, "shop": 1}),
        (500, {"web": 171, "shop": 25, None: 4}),
    ],
)
def test_in_a_stratified_sample_each_value_keeps_its_share(tmp_path, size, expected):
    with project(tmp_path, "{'train': '2024-01-01'}", **{"data/asked.parquet": UNEVEN}).project() as loaded:
        training_set = loaded.build_training_set("wanted", sample=size, stratify=["channel"])

    assert strata_of(training_set) == expected
    assert training_set.manifest["sample"]["stratify"] == ["channel"]


def test_a_greater_stratified_sample_holds_a_smaller_one_and_has_rows_of_its_own_hash(tmp_path):
    sizes = (1, 7, 0.1, 40, 0.5, 0.9)
    with project(tmp_path, "{'train': '2024-01-01'}", **{"data/asked.parquet": UNEVEN}).project() as loaded:
        sets = [loaded.build_training_set("wanted", sample=size, stratify=["channel", "bought"]) for size in sizes]

    keys = [{row["asked_id"] for row in rows_of(each, "train")} for each in sets]
    for smaller, greater in pairwise(keys):
        assert smaller < greater


def test_a_label_that_was_not_known_yet_draws_no_row(tmp_path):
    opened = project(tmp_path, "{'train': '2024-01-01'}")
    with opened.project() as loaded:
        first = loaded.build_training_set("wanted", sample=0.4, stratify=["bought"], known_at=day(8))
    turned = ROWS.set_column(4, "bought", pa.array([i % 5 == 0 if i < 18 else i % 5 != 0 for i in range(90)]))
    opened.change({"data/asked.parquet": turned})
    with opened.project() as loaded:
        second = loaded.build_training_set("wanted", sample=0.4, stratify=["bought"], known_at=day(8))

    assert rows_of(first, "train") == rows_of(second, "train")
    assert first.manifest["open_labels"] > 0


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"stratify": ["channel"]}, "bad-sample"),
        ({"sample": 0.5, "stratify": ["chanel"]}, "missing-column"),
    ],
)
def test_strata_need_a_sample_and_columns_of_the_label_rows(tmp_path, how, code):
    with project(tmp_path, "{'train': '2024-01-01'}").project() as loaded, pytest.raises(UsageError) as caught:
        loaded.build_training_set("wanted", **how)

    assert caught.value.code == code


def test_too_many_strata_of_a_sample_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sqlfeat.ops.splits.MOST_STRATA", 2)
    with project(tmp_path, "{'train': '2024-01-01'}").project() as loaded, pytest.raises(RunError) as caught:
        loaded.build_training_set("wanted", sample=0.5, stratify=["channel"])

    assert caught.value.code == "too-many-strata"
