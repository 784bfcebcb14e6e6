"""Mistakes in transforms, each told at its place in the template."""

import pytest

from tests.errors.conftest import text
from tests.made.projects import error_of, shop

VIEW = """
    {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
    select customer, ordered_at, amount from {{ source('raw', 'orders') }}
"""
ASKED = """
    {{ config(materialized='table', role='label', event_time='asked') }}
    select order_id, customer, product, ordered_at as asked, amount > 15 as big from {{ source('raw', 'orders') }}
"""
TRAINING_SET = """
    {{ config(materialized='training_set', keys=['order_id'], label='big') }}
    select f.order_id, f.asked, f.big,
        PUT_HERE
    from {{ ref('asked') }} as f
"""


def files(item):
    training_set = TRAINING_SET.replace("PUT_HERE", item)
    return {"models/spent.sql": VIEW, "models/asked.sql": ASKED, "models/wanted.sql": training_set}


WRONG = {
    "what is not there": ("{{ standardize('amuont') }} as z", "missing-column", "amuont", "known are"),
    "a column that is not there": ("{{ standardize('f.ordr_id') }} as z", "missing-column", "ordr_id", "'order_id'"),
    "a text scaled": ("{{ min_max('f.product') }} as z", "bad-transform", "f.product", "ordinal"),
    "a text with a mean": ("{{ impute('f.product') }} as z", "bad-transform", "f.product", "most_frequent"),
    "a time as a category": ("{{ ordinal('f.asked') }} as z", "bad-transform", "f.asked", "cast it"),
    "no strategy": ("{{ impute('f.order_id', 'meen') }} as z", "bad-transform", "meen", "did you mean 'mean'?"),
    "no option": ("{{ quantile_bin('f.order_id', bin=3) }} as z", "bad-transform", "bin", "did you mean 'bins'?"),
    "too many options": ("{{ standardize('f.order_id', 3) }} as z", "bad-transform", "standardize", "standardize(x)"),
    "an option twice": (
        "{{ quantile_bin('f.order_id', 3, bins=4) }} as z", "bad-transform", "bins", "quantile_bin(x, bins=10)",
    ),
    "a missing option": ("{{ hash_bucket('f.product') }} as z", "bad-transform", "hash_bucket", "buckets"),
    "a number out of range": ("{{ quantile_bin('f.order_id', 1) }} as z", "bad-transform", "1", "bins=10"),
    "no truth value": ("{{ min_max('f.order_id', clip=3) }} as z", "bad-transform", "3", "clip=False"),
    "low above high": (
        "{{ clip_outliers('f.order_id', 0.9, 0.1) }} as z", "bad-transform", "clip_outliers", "low=0.01",
    ),
    "a level twice": ("{{ ordinal('f.product', ['tea', 'tea']) }} as z", "bad-transform", "['tea', 'tea']", "levels"),
    "a constant without value": (
        "{{ impute('f.order_id', 'constant') }} as z", "bad-transform", "constant", "value=0",
    ),
    "a mean with value": (
        "{{ impute('f.order_id', 'mean', 3) }} as z", "bad-transform", "mean", "strategy='constant'",
    ),
    "a text for a number": ("{{ impute('f.order_id', value='x') }} as z", "bad-transform", "f.order_id", "own type"),
    "no argument": ("{{ standardize() }} as z", "bad-transform", "standardize", "standardize(x)"),
    "what is no SQL": ("{{ standardize('f.order_id +') }} as z", "bad-transform", "f.order_id +", None),
    "an aggregate": ("{{ standardize('sum(f.order_id)') }} as z", "bad-transform", "sum(f.order_id)", "fitted("),
    "a subquery": ("{{ standardize('(select 1)') }} as z", "bad-transform", "(select 1)", "label model"),
    "no aggregate": ("{{ fitted('f.order_id') }} as z", "bad-transform", "f.order_id", "sum("),
    "more than an aggregate": ("{{ fitted('sum(f.order_id) + 1') }} as z", "bad-transform", None, "around fitted()"),
    "several features": ("{{ standardize(feature('spent.*')) }} as z", "bad-transform", None, "view.column"),
    "no name": ("{{ standardize('f.order_id') }}", "sql-grammar", None, "as name"),
    "several outputs in an expression": (
        "{{ one_hot('f.product') }} + 1 as z", "bad-transform", None, "ordinal() gives one number",
    ),
    "several outputs scaled": (
        "{{ standardize(one_hot('f.product')) }} as z", "bad-transform", "standardize", "ordinal",
    ),
    "itself": ("{{ standardize('z') }} as z", "transform-cycle", "z", None),
    "itself by another": (
        "{{ standardize('y') }} as z, {{ impute('z') }} as y", "transform-cycle", "y", None,
    ),
    "itself by an expression": ("y * 2 as z, {{ impute('z') }} as y", "transform-cycle", "z", None),
    "two meanings": (
        "length(f.product) as product, {{ ordinal('product') }} as z", "ambiguous-argument", "product", "f.product",
    ),
    "the label": ("{{ standardize('f.big') }} as z", "transform-label", "big", "target_encode()"),
    "the label by its name": ("{{ fitted('avg(big)') }} as z", "transform-label", "big", "target_encode()"),
    "the label encoded": ("{{ target_encode('f.big') }} as z", "transform-label", "big", "by itself"),
    "a name that is no transform": (
        "{{ standardise('f.order_id') }} as z", "template-undefined", "standardise", "standardize",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("item", "code", "marked", "hint"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_at_its_place(tmp_path, item, code, marked, hint):
    error = error_of(shop(tmp_path, files(item)))

    assert error.code == code
    where = error.where
    assert (where.file, where.line) == ("models/wanted.sql", 3)
    if marked is not None:
        assert where.text[where.column - 1 :][: where.length] == marked
    assert hint is None or hint in (error.hint or "")


def test_a_transform_outside_a_training_set(told):
    assert told({"models/spent.sql": "select {{ standardize('amount') }} as z"}) == text("""
        models/spent.sql:1:11: [transform-outside] standardize() is fitted on the train split, so it is for training sets only.
          1 | select {{ standardize('amount') }} as z
            |           ^^^^^^^^^^^

        Hint: move it into the list of the training set.
    """)  # noqa: E501  # as it is printed


def test_a_label_that_is_transformed(tmp_path):
    training_set = TRAINING_SET.replace("f.big", "{{ impute('f.order_id') }} as big").replace("PUT_HERE", "f.product")
    error = error_of(shop(tmp_path, {**files("1 as one"), "models/wanted.sql": training_set}))

    assert (error.code, error.what) == ("transform-role", "'big' is the label, which impute() cannot make.")


def test_target_encoding_without_a_label_or_of_one_that_is_text(tmp_path):
    item = "{{ target_encode('f.product') }} as rate"
    without = TRAINING_SET.replace(", label='big'", ", passthrough=['big']").replace("PUT_HERE", item)
    of_text = TRAINING_SET.replace("f.big", "'yes' as big").replace("PUT_HERE", item)

    first = error_of(shop(tmp_path / "one", {**files("1 as one"), "models/wanted.sql": without}))
    second = error_of(shop(tmp_path / "two", {**files("1 as one"), "models/wanted.sql": of_text}))

    assert first.what == "target_encode() takes means of the label, and this training set has none."
    assert second.what == "target_encode() takes means of the label, and 'big' is VARCHAR."


def test_a_transform_in_a_comment_is_none(tmp_path):
    root = shop(tmp_path, files("f.product -- {{ standardize('nothing') }} as z"))

    with pytest.raises(AssertionError, match="nothing is wrong"):
        error_of(root)
