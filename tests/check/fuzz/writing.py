"""A program as SQL, in two hands.

:class:`Writer` writes what the author of the program would have written. :class:`WorldsWriter` writes the same
program for many worlds at once: every relation has a column ``w_`` that says in which world a row is, and no row ever
meets one of another world. So thousands of small data sets cost one query. A test compares the two on random
programs, and no refutation counts before the author's SQL has shown it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.check.fuzz.tree import (
    Clock,
    Col,
    Cte,
    Derived,
    Expr,
    From,
    Item,
    Join,
    Op,
    Over,
    Pivot,
    Query,
    Select,
    SetOperation,
    Sort,
    Sub,
    Table,
    Unpivot,
    is_global,
)  # fmt: skip

WORLD = "w_"


class Writer:
    """Plain SQL; ``name_of`` says how a source or model is called, ``clock`` what stands for ``now()``."""

    def __init__(self, name_of: Callable[[str], str] = str, clock: str = "now()") -> None:
        self.name_of = name_of
        self.clock = clock

    # -- expressions ---------------------------------------------------------------------------------------------------

    def expr(self, node: Expr, world: str | None) -> str:
        """An expression in a SELECT whose rows are in ``world`` (an expression too)."""
        match node:
            case Col():
                return f"{node.alias}.{node.name}" if node.alias else node.name
            case Op():
                return node.text.format(*(self.expr(argument, world) for argument in node.args))
            case Clock():
                return self.clock_of(node, world)
            case Over():
                return f"{self.expr(node.function, world)} over ({self.window(node, world)})"
            case Sub():
                arguments = [self.expr(argument, world) for argument in node.args]
                return node.text.format(*arguments, q=self.query(node.query, self.linked(world)))

    def clock_of(self, node: Clock, world: str | None) -> str:
        return self.clock if node.type == "time" else f"cast({self.clock} as date)"

    def window(self, node: Over, world: str | None) -> str:
        partition = [*self.keys_of(world), *(self.expr(each, world) for each in node.partition)]
        pieces = [f"partition by {', '.join(partition)}"] if partition else []
        if node.order:
            pieces.append(self.order(node.order, world))
        return " ".join([*pieces, node.frame]).strip()

    def order(self, sorts: Sequence[Sort], world: str | None) -> str:
        texts = []
        for sort in sorts:
            nulls = "" if sort.nulls_first is None else f" nulls {'first' if sort.nulls_first else 'last'}"
            texts.append(f"{self.expr(sort.key, world)}{' desc' if sort.descending else ''}{nulls}")
        return f"order by {', '.join(texts)}"

    # -- what the worlds are for ---------------------------------------------------------------------------------------

    def keys_of(self, world: str | None) -> list[str]:
        """What rows are told apart by before anything else."""
        return []

    def linked(self, world: str | None) -> str | None:
        """The world that a subquery must stay in, if its rows are not to say theirs."""
        return None

    def world_of(self, source: From) -> str | None:
        return None

    # -- relations -----------------------------------------------------------------------------------------------------

    def source(self, node: From) -> str:
        match node:
            case Table():
                return f"{self.name_of(node.name)} as {node.alias}"
            case Derived():
                return f"({self.query(node.query)}) as {node.alias}"
            case Pivot():
                values = ", ".join(f"'{value}'" for value in node.values)
                keys = ", ".join([*([WORLD] if self.world_of(node) else []), *node.keys])
                inner = self.query(node.query)
                using = f"pivot ({inner}) on {node.on} in ({values}) using {node.using} group by {keys}"
                return f"({using}) as {node.alias}"
            case Unpivot():
                nulls = "include nulls " if node.nulls else ""
                values = f"(v for n in ({', '.join(node.columns)}))"
                return f"(from ({self.query(node.query)}) unpivot {nulls}{values}) as {node.alias}"
            case Join():
                return self.join(node)

    def join(self, node: Join) -> str:
        left, right, kind = self.world_of(node.left), self.world_of(node.right), node.kind
        conditions = [self.expr(each, left) for each in node.on]
        if "lateral" in kind:
            assert isinstance(node.right, Derived)
            joined = f"({self.query(node.right.query, self.linked(left))}) as {node.right.alias}"
        else:
            joined = self.source(node.right)
            conditions = [*([f"{left} = {right}"] if left and right else []), *conditions]
        if kind.startswith("natural"):  # all have the world under the same name
            return f"{self.source(node.left)} {kind} {joined}"
        if node.using:
            both = [*([WORLD] if left and right else []), *node.using]
            return f"{self.source(node.left)} {kind} {joined} using ({', '.join(both)})"
        if kind == "cross join" and not conditions:
            return f"{self.source(node.left)} cross join {joined}"
        kind = "join" if kind == "cross join" else kind
        return f"{self.source(node.left)} {kind} {joined} on {' and '.join(conditions) or 'true'}"

    def query(self, node: Query, link: str | None = None) -> str:
        """A query; with ``link`` in the world of an outer row, and without saying which that is."""
        if isinstance(node, SetOperation):
            return f"({self.query(node.left, link)}) {node.kind} ({self.query(node.right, link)})"
        return self.select(node, link)

    def select(self, node: Select, link: str | None) -> str:
        world = self.world_of(node.source)
        items = [self.item(item, world) for item in node.items]
        pieces = [self.ctes(node.ctes), "select"]
        if node.first_of:
            pieces.append(f"distinct on ({', '.join(self.listed(node.first_of, world, link))})")
        elif node.distinct:
            pieces.append("distinct")
        pieces.append(", ".join([*self.said(world, link), *items]))
        pieces.append(f"from {self.source(node.source)}")
        where = [*([f"{world} = {link}"] if link and world else []), *(self.expr(each, world) for each in node.where)]
        if where:
            pieces.append(f"where {' and '.join(where)}")
        pieces.append(self.grouped(node, world, link))
        if node.having:
            pieces.append(f"having {' and '.join(self.expr(each, world) for each in node.having)}")
        if node.qualify:
            pieces.append(f"qualify {' and '.join(self.expr(each, world) for each in node.qualify)}")
        if node.order:
            pieces.append(self.order(node.order, world))
        if node.limit is not None:
            pieces.append(f"limit {node.limit}")
        return " ".join(piece for piece in pieces if piece)

    def ctes(self, ctes: Sequence[Cte]) -> str:
        word = "with recursive" if any(cte.recursive for cte in ctes) else "with"
        return f"{word} {', '.join(f'{cte.name} as ({self.query(cte.query)})' for cte in ctes)}" if ctes else ""

    def item(self, item: Item, world: str | None) -> str:
        return f"{self.expr(item.expr, world)} as {item.name}"

    def said(self, world: str | None, link: str | None) -> list[str]:
        return []

    def listed(self, keys: Sequence[Expr], world: str | None, link: str | None) -> list[str]:
        told = [] if link else self.keys_of(world)
        return [*told, *(self.expr(each, world) for each in keys)]

    def grouped(self, node: Select, world: str | None, link: str | None) -> str:
        if not node.group and not node.every:
            return ""
        every = self.listed(node.every, world, link)
        group = [self.expr(each, world) for each in node.group]
        if node.grouping:
            group = [f"{node.grouping} ({', '.join(group)})"]
        return f"group by {', '.join([*every, *group])}"


class WorldsWriter(Writer):
    """The same SQL for all worlds at once; a table ``worlds`` has one row a world with its ``clock``."""

    def clock_of(self, node: Clock, world: str | None) -> str:
        clock = f"list_extract(getvariable('clocks'), {world} + 1)"
        return clock if node.type == "time" else f"cast({clock} as date)"

    def keys_of(self, world: str | None) -> list[str]:
        return [world] if world else []

    def linked(self, world: str | None) -> str | None:
        return world

    def world_of(self, source: From) -> str | None:
        match source:
            case Join():
                left, right = self.world_of(source.left), self.world_of(source.right)
                if "lateral" in source.kind or source.kind.split()[0] in ("semi", "anti"):
                    return left
                if source.kind.startswith("full"):
                    return f"coalesce({left}, {right})"
                return right if source.kind.startswith("right") else left
            case _:
                return f"{source.alias}.{WORLD}"

    def said(self, world: str | None, link: str | None) -> list[str]:
        return [] if link else [f"{world} as {WORLD}"]

    def select(self, node: Select, link: str | None) -> str:
        if link is None and is_global(node):
            # One row for each world, those too in which there is nothing to aggregate.
            each = super().select(node, f"every_.{WORLD}")
            return f"select every_.{WORLD}, each_.* from worlds as every_, lateral ({each}) as each_"
        if link is None and node.limit is not None:
            bare = Select(**{**node.__dict__, "limit": None, "order": ()})
            first = Over(Op("row_number()"), (), node.order)
            rank = self.expr(first, self.world_of(node.source))
            limited = f"{rank} <= {node.limit}"
            return f"{super().select(bare, None)} {'and' if node.qualify else 'qualify'} {limited}"
        return super().select(node, link)
