"""Transforms as a user gets them: fitted on train, in the files, in the manifest, and when a model predicts."""

import json
import math
from dataclasses import replace
from datetime import timedelta

import duckdb
import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sqlfeat.errors import ProjectError, RunError
from sqlfeat.ops.training_set import assemble
from sqlfeat.ops.training_set_diff import diff
from sqlfeat.store.signature import inputs_of, matrix
from sqlfeat.training_data import TrainingData
from tests.made.projects import Opened, day, error_of, shop

SOURCES = """
    version: 2
    sources:
      - name: raw
        config: {location: "data/{name}.parquet"}
        tables:
          - {name: visits, config: {event_time: visited_at}}
          - {name: asked, config: {event_time: asked_at}}
"""
FILES = {
    "models/sources.yml": SOURCES,
    "models/seen.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='visited_at') }}
        select customer, visited_at, spent, shop from {{ source('raw', 'visits') }}
    """,
    "models/asked.sql": """
        {{ config(materialized='table', role='label', event_time='asked_at', horizon='1 day') }}
        select * from {{ source('raw', 'asked') }}
    """,
}
SPLIT = "split={'train': '2024-01-01', 'test': '2024-01-20'}"
LISTED = """
    {{ config(materialized='training_set', label='bought', keys=['asked_id'], %s) }}
    select a.asked_id, a.asked_at,
        %s,
        a.bought
    from {{ ref('asked') }} as a
"""
CUSTOMERS = ["ann", "bob", "cas", "dan", "eve"]
SHOPS = ["north", "south", "east", None]


def visits(count=200):
    random = np.random.default_rng(1)
    spent = random.normal(20, 9, count)
    spent[::11], spent[5::37], spent[7::41] = math.nan, math.inf, -math.inf
    return pa.table(
        {
            "customer": pa.array([CUSTOMERS[i % 5] for i in range(count)]),
            "visited_at": pa.array([day(1) + timedelta(hours=3 * i) for i in range(count)], pa.timestamp("us", "UTC")),
            "spent": pa.array([None if i % 13 == 0 else value for i, value in enumerate(spent)], pa.float64()),
            "shop": pa.array([SHOPS[i] for i in random.integers(0, 4, count)]),
        }
    )


def asked(count=240, *, unknown_labels=0):
    random = np.random.default_rng(2)
    bought = [None if i < unknown_labels else bool(random.random() < 0.4) for i in range(count)]
    return pa.table(
        {
            "asked_id": pa.array(range(count), pa.int64()),
            "customer": pa.array([(*CUSTOMERS, "new", None)[i % 7] for i in range(count)]),
            "asked_at": pa.array([day(1) + timedelta(hours=2.9 * i) for i in range(count)], pa.timestamp("us", "UTC")),
            "age": pa.array([None if i % 17 == 0 else int(n) for i, n in enumerate(random.integers(18, 80, count))]),
            "channel": pa.array([("web", "web", "app", None, "late")[i % 4 if i < 200 else 4] for i in range(count)]),
            "bought": pa.array(bought, pa.bool_()),
        }
    )


def project(root, listed, *, config=SPLIT, rows=None, **files):
    basis = {**FILES, "data/visits.parquet": visits(), "data/asked.parquet": rows or asked()}
    return Opened(shop(root, {**basis, "models/wanted.sql": LISTED % (config, listed), **files}))


def build(opened, **options):
    settings = {key: options.pop(key) for key in ("threads",) if key in options}
    with opened.project(**settings) as project:
        return project.build_training_set("wanted", **options)


def rows_of(built, part=None):
    """All rows, or those of a part, in the order of their ids."""
    files = [built.file(part)] if part else [built.path / file for file in built.files if file != "folds.parquet"]
    return pa.concat_tables([pq.read_table(file) for file in files]).sort_by("asked_id")


def numbers(table, name):
    return np.array([math.nan if v is None else v for v in table[name].to_pylist()], dtype=float).reshape(-1, 1)


def fit_on_train(built, transformer, name):
    """What scikit-learn makes of an output, fitted on the finite values of train."""
    known = numbers(rows_of(built, "train"), name)
    transformer.fit(known[np.isfinite(known)].reshape(-1, 1))
    every = numbers(rows_of(built), name)
    found = np.full(every.shape, math.nan)
    found[np.isfinite(every)] = transformer.transform(every[np.isfinite(every)].reshape(-1, 1)).ravel()
    return found.ravel()


def where_finite(built, name, of):
    """An output where what it is made of is a finite number, NaN elsewhere."""
    values, known = numbers(rows_of(built), name), np.isfinite(numbers(rows_of(built), of))
    return np.where(known, values, math.nan).ravel()


# -- against scikit-learn ----------------------------------------------------------------------------------------------


def test_scaled_numbers_are_those_of_scikit_learn(tmp_path):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    listed = """
        {{ feature('seen.spent') }},
        {{ standardize('spent') }} as standardized,
        {{ min_max('spent') }} as between,
        {{ min_max('spent', low=-1, high=2) }} as wider,
        {{ robust_scale('spent') }} as robust,
        {{ quantile_bin('spent', bins=5) }} as bin
    """

    built = build(project(tmp_path, listed))

    binning = preprocessing.KBinsDiscretizer(5, strategy="quantile", encode="ordinal", quantile_method="linear")
    for name, transformer in [
        ("standardized", preprocessing.StandardScaler()),
        ("between", preprocessing.MinMaxScaler()),
        ("wider", preprocessing.MinMaxScaler((-1, 2))),
        ("robust", preprocessing.RobustScaler()),
        ("bin", binning),
    ]:
        expected = fit_on_train(built, transformer, "spent")
        assert expected.tolist() == pytest.approx(
            where_finite(built, name, "spent").tolist(), rel=1e-12, abs=1e-12, nan_ok=True
        )


def test_categories_are_encoded_as_scikit_learn_does(tmp_path):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    listed = """
        a.channel, {{ one_hot('channel', null=true) }} as via,
        {{ ordinal('channel', unknown=-7, null=-1) }} as code
    """

    built = build(project(tmp_path, listed))

    train, every = (np.array(rows_of(built, part)["channel"].to_pylist(), object) for part in ("train", None))
    one_hot = preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(train.reshape(-1, 1))
    names = [f"via_{'null' if level is None else level}" for level in one_hot.categories_[0]]
    assert ["via_app", "via_web", "via_null"] == names == [c.name for c in built.columns if c.name.startswith("via_")]
    found = np.column_stack([rows_of(built)[name].to_numpy() for name in names])
    assert one_hot.transform(every.reshape(-1, 1)).tolist() == found.tolist()
    ordinal = preprocessing.OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-7, encoded_missing_value=-1
    ).fit(np.where(train == None, math.nan, train).reshape(-1, 1))  # noqa: E711  # of each element
    expected = ordinal.transform(np.where(every == None, math.nan, every).reshape(-1, 1))  # noqa: E711
    assert expected.ravel().tolist() == rows_of(built)["code"].to_pylist()


def test_what_is_missing_is_imputed_nan_as_well_as_null(tmp_path):
    listed = """
        {{ feature('seen.spent') }},
        {{ impute('spent') }} as by_mean,
        {{ impute('spent', 'median') }} as by_median,
        {{ impute('spent', value=0) }} as by_zero,
        {{ impute('a.age', 'most_frequent') }} as age,
        {{ impute('a.channel', value='none') }} as channel
    """

    built = build(project(tmp_path, listed))

    train, every = numbers(rows_of(built, "train"), "spent"), numbers(rows_of(built), "spent")
    known = train[np.isfinite(train)]
    for name, value in [("by_mean", known.mean()), ("by_median", np.median(known)), ("by_zero", 0.0)]:
        expected = np.where(np.isnan(every), value, every).ravel().tolist()
        assert expected == pytest.approx(rows_of(built)[name].to_pylist(), rel=1e-14)
    kinds = {column.name: (column.type, column.kind) for column in built.columns}
    assert kinds["age"] == ("BIGINT", "numeric")
    assert kinds["channel"] == ("VARCHAR", "categorical")
    assert not rows_of(built)["age"].null_count
    assert {"web", "app", "none", "late"} == set(rows_of(built)["channel"].to_pylist())


# -- train only --------------------------------------------------------------------------------------------------------


def test_nothing_but_rows_that_models_learn_from_is_fitted_on(tmp_path):
    listed = "a.age, {{ standardize('age') }} as z, {{ fitted('count(*)') }} as n"

    built = build(project(tmp_path, listed, rows=asked(unknown_labels=20)))

    learned = [row for row in rows_of(built, "train").to_pylist() if row["bought"] is not None]
    ages = [row["age"] for row in learned if row["age"] is not None]
    told = built.manifest["transforms"]["standardize(age)"]
    assert len(learned) == told["rows"] < built.splits["train"]
    assert sum(ages) / len(ages) == told["parameters"]["mean"]
    assert {len(learned)} == set(rows_of(built)["n"].to_pylist())


def test_labels_that_were_not_known_at_an_instant_leave_their_rows_out(tmp_path):
    listed = "{{ standardize('a.age') }} as z, {{ target_encode('a.channel') }} as rate"
    opened = project(tmp_path, listed)

    built = build(opened, known_at=day(10))

    told = built.manifest["transforms"]["standardize(a.age)"]
    known = pc.sum(pc.is_valid(rows_of(built, "train")["bought"])).as_py()
    assert known == told["rows"] < built.splits["train"]
    assert built.manifest["open_labels"] > 0


def test_without_a_split_all_rows_are_fitted_on(tmp_path):
    built = build(project(tmp_path, "{{ standardize('a.age') }} as z", config="passthrough=[]"))

    assert built.rows == built.manifest["transforms"]["standardize(a.age)"]["rows"]


def test_a_train_split_without_rows_gives_nulls(tmp_path):
    listed = """
        {{ standardize('a.age') }} as z, {{ ordinal('a.channel') }} as code, {{ target_encode('a.channel') }} as rate,
        {{ one_hot('a.channel') }} as via, {{ fitted('avg(a.age)') }} as mean, {{ impute('a.age') }} as age
    """
    config = "split={'train': '2023-01-01', 'test': '2023-12-01'}"

    built = build(project(tmp_path, listed, config=config))

    assert dict(built.splits) == {"train": 0, "test": 240}
    first = rows_of(built).to_pylist()[1]
    assert [first[name] for name in ("z", "code", "rate", "mean")] == [None, -1, None, None]
    assert [column.name for column in built.inputs] == ["z", "code", "rate", "mean", "age"]


# -- out of fold -------------------------------------------------------------------------------------------------------


def test_target_encoding_of_a_train_row_knows_nothing_of_its_own_label(tmp_path):
    listed = "{{ target_encode('a.customer', smooth=2) }} as rate"
    rows = asked()
    place = 30
    turned = [not value if i == place else value for i, value in enumerate(rows["bought"].to_pylist())]

    one = rows_of(build(project(tmp_path / "one", listed)), "train")
    other = rows_of(
        build(project(tmp_path / "other", listed, rows=rows.set_column(5, "bought", pa.array(turned)))), "train"
    )

    assert one["rate"][place] == other["rate"][place]
    assert one["rate"].to_pylist() != other["rate"].to_pylist()


def test_rows_of_the_same_keys_are_in_the_same_fold(tmp_path):
    rows = asked()
    twice = pa.concat_tables([rows, rows.slice(3, 1)])

    built = build(project(tmp_path, "{{ target_encode('a.customer', smooth=2) }} as rate", rows=twice))

    pair = [row["rate"] for row in rows_of(built, "train").to_pylist() if row["asked_id"] == 3]
    assert len(pair) == 2
    assert pair[0] == pair[1]


# -- nesting, larger expressions, names --------------------------------------------------------------------------------

NESTED = """
    {{ feature('seen.spent') }}, {{ feature('seen.shop') }}, a.age * 2 as double_age,
    {{ standardize(impute(clip_outliers('spent', 0.05, 0.95), 'median')) }} as calm,
    {{ standardize('calm') }} * a.age + double_age as mixed,
    mixed - 1 as less,
    {{ min_max(feature('seen.spent')) }} as between,
    {{ ordinal(feature('seen.shop')) }} as code,
    {{ standardize('double_age / 3') }} as third,
    {{ standardize(target_encode('shop')) }} as rate,
    {{ hash_bucket('a.customer', buckets=16, seed=3) }} as bucket,
    double_age - {{ fitted('avg(double_age) filter (where a.channel is not null)') }} as centred,
    {{ one_hot('a.channel') }} as via
"""


def test_transforms_nest_and_stand_in_expressions(tmp_path):
    built = build(project(tmp_path, NESTED))

    table = rows_of(built)
    train = rows_of(built, "train")
    calm = numbers(train, "calm")
    assert pytest.approx(calm.mean(), abs=1e-12) == 0.0
    assert pytest.approx(calm.std(), rel=1e-12) == 1.0
    told = built.manifest["transforms"]
    outer = told["standardize(calm)"]
    again = (numbers(table, "calm") - outer["parameters"]["mean"]) / outer["parameters"]["scale"]
    doubled = numbers(table, "double_age")
    assert (again * (doubled / 2) + doubled).ravel().tolist() == pytest.approx(
        numbers(table, "mixed").ravel().tolist(), nan_ok=True
    )
    assert (numbers(table, "mixed") - 1).ravel().tolist() == pytest.approx(
        numbers(table, "less").ravel().tolist(), nan_ok=True
    )
    assert {"mixed", "less"} == set(outer["outputs"])
    assert pytest.approx(numbers(train, "rate").std(), rel=1e-12) == 1.0


def test_the_manifest_says_each_transform_with_sql_that_gives_the_same(tmp_path):
    listed = """
        {{ feature('seen.spent') }}, a.channel, {{ standardize('spent') }} as z, {{ quantile_bin('spent', 4) }} as bin,
        {{ clip_outliers('spent') }} as clipped, {{ min_max('spent', -1, 1, clip=true) }} as inside,
        {{ ordinal('channel', null=-2) }} as code, {{ hash_bucket('channel', 9) }} as bucket,
        {{ impute('channel', 'most_frequent') }} as known, {{ target_encode('channel') }} as rate
    """
    built = build(project(tmp_path, listed))

    test = rows_of(built, "test").append_column("n", pa.array(range(built.splits["test"])))
    for told in built.manifest["transforms"].values():
        (output,) = told["outputs"]
        named = ", ".join(f"{_sql(value)} as {name}" for name, value in told["parameters"].items())
        asked_sql = f"select {told['sql']} as v from test, (select {named or '1 as one'}) as p"
        with duckdb.connect() as connection:
            connection.register("rows", test)
            connection.execute(f"create view test as select {told['argument']} as x, n from rows")
            found = connection.execute(f"{asked_sql} order by n").fetchall()
        assert repr(test[output].to_pylist()) == repr([value for (value,) in found]), output


def _sql(value):
    if isinstance(value, list):
        return f"[{', '.join(_sql(item) for item in value)}]"
    if value is None:
        return "null"
    return "'" + value + "'" if isinstance(value, str) else f"cast('{value!r}' as double)"


def test_parameters_survive_json_to_the_last_bit(tmp_path):
    built = build(project(tmp_path, "{{ feature('seen.spent') }}, {{ standardize('spent') }} as z"))

    kept = json.loads((built.path / "manifest.json").read_text())["transforms"]["standardize(spent)"]["parameters"]

    known = numbers(rows_of(built, "train"), "spent")
    assert math.fsum(known[np.isfinite(known)]) / np.isfinite(known).sum() == kept["mean"]


# -- the same again ----------------------------------------------------------------------------------------------------


def test_threads_and_folders_change_no_byte(tmp_path):
    one = build(project(tmp_path / "one", NESTED), threads=1)
    other = build(project(tmp_path / "other", NESTED), threads=4)

    assert one.id == other.id
    assert one.manifest == other.manifest
    for file in one.files:
        assert (one.path / file).read_bytes() == (other.path / file).read_bytes()


def test_options_and_arguments_are_part_of_the_id(tmp_path):
    ids = {
        build(project(tmp_path / str(number), listed)).id
        for number, listed in enumerate(
            [
                "{{ quantile_bin('a.age', bins=4) }} as x",
                "{{ quantile_bin('a.age', bins=5) }} as x",
                "{{ quantile_bin('a.age + 1', bins=4) }} as x",
                "{{ clip_outliers('a.age') }} as x",
            ]
        )
    }

    assert len(ids) == 4


def test_rows_that_are_too_many_for_memory_are_transformed_alike(tmp_path, monkeypatch):
    small = build(project(tmp_path / "small", NESTED))
    monkeypatch.setattr("sqlfeat.engine.duckdb.outputs.KEPT_SHARE", 0.0)
    large = build(project(tmp_path / "large", NESTED))

    assert small.manifest == large.manifest
    for file in small.files:
        assert (small.path / file).read_bytes() == (large.path / file).read_bytes()


def test_arguments_are_read_a_few_at_a_time_where_they_are_many(tmp_path, monkeypatch):
    whole = build(project(tmp_path / "whole", NESTED))
    monkeypatch.setattr("sqlfeat.engine.duckdb.transformed.MOST_NUMBERS", 1)
    one_by_one = build(project(tmp_path / "pieces", NESTED))

    assert whole.manifest["transforms"] == one_by_one.manifest["transforms"]


# -- prediction --------------------------------------------------------------------------------------------------------

HOOK = """
    import lightgbm
    from sqlfeat import trainer

    @trainer(training_set='wanted', params={'seed': 7, 'verbosity': -1, 'num_threads': 1, 'min_data_in_leaf': 5})
    def buys(data, params):
        return lightgbm.train({**params, 'objective': 'binary'}, data.train.lightgbm(), num_boost_round=5)
"""


def inputs_equal(one, other, names):
    for name in names:
        assert repr(one[name].to_pylist()) == repr(other[name].to_pylist()), name


def test_training_equals_prediction(tmp_path):
    opened = project(tmp_path, NESTED, **{"hooks/buys.py": HOOK})
    with opened.project() as project_:
        version = project_.train("buys")
        built = project_.build_training_set("wanted")
        scored = pq.read_table(project_.predict("buys").path).sort_by("asked_id")
    with opened.project() as project_:
        again = assemble(project_._session, "wanted", transforms=version.transforms).sort_by("asked_id")
        given = asked().drop_columns(["bought"])
        asked_anew = assemble(project_._session, "wanted", rows=given, transforms=version.transforms)

    assert built.manifest["transforms"] == version.transforms
    test = rows_of(built, "test")
    later = again.filter(pc.is_in(again["asked_id"], test["asked_id"]))
    inputs_equal(test, later, [column.name for column in built.inputs])
    out_of_fold = {"rate"}
    train = rows_of(built, "train")
    learned = again.filter(pc.is_in(again["asked_id"], train["asked_id"]))
    inputs_equal(train, learned, [column.name for column in built.inputs if column.name not in out_of_fold])
    inputs_equal(again, asked_anew, [column.name for column in built.inputs])
    booster = lightgbm.Booster(model_str=next(version.path.glob("model.*")).read_text())
    expected = booster.predict(matrix(again, inputs_of(built.columns)))
    assert expected.tolist() == scored["prediction"].to_pylist()


def test_a_request_carries_what_arguments_read_and_no_label(tmp_path):
    listed = "{{ target_encode('a.channel') }} as rate, {{ standardize(feature('seen.spent')) }} as z, a.age"
    opened = project(tmp_path, listed)
    built = build(opened)
    with opened.project() as project_:
        needed = project_._session.training_set("wanted").training_set.needed
        with pytest.raises(RunError, match="'channel'") as missing:
            assemble(
                project_._session,
                "wanted",
                rows=asked(3).select(["customer", "asked_at", "age"]),
                transforms=built.manifest["transforms"],
            )

    assert {"customer", "channel", "age"} == set(needed)
    assert missing.value.code == "missing-request-column"


def test_a_training_set_with_transforms_is_not_assembled_without_parameters(tmp_path):
    opened = project(tmp_path, "{{ standardize('a.age') }} as z")

    with opened.project() as project_, pytest.raises(RunError) as refused:
        assemble(project_._session, "wanted")

    assert refused.value.code == "not-fitted"


# -- what is asked for -------------------------------------------------------------------------------------------------


def test_what_is_not_chosen_is_not_fitted(tmp_path):
    opened = project(tmp_path, NESTED)

    built = build(opened, features=["third", "via_*"])

    assert [column.name for column in built.inputs] == ["third", "via_app", "via_web"]
    assert {"standardize(double_age / 3)", "one_hot(a.channel)"} == set(built.manifest["transforms"])
    with opened.project() as project_:
        again = assemble(project_._session, "wanted", transforms=built.manifest["transforms"]).sort_by("asked_id")
    inputs_equal(rows_of(built), again, ["third", "via_app", "via_web"])


def test_a_sample_is_fitted_on_its_own_train_rows(tmp_path):
    opened = project(tmp_path, "{{ standardize('a.age') }} as z")

    built = build(opened, sample=0.5)

    assert built.splits["train"] == built.manifest["transforms"]["standardize(a.age)"]["rows"] < 150


def test_passed_through_outputs_may_be_transformed_and_keys_may_not(tmp_path):
    listed = "{{ standardize('a.age') }} as z, {{ ordinal('a.channel') }} as code"
    built = build(project(tmp_path / "one", listed, config=f"passthrough=['z'], {SPLIT}"))
    opened = project(tmp_path / "other", listed, config=f"weight='z', {SPLIT}")

    assert next(column.role for column in built.columns if column.name == "z") == "passthrough"
    assert error_of(opened.root).code == "transform-role"


def test_a_split_by_what_is_fitted_on_it_is_refused(tmp_path):
    config = "split={'by': 'hash', 'train': 0.8, 'test': 0.2, 'stratify': 'code'}"
    opened = project(tmp_path, "{{ ordinal('a.channel') }} as code", config=config)

    with pytest.raises(ProjectError) as refused:
        build(opened)

    assert refused.value.code == "transform-cycle"


# -- folds -------------------------------------------------------------------------------------------------------------


def test_each_fold_is_fitted_on_its_own_train(tmp_path):
    listed = """
        a.age, {{ standardize('age') }} as z, {{ one_hot('a.channel') }} as via,
        {{ target_encode('a.channel', smooth=1) }} as rate
    """
    config = "split={'by': 'folds', 'folds': 2, 'test': '5 days'}"

    built = build(project(tmp_path, listed, config=config))

    data = TrainingData(built)
    assert len(data.folds) == 2
    for fold in data.folds:
        learned = numbers(fold.train.arrow(), "z")
        assert pytest.approx(np.nanmean(learned), abs=1e-12) == 0.0
        assert pytest.approx(np.nanstd(learned), rel=1e-12) == 1.0
        ages, tested = numbers(fold.train.arrow(), "age"), fold.test.arrow()
        expected = (numbers(tested, "age") - np.nanmean(ages)) / np.nanstd(ages)
        assert expected.ravel().tolist() == pytest.approx(numbers(tested, "z").ravel().tolist(), nan_ok=True)
    whole = numbers(data.train.arrow(), "z")
    assert pytest.approx(np.nanmean(whole), abs=1e-12) == 0.0
    told = [fold["transforms"]["standardize(age)"]["parameters"] for fold in built.folds]
    assert told[0] != told[1] != built.manifest["transforms"]["standardize(age)"]["parameters"]
    assert [column.name for column in built.inputs] == ["age", "z", "via_app", "via_late", "via_web", "rate"]


# -- check, verify, explain, lineage, diff -----------------------------------------------------------------------------


def verdicts(opened):
    with opened.project() as project_:
        checked = next(model for model in project_.check().models if model.name == "wanted")
    return {column.name: (column.verdict, [p.finding.rule for p in column.problems]) for column in checked.columns}


def test_an_output_is_as_safe_as_what_its_transforms_read(tmp_path):
    whole = "avg(spent) over (partition by customer) as later"
    files = {
        "models/seen.sql": f"""
            {{{{ config(materialized='feature_view', entity='customer', event_time='visited_at') }}}}
            select customer, visited_at, spent, shop, {whole} from {{{{ source('raw', 'visits') }}}}
        """
    }
    listed = """
        {{ standardize(feature('seen.spent')) }} as good, {{ standardize(impute(feature('seen.later'))) }} as bad,
        {{ target_encode(feature('seen.shop')) }} as rate, {{ one_hot(feature('seen.later') ~ '::int') }} as hot,
        {{ fitted('max(a.age)') }} as most, a.age - {{ fitted("avg(" ~ feature('seen.later') ~ ")") }} as apart
    """

    found = verdicts(project(tmp_path, listed, **files))

    assert ("safe", []) == found["good"] == found["rate"] == found["most"]
    assert "unsafe" == found["bad"][0] == found["hot_*"][0] == found["apart"][0]
    assert "fit-outside-train" not in found["bad"][1]


def test_what_reads_the_time_of_the_run_stays_unsafe(tmp_path):
    found = verdicts(project(tmp_path, "{{ standardize(\"date_diff('day', a.asked_at, now())\") }} as days"))

    assert found["days"] == ("unsafe", ["clock"])


def test_verify_compares_what_transforms_read(tmp_path):
    with project(tmp_path, NESTED).project() as project_:
        found = next(model for model in project_.verify(at=[day(12)]).models if model.name == "wanted")

    assert found.verdict == "same"


def test_explain_shows_values_by_the_parameters_that_are_kept(tmp_path):
    opened = project(tmp_path, NESTED)
    with opened.project() as project_:
        before = {output.name: output for output in project_.explain("wanted", "201").outputs}
        built = project_.build_training_set("wanted")
        after = {output.name: output for output in project_.explain("wanted", "201").outputs}

    row = next(row for row in rows_of(built).to_pylist() if row["asked_id"] == 201)
    assert before["calm"].value is None
    for name in ("calm", "mixed", "less", "rate", "bucket", "double_age"):
        assert row[name] == after[name].value
    assert after["calm"].sql == "standardize(impute(clip_outliers(spent, low=0.05, high=0.95), strategy='median'))"
    assert after["calm"].features == ("seen.spent",)


def test_lineage_leads_through_transforms(tmp_path):
    with project(tmp_path, NESTED).project() as project_:
        tree = project_.lineage("wanted.calm")

    (column,) = tree.columns
    assert [step.name for step in column.steps if step.via == "direct"] == ["seen.spent"]
    assert "standardize(impute(clip_outliers(" in column.expression


def test_sets_of_other_options_differ_by_their_sql(tmp_path):
    opened = project(tmp_path, "{{ quantile_bin('a.age', bins=4) }} as x, {{ one_hot('a.channel') }} as via")
    build(opened)
    opened.change({"models/wanted.sql": LISTED % (SPLIT, "{{ quantile_bin('a.age', bins=5) }} as x")})
    build(opened)

    with opened.project() as project_:
        found = diff(project_._session, "wanted")

    assert list(found.gone_columns) == ["via_app", "via_web"]
    assert [cell.column for cell in found.cells] == ["x"]
    assert any("quantile_bin" in reason.text for reason in found.reasons)


def test_levels_of_one_hot_must_not_meet_another_output(tmp_path):
    opened = project(tmp_path, "{{ one_hot('a.channel') }} as via, a.age as via_web")

    with pytest.raises(ProjectError) as refused:
        build(opened)

    assert refused.value.code == "duplicate-output"
    assert "{{ one_hot('a.channel') }} as via" in refused.value.where.text


def test_without_transforms_nothing_is_said_of_them(tmp_path):
    built = build(project(tmp_path, "a.age"))

    assert built.manifest["transforms"] == {}
    assert replace(built, manifest={}).inputs == built.inputs
