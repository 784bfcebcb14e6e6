-- How late a flight departs is known when it does: not a minute earlier.
{{ config(event_time='dep_utc', available_at='dep_utc') }}

select
    d.flight_id,
    d.dep_utc,
    d.dep_delay,
    f.origin
from {{ source('raw', 'departures') }} as d
join {{ ref('stg_flights') }} as f using (flight_id)
