"""How much a template may make: no operator, method or filter turns a short text into gigabytes or hours.

Jinja's sandbox keeps a template away from Python; it does not keep it from filling the memory. Whatever multiplies is
asked here *before* it runs, and what it gives is measured after. This knows values and sizes, nothing of templates.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jinja2.exceptions import SecurityError

LARGEST_NUMBER = 1_000_000
"""A width, a precision, a count: whatever says how often or how wide."""
LARGEST_TEXT = 5_000_000
LARGEST_LIST = 200_000
MOST_BITS = 4_096
"""Integers beyond this are no numbers that SQL could read."""

_WIDE_PERCENT = re.compile(r"%[^a-zA-Z%]*\d{7,}")
_WIDE_BRACES = re.compile(r"\{[^{}]*\d{7,}")
_WIDTH_BESIDE = re.compile(r"%[^a-zA-Z%]*\*|\{[^{}]*:[^{}]*\{")
_SIZING_METHODS = frozenset({"center", "expandtabs", "ljust", "rjust", "zfill", "to_bytes"})
_SIZING_FILTERS = frozenset({"batch", "center", "indent", "round", "slice", "tojson", "truncate", "wordwrap"})


class TooLarge(SecurityError):  # becomes template-forbidden where the place is known
    """A template asks for more than it may have."""


# -- operators ---------------------------------------------------------------------------------------------------------


def multiply(left: Any, right: Any) -> None:
    """Refuse a repetition of a text or a list, or a product, that is too large."""
    for sized, times in ((left, right), (right, left)):
        if not isinstance(times, int):
            continue
        if isinstance(sized, str | bytes) and len(sized) * times > LARGEST_TEXT:
            raise TooLarge("this repetition is too large for a template")
        if isinstance(sized, list | tuple) and len(sized) * times > LARGEST_LIST:
            raise TooLarge("this repetition is too large for a template")
    if _is_int(left) and _is_int(right) and left.bit_length() + right.bit_length() > MOST_BITS:
        raise TooLarge("this product is too large for a template")


def power(base: Any, exponent: Any) -> None:
    """Refuse a power with too many digits."""
    if _is_int(base) and _is_int(exponent) and base.bit_length() * abs(exponent) > MOST_BITS:
        raise TooLarge("this power is too large for a template")


def add(left: Any, right: Any) -> None:
    """Refuse a sum of texts or lists that is too large."""
    if isinstance(left, str) and isinstance(right, str):
        text_of(len(left) + len(right))
    elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
        _list_of(len(left) + len(right))


def interpolate(template: Any, values: Any) -> None:
    """Refuse ``'%999999999d' % 1``, a width that is given beside it, and many long values."""
    if isinstance(template, str):
        listed = values if isinstance(values, tuple | list) else [values]
        _refuse_format(template, listed, _WIDE_PERCENT, template.count("%"))


def join_texts(values: Sequence[Any]) -> None:
    """Refuse what ``~`` would make of these."""
    text_of(sum(printed(value) for value in values))


# -- methods and filters -----------------------------------------------------------------------------------------------


def before_call(called: Any, arguments: Sequence[Any]) -> None:
    """Refuse a method of a text or a list whose result would be too large."""
    called = getattr(called, "__wrapped__", called)
    owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
    if isinstance(owner, list) and name == "extend" and arguments and isinstance(arguments[0], list | tuple | str):
        _list_of(len(owner) + len(arguments[0]))
    if not isinstance(owner, str):
        return
    if name in _SIZING_METHODS:
        _refuse_numbers(arguments)
    elif name in ("format", "format_map"):
        given = [*arguments, *(value for part in arguments if isinstance(part, Mapping) for value in part.values())]
        _refuse_format(owner, given, _WIDE_BRACES, owner.count("{"))
    elif name == "replace" and len(arguments) >= 2:
        _refuse_replacement(owner, arguments[0], arguments[1])
    elif name == "join" and arguments and isinstance(arguments[0], list | tuple | str):
        _refuse_join(owner, arguments[0])
    elif name == "translate" and arguments and isinstance(arguments[0], Mapping):
        text_of(len(owner) * max((len(str(value)) for value in arguments[0].values()), default=1))


def guarded(name: str, made: Callable[..., Any], tick: Callable[[], None]) -> Callable[..., Any]:
    """A filter or test that is refused what is too large, and the time that it may not have."""

    @functools.wraps(made)  # keeps what Jinja notes on it of contexts to pass
    def guard(*arguments: Any, **named: Any) -> Any:
        tick()
        metered = [_metered(value, tick) if isinstance(value, Iterator) else value for value in arguments]
        if name == "join":
            metered = [list(value) if isinstance(value, Iterator) else value for value in metered]
        _before_filter(name, [*metered, *named.values()])
        return measured(made(*metered, **named))

    return guard


def _before_filter(name: str, values: Sequence[Any]) -> None:
    texts = [value for value in values if isinstance(value, str)]
    for value in values:
        printed(value)
    if name in _SIZING_FILTERS:
        _refuse_numbers(values)
    if name == "indent" and texts:
        widths = [value for value in values if _is_int(value)] + [len(text) for text in texts[1:]]
        text_of(len(texts[0]) + texts[0].count("\n") * max(widths, default=4))
    elif name == "replace" and len(texts) >= 3:
        _refuse_replacement(texts[0], texts[1], texts[2])
    elif name == "join" and texts:
        listed = next((value for value in values if isinstance(value, list | tuple)), texts[0])
        _refuse_join(texts[-1], listed)
    elif name == "format" and texts:
        interpolate(texts[0], values[1:])


# -- sizes -------------------------------------------------------------------------------------------------------------


def text_of(length: int) -> None:
    """Refuse a text of this length."""
    if length > LARGEST_TEXT:
        raise TooLarge(f"a text of more than {LARGEST_TEXT:,} characters is too large for a template")


def measured(value: Any) -> Any:
    """The value, if a template may have one of its size."""
    if isinstance(value, str):
        text_of(len(value))
    elif isinstance(value, list | tuple | dict | set):
        _list_of(len(value))
    return value


def printed(value: Any) -> int:
    """About how long a value is as text; lists that hold one another many times over are refused."""
    if isinstance(value, str):
        return len(value)
    length, parts, waiting = 0, 0, [value]
    while waiting:
        part = waiting.pop()
        parts += 1
        if isinstance(part, Mapping):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, list | tuple | set):
            waiting += part
        length += len(part) if isinstance(part, str) else 8
        text_of(length)
        _list_of(max(parts, len(waiting)))
    return length


def _metered(values: Iterable[Any], tick: Callable[[], None]) -> Iterator[Any]:
    """An iterator's values, as long as they are not too many or too long together."""
    length = 0
    for count, value in enumerate(values):
        tick()
        length += len(value) if isinstance(value, str) else 0
        text_of(length)
        _list_of(count)
        yield value


def _refuse_numbers(values: Sequence[Any]) -> None:
    for value in values:
        if _is_int(value) and abs(value) > LARGEST_NUMBER:
            raise TooLarge(f"the number {value} is too large here for a template")


def _refuse_format(template: str, values: Sequence[Any], wide: re.Pattern[str], fields: int) -> None:
    if wide.search(template):
        raise TooLarge("this width is too large for a template")
    if _WIDTH_BESIDE.search(template):
        _refuse_numbers(values)
    text_of(len(template) + fields * max((printed(value) for value in values), default=0))


def _refuse_replacement(text: str, old: Any, new: Any) -> None:
    if isinstance(old, str) and isinstance(new, str):
        times = text.count(old) if old else len(text) + 1
        text_of(len(text) + times * len(new))


def _refuse_join(separator: str, values: Sequence[Any]) -> None:
    text_of(sum(printed(value) for value in values) + len(separator) * len(values))


def _list_of(length: int) -> None:
    if length > LARGEST_LIST:
        raise TooLarge(f"a list of more than {LARGEST_LIST:,} is too large for a template")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
