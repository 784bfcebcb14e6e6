"""The type that a function or an operator of DuckDB gives, where that is sure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlfeat.compiler.algebra import Constant, Expression
from sqlfeat.compiler.resolve import numbers, types
from sqlfeat.compiler.resolve.numbers import FLOATS, SIGNED, UNSIGNED

Given = Sequence[str | None]
Nodes = Sequence[Expression]

_WORDS = {
    "BOOLEAN": """= <> < <= > >= and or not is_null is_not_null is_distinct is_not_distinct between in like ilike
        similar_to glob regexp_matches starts_with ends_with contains prefix suffix isnan isinf isfinite list_contains
        list_has bool_and bool_or""",
    "BIGINT": """count count_star row_number rank dense_rank ntile length len strlen year month day
        hour minute second quarter week dayofweek dayofyear isodow isoyear weekday weekofyear yearweek
        millisecond microsecond date_diff date_sub approx_count_distinct strpos epoch_us epoch_ns
        grouping grouping_id index""",
    "DOUBLE": """stddev_samp stddev_pop var_samp var_pop corr covar_pop covar_samp sqrt ln log log2 log10 exp
        sin cos tan asin acos atan atan2 cot degrees radians pi cbrt percent_rank cume_dist random epoch
        skewness kurtosis entropy regr_slope regr_intercept regr_r2 geomean favg fsum product power ** julian""",
    "VARCHAR": """lower upper substring trim ltrim rtrim concat_ws replace lpad rpad reverse left right
        split_part string_agg strftime monthname dayname md5 sha256 regexp_replace regexp_extract chr format printf
        typeof hex""",
    "DATE": "make_date current_date today last_day",
    "TIMESTAMP WITH TIME ZONE": "now to_timestamp",
    "INTERVAL": """to_years to_months to_weeks to_days to_hours to_minutes to_seconds to_milliseconds
        to_microseconds age""",
    "VARCHAR[]": "string_split str_split string_split_regex regexp_extract_all",
    "JSON": "to_json",
    "TINYINT": "sign",
    "UBIGINT": "hash",
    "UUID": "uuid gen_random_uuid",
}  # fmt: skip
_FIXED = {name: type_name for type_name, names in _WORDS.items() for name in names.split()}
"""What always gives the same type."""

_FIRST = "any_value first last first_value last_value mode abs nth_value nullif collate min max arg_max arg_min"
_AS_FIRST = frozenset(_FIRST.split())
_OF_NULLS = frozenset({"case", "coalesce", "greatest", "least", "lag", "lead", "list_value"})
"""What has a type although one of its arguments is NULL."""

_TIMES = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
_WHOLE = (*SIGNED, *UNSIGNED)


def result_type(name: str, given: Given, arguments: Nodes) -> str | None:
    """The type of a call; None where it is not sure."""
    if name in _FIXED:
        return _FIXED[name]
    if not given:
        return None
    if name in _AS_FIRST:
        return _first(name, given)
    if '"NULL"' in given and name not in _OF_NULLS:
        return None
    rule = _RULES.get(name)
    return rule(given, arguments) if rule is not None else None


def _bare(node: Expression) -> object:
    """The value of a literal without a type of its own; otherwise the expression."""
    return node.value if isinstance(node, Constant) and node.type is None else node


def _first(name: str, given: Given) -> str | None:
    several = len(given) > {"min": 1, "max": 1, "arg_min": 2, "arg_max": 2}.get(name, 9)
    if given[0] in (None, '"NULL"'):
        return None
    return f"{given[0]}[]" if several else given[0]


# -- numbers -----------------------------------------------------------------------------------------------------------


def _arithmetic(operator: str) -> Callable[[Given, Nodes], str | None]:
    def rule(given: Given, arguments: Nodes) -> str | None:
        if len(given) != 2:
            return None
        return numbers.arithmetic(operator, given, [_bare(node) for node in arguments])

    return rule


_ADD = _arithmetic("+")


def _plus(given: Given, arguments: Nodes) -> str | None:
    one, other = given[0], given[-1]
    for left, right in ((one, other), (other, one)):
        if left == "DATE" and right == "INTERVAL":
            return "TIMESTAMP"
        if left == "DATE" and right in SIGNED[:3]:
            return "DATE"
        if left in _TIMES and right == "INTERVAL":
            return left
    return "INTERVAL" if one == other == "INTERVAL" else _ADD(given, arguments)


def _minus(given: Given, arguments: Nodes) -> str | None:
    one, other = given[0], given[-1]
    if one == other == "DATE":
        return "BIGINT"
    if one == "DATE":
        return {"INTERVAL": "TIMESTAMP", "INTEGER": "DATE"}.get(other or "")
    if one in _TIMES:
        return one if other == "INTERVAL" else ("INTERVAL" if one == other else None)
    return "INTERVAL" if one == other == "INTERVAL" else _ADD(given, arguments)


def _times(given: Given, arguments: Nodes) -> str | None:
    if "INTERVAL" in given:
        return "INTERVAL" if all(kind == "INTERVAL" or numbers.is_number(kind) for kind in given) else None
    return _arithmetic("*")(given, arguments)


def _divided(given: Given, arguments: Nodes) -> str | None:
    if given[0] == "INTERVAL":
        return "INTERVAL" if numbers.is_number(given[-1]) else None
    return _arithmetic("/")(given, arguments)


def _negative(given: Given, arguments: Nodes) -> str | None:
    return given[0] if given[0] == "INTERVAL" or (numbers.is_number(given[0]) and given[0] not in UNSIGNED) else None


def _bits(given: Given, arguments: Nodes) -> str | None:
    one, other = numbers.adapted(given, [_bare(node) for node in arguments])
    return one if one == other and one in _WHOLE else None


def _sum(given: Given, arguments: Nodes) -> str | None:
    own = given[0] or ""
    if own in _WHOLE or own == "BOOLEAN":
        return "HUGEINT" if own not in ("UBIGINT", "UHUGEINT") else None
    decimal = numbers.decimal(own)
    return f"DECIMAL(38,{decimal[1]})" if decimal else ("DOUBLE" if own in FLOATS else None)


def _avg(given: Given, arguments: Nodes) -> str | None:
    own = given[0] or ""
    return "DOUBLE" if numbers.is_number(own) else (own if own in (*_TIMES, "INTERVAL") else None)


def _median(given: Given, arguments: Nodes) -> str | None:
    own = given[0] or ""
    if own in _WHOLE:
        return "DOUBLE"
    return own if numbers.is_number(own) or own in _TIMES else None


def _quantile(given: Given, arguments: Nodes) -> str | None:
    kind = _median(given, arguments)
    if kind is None or len(arguments) < 2:
        return None
    return f"{kind}[]" if types.is_list(given[1]) else (kind if isinstance(arguments[1], Constant) else None)


def _quantile_of_rows(given: Given, arguments: Nodes) -> str | None:
    if len(arguments) < 2 or given[0] is None:
        return None
    return f"{given[0]}[]" if types.is_list(given[1]) else (given[0] if isinstance(arguments[1], Constant) else None)


def _round(given: Given, arguments: Nodes) -> str | None:
    own = given[0] or ""
    if own in FLOATS or own in SIGNED:
        return own
    decimal = numbers.decimal(own)
    places = _bare(arguments[1]) if len(arguments) > 1 else 0
    if decimal is None or not isinstance(places, int) or places < 0:
        return None
    return f"DECIMAL({decimal[0]},{min(places, decimal[1])})"


def _ceil(given: Given, arguments: Nodes) -> str | None:
    own = given[0] or ""
    if own in FLOATS:
        return own
    decimal = numbers.decimal(own)
    return f"DECIMAL({decimal[0]},0)" if decimal else ("DOUBLE" if own in _WHOLE else None)


# -- what several values become ----------------------------------------------------------------------------------------


def _common(given: Given, arguments: Nodes) -> str | None:
    values = [_bare(node) for node in arguments]
    if any(isinstance(value, str) for value in values):
        return _beside_text(given, values)
    return types.common(numbers.adapted(given, values))


def _beside_text(given: Given, values: Sequence[object]) -> str | None:
    """Text that is written out becomes what stands beside it."""
    others = {kind for kind, value in zip(given, values, strict=True) if not isinstance(value, str)} - {'"NULL"'}
    if not others:
        return "VARCHAR"
    return others.pop() if len(others) == 1 else None


def _case(given: Given, arguments: Nodes) -> str | None:
    chosen = [index for index in range(len(given)) if index % 2 == 1 or index == len(given) - 1]
    return _common([given[index] for index in chosen], [arguments[index] for index in chosen])


def _lag(given: Given, arguments: Nodes) -> str | None:
    if len(given) == 3:
        return _common([given[0], given[2]], [arguments[0], arguments[2]]) if given[0] != '"NULL"' else None
    return given[0] if given[0] != '"NULL"' else None


def _list_value(given: Given, arguments: Nodes) -> str | None:
    inner = _common(given, arguments)
    return f"{inner}[]" if inner and inner != '"NULL"' else None


# -- times -------------------------------------------------------------------------------------------------------------


def _timezone(given: Given, arguments: Nodes) -> str | None:
    if len(given) != 2:
        return None
    return {"TIMESTAMP": _TIMES[1], "TIMESTAMP WITH TIME ZONE": _TIMES[0]}.get(given[1] or "")


def _date_trunc(given: Given, arguments: Nodes) -> str | None:
    own = given[1] if len(given) > 1 else None
    return own if own in _TIMES else None


def _date_part(given: Given, arguments: Nodes) -> str | None:
    unit = arguments[0]
    if not isinstance(unit, Constant) or not isinstance(unit.value, str):
        return None
    return "DOUBLE" if unit.value.lower() in ("epoch", "julian") else "BIGINT"


def _epoch_ms(given: Given, arguments: Nodes) -> str | None:
    return "BIGINT" if given[0] in (*_TIMES, "DATE", "INTERVAL") else None


def _strptime(given: Given, arguments: Nodes) -> str | None:
    shape = _bare(arguments[-1])
    return "TIMESTAMP" if isinstance(shape, str) and "%Z" not in shape and "%z" not in shape else None


def _bucket(given: Given, arguments: Nodes) -> str | None:
    return given[1] if len(given) == 2 and given[1] in (*_TIMES, "DATE") else None


# -- lists, structs, texts ---------------------------------------------------------------------------------------------


def _list(given: Given, arguments: Nodes) -> str | None:
    return f"{given[0]}[]" if given[0] and given[0] != '"NULL"' else None


def _element(given: Given, arguments: Nodes) -> str | None:
    if types.is_list(given[0]):
        return types.element(given[0])
    return types.map_value(given[0]) or ("VARCHAR" if given[0] == "VARCHAR" and given[-1] in SIGNED else None)


def _of_json(kind: str) -> Callable[[Given, Nodes], str | None]:
    """What is taken out of JSON: one thing by one path, a list by a list of paths."""

    def rule(given: Given, arguments: Nodes) -> str | None:
        path = given[-1]
        return None if path is None else f"{kind}[]" if types.is_list(path) else kind

    return rule


def _same_list(given: Given, arguments: Nodes) -> str | None:
    return given[0] if types.is_list(given[0]) and (given[0] or "").endswith("[]") else None


def _transformed(given: Given, arguments: Nodes) -> str | None:
    return f"{given[1]}[]" if len(given) > 1 and given[1] and given[1] != '"NULL"' else None


def _joined_text(given: Given, arguments: Nodes) -> str | None:
    if any(map(types.is_list, given)):
        return given[0] if len(set(given)) == 1 and (given[0] or "").endswith("[]") else None
    return "VARCHAR" if None not in given and "BLOB" not in given else None


def _series(given: Given, arguments: Nodes) -> str | None:
    if set(given) <= set(SIGNED[:4]):
        return "BIGINT[]"
    return f"{given[0]}[]" if given[0] in _TIMES and given[0] == given[1] else None


def _map_of_lists(given: Given, arguments: Nodes) -> str | None:
    if len(given) != 2 or not all(map(types.is_list, given)):
        return None
    return f"MAP({types.element(given[0])}, {types.element(given[1])})"


def _map(given: Given, arguments: Nodes) -> str | None:
    if len(given) != 2 or None in given:
        return None
    return f"MAP({given[0]}, {given[1]})"


_RULES: dict[str, Callable[[Given, Nodes], str | None]] = {
    "+": _plus, "-": _minus, "*": _times, "/": _divided, "//": _arithmetic("//"), "%": _arithmetic("%"),
    "mod": _arithmetic("%"), "neg": _negative, "&": _bits, "|": _bits, "sum": _sum, "avg": _avg, "median": _median,
    "quantile_cont": _quantile, "quantile_disc": _quantile_of_rows, "round": _round,
    "ceil": _ceil, "floor": _ceil, "coalesce": _common, "greatest": _common, "least": _common, "case": _case,
    "lag": _lag, "lead": _lag, "list_value": _list_value, "timezone": _timezone, "date_trunc": _date_trunc,
    "date_part": _date_part, "epoch_ms": _epoch_ms, "strptime": _strptime, "time_bucket": _bucket, "list": _list,
    "[]": _element, "list_extract": _element, "list_filter": _same_list, "list_sort": _same_list,
    "list_reverse_sort": _same_list, "list_distinct": _same_list, "list_transform": _transformed,
    "||": _joined_text, "concat": _joined_text, "range": _series, "generate_series": _series, "{}": _map,
    "map": _map_of_lists, "->": _of_json("JSON"), "json_extract": _of_json("JSON"), "->>": _of_json("VARCHAR"),
    "json_extract_string": _of_json("VARCHAR"),
}  # fmt: skip
