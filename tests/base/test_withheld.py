"""Values of the environment that may be secret are found wherever they turn up; those that results hang on are kept."""

from __future__ import annotations

import pytest

from sqlfeat.base.withheld import (
    Withheld,
    has_key_material,
    recorded_variables,
    variables_named_in,
    without_password,
)


@pytest.mark.parametrize("name", ["DB_PASSWORD", "githubtoken", "AWS_SECRET_ACCESS_KEY", "API_KEY", "SSH_AUTH_SOCK"])
def test_a_variable_that_is_called_like_a_secret_is_one(name):
    withheld = Withheld.of({name: "open sesame"})

    assert withheld.hidden("say open sesame!") == f"say ${{env:{name}}}!"
    assert withheld.named_in(b"open sesame") == (name,)


@pytest.mark.parametrize("name", ["HOME", "PWD", "MONKEY", "KEYBOARD", "GIT_AUTHOR_NAME", "OMP_NUM_THREADS"])
def test_others_are_not(name):
    assert Withheld.of({name: "open sesame"}).hidden("open sesame") == "open sesame"


def test_what_a_project_names_is_withheld_whatever_it_is_called():
    assert Withheld.of({"PLACE": "/srv/data"}, ["PLACE"]).hidden("/srv/data/x") == "${env:PLACE}/x"
    assert Withheld.of({"RATE": "0.25"}, ["RATE"]).hidden("rate 0.25") == "rate 0.25"


def test_an_address_with_a_password_is_withheld_and_loses_it():
    withheld = Withheld.of({"DATABASE": "postgres://ann:sesame@db/shop"})

    assert withheld.hidden("at postgres://ann:sesame@db/shop") == "at ${env:DATABASE}"
    assert withheld.hidden("at https://bob:other@host/x") == "at https://…@host/x"
    assert without_password("https://token@host/shop.git") == "https://host/shop.git"


def test_the_longest_value_is_hidden_first_and_lines_of_a_long_one_by_themselves():
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END PRIVATE KEY-----"
    withheld = Withheld.of({"A_TOKEN": "sesame", "B_TOKEN": "sesame-street", "PEM": key})

    assert withheld.hidden_in({"sesame-street": ["sesame", 1, None]}) == {"${env:B_TOKEN}": ["${env:A_TOKEN}", 1, None]}
    assert withheld.hidden("+MIIEvQIBADANBgkqhkiG9w0B") == "+${env:PEM}"


def test_names_are_found_in_yaml_templates_and_python():
    text = "${env:A} ${env:B:-x} {{ env_var('C') }} os.environ[\"D\"] environ.get('E', 1) os.getenv('F') environ"

    assert variables_named_in(text) == set("ABCDEF")


def test_only_variables_of_the_list_are_recorded_and_only_harmless_values():
    environment = {"OMP_NUM_THREADS": "2", "TZ": "Europe/Rome", "LANG": "a b\nsecret", "HOME": "/home/ann"}

    assert recorded_variables(environment) == {"OMP_NUM_THREADS": "2", "TZ": "Europe/Rome", "LANG": "not recorded"}


@pytest.mark.parametrize("text", [b"AKIAIOSFODNN7EXAMPLE", b"-----BEGIN RSA PRIVATE KEY-----", b"ghp_" + b"a" * 36])
def test_keys_are_known_by_their_form(text):
    assert has_key_material(b"x = '" + text + b"'")
    assert not has_key_material(b"select akia from keys")
