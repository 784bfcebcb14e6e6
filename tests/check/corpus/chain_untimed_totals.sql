-- verdict: unsafe
-- columns: usual
-- rule: whole-group
-- why: A model without an event time in between: a user's totals over all times.
-- written: before
-- model: untimed_totals
select user_id, avg(amount) as usual
from {{ source('raw', 'events') }}
where user_id is not null
group by user_id

-- model: chain_untimed_totals
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, t.usual
from {{ source('raw', 'requests') }} as r
left join {{ ref('untimed_totals') }} as t using (user_id)
