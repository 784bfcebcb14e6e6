"""YAML text to plain values that know where they stand.

Scalars mean what they mean to dbt (YAML 1.1 as PyYAML's safe loader reads it), with three differences: keys are
text as written, so that ``on`` stays ``on``; dates and timestamps are text as written; and a key that is given
twice is an error, unless somebody asks for the last one, as dbt takes it. Everything is composed by the C loader where
there is one. Deep nesting, aliases that explode and tags that would make Python objects are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from sqlfeat.errors import Place, ProjectError

_LOADER = getattr(yaml, "CLoader", yaml.FullLoader)
_DEEPEST = 50
_MOST_REPEATED = 20_000
"""How many values may come from aliases: a page of `*a` can stand for more than memory holds."""
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_AS_TEXT = frozenset({f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value"})
_AS_VALUE = {
    f"{_TAG}null": "construct_yaml_null",
    f"{_TAG}bool": "construct_yaml_bool",
    f"{_TAG}int": "construct_yaml_int",
    f"{_TAG}float": "construct_yaml_float",
}
_PLAIN_TAGS = frozenset({f"{_TAG}map", f"{_TAG}seq", _MERGE, *_AS_TEXT, *_AS_VALUE})


@dataclass(frozen=True)
class Node:
    """A value and its place; of a mapping also its entries and their keys' places, of a list its elements.

    ``value`` is all plain: dicts, lists, texts, numbers, booleans and None.
    """

    value: Any
    place: Place
    entries: Mapping[str, Node] = field(default_factory=dict)
    keys: Mapping[str, Place] = field(default_factory=dict)
    elements: tuple[Node, ...] = ()

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)


def read_yaml(text: str, file: str, repeated: list[ProjectError] | None = None) -> Node | None:
    """The one document of the text, None where it is empty; ``file`` is what places call it.

    With a list for them, keys that are ``repeated`` are noted there, and the last one counts.
    """
    try:
        _refuse_depth(text, file)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.reader.ReaderError:
        raise _unreadable(text, file) from None
    except yaml.MarkedYAMLError as error:
        raise _malformed(text, file, error) from None
    return _Composed(text, file, repeated).node(root, 0) if root is not None else None


def _refuse_depth(text: str, file: str) -> None:
    """Composing recurses in C, and enough brackets end the process; events are read without recursion.

    A level is a bracket or a deeper indentation, so that most texts need not be read twice to know.
    """
    if text.count("[") + text.count("{") < 400 and max(map(len, split_lines(text))) < 400:
        return
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            mark = event.start_mark
            raise _too_deep(_place(split_lines(text), file, mark.line, mark.column) if mark else Place(file))


def _too_deep(place: Place) -> ProjectError:
    return ProjectError("yaml-too-deep", f"More than {_DEEPEST} levels are nested here.", place)


class _Composed:
    """Turns PyYAML's nodes of one text into ours."""

    def __init__(self, text: str, file: str, repeated: list[ProjectError] | None) -> None:
        self._lines = split_lines(text)
        self._file = file
        self._repeated_keys = repeated
        self._scalars = yaml.constructor.SafeConstructor()
        self._seen: set[int] = set()
        self._repeated = 0

    def node(self, raw: yaml.Node, depth: int) -> Node:
        self._refuse_bombs(raw, depth)
        if raw.tag not in _PLAIN_TAGS:
            raise ProjectError(
                "yaml-tag",
                f"The tag {raw.tag.replace(_TAG, '!!')!r} is not read.",
                self._place(raw),
                "write plain text, numbers, lists and mappings.",
            )
        if isinstance(raw, yaml.MappingNode):
            return self._mapping(raw, depth)
        if isinstance(raw, yaml.SequenceNode):
            elements = tuple(self.node(element, depth + 1) for element in raw.value)
            return Node([element.value for element in elements], self._place(raw), elements=elements)
        return Node(self._scalar(raw), self._place(raw))

    def _refuse_bombs(self, raw: yaml.Node, depth: int) -> None:
        if depth > _DEEPEST:
            raise _too_deep(self._place(raw))
        if id(raw) in self._seen:
            self._repeated += 1
        self._seen.add(id(raw))
        if self._repeated > _MOST_REPEATED:
            raise ProjectError(
                "yaml-too-large", f"Aliases stand for more than {_MOST_REPEATED} values here.", self._place(raw)
            )

    def _scalar(self, raw: yaml.Node) -> Any:
        if "\0" in raw.value:
            raise ProjectError("yaml-syntax", "Text cannot hold the character U+0000.", self._place(raw), "remove it.")
        if raw.tag in _AS_TEXT or raw.tag == _MERGE:
            return raw.value
        try:
            return getattr(self._scalars, _AS_VALUE[raw.tag])(raw)
        except (ValueError, KeyError, IndexError):
            kind = raw.tag.removeprefix(_TAG)
            raise ProjectError("yaml-syntax", f"{raw.value!r} is no {kind}.", self._place(raw)) from None

    def _mapping(self, raw: yaml.MappingNode, depth: int) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        merged: list[Node] = []
        for raw_key, raw_value in raw.value:
            key = self._key(raw_key)
            place = self._place(raw_key)
            if key in keys:
                what = f"The key {key!r} is given twice; the first is at line {keys[key].line}."
                error = ProjectError("yaml-duplicate-key", what, place, "keep one of them.")
                if self._repeated_keys is None:
                    raise error
                self._repeated_keys.append(error)
            keys[key] = place
            value = self.node(raw_value, depth + 1)
            if raw_key.tag == _MERGE:
                merged += value.elements if value.is_list else [value]
            else:
                entries[key] = value
        if merged:
            keys = {key: place for key, place in keys.items() if key in entries}
            self._merge(merged, entries, keys)
        plain = {key: entry.value for key, entry in entries.items()}
        return Node(plain, self._place(raw), entries, keys)

    def _merge(self, merged: list[Node], entries: dict[str, Node], keys: dict[str, Place]) -> None:
        """What ``<<`` brings in: the mapping's own keys win, then the first of several merged mappings."""
        for source in merged:
            if not source.is_mapping:
                raise ProjectError("yaml-syntax", "'<<' takes a mapping or a list of mappings.", source.place)
            for key, entry in source.entries.items():
                if key not in entries:
                    entries[key] = entry
                    keys[key] = source.keys[key]

    def _key(self, raw: yaml.Node) -> str:
        if isinstance(raw, yaml.ScalarNode):
            return str(raw.value)
        place = self._place(raw)
        hint = _QUOTE_JINJA if "{{" in place.text else "a key is text: `key: value`."
        raise ProjectError("yaml-syntax", "A list or a mapping cannot be a key.", place, hint)

    def _place(self, raw: yaml.Node) -> Place:
        start, end = raw.start_mark, raw.end_mark
        length = end.column - start.column if end.line == start.line else 1
        return _place(self._lines, self._file, start.line, start.column, length)


_QUOTE_JINJA = "put quotes around a value that has {{ … }} in it."
_QUOTE_COLON = "a key is followed by a colon and a space; put quotes around text that has ': ' in it."


def split_lines(text: str) -> list[str]:
    """The lines as YAML counts them, without their ends."""
    return re.split(r"\r\n|[\r\n\x85\u2028\u2029]", text)


def _place(lines: list[str], file: str, line: int, column: int, length: int = 1) -> Place:
    line = min(line, len(lines) - 1)
    return Place(file, line + 1, column + 1, lines[line], max(1, length))


def _malformed(text: str, file: str, error: yaml.MarkedYAMLError) -> ProjectError:
    lines = split_lines(text)
    problem = error.problem or error.context or "it cannot be read"
    mark = error.problem_mark
    if error.context_mark and (mark is None or mark.index >= len(text) or "find expected ':'" in problem):
        mark = error.context_mark  # where it began tells more than where the parser gave up
    place = _place(lines, file, mark.line, mark.column) if mark else Place(file)
    if problem.startswith("but found another document"):
        what = "This file has more than one YAML document."
        return ProjectError("yaml-syntax", what, place, "keep one document a file: remove the line '---'.")
    started = error.context_mark.line if error.context_mark else place.line - 1
    hint = _mend_syntax(lines[max(0, min(started, place.line - 2)) : place.line], problem)
    return ProjectError("yaml-syntax", f"This is not valid YAML: {problem}.", place, hint)


def _mend_syntax(nearby: list[str], problem: str) -> str | None:
    """What is mostly wrong where the parser stops: in the line itself, or in one just before it."""
    if any(re.match(r" *\t", line) for line in nearby):
        return "indent with spaces; YAML takes no tabs."
    if any(re.search(r"(:|^\s*-)\s+(\{\{|\{%)", line) for line in nearby):
        return _QUOTE_JINJA
    if any(re.search(r"[:,\[]\s*[^\s\"'][^\"']*\$\{env:|[:,\[-]\s*\$\{env:", line) for line in nearby):
        return "put quotes around ${env:…} between braces or brackets."
    if "mapping values" in problem and len(nearby) > 1 and re.fullmatch(r"[^#:]*[^#:\s][^#:]*", nearby[-2]):
        return f"is a colon missing after {nearby[-2].strip()[:40]!r}?"
    if "mapping values" in problem and len(nearby) > 1 and _indent(nearby[-1]) > _indent(nearby[-2]):
        return "is this line indented as far as its neighbours?"
    if "':'" in problem or "mapping values" in problem:
        return _QUOTE_COLON
    if "undefined alias" in problem:
        return "an alias `*name` needs an anchor `&name` before it; put quotes around text that starts with '*'."
    if any(re.search(r"[:-]\s+[@`%*&!]", line) for line in nearby):
        return "put quotes around text that starts with one of @ ` % * & !"
    if "expected key" in problem or "block" in problem:
        return "is this line indented as far as its neighbours?"
    return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _unreadable(text: str, file: str) -> ProjectError:
    position = next((index for index, char in enumerate(text) if _forbidden(char)), 0)
    before = text[:position]
    line = len(split_lines(before)) - 1
    column = len(split_lines(before)[-1])
    character = ord(text[position]) if text else 0
    what = f"This is not valid YAML: the character U+{character:04X} may not stand in it."
    return ProjectError("yaml-syntax", what, _place(split_lines(text), file, line, column), "remove it.")


def _forbidden(char: str) -> bool:
    return yaml.reader.Reader.NON_PRINTABLE.search(char) is not None
