"""The river of a month and a week as an SVG of a few kilobytes, for a telephone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 320, 208
LEFT, RIGHT, TOP, BOTTOM = 30, 4, 12, 24
"""Room beside the plot: ticks, nothing, half a letter, dates."""
GAP = timedelta(hours=36)
"""Longest time between two readings that a line joins."""
STEPS_M = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Distances of ticks, of which the first with at most six ticks is taken."""


@dataclass(frozen=True)
class FanDay:
    """Forecast of a day.

    Parameters
    ----------
    time
        Moment of the forecast, aware.
    low_m, median_m, high_m
        Quantiles 0.05, 0.5 and 0.95 of the stage, m.
    skilful
        Whether the forecast of this day is better than the stage of the issue time.
    """

    time: datetime
    low_m: float
    median_m: float
    high_m: float
    skilful: bool


@dataclass(frozen=True)
class MarkLine:
    """A stage that is drawn across the figure.

    Parameters
    ----------
    stage_m
        Stage, m.
    label
        Its words.
    kind
        Class of its style: ``alarm``, ``flood`` or ``crest``.
    """

    stage_m: float
    label: str
    kind: str


def draw_pocket_fan(
    readings: Sequence[tuple[datetime, float]],
    days: Sequence[FanDay],
    marks: Sequence[MarkLine],
    *,
    now: datetime,
    dates: Sequence[tuple[datetime, str]],
    alt: str,
) -> str:
    """Draw readings and forecast as an inline SVG, whose colours the style of the page gives.

    Parameters
    ----------
    readings
        Moment and stage (m) of each reading, oldest first.
    days
        Forecast, may be empty.
    marks
        Stages across the figure.
    now
        Issue time.
    dates
        Moments on the axis, with their words.
    alt
        What the figure shows, in words.

    Raises
    ------
    ValueError
        Neither a reading nor a forecast.
    """
    if not readings and not days:
        raise ValueError("expected readings or a forecast, found neither")
    start = min([now - timedelta(days=1), *(moment for moment, _ in readings)])
    end = max([now, *(day.time for day in days)])
    stages = [stage for _, stage in readings]
    stages += [stage for day in days for stage in (day.low_m, day.high_m)]
    stages += [mark.stage_m for mark in marks]
    low, high = min(stages), max(stages)
    step = next((size for size in STEPS_M if (high - low) / size <= 6), STEPS_M[-1])
    low, high = step * math.floor(low / step), step * (math.floor(high / step) + 1)

    def x(moment: datetime) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((moment - start) / (end - start))

    def y(stage_m: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - stage_m) / (high - low)

    parts = [
        f'<svg class="fan" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_quote(alt)}">'
    ]
    for number in range(round((high - low) / step) + 1):
        stage = low + number * step
        parts.append(
            f'<path class="grid" d="M{LEFT} {y(stage):.1f}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT - 4}" y="{y(stage) + 3:.1f}" text-anchor="end">{stage:g}</text>'
        )
    for moment, word in dates:
        anchor = "end" if x(moment) > WIDTH - 30 else "middle"
        parts.append(
            f'<text x="{x(moment):.0f}" y="{HEIGHT - 9}" text-anchor="{anchor}">{escape(word)}'
            "</text>"
        )
    if days:
        parts += _draw_days(readings, days, x, y)
    for line in _split(readings):
        parts.append(f'<path class="read" d="{_path(line, x, y)}"/>')
    parts.append(f'<path class="now" d="M{x(now):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
    for mark in marks:
        parts.append(
            f'<path class="{mark.kind}" d="M{LEFT} {y(mark.stage_m):.1f}H{WIDTH - RIGHT}"/>'
            f'<text class="{mark.kind}" x="{LEFT + 3}"'
            f' y="{y(mark.stage_m) + (10 if mark.kind == "alarm" else -3):.1f}">'
            f"{escape(mark.label)}</text>"
        )
    return "".join([*parts, "</svg>"])


def _draw_days(
    readings: Sequence[tuple[datetime, float]],
    days: Sequence[FanDay],
    x: Callable[[datetime], float],
    y: Callable[[float], float],
) -> list[str]:
    """Draw band and median from the last reading on, and a grey sheet where there is no skill."""
    joined = [FanDay(moment, stage, stage, stage, skilful=True) for moment, stage in readings[-1:]]
    fan = [*joined, *days]
    low = [(day.time, day.low_m) for day in fan]
    high = [(day.time, day.high_m) for day in fan]
    band = _path([*low, *reversed(high)], x, y)
    parts = [f'<path class="band" d="{band}Z"/>']
    beyond = [day for day in days if not day.skilful]
    if beyond:
        begin = max([day.time for day in fan if day.skilful], default=days[0].time)
        parts.append(
            f'<path class="beyond" d="M{x(begin):.1f} {TOP}H{x(days[-1].time):.1f}'
            f'V{HEIGHT - BOTTOM}H{x(begin):.1f}Z"/>'
        )
    parts.append(f'<path class="median" d="{_path([(d.time, d.median_m) for d in fan], x, y)}"/>')
    return parts


def _split(
    readings: Sequence[tuple[datetime, float]],
) -> list[list[tuple[datetime, float]]]:
    """Split readings where they are too far apart to be joined."""
    lines = list[list[tuple[datetime, float]]]()
    for reading in readings:
        if not lines or reading[0] - lines[-1][-1][0] > GAP:
            lines.append([])
        lines[-1].append(reading)
    return lines


def _path(
    points: Sequence[tuple[datetime, float]],
    x: Callable[[datetime], float],
    y: Callable[[float], float],
) -> str:
    """Path through points; a single one is a dot."""
    places = [f"{x(moment):.1f} {y(stage):.1f}" for moment, stage in points]
    return f"M{'L'.join(places)}" + ("h.1" if len(places) == 1 else "")


def _quote(text: str) -> str:
    return escape(text, {'"': "&quot;"})
