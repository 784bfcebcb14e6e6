-- verdict: unsafe
-- rule: whole-relation
-- why: As many rows as there are events, now and in future.
-- written: after
{{ config(event_time='day') }}

select unnest(generate_series(
    timestamptz '2024-01-01 00:00:00+00',
    timestamptz '2024-01-01 00:00:00+00' + (select count(*) from {{ source('raw', 'events') }}) * interval '1 day',
    interval '1 day'
)) as day
