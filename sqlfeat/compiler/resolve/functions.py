"""What DuckDB calls the functions and operators that sqlglot has classes for."""

from __future__ import annotations

from sqlglot import exp

BINARY: dict[type[exp.Expr], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.IntDiv: "//", exp.Mod: "%", exp.Pow: "**",
    exp.DPipe: "||", exp.And: "and", exp.Or: "or", exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=",
    exp.GT: ">", exp.GTE: ">=", exp.NullSafeEQ: "is_not_distinct", exp.NullSafeNEQ: "is_distinct", exp.Like: "like",
    exp.ILike: "ilike", exp.SimilarTo: "similar_to", exp.Glob: "glob", exp.RegexpLike: "regexp_matches",
    exp.BitwiseAnd: "&", exp.BitwiseOr: "|", exp.BitwiseXor: "xor", exp.BitwiseLeftShift: "<<",
    exp.BitwiseRightShift: ">>", exp.StartsWith: "starts_with", exp.ArrayContainedBy: "<@",
    exp.ArrayContainsAll: "@>", exp.ArrayOverlaps: "&&", exp.Distance: "<->", exp.JSONExtract: "->",
    exp.JSONExtractScalar: "->>",
}  # fmt: skip
"""Operators, where no function's name is written."""

COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})

UNNAMED: dict[type[exp.Expr], str] = {
    exp.ArgMax: "arg_max", exp.ArgMin: "arg_min", exp.ApproxQuantile: "approx_quantile", exp.Ceil: "ceil",
    exp.Floor: "floor", exp.Chr: "chr", exp.GroupConcat: "string_agg", exp.Map: "map", exp.Max: "max", exp.Min: "min",
    exp.Overlay: "overlay", exp.Quantile: "quantile", exp.PercentileCont: "quantile_cont",
    exp.PercentileDisc: "quantile_disc", exp.Substring: "substring", exp.Trim: "trim", exp.JSONObject: "json_object",
    exp.CurrentDate: "current_date", exp.CurrentTimestamp: "current_timestamp", exp.CurrentTime: "current_time",
    exp.Localtimestamp: "localtimestamp", exp.Localtime: "localtime", exp.Concat: "concat", exp.Abs: "abs",
    exp.BitwiseNot: "~", exp.CurrentUser: "current_user",
}  # fmt: skip
"""Functions whose name sqlglot leaves no trace of."""

DEFAULTED: tuple[type[exp.Expr], ...] = (
    exp.Decode, exp.Encode, exp.UnixToTime, exp.GenerateSeries, exp.Log, exp.RegexpExtract, exp.RegexpExtractAll,
    exp.SHA2, exp.ArraySort,
)  # fmt: skip
"""Functions to which sqlglot adds arguments that nobody wrote."""

RENAMED = {
    "array_agg": "list", "mean": "avg", "argmax": "arg_max", "argmin": "arg_min", "max_by": "arg_max",
    "min_by": "arg_min", "datediff": "date_diff", "datesub": "date_sub", "datetrunc": "date_trunc",
    "datepart": "date_part", "percentile_cont": "quantile_cont", "percentile_disc": "quantile_disc",
    "ifnull": "coalesce", "nvl": "coalesce", "group_concat": "string_agg", "listagg": "string_agg", "iff": "if",
    "array_transform": "list_transform", "apply": "list_transform", "list_apply": "list_transform",
    "array_apply": "list_transform", "filter": "list_filter", "array_filter": "list_filter",
    "array_reduce": "list_reduce", "reduce": "list_reduce", "array_extract": "list_extract",
    "list_element": "list_extract", "variance": "var_samp", "stddev": "stddev_samp", "countif": "count_if",
    "rank_dense": "dense_rank", "pow": "power", "list_pack": "list_value", "substr": "substring",
    "get_current_timestamp": "now", "transaction_timestamp": "now", "current_timestamp": "now",
    "arbitrary": "first", "sumkahan": "fsum", "kahan_sum": "fsum", "ceiling": "ceil",
}  # fmt: skip
"""Names that DuckDB has two of, by the other one."""

_AGGREGATES = """
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last
    arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg
    bool_and bool_or corr count count_if count_star countif covar_pop covar_samp entropy favg first fsum
    group_concat histogram histogram_exact kahan_sum kurtosis kurtosis_pop last list listagg lttb mad max max_by
    mean median min min_by mode percentile_cont percentile_disc product quantile quantile_cont quantile_disc
    regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile
    sem skewness stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop var_samp variance
    geomean geometric_mean wavg weighted_avg grouping grouping_id
    decimal_average variant_group_object combine_aggr
"""
AGGREGATES = frozenset(_AGGREGATES.split())
"""Functions of many rows, by every name that DuckDB has for them."""

_UNITS = """
    century centuries c cent day days d dayofmonth decade decades dec dayofweek weekday dow dayofyear doy epoch era
    hour hours h isodow isoyear julian microsecond microseconds us usec millennium millennia mil millenium
    millisecond milliseconds ms msec minute minutes m min mins month months mon mons nanosecond nanoseconds ns
    quarter quarters second seconds s sec secs timezone timezone_hour timezone_minute week weeks w weekofyear year
    years y yr yrs yearweek
"""
UNITS = frozenset(_UNITS.split())
"""The parts of a time that date_trunc, date_part and date_diff know."""
