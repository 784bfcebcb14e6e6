-- verdict: safe
-- columns: id, t, v, w
-- why: What is written when a row is closed is read where it is closed by then; the sum is nought until then.
-- found: once called unsafe
-- model: outcome_of_what_is_closed
{{ config(materialized='view', event_time='t') }}
select r.id, r.t, case when s.c <= r.t then s.o end as v, coalesce(s.c <= r.t, false) as w from {{ source('raw', 'ticks') }} r left join {{ source('raw', 'slips') }} s on s.id = r.id and s.t <= r.t
