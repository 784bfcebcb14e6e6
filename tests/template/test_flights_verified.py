"""The flights project looks into no future; and a leak that is put into it is found, down to the training set."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sqlfeat import Project
from tests.made.projects import write
from tests.made.verified import difference_of, model_of, verdicts

TEMPLATE = Path(__file__).parents[2] / "project_template"
CUTOFF = datetime(2013, 2, 10, 15, tzinfo=UTC)
NEXT = {
    "models/features/next_landing.sql": """
        {{ config(materialized='feature_view', entity='plane', event_time='landed_utc') }}
        select tailnum, landed_utc,
            lead(arr_delay) over (partition by tailnum order by landed_utc) as next_delay
        from {{ ref('stg_arrivals') }}
    """,
    "models/training/too_good.sql": """
        {{ config(materialized='training_set', label='is_late', keys=['flight_id']) }}
        select f.flight_id, f.asked_utc, {{ feature('next_landing.next_delay') }}, f.is_late
        from {{ ref('flights_asked') }} as f
    """,
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flights") / "project"
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("target", "registry", "__pycache__"))
    with Project.load(write(folder, NEXT)) as project:
        return project.verify(at=[CUTOFF], cutoffs=0, rebuild=False)


def test_every_model_of_the_template_is_what_it_was(found):
    own = {name: verdict for name, verdict in verdicts(found).items() if name not in ("next_landing", "too_good")}

    assert own == dict.fromkeys(own, "same")
    assert len(own) == 11
    assert min(model.rows for model in found.models) > 2_000


def test_the_next_landing_of_a_plane_is_found_in_the_view_and_in_the_training_set(found):
    view = difference_of(found, "next_landing", "next_delay")
    asked = difference_of(found, "too_good", "next_delay")

    assert (view.known, view.kind, asked.kind) == (None, "value", "input")
    assert view.full is not None
    assert view.lineage == ("stg_arrivals.arr_delay ← raw.arrivals.arr_delay",)
    assert model_of(found, "too_good").blamed == ("next_landing",)
