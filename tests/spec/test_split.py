"""How a training set is cut."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sqlfeat.spec.duration import Duration
from sqlfeat.spec.split import FoldsConfig, SplitConfig


def test_a_split_by_time_has_its_parts_in_order_and_its_embargo():
    split = SplitConfig.parse({"train": "2013-01-01", "test": "2013-03-15T12:00:00+02:00", "embargo": "1 day"})

    assert split.by == "time"
    assert split.starts == (
        ("train", datetime(2013, 1, 1, tzinfo=UTC)),
        ("test", datetime(2013, 3, 15, 10, tzinfo=UTC)),
    )
    assert split.embargo == Duration.parse("1 day")
    assert split.parts == ("train", "test")


def test_an_embargo_may_be_the_horizon_and_more():
    more = SplitConfig.parse({"train": "2013-01-01", "embargo": "horizon + 7 days"})
    same = SplitConfig.parse({"folds": 3, "test": "14 days", "embargo": "Horizon"})
    plain = SplitConfig.parse({"folds": 3, "test": "14 days"})

    assert (more.embargo, more.gap) == (None, Duration.parse("7 days"))
    assert more.as_dict()["embargo"] == "horizon + 7 days"
    assert same == plain


def test_a_split_by_hash_has_its_columns_seed_and_shares():
    split = SplitConfig.parse({"by": "hash", "on": "customer_id", "seed": 7, "train": 0.8, "test": 0.2})

    assert (split.by, split.on, split.seed) == ("hash", ("customer_id",), 7)
    assert split.fractions == (("train", 0.8), ("test", 0.2))
    assert split.parts == ("train", "test")


def test_folds_by_time_roll_with_their_tests_unless_a_step_is_given():
    split = SplitConfig.parse({"by": "folds", "folds": 5, "train": "90 days", "test": "14 days", "end": "2013-04-01"})

    assert split.by == "folds"
    assert split.folds == FoldsConfig(
        "time", 5, days(14), days(90), days(14), datetime(2013, 4, 1, tzinfo=UTC)
    )  # fmt: skip
    assert SplitConfig.parse({"folds": 2, "test": "14 days", "train": "unbounded"}).folds == FoldsConfig(
        "time", 2, days(14), None, days(14), None
    )


def test_folds_by_hash_keep_what_belongs_together():
    split = SplitConfig.parse({"folds": 5, "on": "customer_id", "seed": 3})

    assert (split.folds, split.on, split.seed) == (FoldsConfig("hash", 5), ("customer_id",), 3)
    assert SplitConfig.parse({"by": "hash", "folds": 5, "stratify": "late"}).stratify == ("late",)


def days(number: int) -> Duration:
    return Duration.parse(f"{number} days")


def test_equal_splits_are_equal_however_they_are_written():
    one = SplitConfig.parse({"train": "2013-01-01", "embargo": "24 hours"})
    other = SplitConfig.parse({"by": "time", "embargo": "1 day", "train": "2013-01-01 00:00:00Z"})

    assert one.as_dict() == other.as_dict()
    assert one.as_dict() == {"by": "time", "starts": [["train", "2013-01-01T00:00:00+00:00"]], "embargo": "1 day"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2013-01-01", "expected the start of each part"),
        ({}, "expected the start of each part"),
        ({"by": "time"}, "no part is given"),
        ({"by": "moon", "train": 1}, "'by' is 'time', 'hash' or 'folds', not 'moon'"),
        ({"train": "2013-03-01", "test": "2013-01-01"}, "'test' does not start after 'train'"),
        ({"train": "2013-03-01", "test": "2013-03-01"}, "must rise"),
        ({"train": "yesterday"}, "'train' starts at a date or timestamp such as '2013-01-01'"),
        ({"train": "2013-01-01", "embago": "1 day"}, "did you mean 'embargo'?"),
        ({"train": "2013-01-01", "seed": 7}, "'seed' cannot be given here"),
        ({"train": "2013-01-01", "embargo": "soon"}, "is no span of time"),
        ({"train": "2013-01-01", "embargo": "horizon + soon"}, "'soon' is no span of time"),
        ({"train": "2013-01-01", "embargo": "horizons"}, "is no span of time"),
        ({"by": "hash"}, "no part is given"),
        ({"by": "hash", "train": 0.8, "test": 0.3}, "the shares add up to 1.1, which is more than 1"),
        ({"by": "hash", "train": 0}, "'train' takes a share between 0 and 1, not 0"),
        ({"by": "hash", "train": True}, "takes a share"),
        ({"by": "hash", "train": 0.5, "seed": "x"}, "'seed' is a whole number"),
        ({"by": "hash", "train": 0.5, "on": 7}, "'on' is a column or a list of columns"),
        ({"by": "hash", "train": 0.5, "embargo": "1 day"}, "'embargo' cannot be given here"),
        ({"by": "hash", "first part": 0.5}, "'first part' cannot"),
        ({"by": "hash", "train": 0.5, "stratify": "y", "on": "x"}, "'on' keeps rows together and 'stratify' draws"),
        ({"folds": 5}, "folds need the length of each test"),
        ({"folds": 1, "test": "1 day"}, "'folds' says how many there are, from 2 to 100, not 1"),
        ({"folds": True, "test": "1 day"}, "'folds' says how many there are"),
        ({"by": "folds", "test": "1 day"}, "'folds' says how many there are"),
        ({"folds": 2, "test": "0 days"}, "'test' is longer than nothing"),
        ({"folds": 2, "test": "1 day", "traim": "5 days"}, "'traim' cannot be given here; did you mean 'train'"),
        ({"folds": 2, "test": "1 day", "end": "soon"}, "'end' is a date or timestamp"),
        ({"by": "hash", "folds": 2, "test": "1 day"}, "'test' cannot be given here"),
    ],
)
def test_what_is_wrong_with_a_split_is_said(value, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        SplitConfig.parse(value)


def test_shares_that_add_up_to_one_in_floats_are_fine():
    assert SplitConfig.parse({"by": "hash", "a": 0.7, "b": 0.2, "c": 0.1}).parts == ("a", "b", "c")
