-- The row of an hour holds what was observed in it, up to minute 51: it is known when the hour is over.


select
    airport,
    hour_utc,
    temp,
    humid,
    case when wind_speed < 200 then wind_speed end as wind_speed,     -- one row says 1,048 miles an hour
    precip,
    visib
from "raw"."weather"
