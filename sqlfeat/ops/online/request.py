"""A training set's SELECT over a snapshot, for one request row at a time.

Request columns give keys (some by way of other features), keys are fetched together, the rows that hold at the asked
instant fill the places of ``feature()``, and the author's expressions are evaluated over both. What is to be done is
said by a plan (``ops.online.request_plan``); :class:`BoundPlan` ties one to a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import Lookup
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.errors import RunError, UsageError
from sqlfeat.ops.online.expressions import Expressions, Key, Typed
from sqlfeat.ops.online.fetching import Steps, Wanted, WantedOfOne, at_once
from sqlfeat.ops.online.given import taking
from sqlfeat.ops.online.one_key import OneKey, picking
from sqlfeat.ops.online.published import PublishedView
from sqlfeat.ops.online.reading import MISSING, Read, ViewReader, check_instant
from sqlfeat.ops.online.request_plan import RequestPlan, plan_of
from sqlfeat.store.online import Snapshot

_DAY = 86_400_000_000


class Answer(NamedTuple):
    """The model inputs of one request row, plain, and what was read by each lookup.

    ``request`` and ``at`` are what was asked: the row's columns, plain, and the instant.
    """

    values: tuple[Any, ...]
    reads: Mapping[str, Read]
    request: Mapping[str, Any]
    at: int


class BoundPlan:
    """A serving plan over a snapshot's views, ready for requests; any thread may ask.

    Raises:
        UsageError: ``not-published`` where the snapshot lacks a view as it is defined here.
    """

    def __init__(self, plan: RequestPlan, snapshot: Snapshot, views: Sequence[PublishedView], engine: Rowwise) -> None:
        self.plan = plan
        self.snapshot = snapshot
        self._as_of = (plan.as_of[0], _DAY if plan.as_of[1] == "DATE" else 1)
        engine.know(plan.dictionaries)
        self._readers = {lookup.name: _reader(plan, lookup, views, engine) for lookup in plan.lookups}
        self._covered_from = max((reader.view.as_of for reader in self._readers.values()), default=0)
        named = {plan.as_of[0]: plan.as_of[1], **plan.columns}
        arrow = engine.arrow_types(list(named.values()))
        self.typed = {name: Typed(kind, arrow[kind]) for name, kind in named.items()}
        self._takes = [(name, taking(name, self.typed[name])) for name in plan.columns]
        fields = {(one.name, name): f"{one.name}.{quote(name)}" for one in plan.lookups for name in one.columns}
        self._parts, made = self._divided(fields)
        texts = [sql for one in plan.lookups for _, sql in one.keys]
        texts += [sql for steps in plan.steps for sql in steps.values()] + list(made.values())
        self._read = _mentioned(fields, texts)
        columns: dict[Key, Typed] = {**self.typed}
        self._levels: list[list[_Asking]] = []
        for lookups in _in_levels(plan.lookups):
            self._levels.append(self._asking(lookups, dict(columns), engine))
            for one in lookups:
                types = self._readers[one.name].view.types
                read = [name for name in one.columns if (one.name, name) in self._read]
                kinds = engine.arrow_types([types[name] for name in read])
                columns |= {(one.name, name): Typed(types[name], kinds[types[name]]) for name in read}
        self._steps: list[Expressions] = []
        for steps in plan.steps:
            step = Expressions(steps, dict(columns), plan.relation, engine)
            kinds = engine.types_of(steps, plan.relation, {key: typed.sql for key, typed in columns.items()})
            arrow = engine.arrow_types(list(kinds.values()))
            columns |= {name: Typed(kind, arrow[kind]) for name, kind in kinds.items()}
            self._steps.append(step)
        self._outputs = Expressions(made, columns, plan.relation, engine)
        kinds = engine.arrow_types([kind for _, kind in plan.outputs.values()])
        self.outputs = {name: Typed(kind, kinds[kind]) for name, (_, kind) in plan.outputs.items()}
        self._one_key = self._of_one_key()

    def _of_one_key(self) -> _OneKey | None:
        """How one row is answered where all lookups go by one key and ask for no window."""
        if len(self._levels) != 1 or len(self._levels[0]) != 1:
            return None
        (asking,) = self._levels[0]
        if any(reader.plain is None for _, reader, _ in asking.lookups):
            return None
        rows = OneKey([(name, reader) for name, reader, _ in asking.lookups])
        places: list[int] = []
        kept: list[tuple[int, Key]] = []
        if rows.is_laid_out:
            for lookup, first, end in self._parts:
                of = rows.places[lookup] if lookup else range(rows.width, rows.width + len(self._outputs.names))
                places += of[first:end]
            kept = [(rows.places[name][p], key) for name, _, some in asking.lookups for p, key in some]
        return _OneKey(asking, rows, picking(places), kept)

    def _divided(self, fields: Mapping[tuple[str, str], str]) -> tuple[list[_Part], dict[str, str]]:
        """The outputs in their order: those that are a lookup's columns as they are read, and those to be computed."""
        by_text = {text: key for key, text in fields.items()}
        place_of = {(one.name, name): place for one in self.plan.lookups for place, name in enumerate(one.columns)}
        parts: list[_Part] = []
        made: dict[str, str] = {}
        for name, (sql, kind) in self.plan.outputs.items():
            lookup, column = by_text.get(sql, ("", ""))
            if not lookup or self._readers[lookup].view.types[column] != kind:
                made[name] = sql
                parts.append(_Part("", len(made) - 1, len(made)))
                continue
            place, last = place_of[lookup, column], parts[-1] if parts else None
            if last is not None and last.lookup == lookup and last.end == place:
                parts[-1] = _Part(lookup, last.first, place + 1)
            else:
                parts.append(_Part(lookup, place, place + 1))
        return parts, made

    def view_of(self, lookup: str) -> PublishedView:
        """The published view that a lookup reads."""
        return self._readers[lookup].view

    @property
    def slow(self) -> dict[str, str]:
        """What an in-memory DuckDB is asked for at every request, and why."""
        slow = {name: reason for step in (*self._steps, self._outputs) for name, reason in step.slow.items()}
        for askings in self._levels:
            for asking in askings:
                reasons = asking.expressions.slow if asking.expressions is not None else {}
                for _, reader, _ in asking.lookups:
                    view = reader.view.name
                    slow |= {f"the key {key} of {view}": reason for key, reason in reasons.items()}
                    slow |= {f"{view}.{name}": "a window that only DuckDB computes" for name in reader.slow}
        return slow

    def taken(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of a request row, plain.

        Raises:
            UsageError: ``bad-request-value``.
            RunError: ``missing-request-column``.
        """
        try:
            return {name: take(row[name]) for name, take in self._takes}
        except (KeyError, UsageError):
            refuse_missing(self.plan, row)
            raise

    def answer(self, rows: Sequence[Mapping[str, Any]], instants: Sequence[int]) -> list[Answer]:
        """The model inputs of request rows, whose columns are plain, each at its instant.

        Raises:
            UsageError: ``before-snapshot``.
            RunError: ``expression-failed``.
        """
        return at_once(self.answering(rows, instants))

    def answering(self, rows: Sequence[Mapping[str, Any]], instants: Sequence[int]) -> Steps[list[Answer]]:
        """The same step by step."""
        if instants and min(instants) < self._covered_from:
            for reader in self._readers.values():
                check_instant(reader.view, min(instants))
        if self._one_key is not None and len(rows) == 1:
            return self._answering_one(self._one_key, rows[0], instants[0])
        return self._answering_all(rows, instants)

    def _answering_one(self, one: _OneKey, row: Mapping[str, Any], t: int) -> Steps[list[Answer]]:
        """One row, whose lookups all go by one key."""
        as_of, unit = self._as_of
        known: dict[Key, Any] = {**row, as_of: t // unit}
        keys, rows = one.asking.keys(known), one.rows
        form = rows.form()
        if None in keys:
            return [self._answer(known, rows.reads(form, None, t), one.asking, row, t)]
        fetched = yield WantedOfOne(self.snapshot, form.tables, one.asking.encode(keys))
        unpacked = rows.unpacked(fetched, t)
        if unpacked is None:
            return [self._answer(known, rows.reads(form, fetched, t), one.asking, row, t)]
        if one.kept or self._steps or self._outputs.names:
            for place, key in one.kept:
                known[key] = unpacked[place]
            for step in self._steps:
                known.update(step.values(known))
            made = self._outputs.listed(known) if self._outputs.names else ()
            return [Answer(one.pick((*unpacked, *made)), rows.found(unpacked), row, t)]
        return [Answer(one.pick(unpacked), rows.found(unpacked), row, t)]

    def _answer(
        self, known: dict[Key, Any], reads: Mapping[str, Read], asking: _Asking, row: Mapping[str, Any], t: int
    ) -> Answer:
        """The model inputs of a row of which all is read."""
        for name, _, kept in asking.lookups:
            for place, key in kept:
                known[key] = reads[name].values[place]
        return self._made(known, reads, row, t)

    def _answering_all(self, rows: Sequence[Mapping[str, Any]], instants: Sequence[int]) -> Steps[list[Answer]]:
        as_of, unit = self._as_of
        known: list[dict[Key, Any]] = [{**row, as_of: t // unit} for row, t in zip(rows, instants, strict=True)]
        reads: list[dict[str, Read]] = [{} for _ in rows]
        for askings in self._levels:
            wanted, spans = self._wanted(askings, known)
            fetched = yield Wanted(self.snapshot, wanted)
            self._take(fetched, spans, askings, known, instants, reads)
        every = zip(known, reads, rows, instants, strict=True)
        return [self._made(values, own, row, t) for values, own, row, t in every]

    def _made(self, values: dict[Key, Any], reads: Mapping[str, Read], row: Mapping[str, Any], t: int) -> Answer:
        """The model inputs of a row, of all that is known of it."""
        for step in self._steps:
            values.update(step.values(values))
        made = self._outputs.listed(values) if self._outputs.names else []
        found: list[Any] = []
        for lookup, first, end in self._parts:
            found += (reads[lookup].values if lookup else made)[first:end]
        return Answer(tuple(found), reads, row, t)

    def _wanted(
        self, askings: Sequence[_Asking], known: Sequence[dict[Key, Any]]
    ) -> tuple[list[tuple[str, bytes]], list[int]]:
        """What some lookups need for all rows, and where what each of them needs ends."""
        wanted: list[tuple[str, bytes]] = []
        spans: list[int] = []
        for row in known:
            for asking in askings:
                keys = asking.keys(row)
                key = None if None in keys else asking.encode(keys)
                for _, reader, _ in asking.lookups:
                    if key is not None:
                        for table in reader.tables():
                            wanted.append((table, key))
                    spans.append(len(wanted))
        return wanted, spans

    def _take(
        self,
        fetched: Sequence[bytes | None],
        spans: Sequence[int],
        askings: Sequence[_Asking],
        known: Sequence[dict[Key, Any]],
        instants: Sequence[int],
        reads: Sequence[dict[str, Read]],
    ) -> None:
        """Add what is read of it to what is known of each row."""
        begin, at = 0, 0
        for row, t, own in zip(known, instants, reads, strict=True):
            for asking in askings:
                for name, reader, kept in asking.lookups:
                    end = spans[at]
                    at += 1
                    if reader.plain is not None and (
                        end == begin + 1 or (end == begin + 2 and fetched[begin + 1] is None)
                    ):
                        read = reader.plain(fetched[begin], t)
                    else:
                        read = reader.read(fetched[begin:end] if end > begin else None, t)
                    own[name] = read
                    begin = end
                    if kept:
                        for place, key in kept:
                            row[key] = read.values[place]

    def _asking(self, lookups: Sequence[Lookup], columns: dict[Key, Typed], engine: Rowwise) -> list[_Asking]:
        """Lookups by the same keys together, so that these are made once."""
        made: dict[tuple[tuple[str, str], ...], _Asking] = {}
        for lookup in lookups:
            reader = self._readers[lookup.name]
            items = self._key_items(lookup, columns)
            alike = tuple((sql, reader.view.types[key]) for key, sql in items.items())
            if alike not in made:
                made[alike] = _Asking.of(items, columns, self.plan.relation, engine, reader)
            kept = [(p, (lookup.name, c)) for p, c in enumerate(lookup.columns) if (lookup.name, c) in self._read]
            made[alike].lookups.append((lookup.name, reader, kept))
        return list(made.values())

    def _key_items(self, lookup: Lookup, columns: Mapping[Key, Typed]) -> dict[str, str]:
        """The keys of a lookup as values of the view's types; null where there is no such value, which is no match."""
        view = self._readers[lookup.name].view
        items = {}
        for key, sql in lookup.keys:
            wanted = view.types[key]
            own = next((t.sql for k, t in columns.items() if isinstance(k, str) and sql == quote(k)), None)
            tried = f"try_cast({sql} as {wanted})"
            items[key] = sql if own == wanted else f"case when {tried} = {sql} then {tried} end"
        return items


class _Part(NamedTuple):
    """Outputs that follow one another, in what a lookup has read; in what is computed where it has no name."""

    lookup: str
    first: int
    end: int


class _Asking(NamedTuple):
    """Lookups by the same keys: how these are made of what is known of a row, and how they become bytes.

    ``lookups`` are by name, with their readers and those columns that expressions read. ``expressions`` make the keys
    where they are not columns as they stand.
    """

    keys: Callable[[dict[Key, Any]], Sequence[Any]]
    encode: Callable[[Sequence[Any]], bytes]
    expressions: Expressions | None
    lookups: list[tuple[str, ViewReader, list[tuple[int, Key]]]]

    @classmethod
    def of(
        cls, items: Mapping[str, str], columns: Mapping[Key, Typed], relation: str, engine: Rowwise, reader: ViewReader
    ) -> _Asking:
        names = {quote(key): key for key in columns if isinstance(key, str)}
        if all(sql in names for sql in items.values()):
            plain = [names[sql] for sql in items.values()]
            return cls(_picking(plain), reader.encode_key, None, [])
        expressions = Expressions(items, columns, relation, engine)
        return cls(expressions.listed, reader.encode_key, expressions, [])


class _OneKey(NamedTuple):
    """How one row is answered by one key: its lookups, how they are read together, and what comes of what was read.

    ``kept`` are what expressions read: places in what was unpacked, and what they are called.
    """

    asking: _Asking
    rows: OneKey
    pick: Callable[[Sequence[Any]], tuple[Any, ...]]
    kept: list[tuple[int, Key]]


def _picking(names: Sequence[str]) -> Callable[[dict[Key, Any]], Sequence[Any]]:
    """What takes some columns of a row."""
    if len(names) == 1:
        (name,) = names
        return lambda row: (row[name],)
    return itemgetter(*names) if names else lambda _: ()


def _mentioned(fields: Mapping[tuple[str, str], str], texts: Sequence[str]) -> set[tuple[str, str]]:
    """The fields that some expressions may read, judged by their texts holding the name: rather once too often."""
    text = "\n".join(texts).casefold()
    return {key for key, field in fields.items() if field.casefold() in text}


def _reader(plan: RequestPlan, lookup: Lookup, views: Sequence[PublishedView], engine: Rowwise) -> ViewReader:
    """The reader of a lookup, in the definition that the plan was made with."""
    for view in views:
        wanted = {column: plan.features.get(f"{lookup.view}.{column}") for column in lookup.columns}
        if view.name == lookup.view and all(view.features.get(column) == mark for column, mark in wanted.items()):
            return ViewReader(view, lookup.columns, engine, ttl=lookup.ttl, strict=lookup.strict)
    there = [view.name for view in views]
    if lookup.view in there:
        what = f"{plan.training_set} needs another definition of {lookup.view} than the one that is published."
        raise UsageError("not-published", what, hint="publish again, or train the model again: sqlfeat publish.")
    what = f"{plan.training_set} needs {lookup.view}, which is not published."
    raise UsageError("not-published", what, hint=f"say config(online=true) in {lookup.view}, and sqlfeat publish.")


def _in_levels(lookups: Sequence[Lookup]) -> list[list[Lookup]]:
    """Lookups by how many others must come before them."""
    levels: dict[str, int] = {}
    for lookup in lookups:
        levels[lookup.name] = max((levels[name] + 1 for name in lookup.after), default=0)
    found: list[list[Lookup]] = [[] for _ in range(max(levels.values(), default=-1) + 1)]
    for lookup in lookups:
        found[levels[lookup.name]].append(lookup)
    return found


def refuse_missing(plan: RequestPlan, row: Mapping[str, Any]) -> None:
    """Raise :class:`RunError` where a request row lacks a column."""
    lacking = [name for name in plan.columns if name not in row]
    if lacking:
        raise RunError(
            "missing-request-column",
            f"The request has no {', '.join(map(repr, lacking))}, which {plan.training_set} needs.",
            hint=f"needed are: {', '.join(plan.columns)}.",
        )


__all__ = ["MISSING", "Answer", "BoundPlan", "RequestPlan", "plan_of", "refuse_missing"]
