"""What YAML takes from the environment: ``${env:NAME}``, ``${env:NAME:-default}`` and dbt's ``{{ env_var() }}``.

Values come out as text, but for dbt's filters (``| int``, ``| as_bool``, …) where the expression is all there is.
Other Jinja is left as it is: hooks in folder-wide config are rendered later, with everything that a template has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlfeat.base.names import nearest
from sqlfeat.base.yaml import Node
from sqlfeat.errors import Place, ProjectError

_QUOTED = r"'[^']*'|\"[^\"]*\""
_BEGINS = re.compile(r"\$\{env:|\{\{-?\s*env_var\b")
_SHELL = re.compile(r"\$\{env:(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")
_DBT = re.compile(
    rf"\{{\{{-?\s*env_var\(\s*(?P<name>{_QUOTED})\s*(?:,\s*(?P<default>{_QUOTED}|[\w.+-]+)\s*)?\)"
    r"\s*(?:\|\s*(?P<filter>\w+)\s*)?-?\}\}"
)
_FILTERS = ("int", "float", "as_number", "as_bool", "as_native", "as_text")


def expand_environment(node: Node, environment: Mapping[str, str]) -> Node:
    """The same tree with every text expanded; a variable that is not set and has no default is an error."""
    if node.is_mapping:
        entries = {key: expand_environment(entry, environment) for key, entry in node.entries.items()}
        return replace(node, value={key: entry.value for key, entry in entries.items()}, entries=entries)
    if node.is_list:
        elements = tuple(expand_environment(element, environment) for element in node.elements)
        return replace(node, value=[element.value for element in elements], elements=elements)
    if isinstance(node.value, str):
        return replace(node, value=_expand(node.value, node.place, environment))
    return node


def _expand(text: str, place: Place, environment: Mapping[str, str]) -> Any:
    """One pass over what was written: what a variable holds is never expanded again."""
    whole = _DBT.fullmatch(text.strip())
    if whole and whole["filter"]:
        return _filtered(_look_up(whole, place, environment), whole["filter"], place)
    pieces: list[str] = []
    end = 0
    for begins in _BEGINS.finditer(text):
        if begins.start() < end:
            continue
        found = _SHELL.match(text, begins.start()) or _DBT.match(text, begins.start())
        if found is None:
            raise ProjectError(
                "bad-env-var",
                f"{text[begins.start() :][:60]!r} cannot be read.",
                place,
                "write ${env:NAME}, ${env:NAME:-default}, or {{ env_var('NAME', 'default') }} in quotes.",
            )
        pieces += [text[end : begins.start()], _look_up(found, place, environment)]
        end = found.end()
    return "".join([*pieces, text[end:]])


def _look_up(found: re.Match[str], place: Place, environment: Mapping[str, str]) -> str:
    name = found["name"].strip("'\"")
    if name in environment:
        return environment[name]
    default: str | None = found["default"]
    if default is not None:
        return default[1:-1] if default[:1] in ("'", '"') and found.re is _DBT else default
    similar = nearest(name, environment)
    raise ProjectError(
        "env-var-missing",
        f"The environment variable {name!r} is not set.",
        place,
        f"did you mean {similar!r}?" if similar else "set it, or give a default: ${env:" + name + ":-default}.",
    )


def _filtered(value: str, name: str, place: Place) -> Any:
    """What dbt's filters make of a variable's text; the text itself is not shown, it may be a secret."""
    try:
        if name == "int":
            return int(value)
        if name in ("float", "as_number"):
            return int(value) if re.fullmatch(r"[+-]?\d+", value.strip()) else float(value)
        if name == "as_bool":
            return {"true": True, "false": False}[value.strip().lower()]
    except (ValueError, KeyError):
        raise ProjectError("bad-env-var", f"The variable's text does not suit the filter {name!r}.", place) from None
    if name not in _FILTERS:
        raise ProjectError("bad-env-var", f"{name!r} is no filter here.", place, f"there are {', '.join(_FILTERS)}.")
    return value
