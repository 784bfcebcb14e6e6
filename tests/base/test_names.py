"""Names: what may be one, how SQL quotes it, which one was meant."""

from __future__ import annotations

import pytest

from sqlfeat.base.names import check_name, did_you_mean, is_identifier, literal, nearest, quote
from sqlfeat.errors import Place, ProjectError


@pytest.mark.parametrize("text", ["a", "_x", "stg_flights_2013", "A1"])
def test_letters_digits_and_underscores_make_a_name(text):
    assert is_identifier(text)
    assert check_name("model", text, None) == text


@pytest.mark.parametrize(
    "text",
    ["", "1a", "a-b", "a b", "a.b", "../etc/passwd", "a/b", "a\n", "é", "ａ", 'a"b', "a" * 201, 7, None, "a;drop"],
)
def test_everything_else_is_none(text):
    assert not is_identifier(text)
    with pytest.raises(ProjectError) as caught:
        check_name("entity", text, Place("p.yml", 3))
    assert (caught.value.code, caught.value.where.line) == ("bad-name", 3)
    assert "the name of an entity" in caught.value.what


def test_a_bad_name_comes_with_a_better_one():
    with pytest.raises(ProjectError, match=r"'2013-flights' cannot be the name of a model\.") as caught:
        check_name("model", "2013-flights", None)

    assert caught.value.hint.endswith("for instance '_2013_flights'.")


def test_sql_quotes_are_doubled():
    assert quote('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"


def test_the_nearest_name_is_found_whatever_its_case():
    names = ["stg_flights", "carrier_delays", "Weather"]

    assert nearest("stg_fligths", names) == "stg_flights"
    assert nearest("WEATHER", names) == "Weather"
    assert nearest("zzz", names) is None


def test_a_hint_names_the_nearest_or_what_there_is():
    assert did_you_mean("carier", ["carrier", "route"]) == "did you mean 'carrier'?"
    assert did_you_mean("zzz", ["route", "carrier"]) == "known are: carrier, route."
    assert did_you_mean("zzz", []) is None
    assert did_you_mean("zzz", [f"model_{n}" for n in range(20)]).endswith(" and 8 more.")
