"""Triton's HTTP client of the Open Inference Protocol; run by the Python of its own environment.

``oip_client.py HOST:PORT MODEL`` asks for the model's metadata and for predictions, and prints what it got.
"""

import json
import sys

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

place, model = sys.argv[1:3]
client = InferenceServerClient(place)
metadata = client.get_model_metadata(model)
columns = {"customer": ["ann", "bob"], "channel": ["web", "shop"]}


def inputs(given):
    made = []
    for name, values in given.items():
        tensor = InferInput(name, [len(values)], "BYTES")
        tensor.set_data_from_numpy(np.array(values, dtype=object), binary_data=False)
        made.append(tensor)
    return made


def asked(**how):
    return client.infer(model, inputs(columns), **how)


named = asked(outputs=[InferRequestedOutput("prediction", binary_data=False)], request_id="seven")
versioned = asked(model_version="1")
try:
    client.infer(model, inputs({"customer": ["ann"]}))
    refused = None
except InferenceServerException as error:
    refused = [error.status(), error.message()]
print(
    json.dumps(
        {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": client.is_model_ready(model),
            "unknown_ready": client.is_model_ready("nobody"),
            "server": client.get_server_metadata(),
            "metadata": metadata,
            "predictions": named.as_numpy("prediction").tolist(),
            "id": named.get_response()["id"],
            "versioned": versioned.as_numpy("prediction").tolist(),
            "refused": refused,
        }
    )
)
