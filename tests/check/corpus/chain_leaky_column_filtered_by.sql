-- verdict: unsafe
-- rule: future-existence
-- why: Only events that another one follows: the column that looks ahead is not in the list, and decides who is.
-- written: before
-- model: chain_filtered_stg
{{ config(event_time='ts') }}

select
    event_id,
    user_id,
    ts,
    amount,
    lead(ts) over (partition by user_id order by ts, event_id) as next_ts
from {{ source('raw', 'events') }}

-- model: chain_leaky_column_filtered_by
{{ config(event_time='ts') }}

select event_id, user_id, ts, amount
from {{ ref('chain_filtered_stg') }}
where next_ts is not null
