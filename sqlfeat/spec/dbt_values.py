"""Jinja in the YAML of a dbt project: ``enabled: "{{ var('using_tickets', true) }}"`` and the like as plain values.

Only expressions over ``var()`` and ``env_var()`` are worked out, and only where nothing else is named in them: hooks,
and whatever a template knows more of, stay the text that they are and are rendered later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sqlfeat.base.yaml import Node

_WHOLE = re.compile(r"\s*\{\{-?(.*?)-?\}\}\s*", re.DOTALL)
_PLAIN = (
    nodes.Template, nodes.Output, nodes.Const, nodes.Name, nodes.Call, nodes.Keyword, nodes.Compare, nodes.Operand,
    nodes.And, nodes.Or, nodes.Not, nodes.List, nodes.Tuple, nodes.Filter, nodes.Test, nodes.CondExpr,
)  # fmt: skip
_CALLED = frozenset({"var", "env_var"})
_FILTERS = ("as_bool", "as_number", "as_native", "as_text", "int", "float", "lower", "upper", "trim")
_FAILURES = (TemplateError, TypeError, ValueError, KeyError)


def with_variables(node: Node, variables: Mapping[str, Any], environment: Mapping[str, str]) -> Node:
    """The same tree with every text that is one such expression as what it gives."""
    if node.is_mapping:
        entries = {
            key: entry if "hook" in key else with_variables(entry, variables, environment)
            for key, entry in node.entries.items()
        }
        return replace(node, value={key: entry.value for key, entry in entries.items()}, entries=entries)
    if node.is_list:
        elements = tuple(with_variables(element, variables, environment) for element in node.elements)
        return replace(node, value=[element.value for element in elements], elements=elements)
    found = _WHOLE.fullmatch(node.value) if isinstance(node.value, str) else None
    return node if found is None else replace(node, value=_value(found[1], node.value, variables, environment))


def _value(expression: str, text: str, variables: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """What the expression gives; the text itself where that is not for here to say."""
    jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    jinja.globals.clear()
    jinja.filters = {name: made for name, made in jinja.filters.items() if name in _FILTERS}
    jinja.filters |= {"as_bool": _as_bool, "as_number": _as_number, "as_native": _itself, "as_text": str}
    try:
        if not _is_plain(jinja.parse("{{" + expression + "}}")):
            return text
        value = jinja.compile_expression(expression, undefined_to_none=False)(
            var=lambda name, default=None: variables.get(name, default),
            env_var=lambda name, default=None: environment.get(name, default),
        )
    except _FAILURES:
        return text
    return value if isinstance(value, bool | int | float | str | list) else text


def _is_plain(tree: nodes.Template) -> bool:
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _PLAIN):
            return False
        if isinstance(node, nodes.Name) and node.name not in _CALLED:
            return False
    return True


def _as_bool(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.strip().lower(), value) if isinstance(value, str) else value


def _as_number(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value


def _itself(value: Any) -> Any:
    return value
