select
    order_id,
    customer,
    product,
    greatest(amount, 5) as amount,                       -- at least 5
    product = 'tea' as is_tea,
    product = 'jam' as is_jam,
    ordered_at,
    loaded_at
from "raw"."orders"
