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

{#
  star(from, except=[], relation_alias=false, prefix='', suffix='', quote_identifiers=true): the columns of a relation by
  name, but for some. get_filtered_columns_in_relation(from, except=[]): their names as a list. They are known before
  anything is built.
#}
{% macro get_filtered_columns_in_relation(from, except=[]) -%}
{%- set left_out = except | map('lower') | list -%}
{%- set names = [] -%}
{%- for column in adapter.get_columns_in_relation(from) if column.column | lower not in left_out -%}
    {%- do names.append(column.column) -%}
{%- endfor -%}
{{ return(names) }}
{%- endmacro %}
{% macro star(from, relation_alias=false, except=[], prefix='', suffix='', quote_identifiers=true) -%}
{%- set names = get_filtered_columns_in_relation(from, except) -%}
{%- if not execute -%}*{%- endif -%}
{%- for name in names -%}
    {{ relation_alias ~ '.' if relation_alias }}{{ adapter.quote(name) if quote_identifiers else name }}
    {%- if prefix or suffix %} as {{ adapter.quote(prefix ~ name ~ suffix) }}{% endif -%}
    {{ ', ' if not loop.last }}
{%- endfor -%}
{%- endmacro %}

{#
  union_relations(relations, include=[], exclude=[], column_override={}, source_column_name='_dbt_source_relation',
  where=none): all rows of relations with different columns, which are null where a relation has not got them.
#}
{% macro union_relations(relations, column_override=none, include=[], exclude=[],
                         source_column_name='_dbt_source_relation', where=none) -%}
{%- set wanted, left_out, types, columns = include | map('lower') | list, exclude | map('lower') | list, {}, {} -%}
{%- for relation in relations -%}
    {%- do columns.update({loop.index: []}) -%}
    {%- set own = columns[loop.index] -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- set name = column.column -%}
        {%- do own.append(name | lower) -%}
        {%- if name | lower not in left_out and (not wanted or name | lower in wanted) and name not in types -%}
            {%- do types.update({name: (column_override or {}).get(name, column.data_type)}) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endfor -%}
{%- for relation in relations %}
{%- set own = columns[loop.index] -%}
(select
    {%- if source_column_name %} cast({{ string_literal(relation.identifier) }} as varchar) as {{ source_column_name }}{{ ',' if types }}{% endif -%}
    {%- for name, type in types.items() %}
    {{ ('cast(' ~ (adapter.quote(name) if name | lower in own else 'null') ~ ' as ' ~ type ~ ')')
        if type != 'unknown' else (adapter.quote(name) if name | lower in own else 'null') }} as {{ adapter.quote(name) }}
    {{- ',' if not loop.last }}
    {%- endfor -%}
    {{ ' *' if not types and not source_column_name }}
from {{ relation }}{{ ' where ' ~ where if where }})
{{- ' union all ' if not loop.last }}
{%- endfor -%}
{%- endmacro %}

{#
  get_relations_by_pattern(schema_pattern, table_pattern, exclude=''), get_relations_by_prefix(schema, prefix,
  exclude=''): the models, seeds and sources of the project whose names match, as a list for union_relations(). What
  else lies in the database is not looked at. Called by the package's own macros, where that is installed:
  duckdb__get_relations_by_pattern(…), duckdb__get_relations_by_prefix(…).
#}
{% macro get_relations_by_pattern(schema_pattern, table_pattern, exclude='', database=none) -%}
{{ return(adapter.relations_like(schema_pattern, table_pattern, exclude)) }}
{%- endmacro %}
{% macro get_relations_by_prefix(schema, prefix, exclude='', database=none) -%}
{{ return(adapter.relations_like(schema, prefix ~ '%', exclude)) }}
{%- endmacro %}
{% macro duckdb__get_relations_by_pattern(schema_pattern, table_pattern, exclude='', database=none) -%}
{{ return(adapter.relations_like(schema_pattern, table_pattern, exclude)) }}
{%- endmacro %}
{% macro duckdb__get_relations_by_prefix(schema, prefix, exclude='', database=none) -%}
{{ return(adapter.relations_like(schema, prefix ~ '%', exclude)) }}
{%- endmacro %}

{#
  get_column_values(table, column, order_by='count(*) desc', max_records=none, default=[], where=none): the values that
  a column has in the target as it stands; the default before it is built.
#}
{% macro get_column_values(table, column, order_by='count(*) desc', max_records=none, default=none, where=none) -%}
{%- set answer = run_query(
    'select ' ~ column ~ ' as value from ' ~ table ~ (' where ' ~ where if where else '') ~ ' group by ' ~ column
    ~ ' order by ' ~ order_by ~ (' limit ' ~ max_records if max_records else '')
) -%}
{{ return(answer.columns[0].values() if answer and answer | length else (default or [])) }}
{%- endmacro %}

{# group_by(n): group by the first n columns. #}
{% macro group_by(n) -%}
group by {% for number in range(1, n + 1) %}{{ number }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}
