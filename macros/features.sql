{#
  What feature views and training sets write often.

  windows_by_value('count(*)', 'event', ['view', 'cart'], ['1 day', '7 days']): a window() for each value and length,
  over the rows that have the value: view_1d, view_7d, cart_1d, cart_7d. Where a value makes no good name, give names:
  {'cart': 'add to cart'}. For feature views; the aggregate takes no filter of its own.
#}
{% macro windows_by_value(aggregate, column, values, length, prefix='') -%}
{%- set lengths = [length] if length is string else length -%}
{%- for name in values -%}
    {%- set value = values[name] if values is mapping else name -%}
    {{ window(
        aggregate ~ ' filter (where ' ~ column ~ " = '" ~ value | string | replace("'", "''") ~ "')",
        lengths, name=prefix ~ name
    ) }}{{ ', ' if not loop.last }}
{%- endfor -%}
{%- endmacro %}

{#
  cyclical('hour(asked_at)', 24, 'hour'): two columns, hour_sin and hour_cos, in which 23 o'clock is near 0 o'clock.
#}
{% macro cyclical(expression, period, name) -%}
sin(2 * pi() * ({{ expression }}) / {{ period }}) as {{ name }}_sin,
cos(2 * pi() * ({{ expression }}) / {{ period }}) as {{ name }}_cos
{%- endmacro %}
