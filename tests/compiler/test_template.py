"""What a template may call, and what it leaves in the text and beside it."""

import pytest

from sqlfeat.base.assets import assets
from sqlfeat.compiler.facades import Answer
from sqlfeat.compiler.rewriting import ref_token, source_token
from sqlfeat.errors import ProjectError
from sqlfeat.spec.duration import Duration
from tests.compiler.conftest import Templates

ANSWER = Answer(("name",), (("tea",), ("jam",)))


# -- references --------------------------------------------------------------------------------------------------------


def test_ref_and_source_leave_names_that_stand_for_relations(render):
    rendering = render.rendering("select * from {{ ref('a') }} join {{ source('raw', 'b') }}")

    assert rendering.text == f"select * from {ref_token('a')} join {source_token('raw', 'b')}"
    assert (list(rendering.refs), list(rendering.sources)) == (["a"], [("raw", "b")])


def test_a_ref_of_two_names_means_the_second(render):
    assert list(render.rendering("{{ ref('package', 'a') }}").refs) == ["a"]


def test_the_first_call_of_each_ref_is_remembered_with_its_place(render):
    rendering = render.rendering("{{ ref('a') }}\n{{ ref('b') }}\n{{ ref('a') }}")

    assert [sites[0].offset for sites in rendering.refs.values()] == [0, 15]


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("{{ ref() }}", "bad-ref"),
        ("{{ ref('a', 'b', 'c') }}", "bad-ref"),
        ("{{ ref(1) }}", "bad-ref"),
        ("{{ source('a') }}", "bad-source"),
        ("{{ source('a', 2) }}", "bad-source"),
    ],
)
def test_references_that_name_nothing(render, template, code):
    assert render.refused(template).code == code


def test_relations_have_dbt_s_attributes(render):
    template = (
        "{{ this.identifier }} {{ this.name }} {{ this.table }} {{ ref('a').name }} {{ source('raw', 'b').schema }}"
    )

    assert render(template) == "m m m a raw"
    assert render("{{ ref('a').render() }}") == ref_token("a")


# -- config ------------------------------------------------------------------------------------------------------------


def test_config_leaves_nothing_in_the_text_and_a_later_call_wins(render):
    rendering = render.rendering("{{ config(materialized='view', tags=['a']) }}x{{ config(materialized='table') }}")

    assert (rendering.text, rendering.config) == ("x", {"materialized": "table", "tags": ["a"]})


def test_config_can_be_asked_and_required(render):
    assert render(
        "{{ config(meta={'a': 1}) }}{{ config.get('meta').a }}{{ config.get('x', 2) }}{{ config.require('meta') }}"
    ) == ("12{'a': 1}")
    assert render.refused("{{ config.require('meta') }}").code == "config-missing"


def test_what_config_gives_is_a_copy(render):
    rendering = render.rendering("{{ config(tags=['a']) }}{% do config.get('tags').append('b') %}")

    assert rendering.config == {"tags": ["a"]}


# -- variables, environment, target ------------------------------------------------------------------------------------


def test_variables_with_defaults():
    render = Templates(variables={"days": 7, "none": None})

    assert render("{{ var('days') }} {{ var('x', 'y') }} {{ var('none') }} {{ var('z', none) }}") == "7 y None None"
    assert render("{{ var.has_var('days') }} {{ var.has_var('x') }}") == "True False"
    assert render.refused("{{ var('dayz') }}").hint == "did you mean 'days'?"


def test_the_environment_with_defaults():
    render = Templates(environment={"REGION": "north"})

    assert render("{{ env_var('REGION') }} {{ env_var('CITY', 'none') }}") == "north none"
    assert render.refused("{{ env_var('CITY') }}").code == "unknown-env-var"


def test_the_target_is_a_record(render):
    assert render(
        "{{ target.name }} {{ target['schema'] }} {{ target.get('x', 'none') }} {{ target.threads + 1 }}"
    ) == ("dev main none 2")
    assert render.refused("{{ target.password }}").code == "template-undefined"


# -- talk --------------------------------------------------------------------------------------------------------------


def test_log_and_print_are_heard_and_leave_nothing(render):
    assert (
        render("a{{ log('one') }}{{ log('two', info=true) }}{{ print('three') }}{% do exceptions.warn('four') %}b")
        == "ab"
    )
    assert render.logged == ["one", "two", "three", "warning: four"]


def test_a_template_can_refuse_itself(render):
    error = render.refused("\n  {{ exceptions.raise_compiler_error('no days') }}")

    assert (error.code, error.what, str(error.where)) == ("compiler-error", "no days", "models/m.sql:2:3")


# -- macros ------------------------------------------------------------------------------------------------------------


def test_macros_of_all_files_know_each_other_in_any_order():
    render = Templates(
        macros={
            "macros/a.sql": "{% macro a() %}{{ b() }}{% endmacro %}",
            "macros/b.sql": "{% macro b() %}{{ c() }}{% endmacro %}{% macro c() %}deep{% endmacro %}",
        }
    )

    assert render("{{ a() }}") == "deep"


def test_a_macro_knows_the_model_that_calls_it():
    render = Templates(macros={"macros/a.sql": "{% macro me() %}{{ this.name }} {{ config.get('x') }}{% endmacro %}"})

    assert render("{{ config(x=1) }}{{ me() }}") == "m 1"


def test_return_gives_a_value_and_ends_the_macro():
    render = Templates(
        macros={
            "macros/a.sql": """
                {% macro numbers() %}
                  {% for i in range(9) %}{% if i == 2 %}{{ return([i, i + 1]) }}{% endif %}{% endfor %}
                  never seen
                {% endmacro %}
                {% macro nested() %}{% do return(numbers() + [9]) %}{% endmacro %}
            """
        }
    )

    assert render("{{ nested()[2] }} {{ numbers() | sum }}") == "9 5"


def test_a_call_block_and_its_arguments():
    render = Templates(
        macros={"macros/a.sql": "{% macro each(l) %}{% for x in l %}{{ caller(x) }};{% endfor %}{% endmacro %}"}
    )

    assert render("{% call(x) each([1, 2]) %}{{ x * 10 }}{% endcall %}") == "10;20;"


def test_a_project_s_macro_wins_over_a_shipped_one_and_over_a_package_s():
    render = Templates(
        macros={
            "sqlfeat/macros/tools.sql": "{% macro one() %}shipped{% endmacro %}{% macro two() %}shipped{% endmacro %}",
            "packages/more/macros/two.sql": "{% macro two() %}package{% endmacro %}",
            "macros/one.sql": "{% macro one() %}own{% endmacro %}",
        }
    )

    assert render("{{ one() }} {{ two() }} {{ tools.one() }} {{ tools.two() }} {{ more.two() }} {{ shop.one() }}") == (
        "own package shipped shipped package own"
    )


def test_dispatch_prefers_the_engine_s_macro():
    render = Templates(
        macros={
            "macros/a.sql": "{% macro default__x() %}default{% endmacro %}{% macro duckdb__x() %}duckdb{% endmacro %}"
            "{% macro default__y() %}default{% endmacro %}"
        }
    )

    assert render("{{ adapter.dispatch('x')() }} {{ adapter.dispatch('y', 'shop')() }}") == "duckdb default"
    assert render.refused("{{ adapter.dispatch('z')() }}").code == "unknown-macro"


def test_what_a_macro_file_sets_stays_in_it():
    render = Templates(
        macros={"macros/a.sql": "{% set factor = 3 %}{% macro times(x) %}{{ x * factor }}{% endmacro %}"}
    )

    assert render("{{ times(2) }}") == "6"
    assert render.refused("{{ factor }}").code == "template-undefined"


# -- two passes --------------------------------------------------------------------------------------------------------


def test_the_first_pass_asks_nothing_and_notes_that_it_would(render):
    rendering = render.rendering("{% set r = run_query('select 1') %}{{ 'asked' if execute else 'not yet' }}")

    assert (rendering.text, rendering.asked) == ("not yet", True)


def test_a_template_that_asks_nothing_has_one_pass(render):
    assert not render.rendering("select {{ 1 + 1 }}").asked


def test_the_second_pass_is_answered(render):
    asked = []

    def query(sql):
        asked.append(sql)
        return ANSWER

    template = (
        "{% if execute %}{% set r = run_query('from ' ~ ref('a')) %}{{ r.columns[0].values() | join(',') }}{% endif %}"
    )
    assert render(template, query) == "tea,jam"
    assert asked == [f"from {ref_token('a')}"]


# -- windows and features ----------------------------------------------------------------------------------------------


def test_a_window_leaves_a_token_and_a_record(render):
    rendering = render.rendering("{{ window('sum(x)', '7 days', offset='1 day') }} as s")
    (call,) = rendering.windows

    assert rendering.text == f"{call.token} as s"
    assert (call.aggregate, call.length, call.offset) == ("sum(x)", Duration.parse("7 days"), Duration.parse("1 day"))


def test_a_list_of_windows_is_named_by_their_lengths(render):
    rendering = render.rendering(
        "{{ window('count(*)', ['30 s', '5 minutes', '2 h', '1 day', '1 week', '3 months', 'unbounded'], name='n') }}"
    )
    names = [part.split(" as ")[1] for part in str.__str__(rendering.text).split(", ")]

    assert names == ["n_30s", "n_5min", "n_2h", "n_1d", "n_1w", "n_3mo", "n_all"]
    assert rendering.windows[-1].length is None


def test_a_feature_leaves_a_token_a_record_and_a_reference(render):
    rendering = render.rendering("{{ feature('v.a', on={'k': 'f.x'}, ttl='2 hours', strict=true, prefix='p_') }}")
    (call,) = rendering.features

    assert rendering.text == call.token
    assert (call.view, call.column, call.on, call.strict, call.prefix) == ("v", "a", (("k", "f.x"),), True, "p_")
    assert list(rendering.refs) == ["v"]


def test_a_key_may_be_another_feature(render):
    inner, outer = render.rendering("{{ feature('v.a', on={'k': feature('w.k')}) }}").features

    assert outer.on == (("k", inner.token),)


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("{{ window('sum(x)', '7 dayz') }}", "bad-duration"),
        ("{{ window('sum(x)', 7) }}", "bad-duration"),
        ("{{ window('sum(x)', []) }}", "bad-window"),
        ("{{ window('sum(x)', ['1 day']) }}", "bad-window"),
        ("{{ window('sum(x)', ['1 day'], name='a b') }}", "bad-window"),
        ("{{ window('sum(x)', '1 day', offset='x') }}", "bad-duration"),
        ("{{ window('sum(x)') }}", "template-failed"),
        ("{{ feature('v') }}", "bad-feature"),
        ("{{ feature('v.') }}", "bad-feature"),
        ("{{ feature('v.a', on='k') }}", "bad-feature"),
        ("{{ feature('v.a', ttl='soon') }}", "bad-duration"),
        ("{{ feature('v.a', when='now') }}", "template-failed"),
    ],
)
def test_windows_and_features_that_cannot_be_meant(render, template, code):
    assert render.refused(template).code == code


# -- helpers of dbt's --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ fromjson('[1, 2]')[1] }}", "2"),
        ("{{ tojson({'b': 1, 'a': [true, none]}) }}", '{"b": 1, "a": [true, null]}'),
        ("{{ set([2, 1, 2]) }}", "[1, 2]"),
        ("{{ zip([1, 2], 'ab') }}", "[(1, 'a'), (2, 'b')]"),
        ("{{ local_md5('a') }}", "0cc175b9c0f1b6a831c399e269772661"),
        ("{{ project_name }}", "shop"),
        ("{{ 'a' ~ 1 ~ none }}", "a1None"),
        ("{% for x in [1, 2, 3] if x != 2 %}{{ x }}{{ ',' if not loop.last }}{% endfor %}", "1,3"),
        ("{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "13"),
        ("{% set ns = namespace(n=0) %}{% for x in [1, 2] %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}", "3"),
        ("{% filter upper %}a{% endfilter %}", "A"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{{ ['b', 'a'] | sort | join('-') }}", "a-b"),
        ("{{ 'x' if true }}{{ 'y' if false }}", "x"),
    ],
)
def test_jinja_and_dbt_s_helpers(render, template, expected):
    assert render(template) == expected


# -- what dbt projects bring ----------------------------------------------------------------------------------------


def test_a_generic_test_is_a_macro_and_a_materialization_is_passed_over():
    templates = Templates(
        {
            "macros/odd.sql": """
                {% test odd(model, column_name, of=2) %}select * from {{ model }} where {{ column_name }} % {{ of }} = 0
                {%- endtest %}
                {% materialization log, adapter='duckdb' %}{{ nothing_like_this() }}{% endmaterialization %}
                {% macro two() %}2{% endmacro %}"""
        }
    )

    assert templates("{{ test_odd('m', 'x', of=two()) }}") == "select * from m where x % 2 = 0"


def test_a_generic_test_that_is_not_closed_is_told_of_at_its_place():
    with pytest.raises(ProjectError) as caught:
        Templates({"macros/odd.sql": "{% test odd(model) %}select 1"}).renderer()

    assert (caught.value.code, caught.value.where.line) == ("template-syntax", 1)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ dbt.date_trunc('day', 'at') }}", "date_trunc('day', at)"),
        ("{{ dateadd('month', 1, 'at') }}", "date_add(at, interval (1) month)"),
        ("{{ dbt.datediff('a', 'b', 'hour') }}", "date_diff('hour', a::timestamp, b::timestamp)"),
        ("{{ dbt.safe_cast('x', dbt.type_string()) }}", "try_cast(x as varchar)"),
        ("{{ dbt.concat(['a', 'b']) }}", "a || b"),
        (
            "{{ dbt.listagg('x', \"'|'\", 'order by x', 3) }}",
            "array_to_string(list_slice(list(x order by x), 1, 3), '|')",
        ),
        ("{{ api.Column.translate_type('string') }}", "text"),
        ("{{ adapter.quote('a b') }}", '"a b"'),
        ("{{ 'True' | as_bool }} {{ '1.5' | as_number }} {{ 'x' | as_native }} {{ 1 | as_text }}", "True 1.5 x 1"),
        ("{{ 'yes' if ref('orders') is mapping and ref('orders').get('metadata').type.endswith('Relation') }}", "yes"),
    ],
)
def test_dbt_s_own_macros_and_objects(template, expected):
    shipped = (assets("macros") / "dbt.sql").read_text("utf-8")

    assert Templates({"sqlfeat/macros/dbt.sql": shipped})(template) == expected


def test_a_project_s_macro_wins_over_dbt_s():
    shipped = (assets("macros") / "dbt.sql").read_text("utf-8")
    own = "{% macro hash(field) %}sha1({{ field }}){% endmacro %}"

    assert Templates({"sqlfeat/macros/dbt.sql": shipped, "macros/own.sql": own})("{{ hash('x') }}") == "sha1(x)"


def test_the_columns_of_a_relation_are_asked_in_the_second_pass(render):
    template = "{% for column in adapter.get_columns_in_relation(ref('orders')) %}{{ column.name }} {% endfor %}"
    asked = []

    def answer(sql: str) -> Answer:
        asked.append(sql)
        return Answer(("column_name", "column_type"), (("id", "INTEGER"), ("at", "DATE")))

    assert (render(template), render(template, answer)) == ("", "id at ")
    assert asked == ['describe select * from "sqlfeat:ref"."orders"']


def test_a_statement_is_a_query_whose_result_is_loaded(render):
    template = (
        "{% call statement('days', fetch_result=true) %}select 1{% endcall %}"
        "{% if execute %}{{ load_result('days').data[0][0] }}{% endif %}"
    )

    assert render(template, lambda sql: Answer(("x",), ((7,),))) == "7"
