-- verdict: unsafe
-- columns: next_amount
-- rule: following-frame
-- why: The same line read backwards: the next amount is carried to the questions before it.
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
        first_value(amount ignore nulls) over (
            partition by user_id order by moment, part, id rows between current row and unbounded following
        ) as next_amount
    from line
)

select id as request_id, moment as asked_at, next_amount
from carried
where part = 1
