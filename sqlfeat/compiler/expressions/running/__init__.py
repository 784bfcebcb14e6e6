"""What compiled expressions call while they run: plain functions on plain values, with DuckDB's semantics.

Values are as DuckDB keeps them: numbers as int, bool and float; a DECIMAL as the whole number of its smallest units;
a DATE as days and a TIMESTAMP (also WITH TIME ZONE) or TIME as microseconds since 1970 or midnight; an INTERVAL as
(months, days, microseconds); text as str, lists as list, structs as dict, NULL as None. These functions never see a
None where their docstring does not say so.
"""
