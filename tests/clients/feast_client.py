"""A stock Feast client whose online store is a server elsewhere; run by the Python of its own environment.

``feast_client.py FOLDER ADDRESS`` makes a repository in the folder, asks for features, and prints what it got.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path

import pandas
import requests
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, RepoConfig
from feast.types import Int64, String
from feast.value_type import ValueType

folder, address = Path(sys.argv[1]), sys.argv[2]
store = FeatureStore(
    config=RepoConfig(
        project="shop",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "remote", "path": address},
        entity_key_serialization_version=3,
    )
)
customer = Entity(name="customer", join_keys=["customer"], value_type=ValueType.STRING)
spent = FeatureView(
    name="spent",
    entities=[customer],
    ttl=timedelta(days=36_500),  # whether a row holds is decided by who serves it
    schema=[
        Field(name="customer", dtype=String),
        Field(name="amount", dtype=Int64),
        Field(name="spent_3d", dtype=Int64),
    ],
    source=FileSource(path=str(folder / "orders.parquet"), timestamp_field="ordered_at"),
)
buys = FeatureService(name="buys", features=[spent])
store.apply([customer, spent, buys])

rows = [{"customer": "ann"}, {"customer": "bob"}, {"customer": "nobody"}]
asked = {
    "features": store.get_online_features(features=["spent:amount", "spent:spent_3d"], entity_rows=rows),
    "full": store.get_online_features(features=["spent:amount"], entity_rows=rows, full_feature_names=True),
    "service": store.get_online_features(features=buys, entity_rows=rows[:1]),
}
# as Feast's documentation pushes
pushed = requests.post(
    f"{address}/push",
    data=json.dumps(
        {
            "push_source_name": "spent",
            "df": {
                "order_id": [1001, 1002],
                "customer": ["zoe", "zoe"],
                "product": ["tea", "jam"],
                "amount": [7, 8],
                "ordered_at": ["2024-01-05T00:00:00Z", "2024-01-06T00:00:00Z"],
            },
            "to": "online_and_offline",
        }
    ),
    timeout=30,
)
asked["pushed"] = store.get_online_features(
    features=["spent:amount", "spent:spent_3d"], entity_rows=[{"customer": "zoe"}]
)
# as a Feast client pushes: to the view that has the push source, whose fields are those of sqlfeat's source
bought = FeatureView(
    name="spent",
    entities=[customer],
    schema=[
        *(Field(name=name, dtype=String) for name in ("customer", "product")),
        *(Field(name=name, dtype=Int64) for name in ("order_id", "amount")),
    ],
    source=PushSource(
        name="orders", batch_source=FileSource(path=str(folder / "orders.parquet"), timestamp_field="ordered_at")
    ),
)
writer = FeatureStore(config=store.config.model_copy(update={"registry": str(folder / "writer.db")}))
writer.apply([customer, bought])
row = {"order_id": [1003], "customer": ["zoe"], "product": ["tea"], "amount": [9]}
writer.push("orders", pandas.DataFrame({**row, "ordered_at": pandas.to_datetime(["2024-01-07"], utc=True)}))
asked["written"] = store.get_online_features(features=["spent:amount"], entity_rows=[{"customer": "zoe"}])
told = {
    name: {
        "values": answer.to_dict(),
        "statuses": [[int(status) for status in one.statuses] for one in answer.proto.results],
    }
    for name, answer in asked.items()
}
print(json.dumps({**told, "push": [pushed.status_code, pushed.text]}))
