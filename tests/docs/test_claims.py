"""What the README says one can rely on, where no other test says it as plainly."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.docs.shell import Shell
from tests.made.projects import shop

FILES = {
    "models/spending.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
        select customer, ordered_at, product,
            {{ window('avg(amount * 0.1e0)', '3 days') }} as mean_3d, {{ window('sum(amount)', '3 days') }} as sum_3d
        from {{ source('raw', 'orders') }}
    """,
    "models/asked.sql": """
        {{ config(materialized='table', event_time='asked_at') }}
        select order_id, customer, ordered_at as asked_at, amount > 15 as is_large from {{ source('raw', 'orders') }}
    """,
    "models/large.sql": """
        {{ config(materialized='training_set', label='is_large', keys=['order_id'],
                  split={'by': 'hash', 'train': 0.5, 'test': 0.5}) }}
        select a.order_id, a.asked_at, {{ feature('spending.*') }}, a.is_large from {{ ref('asked') }} as a
    """,
}


def built(folder: Path, *options: str, **environment: str) -> tuple[str, dict[str, str]]:
    """The id of the training set, and the hash of each of its files but the manifest, which bears the day."""
    project = shop(folder / "project", FILES)
    shell = Shell(project, folder / "bin", **environment)
    code, printed = shell.type(" ".join(["sqlfeat build-training-set large --json", *options]))
    assert code == 0, printed
    told = json.loads(printed)
    files = [Path(file) for file in told["files"]]
    return told["id"], {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_training_set_is_the_same_in_another_folder_time_zone_hash_seed_and_number_of_threads(tmp_path):
    one = built(tmp_path / "here", TZ="America/New_York", PYTHONHASHSEED="1")
    other = built(tmp_path / "there" / "deeper", "--threads 2", TZ="Asia/Tokyo", PYTHONHASHSEED="2")

    assert len(one[1]) >= 2
    assert one == other
