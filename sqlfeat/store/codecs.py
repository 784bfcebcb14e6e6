"""Trained models to bytes and back, without pickle.

Each library has one codec that knows its own durable text or binary form; :data:`CODECS` lists them, and a new
library is one more entry. Nothing here runs code that lies in the bytes, and no library sees bytes before their
SHA-256 is found right: a damaged model file ends a process instead of raising. The libraries are extras, so they are
imported inside functions only.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from sqlfeat.errors import HookError, StoreError
from sqlfeat.store.signature import PROBABILITIES, PROBABILITY, VALUE, Floats, Input, matrix

ROWS_AT_ONCE = 100_000
Importances = Mapping[str, Sequence[float]]


class Codec(Protocol):
    """What must be known of a library to keep its models."""

    name: str
    """What versions call it."""
    file: str
    """The name of the file that holds the bytes."""
    keeps: str
    """What it can keep, for people."""
    package: str
    """The package that reads it again."""

    def matches(self, model: object) -> bool:
        """Whether this is a model of that library; does not import it."""
        ...

    def encode(self, model: Any) -> bytes:
        """The model's bytes; equal models give equal bytes."""
        ...

    def decode(self, data: bytes) -> Any:
        """The model of these bytes, which must have been verified."""
        ...

    def arrange(self, model: Any, inputs: Sequence[Input]) -> tuple[Input, ...]:
        """Those of the inputs that a decoded model takes, in its order."""
        ...

    def output(self, model: Any) -> tuple[str, int]:
        """The kind of a decoded model's output (``store.signature``) and its number of classes, 0 for a value."""
        ...

    def classes(self, model: Any) -> tuple[Any, ...] | None:
        """The labels of the classes where the returned object itself knows them."""
        ...

    def predict(self, model: Any, matrix: Floats) -> Floats:
        """A number for each row, or a row of probabilities for each row."""
        ...

    def importances(self, model: Any) -> Importances:
        """Kind of importance -> a number for each input of a decoded model, in its order."""
        ...


class LightGBM:
    """LightGBM's boosters in their text form; its scikit-learn estimators by the booster in them."""

    name = "lightgbm"
    file = "model.txt"
    keeps = "a lightgbm Booster, LGBMClassifier, LGBMRegressor or LGBMRanker"
    package = "lightgbm"

    def matches(self, model: object) -> bool:
        ours = {"Booster", "LGBMModel"}
        return any(kind.__module__.startswith("lightgbm.") and kind.__name__ in ours for kind in type(model).__mro__)

    def encode(self, model: Any) -> bytes:
        booster = model if hasattr(model, "model_to_string") else getattr(model, "booster_", None)
        if booster is None:
            raise HookError("hook-bad-result", f"The {type(model).__name__} that the hook returned was never fitted.")
        return str(booster.model_to_string()).encode()

    def decode(self, data: bytes) -> Any:
        library = _library("lightgbm")
        try:
            return library.Booster(model_str=data.decode())
        except library.basic.LightGBMError as error:
            raise StoreError(
                "unreadable-model",
                f"LightGBM {library.__version__} cannot read this model: {error}.",
                hint="which version wrote it is in version.json.",
            ) from error

    def arrange(self, model: Any, inputs: Sequence[Input]) -> tuple[Input, ...]:
        names = model.feature_name()
        known = dict(zip(lightgbm_names([one.name for one in inputs]), inputs, strict=True))
        if all(name in known for name in names):
            return tuple(known[name] for name in names)
        if len(names) == len(inputs) and names == [f"Column_{position}" for position in range(len(names))]:
            return tuple(inputs)
        strange = [name for name in names if name not in known]
        raise HookError(
            "hook-bad-result",
            f"The model takes {len(names)} inputs, and {', '.join(strange[:5])} is none of the training set's inputs.",
            hint="train on what data.train gives: its inputs under their names, or all of them in their order.",
        )

    def output(self, model: Any) -> tuple[str, int]:
        header = dict(re.findall(r"^(objective|num_class)=(\S+)", model.model_to_string(num_iteration=1), re.MULTILINE))
        objective = header.get("objective", "")
        if objective in ("binary", "cross_entropy"):
            return PROBABILITY, 2
        if objective in ("multiclass", "multiclassova"):
            return PROBABILITIES, int(header["num_class"])
        return VALUE, 0

    def classes(self, model: Any) -> tuple[Any, ...] | None:
        found = getattr(model, "classes_", None)
        return None if found is None else tuple(np.asarray(found).tolist())

    def predict(self, model: Any, matrix: Floats) -> Floats:
        found = np.asarray(model.predict(matrix), dtype=np.float64)
        classes = model.num_model_per_iteration()
        return found.reshape(len(matrix), classes) if classes > 1 else found.reshape(len(matrix))

    def importances(self, model: Any) -> Importances:
        return {
            kind: [float(value) for value in model.feature_importance(importance_type=kind)]
            for kind in ("gain", "split")
        }


CODECS: tuple[Codec, ...] = (LightGBM(),)


def codec_for(model: object) -> Codec:
    """The codec that keeps this object."""
    for codec in CODECS:
        if codec.matches(model):
            return codec
    returned = "nothing (None)" if model is None else f"a {type(model).__module__}.{type(model).__qualname__}"
    raise HookError(
        "hook-bad-result",
        f"The hook returned {returned}, which cannot be kept.",
        hint=f"return {' or '.join(codec.keeps for codec in CODECS)}.",
    )


def codec_named(name: str) -> Codec:
    """The codec that a version names."""
    for codec in CODECS:
        if codec.name == name:
            return codec
    known = ", ".join(codec.name for codec in CODECS)
    raise StoreError(
        "unknown-codec", f"A model is kept as {name!r}; this sqlfeat reads {known}.", hint="update sqlfeat."
    )


def decode(codec: Codec, data: bytes, sha256: str) -> Any:
    """The model of these bytes, which the library sees only if their SHA-256 is this one."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreError(
            "damaged-version", f"The bytes of a {codec.name} model are damaged: their SHA-256 does not match."
        )
    return codec.decode(data)


def predict(codec: Codec, model: Any, inputs: Sequence[Input], table: pa.Table) -> Floats:
    """What a decoded model gives for the rows of a table, a bounded number of them at a time in memory."""
    starts = range(0, max(table.num_rows, 1), ROWS_AT_ONCE)
    parts = [codec.predict(model, matrix(table.slice(start, ROWS_AT_ONCE), inputs)) for start in starts]
    return np.concatenate(parts)


def lightgbm_names(names: Sequence[str]) -> list[str]:
    """The names as LightGBM takes them: without blanks and the characters of JSON, and unique still."""
    plain: list[str] = []
    for name in names:
        base = candidate = re.sub(r'[\s",:\[\]{}]', "_", name)
        number = 2
        while candidate in plain:
            candidate, number = f"{base}_{number}", number + 1
        plain.append(candidate)
    return plain


def let_waiting_threads_sleep() -> None:
    """Ask OpenMP not to spin; before LightGBM is imported.

    Spinning threads that share their cores with other work wait for each other for tens of seconds instead of two.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _library(package: str) -> Any:
    let_waiting_threads_sleep()
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise StoreError(
            "missing-package",
            f"The package {package} is not installed.",
            hint=f"pip install 'sqlfeat[{package}]'.",
        ) from error
