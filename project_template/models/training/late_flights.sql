-- One row for each row of flights_asked, with every feature as it was known at asked_utc.
--
-- The first week only fills the windows. Before each split as much is left out as an answer takes to become known
-- (the embargo: by default the horizon of flights_asked), as it would have to be on the day.
{{ config(
    materialized='training_set',
    label='is_late',
    keys=['flight_id'],
    passthrough=['sched_dep_utc'],
    split={'train': '2013-01-08', 'validation': '2013-03-01', 'test': '2013-03-15'}
) }}

select
    f.flight_id,
    f.asked_utc,
    f.sched_dep_utc,

    -- what the question itself says
    f.carrier,
    f.origin,
    f.dest,
    f.distance,
    f.sched_minutes,
    hour(f.sched_dep_utc at time zone 'America/New_York') as dep_hour,
    isodow(f.sched_dep_utc at time zone 'America/New_York') as dep_weekday,

    -- what was known when it was asked: keys are found by name in f, or given with `on`
    {{ feature('carrier_delays.*', prefix='carrier_') }},
    {{ feature('origin_delays.*', prefix='origin_') }},
    {{ feature('route_delays.*', prefix='route_') }},
    {{ feature('airport_weather.*', on={'airport': 'f.origin'}, prefix='origin_') }},
    {{ feature('tail_arrivals.arr_delay') }} as plane_delay,
    date_diff('minute', {{ feature('tail_arrivals.landed_utc') }}, f.asked_utc) as minutes_since_landing,
    {{ feature('origin_delays.delay_3h') }} - {{ feature('origin_delays.delay_1d') }} as origin_delay_gap,

    f.is_late
from {{ ref('flights_asked') }} as f
