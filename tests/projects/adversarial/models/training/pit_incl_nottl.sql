{{ config(materialized='training_set', label='label', keys=['row_id'], passthrough=['event ts', 'seq']) }}

select
    f.row_id,
    f."as of",
    {{ feature('readings.event ts') }},
    {{ feature('readings.seq') }},
    {{ feature('readings.dbl') }},
    {{ feature('readings.big') }},
    {{ feature('readings.dec') }},
    {{ feature('readings.Ünïcode "q"') }},
    f.label
from {{ ref('asked') }} as f
