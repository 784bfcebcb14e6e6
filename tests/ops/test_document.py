"""Documents as Markdown and HTML: whatever a text holds, it is shown and never read."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.ops.document import Bars, Document, Facts, Listing, Notes, Section, Table, html_page, markdown

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</pre></style><svg onload=alert(1)>",
    "javascript:alert(1)",
    "[x](http://example.org) ![y](http://example.org/y.png)",
    "```\n</details> | a | b |\n# head",
    "\x00\x1b[31m\u202e\ud800\uffff&amp;&#0;",
]


def document(text: str) -> Document:
    """A document with the text in every place that one can have."""
    blocks = (
        Facts(((text, text),)),
        Table((text, "n"), ((text, text),), (1,), text),
        Bars(text, ((text, 2.0), ("b", -1.0))),
        Listing(text, "sql", text),
        Notes((text,)),
    )
    return Document(text, text, (Section(text, blocks), Section("Empty", (), text)))


class Shown(HTMLParser):
    """The tags of a page and its text, as a browser reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def read(page: str) -> Shown:
    shown = Shown()
    shown.feed(page)
    return shown


HARMLESS = read(html_page(document("plain")))


@given(st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1)))
def test_no_text_adds_a_tag_or_an_attribute_to_a_page(text):
    page = html_page(document(text))
    shown = read(page)

    assert shown.tags == HARMLESS.tags
    assert shown.attributes == HARMLESS.attributes
    ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n").encode("utf-8"))


@pytest.mark.parametrize("text", HOSTILE[:5])
def test_a_hostile_text_is_shown_as_it_is(text):
    assert read(html_page(document(text))).text.count(text) == 17  # everywhere that one stands


@given(st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1)))
def test_no_text_makes_markdown_of_its_own(text):
    lines = markdown(document(text)).split("\n")
    fences = [number for number, line in enumerate(lines) if re.fullmatch(r"`{3,}(sql)?", line)]
    outside = [*lines[: fences[0]], *lines[fences[-1] + 1 :]]

    assert [line[:2] for line in outside if line.startswith("#")] == ["# ", "##", "##"]
    unescaped = re.sub(r"\\.|`[^`]*`", "", "\n".join(outside))
    assert not re.search(r"[<\[\]]", unescaped)
    assert {line.count("|") - line.count(r"\|") for line in outside if line.startswith("|")} <= {0, 3, 4}


def test_numbers_are_right_aligned_and_what_looks_like_code_is_shown_as_code():
    table = Table(("input", "value"), (("raw.orders", "1.25"), ("plain", "3")), (1,))
    text = markdown(Document("t", "s", (Section("a", (table,)),)))

    assert "| input | value |\n| --- | ---: |\n| `raw.orders` | 1.25 |\n| plain | 3 |" in text
    assert '<td class="right">1.25</td>' in html_page(Document("t", "s", (Section("a", (table,)),)))
