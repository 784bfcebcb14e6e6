"""How training sets that are kept read: a list, one, what differs between two, what was dropped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sqlfeat.errors import StoreError
from sqlfeat.ops.set_difference import CellDifference, CellExample, Reason, RowDifference, SetDifference
from sqlfeat.ops.training_sets import Collected, ListedSet
from sqlfeat.store.training_sets import KeptSet
from tests.cli.test_training import LATE

THEN = datetime(2013, 4, 1, 12, 30, 5, tzinfo=UTC)
RANGE = {"from": "2013-01-01T00:00:00+00:00", "to": None, "known_at": "2013-03-01T06:30:00+00:00"}
BALANCE = {
    "label": "is_late",
    "kind": "classes",
    "parts": {
        "train": {"rows": 900, "nulls": 0, "classes": {"true": 90, "false": 810}},
        "test": {"rows": 100, "nulls": 60, "classes": {"true": 10, "false": 30}},
    },
}
NARROWED = replace(
    LATE,
    manifest={
        **LATE.manifest,
        "range": RANGE,
        "sample": {"share": 0.1},
        "outputs": ["flight_id", "delay_7d", "carrier", "is_late"],
        "open_labels": 60,
        "balance": BALANCE,
        "notes": ["Entities of test that train has too: carrier (15 of 15)."],
    },
    built={"created_at": THEN.isoformat(), "git": {"commit": "abc123", "dirty": True}},
)
FOLDED = replace(
    LATE,
    splits={"all": 1_000},
    manifest={
        "folds": [
            {"name": "1", "train": 600, "test": 100, "train_from": None,
             "test_from": "2013-03-01T00:00:00+00:00", "test_to": "2013-03-08T00:00:00+00:00"},
            {"name": "2", "train": 700, "test": 120, "train_from": "2013-01-01T00:00:00+00:00",
             "test_from": "2013-03-08T00:00:00+00:00", "test_to": "2013-03-15T06:00:00+00:00"},
        ],
        "balance": {"label": "why", "kind": "classes",
                    "parts": {"all": {"rows": 1000, "nulls": 0, "classes": {"fog": 250, "none": 750}}}},
    },
)  # fmt: skip


def kept(training_set=NARROWED, error=None) -> KeptSet:
    return KeptSet("late_flights", "5f2c9a", Path("target/training_sets/x"), THEN, 5_678_900, training_set, error)


def test_what_was_asked_for_and_the_balance_of_labels_are_told(typing, project):
    project.answers["build_training_set"] = NARROWED

    assert (
        typing("build-training-set", "late_flights").out
        == """\
training set late_flights
  id          5f2c9a
  path        target/training_sets/late_flights/5f2c9a
  asked for   from 2013-01-01
  known at    2013-03-01 06:30:00, as it would have been built then
  sample      10.0 %, by a hash of flight_id
  chosen      2 inputs
  rows        1,100
  columns     4: 2 inputs (1 numeric, 1 categorical), label is_late
  features    1 from 1 feature view
  labels      60 not known yet: they are null, and reach no hook

  split      rows    share   is_late
  train       900   81.8 %    10.0 %
  test        100    9.1 %    25.0 %
  no split    100    9.1 %

  column      nulls
  carrier    50.0 %
  delay_7d    1.2 %

Note: Entities of test that train has too: carrier (15 of 15).
"""
    )


def test_folds_are_told_with_their_bounds_and_classes_with_their_shares(typing, project):
    project.answers["build_training_set"] = FOLDED

    told = typing("build-training-set", "late_flights").out
    assert (
        """\
  fold   train   test   train from      test from    to
  1        600    100   the beginning   2013-03-01   2013-03-08
  2        700    120   2013-01-01      2013-03-08   2013-03-15 06:00:00

  why       all
  none   75.0 %
  fog    25.0 %
"""
        in told
    )


def test_the_list_has_a_line_for_each_and_what_is_wrong_with_the_damaged(typing, project):
    error = StoreError("damaged-training-set", "train.parquet is damaged: it is missing.")
    project.answers["training_sets"] = [ListedSet(kept(), ("late_lgbm@v1",)), ListedSet(kept(None, error))]

    ended = typing("training-sets", "ls")
    assert ended.code == 0
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[1].startswith("late_flights 5f2c9a 2013-04-01 12:30:05 1,100 5.7 MB late_lgbm@v1, asked for from 2013")
    assert lines[1].endswith("sample 10.0 %, by a hash of flight_id; chosen 2 inputs")
    assert lines[2] == "late_flights 5f2c9a 5.7 MB damaged"
    assert "[damaged-training-set] train.parquet is damaged" in ended.err


def test_the_list_is_one_json_document(typing, project):
    error = StoreError("damaged-training-set", "train.parquet is damaged: it is missing.")
    project.answers["training_sets"] = [ListedSet(kept(), ("late_lgbm@v1",)), ListedSet(kept(None, error))]

    first, second = typing("training-sets", "ls", "--json").document["training_sets"]
    assert (first["state"], first["rows"], first["used_by"]) == ("ok", 1_100, ["late_lgbm@v1"])
    assert (second["state"], second["error"]["code"]) == ("damaged", "damaged-training-set")


@pytest.mark.parametrize("words", [("ls",), ("ls", "late_flights", "--quick")])
def test_no_set_is_said_to_be_none(typing, project, words):
    project.answers["training_sets"] = []

    assert typing("training-sets", *words).err.startswith("No training set is kept yet")
    assert project.calls["training_sets"] == (
        (*words[1:2], *([None] * (len(words) < 2))),
        {"verify": "--quick" not in words},
    )


def test_one_set_is_shown_in_full(typing, project):
    project.answers |= {"training_set": NARROWED, "training_sets": [ListedSet(kept(), ("late_lgbm@v1",))]}

    told = typing("training-sets", "show", "late_flights@5f").out
    assert "git          abc123 with uncommitted changes" in told
    assert "used by      late_lgbm@v1" in told
    assert "  delay_7d    DOUBLE    input   numeric       carrier_delays.delay_7d    1.2 %" in told


def test_a_difference_reads_as_a_person_wants_it(typing, project):
    keys = {"flight_id": 7, "asked_utc": THEN}
    found = SetDifference(
        old=LATE,
        new=replace(LATE, id="77aa01", rows=1_101),
        in_both=1_099,
        added=RowDifference(2, ({"flight_id": 8}, {"flight_id": 9})),
        gone=RowDifference(),
        added_columns=("temp",),
        gone_columns=(),
        changed_columns=(),
        cells=(CellDifference("delay_7d", 12, (CellExample(keys, 1.5, None),), became_null=12),),
        moved=({"old": "train", "new": "test", "rows": 3},),
        reasons=(Reason("code", "carrier_delays", "the SQL of carrier_delays changed."),),
    )
    project.answers["diff_training_sets"] = found

    assert (
        typing("training-sets", "diff", "5f", "77").out
        == """\
late_flights@5f2c9a → late_flights@77aa01
  rows    1,100 → 1,101, 1,099 in both
  added   2: flight_id 8; flight_id 9
  moved   3 from train to test

  column   is
  temp     added

  column     cells   share   for instance                                  old → new
  delay_7d      12   1.1 %   flight_id 7, asked_utc 2013-04-01 12:30:05Z   1.5 → null

  why
  code   the SQL of carrier_delays changed.
"""
    )
    document = typing("training-sets", "diff", "5f", "77", "--json").document
    assert document["cells"][0]["examples"] == [
        {"keys": {"flight_id": 7, "asked_utc": "2013-04-01T12:30:05Z"}, "old": 1.5, "new": None}
    ]
    assert document["reasons"][0]["kind"] == "code"


def test_what_was_dropped_is_told(typing, project):
    project.answers["gc_training_sets"] = Collected((ListedSet(kept()),), (ListedSet(kept()),), dry_run=True)

    assert (
        typing("training-sets", "gc", "--keep", "2", "--dry-run").out
        == """\
  would drop   late_flights@5f2c9a   5.7 MB
1 set would be dropped (5.7 MB), 1 kept.
"""
    )
    assert project.calls["gc_training_sets"] == ((None,), {"keep": 2, "dry_run": True})
