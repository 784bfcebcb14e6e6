"""The time facts of every relation: what is declared, checked against its columns, and what is inherited.

TIME semantics, section 1: ``available_at`` passes from a timed parent to its child under its own name or a plain
alias. A child that drops it, and declares nothing anew, has rows that count from their event time: whether that is so,
and that nothing looks ahead, is proved elsewhere (``verdicts``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlglot import exp

from sqlfeat.base.names import did_you_mean
from sqlfeat.compiler.algebra import Relation
from sqlfeat.compiler.manifest import Column, TimeFacts
from sqlfeat.compiler.parse import UnreadableSql, last_select, node_of
from sqlfeat.compiler.passing import passed_on
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.config import ModelConfig
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.project import SeedFile, SourceTable, WrittenLater

TIME_TYPES = ("TIMESTAMP", "DATE")


def is_time(type_name: str) -> bool:
    """Whether a DuckDB type is an instant or a date."""
    return type_name.startswith(TIME_TYPES)


def facts_of_source(table: SourceTable, columns: Sequence[Column]) -> TimeFacts:
    """A source's declared time, checked against its columns."""
    facts = TimeFacts(
        table.event_time, table.available_at, table.available_after, unique_key=(), immutable=table.immutable,
        written=_written_later(table, columns),
    )  # fmt: skip
    for key, name in (("event_time", facts.event_time), ("available_at", facts.available_at)):
        if name is not None:
            _check_time(name, key, columns, table.place, f"The source {table.source}.{table.name}")
    for name in table.keys:
        _check_column(name, "keys", columns, table.place, f"The source {table.source}.{table.name}")
    return facts


def _written_later(table: SourceTable, columns: Sequence[Column]) -> tuple[tuple[str, WrittenLater], ...]:
    """The columns that are updated in place; one that says when another is written, is written then itself."""
    owner = f"The source {table.source}.{table.name}"
    row = {name.casefold() for name in (table.event_time, table.available_at) if name}
    found: dict[str, WrittenLater] = {}
    for column in table.columns:
        if column.written is None:
            continue
        if column.name.casefold() in row:
            what = f"{owner} has {column.name!r} as its own time, so it cannot be written later than the row."
            raise ProjectError("config-conflict", what, column.place, "declare it of the columns that are updated.")
        if column.written.available_after is not None and table.event_time is None:
            what = f"{column.name!r} is written after the event time, and {owner[:1].lower()}{owner[1:]} has none."
            raise ProjectError("config-conflict", what, column.place, "declare the table's event_time.")
        found[column.name] = column.written
    for column in table.columns:
        when = column.written.available_at if column.written is not None else None
        if when is not None:
            _check_time(when, "available_at", columns, column.place, f"{owner}.{column.name}")
            if when.casefold() not in row:
                found.setdefault(when, WrittenLater(when))
    return tuple(found.items())


def facts_of_seed(seed: SeedFile) -> TimeFacts:
    """The time that a seed's config declares, in the words of sources; a delay that cannot be read is none."""
    config = seed.properties.config if seed.properties else {}
    delay = None
    with suppress(ValueError):
        delay = Duration.parse(config["available_after"]) if config.get("available_after") else None
    return TimeFacts(
        event_time=config.get("event_time"),
        available_at=config.get("available_at"),
        available_after=delay,
        immutable=bool(config.get("immutable", False)),
    )


def facts_of_model(
    name: str,
    config: ModelConfig,
    columns: Sequence[Column],
    parents: Mapping[str, TimeFacts],
    sql: str,
    places: Mapping[str, Place],
    fallback: Place,
    relation: Callable[[], Relation | None] = lambda: None,
) -> TimeFacts:
    """A model's time facts: what it declares, else what its parents pass on.

    ``relation`` reads the SELECT where somebody has to know whose column an output is; None: it cannot be read, and
    then names have to do.

    Raises:
        ProjectError: a declared column is missing or is no time.
    """
    owner = f"The model {name}"
    for key in ("event_time", "available_at"):
        declared = getattr(config, key)
        if declared is not None:
            _check_time(declared, key, columns, places.get(key, fallback), owner)
    for key in ("tie_breaker", "unique_key"):
        for column in getattr(config, key):
            _check_column(column, key, columns, places.get(key, fallback), owner)
    event_time = config.event_time or _inherited_event_time(columns, parents)
    available_at, after = config.available_at, config.available_after
    silent = available_at is None and after is None and config.role != "label"
    if event_time and silent and any(facts.available_at or facts.available_after for facts in parents.values()):
        available_at, after = _inherited(event_time, columns, parents, sql, _origins(relation(), columns))
    return TimeFacts(
        event_time=event_time,
        available_at=available_at,
        available_after=after,
        tie_breaker=config.tie_breaker,
        unique_key=config.unique_key,
        ttl=config.ttl,
        immutable=config.immutable,
    )


def _inherited_event_time(columns: Sequence[Column], parents: Mapping[str, TimeFacts]) -> str | None:
    timed = [facts.event_time for facts in parents.values() if facts.event_time]
    if len(timed) != 1:
        return None
    return next((column.name for column in columns if column.name.casefold() == timed[0].casefold()), None)


_Origins = Mapping[str, frozenset[tuple[str, str]] | None]
"""Of each output, in lower case, the columns of parents that it is passed on from; None: it is computed."""


def _inherited(
    event_time: str, columns: Sequence[Column], parents: Mapping[str, TimeFacts], sql: str, origins: _Origins | None
) -> tuple[str | None, Duration | None]:
    """The available_at, or the delay, that passes on; neither where one parent's is lost or they do not agree.

    A delay counts from its parent's event time, so it passes on with that and with nothing else of the same name.
    """
    plain = _plain_columns(sql)
    carried: dict[str, str] = {}
    delays: dict[tuple[int, int], Duration] = {}
    for parent, facts in parents.items():
        if facts.available_at is not None:
            outputs = _outputs_of(facts.available_at, parent, plain, columns, origins)
            if event_time.casefold() in {output.casefold() for output in outputs}:
                continue
            if not outputs:
                return None, None
            carried[parent] = outputs[0]
        elif facts.available_after is not None and facts.event_time is not None:
            if origins is not None:
                same = (parent, facts.event_time.casefold()) in (origins.get(event_time.casefold()) or ())
            else:
                source = next((p.column for p in plain if p.output.casefold() == event_time.casefold()), event_time)
                same = source.casefold() == facts.event_time.casefold()
            if same:
                delays[facts.available_after.months, facts.available_after.microseconds] = facts.available_after
    if delays:
        return None, next(iter(delays.values())) if len(delays) == 1 else None
    return next(iter(carried.values())) if len(set(carried.values())) == 1 else None, None


def _origins(relation: Relation | None, columns: Sequence[Column]) -> _Origins | None:
    if relation is None or len(relation.fields) != len(columns):
        return None
    return {column.name.casefold(): passed_on(relation, index) for index, column in enumerate(columns)}


@dataclass(frozen=True)
class _Plain:
    """An output that is nothing but a column; ``parent`` is whose, where the text says so."""

    output: str
    column: str
    parent: str | None


def _outputs_of(
    column: str, parent: str, plain: Sequence[_Plain], columns: Sequence[Column], origins: _Origins | None
) -> list[str]:
    """The outputs that carry a parent's column; one under its own name counts unless it is another one passed on."""
    names = {each.name.casefold(): each.name for each in columns if is_time(each.type)}
    if origins is not None:
        wanted = (parent, column.casefold())
        carried = [names[name] for name, of in origins.items() if name in names and of is not None and wanted in of]
        computed = column.casefold() in names and origins.get(column.casefold()) is None
        return carried or ([names[column.casefold()]] if computed else [])
    own = [p for p in plain if p.column.casefold() == column.casefold() and p.parent in (None, parent)]
    outputs = [names[p.output.casefold()] for p in own if p.output.casefold() in names]
    others = {p.output.casefold() for p in plain if p not in own}
    if not outputs and column.casefold() in names and column.casefold() not in others:
        return [names[column.casefold()]]
    return outputs


def _plain_columns(sql: str) -> list[_Plain]:
    """The items of the last SELECT that are nothing but a column, with the parents that their tables are."""
    try:
        select = last_select(sql)
    except UnreadableSql:
        return []
    parents: dict[str, str] = {}
    sources = [select.tree.args.get("from_"), *(select.tree.args.get("joins") or ())]
    for table in (source.this for source in sources if source is not None):
        node = node_of(table) if isinstance(table, exp.Table) else None
        if node is not None:
            parents[table.alias_or_name.casefold()] = node.replace("ref.", "model.", 1)
    plain = []
    for item in select.items:
        tree = item.tree.this if isinstance(item.tree, exp.Alias) else item.tree
        if isinstance(tree, exp.Column) and item.name and not isinstance(tree.this, exp.Star):
            parent = parents.get(tree.table.casefold()) if tree.table else None
            plain.append(_Plain(item.name, tree.name, parent))
    return plain


def _check_column(name: str, key: str, columns: Sequence[Column], place: Place, owner: str) -> Column:
    for column in columns:
        if column.name.casefold() == name.casefold():
            return column
    hint = did_you_mean(name, [column.name for column in columns])
    raise ProjectError("missing-column", f"{owner} has no column {name!r}, which its {key} names.", place, hint)


def _check_time(name: str, key: str, columns: Sequence[Column], place: Place, owner: str) -> None:
    column = _check_column(name, key, columns, place, owner)
    if not is_time(column.type):
        raise ProjectError(
            "not-a-time",
            f"{owner} has {name!r} as its {key}, and that is {column.type}, not a time.",
            place,
            "cast it to TIMESTAMPTZ, TIMESTAMP or DATE in the model.",
        )
