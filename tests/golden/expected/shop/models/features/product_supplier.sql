select product, supplier from "main"."suppliers"
