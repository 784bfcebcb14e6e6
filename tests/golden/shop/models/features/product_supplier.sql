{{ config(materialized='table', entity='product', immutable=true) }}
select product, supplier from {{ ref('suppliers') }}
