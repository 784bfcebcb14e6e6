{#
  dbt's own macros over what engines spell differently, as DuckDB spells it: `{{ dbt.date_trunc('day', 'at') }}`, or
  without the prefix. A project's own macro of the same name wins.
#}
{#
  date_trunc(datepart, date), dateadd(datepart, interval, from_date_or_timestamp), datediff(first, second, datepart),
  last_day(date, datepart), current_timestamp(), date(year, month, day): arithmetic on times; current_timestamp_backcompat()
  and current_timestamp_in_utc_backcompat() are what packages have called the first before.
#}
{% macro date_trunc(datepart, date) -%}date_trunc('{{ datepart }}', {{ date }}){%- endmacro %}
{% macro dateadd(datepart, interval, from_date_or_timestamp) -%}
date_add({{ from_date_or_timestamp }}, interval ({{ interval }}) {{ datepart }})
{%- endmacro %}
{% macro datediff(first_date, second_date, datepart) -%}
date_diff('{{ datepart }}', {{ first_date }}::timestamp, {{ second_date }}::timestamp)
{%- endmacro %}
{% macro last_day(date, datepart='month') -%}
cast(date_trunc('{{ datepart }}', {{ date }}) + interval 1 {{ datepart }} - interval 1 day as date)
{%- endmacro %}
{% macro current_timestamp() -%}now(){%- endmacro %}
{% macro current_timestamp_backcompat() -%}now(){%- endmacro %}
{% macro current_timestamp_in_utc_backcompat() -%}timezone('UTC', now()){%- endmacro %}
{% macro date(year, month, day) -%}make_date({{ year }}, {{ month }}, {{ day }}){%- endmacro %}

{#
  type_string(), type_timestamp(), type_int(), type_bigint(), type_float(), type_numeric(), type_boolean(): the names of
  types.
#}
{% macro type_string() -%}varchar{%- endmacro %}
{% macro type_timestamp() -%}timestamp{%- endmacro %}
{% macro type_int() -%}integer{%- endmacro %}
{% macro type_bigint() -%}bigint{%- endmacro %}
{% macro type_float() -%}double{%- endmacro %}
{% macro type_numeric() -%}decimal(28, 6){%- endmacro %}
{% macro type_boolean() -%}boolean{%- endmacro %}

{#
  cast(field, type), safe_cast(field, type), cast_bool_to_text(field): to a type; the second gives null where it cannot
  be done.
#}
{% macro cast(field, type) -%}cast({{ field }} as {{ type }}){%- endmacro %}
{% macro safe_cast(field, type) -%}try_cast({{ field }} as {{ type }}){%- endmacro %}
{% macro cast_bool_to_text(field) -%}cast({{ field }} as varchar){%- endmacro %}

{#
  concat(fields), hash(field), length(expression), position(substring_text, string_text), replace(field, old_chars,
  new_chars), right(string_text, length_expression), split_part(string_text, delimiter_text, part_number),
  escape_single_quotes(expression), string_literal(value): text.
#}
{% macro concat(fields) -%}{{ fields | join(' || ') }}{%- endmacro %}
{% macro hash(field) -%}md5(cast({{ field }} as varchar)){%- endmacro %}
{% macro length(expression) -%}length({{ expression }}){%- endmacro %}
{% macro position(substring_text, string_text) -%}position({{ substring_text }} in {{ string_text }}){%- endmacro %}
{% macro replace(field, old_chars, new_chars) -%}replace({{ field }}, {{ old_chars }}, {{ new_chars }}){%- endmacro %}
{% macro right(string_text, length_expression) -%}right({{ string_text }}, {{ length_expression }}){%- endmacro %}
{% macro split_part(string_text, delimiter_text, part_number) -%}
split_part({{ string_text }}, {{ delimiter_text }}, {{ part_number }})
{%- endmacro %}
{% macro escape_single_quotes(expression) -%}{{ expression | replace("'", "''") }}{%- endmacro %}
{% macro string_literal(value) -%}'{{ value }}'{%- endmacro %}

{#
  any_value(expression), bool_or(expression), listagg(measure, delimiter_text, order_by_clause, limit_num): aggregates.
#}
{% macro any_value(expression) -%}any_value({{ expression }}){%- endmacro %}
{% macro bool_or(expression) -%}bool_or({{ expression }}){%- endmacro %}
{% macro listagg(measure, delimiter_text="','", order_by_clause=none, limit_num=none) -%}
{%- if limit_num -%}
array_to_string(list_slice(list({{ measure }}{{ ' ' ~ order_by_clause if order_by_clause }}), 1, {{ limit_num }}), {{ delimiter_text }})
{%- else -%}
string_agg({{ measure }}, {{ delimiter_text }}{{ ' ' ~ order_by_clause if order_by_clause }})
{%- endif -%}
{%- endmacro %}

{# array_construct(inputs), array_append(array, new_element), array_concat(array_1, array_2): lists. #}
{% macro array_construct(inputs=[], data_type=none) -%}[{{ inputs | join(', ') }}]{%- endmacro %}
{% macro array_append(array, new_element) -%}list_append({{ array }}, {{ new_element }}){%- endmacro %}
{% macro array_concat(array_1, array_2) -%}list_concat({{ array_1 }}, {{ array_2 }}){%- endmacro %}

{# except(), intersect(): set operations, duplicates left out. #}
{% macro except() -%}except{%- endmacro %}
{% macro intersect() -%}intersect{%- endmacro %}
