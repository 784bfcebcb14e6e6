from "main"."staged"
select order_id, customer, product, amount, ordered_at - interval 1 hour as asked_at, amount > 15 as big
