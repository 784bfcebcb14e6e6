{{ config(materialized='feature_view', entity='tenant_user', event_time='event ts') }}

select
    tenant,
    "user id",
    "event ts",
    {{ window('count(*)', ['1 hour'], name='n') }},
    {{ window('count(big)', ['1 hour'], name='n_big') }},
    {{ window('sum(big)', ['1 hour'], name='sum_big') }},
    {{ window('min(big)', ['1 hour'], name='min_big') }},
    {{ window('sum(dec)', ['1 hour'], name='sum_dec') }},
    {{ window('max(dec)', ['1 hour'], name='max_dec') }},
    {{ window('count(*) filter (where isnan(dbl))', '1 hour') }} as n_nan_1h,
    {{ window('count("Ünïcode ""q""")', '1 hour') }} as n_txt_1h,
    {{ window('count(distinct "Ünïcode ""q""")', '1 hour') }} as nd_txt_1h
from {{ source('torture', 'source') }}
