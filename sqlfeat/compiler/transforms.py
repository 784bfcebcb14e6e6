"""The transforms that a training set may fit: their options, what they take and give, and their SQL.

A transform is fitted on the train split and replayed everywhere as one SQL expression over its argument, which is
called ``x`` here, and the parameters that were fitted. How parameters are found is the engine's business
(``engine/duckdb/fitting.py``); where transforms stand in a SELECT is told by ``fitted_select``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlfeat.base.names import did_you_mean, literal
from sqlfeat.compiler.mistakes import Misplaced

NUMBER, CATEGORY, VALUE, AGGREGATE = "number", "category", "value", "aggregate"
"""What transforms take: a number, a value of few, either of them, or the text of an aggregate."""
PLACE = "__sqlfeat_place"
"""The engine's function for a value's place in a dictionary, 0 where it has none: list_position for any size."""
MOST_BINS = 256
MOST_COLUMNS = 1_000
MOST_FOLDS = 100
INTEGERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
)  # fmt: skip
_FLOATS = ("FLOAT", "DOUBLE")
_TEXTS = ("VARCHAR", "ENUM")
_CATEGORIES = (*_TEXTS, *INTEGERS, "BOOLEAN", "DATE", "UUID", "DECIMAL")
_SALT = "chr(31)"
_IN_DOUBLE = "cast('nan' as double)"


class BadArgument(Exception):  # becomes a ProjectError at the transform's place
    """What a transform is given is nothing that it can take."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


# -- options -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Option:
    """An option of a transform: what it is by default, and what says whether a value is one (None: it is)."""

    default: Any
    wrong: Callable[[Any], str | None]


def _number(value: Any) -> str | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return None if fits else "is a finite number"


def _quantile(value: Any) -> str | None:
    return None if _number(value) is None and 0 <= value <= 1 else "is a quantile from 0 to 1"


def _not_negative(value: Any) -> str | None:
    return None if _number(value) is None and value >= 0 else "is a number that is not negative"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "is true or false"


def _whole(least: int, most: int) -> Callable[[Any], str | None]:
    def wrong(value: Any) -> str | None:
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return None if fits else f"is a whole number from {least} to {most:,}"

    return wrong


def _code(value: Any) -> str | None:
    return None if value is None else _whole(-(2**31), 2**31 - 1)(value) and "is a whole number, or none"


def _one_of(*names: str) -> Callable[[Any], str | None]:
    def wrong(value: Any) -> str | None:
        known = ", ".join(repr(name) for name in names)
        return None if value is None or value in names else f"is one of {known}"

    return wrong


def _levels(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value or not all(isinstance(v, str | int) for v in value):
        return "is a list of the levels, texts or whole numbers"
    return "names a level twice" if len({text_of_level(v) for v in value}) < len(value) else None


def _constant(value: Any) -> str | None:
    return None if isinstance(value, str) or value is None or isinstance(value, bool) else _number(value)


def text_of_level(value: Any) -> str:
    """A level as the text that the engine casts it to."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Kind:
    """One kind of transform: what it takes, its options by name in their order, and what it is good for."""

    name: str
    takes: str
    options: Mapping[str, Option] = field(default_factory=dict)


_MISSING = object()
STRATEGIES = ("mean", "median", "constant", "most_frequent")
KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("standardize", NUMBER),
        Kind("min_max", NUMBER, {"low": Option(0, _number), "high": Option(1, _number), "clip": Option(False, _flag)}),
        Kind("robust_scale", NUMBER, {"low": Option(0.25, _quantile), "high": Option(0.75, _quantile)}),
        Kind("impute", VALUE, {"strategy": Option(None, _one_of(*STRATEGIES)), "value": Option(None, _constant)}),
        Kind("one_hot", CATEGORY, {
            "levels": Option(None, _levels),
            "max_levels": Option(100, _whole(1, MOST_COLUMNS)),
            "null": Option(False, _flag),
        }),
        Kind("ordinal", CATEGORY, {
            "levels": Option(None, _levels), "unknown": Option(-1, _code), "null": Option(None, _code),
        }),
        Kind("quantile_bin", NUMBER, {"bins": Option(10, _whole(2, MOST_BINS))}),
        Kind("clip_outliers", NUMBER, {"low": Option(0.01, _quantile), "high": Option(0.99, _quantile)}),
        Kind("hash_bucket", CATEGORY, {
            "buckets": Option(_MISSING, _whole(1, 2**31 - 1)), "seed": Option(0, _whole(0, 2**63 - 1)),
        }),
        Kind("target_encode", CATEGORY, {
            "smooth": Option(10, _not_negative),
            "folds": Option(5, _whole(2, MOST_FOLDS)),
            "seed": Option(0, _whole(0, 2**63 - 1)),
        }),
        Kind("fitted", AGGREGATE),
    )
}  # fmt: skip


def read_options(name: str, given: Sequence[Any], named: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """All options of a call, by position or by name as in Python; raises :class:`Misplaced`."""
    kind = KINDS[name]
    if len(given) > len(kind.options):
        most = f"at most {len(kind.options)} options" if kind.options else "no options"
        raise Misplaced("bad-transform", f"{name}() takes {most} after what it is of.", name, signature(name))
    options = dict(zip(kind.options, given, strict=False))
    for option, value in named.items():
        if option not in kind.options:
            known = did_you_mean(option, kind.options)
            raise Misplaced("bad-transform", f"{name}() has no option {option!r}.", option, known or signature(name))
        if option in options:
            raise Misplaced("bad-transform", f"{name}() is given {option!r} twice.", option, signature(name))
        options[option] = value
    for option, about in kind.options.items():
        value = options.setdefault(option, about.default)
        if value is _MISSING:
            raise Misplaced("bad-transform", f"{name}() needs {option}=.", name, signature(name))
        wrong = about.wrong(value)
        if wrong is not None:
            hint = did_you_mean(value, STRATEGIES) if option == "strategy" and isinstance(value, str) else None
            what = f"In {name}(), {option} {wrong}" + (f", not {value!r}." if wrong.startswith("is ") else ".")
            raise Misplaced("bad-transform", what, str(value), hint or signature(name))
    found = {option: options[option] for option in kind.options}
    _refuse_contradictions(name, found)
    return tuple((option, _plain(value)) for option, value in found.items())


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _refuse_contradictions(name: str, options: dict[str, Any]) -> None:
    if "low" in options and options["low"] >= options["high"]:
        what = f"{name}() goes from low to high, and {options['low']} is not less than {options['high']}."
        raise Misplaced("bad-transform", what, name, signature(name))
    if name != "impute":
        return
    options["strategy"] = options["strategy"] or ("mean" if options["value"] is None else "constant")
    if (options["strategy"] == "constant") != (options["value"] is not None):
        needs = "needs value=" if options["strategy"] == "constant" else "takes no value="
        hint = "impute('x', strategy='constant', value=0)"
        what = f"impute() with the strategy {options['strategy']!r} {needs}."
        raise Misplaced("bad-transform", what, options["strategy"], hint)


def signature(name: str) -> str:
    """How a transform is called."""
    options = []
    for option, about in KINDS[name].options.items():
        options.append(option if about.default is _MISSING else f"{option}={about.default!r}")
    return f"{name}({', '.join(['x', *options])})"


def written(name: str, argument: str, options: Sequence[tuple[str, Any]]) -> str:
    """A call as it was written, but for options that are what they are by default."""
    said = []
    for option, value in options:
        if value != KINDS[name].options[option].default:
            said.append(f"{option}={list(value) if isinstance(value, tuple) else value!r}")
    return f"{name}({', '.join([argument, *said])})"


# -- types -------------------------------------------------------------------------------------------------------------


def is_number(type_name: str) -> bool:
    numbers = (*INTEGERS, *_FLOATS, "BOOLEAN", "DECIMAL")
    return type_name.startswith(numbers) and "[" not in type_name


def result_type(name: str, options: Mapping[str, Any], type_name: str) -> str:
    """The type of what a transform gives for an argument of a type; raises :class:`BadArgument`."""
    kind = KINDS[name]
    if kind.takes == NUMBER:
        if not is_number(type_name):
            raise BadArgument(f"{name}() takes a number, and this is {type_name}", _other(type_name))
        return "INTEGER" if name == "quantile_bin" else "DOUBLE"
    if kind.takes == CATEGORY:
        if not type_name.startswith(_CATEGORIES) or "[" in type_name:
            raise BadArgument(
                f"{name}() takes a category, and this is {type_name}", "cast it to text, or to a whole number."
            )
        return {"one_hot": "UTINYINT", "target_encode": "DOUBLE"}.get(name, "INTEGER")
    if kind.takes == AGGREGATE:
        if "[" in type_name or "(" in type_name.removeprefix("DECIMAL") or type_name.startswith(("STRUCT", "MAP")):
            raise BadArgument(f"fitted() takes an aggregate that gives one value, and this gives {type_name}")
        return type_name
    return _imputed(options, type_name)


def _other(type_name: str) -> str | None:
    return "ordinal() or target_encode() make a number of a category." if type_name.startswith(_TEXTS) else None


def _imputed(options: Mapping[str, Any], type_name: str) -> str:
    strategy, value = options["strategy"], options["value"]
    is_text = type_name.startswith(_TEXTS) and "[" not in type_name
    if not is_text and not is_number(type_name):
        raise BadArgument(f"impute() takes a number or a text, and this is {type_name}")
    if is_text and strategy in ("mean", "median"):
        hint = "impute('x', strategy='most_frequent'), or strategy='constant', value='…'."
        raise BadArgument(f"impute() takes the {strategy} of numbers, and this is {type_name}", hint)
    if value is not None and is_text != isinstance(value, str):
        raise BadArgument(f"impute() puts {value!r} into what is {type_name}", "give a value of the column's own type.")
    if is_text:
        return "VARCHAR"
    keeps = strategy == "most_frequent" or type(value) is (bool if type_name == "BOOLEAN" else int)
    return type_name if keeps and type_name.startswith((*INTEGERS, "BOOLEAN")) else "DOUBLE"


def taken_as(name: str, gives: str) -> str:
    """The type as which a transform takes its argument."""
    takes = KINDS[name].takes
    return gives if takes in (VALUE, AGGREGATE) else "DOUBLE" if takes == NUMBER else "VARCHAR"


def parameter_type(name: str, gives: str) -> str:
    """The type of a transform's parameters."""
    return {"one_hot": "VARCHAR", "impute": gives, "fitted": gives}.get(name, "DOUBLE")


def stand_in(name: str, gives: str, sql: str) -> str:
    """An expression of the right type that reads what the transform reads: what it is as long as nothing is fitted."""
    if taken_as(name, gives) == gives and KINDS[name].takes != AGGREGATE:
        return f"cast(({sql}) as {gives})"
    return f"try_cast(cast(hash({sql or 0}) % 100 as varchar) as {gives})"


# -- expressions -------------------------------------------------------------------------------------------------------


class Spelling(Protocol):
    """How an expression writes the parameters that it reads."""

    def one(self, name: str) -> str:
        """A parameter."""

    def item(self, name: str, number: int) -> str:
        """One of a list, the first being 1."""

    def picked(self, name: str, place: str) -> str:
        """The one of a list that stands at a place."""

    def place(self, name: str, x: str) -> str:
        """The place of a value in a list, the first being 1; null where it is not in it."""


class Named:
    """Parameters by their names: the expression as it is kept and shown."""

    def one(self, name: str) -> str:
        return name

    def item(self, name: str, number: int) -> str:
        return f"{name}[{number}]"

    def picked(self, name: str, place: str) -> str:
        return f"{name}[{place}]"

    def place(self, name: str, x: str) -> str:
        return f"list_position({name}, {x})"


@dataclass(frozen=True)
class Valued:
    """Parameters as literals: the expression as it is run. ``dictionaries`` gets lists that places are sought in."""

    parameters: Mapping[str, Any]
    type: str
    dictionaries: dict[str, tuple[str, ...]]

    def one(self, name: str) -> str:
        return spelled(self.parameters[name], self.type)

    def item(self, name: str, number: int) -> str:
        return spelled(self.parameters[name][number - 1], self.type)

    def picked(self, name: str, place: str) -> str:
        values = ", ".join("null" if value is None else f"'{value!r}'" for value in self.parameters[name])
        return f"(cast([{values}] as {self.type}[]))[{place}]"

    def place(self, name: str, x: str) -> str:
        levels = tuple(self.parameters[name])
        mark = hashlib.sha256("\x1f".join(levels).encode()).hexdigest()[:16]
        self.dictionaries[mark] = levels
        return f"nullif({PLACE}({x}, {literal(mark)}), 0)"


def spelled(value: Any, type_name: str) -> str:
    """A parameter as SQL: through text, which the engine reads to the last bit."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"cast({'null' if value is None else literal(text)} as {type_name})"


def expression(
    name: str, options: Mapping[str, Any], gives: str, parameters: Mapping[str, Any], spelling: Spelling, x: str = "x"
) -> str:
    """The SQL of a transform over its argument ``x`` (of one_hot: of the ``level`` among its parameters)."""
    if name in _SCALED:
        return _scaled(name, options, spelling, x)
    if name == "impute":
        present = f"nullif({x}, {_IN_DOUBLE})" if gives == "DOUBLE" else x
        return f"coalesce({present}, {spelling.one('value')})"
    if name == "one_hot":
        found = f"{x} is null" if parameters["level"] is None else f"coalesce({x} = {spelling.one('level')}, false)"
        return f"cast({found} as utinyint)"
    if name == "ordinal":
        code = f"coalesce({spelling.place('levels', x)} - 1, {_code_of(options['unknown'])})"
        return f"cast(case when {x} is null then {_code_of(options['null'])} else {code} end as integer)"
    if name == "quantile_bin":
        return _binned(parameters["edges"], spelling, x)
    if name == "clip_outliers":
        clipped = f"greatest({spelling.one('low')}, least({spelling.one('high')}, {x}))"
        return f"case when {x} is null or isnan({x}) then {x} else {clipped} end"
    if name == "hash_bucket":
        digest = f"substr(sha256({literal(str(options['seed']))} || {_SALT} || {x}), 1, 16)"
        return f"cast(cast('0x' || {digest} as ubigint) % {options['buckets']} as integer)"
    if name == "target_encode":
        known = f"coalesce({spelling.picked('values', spelling.place('levels', x))}, {spelling.one('prior')})"
        return f"case when {x} is null then {spelling.one('missing')} else {known} end"
    return spelling.one("value")


_SCALED = {"standardize": ("mean", "scale"), "min_max": ("min", "span"), "robust_scale": ("median", "span")}


def _scaled(name: str, options: Mapping[str, Any], spelling: Spelling, x: str) -> str:
    centre, scale = (spelling.one(parameter) for parameter in _SCALED[name])
    scaled = f"({x} - {centre}) / {scale}"
    if name != "min_max":
        return scaled
    low, high = (spelled(options[bound], "double") for bound in ("low", "high"))
    if (options["low"], options["high"]) != (0, 1):
        scaled = f"{scaled} * ({high} - {low}) + {low}"
    if not options["clip"]:
        return scaled
    known = f"{x} is not null and not isnan({x}) and {centre} is not null"
    return f"case when {known} then greatest({low}, least({high}, {scaled})) else {scaled} end"


def _binned(edges: Sequence[float] | None, spelling: Spelling, x: str) -> str:
    if edges is None:
        return "cast(null as integer)"
    cases = " ".join(f"when {x} < {spelling.item('edges', i + 1)} then {i}" for i in range(len(edges)))
    return f"cast(case when {x} is null or isnan({x}) then null {cases} else {len(edges)} end as integer)"


def _code_of(value: int | None) -> str:
    return "null" if value is None else str(value)


def level_names(prefix: str, levels: Sequence[str | None]) -> list[str]:
    """What the columns of a one_hot are called: ``prefix_level``; ``prefix_null`` is that of null."""
    return [f"{prefix}_{'null' if level is None else level}" for level in levels]
