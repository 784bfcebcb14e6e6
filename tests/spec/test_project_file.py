"""Targets, paths, the online store and folder-wide config."""

from __future__ import annotations

import pytest


def test_targets_are_typed_and_their_paths_absolute(load, tmp_path):
    project = load(
        {
            "sqlfeat_project.yml": (
                "name: x\n"
                "default_target: prod\n"
                "targets:\n"
                "  dev: {engine: duckdb, path: out/x.duckdb, threads: 2, memory_limit: 8GB}\n"
                "  prod: {type: duckdb, path: /data/x.duckdb, schema: features, settings: {access_mode: no}}\n"
                "  memory: {engine: duckdb, path: ':memory:'}\n"
                "  plain: {engine: duckdb}\n"
                "  spark: {engine: spark, remote: 'sc://localhost:15002'}\n"
            )
        }
    )

    targets = project.targets
    assert project.default_target == "prod"
    assert (targets["dev"].path, targets["dev"].threads) == (tmp_path / "out" / "x.duckdb", 2)
    assert targets["dev"].memory_limit == "8GB"
    assert (str(targets["prod"].path), targets["prod"].schema) == ("/data/x.duckdb", "features")
    assert targets["prod"].settings == {"access_mode": False}
    assert targets["memory"].path is None
    assert targets["plain"].path == tmp_path / "target" / "x.duckdb"
    assert (targets["spark"].path, targets["spark"].settings) == (None, {"remote": "sc://localhost:15002"})


def test_without_a_default_dev_is_meant_or_the_first(load):
    assert load({"sqlfeat_project.yml": "name: x\ntargets: {a: {}, dev: {}}\n"}).default_target == "dev"
    assert load({"sqlfeat_project.yml": "name: x\ntargets: {b: {}, a: {}}\n"}).default_target == "b"


@pytest.mark.parametrize(
    ("target", "code", "what", "hint"),
    [
        ("{engine: dukdb}", "unknown-engine", "is one of duckdb, spark, not 'dukdb'.", "did you mean 'duckdb'?"),
        ("{engine: duckdb, threads: 0}", "bad-value", "'threads' of the target 'dev' must be a whole number", None),
        ("{engine: duckdb, threads: many}", "bad-value", "must be a whole number from 1, not 'many'.", None),
        ("{engine: duckdb, memory_limit: lots}", "bad-value", "must be a size, not 'lots'.", "write for instance 8GB"),
        ("{engine: duckdb, pth: x}", "unknown-key", "The target 'dev' has no key 'pth'.", "did you mean 'path'?"),
        ("{engine: duckdb, schema: 'a b'}", "bad-name", "cannot be the name of a schema", None),
        ("7", "bad-value", "Expected the target 'dev' as a mapping, not 7.", None),
    ],
)
def test_a_wrong_target_is_refused(refused, target, code, what, hint):
    error = refused({"sqlfeat_project.yml": f"name: x\ntargets:\n  dev: {target}\n"})

    assert error.code == code
    assert what in error.what
    assert hint is None or hint in error.hint
    assert error.where.line == 3


def test_an_unknown_default_target_gets_the_nearest(refused):
    assert str(refused({"sqlfeat_project.yml": "name: x\ndefault_target: pord\ntargets: {prod: {}}\n"})) == (
        "sqlfeat_project.yml:2:17: [unknown-target] There is no target 'pord'.\n"
        "  2 | default_target: pord\n"
        "    |                 ^^^^\n"
        "\n"
        "Hint: did you mean 'prod'?"
    )


def test_the_environment_is_read(load):
    project = load(
        {
            "sqlfeat_project.yml": (
                "name: x\n"
                "targets: {dev: {engine: duckdb, threads: '${env:THREADS}', path: '${env:HOME_OF_DATA}/x.duckdb'}}\n"
                "vars: {horizon: \"{{ env_var('HORIZON', 15) | int }}\"}\n"
            ),
            "models/s.yml": "sources: [{name: raw, tables: [{name: a, location: '${env:HOME_OF_DATA}/a.csv'}]}]\n",
        },
        THREADS="3",
        HOME_OF_DATA="/mnt",
    )

    assert project.targets["dev"].threads == 3
    assert str(project.targets["dev"].path) == "/mnt/x.duckdb"
    assert project.vars == {"horizon": 15}
    assert project.sources["raw", "a"].location == "/mnt/a.csv"


def test_a_missing_variable_is_refused(refused):
    error = refused({"sqlfeat_project.yml": "name: x\nregistry: {path: '${env:NOWHERE}'}\n"})

    assert (error.code, error.where.line) == ("env-var-missing", 2)


def test_registry_and_online_store_have_absolute_paths(load, tmp_path):
    project = load({"sqlfeat_project.yml": "name: x\nregistry: {path: reg}\nonline: {store: lmdb, path: live}\n"})

    assert project.registry == tmp_path / "reg"
    assert project.online == {"store": "lmdb", "path": str(tmp_path / "live"), "keep_pushes": None}
    assert load({"sqlfeat_project.yml": "name: x\nregistry: reg\n"}).registry == tmp_path / "reg"


@pytest.mark.parametrize("online", ["{store: lmbd}", "{store: redis}", "{path: x}", "{store: lmdb, pathh: x}"])
def test_a_wrong_online_store_is_refused(refused, online):
    assert refused({"sqlfeat_project.yml": f"name: x\nonline: {online}\n"}).where.line == 2


FILES = {"models/staging/raw/a.sql": "select 1", "models/staging/b.sql": "select 1", "models/c.sql": "select 1"}


def folder_config(load, text: str) -> dict[str, object]:
    project = load({"sqlfeat_project.yml": f"name: flights\nmodels:\n{text}", **FILES})
    return {name: dict(model.folder_config) for name, model in project.models.items()}


def test_folder_config_goes_from_the_outside_in(load):
    config = folder_config(
        load,
        "  +tags: all\n  staging:\n    materialized: view\n    +tags: [staging]\n    raw: {materialized: ephemeral}\n",
    )

    assert config == {
        "a": {"tags": ["all", "staging"], "materialized": "ephemeral"},
        "b": {"tags": ["all", "staging"], "materialized": "view"},
        "c": {"tags": "all"},
    }


def test_the_projects_name_may_be_the_outermost_level(load):
    config = folder_config(load, "  flights: {+enabled: true, staging: {+materialized: view}}\n")

    assert config == {
        "a": {"enabled": True, "materialized": "view"},
        "b": {"enabled": True, "materialized": "view"},
        "c": {"enabled": True},
    }


def test_a_single_model_may_be_named(load):
    assert folder_config(load, "  staging: {b: {materialized: table}}\n")["b"] == {"materialized": "table"}


def test_config_that_is_a_mapping_is_no_folder(load):
    assert folder_config(load, "  meta: {team: x}\n  +contract: {enforced: true}\n")["c"] == {
        "meta": {"team": "x"},
        "contract": {"enforced": True},
    }


def test_the_place_of_folder_config_is_kept(load):
    project = load({"sqlfeat_project.yml": "name: x\nmodels:\n  staging:\n    +materialized: view\n", **FILES})

    place = project.models["b"].folder_places["materialized"]
    assert (place.file, place.line, place.column) == ("sqlfeat_project.yml", 4, 20)


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("  stagging: {materialized: view}\n", "unknown-folder", "did you mean 'staging'?"),
        ("  staging: {materialised: view}\n", "unknown-config", "did you mean 'materialized'?"),
        ("  staging: {materialized: viev}\n", "bad-config-value", "did you mean 'view'?"),
        ("  7\n", "bad-value", None),
    ],
)
def test_wrong_folder_config_is_refused_once(refused, text, code, hint):
    error = refused({"sqlfeat_project.yml": f"name: x\nmodels:\n{text}", **FILES})

    assert (error.code, error.hint, error.where.line) == (code, hint, 3)
