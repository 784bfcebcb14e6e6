"""The report as a page: complete, in order, safe whatever data hold, readable for everyone, and a file of its own."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqlfeat.ops.monitoring
from sqlfeat.ops.monitoring.results import BREACH, OK, WARN
from tests.made.monitorings import NAMES, category, monitoring, nothing, numeric, quiet_view

PAGE = Path(sqlfeat.ops.monitoring.__file__).parent / "page"
VOID = {"meta", "input", "wbr", "br"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></script></svg><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "' onmouseover='alert(1)",
    "سعر_الوحدة",
    "\u202egnp.exe",
    "x" * 200,
    "\x00\x1b[31m\ud800\uffff&amp;&#0;",
    "https://example.org/x.js",
]


class Page(HTMLParser):
    """A page as a browser reads it: its tags in order, with what each holds; every tag must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.opened == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.opened[-1] if self.opened else "", data))

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in tags]

    @property
    def text(self) -> str:
        return " ".join(data for tag, data in self.texts if tag not in ("style", "script"))


def hostile(text: str):
    """A result with the text wherever a name, a category or a sentence can stand."""
    one, other = numeric(text, BREACH), category(text, WARN, values=(text, text[::-1], "b"))
    whole = monitoring([one, replace(other, name=text + "2", new_categories=(text,), lost_categories=(text,))])
    return replace(
        whole,
        reference=text,
        sentence=text,
        notes=(text,),
        against=text,
        thresholds={text: text, "columns": {text: {text: 0.1}}},
        baseline=replace(whole.baseline, source=text),
        slices=tuple(replace(each, column=text, value=text) for each in whole.slices),
        marks=tuple(replace(each, text=text) for each in whole.marks),
        findings=tuple(replace(each, text=text) for each in whole.findings),
    )


# -- what is in it -----------------------------------------------------------------------------------------------------


def test_the_verdict_comes_first_then_why_then_the_features_and_the_rest():
    text = monitoring().html()

    places = [text.index(f'id="{part}"') for part in ("broke", "features", "slices", "performance", "predictions")]
    assert text.index("is not as it was") < places[0]
    assert sorted(places) == places


def test_headings_never_skip_a_step():
    levels = [int(tag[1]) for tag, _ in Page(monitoring().html()).tags if re.fullmatch("h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))


def test_every_feature_has_a_row_and_a_card_and_only_those_of_findings_are_open():
    page = Page(monitoring().html())

    cards = {card["data-feature"]: "open" in card for card in page.of("details") if "data-feature" in card}
    assert list(cards) == list(NAMES)
    assert [name for name, is_open in cards.items() if is_open] == list(NAMES[:3])
    anchors = {each.get("id") for _, each in page.tags if each.get("id")}
    assert {each["href"][1:] for each in page.of("a")} <= anchors


def test_no_more_than_a_dozen_cards_are_open_at_first():
    page = Page(monitoring([numeric(f"f{place}", BREACH) for place in range(40)]).html())

    assert sum("open" in card for card in page.of("details") if "data-feature" in card) == 12


def test_findings_about_one_column_stand_together_with_their_causes():
    page = Page(monitoring().html())

    assert [each["class"] for each in page.of("li") if str(each.get("class", "")).startswith("is-")] == [
        "is-breach", "is-breach", "is-breach", "is-breach", "is-warn", "is-warn",
    ]  # fmt: skip
    assert "First visible on 2024-02-28" in re.sub(r"\s+", " ", page.text)
    assert "40.0 % of the change of the raw predictions comes with it" in page.text


def test_what_is_past_its_threshold_and_no_breach_says_why():
    usual, chance = numeric("a"), numeric("b")
    measure = usual.measures[0]
    usual = replace(usual, measures=(replace(measure, value=0.3, own=0.5, level=OK),))
    chance = replace(chance, measures=(replace(measure, value=0.3, adjusted=0.4, level=OK),))

    text = Page(monitoring([usual, chance]).html()).text

    assert "Past its threshold, but no more than is usual." in text
    assert "Past its threshold, but it may be chance: 40 times in 100." in text


def test_a_quiet_view_and_a_period_without_rows_have_a_report_too():
    quiet, empty = Page(quiet_view().html()), Page(nothing().html())

    assert "Nothing is past its threshold." in quiet.text
    assert "There is no row in this period." in empty.text
    assert "There is no feature to look at." in empty.text


# -- what data hold ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_name_holds_is_shown_and_never_read(text):
    harmless = Page(hostile("harmless").html())
    page = Page(hostile(text).html())

    plain = [tag for tag, _ in harmless.tags if tag != "wbr"]
    assert [tag for tag, _ in page.tags if tag != "wbr"] == plain
    assert {name for _, each in page.tags for name in each} == {name for _, each in harmless.tags for name in each}


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=30))
def test_no_text_makes_a_tag_or_breaks_the_file(text):
    tags = [tag for tag, _ in Page(monitoring([numeric("harmless" + text)]).html()).tags if tag != "wbr"]

    assert tags == [tag for tag, _ in Page(monitoring([numeric("harmless")]).html()).tags if tag != "wbr"]


def test_letters_that_turn_the_order_round_are_replaced():
    assert "\u202e" not in hostile("\u202egnp.exe").html()


# -- a file of its own -------------------------------------------------------------------------------------------------


def test_the_page_asks_nothing_of_any_network():
    text = monitoring().html()
    page = Page(text)

    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"<script>.*?</script>", "", text, flags=re.S))
    assert not [each for _, each in page.tags if {"src", "srcset", "data", "style"} & set(each)]
    assert all(str(each["href"]).startswith("#") for _, each in page.tags if "href" in each)
    assert not page.of("link", "img", "iframe", "object", "embed", "base", "form")


def test_the_browser_takes_only_the_style_and_the_script_that_were_shipped():
    text = monitoring().html()
    policy = next(each["content"] for each in Page(text).of("meta") if "http-equiv" in each)

    for tag in ("style", "script"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(inside.group(1).encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert str(policy).startswith("default-src 'none'")


def test_a_hundred_features_of_a_year_take_far_less_than_a_megabyte():
    levels = [BREACH] * 20 + [WARN] * 20 + [OK] * 60
    columns = [numeric(f"some_feature_of_mine_{place}", level, days=380) for place, level in enumerate(levels)]

    assert len(monitoring(columns).html().encode()) < 850_000


def test_the_same_result_gives_the_same_bytes():
    assert monitoring().html() == monitoring().html()


# -- for everyone ------------------------------------------------------------------------------------------------------


def test_every_chart_has_a_title_and_a_description_or_is_said_beside_it():
    page = Page(monitoring().html())
    ids = [each["id"] for _, each in page.tags if each.get("id")]

    charts = [each for each in page.of("svg") if each["class"] == "chart"]
    assert len(charts) > 20
    for chart in charts:
        assert chart["role"] == "img"
        assert set(str(chart["aria-labelledby"]).split()) <= set(ids)
    assert all(each.get("aria-hidden") == "true" for each in page.of("svg") if each["class"] != "chart")
    assert len(ids) == len(set(ids))


def test_no_level_is_told_by_its_colour_alone():
    page = Page(monitoring().html())

    badges = [each for each in page.of("span") if str(each.get("class", "")).startswith("badge")]
    words = re.findall(r"(?:✗ )?Breach|(?:✓ )?As it was|(?:! )?Worth a look(?!:)", re.sub(r"\s+", " ", page.text))
    assert len(words) >= len(badges) > 12


def test_words_can_be_told_from_their_ground_in_both_schemes():
    styles = re.findall(r":root \{(.*?)\}", (PAGE / "report.css").read_text(), re.S)
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6})", one)) for one in styles)

    assert set(light) == set(dark)
    for scheme in (light, dark):
        for ground in ("paper", "card", "field"):
            for ink in ("ink", "soft", "link"):
                assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
            for line in ("then", "now", "limit", "usual"):
                assert contrast(scheme[line], scheme[ground]) >= 3, (line, ground)
        for level in ("breach", "warn", "ok"):
            assert contrast(scheme[level], scheme[f"{level}-ground"]) >= 4.5, level
            assert contrast(scheme["ink"], scheme[f"{level}-ground"]) >= 4.5, level


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, by WCAG 2.2."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
