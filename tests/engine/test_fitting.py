"""Parameters of transforms against exact fractions, scikit-learn, and the corners that both leave open."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.engine.duckdb import fitting
from sqlfeat.engine.duckdb.exact import rounded
from sqlfeat.engine.duckdb.fitting import Numbers, fit_numbers, fit_target, fit_values, levels_of
from sqlfeat.errors import RunError

ANY_FLOATS = st.lists(st.floats(width=64) | st.none(), max_size=40)
RANGE = {"low": 0.25, "high": 0.75}


def column(values, type_=None):
    """Values in two pieces, as an engine might give them."""
    half = len(values) // 2
    type_ = type_ or pa.float64()
    return pa.chunked_array([pa.array(values[:half], type_), pa.array(values[half:], type_)])


def finite(values):
    return [value for value in values if value is not None and math.isfinite(value)]


# -- sums --------------------------------------------------------------------------------------------------------------


@given(ANY_FLOATS)
def test_a_mean_is_the_exact_one_rounded_once(values):
    kept = finite(values)
    expected = rounded(sum(map(Fraction, kept), Fraction(0)) / len(kept)) if kept else None

    found = fitting.mean(Numbers.of(column(values)))

    if expected is None or max(map(abs, kept)) < 1e120:  # beyond, what is too small to matter may be lost
        assert expected == found
    else:
        assert found == pytest.approx(expected, rel=1e-15)


@given(ANY_FLOATS, st.randoms(use_true_random=False))
def test_no_order_and_no_cut_changes_a_bit(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    whole = pa.chunked_array([pa.array(shuffled, pa.float64())])

    for kind, options in [("standardize", {}), ("robust_scale", RANGE), ("quantile_bin", {"bins": 4})]:
        assert fit_numbers(kind, options, column(values)) == fit_numbers(kind, options, whole)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60))
def test_a_deviation_is_that_of_exact_fractions(values):
    exact = list(map(Fraction, values))
    centre = sum(exact) / len(exact)
    variance = sum((value - centre) ** 2 for value in exact) / len(exact)

    _, deviation = fitting.mean_and_deviation(Numbers.of(column(values)))

    assert deviation == pytest.approx(math.sqrt(variance), rel=1e-14, abs=1e-150)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_a_deviation_leaves_no_range_of_doubles(scale):
    centre, deviation = fitting.mean_and_deviation(Numbers.of(column([scale, 3 * scale])))

    assert (centre, deviation) == (pytest.approx(2 * scale, rel=1e-15), pytest.approx(scale, rel=1e-15))


def test_many_blocks_are_added_like_one():
    random = np.random.default_rng(7)
    numbers = random.normal(3, 1e3, 100_000) * 10.0 ** random.integers(-9, 9, 100_000)

    assert math.fsum(numbers) == float(fitting.exact_total(Numbers.of(pa.chunked_array([numbers]))))


# -- corners -----------------------------------------------------------------------------------------------------------


NOTHING = {
    "standardize": {"mean": None, "scale": None},
    "min_max": {"min": None, "max": None, "span": None},
    "robust_scale": {"median": None, "low": None, "high": None, "span": None},
    "clip_outliers": {"low": None, "high": None},
    "quantile_bin": {"edges": None},
}


@pytest.mark.parametrize("kind", NOTHING)
@pytest.mark.parametrize("values", [[], [None, None], [math.nan, math.inf, -math.inf, None]])
def test_nothing_to_fit_gives_no_parameters(kind, values):
    assert NOTHING[kind] == fit_numbers(kind, {**RANGE, "bins": 3}, column(values))


def test_what_is_always_the_same_is_divided_by_one():
    same = column([0.1] * 7)

    assert fit_numbers("standardize", {}, same) == {"mean": 0.1, "scale": 1.0}
    assert fit_numbers("min_max", {}, same) == {"min": 0.1, "max": 0.1, "span": 1.0}
    assert fit_numbers("robust_scale", RANGE, same) == {"median": 0.1, "low": 0.1, "high": 0.1, "span": 1.0}
    assert fit_numbers("quantile_bin", {"bins": 4}, same) == {"edges": []}


def test_one_row_is_its_own_mean_and_every_quantile():
    assert fit_numbers("standardize", {}, column([5.0])) == {"mean": 5.0, "scale": 1.0}
    assert fit_numbers("clip_outliers", RANGE, column([5.0])) == {"low": 5.0, "high": 5.0}


def test_a_span_beyond_all_doubles_is_the_greatest_of_them():
    found = fit_numbers("min_max", {}, column([-1.7e308, 1.7e308]))

    assert np.finfo(np.float64).max == found["span"]


def test_of_zeros_with_two_signs_one_is_kept():
    found = [fit_numbers("min_max", {}, column(values))["min"] for values in ([0.0, -0.0], [-0.0, 0.0])]

    assert [math.copysign(1.0, value) for value in found] == [1.0, 1.0]


# -- impute ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "values", "expected"),
    [
        ("mean", [1.0, 2.0, None, math.nan, 6.0], 3.0),
        ("median", [1.0, 2.0, None, 6.0, 7.0], 4.0),
        ("most_frequent", [2.0, 1.0, 2.0, 1.0, None, None, None], 1.0),
        ("most_frequent", [], None),
        ("mean", [None], None),
    ],
)
def test_numbers_are_imputed_by(strategy, values, expected):
    assert {"value": expected} == fit_values({"strategy": strategy}, "DOUBLE", column(values))


def test_of_texts_that_are_as_frequent_the_first_is_imputed():
    texts = column(["b", "a", None, "b", "a"], pa.string())

    assert fit_values({"strategy": "most_frequent"}, "VARCHAR", texts) == {"value": "a"}


# -- levels ------------------------------------------------------------------------------------------------------------


def test_levels_are_in_the_order_of_their_own_type():
    texts = column(["10", "9", None, "9"], pa.string())

    assert levels_of("ordinal", {}, "INTEGER", texts, "x") == ["9", "10"]
    assert levels_of("ordinal", {}, "VARCHAR", texts, "x") == ["10", "9"]


def test_the_most_frequent_levels_are_kept_and_the_first_of_equals():
    texts = column(["c", "b", "a", "c"], pa.string())

    assert levels_of("one_hot", {"max_levels": 2, "null": False}, "VARCHAR", texts, "x") == ["a", "c"]
    assert levels_of("one_hot", {"max_levels": 2, "null": True}, "VARCHAR", texts, "x") == ["a", "c", None]


def test_levels_that_are_given_are_kept_as_they_are_given():
    texts = column(["c"], pa.string())

    assert levels_of("ordinal", {"levels": ["z", 1, True]}, "VARCHAR", texts, "x") == ["z", "1", "true"]


def test_too_many_levels_are_refused(monkeypatch):
    monkeypatch.setattr(fitting, "MOST_LEVELS", 2)

    with pytest.raises(RunError, match="ordinal\\(who\\) meets 3 different values, and can keep 2") as refused:
        levels_of("ordinal", {}, "VARCHAR", column(["a", "b", "c"], pa.string()), "ordinal(who)")

    assert refused.value.code == "too-many-levels"


# -- target encoding ---------------------------------------------------------------------------------------------------


def encoded(texts, label, folds, smooth=1.0, count=2):
    levels = sorted({text for text in texts if text is not None})
    options = {"smooth": smooth, "folds": count}
    labels, dealt = np.array(label, np.float64), np.array(folds, np.int64)
    return levels, fit_target(options, levels, column(texts, pa.string()), labels, dealt)


LABELLED = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", None]), st.integers(-20, 20).map(lambda n: n / 4) | st.just(math.nan),
        st.integers(0, 2),
    ),
    max_size=30,
)  # fmt: skip


@given(LABELLED, st.sampled_from([0.0, 1.0, 10.0]))
def test_target_encoding_is_the_smoothed_mean_and_of_its_own_rows_that_of_the_other_folds(rows, smooth):
    texts, label, folds = ([row[place] for row in rows] for place in range(3))

    def mean_of(text, used):
        known = [row for row in used if not math.isnan(row[1])]
        if not known:
            return None
        prior = sum(row[1] for row in known) / len(known)
        own = [row[1] for row in known if row[0] == text]
        return (sum(own) + smooth * prior) / (len(own) + smooth) if own else prior

    levels, found = encoded(texts, label, folds, smooth, count=3)

    told = found.parameters
    assert [mean_of(level, rows) for level in levels] == pytest.approx(told["values"])
    assert mean_of(None, rows) == pytest.approx(told["missing"])
    assert mean_of("unseen", rows) == pytest.approx(told["prior"])
    others = [mean_of(row[0], [other for other in rows if other[2] != row[2]]) for row in rows]
    assert [math.nan if value is None else value for value in others] == pytest.approx(found.own.tolist(), nan_ok=True)


def test_target_encoding_does_not_hang_on_the_order_of_rows():
    random = np.random.default_rng(3)
    texts, label = random.choice(["a", "b", "c"], 5_000), random.normal(0, 1e6, 5_000) * 10.0 ** random.integers(-9, 9)
    folds, order = random.integers(0, 5, 5_000), random.permutation(5_000)

    _, one = encoded(texts.tolist(), label, folds, count=5)
    _, other = encoded(texts[order].tolist(), label[order], folds[order], count=5)

    assert one.parameters == other.parameters
    assert one.own[order].tolist() == other.own.tolist()


# -- scikit-learn ------------------------------------------------------------------------------------------------------

SPREAD = [3.5, -1.25, None, 8.0, 8.0, 0.1, math.nan, 100.0, -7.75, 2.5, 2.5, 6.125]


def as_matrix(values):
    return np.array([[math.nan if value is None else value] for value in values])


def test_numbers_are_fitted_as_scikit_learn_does():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    matrix = as_matrix(SPREAD)

    found = fit_numbers("standardize", {}, column(SPREAD))
    scaler = preprocessing.StandardScaler().fit(matrix)
    assert (scaler.mean_[0], scaler.scale_[0]) == pytest.approx((found["mean"], found["scale"]), rel=1e-14)

    found = fit_numbers("min_max", {}, column(SPREAD))
    scaler = preprocessing.MinMaxScaler().fit(matrix)
    assert (scaler.data_min_[0], scaler.data_range_[0]) == (found["min"], found["span"])

    found = fit_numbers("robust_scale", RANGE, column(SPREAD))
    scaler = preprocessing.RobustScaler().fit(matrix)
    assert (scaler.center_[0], scaler.scale_[0]) == pytest.approx((found["median"], found["span"]), rel=1e-14)


def test_bins_have_the_edges_of_scikit_learn():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    values = np.random.default_rng(1).normal(0, 5, 500)
    binning = preprocessing.KBinsDiscretizer(7, strategy="quantile", encode="ordinal", quantile_method="linear")

    edges = fit_numbers("quantile_bin", {"bins": 7}, column(values.tolist()))["edges"]

    assert binning.fit(values.reshape(-1, 1)).bin_edges_[0][1:-1].tolist() == pytest.approx(edges, rel=1e-14)


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
def test_imputed_values_are_those_of_scikit_learn(strategy):
    impute = pytest.importorskip("sklearn.impute")
    imputer = impute.SimpleImputer(strategy=strategy).fit(as_matrix(SPREAD))

    found = fit_values({"strategy": strategy}, "DOUBLE", column(SPREAD))

    assert imputer.statistics_[0] == pytest.approx(found["value"], rel=1e-14)


def test_target_encodings_are_those_of_scikit_learn():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    random = np.random.default_rng(5)
    texts, label = random.choice(["a", "b", "c"], 300), random.normal(2, 1, 300)
    encoder = preprocessing.TargetEncoder(smooth=4.0, target_type="continuous").fit(texts.reshape(-1, 1), label)

    _, found = encoded(texts.tolist(), label, np.zeros(300), smooth=4.0)

    assert encoder.encodings_[0].tolist() == pytest.approx(found.parameters["values"], rel=1e-12)
    assert encoder.target_mean_ == pytest.approx(found.parameters["prior"], rel=1e-12)
