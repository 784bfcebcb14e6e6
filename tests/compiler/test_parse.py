"""SQL text cut into what the compiler must know of it; the pieces are the author's own text."""

import pytest

from sqlfeat.compiler.parse import (
    UnparsableSql,
    UnreadableSql,
    UnreadableText,
    last_select,
    one_statement,
    references,
    split_arguments,
    tokenize,
    unbalanced,
    words,
)
from sqlfeat.compiler.rewriting import Edit, Rewritten, ref_token, source_token, token_of, with_relations

A, B = ref_token("a"), source_token("raw", "b")


# -- statements --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["select 1", "select 1 -- ; end", "select ';' as x", "select 1 /* ; */", "select $$;$$"]
)
def test_one_statement_is_left_as_it_is(text):
    assert one_statement(text) == text


@pytest.mark.parametrize("text", ["select 1;", "select 1 ; ", "select 1;;\n;", "select 1; -- the end"])
def test_semicolons_at_the_end_become_blanks(text):
    assert one_statement(text) == text.replace(";", " ")


@pytest.mark.parametrize(("text", "offset"), [("select 1; select 2", 10), ("select 1;\n\n-- x\ndrop table y;", 16)])
def test_a_second_statement_is_refused_where_it_begins(text, offset):
    with pytest.raises(UnreadableSql, match="a second statement begins") as caught:
        one_statement(text)

    assert caught.value.offset == offset


@pytest.mark.parametrize("text", ["", "  \n", "-- nothing", ";", "/* */ ;"])
def test_a_text_without_a_statement_is_refused(text):
    with pytest.raises(UnreadableSql, match="there is no SELECT"):
        one_statement(text)


@pytest.mark.parametrize("text", ["select 'a", 'select "a', "select 1 /* a"])
def test_what_does_not_end_is_no_text_at_all(text):
    with pytest.raises(UnreadableText):
        one_statement(text)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("select (1", 7), ("select (1, (2)", 7), ("select 1)", 8), ("select [1)", 9), ("select ')', (1", 12),
        ("select 1 -- (", None),
    ],
)  # fmt: skip
def test_a_bracket_without_its_other_half(text, offset):
    found = unbalanced(text)

    assert (found.offset if found else None) == offset


# -- references --------------------------------------------------------------------------------------------------------


def test_references_in_code_and_not_in_comments_or_texts():
    sql = f"select '{A}', {A}.x -- {B}\nfrom {A} join {B} using (x) /* {A} */"

    assert [(node, sql[start:end]) for node, start, end in references(sql)] == [
        ("ref.a", A),
        ("ref.a", A),
        ("source.raw.b", B),
    ]


def test_words_are_those_of_code():
    assert {"x", "y"} & words("select x, 'y' -- y") == {"x"}


@pytest.mark.parametrize("node", ["ref.a", "source.raw.b", 'source.r"w.b'])
def test_a_node_has_a_token_and_a_token_a_node(node):
    assert [found for found, *_ in references(f"from {token_of(node)}")] == [node]


def test_relations_are_replaced_by_their_names_and_positions_lead_back():
    sql = f"select é from {A} join {B} on amuont"
    rewritten = with_relations(sql, lambda node: {"ref.a": "long_name_of_a", "source.raw.b": "b"}[node])

    assert rewritten.text == "select é from long_name_of_a join b on amuont"
    for word in ("select", "from", "join", "amuont"):
        assert rewritten.before(rewritten.text.index(word)) == sql.index(word)
    assert rewritten.before(rewritten.text.index("name_of")) == sql.index(A)


def test_edits_are_applied_in_the_order_of_their_places():
    rewritten = Rewritten.apply("a b c", [Edit(4, 5, "CCC"), Edit(0, 1, "")])

    assert rewritten.text == " b CCC"
    assert rewritten.before(1) == 2


# -- the last SELECT ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "items"),
    [
        ("select a, b as c, d e from t", [("a", "a"), ("b as c", "c"), ("d e", "e")]),
        ("with x as (select 1, 2) select a from x", [("a", "a")]),
        ("select f(a, b) as c, (select max(d) from u) as e, [1, 2][1] as g, {'k': 1, 'l': 2} as h from t",
         [("f(a, b) as c", "c"), ("(select max(d) from u) as e", "e"), ("[1, 2][1] as g", "g"),
          ("{'k': 1, 'l': 2} as h", "h")]),
        ("select t.a, 'x, y' as \"b c\" from t where a > 1 group by all", [("t.a", "a"), ("'x, y' as \"b c\"", "b c")]),
        ("select\n  a, -- one, two\n  b  /* three */\nfrom t", [("a", "a"), ("b", "b")]),
        ("select count(*) from t", [("count(*)", "")]),
        ("select a, from t", [("a", "a")]),
        ("select 1 as a", [("1 as a", "a")]),
        ("select a::int as b, a || 'x' as c from t order by 1", [("a::int as b", "b"), ("a || 'x' as c", "c")]),
        ("select case when a then b else c end as d from t", [("case when a then b else c end as d", "d")]),
        ("select * from t", [("*", "*")]),
    ],
)  # fmt: skip
def test_the_items_of_a_select_are_the_author_s_text(sql, items):
    assert [(item.text, item.name if item.text != "*" else "*") for item in last_select(sql).items] == items


@pytest.mark.parametrize(
    ("item", "expression"),
    [("a + b as c", "a + b"), ("a + b c", "a + b"), ('a as "b c"', "a"), ("a", "a"), ("f(x) AS y", "f(x)")],
)
def test_the_expression_of_an_item_is_without_its_alias(item, expression):
    assert last_select(f"select {item} from t").items[0].expression == expression


@pytest.mark.parametrize(
    ("spelled", "word"), [("WHERE", "where"), ("GROUP BY", "group by"), ("ORDER BY", "order by"), ("LIMIT", "limit")]
)
def test_clauses_are_found_at_the_top_level(spelled, word):
    sql = "select (select 1 from u where 1 group by 1 order by 1 limit 1) as a -- where limit\n"
    sql += f'from t as "where" {word} 1'
    start, length = last_select(sql).clause(spelled)

    assert (start, sql[start : start + length]) == (sql.rindex(word), word)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select 1 union all select 2", "without a set operation"),
        ("from t select a", "write SELECT before FROM"),
        ("values (1)", "must stand alone"),
    ],
)
def test_selects_that_cannot_be_cut(sql, why):
    with pytest.raises(UnreadableSql, match=why):
        last_select(sql)


def test_what_sqlglot_cannot_read_is_said_to_be_that():
    with pytest.raises(UnparsableSql):
        last_select("select a b c d from t")


def test_arguments_are_parted_at_top_level_commas():
    text = "a, f(b, c), 'd, e', [1, 2]"

    assert split_arguments(tokenize(text), text) == ["a", "f(b, c)", "'d, e'", "[1, 2]"]
    assert split_arguments([], "") == []
