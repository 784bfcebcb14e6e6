{{ config(materialized='table', role='label', event_time='prediction_ts', horizon='60 minutes') }}

select event_id, user_id, session_id, acquisition_channel, prediction_ts, label
from {{ source('shop', 'spine') }}
