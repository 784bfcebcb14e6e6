"""A small chart library: values in, SVG out, to be put inside an HTML page.

Three charts: bars of two distributions, values along time, and a spark of them. Each fits a phone and a sheet of paper,
bears a title and a description for those who do not see it, and takes its colours from the page's stylesheet by class.
What tells one thing from another is its shape, not its colour alone. Knows plain values, not what they are of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from markupsafe import Markup, escape

from sqlfeat.ops.monitoring.figures import percent, short

WIDTH = 360
MOST_DOTS = 90
"""So many points of time are drawn on each side; of more some are put together."""
_LEFT, _RIGHT = 46, 14
_LETTER = 6.4
"""How wide a letter of a label is at most."""
_LEAST_SHARE = 1e-12
_MOST_IN_SPARK = 30
_SIGNS = {"limit": "- -", "usual": "···", "whole": "—"}
"""How the lines across a chart look, by their kind."""
_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Bar:
    """A bin: what it is, its share of the baseline and of now, and its bounds where it has some."""

    label: str
    before: float
    now: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Dot:
    """A value at an instant, of ``weight`` rows; ``now`` parts what is looked at from its baseline."""

    at: datetime
    value: float | None
    now: bool
    weight: int = 1


@dataclass(frozen=True)
class Level:
    """A horizontal line with a name: over everything, or over now only. Its kind is limit, usual or whole."""

    value: float
    name: str
    kind: str
    only_now: bool = False


@dataclass(frozen=True)
class Track:
    """One value along time, with its lines; ``shown`` writes a value."""

    title: str
    dots: Sequence[Dot]
    levels: Sequence[Level] = ()
    shown: Callable[[float], str] = short
    from_zero: bool = True


@dataclass(frozen=True)
class Flag:
    """Something that happened at an instant."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True)
class Words:
    """What a chart is called, what it shows, and a name for it that no other chart of the page has."""

    key: str
    title: str
    text: str


# -- distributions -----------------------------------------------------------------------------------------------------


def bars(all_bars: Sequence[Bar], words: Words, *, told: bool = True) -> Markup:
    """Two distributions of a number: wide pale bars for the baseline, slim dark ones before them for now.

    Bins are drawn equally wide, since they were made to hold about equally many rows. With ``told`` each says its
    figures under the mouse.
    """
    height, top, floor = 192, 12, 160
    most = max((max(one.before, one.now) for one in all_bars), default=1.0)
    most = most if most > _LEAST_SHARE else 1.0
    step, ceiling = _steps(most)
    slot = (WIDTH - _LEFT - _RIGHT) / max(len(all_bars), 1)
    scale = (floor - top) / ceiling

    def drawn(kind: str, shares: Sequence[float], margin: float) -> str:
        """Bars in whole tenths, each from where the one before it began."""
        path, wide, was = "", round(10 * slot * (1 - 2 * margin)), 0
        for place, share in enumerate(shares):
            left, high = round(10 * (_LEFT + (place + margin) * slot)), round(10 * share * scale)
            if share:
                start = f"m{left - was} 0" if path else f"M{left} {10 * floor}"
                path, was = path + f"{start}v{-high}h{wide}v{high}z", left
        return f'<path class="{kind}" transform="scale(.1)" d="{path}"/>'

    parts = [_grid(step, ceiling, top, floor, lambda value: f"{value * 100:.3g} %")]
    parts += [drawn("then", [one.before for one in all_bars], 0.08), drawn("now", [one.now for one in all_bars], 0.32)]
    for place, one in enumerate(all_bars if told else ()):
        text = f"{one.label}: {percent(one.before)} before, {percent(one.now)} now"
        left = _px(_LEFT + place * slot)
        parts.append(
            f'<path class="spot" d="M{left} {top}h{_px(slot)}V{floor}H{left}z"><title>{escape(text)}</title></path>'
        )
    parts.append(_edges(all_bars, slot, floor))
    return _svg(words, height, "".join(parts))


def _edges(all_bars: Sequence[Bar], slot: float, floor: float) -> str:
    """The bounds of the bins below them, every so many that there is room for them."""
    bounds = [(place, one.low) for place, one in enumerate(all_bars) if one.low is not None]
    if all_bars and all_bars[-1].high is not None:
        bounds.append((len(all_bars), all_bars[-1].high))
    widest = max((len(short(value)) for _, value in bounds), default=0) * _LETTER + 4
    stride = max(1, math.ceil(widest / slot))
    ticks = "".join(f"M{_px(_LEFT + place * slot)} {floor}v4" for place, _ in bounds)
    names = []
    for place, value in bounds:
        if place % stride == bounds[0][0] % stride:
            text = short(value)
            middle = min(_LEFT + place * slot, WIDTH - len(text) * _LETTER / 2)
            names.append(f'<text x="{_px(middle)}">{escape(text)}</text>')
    named = f'<g class="middle" transform="translate(0 {_px(floor + 19)})">{"".join(names)}</g>'
    return f'<path class="axis" d="{ticks}"/>{named}'


def meter(before: float, now: float, most: float) -> Markup:
    """Two shares as lying bars, one in the other: for a row of a table, which says the same in figures."""
    scale = 100 / (most or 1.0)
    return Markup(
        '<svg class="meter" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<rect class="then" x="0" y="1" width="{_px(before * scale)}" height="10"/>'
        f'<rect class="now" x="0" y="4" width="{_px(now * scale)}" height="4"/></svg>'
    )


# -- time --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Time:
    """Where instants are on the sheet."""

    first: datetime
    last: datetime
    edge: datetime | None = field(default=None)

    def x(self, at: datetime) -> float:
        whole = (self.last - self.first).total_seconds() or 1.0
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (at - self.first).total_seconds() / whole


def timeline(
    tracks: Sequence[Track],
    flags: Sequence[Flag],
    words: Words,
    most: int = MOST_DOTS,
    shared: dict[str, str] | None = None,
) -> Markup:
    """Values along time, one track below the other: thin before, bold now, flags where something happened.

    What happened earlier or later stands at the edge. Flags and dates that several charts have alike are drawn once:
    they go into ``shared``, by the names that charts use them under, and the page draws them by :func:`shared_flags`.
    """
    tracks = [one for one in tracks if any(dot.value is not None for dot in one.dots)]
    instants = [dot.at for one in tracks for dot in one.dots]
    if not instants:
        return Markup("")
    edge = min((dot.at for one in tracks for dot in one.dots if dot.now), default=None)
    time = _Time(min(instants), max(instants), edge)
    top, each = 26, 74
    floor = top + each * len(tracks)
    parts = [_now_field(time, floor)]
    for place, one in enumerate(tracks):
        parts.append(_track(one, time, (top + place * each, each), most))
    drawn = _flags([one for one in flags if time.first <= one.at <= time.last], time, floor)
    drawn += _outside([one for one in flags if not time.first <= one.at <= time.last], time)
    drawn += _dates(time, floor)
    if shared is not None:
        drawn = f'<use href="#{shared.setdefault(drawn, f"flags{len(shared)}")}"/>'
    parts.append(drawn)
    return _svg(words, floor + 20, "".join(parts))


def _now_field(time: _Time, floor: float) -> str:
    """The ground of what is looked at, and which side is which."""
    if time.edge is None:
        return ""
    left = time.x(time.edge)
    width = WIDTH - _RIGHT - left
    before = _text("before", left - 4, 11, "end") if left - _LEFT > 60 else ""
    now = _text("now", left + 4, 11, "start") if width > 30 else _text("now", WIDTH - _RIGHT, 11, "end")
    if width <= 30:
        before = _text("before", WIDTH - _RIGHT - 34, 11, "end")
    return (
        f'<rect class="field" x="{_px(left)}" y="14" width="{_px(max(width, 2))}" height="{floor - 14}"/>{before}{now}'
    )


def _track(track: Track, time: _Time, place: tuple[float, float], most: int) -> str:
    top, height = place
    dots = _thinned(track.dots, most)
    found = [*(dot.value for dot in dots if dot.value is not None), *(one.value for one in track.levels)]
    low, high = min(0.0, *found) if track.from_zero else min(found), max(found)
    if high <= low:
        low, high = (low, low + 1) if track.from_zero else (low - 0.5, high + 0.5)
    head, floor = top + 18, top + height - 6
    size = max(abs(low), abs(high))  # so that no difference is beyond all bounds
    whole = high / size - low / size

    def y(value: float) -> float:
        return floor - (floor - head) * (value / size - low / size) / whole if whole else floor

    parts = [_text(track.title, _LEFT, top + 11, "start", "title")]
    parts.append(f'<path class="axis" d="M{_LEFT},{_px(floor)}H{WIDTH - _RIGHT}"/>')
    parts += [_text(track.shown(high), _LEFT - 4, head + 4, "end"), _text(track.shown(low), _LEFT - 4, floor, "end")]
    for one in track.levels:
        left = time.x(time.edge) if one.only_now and time.edge is not None else _LEFT
        parts.append(f'<path class="{one.kind}" d="M{_px(left)},{_px(y(one.value))}H{WIDTH - _RIGHT}"/>')
    names = "  ".join(f"{_SIGNS[one.kind]} {one.name}" for one in track.levels)
    if names:
        parts.append(_text(names, WIDTH - _RIGHT, top + 11, "end"))
    for now, kind in ((False, "line then"), (True, "line now")):
        own = [dot for dot in dots if dot.now is now]
        parts.append(_line([(time.x(dot.at), None if dot.value is None else y(dot.value)) for dot in own], kind))
    return "".join(parts)


def _line(places: Sequence[tuple[float, float | None]], kind: str) -> str:
    """A line with gaps where there is no value; what stands alone is a dot."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, value in places:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x, value))
    drawn = "".join(_path(run) for run in runs if len(run) > 1)
    alone = "".join(
        f'<circle class="{kind.removeprefix("line ")}" cx="{_px(run[0][0])}" cy="{_px(run[0][1])}" r="2.5"/>'
        for run in runs
        if len(run) == 1
    )
    return (f'<path class="{kind}" transform="scale(.1)" d="{drawn}"/>' if drawn else "") + alone


def _path(run: Sequence[tuple[float, float]]) -> str:
    """A line from place to place, in whole tenths and by steps, which is shorter than by places."""
    tenths = [(round(x * 10), round(y * 10)) for x, y in run]
    steps = [(x - was[0], y - was[1]) for was, (x, y) in pairwise(tenths)]
    return f"M{tenths[0][0]} {tenths[0][1]}l" + "".join(
        f"{' ' if place and x >= 0 else ''}{x}{' ' if y >= 0 else ''}{y}" for place, (x, y) in enumerate(steps)
    )


def _thinned(dots: Sequence[Dot], most: int) -> list[Dot]:
    """No more dots on each side than there is room for: neighbours become their mean, by how many rows they are of."""
    found = []
    for now in (False, True):
        side = [one for one in dots if one.now is now]
        size = max(1, -(-len(side) // most))
        found += [_mean(side[start : start + size]) for start in range(0, len(side), size)]
    return found


def _mean(dots: Sequence[Dot]) -> Dot:
    known = [(one.value, one.weight) for one in dots if one.value is not None and math.isfinite(one.value)]
    weight = sum(each for _, each in known)
    value = sum(value * (each / weight) for value, each in known) if weight else None
    return Dot(dots[0].at, value, dots[0].now, weight)


def _flags(flags: Sequence[Flag], time: _Time, floor: float) -> str:
    """What happened, as a dotted line with a pennant that bears its first letter; neighbours of a kind share one."""
    placed: dict[tuple[int, str], list[Flag]] = {}
    for one in flags:
        placed.setdefault((round(time.x(one.at) / 4), one.kind), []).append(one)
    parts = []
    for (_, kind), some in placed.items():
        x = time.x(some[0].at)
        told = f"{kind} {some[0].at:%Y-%m-%d %H:%M}: {', '.join(one.text for one in some)}"
        side = -1 if x > WIDTH - 30 else 1
        parts.append(
            f'<g class="flag"><title>{escape(told)}</title><path d="M{_px(x)},15V{floor}"/>'
            f'<path class="pennant" d="M{_px(x)},15h{13 * side}v12h{-13 * side}z"/>'
            f"{_text(kind[:1].upper(), x + 6.5 * side, 25, 'middle', 'letter')}</g>"
        )
    return "".join(parts)


def _outside(flags: Sequence[Flag], time: _Time) -> str:
    """What happened before or after the time that is drawn: pennants without a line, side by side at its edge."""
    parts = []
    for later in (False, True):
        kinds: dict[str, list[Flag]] = {}
        for one in flags:
            if (one.at > time.last) is later:
                kinds.setdefault(one.kind, []).append(one)
        for place, (kind, some) in enumerate(kinds.items()):
            x = WIDTH - _RIGHT - 13 * (len(kinds) - place) if later else _LEFT + 13 * place
            when = f"{some[0].at:%Y-%m-%d %H:%M}" + (f" to {some[-1].at:%Y-%m-%d %H:%M}" if len(some) > 1 else "")
            what = ", ".join(dict.fromkeys(one.text for one in some))
            told = f"{kind} {'after' if later else 'before'} the time that is shown, {when}: {what}"
            parts.append(
                f'<g class="flag outside"><title>{escape(told)}</title>'
                f'<path class="pennant" d="M{_px(x)},15h12v12h-12z"/>'
                f"{_text(kind[:1].upper(), x + 6, 25, 'middle', 'letter')}</g>"
            )
    return "".join(parts)


def shared_flags(shared: Mapping[str, str]) -> Markup:
    """The flags that charts share, drawn where nobody sees them."""
    groups = "".join(f'<g class="chart" id="{name}">{drawn}</g>' for drawn, name in shared.items())
    start = '<svg class="shared" aria-hidden="true" focusable="false"><defs>'
    return Markup(f"{start}{groups}</defs></svg>") if groups else Markup("")


def _dates(time: _Time, floor: float) -> str:
    """Three dates below: first, middle, last; of less than two days, the hours."""
    short_time = time.last - time.first < timedelta(days=2)
    form = "%d %H:%M" if short_time else "%Y-%m-%d"
    middle = time.first + (time.last - time.first) / 2
    places = [(time.first, "start"), (middle, "middle"), (time.last, "end")]
    if time.first == time.last:
        places = places[:1]
    return "".join(_text(at.astimezone(UTC).strftime(form), time.x(at), floor + 14, anchor) for at, anchor in places)


# -- sparks ------------------------------------------------------------------------------------------------------------


def spark(dots: Sequence[Dot]) -> Markup:
    """A line of a word's size; the table beside it says what matters of it in figures."""
    thin = _thinned(dots, _MOST_IN_SPARK)
    most = max((one.value for one in thin if one.value is not None), default=0.0) or 1.0
    wide = 100 / max(len(thin) - 1, 1)
    parts = []
    for now, kind in ((False, "line then"), (True, "line now")):
        places = [
            (place * wide, None if one.value is None else 21 - 20 * max(one.value, 0.0) / most)
            for place, one in enumerate(thin)
            if one.now is now
        ]
        parts.append(_line(places, kind))
    return Markup(
        '<svg class="spark" viewBox="0 0 100 22" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f"{''.join(parts)}</svg>"
    )


def blocks(dots: Sequence[Dot], most: int = 30) -> str:
    """The newest values as a line of text; a bar parts the baseline from now."""
    shown = list(dots)[-most:]
    greatest = max((one.value for one in shown if one.value is not None), default=0.0)
    text = ""
    for place, one in enumerate(shown):
        text += "│" if place and one.now is not shown[place - 1].now else ""
        share = one.value / greatest if one.value and greatest else 0.0
        text += " " if one.value is None else _BLOCKS[min(int(share * len(_BLOCKS)), len(_BLOCKS) - 1)]
    return text


# -- parts -------------------------------------------------------------------------------------------------------------


def _svg(words: Words, height: float, inside: str) -> Markup:
    key = escape(words.key)
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {_px(height)}" role="img" aria-labelledby="{key}t {key}d">'
        f'<title id="{key}t">{escape(words.title)}</title><desc id="{key}d">{escape(words.text)}</desc>{inside}</svg>'
    )


def _text(text: str, x: float, y: float, anchor: str, kind: str = "") -> str:
    kinds = " ".join(one for one in (kind, "" if anchor == "start" else anchor) if one)
    named = f' class="{kinds}"' if kinds else ""
    return f'<text{named} x="{_px(x)}" y="{_px(y)}">{escape(text)}</text>'


def _grid(step: float, ceiling: float, top: float, floor: float, shown: Callable[[float], str]) -> str:
    heights = [floor - (floor - top) * place * step / ceiling for place in range(round(ceiling / step) + 1)]
    lines = "".join(f"M{_LEFT} {_px(y)}H{WIDTH - _RIGHT}" for y in heights[1:])
    names = "".join(f'<text y="{_px(y + 4)}">{escape(shown(place * step))}</text>' for place, y in enumerate(heights))
    named = f'<g class="end" transform="translate({_LEFT - 4})">{names}</g>'
    return f'<path class="grid" d="{lines}"/><path class="axis" d="M{_LEFT} {floor}H{WIDTH - _RIGHT}"/>{named}'


def _steps(most: float) -> tuple[float, float]:
    """A round step, and the least of its multiples that is not below ``most``: two to five of them."""
    size = 10.0 ** math.floor(math.log10(most))
    step = next(size * each for each in (0.2, 0.25, 0.5, 1, 2, 5) if most / (size * each) <= 5)
    return step, step * math.ceil(most / step - 1e-9)


def _px(value: float) -> str:
    """A place on the sheet, to a tenth."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
