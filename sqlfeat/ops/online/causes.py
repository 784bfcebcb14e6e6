"""Why a value that was served is not what the offline side says today, as far as it can be shown.

A cause is shown, not guessed: the request is answered again over today's rows without those that are suspected
(``replay``), and what was served must come out of it, to the last bit. What nothing explains is a mismatch: a mistake
of ours, or a source that was rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

from sqlfeat.base.names import quote
from sqlfeat.compiler import fingerprint
from sqlfeat.compiler.manifest import Lookup
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.ops.online.agreement import same
from sqlfeat.ops.online.published import PublishedView
from sqlfeat.ops.online.pushed_facts import PushedFacts
from sqlfeat.ops.online.replay import Fact, Replay
from sqlfeat.ops.online.request import RequestPlan
from sqlfeat.ops.session import Session
from sqlfeat.spec.duration import Duration

UNPUBLISHED, PUSHED, LATE, TTL = "not yet published", "pushed since", "late data", "ttl"
DEFINITION, REMOVED, MISMATCH = "other definition", "row removed", "mismatch"
EXPLAINED = (UNPUBLISHED, PUSHED, LATE, TTL, DEFINITION, REMOVED)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REMEMBERED = 1_000
_SINGLE, _LAST, _PAIRED = 200, 50, 30
"""How many rows are left out one by one, how many of the last together, and of how many every two."""


@dataclass(frozen=True)
class Cause:
    """Why a cell differs: the kind of it, and a sentence with the instants that matter."""

    name: str
    why: str


class Explainer:
    """Explains the cells of requests that one plan answered; its views are defined as they were."""

    def __init__(self, session: Session, plan: RequestPlan, views: Sequence[PublishedView], engine: Rowwise) -> None:
        self._plan = plan
        self._views = {view.name: view for view in views}
        self._replay = Replay(session, plan, views, engine)
        self._pushes = PushedFacts(session, views)
        self._asked: dict[tuple[str, int], _Tried] = {}

    def causes(
        self,
        row: Mapping[str, Any],
        at: int,
        served: Mapping[str, Any],
        times: Mapping[str, datetime | None],
        answered: int,
    ) -> dict[str, Cause]:
        """Why the values that were ``served`` are not today's; ``times`` are those of the rows that lookups found.

        They were asked as of ``at``, and begun to be ``answered`` when the clock said so.
        """
        left = dict(served)
        found: dict[str, Cause] = {}
        tried = self._tried(row, at)
        facts, unpublished = tried.facts, tried.unpublished
        for hidden, is_late, answer in tried:
            for name in [name for name, value in left.items() if same(answer[name], value)]:
                del left[name]
                found[name] = self._pushed(hidden, answered) or (
                    self._late(hidden, unpublished) if is_late else self._unpublished(hidden, at)
                )
            if not left:
                return found
        known = {(fact.view, fact.event_time) for fact in facts}
        gone = [
            (view, time)
            for view, time in times.items()
            if time is not None
            and view in self._views
            and (view, (time - _EPOCH) // timedelta(microseconds=1)) not in known
        ]
        for name in left:
            if gone:
                view, time = gone[0]
                why = f"the row of {view} of {time.isoformat()}, which was served, is not in its table any more"
                found[name] = Cause(REMOVED, why)
            else:
                found[name] = Cause(MISMATCH, "today's rows do not give it, whichever of them is left out")
        return found

    def _tried(self, row: Mapping[str, Any], at: int) -> _Tried:
        """What was answered to a request so far; the same one is often asked."""
        key = (repr(row), at)
        known = self._asked.get(key)
        if known is None:
            if len(self._asked) >= _REMEMBERED:
                self._asked.clear()
            facts = self._replay.facts(row, at)
            unpublished = [fact for fact in facts if fact.known_at > self._views[fact.view].as_of]
            known = self._asked[key] = _Tried(self._replay, row, at, facts, unpublished)
        return known

    def _pushed(self, hidden: Sequence[Fact], answered: int) -> Cause | None:
        """The cause, where all that was not there was pushed after the answer."""
        numbers = [self._pushes.last_of(fact) for fact in hidden]
        if not all(number is not None and number >= answered for number in numbers):
            return None
        more = f", and {len(hidden) - 1} more" if len(hidden) > 1 else ""
        first = min(number for number in numbers if number is not None)
        return Cause(PUSHED, f"{_told(hidden[0])}{more}, was pushed {_span(first - answered)} after the answer")

    def _unpublished(self, hidden: Sequence[Fact], at: int) -> Cause:
        newest = hidden[0]
        as_of = self._views[newest.view].as_of
        more = f", and {len(hidden) - 1} more" if len(hidden) > 1 else ""
        why = (
            f"{_told(newest)}{more}, was known {_span(at - newest.known_at)} before the request; "
            f"the snapshot was as of {_text(as_of)}, {_span(at - as_of)} before it"
        )
        return Cause(UNPUBLISHED, why)

    def _late(self, hidden: Sequence[Fact], unpublished: Sequence[Fact]) -> Cause:
        late = [fact for fact in hidden if fact not in unpublished]
        newest = late[0]
        more = f", and {len(late) - 1} more" if len(late) > 1 else ""
        as_of = _text(self._views[newest.view].as_of)
        return Cause(
            LATE, f"{_told(newest)}{more}, came after the snapshot of {as_of}, though known before by its times"
        )


class _Tried:
    """A request without this or that, one after the other; what was tried once is not tried again."""

    def __init__(
        self, replay: Replay, row: Mapping[str, Any], at: int, facts: Sequence[Fact], unpublished: Sequence[Fact]
    ) -> None:
        self.facts = facts
        self.unpublished = unpublished
        self._known: list[tuple[Sequence[Fact], bool, dict[str, Any]]] = []
        self._more = (
            (hidden, is_late, replay.answer(row, at, hidden)) for hidden, is_late in _suspicions(facts, unpublished)
        )

    def __iter__(self) -> Iterator[tuple[Sequence[Fact], bool, dict[str, Any]]]:
        yield from self._known
        for one in self._more:
            self._known.append(one)
            yield one


def _suspicions(facts: Sequence[Fact], unpublished: Sequence[Fact]) -> Iterator[tuple[Sequence[Fact], bool]]:
    """What may not have been there when the snapshot was made, the likeliest first, and whether it came late."""
    if unpublished:
        for fact in unpublished[:_SINGLE]:
            if len(unpublished) > 1:
                yield [fact], False
        yield unpublished, False
    published = [fact for fact in facts if fact not in unpublished]
    for fact in published[:_SINGLE]:
        yield [fact, *unpublished], True
    for last in range(2, min(len(published), _LAST) + 1):
        yield [*published[:last], *unpublished], True
    if len(published) <= _PAIRED:
        for two in combinations(published, 2):
            yield [*two, *unpublished], True


def _told(fact: Fact) -> str:
    known = "" if fact.known_at == fact.event_time else f" (available at {_text(fact.known_at)})"
    return f"a row of {fact.view} of {_text(fact.event_time)}{known}"


def _text(instant: int) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=instant)).isoformat()
    except OverflowError:
        return "for ever"


def _span(microseconds: int) -> str:
    """A length of time in its two greatest units."""
    seconds = abs(microseconds) / 1_000_000
    for unit, length, below, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= length:
            whole, rest = divmod(seconds, length)
            return f"{whole:.0f} {unit}" + (f" {rest // part:.0f} {below}" if rest >= part else "")
    return f"{seconds:.6g} s"


# -- definitions -------------------------------------------------------------------------------------------------------


def changed_outputs(
    session: Session, then: RequestPlan, now: RequestPlan, views: Sequence[PublishedView]
) -> dict[str, Cause]:
    """The outputs that are defined otherwise now than when they were served."""
    changed: dict[str, Cause] = {}
    lookups = {lookup.name: lookup for lookup in now.lookups}
    by_name = {view.name: view for view in views}
    for name, (sql, kind) in then.outputs.items():
        if now.outputs.get(name) != (sql, kind):
            changed[name] = Cause(
                DEFINITION, f"it was {_line(sql)}, and is {_line(now.outputs.get(name, ('none', ''))[0])}"
            )
            continue
        for lookup in _lookups_of(then, sql):
            if lookups.get(lookup.name) != lookup:
                changed.setdefault(name, Cause(DEFINITION, f"{lookup.view} was looked up otherwise"))
            for column in lookup.columns:
                feature = f"{lookup.view}.{column}"
                if quote(column) in sql and then.features.get(feature) != now.features.get(feature):
                    why = Cause(DEFINITION, f"{feature} was defined otherwise when it was served")
                    changed.setdefault(name, _of_ttl(session, by_name.get(lookup.view)) or why)
        if (
            then.steps != now.steps
            and name not in changed
            and any(quote(step) in sql for one in then.steps for step in one)
        ):
            changed[name] = Cause(DEFINITION, "its transforms were others")
    return changed


def changed_view(session: Session, view: PublishedView, column: str) -> Cause | None:
    """Whether a column of a view is defined otherwise now than when it was published, and how."""
    model = session.manifest.models[view.name]
    if fingerprint.of_feature(model, column, session.manifest.fingerprints) == view.features.get(column):
        return None
    other = Cause(DEFINITION, f"{view.name}.{column} was defined otherwise when it was served")
    return _of_ttl(session, view) or other


def _of_ttl(session: Session, view: PublishedView | None) -> Cause | None:
    """The ttl, where it is not what it was."""
    model = session.manifest.models.get(view.name) if view is not None else None
    if view is None or model is None or not view.event_time or model.time.ttl == view.ttl:
        return None
    return Cause(TTL, f"the ttl of {view.name} was {_ttl(view.ttl)}, and is {_ttl(model.time.ttl)}")


def _ttl(ttl: Duration | None) -> str:
    return "none" if ttl is None else str(ttl)


def _line(sql: str) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= 60 else f"{text[:57]}…"


def _lookups_of(plan: RequestPlan, sql: str) -> list[Lookup]:
    """The lookups that an expression reads, by way of steps and of other lookups' keys."""
    text, found = sql, list[Lookup]()
    for steps in reversed(plan.steps):
        text += " ".join(made for name, made in steps.items() if quote(name) in text or name in text)
    for lookup in reversed(plan.lookups):
        if lookup.name in text:
            found.append(lookup)
            text += " ".join(key for _, key in lookup.keys)
    return found


def plan_of_view(view: PublishedView, column: str) -> RequestPlan:
    """Looking up one column of a view by its keys, as a plan."""
    kinds = {key.name: view.types[key.name] for key in view.keys}
    lookup = Lookup("__sqlfeat_l0", view.name, tuple((key, quote(key)) for key in kinds), (column,))
    return RequestPlan(
        training_set=view.name,
        relation="asked",
        as_of=("__sqlfeat_as_of", "TIMESTAMP WITH TIME ZONE"),
        columns=kinds,
        lookups=(lookup,),
        outputs={column: (f"__sqlfeat_l0.{quote(column)}", view.types[column])},
        features={f"{view.name}.{column}": view.features[column]},
    )
