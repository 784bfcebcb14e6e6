"""A folder becomes a project, or an error for each thing that is wrong with it."""

from __future__ import annotations

import pytest

from sqlfeat.errors import ProjectError, ProjectErrors
from sqlfeat.spec.load import load_project

SELECT = "select 1 as a\n"


def test_the_smallest_project_has_a_target_and_nothing_else(load, tmp_path):
    project = load({})

    assert (project.name, project.default_target) == ("flights", "dev")
    assert project.targets["dev"].engine == "duckdb"
    assert project.targets["dev"].path == tmp_path / "target" / "flights.duckdb"
    assert (project.registry, project.target_path) == (tmp_path / "registry", tmp_path / "target")
    assert not project.models
    assert not project.sources


def test_every_kind_of_file_is_found(load, tmp_path):
    project = load(
        {
            "models/staging/stg_flights.sql": SELECT,
            "models/late_flights.sql": SELECT,
            "macros/money.sql": "{% macro cents(x) %}{{ x }} / 100{% endmacro %}",
            "packages/dbt_utils/macros/sql/star.sql": "{% macro star() %}{% endmacro %}",
            "hooks/train/late.py": "",
            "hooks/train/late.yml": "",
            "seeds/carriers.csv": "code,name\n",
            "tests/none_late.sql": SELECT,
            "models/.ipynb_checkpoints/old.sql": SELECT,
            "models/notes.txt": "not read",
        }
    )

    assert {name: model.path for name, model in project.models.items()} == {
        "late_flights": "models/late_flights.sql",
        "stg_flights": "models/staging/stg_flights.sql",
    }
    assert project.models["stg_flights"].text == SELECT
    assert project.models["stg_flights"].id == "model.stg_flights"
    assert project.seeds["carriers"].path == "seeds/carriers.csv"
    assert [test.name for test in project.singular_tests] == ["none_late"]
    assert project.hooks == (tmp_path / "hooks/train/late.py", tmp_path / "hooks/train/late.yml")
    own = [macro.path for macro in project.macros if not macro.path.startswith("sqlfeat/")]
    assert own == ["packages/dbt_utils/macros/sql/star.sql", "macros/money.sql"]


def test_macros_of_sqlfeat_come_before_those_of_the_project(load, monkeypatch, tmp_path):
    packaged = tmp_path / "packaged"
    packaged.mkdir()
    (packaged / "windows.sql").write_text("{% macro window() %}{% endmacro %}")
    monkeypatch.setattr("sqlfeat.spec.load.assets", lambda name: packaged)

    project = load({"macros/a.sql": ""})

    assert [macro.path for macro in project.macros] == ["sqlfeat/macros/windows.sql", "macros/a.sql"]


def test_a_folder_without_a_project_is_told_what_to_do(tmp_path):
    with pytest.raises(ProjectError) as caught:
        load_project(tmp_path)

    assert str(caught.value) == (
        f"[no-project] There is no sqlfeat_project.yml in {tmp_path}.\n\nHint: `sqlfeat init NAME` makes a new project."
    )


def test_a_folder_inside_a_project_is_told_where_that_is(write):
    root = write({"models/staging/a.sql": SELECT})

    with pytest.raises(ProjectError) as caught:
        load_project(root / "models" / "staging")

    assert f"--project-dir {root}" in caught.value.hint


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ProjectError, match="There is no folder") as caught:
        load_project(tmp_path / "nothing")

    assert caught.value.code == "no-project"


def test_other_folders_may_be_named_as_in_dbt(load):
    project = load(
        {
            "sqlfeat_project.yml": "name: x\nmodel-paths: [sql, more]\nmacro-paths: [m]\ntarget-path: out\n",
            "sql/a.sql": SELECT,
            "more/b.sql": SELECT,
            "models/c.sql": SELECT,
            "m/d.sql": "",
        }
    )

    assert sorted(project.models) == ["a", "b"]
    assert project.macros[-1].path == "m/d.sql"
    assert project.targets["dev"].path == project.root / "out" / "x.duckdb"


def test_a_description_belongs_to_its_model(load):
    project = load(
        {
            "models/a.sql": SELECT,
            "models/a.yml": (
                "version: 2\n"
                "models:\n"
                "  - name: a\n"
                "    description: All of it.\n"
                "    owner: team\n"
                "    config: {materialized: table, tags: [daily]}\n"
                "    data_tests:\n"
                "      - unique: {column_name: a}\n"
                "    columns:\n"
                "      - name: a\n"
                "        description: The key.\n"
                "        data_type: integer\n"
                "        data_tests: [unique, not_null]\n"
            ),
        }
    )

    properties = project.models["a"].properties
    assert properties.description == "All of it."
    assert (properties.place.file, properties.place.line, properties.place.column) == ("models/a.yml", 3, 11)
    assert properties.config == {
        "description": "All of it.",
        "owner": "team",
        "materialized": "table",
        "tags": ["daily"],
    }
    assert properties.config_places["materialized"].line == 6
    (column,) = properties.columns
    assert (column.name, column.description, column.data_type) == ("a", "The key.", "integer")
    assert [(test.name, test.column) for test in column.tests] == [("unique", "a"), ("not_null", "a")]
    assert [(test.name, test.column, test.arguments) for test in properties.tests] == [
        ("unique", None, {"column_name": "a"})
    ]


def test_two_models_of_one_name_are_refused(refused):
    assert str(refused({"models/a/x.sql": SELECT, "models/b/x.sql": SELECT})) == (
        "models/b/x.sql:1:1: [duplicate-model] There are two models named 'x'; the other is models/a/x.sql.\n"
        "\n"
        "Hint: rename one of the files."
    )


def test_a_model_and_a_seed_of_one_name_are_refused(refused):
    error = refused({"models/x.sql": SELECT, "seeds/x.csv": "a\n"})

    assert error.what == "There are a model and a seed named 'x'; the other is models/x.sql."


def test_a_file_whose_name_is_none_is_refused(refused):
    error = refused({"models/2013-flights.sql": SELECT})

    assert (error.code, error.where.file) == ("bad-name", "models/2013-flights.sql")


def test_a_description_of_nothing_is_refused_with_the_nearest_model(refused):
    assert str(refused({"models/stg_flights.sql": SELECT, "models/m.yml": "models:\n  - name: stg_fligths\n"})) == (
        "models/m.yml:2:11: [unknown-model] There is no model 'stg_fligths' to describe.\n"
        "  2 |   - name: stg_fligths\n"
        "    |           ^^^^^^^^^^^\n"
        "\n"
        "Hint: did you mean 'stg_flights'?"
    )


def test_a_model_described_twice_is_refused_with_both_places(refused):
    error = refused(
        {"models/a.sql": SELECT, "models/1.yml": "models: [{name: a}]", "models/2.yml": "models: [{name: a}]"}
    )

    assert error.code == "duplicate-model"
    assert error.what == "The model 'a' is described twice; the first is at models/1.yml:1:17."
    assert error.where.file == "models/2.yml"


def test_unknown_keys_are_refused_everywhere_with_the_nearest(refused):
    error = refused(
        {
            "sqlfeat_project.yml": "name: x\ntarget: {}\n",
            "models/a.sql": SELECT,
            "models/a.yml": "models:\n  - name: a\n    colums: []\n    columns: [{name: a, tets: []}]\nsource: []\n",
        }
    )

    assert [(single.what, single.hint) for single in error.errors] == [
        ("A model has no key 'colums'.", "did you mean 'columns'?"),
        ("A column has no key 'tets'.", "did you mean 'tests'?"),
        ("A properties file has no key 'source'.", "did you mean 'sources'?"),
        ("The project file has no key 'target'.", "did you mean 'targets'?"),
    ]


def test_config_beside_config_is_told_where_it_belongs(refused):
    error = refused({"models/a.sql": SELECT, "models/a.yml": "models: [{name: a, materialized: table}]"})

    assert error.code == "unknown-key"
    assert error.hint == "put it under 'config:', as in `config: {materialized: …}`."


def test_wrong_config_in_yaml_is_refused_where_it_stands(refused):
    error = refused(
        {
            "models/a.sql": SELECT,
            "models/a.yml": "models:\n  - name: a\n    config:\n      materialized: tabel\n",
        }
    )

    assert (error.code, error.where.line, error.hint) == ("bad-config-value", 4, "did you mean 'table'?")


def test_everything_that_is_wrong_is_told_in_one_pass(refused):
    error = refused(
        {
            "sqlfeat_project.yml": "name: 1x\ndefault_target: pord\ntargets: {prod: {engine: duckdb}}\n",
            "models/a.yml": "models:\n\t- name: a\n",
            "models/b.yml": "models: [{name: b}]\n",
            "models/c.sql": SELECT,
        }
    )

    assert isinstance(error, ProjectErrors)
    assert [(single.where.file, single.code) for single in error.errors] == [
        ("models/a.yml", "yaml-syntax"),
        ("models/b.yml", "unknown-model"),
        ("sqlfeat_project.yml", "bad-name"),
        ("sqlfeat_project.yml", "unknown-target"),
    ]


def test_a_file_that_is_not_utf_8_is_refused_at_its_line(write):
    root = write({"models/a.sql": SELECT})
    (root / "models" / "a.sql").write_bytes(b"select 1\n-- caf\xe9\n")

    with pytest.raises(ProjectError) as caught:
        load_project(root)

    assert (caught.value.code, caught.value.where.file, caught.value.where.line) == ("bad-encoding", "models/a.sql", 2)


def test_a_byte_order_mark_and_windows_line_ends_are_taken_away(write):
    root = write({"models/a.sql": ""})
    (root / "models" / "a.sql").write_bytes(b"\xef\xbb\xbfselect 1\r\n")

    assert load_project(root).models["a"].text == "select 1\n"


def test_seeds_have_types_from_their_folder_and_their_description(load):
    project = load(
        {
            "sqlfeat_project.yml": "name: x\nseeds: {+schema: raw, zips: {+column_types: {zip: varchar}}}\n",
            "seeds/zips.csv": "zip,n\n",
            "seeds/zips.yml": "seeds: [{name: zips, description: Zip codes., config: {column_types: {n: bigint}}}]\n",
            "seeds/plain.csv": "a\n",
        }
    )

    assert project.seeds["zips"].properties.config == {
        "schema": "raw",
        "column_types": {"zip": "varchar", "n": "bigint"},
        "description": "Zip codes.",
    }
    assert project.seeds["plain"].properties.config == {"schema": "raw"}


def test_entities_come_from_the_project_file_and_from_beside_the_models(load):
    project = load(
        {
            "sqlfeat_project.yml": "name: x\nentities: {carrier: {keys: carrier, description: An airline.}}\n",
            "models/e.yml": "entities:\n  - {name: route, keys: [origin, dest]}\n",
        }
    )

    assert project.entities["carrier"].keys == ("carrier",)
    assert project.entities["carrier"].description == "An airline."
    assert project.entities["route"].keys == ("origin", "dest")
    assert project.entities["route"].place.file == "models/e.yml"


def test_what_would_be_run_but_is_not_read_is_refused(refused):
    error = refused({"models/a.sql": SELECT, "models/u.yml": "unit_tests: [{name: x}]\n"})

    assert (error.code, error.what) == ("not-supported", "'unit_tests' are not read by this version of sqlfeat.")


def test_generic_tests_of_the_project_are_macros(load):
    project = load({"tests/generic/positive.sql": "{% test positive(model) %}{% endtest %}", "tests/a.sql": SELECT})

    assert [test.name for test in project.singular_tests] == ["a"]
    assert project.macros[-1].path == "tests/generic/positive.sql"


@pytest.mark.parametrize(
    ("entity", "code", "what"),
    [
        ("{}", "missing-key", "The entity 'carrier' needs 'keys'."),
        ("", "missing-key", "The entity 'carrier' needs 'keys'."),
        ("{keys: []}", "bad-entity", "An entity needs at least one key column."),
        ("{keys: [a, a]}", "bad-entity", "The key column 'a' is named twice."),
        ("{keys: 7}", "bad-value", "'keys' of the entity 'carrier' must be a text or a list of texts, not 7."),
        ("{keys: a, kyes: b}", "unknown-key", "The entity 'carrier' has no key 'kyes'."),
        ("[carrier]", "bad-value", "Expected the entity 'carrier' as a mapping, not a list."),
    ],
)
def test_bad_entities_are_refused(refused, entity, code, what):
    error = refused({"sqlfeat_project.yml": f"name: x\nentities:\n  carrier: {entity}\n"})

    assert (error.code, error.what, error.where.line) == (code, what, 3)


def test_an_entity_described_twice_is_refused(refused):
    error = refused(
        {
            "sqlfeat_project.yml": "name: x\nentities: {carrier: {keys: carrier}}\n",
            "models/e.yml": "entities: [{name: carrier, keys: code}]\n",
        }
    )

    assert error.code == "duplicate-entity"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n",
        "just text\n",
        "name: x\nmodels: 7\n",
        "name: x\nvars: [a]\n",
        "name: x\ntargets: [a]\n",
        "name: x\nonline: 7\n",
        "name: x\nmodel-paths: /etc\n",
        "name: [x]\n",
    ],
)
def test_a_project_file_of_the_wrong_shape_is_refused_with_its_place(refused, text):
    error = refused({"sqlfeat_project.yml": text})

    assert error.code in {"bad-value", "missing-key", "bad-name"}
    assert error.where.file == "sqlfeat_project.yml"


@pytest.mark.parametrize(
    "text",
    ["models: 7", "models: [7]", "models: {a: {}}", "- 1", "sources: x", "sources: [{name: a, tables: [b]}]", "7"],
)
def test_a_properties_file_of_the_wrong_shape_is_refused_with_its_place(refused, text):
    error = refused({"models/a.yml": text})

    assert error.code in {"bad-value", "missing-key"}
    assert error.where.file == "models/a.yml"
