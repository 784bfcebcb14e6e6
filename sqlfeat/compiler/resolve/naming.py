"""What DuckDB calls an expression that has no alias: for the common ones, else its text as it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from sqlfeat.compiler.resolve import types
from sqlfeat.compiler.resolve.functions import BINARY
from sqlfeat.compiler.resolve.keywords import quoted

_SPELLED = {
    "like": "~~", "ilike": "~~*", "<>": "!=", "is_distinct": "IS DISTINCT FROM", "glob": "~~~", "and": "AND",
    "or": "OR", "is_not_distinct": "IS NOT DISTINCT FROM",
}  # fmt: skip
_FUNCTIONS = frozenset({"similar_to", "regexp_matches", "starts_with", "xor"})

NameOf = Callable[[exp.Expr], str]


def name_of(tree: exp.Expr, text: str, function_name: NameOf) -> str:
    """The name of an output column; empty where it cannot be said."""
    if isinstance(tree, exp.Column | exp.Identifier):
        return tree.name
    if isinstance(tree, exp.Dot) and isinstance(tree.expression, exp.Identifier):
        return tree.expression.name
    if isinstance(tree, exp.Paren):
        return name_of(tree.this, text, function_name)
    try:
        return _Speller(text, function_name).spell(tree)
    except _Unspellable:
        return ""


class _Unspellable(Exception):  # never leaves this module
    pass


class _Speller:
    def __init__(self, text: str, function_name: NameOf) -> None:
        self._text = text
        self._function_name = function_name

    def spell(self, tree: exp.Expr) -> str:
        if isinstance(tree, exp.Paren):
            return self.spell(tree.this)
        if isinstance(tree, exp.Column):
            parts = [tree.args.get(key) for key in ("catalog", "db", "table", "this")]
            return ".".join(quoted(part.name) for part in parts if part is not None)
        if isinstance(tree, exp.Literal):
            return f"'{tree.name.replace(chr(39), chr(39) * 2)}'" if tree.is_string else tree.name
        if isinstance(tree, exp.Boolean):
            return "true" if tree.this else "false"
        if isinstance(tree, exp.Null):
            return "NULL"
        operator = BINARY.get(type(tree))
        if operator is not None and "start" not in tree.meta:
            return self._binary(tree, operator)
        if isinstance(tree, exp.Func):
            return self._call(tree)
        return self._other(tree)

    def _other(self, tree: exp.Expr) -> str:
        spell = self.spell
        if isinstance(tree, exp.Neg):
            return f"-{tree.this.name}" if isinstance(tree.this, exp.Literal) else f"(-({spell(tree.this)}))"
        if isinstance(tree, exp.Not):
            if isinstance(tree.this, exp.Is) and isinstance(tree.this.expression, exp.Null):
                return f"({spell(tree.this.this)} IS NOT NULL)"
            return f"(NOT {spell(tree.this)})"
        if isinstance(tree, exp.Is) and isinstance(tree.expression, exp.Null):
            return f"({spell(tree.this)} IS NULL)"
        if isinstance(tree, exp.Between):
            return f"({spell(tree.this)} BETWEEN {spell(tree.args['low'])} AND {spell(tree.args['high'])})"
        if isinstance(tree, exp.In) and tree.expressions:
            return f"({spell(tree.this)} IN ({self._list(tree.expressions)}))"
        if isinstance(tree, exp.Bracket) and len(tree.expressions) == 1:
            index = tree.expressions[0]
            if isinstance(index, exp.Literal) and not index.is_string and "start" not in index.meta:
                return f"{spell(tree.this)}[{int(index.name) + 1}]"
            return f"{spell(tree.this)}[{spell(index)}]"
        raise _Unspellable

    def _binary(self, tree: exp.Expr, operator: str) -> str:
        if operator in ("and", "or"):
            parts = [self.spell(part) for part in tree.flatten()]
            return f"({f' {operator.upper()} '.join(parts)})"
        one, other = self.spell(tree.this), self.spell(tree.args["expression"])
        if operator in _FUNCTIONS:
            return f"{operator}({one}, {other})"
        spelled = _SPELLED.get(operator, operator)
        if tree.args.get("negate"):
            spelled = f"!{spelled}"
        return f"({one} {spelled} {other})"

    def _list(self, trees: Sequence[exp.Expr]) -> str:
        return ", ".join(self.spell(tree) for tree in trees)

    def _call(self, tree: exp.Expr) -> str:
        if isinstance(tree, exp.Cast):
            word = "TRY_CAST" if isinstance(tree, exp.TryCast) else "CAST"
            kind = (types.written(tree.args["to"]) or "").replace(",", ", ")
            return f"{word}({self.spell(tree.this)} AS {kind})"
        if isinstance(tree, exp.Case):
            return self._case(tree)
        if isinstance(tree, exp.Extract):
            return f"date_part('{tree.this.name}', {self.spell(tree.expression)})"
        if isinstance(tree, exp.Count) and (isinstance(tree.this, exp.Star) or tree.this is None):
            return "count_star()"
        start = tree.meta.get("start")
        own = self._text[start : tree.meta["end"] + 1].lower() if start is not None else self._function_name(tree)
        if not own.isidentifier():
            raise _Unspellable
        own = "COALESCE" if own in ("coalesce", "ifnull") else quoted(own)
        return f"{own}({', '.join(self._arguments(tree))})"

    def _arguments(self, tree: exp.Expr) -> list[str]:
        found: list[tuple[int, str]] = []
        last = -1
        for key, value in tree.args.items():
            for part in value if isinstance(value, list) else [value]:
                if not isinstance(part, exp.Expr):
                    continue
                if isinstance(part, exp.Var) and key == "unit":
                    found.append((-1, f"'{part.name.lower()}'"))
                    continue
                distinct = "DISTINCT " if isinstance(part, exp.Distinct) else ""
                for own in part.expressions if distinct else [part]:
                    starts = [node.meta["start"] for node in own.find_all(exp.Expr) if "start" in node.meta]
                    last = min(starts, default=last)
                    found.append((last, f"{distinct}{self.spell(own)}"))
                    distinct = ""
        return [text for _, text in sorted(found, key=lambda pair: pair[0])]

    def _case(self, tree: exp.Case) -> str:
        branches = []
        for branch in tree.args["ifs"]:
            condition = self.spell(branch.this)
            if tree.this is not None:
                condition = f"({self.spell(tree.this)} = {condition})"
            branches.append(f"WHEN ({condition}) THEN ({self.spell(branch.args['true'])})")
        default = tree.args.get("default")
        return f"CASE  {' '.join(branches)} ELSE {self.spell(default) if default is not None else 'NULL'} END"
