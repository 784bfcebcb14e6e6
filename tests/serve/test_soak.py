"""A few seconds of what ``make soak-serve`` does for half an hour."""

from __future__ import annotations

from pathlib import Path

from tests.serve.soak import soak


def test_snapshots_and_aliases_change_under_load_and_no_request_fails(tmp_path: Path) -> None:
    seen = soak(tmp_path, seconds=3, rate=100, requests=60, share=0.5)

    assert seen.failed == 0, dict(seen.statuses)
    assert seen.logged > 0
    assert seen.unexplained == 0
    assert seen.growth < 1
