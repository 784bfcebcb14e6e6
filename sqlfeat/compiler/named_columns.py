"""Which columns the models of a project name of relations whose columns nobody says.

A source that no file describes and that cannot be read still has the columns that SELECTs take from it: by prefix, or
as the one relation of a FROM that can have them. A SELECT that passes such a relation on whole (``select * from …``)
passes the question on, through CTEs, unions and other models. Everything here is read off the texts; what a name
means where several relations could have it is not known, and the first of them is taken.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from sqlfeat.compiler.parse import UnreadableSql, node_of, parse_query


@dataclass(frozen=True)
class _Seen:
    """A relation as a SELECT sees it: names that it has for certain, and the open nodes that may have any other."""

    names: frozenset[str] = frozenset()
    roots: tuple[str, ...] = ()


@dataclass
class NamedColumns:
    """The columns that are named of open nodes, by node, in the order in which they are met.

    ``relations`` are the nodes whose columns are known; ``declared`` those that are said of open ones.
    """

    relations: dict[str, _Seen] = field(default_factory=dict)
    found: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        known: Mapping[str, Iterable[str]],
        declared: Mapping[str, Iterable[str]],
        texts: Mapping[str, str],
        others: Iterable[str] = (),
    ) -> NamedColumns:
        """Read the texts of models, in the order of the graph, and those of ``others``, whose columns are known.

        ``declared`` has every open node.
        """
        named = cls()
        for node, names in known.items():
            named.relations[node] = _Seen(_folded(names))
        for node, names in declared.items():
            named.relations[node] = _Seen(_folded(names), (node,))
            named.found[node] = {}
        for node, sql in texts.items():
            try:
                seen = named._query(parse_query(sql), {}, ())
            except (UnreadableSql, RecursionError):
                continue
            if node not in named.relations:
                named.relations[node] = seen
        for sql in others:
            with contextlib.suppress(UnreadableSql, RecursionError):
                named._query(parse_query(sql), {}, ())
        return named

    # -- queries ---------------------------------------------------------------------------------------------------

    def _query(self, query: exp.Expr, tables: Mapping[str, _Seen], outer: Sequence[Mapping[str, _Seen]]) -> _Seen:
        tables = dict(tables)
        with_ = query.args.get("with_")
        for cte in with_.expressions if isinstance(with_, exp.With) else ():
            seen = self._query(cte.this, tables, ())
            tables[cte.alias.casefold()] = _renamed(seen, cte)
        if isinstance(query, exp.Subquery | exp.Paren):
            return self._query(query.this, tables, outer)
        if isinstance(query, exp.SetOperation):
            left = self._query(query.this, tables, outer)
            right = self._query(query.expression, tables, outer)
            return _Seen(left.names, (*left.roots, *(root for root in right.roots if root not in left.roots)))
        if isinstance(query, exp.Select):
            return self._select(query, tables, outer)
        return _Seen()

    def _select(self, select: exp.Select, tables: Mapping[str, _Seen], outer: Sequence[Mapping[str, _Seen]]) -> _Seen:
        row: dict[str, _Seen] = {}
        source = select.args.get("from_")
        items = [source.this] if source is not None else []
        items += [join.this for join in select.args.get("joins") or ()]
        for number, item in enumerate(items):
            row[(item.alias_or_name or f"?{number}").casefold()] = self._relation(item, tables, (row, *outer))
        for lateral in select.args.get("laterals") or ():
            row[lateral.alias.casefold()] = _Seen(_folded(lateral.alias_column_names))
        aliases: set[str] = set()
        for expression in select.expressions:
            self._names(expression, row, tables, outer, aliases)
            if isinstance(expression, exp.Alias):
                aliases.add(expression.alias.casefold())
        for key, part in select.args.items():
            if key in ("expressions", "with_", "from_", "laterals"):
                continue
            for each in part if isinstance(part, list) else [part]:
                if isinstance(each, exp.Expr):
                    late = key in ("group", "order", "having", "qualify", "distinct", "windows", "where")
                    self._names(each, row, tables, outer, aliases if late else set())
        return _outputs(select, row)

    def _relation(self, item: exp.Expr, tables: Mapping[str, _Seen], outer: Sequence[Mapping[str, _Seen]]) -> _Seen:
        if isinstance(item, exp.Table):
            node = node_of(item)
            if node is not None:
                return self.relations.get(node, _Seen())
            return tables.get(item.name.casefold(), _Seen()) if not item.db else _Seen()
        if isinstance(item, exp.Subquery):
            return _renamed(self._query(item, tables, outer), item)
        return _Seen()

    # -- names -----------------------------------------------------------------------------------------------------

    def _names(
        self,
        expression: exp.Expr,
        row: Mapping[str, _Seen],
        tables: Mapping[str, _Seen],
        outer: Sequence[Mapping[str, _Seen]],
        aliases: set[str],
    ) -> None:
        """Note the columns that an expression names; a subquery sees this row from inside."""
        if isinstance(expression, exp.Query):
            self._query(expression, tables, (row, *outer))
            return
        if isinstance(expression, exp.Join):
            for key, part in expression.args.items():
                for each in part if isinstance(part, list) else [part]:
                    if key == "using" and isinstance(each, exp.Expr):
                        self._merged(each.name, row)
                    elif key != "this" and isinstance(each, exp.Expr):
                        self._names(each, row, tables, outer, aliases)
            return
        if isinstance(expression, exp.Column) and not isinstance(expression.this, exp.Star):
            self._name(expression, (row, *outer), aliases)
            return
        for child in expression.iter_expressions():
            self._names(child, row, tables, outer, aliases)

    def _name(self, column: exp.Column, rows: Sequence[Mapping[str, _Seen]], aliases: set[str]) -> None:
        name = column.name
        first = column.parts[0].name.casefold() if column.table else ""
        for row in rows:
            if first and first in row:
                self._note(row[first], name if len(column.parts) == 2 else column.parts[1].name)
                return
        if first:  # a prefix that is no relation is a column, and what follows it are its fields
            name = column.parts[0].name
        folded = name.casefold()
        for level, row in enumerate(rows):
            if any(folded in seen.names for seen in row.values()) or (not level and folded in aliases):
                return
            may_have = [seen for seen in row.values() if seen.roots]
            if may_have:
                self._note(may_have[0], name)
                return

    def _merged(self, name: str, row: Mapping[str, _Seen]) -> None:
        for seen in row.values():
            self._note(seen, name)

    def _note(self, seen: _Seen, name: str) -> None:
        if name.casefold() not in seen.names:
            for root in seen.roots:
                if name.casefold() not in self.relations[root].names:
                    self.found[root].setdefault(name.casefold(), name)


def _outputs(select: exp.Select, row: Mapping[str, _Seen]) -> _Seen:
    """What a SELECT gives: the names of its items, and whatever open relations it passes on whole."""
    names: set[str] = set()
    roots: list[str] = []
    for item in select.expressions:
        prefix = item.table.casefold() if isinstance(item, exp.Column) and isinstance(item.this, exp.Star) else None
        if isinstance(item, exp.Star) or prefix is not None:
            for alias, seen in row.items():
                if prefix in (None, alias):
                    names |= seen.names
                    roots += [root for root in seen.roots if root not in roots]
        else:
            names.add(item.alias_or_name.casefold())
    return _Seen(frozenset(names), tuple(roots))


def _renamed(seen: _Seen, named: exp.Expr) -> _Seen:
    """A relation under an alias that may name its columns."""
    columns = named.alias_column_names
    return _Seen(_folded(columns)) if columns else seen


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)
