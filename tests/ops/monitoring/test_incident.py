"""A web shop's documented payment incident is seen, and its quiet weeks are not."""

from __future__ import annotations

import pytest

from benchmarks.monitoring import shop
from sqlfeat.spec.monitor import MonitorSpec
from tests.projects.cases import WHOLE, whole_cases


@pytest.fixture(scope="module")
def told():
    return shop(WHOLE / "ecom_clicks", MonitorSpec())


@whole_cases
def test_the_incident_is_flagged_with_conversion_and_payment_errors_on_top(told):
    first = [(one["level"], one["about"]) for one in told["incident"][:2]]

    assert first == [("breach", "conversion"), ("breach", "payment_errors")]


@whole_cases
def test_no_quiet_week_is_flagged(told):
    assert [week for week in told["weeks"] if week["alarms"]] == []
