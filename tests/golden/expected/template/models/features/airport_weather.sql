-- Weather is stale after two hours (`ttl`) and known after one (`available_after`): a question asked at 17:30 gets
-- the row of 16:00; and where that is missing, nothing.


select
    airport,
    hour_utc,
    temp,
    humid,
    wind_speed,
    precip,
    visib
from "main"."stg_weather"
