{{ config(materialized='training_set', label='label', keys=['row_id'], passthrough=['event ts', 'seq']) }}

select
    f.row_id,
    f."as of",
    {{ feature('readings_created.event ts') }},
    {{ feature('readings_created.seq') }},
    {{ feature('readings_created.dbl') }},
    {{ feature('readings_created.big') }},
    {{ feature('readings_created.dec') }},
    {{ feature('readings_created.Ünïcode "q"') }},
    f.label
from {{ ref('asked') }} as f
