"""Whether a version may have an alias that others rely on, and every reason against it.

Asked are the rules of the project file (``spec.promotion``), the proof that no input sees the future, whoever calls the
model (what they must send, what they get), and the project's ``@promotion`` hooks. What cannot be told is a warning,
not a refusal; a hook that fails is a refusal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlfeat.base.names import did_you_mean
from sqlfeat.base.process import run_in_child
from sqlfeat.compiler.findings import UNPROVEN, UNSAFE
from sqlfeat.errors import ProjectError, SqlfeatError
from sqlfeat.ops.check import check_model
from sqlfeat.ops.comparison import APART, Comparison, compared, key_metric
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session
from sqlfeat.spec.hook import PromotionHookSpec, discover_hooks
from sqlfeat.spec.promotion import IGNORE, SAME, PromotionRules
from sqlfeat.store.registry import ModelVersion

_CHILD = "sqlfeat.hook_child:promotion"
_TIME_LIMIT = 300.0


@dataclass(frozen=True)
class Judgement:
    """Whether a version may have an alias: every reason against it, and what could not be told or is not fair."""

    name: str
    alias: str
    candidate: str
    champion: str | None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    comparison: Comparison | None = None

    @property
    def allowed(self) -> bool:
        return not self.reasons

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "alias": self.alias,
            "candidate": self.candidate,
            "champion": self.champion,
            "allowed": self.allowed,
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
            "comparison": self.comparison.as_dict() if self.comparison else None,
        }


@dataclass
class _Noted:
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    comparison: Comparison | None = None


def judge(session: Session, alias: str, candidate: ModelVersion, champion: ModelVersion | None) -> Judgement:
    """Judge a version that is to take the place of ``champion``: what the alias points to now, or nothing."""
    rules = session.spec.promotion.rules_for(candidate.name)
    noted = _Noted()
    _bounds(rules, candidate, noted)
    if champion is not None:
        _not_worse(session, rules, candidate, champion, noted)
        _signature(rules, candidate, champion, noted)
    _time_safety(session, rules, candidate, noted)
    _hooks(session, alias, candidate, champion, noted)
    return Judgement(
        candidate.name,
        alias,
        candidate.reference,
        champion.reference if champion else None,
        tuple(noted.reasons),
        tuple(noted.warnings),
        noted.comparison,
    )


# -- metrics -----------------------------------------------------------------------------------------------------------


def _bounds(rules: PromotionRules, candidate: ModelVersion, noted: _Noted) -> None:
    for word, bounds in (("least", rules.minimum), ("most", rules.maximum)):
        for name, bound in bounds.items():
            key = key_metric(candidate, name, None if "." in name else rules.split)
            value = candidate.metrics.get(key[0], {}).get(key[1]) if key else None
            if value is None:
                hint = did_you_mean(name.rpartition(".")[2], candidate.metrics.get(key[0], {})) if key else None
                noted.reasons.append(f"{name} must be at {word} {bound:g}, and is not known{_in_brackets(hint)}")
            elif value < bound if word == "least" else value > bound:
                split, metric = key or ("", name)
                noted.reasons.append(f"{metric} on {split} must be at {word} {bound:g}, and is {value:.4f}")


def _in_brackets(hint: str | None) -> str:
    return f" ({hint.rstrip('.')})" if hint else ""


def _not_worse(
    session: Session, rules: PromotionRules, candidate: ModelVersion, champion: ModelVersion, noted: _Noted
) -> None:
    key = key_metric(candidate, rules.metric, rules.split)
    if key is None:
        if rules.metric:
            noted.reasons.append(f"{candidate.reference} has no metrics, so {rules.metric} cannot be compared")
        return
    found = compared(session, candidate, champion, key, rules.greater_is_better)
    noted.comparison = found
    noted.warnings += found.warnings
    worse = found.worse_by
    said = f"{found.metric} on {found.split}"
    if worse is None:
        missing = candidate if found.candidate is None else champion
        (noted.reasons if rules.metric else noted.warnings).append(f"{said} is not known of {missing.reference}")
    elif worse > rules.tolerance and found.candidate is not None and found.champion is not None:
        than = f"{said} is {found.candidate:.4f}, worse than the {found.champion:.4f} of {champion.reference}"
        rows = " (on different rows)" if found.how == APART else ""
        allowed = f" by more than {rules.tolerance:g}" if rules.tolerance else ""
        (noted.reasons if rules.metric else noted.warnings).append(than + allowed + rows)


# -- what callers rely on ----------------------------------------------------------------------------------------------


def _signature(rules: PromotionRules, candidate: ModelVersion, champion: ModelVersion, noted: _Noted) -> None:
    if rules.signature == IGNORE:
        return
    mine, theirs = candidate.signature, champion.signature
    if (mine.output.kind, mine.output.classes) != (theirs.output.kind, theirs.output.classes):
        gives = f"it gives {_output(candidate)}, and {champion.reference} gives {_output(champion)}"
        noted.reasons.append(gives)
    needed, known = (_request(version) for version in (candidate, champion))
    if needed is None or known is None:
        lacking = candidate if needed is None else champion
        noted.warnings.append(f"what a request for {lacking.reference} must carry is not recorded")
    else:
        more = [name for name in needed if name not in known]
        other = [
            f"{name} as {needed[name]}, not {known[name]}"
            for name in needed
            if known.get(name, needed[name]) != needed[name]
        ]
        if more:
            noted.reasons.append(
                f"requests would have to carry {', '.join(more)}, which {champion.reference} does not need"
            )
        if other:
            noted.reasons.append(f"requests would have to carry {'; '.join(other)}")
    if rules.signature == SAME:
        noted.reasons += _other_inputs(candidate, champion)


def _output(version: ModelVersion) -> str:
    output = version.signature.output
    return f"a {output.kind}" + (f" of {', '.join(map(str, output.classes))}" if output.classes else "")


def _request(version: ModelVersion) -> dict[str, str] | None:
    """The columns that a request must carry, and their types; None where the version does not say."""
    told = version.training_set.get("request")
    return {column["name"]: column["type"] for column in told} if told is not None else None


def _other_inputs(candidate: ModelVersion, champion: ModelVersion) -> Iterator[str]:
    mine, theirs = ({one.name: (one.type, one.kind) for one in v.signature.inputs} for v in (candidate, champion))
    added, gone = ([name for name in one if name not in other] for one, other in ((mine, theirs), (theirs, mine)))
    changed = [name for name in mine if theirs.get(name, mine[name]) != mine[name]]
    for what, names in (("has the new input", added), ("lacks the input", gone), ("has another type of", changed)):
        if names:
            yield f"it {what}{'s' if len(names) > 1 and 'input' in what else ''} {', '.join(names)}"


# -- time safety -------------------------------------------------------------------------------------------------------


def _time_safety(session: Session, rules: PromotionRules, candidate: ModelVersion, noted: _Noted) -> None:
    if rules.check == IGNORE:
        return
    found = _verdicts(session, candidate)
    if found is None:
        noted.warnings.append(f"whether an input of {candidate.reference} sees the future cannot be told any more")
        return
    inputs = {one.name for one in candidate.signature.inputs}
    for verdict in (UNSAFE,) if rules.check == UNSAFE else (UNSAFE, UNPROVEN):
        names = [name for name in sorted(inputs & found.keys()) if found[name].verdict == verdict]
        open_ = [name for name in names if not found[name].allowed]
        if open_:
            noted.reasons.append(f"check calls {', '.join(open_)} {verdict}")
        if names != open_:
            allowed = ", ".join(name for name in names if name not in open_)
            noted.warnings.append(f"check calls {allowed} {verdict}, and the project allows it (allow_leakage)")


@dataclass(frozen=True)
class _Verdict:
    """What check says of an output, and whether the project allows it."""

    verdict: str
    allowed: bool


def _verdicts(session: Session, version: ModelVersion) -> dict[str, _Verdict] | None:
    """The verdict of each output: as the project proves it now, or as it was proved when the set was built."""
    name = str(version.training_set.get("name"))
    try:
        if session.training_set_definition(name)["definition"] == version.training_set.get("definition"):
            columns = check_model(session.manifest, session.training_set(name)).columns
            return {
                one.name: _Verdict(one.verdict, not (one.fails if one.verdict == UNSAFE else one.open))
                for one in columns
            }
    except SqlfeatError:
        pass  # the project has gone on, or does not compile now: what was found when the set was built holds
    kept = version.provenance.get("training_set")
    told = kept.get("time_safety") if isinstance(kept, Mapping) else None
    if not isinstance(told, Mapping):
        return None
    return {one: _Verdict(verdict, verdict == UNSAFE) for one, verdict in told["verdicts"].items()}  # or it had no set


# -- hooks -------------------------------------------------------------------------------------------------------------


def _hooks(session: Session, alias: str, candidate: ModelVersion, champion: ModelVersion | None, noted: _Noted) -> None:
    try:
        hooks = discover_hooks(session.spec.hooks, session.spec.root).promotions
    except ProjectError as error:
        noted.reasons.append(f"the project's hooks cannot be read: {error.what}")
        return
    facts = {
        "name": candidate.name,
        "alias": alias,
        "candidate": candidate.as_dict(),
        "champion": champion.as_dict() if champion else None,
        "comparison": noted.comparison.as_dict() if noted.comparison else None,
        "reasons": list(noted.reasons),
        "warnings": list(noted.warnings),
    }
    for hook in hooks:
        if hook.model is None or hook.model == candidate.name:
            refusal = _asked(session, hook, facts)
            if refusal:
                noted.reasons.append(refusal)


def _asked(session: Session, hook: PromotionHookSpec, facts: Mapping[str, Any]) -> str | None:
    """Why a hook refuses; None where it lets the version pass."""
    result = run_in_child(
        _CHILD,
        {"root": str(session.spec.root), "file": str(hook.path), "function": hook.function, "facts": dict(facts)},
        folder=session.spec.root,
        timeout=_TIME_LIMIT,
        on_line=lambda line: session.listener(Event("log", name=hook.function, text=line)),
    )
    where = f"{hook.function} ({hook.place})"
    if not result.ok:
        return f"the hook {where} {result.failure}"
    told = result.value
    if "error" in told:
        return f"the hook {where} failed: {told['error']['what']}"
    return None if told["allowed"] else f"{told['reason']} ({hook.function}, {hook.place})"
