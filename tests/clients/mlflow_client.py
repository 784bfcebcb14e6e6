"""MLflow's client of its scoring server, in each form that it has for rows; prints what it got.

``mlflow_client.py PORT ROWS``: the rows are JSON.
"""

import json
import sys

import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

rows = json.loads(sys.argv[2])
client = ScoringServerClient("127.0.0.1", int(sys.argv[1]))
client.wait_server_ready(timeout=10)
forms = {
    "frame": pd.DataFrame(rows),
    "list": rows,
}
told = {name: client.invoke(given).get_predictions()[0].tolist() for name, given in forms.items()}
print(json.dumps({"version": client.get_version(), "predictions": told}))
