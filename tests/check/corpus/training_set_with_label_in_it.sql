-- verdict: unsafe
-- columns: pays_text
-- rule: label
-- why: A copy of the label in other clothes is among the inputs.
-- written: before
-- model: ts_label_asked
{{ config(materialized='table', role='label', event_time='asked_at', horizon='7 days') }}

select
    r.request_id,
    r.account_id,
    r.asked_at,
    exists (
        select 1 from {{ source('raw', 'payments') }} as p
        where p.account_id = r.account_id and p.recorded_at between r.asked_at and r.asked_at + interval '7 days'
    ) as pays
from {{ source('raw', 'requests') }} as r

-- model: training_set_with_label_in_it
{{ config(materialized='training_set', label='pays', keys=['request_id']) }}

select
    q.request_id,
    q.asked_at,
    case when q.pays then 'yes' else 'no' end as pays_text,
    dayofweek(q.asked_at) as weekday,
    q.pays
from {{ ref('ts_label_asked') }} as q
