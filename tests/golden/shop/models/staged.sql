{#- Everything that stands between comments of Jinja's is gone. -#}
{{ config(materialized='view') }}
{%- set words = ['tea', 'jam'] %}

select
    order_id,
    customer,
    product,
    {{ worth() }} as amount,                       -- at least {{ var('least') }}
    {%- for word in words %}
    product = '{{ word }}' as is_{{ word }}{{ ',' }}
    {%- endfor %}
    ordered_at,
    loaded_at
from {{ source('raw', 'orders') }};
