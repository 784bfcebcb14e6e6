"""sqlfeat: SQL-first feature engineering that never looks into the future."""

from sqlfeat.api import Project
from sqlfeat.errors import SqlfeatError
from sqlfeat.hooks import on, trainer
from sqlfeat.training_data import TrainingData

__all__ = ["Project", "SqlfeatError", "TrainingData", "on", "trainer"]
__version__ = "0.1.0"
