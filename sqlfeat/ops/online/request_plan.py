"""The serving plan of a training set: its SELECT as plain data, so that a registered version can carry its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlglot.tokenizer_core import TokenType

from sqlfeat.compiler.fitted_select import is_transformed
from sqlfeat.compiler.manifest import CompiledModel, Lookup
from sqlfeat.compiler.parse import last_select, tokenize
from sqlfeat.spec.duration import Duration


@dataclass(frozen=True)
class RequestPlan:
    """A training set's SELECT as plain data.

    ``relation`` is what may stand before the name of a request column. ``as_of`` is the column with the asked instant,
    ``columns`` are those that a request must carry; both map names to DuckDB types. ``outputs`` maps model inputs to
    (expression, DuckDB type); ``steps`` are expressions by name that come before them, each group over what is known by
    then (those of transforms). ``features`` maps ``view.column`` to the fingerprint of its definition, ``dictionaries``
    a mark to the list that expressions of transforms seek places in. ``keys`` are the columns that identify a row, with
    their types: a request may bring them along for the log. ``fitted_on`` is the id of the set whose parameters the
    transforms have, where the plan is no model's.
    """

    training_set: str
    relation: str
    as_of: tuple[str, str]
    columns: Mapping[str, str]
    lookups: tuple[Lookup, ...]
    outputs: Mapping[str, tuple[str, str]]
    features: Mapping[str, str]
    steps: tuple[Mapping[str, str], ...] = ()
    dictionaries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    fitted_on: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON has it: lists, no tuples."""
        said = asdict(self)
        if self.fitted_on is None:
            del said["fitted_on"]
        return {
            **said,
            "as_of": list(self.as_of),
            "columns": [list(column) for column in self.columns.items()],
            "outputs": [[name, *output] for name, output in self.outputs.items()],
            "lookups": [_told(lookup) for lookup in self.lookups],
            "features": dict(self.features),
            "steps": [[list(step) for step in steps.items()] for steps in self.steps],
            "dictionaries": {mark: list(levels) for mark, levels in self.dictionaries.items()},
            "keys": dict(self.keys),
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> RequestPlan:
        """The plan that was kept."""
        return cls(
            training_set=said["training_set"],
            relation=said["relation"],
            as_of=tuple(said["as_of"]),
            columns=dict(said["columns"]),
            lookups=tuple(_lookup(lookup) for lookup in said["lookups"]),
            outputs={name: (sql, kind) for name, sql, kind in said["outputs"]},
            features=said["features"],
            steps=tuple(dict(steps) for steps in said["steps"]),
            dictionaries={mark: tuple(levels) for mark, levels in said["dictionaries"].items()},
            keys=said.get("keys", {}),
            fitted_on=said.get("fitted_on"),
        )


def _told(lookup: Lookup) -> dict[str, Any]:
    return {
        **asdict(lookup),
        "keys": [list(key) for key in lookup.keys],
        "columns": list(lookup.columns),
        "after": list(lookup.after),
    }


def _lookup(said: Mapping[str, Any]) -> Lookup:
    ttl = said["ttl"]
    return Lookup(
        said["name"],
        said["view"],
        tuple((key, sql) for key, sql in said["keys"]),
        tuple(said["columns"]),
        Duration(**ttl) if ttl else None,
        said["strict"],
        tuple(said["after"]),
    )


def plan_of(model: CompiledModel, features: Mapping[str, str], *, fitted_on: str | None = None) -> RequestPlan:
    """The serving plan of a training set; ``features`` are the fingerprints of what it looks up.

    Inputs that hang on a transform are none of it as long as nothing is fitted.
    """
    plan = model.training_set
    assert plan is not None
    types = {column.name: column.type for column in plan.label_columns}
    *steps, items = _layers(plan.select.text)
    given = [output for output in plan.outputs if output.role == "input" and not is_transformed(plan, output)]
    inputs = {output.name: (items[output.name], output.type) for output in given}
    return RequestPlan(
        training_set=model.name,
        relation=plan.alias or plan.labels.rsplit(".", 1)[1],
        as_of=(plan.as_of, types[plan.as_of]),
        columns={name: types[name] for name in plan.needed},
        lookups=plan.lookups,
        outputs=inputs,
        features=features,
        steps=tuple(steps),
        dictionaries=plan.dictionaries,
        keys={output.name: output.type for output in plan.outputs if output.role == "key"},
        fitted_on=fitted_on,
    )


def _layers(text: str) -> list[dict[str, str]]:
    """The expressions of a SELECT by name, after those of the SELECTs that its FROM is made of, the innermost first."""
    tokens = tokenize(text)
    items = {item.name: item.expression for item in last_select(text).items if item.text.strip() != "*"}
    depth, inner = 0, None
    for place, token in enumerate(tokens):
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
        if depth == 0 and token.token_type == TokenType.FROM:
            inner = tokens[place + 1]
            break
    if inner is None or inner.token_type != TokenType.L_PAREN:
        return [items]
    depth, begin = 0, inner.start
    for token in tokens[place + 1 :]:
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
        if depth == 0:
            return [*_layers(text[begin + 1 : token.start]), items]
    return [items]
