from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from pipeline.figures.pocket_fan import FanDay, MarkLine, draw_pocket_fan

NOW = datetime(2026, 8, 20, tzinfo=UTC)
DAY = timedelta(days=1)
READINGS = [(NOW - number * DAY, 10.0 - 0.1 * number) for number in range(9, -1, -1)]
DAYS = [
    FanDay(NOW + lead * DAY, 10.0, 10.0 + 0.2 * lead, 10.0 + 0.5 * lead, skilful=lead <= 2)
    for lead in range(1, 5)
]
MARKS = [MarkLine(11.5, "alarm", "alarm"), MarkLine(12.5, "flood <b>", "flood")]


def draw(readings=READINGS, days=DAYS, marks=MARKS) -> etree._Element:  # type: ignore[no-untyped-def]
    svg = draw_pocket_fan(
        readings, days, marks, now=NOW, dates=[(NOW, "20 August")], alt='The "river"'
    )
    assert len(svg) < 6000
    return etree.fromstring(svg)


def points(svg: etree._Element, kind: str) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path.get("d") or "")]
        for path in svg.findall(f"path[@class='{kind}']")
    ]


def test_the_fan_begins_at_the_last_reading() -> None:
    svg = draw()
    (read,), (median,), (band,) = (points(svg, kind) for kind in ("read", "median", "band"))
    assert median[0] == read[-1] == band[0]
    assert len(median) == 1 + len(DAYS)
    assert len(band) == 2 * (1 + len(DAYS))
    assert median[-1][1] < median[0][1], "it rises, and y counts downwards"


def test_what_is_no_better_than_today_is_grey() -> None:
    (sheet,) = draw().findall("path[@class='beyond']")
    svg = draw()
    (median,) = points(svg, "median")
    assert (sheet.get("d") or "").startswith(f"M{median[2][0]:.1f} ")
    skilful = [FanDay(d.time, d.low_m, d.median_m, d.high_m, skilful=True) for d in DAYS]
    assert draw(days=skilful).find("path[@class='beyond']") is None


def test_readings_far_apart_are_not_joined() -> None:
    assert len(points(draw([*READINGS[:3], *READINGS[6:]]), "read")) == 2
    assert len(points(draw(READINGS[:1]), "read")) == 1


def test_marks_and_words_are_escaped() -> None:
    svg = draw()
    assert [text.text for text in svg.findall("text[@class='flood']")] == ["flood <b>"]
    assert svg.get("aria-label") == 'The "river"'


def test_stages_below_the_zero_of_the_gauge_are_drawn() -> None:
    svg = draw([(moment, stage - 10.5) for moment, stage in READINGS], [], [])
    (read,) = points(svg, "read")
    assert all(0 <= y <= 208 for _, y in read)


def test_without_readings_and_forecast_there_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="expected readings or a forecast"):
        draw([], [], [])
