"""A source with the rows that were pushed: what stands after FROM where events came by two ways.

A row that was pushed and a row of the source are the same event where they agree in every column but ``available_at``.
Then the one that was known first stays: the source brings what was pushed already, or a push repeats what the source
had. A pushed row that says itself when it was known is an event, or a version, of its own. A source of several equal
rows keeps their number; of equal rows that were pushed, long after each other, there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import Column
from sqlfeat.engine.duckdb import sources
from sqlfeat.spec.project import SourceTable

SAID = "__sqlfeat_said"
"""The column of pushed rows that tells whether a row said itself when it became known."""
PushedFiles = Mapping[str, Sequence[Path]]
"""By a source's node, the files with what was pushed to it."""


def source_relation(table: SourceTable, root: Path, columns: Sequence[Column], pushed: PushedFiles) -> str:
    """What stands after FROM to read a source with what was pushed."""
    reader = sources.reader(table, root)
    files = pushed.get(table.id, ())
    if not files:
        return reader
    listed = ", ".join(literal(str(file)) for file in files)
    given = f"(select * from {reader} limit 0) union all by name (from read_parquet([{listed}], union_by_name = true))"
    cast = ", ".join(f"cast({quote(column.name)} as {column.type}) as {quote(column.name)}" for column in columns)
    pushed_rows = f"select {cast}, {SAID} from ({given})"
    names = [column.name for column in columns]
    known = table.available_at
    if known is None:
        missing = f"select distinct * exclude ({SAID}) from p anti join s on ({_equal('p', 's', names)})"
        return f"(with s as (from {reader}), p as ({pushed_rows}) select * from s union all {missing})"
    content = [name for name in names if name.casefold() != known.casefold()]
    listed = ", ".join(map(quote, content))
    at = quote(known)
    return f"""(with s as (from {reader}), given as (
    select {listed}, min({at}) as {at}, {SAID} from ({pushed_rows}) group by {listed}, {SAID}, if({SAID}, {at}, null)
),
p as (
    select * from given where {SAID} or not exists (
        select 1 from s where {_equal("s", "given", content)} and s.{at} <= given.{at})
),
g as (select {listed}, min({at}) as __sqlfeat_first, count(*) as __sqlfeat_count from p group by {listed}),
again as (
    select s.*, __sqlfeat_count, row_number() over (partition by {", ".join(f"s.{quote(name)}" for name in content)}
        order by s.{at}) as __sqlfeat_place
    from s join g on ({_equal("s", "g", content)} and s.{at} >= __sqlfeat_first)
)
select * from s anti join g on ({_equal("s", "g", content)} and s.{at} >= __sqlfeat_first)
union all by name
select * exclude (__sqlfeat_count, __sqlfeat_place) from again where __sqlfeat_place > __sqlfeat_count
union all by name
select * exclude ({SAID}) from p)"""


def _equal(left: str, right: str, names: Sequence[str]) -> str:
    if not names:
        return "true"
    return " and ".join(f"{left}.{quote(name)} is not distinct from {right}.{quote(name)}" for name in names)
