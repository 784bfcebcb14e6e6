{{ config(severity='warn') }}
select * from {{ ref('asked') }} where amount <= 0
