"""What a split gives: how its labels are balanced, and what of one part is in another.

Counts and sentences for the manifest and the screen. Nothing here moves a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.base import Assembled, Engine
from sqlfeat.errors import RunError
from sqlfeat.ops.splits import SEPARATOR, Parts, label_known
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.project import EntitySpec

MOST_CLASSES = 50
"""Labels with more different values are told of by their range instead."""
_COUNTED = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_NAMED = ("VARCHAR", "ENUM")


@dataclass(frozen=True)
class SplitReport:
    """Looks at the parts of assembled rows; ``label`` is the SQL of the label, null where it is not known."""

    engine: Engine
    assembled: Assembled
    model: CompiledModel
    parts: Parts
    label: str | None
    horizon: Duration | None

    def _ask(self, expressions: Sequence[str], where: str = "true") -> tuple[Any, ...]:
        return self.engine.scalars(self.assembled, expressions, where)

    def _type_of(self, name: str) -> str:
        return next(column.type for column in self.assembled.columns if column.name == name)

    # -- balance ---------------------------------------------------------------------------------------------------

    def balance(self) -> dict[str, Any] | None:
        """Of the label in each part: rows by class, or the range of a number; None without a label.

        ``{"label": …, "kind": "classes", "parts": {part: {"rows", "nulls", "classes": {class: rows}}}}``.
        """
        plan = self.model.training_set
        assert plan is not None
        name = next(iter(plan.named("label")), None)
        if name is None or self.label is None:
            return None
        kind = "classes" if self._has_classes(self._type_of(name)) else "range"
        parts = {part: self._one(condition, kind) for part, condition in self.parts.conditions.items()}
        return {"label": name, "kind": kind, "parts": parts}

    def _has_classes(self, type_: str) -> bool:
        if not type_.startswith((*_COUNTED, *_NAMED)):
            return False
        return int(self._ask([f"count(distinct {self.label})"])[0]) <= MOST_CLASSES

    def _one(self, condition: str, kind: str) -> dict[str, Any]:
        rows, known = self._ask(["count(*)", f"count({self.label})"], condition)
        counted: dict[str, Any] = {"rows": rows, "nulls": rows - known}
        if kind == "classes":
            found = self._ask([f"map_entries(histogram(cast({self.label} as varchar)))"], condition)[0] or ()
            return {**counted, "classes": {entry["key"]: entry["value"] for entry in found}}
        names = ("least", "middle", "greatest")
        asked = [f"min({self.label})", f"quantile_disc({self.label}, 0.5)", f"max({self.label})"]
        values = self._ask([f"cast({sql} as varchar)" for sql in asked], condition)
        return {**counted, **dict(zip(names, values, strict=True))}

    # -- weights ---------------------------------------------------------------------------------------------------

    def check_weights(self) -> None:
        """Raise :class:`RunError` where a weight is null, negative or no finite number."""
        name = self.model.config.weight
        if name is None:
            return
        value = f"cast({quote(name)} as double)"
        bad = int(self._ask(["count(*)"], f"({value} is null or {value} < 0 or not isfinite({value}))")[0])
        if bad:
            raise RunError(
                "bad-weight",
                f"The weight {name!r} of {self.model.name} is null, negative or not finite in {bad:,} rows.",
                self.model.place("weight"),
                f"give every row one: coalesce({name}, 1) as {name}; a weight of 0 leaves a row out.",
            )

    # -- leakage ---------------------------------------------------------------------------------------------------

    def warnings(self) -> list[str]:
        """What should not be on both sides of a cut, or is missing on one, a sentence each."""
        if self.parts.folds:
            return self._empty_folds()
        return [*self._same_rows(), *self._early_labels()] if self.model.config.split else []

    def notes(self, entities: Mapping[str, EntitySpec]) -> list[str]:
        """What whoever reads the metrics has to know."""
        split = self.model.config.split
        if split is None or self.parts.folds:
            return []
        notes = self._entities(entities)
        if split.by == "hash" and self.horizon is not None:
            first, *others = self.parts.conditions
            notes.append(
                f"Parts by hash mix times: {first} has rows of after those of {' and '.join(others)}, so what is "
                "measured there is better than what a model will do later."
            )
        return notes

    def _empty_folds(self) -> list[str]:
        empty = [fold.name for fold in self.parts.folds if not self._rows(fold.train) or not self._rows(fold.test)]
        told = f"fold {empty[0]} has" if len(empty) == 1 else f"the folds {', '.join(empty)} have"
        return [f"{told} nothing to learn from, or nothing to test on."] if empty else []

    def _rows(self, condition: str) -> int:
        return int(self._ask(["count(*)"], condition)[0])

    def _same_rows(self) -> list[str]:
        """Parts that hold rows of the same keys as train."""
        notes = []
        for part, (_, shared) in self._shared(self.model.config.keys).items():
            if shared:
                keys = ", ".join(self.model.config.keys)
                first = next(iter(self.parts.conditions))
                notes.append(
                    f"{shared:,} values of the keys ({keys}) are in {first} and in {part}: is a row there twice?"
                )
        return notes

    def _early_labels(self) -> list[str]:
        """Rows of a part whose labels become known after the next part has begun."""
        split, plan = self.model.config.split, self.model.training_set
        assert plan is not None
        if split is None or split.by != "time" or self.horizon is None or split.embargo is None:
            return []
        notes = []
        names = list(self.parts.conditions)
        for part, (later, start) in zip(names, list(split.starts)[1:], strict=False):
            known = f"{label_known(plan.as_of, self.horizon)} > timestamptz '{start.isoformat()}'"
            rows = self._rows(f"({self.parts.conditions[part]}) and {known}")
            if rows:
                notes.append(
                    f"{rows:,} rows of {part} have labels that are known after {later} begins: "
                    f"the embargo ({split.embargo}) is shorter than the horizon of the labels ({self.horizon})."
                )
        return notes

    def _entities(self, entities: Mapping[str, EntitySpec]) -> list[str]:
        """Entities of the other parts that train has too."""
        plan, split = self.model.training_set, self.model.config.split
        assert plan is not None
        own = {output.name.casefold(): output.name for output in plan.outputs}
        there = {column.name for column in self.assembled.columns}
        told = []
        for entity in entities.values():
            keys = [own.get(key.casefold(), "") for key in entity.keys]
            if not all(key in there for key in keys) or not keys:
                continue
            if split is not None and split.by == "hash" and split.on and set(split.on) <= set(keys):
                continue
            shared = self._shared(keys)
            if any(number for _, number in shared.values()):
                numbers = ", ".join(f"{number:,} of {count:,}" for count, number in shared.values())
                told.append(f"{entity.name} ({numbers})")
        first, *others = self.parts.conditions
        return [f"Entities of {' and '.join(others)} that {first} has too: {', '.join(told)}."] if told else []

    def _shared(self, columns: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Of each part but the first: how many values of these columns it has, and how many of them the first has."""
        first, *others = self.parts.conditions
        value = f" || '{SEPARATOR}' || ".join(f"cast({quote(name)} as varchar)" for name in columns)
        inside = f"(select {value} from temp.{self.assembled.relation} where {self.parts.conditions[first]})"
        found = {}
        for part in others:
            condition = self.parts.conditions[part]
            count = int(self._ask([f"count(distinct {value})"], condition)[0])
            shared = int(self._ask([f"count(distinct {value})"], f"({condition}) and ({value}) in {inside}")[0])
            found[part] = (count, shared)
        return found
