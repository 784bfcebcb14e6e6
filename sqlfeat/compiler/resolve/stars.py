"""Stars: ``*``, ``t.*``, EXCLUDE, REPLACE, RENAME, COLUMNS, LIKE over names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from sqlfeat.compiler.algebra import Expression, Span
from sqlfeat.compiler.resolve import types
from sqlfeat.compiler.resolve.errors import Unresolved
from sqlfeat.compiler.resolve.nodes import span_of, type_of
from sqlfeat.compiler.resolve.scope import Row, Scope

if TYPE_CHECKING:
    from sqlfeat.compiler.resolve.query import Resolver

Named = list[tuple[str, Expression]]
_MATCHES = (exp.Like, exp.ILike, exp.SimilarTo, exp.Glob)


@dataclass(frozen=True)
class _Member:
    """A column that a star stands for: its name, the relation it is of, its value."""

    name: str
    relation: str
    value: Expression


class Stars:
    """Finds what stars stand for.

    ``pick`` is the one column that COLUMNS means while an item is taken column by column.
    """

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self._pick: int | None = None

    def is_several(self, tree: exp.Expr) -> bool:
        """Whether an item of a list is, or has in it, a star."""
        if _is_star(tree):
            return True
        bare = tree.this if isinstance(tree, exp.Not) else tree
        if isinstance(bare, _MATCHES) and _is_star(bare.this):
            return True
        if "columns" not in self.resolver.lowered:
            return False
        return any(not found.args.get("unpack") for found in tree.find_all(exp.Columns))

    def expand_item(self, tree: exp.Expr, alias: exp.Expr | None, scope: Scope) -> Named:
        """An item of a list as the columns that it gives."""
        if not isinstance(tree, exp.Star | exp.Column | exp.Columns | exp.Not | exp.Like | exp.ILike | exp.SimilarTo):
            return self._each(tree, alias, scope)
        if isinstance(tree, exp.Not | exp.Like | exp.ILike | exp.SimilarTo) and not _is_match(tree):
            return self._each(tree, alias, scope)
        found = self.expand(tree, scope)
        if alias is None:
            return found
        if isinstance(tree, exp.Columns) and isinstance(tree.this, exp.Literal):
            pattern = re.compile(tree.this.name)
            return [(_renamed(pattern, name, alias.name), value) for name, value in found]
        return [(alias.name, value) for _, value in found]

    def _each(self, tree: exp.Expr, alias: exp.Expr | None, scope: Scope) -> Named:
        """An expression with COLUMNS inside it, once for each of them."""
        inside = [part for part in tree.find_all(exp.Columns) if not part.args.get("unpack")]
        sizes = {len(self.expand(part, scope)) for part in inside}
        if len(sizes) != 1:
            raise Unresolved("COLUMNS of different lengths in one expression", span_of(inside[0]))
        names = [name for name, _ in self.expand(inside[0], scope)]
        before, found = self._pick, []
        try:
            for index, name in enumerate(names):
                self._pick = index
                value = self.resolver.expressions.resolve(tree, scope)
                found.append((alias.name if alias is not None else name, value))
        finally:
            self._pick = before
        return found

    def expand(self, tree: exp.Expr, scope: Scope) -> Named:
        """The columns that a star stands for, each with the name that it gets."""
        if isinstance(tree, exp.Columns):
            found = self._columns(tree, scope)
            if self._pick is not None and not tree.args.get("unpack"):
                return [found[self._pick]]
            return found
        if isinstance(tree, exp.Column):
            return self._star(tree.this, scope, [tree.args.get(key) for key in ("catalog", "db", "table")])
        if isinstance(tree, exp.Star):
            return self._star(tree, scope, [])
        keep = _name_test(tree)
        bare = tree.this if isinstance(tree, exp.Not) else tree
        return [(name, value) for name, value in self.expand(bare.this, scope) if keep(name)]

    # -- what * means ------------------------------------------------------------------------------------------------

    def _star(self, star: exp.Star, scope: Scope, prefix: Sequence[exp.Expr | None]) -> Named:
        span = span_of(star)
        parts = [part for part in prefix if part is not None]
        if scope.row is None or not scope.row.bindings:
            raise Unresolved("a star without a FROM", span)
        members = self._of(scope, parts, span) if parts else _members(scope.row, span)
        self.resolver.reach(scope.depth)
        return self._modified(star, members, scope)

    def _of(self, scope: Scope, parts: Sequence[exp.Expr], span: Span) -> list[_Member]:
        """``t.*``, or ``s.*`` of a struct."""
        assert scope.row is not None
        names = [part.name for part in parts]
        schema = names[-2].casefold() if len(names) > 1 else ""
        binding = scope.row.binding(names[-1].casefold(), schema)
        if binding is not None and len(names) <= 2:
            return [
                _Member(own.name, binding.name, scope.row.column(binding.start + index, span))
                for index, own in enumerate(binding.fields)
            ]
        value = self.resolver.expressions.dotted(parts, scope)
        known = type_of(value)
        if known is None or not types.is_struct(known):
            raise Unresolved(f"no relation {'.'.join(names)!r} here", span)
        field = self.resolver.expressions.field
        return [_Member(own.name, "", field(value, own.name, span)) for own in types.struct_fields(known)]

    def _modified(self, star: exp.Star, members: list[_Member], scope: Scope) -> Named:
        """EXCLUDE, REPLACE, RENAME and LIKE after a star."""
        if not any(star.args.values()):
            return [(member.name, member.value) for member in members]
        left_out = [_dotted(part) for part in star.args.get("except_") or []]
        replaced = {part.alias.casefold(): part.this for part in star.args.get("replace") or []}
        renamed = {_dotted(part.this)[1]: part.alias for part in star.args.get("rename") or []}
        for relation, name in left_out:
            if not any(_is(member, relation, name) for member in members):
                raise Unresolved(f"EXCLUDE of {name!r}, which is no column", span_of(star))
        keep = _name_test(star)
        found = []
        for member in members:
            folded = member.name.casefold()
            if any(_is(member, relation, name) for relation, name in left_out) or not keep(member.name):
                continue
            if folded in replaced:
                found.append((member.name, self.resolver.expressions.resolve(replaced[folded], scope)))
            else:
                found.append((renamed.get(folded, member.name), member.value))
        return found

    # -- COLUMNS -----------------------------------------------------------------------------------------------------

    def _columns(self, tree: exp.Columns, scope: Scope) -> Named:
        inside = tree.this
        if isinstance(inside, exp.Star | exp.Column):
            return self.expand(inside, scope)
        if scope.row is None:
            raise Unresolved("COLUMNS without a FROM", span_of(tree))
        members = _members(scope.row, span_of(tree))
        self.resolver.reach(scope.depth)
        if isinstance(inside, exp.Literal) and inside.is_string:
            pattern = re.compile(inside.name)
            return [(member.name, member.value) for member in members if pattern.search(member.name)]
        if isinstance(inside, exp.Array) and all(isinstance(part, exp.Literal) for part in inside.expressions):
            wanted = [part.name.casefold() for part in inside.expressions]
            by_name = {member.name.casefold(): member for member in members}
            return [(by_name[name].name, by_name[name].value) for name in wanted if name in by_name]
        keep = _lambda(inside)
        return [(member.name, member.value) for member in members if keep(member.name)]


def _members(row: Row, span: Span) -> list[_Member]:
    """What a bare star means: every column of every relation, those of USING once."""
    if not row.merged:
        return [
            _Member(own.name, binding.name, row.column(binding.start + index, span))
            for binding in row.bindings
            for index, own in enumerate(binding.fields)
        ]
    found, shown = [], set()
    for binding in row.bindings:
        for index, own in enumerate(binding.fields):
            position = binding.start + index
            merged = next((group for group in row.merged if position in group.positions), None)
            if merged is None:
                found.append(_Member(own.name, binding.name, row.column(position, span)))
            elif merged.name not in shown:
                shown.add(merged.name)
                found.append(_Member(own.name, binding.name, row.merged_column(merged, span)))
    return found


def _dotted(tree: exp.Expr) -> tuple[str, str]:
    """The relation (if said) and the name of a column."""
    relation = tree.table if isinstance(tree, exp.Column) else ""
    return relation.casefold(), tree.name.casefold()


def _is(member: _Member, relation: str, name: str) -> bool:
    return member.name.casefold() == name and relation in ("", member.relation.casefold())


def _renamed(pattern: re.Pattern[str], name: str, alias: str) -> str:
    """The alias of a COLUMNS with a pattern, in which a backslash and a number is what that group matched."""
    match = pattern.search(name)
    assert match is not None
    return re.sub(r"\\(\d)", lambda found: match[int(found[1])] or "", alias)


# -- tests of names ----------------------------------------------------------------------------------------------------

Keep = Callable[[str], bool]


def _is_match(tree: exp.Expr) -> bool:
    bare = tree.this if isinstance(tree, exp.Not) else tree
    return isinstance(bare, _MATCHES) and _is_star(bare.this)


def _is_star(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Star) or (isinstance(tree, exp.Column) and isinstance(tree.this, exp.Star))


def _name_test(tree: exp.Expr) -> Keep:
    """Which names a star with LIKE keeps."""
    if isinstance(tree, exp.Star):
        ilike = tree.args.get("ilike")
        return _pattern_test(exp.ILike, ilike) if ilike is not None else lambda name: True
    if isinstance(tree, exp.Not):
        inner = _name_test(tree.this)
        return lambda name: not inner(name)
    test = _pattern_test(type(tree), tree.expression)
    return (lambda name: not test(name)) if tree.args.get("negate") else test


def _pattern_test(kind: type[exp.Expr], pattern: exp.Expr) -> Keep:
    if not isinstance(pattern, exp.Literal) or not pattern.is_string:
        raise Unresolved("a pattern of names that is no text", span_of(pattern))
    text = pattern.name
    if kind is exp.SimilarTo:
        return lambda name: re.fullmatch(text, name) is not None
    if kind is exp.Glob:
        raise Unresolved("GLOB over names", span_of(pattern))
    spelled = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in text)
    flags = re.IGNORECASE | re.DOTALL if kind is exp.ILike else re.DOTALL
    return lambda name: re.fullmatch(spelled, name, flags) is not None


def _lambda(tree: exp.Expr) -> Keep:
    """The test that ``lambda c: …`` or ``[c for c in (*) if …]`` makes of a name."""
    if (
        isinstance(tree, exp.Array)
        and len(tree.expressions) == 1
        and isinstance(tree.expressions[0], exp.Comprehension)
    ):
        comprehension = tree.expressions[0]
        condition = comprehension.args.get("condition")
        if condition is None or comprehension.this.name != comprehension.expression.name:
            raise Unresolved("COLUMNS of this list", span_of(tree))
        return _condition(condition, comprehension.expression.name)
    if isinstance(tree, exp.Lambda) and len(tree.expressions) == 1:
        return _condition(tree.this, tree.expressions[0].name)
    raise Unresolved("COLUMNS of this", span_of(tree))


def _condition(tree: exp.Expr, name: str) -> Keep:
    if isinstance(tree, exp.Paren):
        return _condition(tree.this, name)
    if isinstance(tree, exp.Not):
        inner = _condition(tree.this, name)
        return lambda value: not inner(value)
    if isinstance(tree, exp.And | exp.Or):
        one, other = _condition(tree.this, name), _condition(tree.expression, name)
        if isinstance(tree, exp.And):
            return lambda value: one(value) and other(value)
        return lambda value: one(value) or other(value)
    if tree.this is None or getattr(tree.this, "name", None) != name:
        raise Unresolved("COLUMNS of a condition that is not simple", span_of(tree))
    if isinstance(tree, exp.In) and all(isinstance(part, exp.Literal) for part in tree.expressions):
        wanted = {part.name for part in tree.expressions}
        return lambda value: value in wanted
    text = tree.args.get("expression")
    if isinstance(text, exp.Literal) and text.is_string:
        plain: str = text.name
        if isinstance(tree, exp.Like | exp.ILike):
            test = _pattern_test(type(tree), text)
            return (lambda value: not test(value)) if tree.args.get("negate") else test
        if isinstance(tree, exp.EQ):
            return lambda value: value == plain
        if isinstance(tree, exp.NEQ):
            return lambda value: value != plain
        if isinstance(tree, exp.StartsWith):
            return lambda value: value.startswith(plain)
        if isinstance(tree, exp.EndsWith):
            return lambda value: value.endswith(plain)
        if isinstance(tree, exp.RegexpLike):
            return lambda value: re.search(plain, value) is not None
    raise Unresolved("COLUMNS of a condition that is not simple", span_of(tree))
