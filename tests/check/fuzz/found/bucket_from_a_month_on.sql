-- verdict: unsafe
-- columns: t, n
-- why: A bucket that is set off by a month is longer where the month's end cuts it.
-- found: claims of the zone against data
-- model: bucket_from_a_month_on
{{ config(materialized='view', event_time='t') }}
select time_bucket(interval '7 days', t, interval '1 month') + interval '7 days' as t, count(*) n from {{ source('raw', 'events') }} group by 1
