"""A version as a model of MLflow: a folder that ``mlflow.pyfunc`` loads, and the library's own flavour beside it.

The model is loaded by ``sqlfeat.store.exported`` out of the version's own files: no pickle, no code in the folder. It
takes a data frame of the raw inputs, categories as texts. Where MLflow has a flavour for the library, the folder bears
that too: ``mlflow.lightgbm.load_model`` gives the very booster, which wants the numbers that sqlfeat makes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlfeat.store.codecs.codec import installed_version, library
from sqlfeat.store.exported import MANIFEST
from sqlfeat.store.registry import VERSION, ModelVersion
from sqlfeat.store.signature import CATEGORICAL, PROBABILITIES, Input, Signature

_LOADER = "sqlfeat.store.exported"
_DATA = "sqlfeat"
_DOUBLES = ("DOUBLE", "FLOAT")
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "sklearn": ("scikit-learn", "skops"),
    "onnx": ("onnxruntime", "onnx"),
    "source": ("numpy",),
}


def save_model(version: ModelVersion, path: Path, run_id: str) -> None:
    """Write the version as a model of MLflow into a new folder."""
    pyfunc, models = library("mlflow.pyfunc"), library("mlflow.models")
    model = models.Model(artifact_path="model", run_id=run_id)
    model.metadata = {
        "sqlfeat": {"name": version.name, "version": version.version, "signature": version.signature.as_dict()}
    }
    for flavour, settings in _own_flavour(version).items():
        model.add_flavor(flavour, **settings)
    with tempfile.TemporaryDirectory(prefix="sqlfeat-") as folder:
        data = Path(folder, _DATA)
        data.mkdir()
        shutil.copyfile(version.path / VERSION.manifest, data / MANIFEST)
        shutil.copyfile(version.path / version.file, data / version.file)
        pyfunc.save_model(
            path=str(path),
            loader_module=_LOADER,
            data_path=str(data),
            mlflow_model=model,
            signature=_signature(version.signature),
            pip_requirements=_requirements(version),
        )


def _requirements(version: ModelVersion) -> list[str]:
    """What must be installed to load it: the versions that it was trained with."""
    own = _REQUIRED.get(version.codec, (version.codec,))
    names = ("sqlfeat", *own, *(() if version.codec == "source" else ("numpy",)), "pandas", "pyarrow")
    found = {name: version.versions.get(name) or _installed(name) for name in names}
    return [f"{name}=={number}" if number else name for name, number in found.items()]


def _installed(name: str) -> str | None:
    return installed_version(name) or (installed_version("xgboost-cpu") if name == "xgboost" else None)


def _signature(signature: Signature) -> Any:
    """MLflow's words for it.

    MLflow refuses columns that are not of the very type that is named: whole numbers with a missing one (pandas makes
    doubles of them), categories. So only doubles are named; what the others are is in the metadata, and the model says
    itself what it cannot take.
    """
    types, schema = library("mlflow.types"), library("mlflow.types.schema")

    def column(one: Input) -> Any:
        exact = one.kind != CATEGORICAL and one.type.upper() in _DOUBLES
        return schema.ColSpec(types.DataType.double if exact else schema.AnyType(), one.name, required=False)

    output = signature.output
    if output.kind == PROBABILITIES:
        named = [schema.ColSpec(types.DataType.double, f"probability_{one}") for one in output.classes or ()]
        outputs = schema.Schema([*named, schema.ColSpec(schema.AnyType(), "prediction")])
    else:
        outputs = schema.Schema([schema.TensorSpec(library("numpy").dtype("float64"), (-1,))])
    inputs = schema.Schema([column(one) for one in signature.inputs])
    return library("mlflow.models").ModelSignature(inputs=inputs, outputs=outputs)


def _own_flavour(version: ModelVersion) -> dict[str, dict[str, Any]]:
    """The flavour that MLflow has for the library itself, and what its loader wants to know."""
    data = f"data/{_DATA}/{version.file}"
    package = version.versions.get(version.codec, "")
    if version.codec == "lightgbm":
        return {
            "lightgbm": {"lgb_version": package, "data": data, "model_class": "lightgbm.basic.Booster", "code": None}
        }
    if version.codec == "xgboost":
        number = package or _installed("xgboost")
        settings = {"xgb_version": number, "data": data, "model_class": "xgboost.core.Booster", "model_format": "ubj"}
        return {"xgboost": {**settings, "code": None}}
    if version.codec == "catboost":
        settings = {"catboost_version": package, "data": data, "save_format": "cbm"}
        return {"catboost": {**settings, "model_type": "CatBoost", "code": None}}
    if version.codec == "onnx":
        return {"onnx": {"onnx_version": _installed("onnx"), "data": data, "providers": ["CPUExecutionProvider"]}}
    return {}
