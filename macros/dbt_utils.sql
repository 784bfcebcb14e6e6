{#
  What dbt projects use most of the package dbt_utils, for DuckDB: the same names and arguments, the same results.
  A project's own macro of the same name wins.

  safe_divide(numerator, denominator): the quotient, null where the denominator is 0.
#}
{% macro safe_divide(numerator, denominator) -%}
({{ numerator }}) / nullif(({{ denominator }}), 0)
{%- endmacro %}

{#
  generate_surrogate_key(['a', 'b']): one text key of several columns, byte for byte dbt_utils' own. Nulls count as a
  value; with the variable surrogate_key_treat_nulls_as_empty_strings as an empty text.
#}
{% macro generate_surrogate_key(field_list) -%}
{%- if field_list is string or not field_list -%}
    {{ exceptions.raise_compiler_error("generate_surrogate_key() takes a list of columns: ['a', 'b'].") }}
{%- endif -%}
{%- set null_text = '' if var('surrogate_key_treat_nulls_as_empty_strings', false) else '_dbt_utils_surrogate_key_null_' -%}
md5(
{%- for field in field_list -%}
    {{ " || '-' || " if not loop.first }}coalesce(cast({{ field }} as varchar), '{{ null_text }}')
{%- endfor -%}
)
{%- endmacro %}

{#
  deduplicate(relation, partition_by, order_by): of the rows that are equal in partition_by the first by order_by, as a
  SELECT of its own. With order_by='updated_at desc' only the latest version is left: right for what has no history,
  wrong above a feature view, which needs every version with the time at which it was known.
#}
{% macro deduplicate(relation, partition_by, order_by) -%}
select *
from {{ relation }}
qualify row_number() over (partition by {{ partition_by }} order by {{ order_by }}) = 1
{%- endmacro %}

{#
  pivot(column, values): a column for each value, to be used with GROUP BY: by default how many rows have it.
#}
{% macro pivot(column, values, alias=true, agg='sum', cmp='=', prefix='', suffix='', then_value=1, else_value=0,
               quote_identifiers=true, distinct=false) -%}
{%- for value in values -%}
    {%- set condition = column ~ ' ' ~ cmp ~ " '" ~ value | string | replace("'", "''") ~ "'" -%}
    {%- set name = prefix ~ value ~ suffix -%}
    {{ agg }}({{ 'distinct ' if distinct }}case when {{ condition }} then {{ then_value }} else {{ else_value }} end)
    {%- if alias %} as {{ '"' ~ name | replace('"', '""') ~ '"' if quote_identifiers else name }}{% endif -%}
    {{ ', ' if not loop.last }}
{%- endfor -%}
{%- endmacro %}

{#
  date_spine('day', "date '2024-01-01'", "date '2024-02-01'"): a row for each day, hour, week, … of [start, end), as a
  SELECT of one TIMESTAMP column (date_day, date_hour, …): the instants at which label rows ask.
#}
{% macro date_spine(datepart, start_date, end_date) -%}
select unnest(range(
    cast({{ start_date }} as timestamp), cast({{ end_date }} as timestamp), interval 1 {{ datepart }}
)) as date_{{ datepart }}
{%- endmacro %}

{#
  haversine_distance(lat1, lon1, lat2, lon2, unit='mi'): the way over a round earth, in miles or 'km'.
#}
{% macro haversine_distance(lat1, lon1, lat2, lon2, unit='mi') -%}
{%- if unit not in ('mi', 'km') -%}
    {{ exceptions.raise_compiler_error("haversine_distance() measures in 'mi' or 'km', not in '" ~ unit ~ "'.") }}
{%- endif -%}
2 * 3961 * asin(least(1, sqrt(
    power(sin(radians(({{ lat2 }}) - ({{ lat1 }})) / 2), 2)
    + cos(radians({{ lat1 }})) * cos(radians({{ lat2 }})) * power(sin(radians(({{ lon2 }}) - ({{ lon1 }})) / 2), 2)
))){{ ' * 1.60934' if unit == 'km' }}
{%- endmacro %}
