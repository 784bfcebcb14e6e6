-- How late a flight arrives is known when it lands, hours after it left.


select
    a.flight_id,
    a.landed_utc,
    a.arr_delay,
    a.arr_delay > 15 as is_late,
    f.carrier,
    f.tailnum,
    f.origin,
    f.dest
from "raw"."arrivals" as a
join "main"."stg_flights" as f using (flight_id)
