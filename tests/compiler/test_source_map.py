"""The way back: every stretch of rendered SQL knows the file, line and column that it came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.compiler.source_map import Fragment, Origin, SourceMap, Span, concatenate, place_in
from tests.compiler.conftest import Templates


def place(render, text, word, occurrence=0):
    """Where the n-th occurrence of a word in the rendered text comes from."""
    renderer = render.renderer()
    rendering = renderer.render("models/m.sql", text, name="m")
    offset = -1
    for _ in range(occurrence + 1):
        offset = str.__str__(rendering.text).index(word, offset + 1)
    found = rendering.source_map(renderer.templates).place(offset, len(word))
    assert found is not None
    return found


def test_plain_text_is_where_it_stands(render):
    found = place(render, "select a,\n  bcd\nfrom x", "bcd")

    assert (str(found), found.text, found.length, found.via) == ("models/m.sql:2:3", "  bcd", 3, ())


def test_text_after_an_expression_is_where_it_stands_in_the_file(render):
    assert str(place(render, "select {{ 'a long expression' | upper }}, b", "b")) == "models/m.sql:1:43"


def test_text_after_a_block_of_several_lines(render):
    text = "{#- a\n comment -#}\n\n{%- set x = [\n  1,\n] -%}\n select a"

    assert str(place(render, text, "a")) == "models/m.sql:7:9"


def test_whitespace_control_does_not_move_places(render):
    text = "select\n{%- for c in ['a', 'b'] %}\n  {{- c -}}  ,\n{%- endfor %}  end_of_it"

    assert str(place(render, text, "end_of_it")) == "models/m.sql:4:16"


def test_what_an_expression_gives_is_at_the_expression(render):
    found = place(render, "select {{ 'a' ~ 'b' }} as x", "ab")

    assert (str(found), found.length) == ("models/m.sql:1:8", len("{{ 'a' ~ 'b' }}"))


def test_a_word_that_stands_in_the_expression_is_at_the_word(render):
    assert str(place(render, "select {{ 'sum(amount)' }} as x", "amount")) == "models/m.sql:1:16"


def test_a_word_in_quotes_comes_before_a_word_that_is_a_name():
    render = Templates(macros={"macros/a.sql": "{% macro amount(x) %}{{ x }}{% endmacro %}"})

    assert str(place(render, "select {{ amount('amount') }}", "amount")) == "models/m.sql:1:19"


def test_each_turn_of_a_loop_is_at_the_loop_s_body(render):
    text = "{% for c in ['a', 'b'] %}\n  {{ c }} as col{% endfor %}"

    assert str(place(render, text, "col", 1)) == "models/m.sql:2:14"


def test_text_of_a_macro_is_in_the_macro_with_the_calls_that_led_there():
    render = Templates(
        macros={
            "macros/a.sql": "{% macro inner() %}\n  one_word\n{% endmacro %}",
            "macros/b.sql": "{% macro outer() %}{{ inner() }}{% endmacro %}",
        }
    )
    found = place(render, "select\n {{ outer() }}", "one_word")

    assert str(found) == "macros/a.sql:2:3"
    assert [str(site) for site in found.via] == ["macros/b.sql:1:20", "models/m.sql:2:2"]


def test_what_a_macro_was_given_is_where_it_was_given():
    render = Templates(macros={"macros/a.sql": "{% macro twice(x) %}{{ x }} + {{ x }}{% endmacro %}"})

    assert str(place(render, "select {{ twice('amount') }}", "amount", 1)) == "models/m.sql:1:18"


def test_a_macro_that_sqlfeat_ships_is_placed_at_its_call():
    render = Templates(macros={"sqlfeat/macros/a.sql": "{% macro shipped() %}\n\n  one_word{% endmacro %}"})
    found = place(render, "select 1,\n{{ shipped() }}", "one_word")

    assert (str(found), found.via) == ("models/m.sql:2:1", ())


def test_a_call_block_is_where_its_text_stands():
    render = Templates(macros={"macros/a.sql": "{% macro around() %}( {{ caller() }} ){% endmacro %}"})

    assert (
        str(place(render, "select\n{% call around() %}\n  one_word\n{% endcall %}", "one_word")) == "models/m.sql:3:3"
    )


def test_a_set_block_is_where_its_text_stands(render):
    assert str(place(render, "{% set x %}\n  one_word{% endset %}\nselect {{ x }}", "one_word")) == "models/m.sql:2:3"


def test_a_text_without_origins_has_no_place():
    assert SourceMap.of("select 1", {}).place(3) is None


def test_fragments_keep_their_origins_when_they_are_joined():
    origin = Origin("m.sql", 5, 8, verbatim=True)
    joined = concatenate(["ab", Fragment("cde", (Span(0, 3, origin),)), "f"])

    assert (joined, joined.spans) == ("abcdef", (Span(2, 5, origin),))


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, (1, 1, "ab")), (2, (1, 3, "ab")), (3, (2, 1, "")), (4, (3, 1, "cd")), (99, (3, 3, "cd"))],
)
def test_an_offset_is_a_line_and_a_column(offset, expected):
    found = place_in("ab\n\ncd", "m.sql", offset)

    assert (found.line, found.column, found.text) == expected


PIECES = st.sampled_from(
    [
        "plain ", "é🙂", "\n", "\t", "{{ 'made' }}", "{% set x = 1 %}", "{# a\nnote #}", "{%- if true -%} ",
        " {%- endif %}", "{{ twice('w') }}", "{% raw %}{{ raw }}{% endraw %}", "'{{ 1 }}'",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12))
def test_every_letter_of_plain_text_leads_back_to_itself(pieces):
    text = ""
    for piece in pieces:
        opened = text.count("{%- if") - text.count("endif")
        text += piece if "endif" not in piece or opened else ""
    text += "{% endif %}" * (text.count("{%- if") - text.count("endif"))
    render = Templates(macros={"macros/a.sql": "{% macro twice(x) %}{{ x }}-{{ x }}{% endmacro %}"})
    renderer = render.renderer()
    rendering = renderer.render("models/m.sql", text, name="m")
    lines = text.split("\n")

    for span in rendering.text.spans:
        origin = span.origin
        if origin.verbatim and origin.template == "models/m.sql":
            assert text[origin.offset : origin.end] == str.__str__(rendering.text)[span.start : span.end]
            found = rendering.source_map(renderer.templates).place(span.start)
            assert found is not None
            assert lines[found.line - 1][found.column - 1 :][:1] == text[origin.offset].strip("\n")
