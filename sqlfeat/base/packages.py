"""Packages that may be missing, and what brings them."""

from __future__ import annotations

EXTRAS = {
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "catboost": "catboost",
    "sklearn": "sklearn",
    "skops": "sklearn",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "mlflow": "mlflow",
    "msgspec": "serve",
    "httptools": "serve",
    "prometheus_client": "serve",
}
"""A package that may be missing -> the extra of sqlfeat that brings it."""


def install_hint(package: str) -> str:
    """What to type to get a package."""
    extra = EXTRAS.get(package)
    return f"pip install {package}" if extra is None else f"pip install 'sqlfeat[{extra}]'"
