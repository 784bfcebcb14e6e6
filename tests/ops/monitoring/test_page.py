"""The report in a real Chromium: nothing complains, nothing is wider than a phone, all can be read and reached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.made.browser import DARK, LIGHT, PRINT, Browser, program
from tests.made.monitorings import monitoring, nothing, quiet_view

PHONE, DESKTOP, A_SHEET = 360, 1280, 718
REPORTS = {"breach": monitoring, "quiet": quiet_view, "nothing": nothing}

TOO_WIDE = """(() => {
  const wide = document.documentElement.scrollWidth > innerWidth ? [`${document.documentElement.scrollWidth} px`] : [];
  for (const one of document.querySelectorAll("body *")) {
    const box = one.getBoundingClientRect();
    let inside = one.closest("svg") !== null && one.tagName !== "svg";
    for (let up = one.parentElement; up && !inside; up = up.parentElement)
      inside = ["auto", "scroll", "hidden"].includes(getComputedStyle(up).overflowX);
    if (box.width && box.right > innerWidth + 1 && !inside) wide.push(one.tagName + " " + one.className);
  }
  return wide;
})()"""

PALE = """(() => {
  // WCAG 2.2, 1.4.3: 4.5 to 1 between a text and what is behind it, 3 to 1 where it is large
  const parts = (text) => {
    const found = text.match(/[\\d.]+/g).map(Number);
    if (text.startsWith("color(srgb")) return [...found.slice(0, 3).map((one) => one * 255), found[3] ?? 1];
    return [found[0], found[1], found[2], found[3] ?? 1];
  };
  const over = (above, below) => [0, 1, 2].map((i) => above[i] * above[3] + below[i] * (1 - above[3])).concat(1);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    const layers = [];
    for (let up = one; up; up = up.parentElement) layers.push(parts(getComputedStyle(up).backgroundColor));
    const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0, 1] : [255, 255, 255, 1];
    return layers.reverse().reduce((below, above) => over(above, below), canvas);
  };
  const under = (one) => {  // the shape before a text of a drawing that it lies on
    const box = one.closest("svg") && one.getBoundingClientRect();
    const [x, y] = box ? [box.left + box.width / 2, box.top + box.height / 2] : [0, 0];
    for (let other = box && one.previousElementSibling; other; other = other.previousElementSibling) {
      const its = other.getBoundingClientRect(), fill = getComputedStyle(other).fill;
      const around = its.left <= x && x <= its.right && its.top <= y && y <= its.bottom;
      if (around && fill.startsWith("rgb(") && other.matches("rect, circle, path, polygon")) return parts(fill);
    }
    return null;
  };
  const pale = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim(), one = texts.currentNode.parentElement;
    if (!text || !one.checkVisibility() || ["SCRIPT", "STYLE", "TITLE", "DESC"].includes(one.tagName.toUpperCase()))
      continue;
    const style = getComputedStyle(one), size = parseFloat(style.fontSize);
    if (one.closest("svg") && !one.closest("text")) continue;
    const below = under(one) ?? behind(one.closest("svg") ?? one);
    const colour = over(parts(one.closest("svg") ? style.fill : style.color), below);
    const [high, low] = [light(colour), light(below)].sort((a, b) => b - a);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (high + 0.05) / (low + 0.05);
    const name = one.getAttribute("class") || one.tagName;
    if (ratio < (large ? 3 : 4.5)) pale.add(`${ratio.toFixed(2)}: ${text.slice(0, 30)} (${name})`);
  }
  return [...pale];
})()"""

UNNAMED = """(() => {
  const found = [];
  const words = (one) => (one.getAttribute("aria-label") ?? "").trim()
    || (one.getAttribute("aria-labelledby") ?? "").split(/\\s+/).filter(Boolean)
         .map((id) => document.getElementById(id)?.textContent.trim() ?? "").join(" ").trim()
    || (one.getAttribute("alt") ?? "").trim() || (one.querySelector(":scope > title")?.textContent ?? "").trim();
  for (const one of document.querySelectorAll("img, svg, [role=img], [role=meter]"))
    if (!one.closest("[aria-hidden=true]") && !one.parentElement.closest("svg") && !words(one))
      found.push(one.outerHTML.slice(0, 80));
  for (const one of document.querySelectorAll("a, button, input, select, summary"))
    if (!words(one) && !one.textContent.trim() && !one.labels?.length) found.push(one.outerHTML.slice(0, 80));
  for (const one of document.querySelectorAll("table"))
    if (!one.querySelector("th")) found.push("a table without heads");
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push("twice: #" + id);
  if (!document.documentElement.lang) found.push("no language");
  return found;
})()"""

CAN_BE_REACHED = """(() => {
  const shown = [...document.querySelectorAll("a[href], button, input, select, summary")]
    .filter((one) => one.checkVisibility() && !one.disabled);
  if (window.asked) return [...shown].filter((one) => !window.reached.has(one)).length;
  window.asked = shown;
  window.reached = new Set();
  window.unseen = [];
  document.addEventListener("focusin", (event) => {
    window.reached.add(event.target);
    const style = getComputedStyle(event.target), seen = [style.outlineStyle, style.boxShadow];
    if (seen.every((one) => one === "none")) window.unseen.push(event.target.outerHTML.slice(0, 80));
  });
  return shown.length;
})()"""

NOT_REACHED = """[...window.unseen,
  ...window.asked.filter((one) => !window.reached.has(one)).map((one) => one.outerHTML.slice(0, 80))]"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        chromium = program()
    except FileNotFoundError as missing:  # told at the end of the run
        pytest.skip(str(missing))
    with Browser(chromium) as opened:
        yield opened


@pytest.fixture(scope="module", params=REPORTS)
def page(request, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("report") / f"{request.param}.html"
    file.write_text(REPORTS[request.param]().html())
    return file


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
def test_it_complains_of_nothing_and_fits_a_phone(browser, page, scheme):
    browser.open(page, PHONE, scheme)

    wide = browser.ask(TOO_WIDE)
    opened = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
    browser.ask(opened)

    assert (browser.complaints, wide, browser.ask(TOO_WIDE)) == ([], [], [])


@pytest.mark.parametrize(("scheme", "width"), [(LIGHT, DESKTOP), (DARK, DESKTOP), (LIGHT, PHONE), (PRINT, A_SHEET)])
def test_every_text_stands_out_from_what_is_behind_it(browser, page, scheme, width):
    browser.open(page, width, scheme)
    if scheme != PRINT:
        browser.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")

    assert browser.ask(PALE) == []


def test_pictures_and_what_can_be_used_have_words(browser, page):
    browser.open(page, DESKTOP, LIGHT)

    assert browser.ask(UNNAMED) == []


def test_everything_is_reached_by_the_keyboard_and_is_seen_to_be(browser, page):
    browser.open(page, DESKTOP, LIGHT)

    for _ in range(4):  # charts that can be scrolled are stops, too
        for _ in range(browser.ask(CAN_BE_REACHED)):
            browser.press("Tab", 9)

    assert browser.ask(NOT_REACHED) == []


def test_a_pale_text_a_wide_table_and_an_error_would_be_found(browser, tmp_path):
    """The checks themselves: a page that has everything that is wrong."""
    file = tmp_path / "wrong.html"
    file.write_text(
        "<!doctype html><title>wrong</title><body style='background:#fff'><p style='color:#aaa'>pale</p>"
        "<div style='width:900px'>wide</div><img src='data:,'><div tabindex=0>no</div>"
        "<a href='#a' tabindex=-1>never</a><script>console.error('oh'); nobody()</script>"
    )
    browser.open(file, PHONE, LIGHT)
    browser.ask(CAN_BE_REACHED)
    browser.press("Tab", 9)

    assert browser.complaints[0] == "oh"
    assert browser.complaints[1].startswith("ReferenceError")
    assert browser.ask(TOO_WIDE)[0] == "908 px"
    assert browser.ask(PALE) == ["2.32: pale (P)"]
    assert [one[:4] for one in browser.ask(UNNAMED)] == ["<img", "no l"]
    assert [one[:2] for one in browser.ask(NOT_REACHED)] == ["<a"]
