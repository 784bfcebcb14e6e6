"""Cut the cases down to what a quick test wants: the slices in the folders beside this script.

    python make_slices.py FOLDER_OF_THE_CASES

Needs duckdb and pyarrow. Every value stays as it is in the case; a slice holds fewer customers, or ends earlier, in
such a way that what is expected of the rows that are left does not change.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as parquet

HERE = Path(__file__).resolve().parent

# every sixtieth customer, and the first ones with an order for nothing, or two that differ in nothing but the id
CUSTOMERS = """
with orders as (from '{case}/data/orders.parquet')
select distinct customer_id from orders where customer_id::int % 60 = 7
union
(select distinct customer_id from orders where amount = 0 order by customer_id limit 12)
union
(select distinct customer_id from orders group by customer_id, order_date, cds, amount having count(*) > 1
 order by customer_id limit 12)
"""
CDNOW = f"from '{{case}}/{{file}}' where customer_id in ({CUSTOMERS}) order by all"

# every feature looks back, so what is expected of the winter does not depend on what comes after
SPRING = "timestamptz '2024-03-01 00:00:00+00'"

SLICES = {
    "cdnow_churn/data/orders.parquet": CDNOW,
    "cdnow_churn/data/spine.parquet": CDNOW,
    "cdnow_churn/expected/training_set.parquet": CDNOW,
    "ecom_clicks/data/events.parquet": f"from '{{case}}/{{file}}' where ts < {SPRING} order by event_id",
    "ecom_clicks/data/spine.parquet": f"from '{{case}}/{{file}}' where prediction_ts < {SPRING} order by event_id",
    "ecom_clicks/expected/training_set.parquet": f"""
        select e.* from '{{case}}/{{file}}' as e join '{{case}}/data/spine.parquet' as s using (event_id)
        where s.prediction_ts < {SPRING} order by event_id""",
    **{  # small enough to be kept whole
        f"adversarial/{file}.parquet": "from '{case}/{file}'"
        for file in [
            "data/source", "data/spine", "data/local_times",
            "expected/local_times", "expected/window_1h",
            "expected/pit_incl_nottl", "expected/pit_incl_nottl_created", "expected/pit_incl_ttl0",
            "expected/pit_incl_ttl1h", "expected/pit_incl_ttl1h_created",
            "expected/pit_strict_nottl", "expected/pit_strict_ttl1h",
            "expected/snapshot_20161231T235959_000001Z", "expected/snapshot_created_20161231T235959_000001Z",
        ]
    },
}  # fmt: skip


def main(cases: str) -> None:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    for path, query in SLICES.items():
        case, _, file = path.partition("/")
        table = connection.sql(query.format(case=f"{cases}/{case}", file=file)).to_arrow_table()
        (HERE / path).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, HERE / path, compression="zstd", compression_level=19)
        print(f"{path}: {table.num_rows:,} rows, {(HERE / path).stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
