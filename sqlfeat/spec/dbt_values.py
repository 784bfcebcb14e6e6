"""Jinja in the YAML of a dbt project: ``enabled: "{{ var('using_tickets', true) }}"`` and the like as plain values.

Only texts over ``var()``, ``env_var()`` and ``target`` are worked out, with ``{% if %}`` in them or without, and only
where nothing else is named in them: hooks, and whatever a template knows more of, stay the text that they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sqlfeat.base.yaml import Node

_WHOLE = re.compile(r"\s*\{\{-?((?:(?!\}\}).)*?)-?\}\}\s*", re.DOTALL)
_PLAIN = (
    nodes.Template, nodes.Output, nodes.Const, nodes.Name, nodes.Call, nodes.Keyword, nodes.Compare, nodes.Operand,
    nodes.And, nodes.Or, nodes.Not, nodes.List, nodes.Tuple, nodes.Filter, nodes.Test, nodes.CondExpr, nodes.If,
    nodes.TemplateData, nodes.Getattr, nodes.Getitem, nodes.Concat,
)  # fmt: skip
_NAMED = frozenset({"var", "env_var", "target"})
_FILTERS = ("as_bool", "as_number", "as_native", "as_text", "int", "float", "lower", "upper", "trim")
_FAILURES = (TemplateError, TypeError, ValueError, KeyError)


@dataclass(frozen=True)
class Given:
    """What such texts may name: variables, the environment, and the target by default."""

    variables: Mapping[str, Any]
    environment: Mapping[str, str]
    target: Mapping[str, Any] = field(default_factory=dict)


def with_variables(node: Node, given: Given) -> Node:
    """The same tree with every such text as what it gives."""
    if node.is_mapping:
        entries = {key: entry if "hook" in key else with_variables(entry, given) for key, entry in node.entries.items()}
        return replace(node, value={key: entry.value for key, entry in entries.items()}, entries=entries)
    if node.is_list:
        elements = tuple(with_variables(element, given) for element in node.elements)
        return replace(node, value=[element.value for element in elements], elements=elements)
    return replace(node, value=_value(node.value, given)) if is_template(node.value) else node


def is_template(value: Any) -> bool:
    """Whether a value is a text with Jinja in it."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _value(text: str, given: Given) -> Any:
    """What the text gives: a value where it is one expression; the text itself where that is not for here to say."""
    jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    jinja.globals.clear()
    jinja.filters = {name: made for name, made in jinja.filters.items() if name in _FILTERS}
    jinja.filters |= {"as_bool": _as_bool, "as_number": _as_number, "as_native": _itself, "as_text": str}
    names = {"var": _looked_up(given.variables), "env_var": _looked_up(given.environment), "target": given.target}
    try:
        if not _is_plain(jinja.parse(text)):
            return text
        found = _WHOLE.fullmatch(text)
        if found is None:
            return jinja.from_string(text).render(names).strip() or None
        value = jinja.compile_expression(found[1], undefined_to_none=False)(**names)
    except _FAILURES:
        return text
    return value if isinstance(value, bool | int | float | str | list) else text


def _looked_up(values: Mapping[str, Any]) -> Callable[..., Any]:
    return lambda name, default=None: values.get(name, default)


def _is_plain(tree: nodes.Template) -> bool:
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _PLAIN):
            return False
        if isinstance(node, nodes.Name) and node.name not in _NAMED:
            return False
    return True


def _as_bool(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.strip().lower(), value) if isinstance(value, str) else value


def _as_number(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value


def _itself(value: Any) -> Any:
    return value
