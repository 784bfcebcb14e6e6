"""The verdict of each output of a training set, asked as of its label rows' time.

Features are looked up point in time, so a feature is as good as its view's column. What the label relation carries is
the request's own, unless it is the label, or comes from rows that are known after the question is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace

from sqlfeat.base.names import quote
from sqlfeat.compiler import purity
from sqlfeat.compiler.algebra import Call, Column, Constant, Expression, Project, Relation, Span, Unknown
from sqlfeat.compiler.findings import UNPROVEN, UNSAFE, Finding, Target, diagnose
from sqlfeat.compiler.flows import Ledger, State
from sqlfeat.compiler.manifest import Column as TypedColumn
from sqlfeat.compiler.manifest import CompiledModel, Lookup, Manifest, Output, TrainingSetPlan
from sqlfeat.compiler.nodes import NOWHERE
from sqlfeat.compiler.resolve import Unresolved, resolve
from sqlfeat.compiler.rewriting import token_of
from sqlfeat.compiler.rules import RULES


@dataclass
class Reads:
    """What an expression of the list names: label columns, features, and calls whose value is not theirs alone."""

    labels: dict[int, Span] = field(default_factory=dict)
    features: dict[tuple[str, str], Span] = field(default_factory=dict)
    calls: list[tuple[str, str, Span]] = field(default_factory=list)
    lookups: set[str] = field(default_factory=set)


class TrainingProof:
    """One training set. ``views`` gives the findings against a column of a feature view."""

    def __init__(self, model: CompiledModel, manifest: Manifest, labels: State, ledger: Ledger) -> None:
        assert model.training_set is not None
        self.model, self.manifest, self.labels, self.ledger = model, manifest, labels, ledger
        self.plan: TrainingSetPlan = model.training_set
        self.lookups: dict[str, Lookup] = {lookup.name: lookup for lookup in self.plan.lookups}
        self.expressions = self._expressions()
        self.label_columns = self._label_columns()

    def _columns(self) -> list[TypedColumn]:
        """The relation that the SELECT runs over: label columns, and a struct for each lookup."""
        columns = list(self.plan.label_columns)
        for lookup in self.plan.lookups:
            types = {column.name: column.type for column in self.manifest.models[lookup.view].columns}
            parts = ", ".join(f"{quote(name)} {types[name]}" for name in lookup.columns)
            columns.append(TypedColumn(lookup.name, f"STRUCT({parts})"))
        return columns

    def _expressions(self) -> tuple[Expression, ...]:
        relation = resolve(self.plan.select.text, {self.plan.labels: self._columns()})
        if not isinstance(relation, Project) or len(relation.expressions) != len(self.plan.outputs):
            raise Unresolved("the list of this training set")
        return relation.expressions

    def _key(self, sql: str) -> Expression:
        alias = f" as {quote(self.plan.alias)}" if self.plan.alias else ""
        relation = resolve(
            f"select {sql} as k from {token_of(self.plan.labels)}{alias}", {self.plan.labels: self._columns()}
        )
        assert isinstance(relation, Project)
        return relation.expressions[0]

    def _label_columns(self) -> frozenset[int]:
        """The columns of the label relation that the label is made of; what identifies and times a row is none."""
        exempt = {self.plan.as_of.casefold()}
        found: set[int] = set()
        for output, expression in zip(self.plan.outputs, self.expressions, strict=True):
            reads = self.reads(expression)
            if output.role in ("key", "as_of"):
                exempt |= {self.plan.label_columns[index].name.casefold() for index in reads.labels}
            if output.role == "label":
                found |= set(reads.labels)
        return frozenset(i for i in found if self.plan.label_columns[i].name.casefold() not in exempt)

    def reads(self, expression: Expression) -> Reads:
        """Everything that an expression reads, the keys of its lookups included."""
        found = Reads()
        self._read(expression, found, expression.span)
        return found

    def _read(self, node: object, found: Reads, span: Span) -> None:
        if isinstance(node, Call):
            span = node.span if node.span.start >= 0 else span
            feature = self._feature(node)
            if feature is not None:
                self._read_feature(*feature, found, span)
                return
            self._read_call(node, found, span)
        elif isinstance(node, Unknown):
            found.calls.append(("unread", node.what, span))
        elif isinstance(node, Column):
            span = node.span if node.span.start >= 0 else span
            if node.index < len(self.plan.label_columns):
                found.labels.setdefault(node.index, span)
            else:
                found.calls.append(("unread", "a feature that is not named", span))
            return
        for part in parts_of(node):
            self._read(part, found, span)

    def _feature(self, node: Call) -> tuple[Lookup, str] | None:
        start = len(self.plan.label_columns)
        if node.name != "struct_extract" or len(node.arguments) != 2:
            return None
        value, name = node.arguments
        if not isinstance(value, Column) or value.index < start or not isinstance(name, Constant):
            return None
        return self.plan.lookups[value.index - start], str(name.value)

    def _read_feature(self, lookup: Lookup, column: str, found: Reads, span: Span) -> None:
        found.features.setdefault((lookup.view, column), span)
        if lookup.name in found.lookups:  # one view may be looked up by several keys
            return
        found.lookups.add(lookup.name)
        for _, sql in lookup.keys:
            self._read(self._key(sql), found, span)

    def _read_call(self, node: Call, found: Reads, span: Span) -> None:
        if node.name in purity.CLOCKS or (node.name == "age" and len(node.arguments) == 1):
            found.calls.append(("clock", f"{node.name}()", span))
        elif node.name in purity.DICE:
            found.calls.append(("random", f"{node.name}()", span))
        elif node.name not in purity.PLAIN:
            found.calls.append(("unread", f"the function {node.name}", span))

    # -- findings --------------------------------------------------------------------------------------------------

    def findings(self, views: Mapping[tuple[str, str], tuple[Finding, ...]]) -> Iterator[tuple[Output, list[Finding]]]:
        """What speaks against each output, by what it reads."""
        for output, expression in zip(self.plan.outputs, self.expressions, strict=True):
            found: list[Finding] = []
            if output.role in ("input", "key", "as_of"):
                reads = self.reads(expression)
                found += [self._called(*call) for call in reads.calls]
                for name in reads.features:
                    found += views[name]
                if output.role == "key":
                    found += [f for i, span in reads.labels.items() if (f := self._late_key(i, span)) is not None]
                if output.role == "input":
                    found += [f for i, span in reads.labels.items() if (f := self._labelled(i, span)) is not None]
            yield output, found

    def features(self) -> set[tuple[str, str]]:
        """Every feature that is read."""
        return {name for expression in self.expressions for name in self.reads(expression).features}

    def _called(self, rule: str, what: str, span: Span) -> Finding:
        about = RULES[rule]
        message = about.says.format(subject=what)
        example = about.example.format(time="12:00")
        verdict = UNPROVEN if rule == "unread" else UNSAFE
        return Finding(rule, verdict, message, example, about.mend, self.model.name, span)

    def _labelled(self, index: int, span: Span) -> Finding | None:
        """A column of the label rows as an input: not the label, nor what is known after the question is asked."""
        name = self.plan.label_columns[index].name
        about = RULES["label"]
        if index in self.label_columns:
            message = f"The input reads {name}, which the label is made of."
            example = about.example.format(time="12:00")
            return Finding("label", UNSAFE, message, example, about.mend, self.model.name, span)
        late = self._late(index)
        if late is None or late.rule in _UNDECLARED:
            return late and self._here(late, span)
        return replace(
            late, rule="label", message=_late_column(name, late), mend=about.mend, model=self.model.name, span=span,
            example="a row asked at 12:00 contains what is known only later",
        )  # fmt: skip

    def _late_key(self, index: int, span: Span) -> Finding | None:
        """A column that identifies a row and is known only after the question is asked: no input, and no proof."""
        late = self._late(index)
        if late is None or late.rule in _UNDECLARED:
            return late and self._here(late, span)
        late = replace(late, verdict=UNPROVEN)
        message = _late_column(self.plan.label_columns[index].name, late)
        return replace(late, rule="label", message=message, mend=RULES["label"].mend, model=self.model.name, span=span,
                       example="")  # fmt: skip

    def _here(self, finding: Finding, span: Span) -> Finding:
        return finding if finding.model else replace(finding, model=self.model.name, span=span)

    def _late(self, index: int) -> Finding | None:
        """What makes a column later than the as-of time: other rows than those that the as-of time comes from.

        Rows that nothing bounds by that time are known after it for some data, however they are declared.
        """
        names = [column.name.casefold() for column in self.plan.label_columns]
        asked = self.labels.fields[names.index(self.plan.as_of.casefold())]
        zone = self.labels.zone.copy()
        zone.assume([asked.variable])
        target = Target(asked.variable)
        for known in sorted(self.labels.fields[index].flows - asked.flows):
            finding = diagnose(self.ledger, self.ledger.flows[known], zone, target, NOWHERE)
            if finding is not None:
                unbounded = finding.rule in ("dropped-available-at", "label-horizon") and finding.distance is None
                return replace(finding, verdict=UNSAFE) if unbounded else finding
        return None


_UNDECLARED = ("untimed", "date-event-time")
"""Rules about a source of which nobody says when its rows are known: that is the cause, wherever they come in."""


def _late_column(name: str, late: Finding) -> str:
    """The same of a key and of an input, as it is the same column that settles it."""
    known = "is" if late.verdict == UNSAFE else "may be"
    return f"It reads {name} of the label rows, which {known} known only after the question is asked."


def of_feature(
    model: CompiledModel, columns: Mapping[str, tuple[Finding, ...]], unique: Iterable[frozenset[int]], name: str
) -> tuple[Finding, ...]:
    """What speaks against a feature: against its column, and against those that decide which row has it.

    Of rows with equal keys and times the one is taken that is greatest in the columns in their order. So where nothing
    makes keys and times ``unique``, the columns before it have a say.
    """
    time, names = model.time, [column.name.casefold() for column in model.columns]
    said = {each.casefold() for each in (*model.keys, *time.tie_breaker, time.event_time, time.available_at) if each}
    own = columns[name]
    windows = {item.name.casefold() for item in model.window_view.items} if model.window_view else set()
    if time.event_time is None or name.casefold() in windows | said:
        return own
    if any({names[index] for index in key} <= said for key in unique):
        return own
    found = list(own)
    for other in model.columns[: names.index(name.casefold())]:
        if other.name.casefold() not in windows | said:
            message = f"Of rows with equal keys and times the one greatest in {other.name} is taken, which is not safe."
            mend = f"leave {other.name} out of the view or put it last, or say a tie_breaker and group by it"
            found += [replace(f, verdict=UNPROVEN, message=message, mend=mend) for f in columns[other.name][:1]]
    return tuple(found)


def parts_of(node: object) -> Iterator[object]:
    """What an expression is made of, but for relations inside it."""
    if isinstance(node, tuple):
        yield from node
    elif is_dataclass(node) and not isinstance(node, type | Relation | Span):
        for each in fields(node):
            yield getattr(node, each.name)
