-- Where a plane landed last, and how late. No window: a question asked at t gets the latest row not after t.


select
    tailnum,
    landed_utc,
    dest as airport,
    arr_delay
from "main"."stg_arrivals"
