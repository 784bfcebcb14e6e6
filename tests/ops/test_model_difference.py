"""What of two models differs, told from their bytes."""

from __future__ import annotations

import json

import pytest

from sqlfeat.ops.model_difference import loose_settings, model_difference
from sqlfeat.store.codecs.archive import pack

BOOSTER = """tree
version=v4
num_class=1
feature_names=a b
tree_sizes=90 91

Tree=0
num_leaves=2
split_feature=0
threshold=1.5
leaf_value=0.1 0.2

Tree=1
num_leaves=2
split_feature=1
threshold=2.5
leaf_value=0.3 0.4


end of trees

feature_importances:
a=1
b=1

parameters:
[boosting: gbdt]
[num_threads: 0]
[deterministic: 0]
[force_row_wise: 0]
[force_col_wise: 0]
[seed: 7]

end of parameters

pandas_categorical:null
"""


def differences(*replaced: tuple[str, str]) -> list[str]:
    now = BOOSTER
    for old, new in replaced:
        assert old in now
        now = now.replace(old, new)
    return model_difference(BOOSTER.encode(), now.encode())


def test_the_same_bytes_differ_in_nothing():
    assert differences() == []


@pytest.mark.parametrize(
    ("replaced", "told"),
    [
        (
            [("[num_threads: 0]", "[num_threads: 2]")],
            ["all 2 trees are equal", "only the parameter block differs: num_threads was 0, is 2"],
        ),
        (
            [("0.3 0.4", "0.3 0.5"), ("tree_sizes=90 91", "tree_sizes=90 92")],
            ["1 of 2 trees differ; the first is tree 1, by its values alone (leaf_value)"],
        ),
        (
            [("threshold=1.5", "threshold=1.25"), ("[seed: 7]", "[seed: 8]")],
            [
                "1 of 2 trees differ; the first is tree 0, by its splits (threshold)",
                "the parameters differ: seed was 7, is 8",
            ],
        ),
        (
            [("feature_names=a b", "feature_names=a c")],
            ["the header differs: feature_names", "all 2 trees are equal"],
        ),
        (
            [("b=1", "b=2")],
            ["all 2 trees are equal", "what follows the trees differs: importances, or categories"],
        ),
        (
            [("end of trees", "Tree=2\nnum_leaves=1\n\n\nend of trees")],
            ["there were 2 trees, and are 3 now; those that both have are equal"],
        ),
    ],
)
def test_boosters_are_compared_by_header_trees_and_parameters(replaced, told):
    assert differences(*replaced) == told


def test_settings_that_may_give_other_bytes_are_named():
    assert loose_settings(BOOSTER.encode()) == [
        "deterministic is not set",
        "neither force_row_wise nor force_col_wise is set, so LightGBM measures which is faster",
        "num_threads is not set, so it hangs on the machine",
    ]
    tight = BOOSTER.replace("[num_threads: 0]", "[num_threads: 2]").replace("deterministic: 0", "deterministic: 1")
    assert loose_settings(tight.replace("force_row_wise: 0", "force_row_wise: 1").encode()) == []


def test_json_is_compared_value_by_value():
    then = {"a": [1, {"b": 2.0}], "c": "x"}
    now = {"a": [1, {"b": 2.5}], "d": None, "c": "x"}

    assert model_difference(json.dumps(then).encode(), json.dumps(now).encode()) == [
        "1 values differ: a[1].b was 2.0, is 2.5"
    ]
    assert model_difference(b'{"a": 1}', b'{"a":1}') == ["the values are equal, and written otherwise"]


def test_archives_are_compared_file_by_file():
    then = pack({"told.json": b'{"middle": 1}', "a.npy": b"\x93NUMPY1", "gone": b"1"})
    now = pack({"told.json": b'{"middle": 2}', "a.npy": b"\x93NUMPY2", "new": b"1"})

    assert model_difference(then, now) == [
        "told.json: 1 values differ: middle was 1, is 2",
        "a.npy: the first other byte is the 7th",
        "gone is not in it any more",
        "new is new",
    ]


def test_other_bytes_are_told_by_where_they_part():
    assert model_difference(b"\xff\x00abc", b"\xff\x00abd") == ["the first other byte is the 5th"]
    assert model_difference(b"\xff\x00abc", b"\xff\x00abcd") == [
        "it had 5 bytes, and has 6; one is the beginning of the other"
    ]
