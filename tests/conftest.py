"""What holds for all tests: a random one says how to repeat its failure, and none is judged by its speed."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("sqlfeat", deadline=None, print_blob=True)
settings.load_profile("sqlfeat")
