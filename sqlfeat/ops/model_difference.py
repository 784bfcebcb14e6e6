"""What of two trained models differs, told from their bytes: trees, parameters, header; or where the bytes part."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

_MOST = 8
_LIGHTGBM = b"tree\n"
_ZIP = b"PK\x03\x04"
_RELATIVE = ("tree_sizes",)
"""Keys of LightGBM's header that say how long the trees' texts are, and nothing else."""


def model_difference(then: bytes, now: bytes) -> list[str]:
    """Sentences on what differs; none where nothing does."""
    if then == now:
        return []
    if then.startswith(_LIGHTGBM) and now.startswith(_LIGHTGBM):
        return list(_of_lightgbm(_Booster.read(then.decode()), _Booster.read(now.decode())))
    if then.startswith(_ZIP) and now.startswith(_ZIP):
        return list(_of_archives(_members(then), _members(now)))
    try:
        return list(_of_json(json.loads(then), json.loads(now)))
    except (ValueError, RecursionError):
        return [_of_bytes(then, now)]


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _of_archives(then: Mapping[str, bytes], now: Mapping[str, bytes]) -> Iterator[str]:
    for name in dict.fromkeys([*then, *now]):
        if name not in now or name not in then:
            yield f"{name} {'is new' if name in now else 'is not in it any more'}"
        else:
            yield from (f"{name}: {line}" for line in model_difference(then[name], now[name]))


def loose_settings(model: bytes) -> list[str]:
    """The settings of a LightGBM model with which the same training may give other bytes."""
    if not model.startswith(_LIGHTGBM):
        return []
    params = _Booster.read(model.decode()).params
    loose = []
    if params.get("deterministic") == "0":
        loose.append("deterministic is not set")
    if params.get("force_row_wise") == "0" and params.get("force_col_wise") == "0":
        loose.append("neither force_row_wise nor force_col_wise is set, so LightGBM measures which is faster")
    if params.get("num_threads") in ("0", "-1"):
        loose.append("num_threads is not set, so it hangs on the machine")
    return loose


class _Booster:
    """LightGBM's text taken apart: header, trees, what follows them, parameters."""

    def __init__(self, header: Mapping[str, str], trees: list[Mapping[str, str]], rest: str, params: Mapping[str, str]):
        self.header = header
        self.trees = trees
        self.rest = rest
        self.params = params

    @classmethod
    def read(cls, text: str) -> _Booster:
        body, _, after = text.partition("\nend of trees\n")
        head, *trees = re.split(r"\nTree=\d+\n", f"{body}\n")
        rest, _, params = after.partition("\nparameters:\n")
        inside, _, tail = params.partition("end of parameters")
        settings = dict(re.findall(r"^\[(\w+): (.*)\]$", inside, re.MULTILINE))
        return cls(_pairs(head), [_pairs(tree) for tree in trees], f"{rest}{tail}", settings)


def _pairs(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in text.splitlines() if line)}


def _of_lightgbm(then: _Booster, now: _Booster) -> Iterator[str]:
    header = _changed(then.header, now.header, but=_RELATIVE)
    if header:
        yield f"the header differs: {', '.join(header)}"
    yield _trees(then.trees, now.trees)
    if then.trees == now.trees and then.rest != now.rest:
        yield "what follows the trees differs: importances, or categories"
    params = _changed(then.params, now.params)
    told = [
        f"{name} was {then.params.get(name, 'not there')}, is {now.params.get(name, 'not there')}" for name in params
    ]
    if told:
        more = f" and {len(told) - _MOST} more" if len(told) > _MOST else ""
        only = "only the parameter block differs" if then.trees == now.trees and not header else "the parameters differ"
        yield f"{only}: {'; '.join(told[:_MOST])}{more}"


def _trees(then: list[Mapping[str, str]], now: list[Mapping[str, str]]) -> str:
    if then == now:
        return f"all {len(then)} trees are equal"
    if len(then) != len(now):
        return f"there were {len(then)} trees, and are {len(now)} now; {_first_tree(then, now)}"
    other = sum(one != two for one, two in zip(then, now, strict=True))
    return f"{other} of {len(then)} trees differ; {_first_tree(then, now)}"


def _first_tree(then: list[Mapping[str, str]], now: list[Mapping[str, str]]) -> str:
    pairs = zip(then, now, strict=False)
    for number, (one, two) in enumerate(pairs):
        if one != two:
            keys = _changed(one, two)
            shape = "its splits" if {"split_feature", "threshold", "num_leaves"} & set(keys) else "its values alone"
            return f"the first is tree {number}, by {shape} ({', '.join(keys[:_MOST])})"
    return "those that both have are equal"


def _changed(then: Mapping[str, str], now: Mapping[str, str], but: tuple[str, ...] = ()) -> list[str]:
    names = dict.fromkeys([*then, *now])
    return [name for name in names if then.get(name) != now.get(name) and name not in but]


def _of_json(then: Any, now: Any) -> Iterator[str]:
    found = list(_paths(then, now, ""))
    if not found:
        yield "the values are equal, and written otherwise"
        return
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    yield f"{len(found)} values differ: {'; '.join(found[:_MOST])}{more}"


def _paths(then: Any, now: Any, path: str) -> Iterator[str]:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*then, *now]):
            yield from _paths(then.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for position, (one, two) in enumerate(zip(then, now, strict=True)):
            yield from _paths(one, two, f"{path}[{position}]")
    elif then != now:
        yield f"{path} was {_short(then)}, is {_short(now)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _of_bytes(then: bytes, now: bytes) -> str:
    sizes = "" if len(then) == len(now) else f"it had {len(then):,} bytes, and has {len(now):,}; "
    first = next((place for place, (one, two) in enumerate(zip(then, now, strict=False), 1) if one != two), None)
    where = "one is the beginning of the other" if first is None else f"the first other byte is the {first:,}th"
    return f"{sizes}{where}"
