-- verdict: safe
-- rule: lead
-- why: The model above has a column that looks ahead; this one does not read it.
-- written: before
-- model: chain_left_out_stg
{{ config(event_time='ts') }}

select
    event_id,
    user_id,
    ts,
    amount,
    lead(ts) over (partition by user_id order by ts, event_id) as next_ts
from {{ source('raw', 'events') }}

-- model: chain_leaky_column_left_out
{{ config(event_time='ts') }}

select event_id, user_id, ts, sum(amount) over (partition by user_id order by ts) as spent_so_far
from {{ ref('chain_left_out_stg') }}
