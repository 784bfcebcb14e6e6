"""A mapping of a YAML file as a reader wants it: typed values by key, every mistake noted with its place.

A value that is wrong is noted and read as if it were not there, so that one pass finds all that is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlfeat.base.names import check_name, did_you_mean, nearest
from sqlfeat.base.withheld import without_password
from sqlfeat.base.yaml import Node
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.dbt_values import is_template
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.problems import Problems


class Section:
    """One mapping; ``what`` says in words what it describes, such as ``a source``."""

    def __init__(self, node: Node, what: str, problems: Problems) -> None:
        self.node = node
        self.what = what
        self.problems = problems
        if not node.is_mapping and node.value is not None:
            self._note("bad-value", f"Expected {what} as a mapping, not {_shown(node.value)}.", node.place)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    @property
    def place(self) -> Place:
        return self.node.place

    @property
    def named_place(self) -> Place:
        """Where the name of what is described stands."""
        found = self.get("name")
        return found.place if found is not None else self.place

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.node.entries)

    def get(self, key: str) -> Node | None:
        """The value's node; None where there is none, or only null."""
        found = self.node.entries.get(key)
        return found if found is not None and found.value is not None else None

    def place_of(self, key: str) -> Place:
        """Where the key stands."""
        return self.node.keys.get(key, self.node.place)

    def only(self, known: Collection[str], hint: str | None = None) -> None:
        """Note every key that is not known; ``hint`` is for those that resemble none. dbt may know others."""
        for key in self.node.entries:
            if key not in known and not self.problems.lenient:
                similar = nearest(key, known)
                mend = f"did you mean {similar!r}?" if similar else hint or did_you_mean(key, known)
                what = f"{self.what[:1].upper()}{self.what[1:]} has no key {key!r}."
                self._note("unknown-key", what, self.place_of(key), mend)

    def need(self, key: str) -> Node | None:
        """The value's node, and a note where it is missing."""
        found = self.get(key)
        if found is None and (self.node.is_mapping or self.node.value is None):
            self._note("missing-key", f"{self.what[:1].upper()}{self.what[1:]} needs {key!r}.", self.place)
        return found

    def name(self, kind: str, key: str = "name") -> str | None:
        """The required name under the key, if it is one."""
        found = self.need(key)
        if found is not None:
            with self.problems.collected():
                return check_name(kind, found.value, found.place)
        return None

    def text(self, key: str) -> str | None:
        """A text; numbers are read as they would be shown."""
        found = self.get(key)
        if found is None:
            return None
        if isinstance(found.value, str):
            return found.value
        if isinstance(found.value, int | float) and not isinstance(found.value, bool):
            return str(found.value)
        self._wrong(key, found, "a text")
        return None

    def texts(self, key: str) -> tuple[str, ...]:
        """A text or a list of texts."""
        found = self.get(key)
        if found is None:
            return ()
        given = found.value if found.is_list else [found.value]
        if all(isinstance(each, str) and each.strip() for each in given):
            return tuple(given)
        self._wrong(key, found, "a text or a list of texts")
        return ()

    def flag(self, key: str, default: bool = False) -> bool:
        found = self.get(key)
        if found is None:
            return default
        if not isinstance(found.value, bool):
            self._wrong(key, found, "true or false")
            return default
        return found.value

    def count(self, key: str) -> int | None:
        """A whole number from 1; digits in a text are one, so that a variable of the environment may give it."""
        found = self.get(key)
        if found is None:
            return None
        text = str(found.value)
        if not isinstance(found.value, bool) and text.isascii() and text.isdigit() and int(text[:9]) > 0:
            return int(text)
        self._wrong(key, found, "a whole number from 1")
        return None

    def duration(self, key: str) -> Duration | None:
        found = self.get(key)
        if found is None:
            return None
        try:
            return Duration.parse(found.value)
        except ValueError:
            self._wrong(key, found, "a span of time such as '15 minutes'")
            return None

    def one_of(self, key: str, choices: Collection[str], *, code: str = "bad-value") -> str | None:
        """One of the choices, in any case."""
        found = self.get(key)
        if found is None:
            return None
        if isinstance(found.value, str) and found.value.lower() in choices:
            return found.value.lower()
        expected = f"{key!r} of {self.what} is one of {', '.join(choices)}, not {_shown(found.value)}."
        self._note(code, expected, found.place, _similar(found.value, choices))
        return None

    def mapping(self, key: str) -> Mapping[str, Any]:
        """A plain mapping, whatever is in it."""
        found = self.get(key)
        if found is None:
            return {}
        if not found.is_mapping:
            self._wrong(key, found, "a mapping")
            return {}
        return dict(found.value)

    def section(self, key: str, what: str) -> Section | None:
        found = self.get(key)
        return Section(found, what, self.problems) if found is not None else None

    def sections(self, key: str, what: str) -> list[Section]:
        """A list of mappings; a mapping of mappings by name is read as such a list too."""
        return [Section(element, what, self.problems) for element in self.elements(key)]

    def elements(self, key: str) -> tuple[Node, ...]:
        found = self.get(key)
        if found is None:
            return ()
        if not found.is_list:
            self._wrong(key, found, "a list")
            return ()
        return found.elements

    def _wrong(self, key: str, found: Node, expected: str) -> None:
        what = f"{key!r} of {self.what} must be {expected}, not {_shown(found.value)}."
        error = ProjectError("bad-value", what, found.place)
        if is_template(found.value):  # dbt renders it when it runs, with more than is known here
            self.problems.add_unless_lenient(error)
        else:
            self.problems.add(error)

    def _note(self, code: str, what: str, place: Place, hint: str | None = None) -> None:
        self.problems.add(ProjectError(code, what, place, hint))


def _similar(value: object, choices: Collection[str]) -> str | None:
    similar = nearest(value, choices) if isinstance(value, str) else None
    return f"did you mean {similar!r}?" if similar else None


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    shown = repr(without_password(value) if isinstance(value, str) else value) if value is not None else "nothing"
    return shown if len(shown) <= 60 else shown[:59] + "…"
