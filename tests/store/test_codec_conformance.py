"""What holds for every model that is kept, whatever library made it."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from sqlfeat.base.packages import EXTRAS
from sqlfeat.errors import SqlfeatError, StoreError
from sqlfeat.store.codecs import CODECS, Codec, codec_for, codec_named, decode, predict, refuse_other_predictions
from sqlfeat.store.codecs.codec import Explaining
from sqlfeat.store.signature import PROBABILITIES, Floats, Input, InputRows
from tests.made.trained_models import CASES, INPUTS, Case, table

every_model = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.codec}-{case.name}")
FIRST = [next(case for case in CASES if case.codec == codec.name) for codec in CODECS]
first_of_each = pytest.mark.parametrize("case", FIRST, ids=lambda case: case.codec)
IMPORTED = {"lightgbm": "lightgbm", "xgboost": "xgboost", "catboost": "catboost", "sklearn": "sklearn", "onnx": "onnx"}


@cache
def returned(case: Case) -> Any:
    """The model as a hook returns it."""
    return case.make()


@cache
def kept(case: Case) -> bytes:
    return codec_for(returned(case)).encode(returned(case))


def read(case: Case) -> Any:
    return decode(codec_named(case.codec), kept(case), hashlib.sha256(kept(case)).hexdigest())


def test_every_codec_has_cases():
    assert {case.codec for case in CASES} == {codec.name for codec in CODECS}


@every_model
def test_it_is_matched_by_its_own_codec_alone(case):
    assert codec_for(returned(case)).name == case.codec
    others = [codec.name for codec in CODECS if codec.name not in (case.codec, "sklearn")]
    assert [codec_named(name).matches(returned(case)) for name in others] == [False] * len(others)


@every_model
def test_what_is_read_predicts_the_same_bits(case):
    codec, again = codec_named(case.codec), read(case)
    inputs = codec.arrange(again, INPUTS)

    refuse_other_predictions(codec, returned(case), again, inputs, table())
    found = predict(codec, again, inputs, table())

    assert [one.name for one in inputs] == list(case.takes)
    assert found.dtype == np.float64
    assert len(np.unique(found, axis=0)) > 1 or case.codec == "source"
    own = codec.reference(returned(case), InputRows(table(), inputs))
    if own is not None:
        np.testing.assert_array_equal(own, found)


@every_model
def test_each_row_is_predicted_as_it_is_alone(case, monkeypatch):
    monkeypatch.setattr("sqlfeat.store.codecs.ROWS_AT_ONCE", 1)
    codec, again = codec_named(case.codec), read(case)
    inputs = codec.arrange(again, INPUTS)
    few = table().slice(0, 12)

    together = codec.predict(again, InputRows(few, inputs))

    np.testing.assert_allclose(predict(codec, again, inputs, few), together, rtol=1e-12)


@every_model
def test_no_rows_give_no_predictions_in_the_right_shape(case):
    codec, again = codec_named(case.codec), read(case)
    kind, classes = codec.output(again)

    found = predict(codec, again, codec.arrange(again, INPUTS), table().slice(0, 0))

    assert found.shape == ((0, classes) if kind == PROBABILITIES else (0,))


@every_model
def test_output_and_classes_are_known(case):
    codec = codec_named(case.codec)
    kind, count = codec.output(read(case))

    assert kind == case.output
    assert codec.classes(returned(case)) == case.classes
    assert case.classes is None or count in (0, len(case.classes))
    json.dumps(case.classes)


@every_model
def test_importances_belong_to_the_inputs(case):
    codec, again = codec_named(case.codec), read(case)
    found = codec.importances(again)

    assert tuple(found) == case.importances
    for values in found.values():
        assert len(values) == len(codec.arrange(again, INPUTS))
        assert all(isinstance(value, float) and np.isfinite(value) for value in values)
        assert any(values)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if isinstance(codec_named(case.codec), Explaining)],
    ids=lambda case: f"{case.codec}-{case.name}",
)
def test_what_each_input_adds_makes_the_raw_score(case):
    codec, again = codec_named(case.codec), read(case)
    inputs = codec.arrange(again, INPUTS)
    found = predict(codec, again, inputs, table())

    added = codec.contributions(again, InputRows(table(), inputs))

    outputs = found.shape[1] if found.ndim > 1 else 1
    assert added.shape == (table().num_rows, outputs, len(inputs) + 1)
    assert np.corrcoef(added.sum(axis=2)[:, -1], found if outputs == 1 else found[:, -1])[0, 1] > 0.8


@every_model
def test_the_same_training_gives_the_same_bytes(case):
    again = case.make()

    assert hashlib.sha256(codec_named(case.codec).encode(again)).digest() == hashlib.sha256(kept(case)).digest()


@every_model
def test_none_of_200_damaged_copies_reaches_the_library(case, monkeypatch):
    codec = codec_named(case.codec)
    monkeypatch.setattr(type(codec), "decode", lambda self, data: pytest.fail("the library saw them"))
    data, sha256 = kept(case), hashlib.sha256(kept(case)).hexdigest()

    for damaged in mutations(data, 200):
        with pytest.raises(StoreError, match="damaged"):
            decode(codec, damaged, sha256)


@pytest.mark.parametrize("name", ["pipeline", "histogram", "probability"])
def test_damage_under_a_right_hash_is_told_or_harmless_where_we_read_the_form_ourselves(name):
    case = next(case for case in CASES if case.name == name)
    codec = codec_named(case.codec)
    inputs = codec.arrange(read(case), INPUTS)
    expected = predict(codec, read(case), inputs, table())
    codes = [
        code_or_same(codec, damaged, inputs, expected)
        for damaged in mutations(kept(case), 200 if name == "probability" else 60)
    ]

    assert set(codes) <= {"unreadable-model", "foreign-type", "prediction-failed", "same"}
    assert codes.count("unreadable-model") > 20


def code_or_same(codec: Codec, damaged: bytes, inputs: Sequence[Input], expected: Floats) -> str:
    """The code of the error that damaged bytes give, or that they do what they should."""
    try:
        found = predict(codec, codec.decode(damaged), inputs, table())
    except SqlfeatError as error:
        return error.code
    return "same" if np.array_equal(found, expected) else "other predictions"


def mutations(data: bytes, count: int) -> list[bytes]:
    """Copies with a byte changed, a piece cut out, or the end cut off."""
    random = np.random.default_rng(11)
    found = []
    for number in range(count):
        copy = bytearray(data)
        place = int(random.integers(0, len(copy)))
        if number % 4 < 2:
            copy[place] ^= int(random.integers(1, 256))
        elif number % 4 == 2:
            del copy[place:]
        else:
            del copy[place : place + int(random.integers(1, 64))]
        found.append(bytes(copy))
    return found


@pytest.mark.parametrize("case", [case for case in FIRST if case.codec in IMPORTED], ids=lambda case: case.codec)
def test_a_missing_library_says_which_extra_brings_it(case, monkeypatch):
    package = IMPORTED[case.codec]
    data = kept(case)
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(StoreError, match=f"The package {package} is not installed") as caught:
        codec_named(case.codec).decode(data)

    assert caught.value.hint == f"pip install 'sqlfeat[{EXTRAS[package]}]'."


@first_of_each
def test_no_file_holds_a_pickle(case):
    assert b"\x80\x04\x95" not in kept(case)
    if kept(case)[:2] == b"PK":
        import zipfile

        with zipfile.ZipFile(io.BytesIO(kept(case))) as archive:
            assert {name.rpartition(".")[2] for name in archive.namelist()} <= {"json", "npy", "py", "bin"}


@every_model
def test_an_object_that_is_no_model_is_matched_by_none(case):
    strange = (None, {}, [1.0], "model", b"model", lambda rows: rows, np.zeros(3), table(), type(returned(case)))

    assert [codec_named(case.codec).matches(one) for one in strange] == [False] * len(strange)
