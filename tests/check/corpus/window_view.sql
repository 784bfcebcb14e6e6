-- verdict: safe
-- rule: delay-ignored
-- why: window() counts what is known at the instant that asks, late rows included.
-- written: before
{{ config(materialized='feature_view', entity='account', event_time='paid_at') }}

select
    account_id,
    paid_at,
    recorded_at,
    {{ window('sum(amount)', ['1 day', '7 days'], name='paid') }},
    {{ window('count(*) filter (where status = \'declined\')', '7 days') }} as declined_7d
from {{ source('raw', 'payments') }}
