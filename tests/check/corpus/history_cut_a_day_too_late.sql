-- verdict: unsafe
-- columns: usual
-- rule: whole-relation
-- why: The history is cut at the end of the first of March, and the rows begin with it.
-- written: before
{{ config(event_time='asked_at') }}

with history as (
    select user_id, avg(amount) as usual
    from {{ source('raw', 'events') }}
    where ts < '2024-03-02' and user_id is not null
    group by user_id
)

select r.request_id, r.asked_at, h.usual
from {{ source('raw', 'requests') }} as r
left join history as h using (user_id)
where r.asked_at >= '2024-03-01'
