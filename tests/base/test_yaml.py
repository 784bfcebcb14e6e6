"""YAML comes with the place of everything, and what is wrong with it is said with a line, a caret and a hint."""

from __future__ import annotations

import pytest

from sqlfeat.base.yaml import read_yaml
from sqlfeat.errors import Place, ProjectError


def refused(text: str) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        read_yaml(text, "models/a.yml")
    return caught.value


def test_values_are_plain_and_know_where_they_stand():
    node = read_yaml("name: flights\ntargets:\n  dev: {threads: 2}\n", "p.yml")

    assert node.value == {"name": "flights", "targets": {"dev": {"threads": 2}}}
    assert node.entries["name"].place == Place("p.yml", 1, 7, "name: flights", 7)
    threads = node.entries["targets"].entries["dev"].entries["threads"]
    assert (threads.place.line, threads.place.column) == (3, 18)
    assert node.keys["targets"] == Place("p.yml", 2, 1, "targets:", 7)


def test_scalars_mean_what_they_mean_to_dbt():
    node = read_yaml("[1, 1.5, yes, off, ~, 010, 0x1f, 1_000, text, '1', 1e3, 12:30]", "p.yml")

    assert node.value == [1, 1.5, True, False, None, 8, 31, 1000, "text", "1", "1e3", 750]


def test_dates_and_times_stay_text():
    node = read_yaml("{train: 2013-01-01, test: 2013-03-15 12:00:00Z}", "p.yml")

    assert node.value == {"train": "2013-01-01", "test": "2013-03-15 12:00:00Z"}


def test_keys_stay_text():
    assert read_yaml("on: customer_id\n1: a\nno: b\n", "p.yml").value == {"on": "customer_id", "1": "a", "no": "b"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_a_text_without_values_gives_nothing(text):
    node = read_yaml(text, "p.yml")

    assert node is None or node.value is None


def test_aliases_and_merge_keys_are_followed():
    node = read_yaml("base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\nboth: {<<: [*base, {a: 9, c: 4}]}\n", "p.yml")

    assert node.value["own"] == {"a": 1, "b": 3}
    assert node.value["both"] == {"a": 1, "b": 2, "c": 4}
    assert node.entries["own"].keys["a"].line == 1


def test_of_a_key_given_twice_the_last_counts_for_whoever_asks_so():
    repeated = []

    assert read_yaml("a: 1\nb: 2\na: 3\n", "p.yml", repeated).value == {"a": 3, "b": 2}
    assert [str(error.where) for error in repeated] == ["p.yml:3:1"]


def test_a_key_given_twice_is_refused_with_both_places():
    assert str(refused("models:\n  - name: a\n    name: b\n")) == (
        "models/a.yml:3:5: [yaml-duplicate-key] The key 'name' is given twice; the first is at line 2.\n"
        "  3 |     name: b\n"
        "    |     ^^^^\n"
        "\n"
        "Hint: keep one of them."
    )


def test_a_tab_is_told():
    error = refused("a:\n\tb: 1\n")

    assert (error.code, error.where.line) == ("yaml-syntax", 2)
    assert error.hint == "indent with spaces; YAML takes no tabs."


@pytest.mark.parametrize("text", ["a: {{ var('x') }}\n", "a: {{ env_var('X') }}/y\n", "- {{ this }}\n"])
def test_jinja_without_quotes_is_told(text):
    assert refused(text).hint == "put quotes around a value that has {{ … }} in it."


def test_a_variable_without_quotes_between_braces_is_told():
    assert refused("online: {store: redis, url: ${env:URL}}\n").hint == (
        "put quotes around ${env:…} between braces or brackets."
    )


def test_a_missing_colon_is_told():
    assert refused("name\nversion: 1\n").hint == "is a colon missing after 'name'?"
    assert "a key is followed by a colon and a space" in refused("a: 1\nversion\n").hint


def test_text_with_a_colon_in_it_is_told():
    assert "put quotes around text that has ': ' in it" in refused("description: note: mind this\n").hint


def test_a_line_that_is_indented_wrongly_is_told():
    assert refused("a: 1\n   b: 2\n").hint == "is this line indented as far as its neighbours?"


def test_what_is_never_closed_is_shown_where_it_begins():
    error = refused("a: 1\nb: [1, 2\n\n\n")

    assert (error.where.line, error.where.column) == (2, 4)


def test_tags_that_would_make_objects_are_refused():
    error = refused("a: !!python/object/apply:os.system ['true']\n")

    assert (error.code, error.where.line) == ("yaml-tag", 1)


def test_two_documents_are_refused():
    assert refused("a: 1\n---\nb: 2\n").what == "This file has more than one YAML document."


def test_an_invisible_character_is_named():
    error = refused("a: 1\nb: x\x00y\n")

    assert (error.where.line, error.where.column) == (2, 5)
    assert "U+0000" in error.what


def test_no_text_holds_a_null_character():
    assert refused('model-paths: "a\\0"\n').what == "Text cannot hold the character U+0000."


@pytest.mark.parametrize(
    "text",
    ["[" * 60 + "]" * 60, "[" * 300_000, "{a: " * 500, "\n".join(" " * n + "a:" for n in range(600)), "a: &a [*a]"],
    ids=["nested", "very deep", "never closed", "indented", "in itself"],
)
def test_what_is_nested_too_deep_is_refused(text):
    assert refused(text).code == "yaml-too-deep"


def test_aliases_that_explode_are_refused():
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
    )

    assert refused(bomb).code == "yaml-too-large"


def test_columns_count_characters_and_not_bytes():
    node = read_yaml("größe: {ümlaut: ärger}\n", "p.yml")

    assert node.entries["größe"].entries["ümlaut"].place.column == 17
