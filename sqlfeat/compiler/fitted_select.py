"""A training set's SELECT with transforms: what each of them reads, and the SELECT once their parameters are known.

Its rows are made in two stages, so that features are looked up once. What the transforms and the items around them
read is assembled beside all other outputs; they are fitted on it, level by level; and the author's items run over a
relation that has a column of the name of each token. With parameters at hand (a version's, when it predicts) one
stage is enough: the same items over the same columns.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from sqlfeat.base.names import did_you_mean, quote
from sqlfeat.compiler import transforms
from sqlfeat.compiler.lookups import LookupPlanner
from sqlfeat.compiler.manifest import Column, CompiledModel, Manifest, Output, TrainingSetPlan, Transform, TransformCall
from sqlfeat.compiler.parse import Item, UnreadableSql, last_select, tokenize
from sqlfeat.compiler.rewriting import Edit, Rewritten, token_of

FIT, LABEL, SHARE, HELD = "__sqlfeat_fit", "__sqlfeat_label", "__sqlfeat_share", "__sqlfeat_held"
"""Beside assembled rows: whether one is fitted on, its label, the share by which folds are dealt, what it holds."""
FAMILY = "_*"
"""What the outputs of a one_hot are called together ends so."""
_HIDDEN, _OWN, _ARGUMENT = "__sqlfeat_h", "__sqlfeat_o", "__sqlfeat_a"
_TOKEN = re.compile(r"__sqlfeat_transform_(\d+)__")
_LOOKUP = "__sqlfeat_l"


class UnplannableTransform(Exception):  # becomes a ProjectError at the transform's place
    """A transform that cannot be planned; ``token`` says which, and ``word`` where in it."""

    def __init__(self, token: str, code: str, what: str, hint: str | None = None, word: str = "") -> None:
        super().__init__(what)
        self.token, self.code, self.what, self.hint, self.word = token, code, what, hint, word


def tokens_in(text: str) -> list[str]:
    """The tokens of transforms in a text, each once."""
    return list(dict.fromkeys(match[0] for match in _TOKEN.finditer(text)))


# -- what each transform reads -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """An output as it is written: its name, and its text with tokens (of ``view.*`` the field that it is)."""

    name: str
    text: str
    item: Item


@dataclass(frozen=True)
class Read:
    """What a transform reads: SQL over label columns, lookups and tokens of transforms, and how deep it stands."""

    call: TransformCall
    sql: str
    level: int


@dataclass
class Arguments:
    """Finds what the transforms of one SELECT read.

    An argument's bare names are outputs of the SELECT or columns of the FROM relation, and not both; those of outputs
    become their expressions.
    """

    calls: Mapping[str, TransformCall]
    outputs: Sequence[Written]
    planner: LookupPlanner
    alias: str
    _found: dict[str, Read] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def read(self, token: str) -> Read:
        """What one transform reads; raises :class:`UnplannableTransform`."""
        if token not in self._found:
            call = self.calls[token]
            if token in self._open:
                around = " → ".join(self._names_around())
                what = f"This is made of itself: {around}." if around else "This transform is made of itself."
                raise UnplannableTransform(token, "transform-cycle", what, word=call.argument)
            self._open.append(token)
            sql = self._expanded(call.argument, call, written=True)
            inner = [self.read(other).level for other in tokens_in(sql)]
            if any(self.calls[other].kind == "one_hot" for other in tokens_in(sql)):
                what = f"one_hot() is several outputs, and {call.kind}() is of one."
                raise UnplannableTransform(token, "bad-transform", what, "ordinal() gives one number.", call.kind)
            self._open.pop()
            self._found[token] = Read(call, sql, 1 + max(inner, default=-1))
        return self._found[token]

    def _names_around(self) -> list[str]:
        names = [output.name for output in self.outputs if any(token in output.text for token in self._open)]
        return [*names, names[0]] if names else []

    def expanded(self, output: Written) -> str:
        """An output's expression with features as fields and other outputs as their expressions."""
        first = next(iter(self.calls.values()))
        self._open.append(output.name)
        sql = self._expanded(output.text, first, written=False)
        self._open.pop()
        return sql

    def _expanded(self, text: str, call: TransformCall, *, written: bool) -> str:
        edits = []
        for token in self.planner.calls:
            if token in text:
                if self.planner.calls[token].column == "*":
                    what = f"view.* is several features, and {call.kind}() is of one."
                    raise UnplannableTransform(call.token, "bad-transform", what, "name it: view.column.")
                sql = self.planner.field_of(token)
                edits += [Edit(m.start(), m.end(), sql) for m in re.finditer(token, text)]
        for name, stretches in self._bare_names(text, call).items():
            other = self._meant(name, call, written=written)
            if other is None:
                continue
            if other.name in self._open:
                what = f"The output {other.name!r} is made of itself."
                raise UnplannableTransform(call.token, "transform-cycle", what, word=name)
            self._open.append(other.name)
            sql = f"({self._expanded(other.text, call, written=False)})"
            self._open.pop()
            edits += [Edit(start, end, sql) for start, end in stretches]
        return Rewritten.apply(text, edits).text

    def _bare_names(self, text: str, call: TransformCall) -> dict[str, list[tuple[int, int]]]:
        """The columns that a text names without a relation, and where."""
        try:
            tree = last_select(f"select {text}").tree
            words = tokenize(text)
        except UnreadableSql as error:
            what = f"{call.kind}() is of an output or of SQL, and this cannot be read as either."
            raise UnplannableTransform(call.token, "bad-transform", what, error.hint, call.argument) from error
        bare = {column.name.casefold() for column in tree.find_all(exp.Column) if not column.table}
        found: dict[str, list[tuple[int, int]]] = {}
        for before, word, after in zip([None, *words], words, [*words[1:], None], strict=False):
            is_name = word.token_type in (TokenType.VAR, TokenType.IDENTIFIER) or word.text.casefold() in bare
            beside = (before is not None and before.token_type == TokenType.DOT) or (
                after is not None and after.token_type in (TokenType.DOT, TokenType.L_PAREN)
            )
            if is_name and not beside and word.text.casefold() in bare and word.token_type != TokenType.STRING:
                found.setdefault(word.text, []).append((word.start, word.end + 1))
        return found

    def _meant(self, name: str, call: TransformCall, *, written: bool) -> Written | None:
        """The output that a bare name means; None where it is a column of the FROM relation, or not ours to tell."""
        output = next((one for one in self.outputs if one.name.casefold() == name.casefold()), None)
        if name in self.calls or name in self.planner.calls:
            return None
        own = self.planner.labels.column(name)
        if own is None and output is None and name == call.argument.strip('"'):
            known = [one.name for one in self.outputs] + [column.name for column in self.planner.labels.columns]
            what = f"{name!r} is no output of this SELECT and no column of {_relation_of(self.planner)}."
            raise UnplannableTransform(call.token, "missing-column", what, did_you_mean(name, known), name)
        if own is None or output is None:
            return output
        if written and not self._is_column(output, own):
            what = f"{name!r} is an output of this SELECT and another thing in {_relation_of(self.planner)}."
            hint = f"write {self.alias}.{own} for the column, or give the output another name."
            raise UnplannableTransform(call.token, "ambiguous-argument", what, hint, name)
        return None

    def _is_column(self, output: Written, own: str) -> bool:
        tree = output.item.tree.this if isinstance(output.item.tree, exp.Alias) else output.item.tree
        if not isinstance(tree, exp.Column) or tree.name.casefold() != own.casefold():
            return False
        return tree.table.casefold() not in {column.name.casefold() for column in self.planner.labels.columns}


def _relation_of(planner: LookupPlanner) -> str:
    return planner.labels.node.split(".", 1)[1]


def label_columns_in(sql: str, planner: LookupPlanner) -> list[str]:
    """The columns of the label relation that an expression names."""
    found: dict[str, None] = {}
    for column in last_select(f"select {sql}").tree.find_all(exp.Column):
        own = planner.labels.column(column.name)
        if own is not None and not column.table.startswith(_LOOKUP):
            found.setdefault(own)
    return list(found)


def names_in(sql: str) -> list[str]:
    """The texts of what an expression names: columns, fields, tokens."""
    found = last_select(f"select {sql}").tree.find_all(exp.Column)
    return list(dict.fromkeys(".".join(quote(part.name) for part in column.parts) for column in found))


def with_tokens(text: str, instead: Mapping[str, str]) -> str:
    """A text with tokens of transforms replaced."""
    return _TOKEN.sub(lambda match: f"({instead[match[0]]})" if match[0] in instead else match[0], text)


# -- the first stage: what is assembled --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leaf:
    """A label column, or a column of a lookup, that transformed items read; ``hidden`` is the output that has it."""

    hidden: str
    sql: str
    type: str
    column: str
    lookup: str | None = None


def is_transformed(plan: TrainingSetPlan, output: Output) -> bool:
    return any(output.name in one.outputs for one in plan.transforms)


def leaves(plan: TrainingSetPlan, manifest: Manifest) -> list[Leaf]:
    """What transformed items read. A column counts as read where its name stands in their text: rather too often."""
    items = last_select(plan.open).items
    texts = [item.text for item, output in zip(items, plan.outputs, strict=True) if is_transformed(plan, output)]
    text = "\n".join([*texts, *(one.sql for one in plan.transforms)]).casefold()
    everything = "#" in text or 'u&"' in text  # columns by their place, names by their code points
    alias = f"{quote(_alias(plan))}." if plan.alias else ""
    found: list[Leaf] = []
    for column in plan.label_columns:
        if everything or quote(column.name)[1:-1].casefold() in text:
            sql = f"{alias}{quote(column.name)}"
            found.append(Leaf(f"{_HIDDEN}{len(found)}", sql, column.type, column.name))
    for lookup in plan.lookups:
        types = {column.name: column.type for column in manifest.models[lookup.view].columns}
        for name in lookup.columns:
            sql = f"{lookup.name}.{quote(name)}"
            if everything or sql.casefold() in text:
                found.append(Leaf(f"{_HIDDEN}{len(found)}", sql, types[name], name, lookup.name))
    return found


def assembled_model(model: CompiledModel, manifest: Manifest) -> CompiledModel:
    """The training set as it is assembled to be fitted: outputs without transforms, and what the others read."""
    plan = _plan(model)
    select = last_select(plan.open)
    kept = [
        (item, output)
        for item, output in zip(select.items, plan.outputs, strict=True)
        if not is_transformed(plan, output)
    ]
    read = leaves(plan, manifest)
    items = [item.text for item, _ in kept] + [f"{leaf.sql} as {leaf.hidden}" for leaf in read]
    outputs = [output for _, output in kept] + [Output(leaf.hidden, leaf.type, "passthrough") for leaf in read]
    text = Rewritten.apply(plan.open, [Edit(select.start, select.end, ",\n    ".join(items))])
    made = replace(plan, select=text, outputs=tuple(outputs), transforms=(), open="")
    return replace(
        model, training_set=made, columns=tuple(Column(output.name, output.type) for output in outputs), transforms=()
    )


def shaped(plan: TrainingSetPlan, manifest: Manifest, source: str, beside: Sequence[str] = ()) -> str:
    """Assembled rows as the relation that the author's items run over, with other outputs under names of our own."""
    columns: list[str] = []
    lookups: dict[str, list[str]] = {}
    for leaf in leaves(plan, manifest):
        if leaf.lookup is None:
            columns.append(f"{leaf.hidden} as {quote(leaf.column)}")
        else:
            lookups.setdefault(leaf.lookup, []).append(f"{quote(leaf.column)} := {leaf.hidden}")
    columns += [f"struct_pack({', '.join(fields)}) as {name}" for name, fields in lookups.items()]
    own = [output for output in plan.outputs if not is_transformed(plan, output)]
    columns += [f"{quote(output.name)} as {_OWN}{place}" for place, output in enumerate(own)]
    return f"(select {', '.join([*columns, *beside])} from {source}) as {quote(_alias(plan))}"


# -- the second stage: what is given -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fitted:
    """The parameters of transforms by token (None: not fitted, so null), and the columns that ``hold`` some rows' own.

    ``dictionaries`` gets the lists that the SQL made of them seeks places in.
    """

    parameters: Mapping[str, Mapping[str, Any] | None]
    holds: Mapping[str, str] = field(default_factory=dict)
    dictionaries: dict[str, tuple[str, ...]] = field(default_factory=dict)


def argument_of(one: Transform) -> str:
    """The column that has a transform's argument."""
    return f"{_ARGUMENT}{_number(one.call)}"


def with_arguments(plan: TrainingSetPlan, relation: str, level: int) -> str:
    """A relation with the arguments of all transforms of a level, of the types that they are taken as."""
    items = [
        f"cast(({one.sql}) as {transforms.taken_as(one.call.kind, one.gives)}) as {argument_of(one)}"
        for one in plan.transforms
        if one.level == level and one.call.kind != "fitted"
    ]
    return _widened(relation, items, plan)


def with_transforms(plan: TrainingSetPlan, relation: str, fitted: Fitted, levels: int | None = None) -> str:
    """A relation with a column for each transform of the first levels, called by its token."""
    for level in range(1 + max((one.level for one in plan.transforms), default=-1) if levels is None else levels):
        relation = with_arguments(plan, relation, level)
        made = [item for one in plan.transforms if one.level == level for item in _applied(one, fitted)]
        relation = _widened(relation, made, plan)
    return relation


def _widened(relation: str, items: Sequence[str], plan: TrainingSetPlan) -> str:
    return f"(select *, {', '.join(items)} from {relation}) as {quote(_alias(plan))}" if items else relation


def _applied(one: Transform, fitted: Fitted) -> Iterator[str]:
    """The columns of one transform, computed from its argument."""
    call, parameters = one.call, fitted.parameters.get(one.call.token)
    if parameters is None:
        if call.kind != "one_hot":
            yield f"cast(null as {one.gives}) as {call.token}"
        return
    several = [{"level": level} for level in parameters["levels"]] if call.kind == "one_hot" else [parameters]
    for place, given in enumerate(several):
        type_ = transforms.parameter_type(call.kind, one.gives)
        spelling = transforms.Valued(given, type_, fitted.dictionaries)
        sql = transforms.expression(call.kind, dict(call.options), one.gives, given, spelling, argument_of(one))
        if call.token in fitted.holds:
            sql = f"case when {FIT} then {fitted.holds[call.token]} else {sql} end"
        yield f"{sql} as {_level_column(call, place) if call.kind == 'one_hot' else call.token}"


def _level_column(call: TransformCall, place: int) -> str:
    return f"{call.token}{place}"


@dataclass(frozen=True)
class Given:
    """An output as it is given: its SQL, and the output of the author's list that it is, or is one of."""

    text: str
    output: Output
    of: str


def _given_outputs(plan: TrainingSetPlan, fitted: Fitted) -> list[Given]:
    """The author's items and their outputs, those of a one_hot one by one; raises :class:`UnplannableTransform`."""
    families = {name: one.call for one in plan.transforms if one.call.kind == "one_hot" for name in one.outputs}
    found: list[Given] = []
    for item, output in zip(last_select(plan.open).items, plan.outputs, strict=True):
        call = families.get(output.name)
        if call is None:
            found.append(Given(item.text, output, output.name))
            continue
        levels = (fitted.parameters.get(call.token) or {}).get("levels", ())
        for place, name in enumerate(transforms.level_names(output.name.removesuffix(FAMILY), levels)):
            text = f"{_level_column(call, place)} as {quote(name)}"
            found.append(Given(text, replace(output, name=name), output.name))
    seen: dict[str, str] = {}
    for given in found:
        twin = seen.setdefault(given.output.name.casefold(), given.of)
        if twin != given.of:
            call = families[given.of if given.of in families else twin]
            what = f"Two outputs are called {given.output.name!r}, and one is a level of {call.argument!r}."
            raise UnplannableTransform(call.token, "duplicate-output", what, "give one of them another alias.")
    return found


def given_names(plan: TrainingSetPlan, fitted: Fitted, wanted: Collection[str]) -> tuple[str, ...]:
    """The outputs that are given for some of the author's list."""
    return tuple(given.output.name for given in _given_outputs(plan, fitted) if given.of in wanted)


def fitted_model(model: CompiledModel, fitted: Fitted) -> CompiledModel:
    """The training set with parameters in the place of transforms: an ordinary one, to be assembled in one stage."""
    plan = _plan(model)
    alias = f" as {quote(_alias(plan))}"
    relation = with_transforms(plan, f"{token_of(plan.labels)}{alias}", fitted)
    given = _given_outputs(plan, fitted)
    return _given(model, f"select {_listed(one.text for one in given)}\nfrom {relation}", given, fitted)


def given_model(model: CompiledModel, manifest: Manifest, fitted: Fitted, source: str) -> CompiledModel:
    """The same over rows of the first stage, which ``source`` names."""
    plan = _plan(model)
    relation = with_transforms(plan, shaped(plan, manifest, source, (f"{HELD}.*",) if fitted.holds else ()), fitted)
    own = {output.name: f"{_OWN}{i}" for i, output in enumerate(o for o in plan.outputs if not is_transformed(plan, o))}
    given = _given_outputs(plan, fitted)
    items = (f"{own[one.of]} as {quote(one.of)}" if one.of in own else one.text for one in given)
    return _given(model, f"select {_listed(items)}\nfrom {relation}", given, fitted)


def _listed(items: Iterable[str]) -> str:
    return ",\n    ".join(items)


def _given(model: CompiledModel, text: str, given: Sequence[Given], fitted: Fitted) -> CompiledModel:
    outputs = tuple(one.output for one in given)
    plan = replace(
        _plan(model), select=Rewritten(text), outputs=outputs, transforms=(), open="", dictionaries=fitted.dictionaries
    )
    return replace(
        model, training_set=plan, columns=tuple(Column(output.name, output.type) for output in outputs), transforms=()
    )


def _number(call: TransformCall) -> str:
    match = _TOKEN.fullmatch(call.token)
    assert match is not None
    return match[1]


def _alias(plan: TrainingSetPlan) -> str:
    return plan.alias or plan.labels.rsplit(".", 1)[1]


def _plan(model: CompiledModel) -> TrainingSetPlan:
    assert model.training_set is not None
    return model.training_set
