"""One model over a few timed tables, proved without a project, an engine or a file."""

from __future__ import annotations

from dataclasses import dataclass

from sqlfeat.compiler.findings import Finding
from sqlfeat.compiler.graph import Graph, Node
from sqlfeat.compiler.manifest import Column, CompiledModel, Manifest, TimeFacts
from sqlfeat.compiler.resolve import resolve
from sqlfeat.compiler.rewriting import source_token
from sqlfeat.compiler.source_map import SourceMap
from sqlfeat.compiler.verdicts import ModelVerdict, Verdicts
from sqlfeat.spec.config import Layer, merge_config
from sqlfeat.spec.duration import Duration

INSTANT = "TIMESTAMP WITH TIME ZONE"
TABLES = {
    "events": ("k n price at other", TimeFacts("at")),
    "delayed": ("k n at", TimeFacts("at", available_after=Duration.parse("1 hour"))),
    "loads": ("k n at loaded", TimeFacts("at", "loaded")),
    "questions": ("k asked", TimeFacts("asked")),
    "fixed": ("k n", TimeFacts(immutable=True)),
    "untimed": ("k n at", TimeFacts()),
}
_TYPES = {"k": "BIGINT", "n": "BIGINT", "price": "DOUBLE"}


@dataclass(frozen=True)
class Proved(ModelVerdict):
    """A verdict with all its findings."""

    @property
    def findings(self) -> list[Finding]:
        return [finding for column in self.columns for finding in column.findings]


def columns_of(table: str) -> tuple[Column, ...]:
    return tuple(Column(name, _TYPES.get(name, INSTANT)) for name in TABLES[table][0].split())


def prove(sql: str, **config: object) -> Proved:
    """The verdict of a model named ``m``; a table is named as it is."""
    text = " ".join(source_token("raw", word) if word in TABLES else word for word in _words(sql))
    sources = {f"source.raw.{name}": columns_of(name) for name in TABLES}
    relation = resolve(text, sources)
    listed = tuple(Column(own.name, own.type or "VARCHAR") for own in relation.fields)
    read = merge_config([Layer(config)])
    time = TimeFacts(read.event_time, read.available_at, read.available_after, immutable=read.immutable)
    model = CompiledModel(
        "m", "models/m.sql", read, {}, text, SourceMap(text, (), {}), tuple(sources), listed, time=time
    )
    nodes = [Node(id_, id_.split(".", 1)[1], "source", (), "") for id_ in sources]
    nodes.append(Node("model.m", "m", "model", tuple(sources), "models/m.sql"))
    times = {f"source.raw.{name}": facts for name, (_, facts) in TABLES.items()}
    manifest = Manifest("p", {"m": model}, {}, times, {**sources, "model.m": listed}, {}, {}, Graph(nodes), {})
    found = Verdicts(manifest).of("m")
    return Proved(**{name: getattr(found, name) for name in ("name", "columns", "lookback", "allowed", "notes")})


def _words(sql: str) -> list[str]:
    """A text with its table names standing alone."""
    for mark in "(),":
        sql = sql.replace(mark, f" {mark} ")
    return sql.split()
