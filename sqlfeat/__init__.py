"""sqlfeat: SQL-first feature engineering that never looks into the future.

The public names. Each is imported when it is asked for: ``sqlfeat --help`` waits for no engine, and a hook that wants
a decorator waits for no more than that.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlfeat.api import Project
    from sqlfeat.errors import SqlfeatError
    from sqlfeat.hooks import on, promotion, trainer
    from sqlfeat.store.codecs.source import SourcePredictor
    from sqlfeat.training_data import TrainingData

__all__ = ["Project", "SourcePredictor", "SqlfeatError", "TrainingData", "on", "promotion", "trainer"]
__version__ = "0.1.0"

_HOMES = {
    "Project": "sqlfeat.api",
    "SourcePredictor": "sqlfeat.store.codecs.source",
    "SqlfeatError": "sqlfeat.errors",
    "TrainingData": "sqlfeat.training_data",
    "on": "sqlfeat.hooks",
    "promotion": "sqlfeat.hooks",
    "trainer": "sqlfeat.hooks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sqlfeat' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
