-- How late a flight arrives is known when it lands, hours after it left.
{{ config(event_time='landed_utc', available_at='landed_utc') }}

select
    a.flight_id,
    a.landed_utc,
    a.arr_delay,
    a.arr_delay > {{ var('late_minutes') }} as is_late,
    f.carrier,
    f.tailnum,
    f.origin,
    f.dest
from {{ source('raw', 'arrivals') }} as a
join {{ ref('stg_flights') }} as f using (flight_id)
