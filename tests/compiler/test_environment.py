"""The sandbox: no way out to Python, nothing without bounds, and facades that show what they list and no more."""

import pytest

from sqlfeat.compiler import environment
from sqlfeat.compiler.facades import Answer
from sqlfeat.errors import ProjectError
from tests.compiler.conftest import Templates

# The classic ways out: from any value to its class, from there to all classes, or from a function to its globals.
ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ [].__class__.__base__.__subclasses__() }}",
    "{{ {}.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ ''|attr('__cla' ~ 'ss__') }}",
    "{{ ([['a']]|map(attribute='__class__')|first).__base__ }}",
    "{{ ''.format.__self__ }}",
    "{{ '{0.__class__}'.format('') }}",
    "{{ '{0.__class__.__mro__}'.format_map({'0': ''}) }}",
    "{{ ('{0.__class__}'|attr('format'))('') }}",
    "{{ ref.__globals__ }}",
    "{{ ref.__func__.__globals__ }}",
    "{{ ref.__self__ }}",
    "{{ log.__self__._namespace }}",
    "{{ zip.__globals__ }}",
    "{{ config.__init__.__globals__ }}",
    "{{ config._renderer }}",
    "{{ config['_renderer'] }}",
    "{{ config|attr('_renderer') }}",
    "{{ var._renderer._environ }}",
    "{{ adapter._renderer }}",
    "{{ exceptions._renderer }}",
    "{{ target.__dict__ }}",
    "{{ target._values }}",
    "{{ target['_values'] }}",
    "{{ target.allowed }}",
    "{{ this.token }}",
    "{{ ref('m').__class__ }}",
    "{{ range.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ dict.mro() }}",
    "{{ dict.__subclasses__() }}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "{{ (range(3)|map('string')).gi_frame }}",
    "{{ (range(3)|map('string'))['gi_frame'] }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ execute.__class__ }}",
    "{{ execute._renderer }}",
    "{{ lipsum.__globals__ }}",
    "{% for x in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% extends 'models/other.sql' %}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ import('os') }}",
    "{{ open('/etc/passwd') }}",
    "{{ modules.os }}",
]

# Small texts that ask for gigabytes, or for hours.
BOMBS = [
    "{{ 'a' * 10000000000 }}",
    "{{ 10000000000 * 'a' }}",
    "{{ [0] * 10000000000 }}",
    "{{ (1, 2) * 10000000000 }}",
    "{{ 9 ** 999999999 }}",
    "{{ 9 ** (9 ** 9) }}",
    "{% set ns = namespace(n=9) %}{% for i in range(60) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "{% set ns = namespace(t='aaaaaaaaaa') %}{% for i in range(60) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
    "{% set ns = namespace(t='aaaaaaaaaa') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
    "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
    "{% set t = [1] %}{% for i in range(60) %}{% do t.extend(t) %}{% endfor %}",
    "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.t }}",
    "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.t|tojson }}",
    "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.t ~ '' }}",
    "{% set ns = namespace(t='aaaaaaaaaa') %}{% for i in range(60) %}{% set t %}{{ ns.t }}{{ ns.t }}{% endset %}"
    "{% set ns.t = t %}{% endfor %}",
    "{{ '%9999999999d' % 1 }}",
    "{{ '%*d' % (9999999999, 1) }}",
    "{{ '%9999999999d'|format(1) }}",
    "{{ '{:>9999999999}'.format(1) }}",
    "{{ '{:>{}}'.format(1, 9999999999) }}",
    "{{ 'a'.ljust(9999999999) }}",
    "{{ 'a'.rjust(9999999999) }}",
    "{{ 'a'.center(9999999999) }}",
    "{{ '1'.zfill(9999999999) }}",
    "{{ '\t'.expandtabs(9999999999) }}",
    "{{ 'a'|center(9999999999) }}",
    "{{ 'a\nb'|indent(9999999999) }}",
    "{{ [1]|batch(9999999999, 'x')|list }}",
    "{{ [1]|slice(9999999999)|list }}",
    "{{ {'a': [1]}|tojson(indent=9999999999) }}",
    "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
    "{{ ('a' * 1000000)|replace('a', 'b' * 1000000) }}",
    "{{ ('a' * 1000000).replace('', 'b' * 1000000) }}",
    "{{ ('b' * 1000000).join(['a'] * 100000) }}",
    "{{ (['a'] * 100000)|join('b' * 1000000) }}",
    "{{ (['a' * 1000000] * 100000)|join }}",
    "{{ (['a' * 1000000] * 100000)|map('upper')|list }}",
    "{{ (['a' * 1000000] * 100000)|map('upper')|join }}",
    "{{ ('a' * 1000000).translate({97: 'b' * 1000000}) }}",
    "{{ ('%s' * 100000) % (('a' * 1000000,) * 100000) }}",
    "{{ range(9999999999) }}",
    "{{ range(99999999)|list }}",
    "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{{ " + "[" * 500 + "]" * 500 + " }}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{% for x in [1] %}" * 50 + "{% endfor %}" * 50,
]

# What would go on for ever, and is ended by the clock.
ENDLESS = [
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% set l = [0] %}{% for i in l %}{% do l.append(i) %}{% endfor %}",
    "{% macro m(n) %}{% if n %}{% do m(n - 1) %}{% do m(n - 1) %}{% endif %}{% endmacro %}{% do m(60) %}",
    "{% set big = range(99999)|list %}{{ range(99999)|select('in', big)|list|length }}",
    "{% for i in range(99999) recursive %}{% if loop.depth < 9 %}{% do loop(range(99999)) %}{% endif %}{% endfor %}",
]


@pytest.mark.parametrize("template", ESCAPES)
def test_there_is_no_way_out(render, template):
    error = render.refused(f"select 1 as x\n{template}")

    assert error.code in ("template-forbidden", "template-undefined", "template-failed", "template-syntax")
    assert error.where is not None
    assert error.where.line == 2


@pytest.mark.parametrize("template", BOMBS)
def test_a_bomb_does_not_go_off(render, template):
    assert render.refused(template).code in ("template-forbidden", "template-failed")


@pytest.mark.parametrize("template", ENDLESS)
def test_what_never_ends_is_ended(render, template, monkeypatch):
    monkeypatch.setattr(environment, "RENDER_SECONDS", 0.05)

    assert "this template has been rendering for" in render.refused(template).what.lower()


def test_what_is_random_is_not_there(render):
    assert render.refused("{{ [1, 2]|random }}").code == "template-syntax"
    assert render.refused("{{ lipsum() }}").code == "template-undefined"


def test_ordinary_work_is_not_refused(render):
    template = """{%- set names = [] -%}
        {%- for n in range(200) %}{% do names.append('column_%03d' % n) %}{% endfor -%}
        {{ names|join(', ')|length }} {{ '-' * 40 }} {{ 2 ** 62 }} {{ 'x'|center(9) }} {{ '{:>5}'.format(7) }}"""

    assert render(template) == f"2398 {'-' * 40} {2**62}     x         7"


def test_lists_and_mappings_that_a_template_makes_may_be_changed(render):
    assert render("{% set l = [2] %}{% do l.append(1) %}{% do l.sort() %}{{ l }}") == "[1, 2]"
    assert render("{% set d = {} %}{% do d.update(a=1) %}{{ d }}") == "{'a': 1}"


def test_lists_and_mappings_of_ours_are_copies():
    render = Templates(variables={"regions": ["north"], "prices": {"tea": [1]}})
    changing = "{% do var('regions').append('south') %}{% do var('prices')['tea'].append(2) %}"

    assert render(f"{changing}{{{{ var('regions') }}}} {{{{ var('prices') }}}}") == "['north'] {'tea': [1]}"


def test_a_facade_shows_what_it_lists(render):
    answer = Answer(("name", "n"), (("ann", 1), ("bob", 2)))
    template = """
        {%- set found = run_query('…') -%}
        {{ found.column_names }} {{ found.columns[0].values() }} {{ found.columns['n'].values() }}
        {%- for row in found %} {{ row[0] }}{{ row['n'] }}{{ row.n }}{% endfor %} {{ found.rows|length }}
        {{- found.rows[1].name }} {{ found.rows[0].values() }} {{ found.rows[0].get('x', 'none') }}"""

    assert render(template, query=lambda sql: answer) == (
        "('name', 'n') ['ann', 'bob'] [1, 2] ann11 bob22 2bob ['ann', 1] none"
    )


@pytest.mark.parametrize("path", ["tuples", "content", "_names", "rows[0]._content", "columns[0].content"])
def test_an_answer_hides_what_it_is_made_of(render, path):
    with pytest.raises(ProjectError) as caught:
        render(f"{{{{ run_query('…').{path} }}}}", query=lambda sql: Answer(("a",), ((1,),)))

    assert caught.value.code in ("template-forbidden", "template-undefined")


def test_the_lines_of_a_file_are_what_editors_count(render):
    # a line separator, a form feed and a vertical tab are characters of a line and stay as they are
    text = "select 'a\u2028b\x0cc\x0bd\x85e' as x,\r\n  {{ nothing }}"

    assert render(text.replace("{{ nothing }}", "1")).startswith("select 'a\u2028b\x0cc\x0bd\x85e' as x,\n")
    error = render.refused(text)
    assert (error.where.line, error.where.column) == (2, 6)
