"""What must be known of a library to keep its models, and what all codecs need: the library itself, the inputs' order.

A codec turns a trained model into bytes and back without pickle. The libraries are extras, so they are imported
inside functions only, and none is imported to find out whether a model is one of its own.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from sqlfeat.base.packages import install_hint
from sqlfeat.errors import HookError, StoreError
from sqlfeat.store.signature import Floats, Input, InputRows

Importances = Mapping[str, Sequence[float]]


class Codec(Protocol):
    """What must be known of a library to keep its models."""

    name: str
    """What versions call it."""
    file: str
    """The name of the file that holds the bytes."""
    keeps: str
    """What it can keep, for people."""

    @property
    def package(self) -> str:
        """The distribution that reads it again, whose version is kept with the model's."""
        ...

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
        """The kind of a decoded model's output (``store.signature``) and its number of classes, 0 where it has none."""
        ...

    def classes(self, model: Any) -> tuple[Any, ...] | None:
        """The labels of the classes where the returned object itself knows them."""
        ...

    def predict(self, model: Any, rows: InputRows) -> Floats:
        """Of a decoded model and at least one row: a number for each, or a row of probabilities for each."""
        ...

    def reference(self, model: Any, rows: InputRows) -> Floats | None:
        """What the returned object itself says of these rows, in the same shape; None where it cannot be asked."""
        ...

    def importances(self, model: Any) -> Importances:
        """Kind of importance -> a number for each input of a decoded model, in its order."""
        ...


@runtime_checkable
class Explaining(Codec, Protocol):
    """A codec of a library that can say what each input adds to a prediction."""

    def contributions(self, model: Any, rows: InputRows) -> Floats:
        """What each input adds to the raw score of each row and output, and after them what it is without any."""
        ...


def library(package: str) -> Any:
    """The library of that name, or an error that says how to get it."""
    let_waiting_threads_sleep()
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise StoreError(
            "missing-package", f"The package {package} is not installed.", hint=f"{install_hint(package)}."
        ) from error


def installed_version(distribution: str) -> str | None:
    """The version of a distribution, None where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def let_waiting_threads_sleep() -> None:
    """Ask OpenMP not to spin; before a library that uses it is imported.

    Spinning threads that share their cores with other work wait for each other for tens of seconds instead of two.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def is_kind(model: object, package: str, names: set[str]) -> bool:
    """Whether the object is of one of these classes of a package, told by names alone."""
    return any(kind.__module__.partition(".")[0] == package and kind.__name__ in names for kind in type(model).__mro__)


def never_fitted(model: object) -> HookError:
    """The error of a model that has not learned anything."""
    return HookError("hook-bad-result", f"The {type(model).__name__} that the hook returned was never fitted.")


def arranged(
    names: Sequence[str] | None,
    count: int,
    inputs: Sequence[Input],
    known_as: Callable[[Sequence[str]], Sequence[str]] = list,
    unnamed: str | None = None,
) -> tuple[Input, ...]:
    """The inputs in the order of a model that takes ``count`` of them, under these names or by position.

    ``known_as`` tells how the library calls inputs of these names, ``unnamed`` how it calls the one at a position
    (``'Column_{}'``) where it was given no names.
    """
    if names is not None:
        known = dict(zip(known_as([one.name for one in inputs]), inputs, strict=True))
        if all(name in known for name in names):
            return tuple(known[name] for name in names)
    positions = None if unnamed is None else [unnamed.format(position) for position in range(count)]
    if count == len(inputs) and (names is None or list(names) == positions):
        return tuple(inputs)
    ours = {one.name for one in inputs}
    strange = [name for name in names or () if name not in ours]
    said = f", and {', '.join(strange[:5])} is none of the training set's inputs" if strange else ""
    raise HookError(
        "hook-bad-result",
        f"The model takes {count} inputs{said}." if said else f"The model takes {count} inputs of {len(inputs)}.",
        hint="train on what data.train gives: its inputs under their names, or all of them in their order.",
    )


def plain_names(names: Sequence[str], forbidden: str = r'[\s",:\[\]{}]') -> list[str]:
    """The names without characters that a library does not take, and unique still; by default those of LightGBM."""
    plain: list[str] = []
    for name in names:
        base = candidate = re.sub(forbidden, "_", name)
        number = 2
        while candidate in plain:
            candidate, number = f"{base}_{number}", number + 1
        plain.append(candidate)
    return plain
