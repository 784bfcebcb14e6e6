"""Sources: where tables from outside lie, in which format, and their time.

A source's config is inherited by its tables; keys stand under ``config:`` or directly, as in dbt. A dbt project's
source without a location is a table in the target's database. Nothing here looks whether a file is there: an engine
does that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlfeat.base.names import did_you_mean
from sqlfeat.base.yaml import Node
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.columns import read_columns, read_tests
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.project import SourceTable
from sqlfeat.spec.section import Section

FORMATS = (
    "parquet", "csv", "json", "jsonl", "arrow", "feather", "delta", "iceberg", "duckdb", "sqlite", "postgres",
)  # fmt: skip
DEFAULT_LOCATION = "data/{name}.parquet"
_ENDINGS = {
    ".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "jsonl",
    ".ndjson": "jsonl", ".arrow": "arrow", ".ipc": "arrow", ".feather": "feather", ".duckdb": "duckdb",
    ".ddb": "duckdb", ".sqlite": "sqlite", ".sqlite3": "sqlite",
}  # fmt: skip
_COMPRESSED = (".gz", ".zst")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")

_CONFIG = (
    "location", "format", "event_time", "available_at", "available_after", "keys", "immutable", "enabled", "tags",
    "meta", "freshness", "external_location",
)  # fmt: skip
_SHARED = (*_CONFIG, "name", "description", "config", "loaded_at_field", "loaded_at_query", "quoting", "data_tests")
_SOURCE = (*_SHARED, "tables", "schema", "database", "loader", "tests", "overrides", "owner")
_TABLE = (*_SHARED, "columns", "tests", "identifier", "external", "owner")


def read_sources(file: Section) -> Iterator[SourceTable]:
    """The tables of every source in a file; what is wrong is noted."""
    for source in file.sections("sources", "a source"):
        source.only(_SOURCE)
        source_name = source.name("source")
        layers = _layers(source)
        for table in source.sections("tables", "a source table"):
            table.only(_TABLE)
            table_name = table.name("source table")
            if source_name and table_name:
                read = _Config((*_layers(table), *layers))
                if read.flag("enabled", True):
                    yield _table(source_name, table_name, table, read)


def _layers(section: Section) -> tuple[Section, ...]:
    """Where a key is looked for, first found first: under ``config``, then beside it, then in dbt-duckdb's meta."""
    layers = [section]
    config = section.section("config", f"the config of {section.what}")
    if config is not None:
        config.only(_CONFIG)
        layers.insert(0, config)
    for owner in tuple(layers):
        meta = owner.section("meta", f"the meta of {section.what}")
        if meta is not None:
            layers.append(Section(_part(meta.node, "external_location"), meta.what, meta.problems))
    return tuple(layers)


def _part(node: Node, *keys: str) -> Node:
    """A mapping with some of its keys only."""
    entries = {key: node.entries[key] for key in keys if key in node.entries}
    return Node({key: entry.value for key, entry in entries.items()}, node.place, entries, node.keys)


@dataclass(frozen=True)
class _Config:
    """What a table's sections and its source's say, the innermost first."""

    layers: tuple[Section, ...]

    def section(self, *keys: str) -> tuple[Section, str] | None:
        """The first section that has one of the keys."""
        return next(((layer, key) for layer in self.layers for key in keys if key in layer), None)

    def text(self, *keys: str) -> str | None:
        found = self.section(*keys)
        return found[0].text(found[1]) if found else None

    def flag(self, key: str, default: bool) -> bool:
        found = self.section(key)
        return found[0].flag(key, default) if found else default


def _table(source: str, name: str, table: Section, read: _Config) -> SourceTable:
    at, key = read.section("location", "external_location") or (table, "location")
    place = at.node.entries[key].place if key in at else table.named_place
    location = at.text(key) or DEFAULT_LOCATION
    names = {"name": name, "source": source, "identifier": table.text("identifier") or name}
    with table.problems.collected():
        location = fill_location(location, names, place)
    available_at, available_after = _availability(read, table.problems)
    keys = read.section("keys")
    freshness = read.section("freshness")
    in_database = table.problems.lenient and key not in at
    if in_database:
        location = ".".join((read.text("schema") or source, names["identifier"]))
    return SourceTable(
        source=source,
        name=name,
        location=location,
        format="duckdb" if in_database else _format(location, read, place, table.problems),
        place=table.named_place,
        event_time=read.text("event_time"),
        available_at=available_at,
        available_after=available_after,
        keys=keys[0].texts("keys") if keys else (),
        immutable=read.flag("immutable", False),
        columns=read_columns(table, timed=True),
        tests=read_tests(table, None),
        freshness=freshness[0].mapping("freshness") if freshness else {},
        description=table.text("description") or "",
        tags=tuple(dict.fromkeys(tag for layer in reversed(read.layers) for tag in layer.texts("tags"))),
    )


def _availability(read: _Config, problems: Problems) -> tuple[str | None, Any]:
    """The column or the delay, whichever is nearer; both in one section is a mistake."""
    found = read.section("available_at", "available_after")
    if found is None:
        return None, None
    section, key = found
    if "available_at" in section and "available_after" in section:
        problems.add(
            ProjectError(
                "config-conflict",
                "'available_at' and 'available_after' exclude each other.",
                section.place_of("available_after"),
                "name the column that says when a row was known, or the constant delay, not both.",
            )
        )
    if key == "available_at":
        return section.text(key), None
    return None, section.duration(key)


def fill_location(location: str, names: dict[str, str], place: Place | None) -> str:
    """The location with its placeholders filled in."""
    unknown = next((found for found in _PLACEHOLDER.findall(location) if found not in names), None)
    if unknown is not None:
        raise ProjectError(
            "bad-location",
            f"A location has no placeholder {{{unknown}}}.",
            place,
            did_you_mean(unknown, names) or "there are {name}, {source} and {identifier}.",
        )
    return _PLACEHOLDER.sub(lambda found: names[found[1]], location)


def _format(location: str, read: _Config, place: Place, problems: Problems) -> str:
    stated = read.section("format")
    if stated is not None:
        return stated[0].one_of("format", FORMATS, code="unknown-format") or "parquet"
    found = format_of(location)
    if found is None:
        problems.add_unless_lenient(
            ProjectError(
                "unknown-format",
                f"The format of {location!r} cannot be told from its ending.",
                place,
                f"say format: with one of {', '.join(FORMATS)}.",
            )
        )
    return found or "parquet"


def format_of(location: str) -> str | None:
    """The format that a location's ending or scheme tells; None where it tells none."""
    if location.startswith(("postgres://", "postgresql://", "postgres:")):
        return "postgres"
    plain = location.lower().split("?", 1)[0] if "://" in location else location.lower()
    for ending in _COMPRESSED:
        plain = plain.removesuffix(ending)
    return next((name for ending, name in _ENDINGS.items() if plain.endswith(ending)), None)
