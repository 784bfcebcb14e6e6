"""How long properties are searched for a counterexample: the same few examples in CI, others with ``make properties``.

``SQLFEAT_EXAMPLES=1000`` looks at a thousand times as many, drawn anew each time; hypothesis prints how to repeat what
fails. Nothing is shrunk: a failure prints the one key's timeline that it is about, which is small already.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

TIMES = int(os.environ.get("SQLFEAT_EXAMPLES", "0"))


def searching(examples: int) -> Callable[[Any], Any]:
    """The settings of a property that looks at some worlds, each with thousands of questions."""
    return settings(
        max_examples=examples * (TIMES or 1),
        derandomize=not TIMES,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
