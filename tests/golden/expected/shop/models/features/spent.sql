with kept as (
    select * from "main"."staged" where amount is not null
)
select
    customer,
    ordered_at,
    loaded_at,
    amount as last_amount,
    count(*) /* window: 1 day */ as orders_1d, count(*) /* window: 7 days */ as orders_7d,
    sum(amount) filter (where product = 'tea') /* window: unbounded */ as spent_on_tea,
    avg(amount) /* window: 7 days */ / nullif(avg(amount) /* window: 7 days, offset 7 days */, 0) as trend,
    coalesce(count(distinct product) /* window: 1 month */, 0) as products_1mo,
    string_agg(product, '>' order by amount desc) /* window: 3 hours */ as path_3h
from kept
