-- How late a flight departs is known when it does: not a minute earlier.


select
    d.flight_id,
    d.dep_utc,
    d.dep_delay,
    f.origin
from "raw"."departures" as d
join "main"."stg_flights" as f using (flight_id)
