"""The bounds that the proof rests on, of random expressions over times, against what DuckDB computes."""

from __future__ import annotations

import pytest

from tests.check.fuzz.bounds import Claims


@pytest.mark.parametrize("seed", [1, 2])
def test_every_bound_of_an_expression_holds_for_every_row(seed):
    claims, tried = Claims(seed), 0
    for _ in range(120):
        wrong = claims.wrong()
        tried += wrong is not None

        assert not wrong, f"seed {seed}: {wrong[0]}"
    claims.close()
    assert tried > 45
