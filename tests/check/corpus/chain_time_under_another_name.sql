-- verdict: safe
-- rule: untimed
-- why: The model in between declares no event time and renames the column; the bound is there all the same.
-- written: before
-- model: renamed_time
select event_id, user_id as person_id, amount, ts as happened_at
from {{ source('raw', 'events') }}

-- model: chain_time_under_another_name
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, count(t.event_id) as events_before
from {{ source('raw', 'requests') }} as r
left join {{ ref('renamed_time') }} as t on t.person_id = r.user_id and t.happened_at <= r.asked_at
group by r.request_id, r.asked_at
