"""Types as they are written in a cast, by all their names."""

from __future__ import annotations

from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.tokens import Cursor

_TYPES = {
    "BOOLEAN": "bool boolean logical", "TINYINT": "tinyint int1", "SMALLINT": "smallint int2 short int16",
    "INTEGER": "int integer int4 signed int32", "BIGINT": "bigint int8 long int64 oid", "HUGEINT": "hugeint int128",
    "UTINYINT": "utinyint uint8", "USMALLINT": "usmallint uint16", "UINTEGER": "uinteger uint32",
    "UBIGINT": "ubigint uint64", "FLOAT": "float real float4", "DOUBLE": "double float8",
    "VARCHAR": "varchar text string char bpchar nvarchar", "DATE": "date", "TIME": "time",
    "TIMESTAMP": "timestamp datetime timestamp_us", "TIMESTAMP WITH TIME ZONE": "timestamptz", "INTERVAL": "interval",
    "DECIMAL": "decimal numeric dec", "BLOB": "blob bytea binary varbinary",
}  # fmt: skip
TYPE_NAMES = {word: name for name, words in _TYPES.items() for word in words.split()}


def read_type(cursor: Cursor) -> str:
    """A type as DuckDB spells it."""
    token, word = cursor.token, cursor.word()
    name = TYPE_NAMES.get(word)
    if name is None:
        cursor.refuse()
    cursor.index += 1
    if word == "double":
        cursor.takes("precision")
    if word in ("timestamp", "time") and cursor.takes("with", "time", "zone"):
        if word == "time":
            raise NotCompiled("TIME WITH TIME ZONE", (token.start, 4))
        name = "TIMESTAMP WITH TIME ZONE"
    elif word == "timestamp":
        cursor.takes("without", "time", "zone")
    name = _modified(cursor, name)
    if cursor.takes("["):
        cursor.expect("]")
        name = f"{name}[]"
    if cursor.sees("["):
        cursor.refuse()
    return name


def _modified(cursor: Cursor, name: str) -> str:
    """A type with its numbers in brackets."""
    numbers = []
    if name in ("DECIMAL", "VARCHAR") and cursor.takes("("):
        while cursor.token.kind == "number":
            numbers.append(_whole(cursor))
            if not cursor.takes(","):
                break
        cursor.expect(")")
    if name != "DECIMAL":
        return name
    width, scale = (*numbers, 0)[:2] if numbers else (18, 3)
    if not (1 <= width <= 38 and scale <= width and len(numbers) <= 2):
        cursor.refuse()
    return f"DECIMAL({width},{scale})"


def _whole(cursor: Cursor) -> int:
    text = cursor.token.text
    if not text.isdecimal() or len(text) > 9:
        cursor.refuse()
    cursor.index += 1
    return int(text)
