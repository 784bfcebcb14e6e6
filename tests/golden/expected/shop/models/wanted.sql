-- __sqlfeat_l0: the row of spent that holds at the as-of time by customer = "customer", not older than 30 days
-- __sqlfeat_l1: the row of spent that holds before the as-of time by customer = "customer", not older than 2 days
-- __sqlfeat_l2: the row of product_supplier that holds at the as-of time by product = "product"
-- __sqlfeat_l3: the row of supplier_orders that holds at the as-of time by supplier = __sqlfeat_l2."supplier"


select
    q.order_id,
    q.asked_at,
    q.product,
    __sqlfeat_l0."last_amount" as "customer_last_amount",
    __sqlfeat_l0."orders_1d" as "customer_orders_1d",
    __sqlfeat_l0."orders_7d" as "customer_orders_7d",
    __sqlfeat_l0."spent_on_tea" as "customer_spent_on_tea",
    __sqlfeat_l0."trend" as "customer_trend",
    __sqlfeat_l0."products_1mo" as "customer_products_1mo",
    __sqlfeat_l0."path_3h" as "customer_path_3h",
    __sqlfeat_l1."last_amount" as fresh_amount,
    __sqlfeat_l1."last_amount" - __sqlfeat_l0."last_amount" as gap,
    __sqlfeat_l0."ordered_at" as last_seen,
    __sqlfeat_l3."amount" as supplier_amount,
    hour(q.asked_at) as asked_hour,
    q.big
from "main"."questions" as q
