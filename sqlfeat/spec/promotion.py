"""What a project asks of a version before it gets an alias that others rely on: ``registry: {promotion: …}``.

Rules hold for every registered model; those under ``models:`` win for one of them, key by key. How a version is judged
by them is told in ``ops.promotion``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlfeat.base.names import check_name, is_identifier
from sqlfeat.errors import ProjectError
from sqlfeat.spec.section import Section

CHAMPION = "champion"
UNSAFE, UNPROVEN, IGNORE = "unsafe", "unproven", "ignore"
COMPATIBLE, SAME = "compatible", "same"
_RULES = ("metric", "split", "tolerance", "greater_is_better", "minimum", "maximum", "check", "signature")


@dataclass(frozen=True)
class PromotionRules:
    """What one registered model must be like.

    ``metric`` (on ``split``) must not be worse than the champion's by more than ``tolerance``; without it nothing is
    refused for being worse. ``minimum`` and ``maximum`` are bounds of metrics, by ``metric`` or ``split.metric``.
    ``check`` is the mildest verdict on an input that is refused (``unsafe``, ``unproven``) or ``ignore``;
    ``signature`` is ``compatible`` (callers need not change), ``same`` (the same inputs, too) or ``ignore``.
    """

    metric: str | None = None
    split: str | None = None
    tolerance: float = 0.0
    greater_is_better: bool | None = None
    minimum: Mapping[str, float] = field(default_factory=dict)
    maximum: Mapping[str, float] = field(default_factory=dict)
    check: str = UNSAFE
    signature: str = COMPATIBLE


@dataclass(frozen=True)
class PromotionSpec:
    """The aliases that are guarded, and the rules; ``models`` are those of single models, already merged."""

    aliases: tuple[str, ...] = (CHAMPION,)
    rules: PromotionRules = field(default_factory=PromotionRules)
    models: Mapping[str, PromotionRules] = field(default_factory=dict)

    def guards(self, alias: str) -> bool:
        """Whether a version is judged before it gets this alias."""
        return alias in self.aliases

    def rules_for(self, model: str) -> PromotionRules:
        """The rules for a registered model."""
        return self.models.get(model, self.rules)


def read_promotion(section: Section) -> PromotionSpec:
    """Read ``promotion:``; what is wrong is noted."""
    section.only(("aliases", "models", *_RULES))
    aliases = section.texts("aliases") if "aliases" in section else (CHAMPION,)
    for alias in aliases:
        if not is_identifier(alias):
            what = f"{alias!r} cannot be an alias."
            section.problems.add(
                ProjectError("bad-alias", what, section.place_of("aliases"), "write a name: champion.")
            )
    rules = _rules(section, PromotionRules())
    models = {}
    named = section.section("models", "the models")
    for name, entry in named.node.entries.items() if named is not None else ():
        assert named is not None
        with section.problems.collected():
            check_name("registered model", name, named.place_of(name))
        own = Section(entry, f"the promotion of {name!r}", section.problems)
        own.only(_RULES)
        models[name] = _rules(own, rules)
    return PromotionSpec(aliases, rules, models)


def _rules(section: Section, basis: PromotionRules) -> PromotionRules:
    given: dict[str, Any] = {
        "metric": section.text("metric"),
        "split": section.text("split"),
        "tolerance": _number(section, "tolerance", least=0.0),
        "greater_is_better": section.flag("greater_is_better") if "greater_is_better" in section else None,
        "minimum": _bounds(section, "minimum"),
        "maximum": _bounds(section, "maximum"),
        "check": section.one_of("check", (UNSAFE, UNPROVEN, IGNORE)),
        "signature": section.one_of("signature", (COMPATIBLE, SAME, IGNORE)),
    }
    return replace(basis, **{key: value for key, value in given.items() if value is not None and key in section})


def _bounds(section: Section, key: str) -> Mapping[str, float]:
    bounds = section.section(key, f"{key!r} of {section.what}")
    if bounds is None:
        return {}
    found = {name: _number(bounds, name) for name in bounds.keys}
    return {name: value for name, value in found.items() if value is not None}


def _number(section: Section, key: str, *, least: float = -math.inf) -> float | None:
    node = section.get(key)
    if node is None:
        return None
    value = node.value
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= least:
        return float(value)
    what = f"{key!r} of {section.what} must be a number{' from 0' if least == 0 else ''}, not {value!r}."
    section.problems.add(ProjectError("bad-value", what, node.place))
    return None
