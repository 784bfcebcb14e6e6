"""What YAML takes from the environment."""

from __future__ import annotations

import pytest

from sqlfeat.base.environment import expand_environment
from sqlfeat.base.yaml import read_yaml
from sqlfeat.errors import ProjectError

ENVIRONMENT = {"HOST": "db", "PORT": "5432", "ON": "true", "NESTED": "${env:HOST}"}


def expanded(text: str):
    return expand_environment(read_yaml(text, "sqlfeat_project.yml"), ENVIRONMENT).value


def refused(text: str) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        expanded(text)
    return caught.value


def test_variables_are_filled_in_wherever_text_stands():
    assert expanded("{a: '${env:HOST}:${env:PORT}', b: ['x-${env:HOST}'], c: 1}") == {
        "a": "db:5432",
        "b": ["x-db"],
        "c": 1,
    }


def test_env_var_is_read_as_in_dbt():
    assert expanded("a: \"{{ env_var('HOST') }}:{{ env_var('PORT', 1) }}\"") == {"a": "db:5432"}
    assert expanded("a: \"{{ env_var('PORT') | int }}\"") == {"a": 5432}
    assert expanded("a: \"{{ env_var('ON') | as_bool }}\"") == {"a": True}


def test_a_default_stands_in_for_a_variable_that_is_not_set():
    assert expanded("a: ${env:NO:-over there}") == {"a": "over there"}
    assert expanded("a: ${env:NO:-}") == {"a": ""}
    assert expanded("a: \"{{ env_var('NO', 'x') }}\"") == {"a": "x"}


def test_what_a_variable_holds_is_not_expanded_again():
    assert expanded("a: ${env:NESTED}") == {"a": "${env:HOST}"}


def test_other_jinja_is_left_alone():
    assert expanded("post-hook: \"grant select on {{ this }} to {{ env_var('HOST') }}\"") == {
        "post-hook": "grant select on {{ this }} to db"
    }


def test_a_missing_variable_is_an_error_with_its_place():
    assert str(refused("a: 1\nurl: ${env:HOTS}\n")) == (
        "sqlfeat_project.yml:2:6: [env-var-missing] The environment variable 'HOTS' is not set.\n"
        "  2 | url: ${env:HOTS}\n"
        "    |      ^^^^^^^^^^^\n"
        "\n"
        "Hint: did you mean 'HOST'?"
    )
    assert refused("a: ${env:QQQQQQQ}").hint == "set it, or give a default: ${env:QQQQQQQ:-default}."


@pytest.mark.parametrize("text", ["a: ${env:A B}", 'a: "{{ env_var(HOST) }}"', "a: ${env:HOST", "a: ${env:}"])
def test_what_cannot_be_read_is_refused(text):
    assert refused(text).code == "bad-env-var"


def test_a_filter_that_does_not_suit_does_not_show_what_the_variable_holds():
    error = refused("a: \"{{ env_var('HOST') | int }}\"")

    assert error.code == "bad-env-var"
    assert "db" not in error.what
