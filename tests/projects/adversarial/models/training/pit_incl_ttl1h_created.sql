{{ config(materialized='training_set', label='label', keys=['row_id'], passthrough=['event ts', 'seq']) }}

select
    f.row_id,
    f."as of",
    {{ feature('readings_created.event ts', ttl='1 hour') }},
    {{ feature('readings_created.seq', ttl='1 hour') }},
    {{ feature('readings_created.dbl', ttl='1 hour') }},
    {{ feature('readings_created.big', ttl='1 hour') }},
    {{ feature('readings_created.dec', ttl='1 hour') }},
    {{ feature('readings_created.Ünïcode "q"', ttl='1 hour') }},
    f.label
from {{ ref('asked') }} as f
