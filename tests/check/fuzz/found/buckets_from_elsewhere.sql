-- verdict: unsafe
-- columns: t, n
-- why: Buckets of three hours that begin at one o'clock are not those that begin at midnight.
-- found: by reading the checker
-- model: buckets_from_elsewhere
{{ config(materialized='view', event_time='t') }}
select r.t0 + interval '3 hours' as t, count(s.x) n from (select distinct time_bucket(interval '3 hours', t) as t0, time_bucket(interval '3 hours', t, timestamptz '2000-01-01 01:00:00+00') as t1 from {{ source('raw', 'events') }}) r join {{ source('raw', 'ticks') }} s on time_bucket(interval '3 hours', s.t, timestamptz '2000-01-01 01:00:00+00') = r.t1 group by r.t0, r.t1
