"""A feature, a key or a label column may bear any name: none that the product uses inside is in the way."""

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from sqlfeat import Project
from tests.oracles.point_in_time import HOUR, utc

NOON = utc("2024-01-01 12:00")
NAMES = [
    "n", "t", "s", "v", "w", "q", "k0", "s0", "c0", "x", "found", "expired", "event", "effect", "event_us", "bucket",
    "start", "n_rows", "position", "select", "value", "View", "first name", 'say "hi"', "größe",
]  # fmt: skip
PROJECT = """
name: names
default_target: dev
targets: {dev: {engine: duckdb, path: target/names.duckdb}}
entities: {thing: {keys: ["%s"]}}
"""
SOURCES = """
version: 2
sources: [{name: raw, config: {location: "data/{name}.parquet"}, tables: [{name: facts}, {name: spine}]}]
"""
MODELS = {
    "plain": """{{ config(materialized='feature_view', entity='thing', event_time='happened') }}
        select %s, happened, i as %s from {{ source('raw', 'facts') }}""",
    "windowed": """{{ config(materialized='feature_view', entity='thing', event_time='happened') }}
        select %s, happened, {{ window('sum(i)', '1 day') }} as %s, {{ window('max(i)', '1 day') }} as greatest
        from {{ source('raw', 'facts') }}""",
    "both": """{{ config(materialized='feature_view', entity='thing', event_time='happened') }}
        select %s, happened, i as %s, {{ window('sum(i)', '1 day') }} as total from {{ source('raw', 'facts') }}""",
    "questions": """{{ config(materialized='table', role='label', event_time='wondered', horizon='1 hour') }}
        select row_id, %s, wondered, label from {{ source('raw', 'spine') }}""",
}


def build(folder, key, feature):
    (folder / "models").mkdir()
    (folder / "data").mkdir()
    (folder / "sqlfeat_project.yml").write_text(PROJECT % key.replace('"', '\\"'))
    (folder / "models" / "sources.yml").write_text(SOURCES)
    for name, text in MODELS.items():
        (folder / "models" / f"{name}.sql").write_text(text % (quoted(key), quoted(feature))[: text.count("%s")])
    wanted = [f"{{{{ feature({f'{view}.{feature}'!r}) }}}} as from_{view}" for view in ("plain", "windowed", "both")]
    (folder / "models" / "named.sql").write_text(
        "{{ config(materialized='training_set', label='label', keys=['row_id']) }}\n"
        f"select x.row_id, x.wondered, {', '.join(wanted)}, {{{{ feature('both.total') }}}},\n"
        "  {{ feature('windowed.*', prefix='all_') }}, x.label from {{ ref('questions') }} as x"
    )
    facts = {key: ["a", "a", "b"], "happened": [NOON, NOON + HOUR, NOON], "i": [1, 20, 300]}
    spine = {
        "row_id": [1, 2, 3],
        key: ["a", "a", "b"],
        "wondered": [NOON, NOON + HOUR, NOON + HOUR],
        "label": [0, 1, 0],
    }
    parquet.write_table(pa.table(facts), folder / "data" / "facts.parquet")
    parquet.write_table(pa.table(spine), folder / "data" / "spine.parquet")
    with Project.load(folder) as project:
        built = project.build_training_set("named")
        return parquet.read_table(built.path / built.files[0]).to_pylist()


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize(("feature", "key"), [*zip(NAMES, [*NAMES[1:], NAMES[0]], strict=True)])
def test_a_feature_and_a_key_may_be_called(feature, key, tmp_path):
    rows = build(tmp_path, key, feature)

    assert [row["from_plain"] for row in rows] == [1, 20, 300]
    assert [row["from_windowed"] for row in rows] == [1, 21, 300]
    assert [row["from_both"] for row in rows] == [1, 20, 300]
    assert [row["total"] for row in rows] == [1, 21, 300]
    assert [row[f"all_{feature}"] for row in rows] == [1, 21, 300]
