"""What holds for all tests: a random one says how to repeat its failure, and none is judged by its speed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.made.warm import children_are_forks, children_are_started

# A commit passes or fails for what is in it: the same examples in every run. `make properties` draws new ones.
settings.register_profile("sqlfeat", deadline=None, print_blob=True, derandomize=True)
settings.register_profile("random", deadline=None, print_blob=True, database=None)
settings.load_profile("sqlfeat")

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads of LightGBM wait for minutes on a busy machine
children_are_forks()

LONGEST = (
    "docs/test_pages.py", "check/fuzz/test_check_against_data.py", "properties/test_windows.py",
    "packaging/test_wheel.py", "properties/test_same_again.py", "check/fuzz/test_oracle.py", "template/",
)  # fmt: skip
"""Files that take from half a minute to three: they begin first, so that no worker waits for another at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole files in another order, and each file's tests in their own."""
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(LONGEST))


@pytest.fixture(scope="module")
def started_anew() -> Iterator[None]:
    """Children of sqlfeat are Python processes of their own, from their start to their end."""
    children_are_started()
    yield
    children_are_forks()
