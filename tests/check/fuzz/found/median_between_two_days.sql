-- verdict: unsafe
-- columns: k, at, s
-- why: The median of two days lies between them, so it is no whole day; and a day before it is not over by then.
-- found: by reading the checker
-- model: median_between_two_days
{{ config(materialized='view', event_time='at') }}
with a as (select k, cast(t as date) as e, sum(x) as s from {{ source('raw', 'events') }} group by 1, 2), r as (select cast(t as date) + 1 as d, cast(t as date) as u from {{ source('raw', 'ticks') }} where t is not null union all select cast(t as date) + 2 as d, cast(t as date) as u from {{ source('raw', 'ticks') }} where t is not null), b as (select u, median(d) as m from r group by 1) select a.k, b.m as at, a.s from a join b on a.e < b.m
