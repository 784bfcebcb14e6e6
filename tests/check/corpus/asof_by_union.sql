-- verdict: safe
-- rule: whole-partition
-- why: Events and questions on one line, events first at equal instants, and the last amount carried forward.
-- written: before
{{ config(event_time='asked_at') }}

with line as (
    select user_id, ts as moment, 0 as part, event_id as id, amount from {{ source('raw', 'events') }}
    union all
    select user_id, asked_at, 1, request_id, null from {{ source('raw', 'requests') }}
),

carried as (
    select
        *,
        last_value(amount ignore nulls) over (
            partition by user_id order by moment, part, id rows between unbounded preceding and current row
        ) as last_amount
    from line
)

select id as request_id, moment as asked_at, last_amount
from carried
where part = 1
