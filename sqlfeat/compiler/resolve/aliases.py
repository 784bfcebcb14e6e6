"""The names that a relation's columns get from an alias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from sqlfeat.compiler.algebra import Field, Relation
from sqlfeat.compiler.resolve.errors import NOWHERE, Unresolved
from sqlfeat.compiler.resolve.nodes import span_of


def renamed(relation: Relation, tree: exp.Expr) -> Relation:
    """The relation under an alias: its columns renamed, and those of one name told apart, as DuckDB does."""
    alias = tree.args.get("alias")
    names = [column.name for column in alias.args.get("columns") or []] if isinstance(alias, exp.TableAlias) else []
    own = [entry.name for entry in relation.fields]
    if len(names) > len(own):
        raise Unresolved("more names than columns", span_of(alias.this) if alias and alias.this else NOWHERE)
    wanted = told_apart([*names, *own[len(names) :]])
    if wanted == own:
        return relation
    fields = tuple(Field(name, entry.type) for name, entry in zip(wanted, relation.fields, strict=True))
    return replace(relation, fields=fields)


def told_apart(names: Sequence[str]) -> list[str]:
    """Names of which no two are equal: ``a``, ``a_1`` …"""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        folded = name.casefold()
        if folded in seen:
            number = seen[folded]
            while f"{folded}_{number}" in seen:
                number += 1
            seen[folded] = number + 1
            name = f"{name}_{number}"
            folded = name.casefold()
        seen[folded] = 1
        made.append(name)
    return made
