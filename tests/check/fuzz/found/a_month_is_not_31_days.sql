-- verdict: unsafe
-- columns: t, n
-- why: Buckets of 31 days are no months, though as long as the longest of them.
-- found: by reading the checker
-- model: a_month_is_not_31_days
{{ config(materialized='view', event_time='t') }}
select r.t0 + interval '31 days' as t, count(s.x) n from (select distinct date_trunc('month', t) as t0, time_bucket(interval '31 days', t) as t1 from {{ source('raw', 'events') }}) r join {{ source('raw', 'ticks') }} s on time_bucket(interval '31 days', s.t) = r.t1 group by r.t0, r.t1
