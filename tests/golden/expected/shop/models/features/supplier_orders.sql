select s.supplier, o.ordered_at, o.order_id, o.amount
from "main"."staged" as o
join "main"."suppliers" as s using (product)
