from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pipeline.figures.conditions import Panel, plot_conditions
from pipeline.figures.maps import NONE_COLOUR
from tests.figures.figure_cases import (
    EXERCISE,
    PHONE_PX,
    bars,
    compare,
    hatched_days,
    legend,
    line,
    texts,
)

DAYS = pd.date_range("2026-08-14", periods=6, freq="D")
RAIN = pd.Series([0.0, 12.0, np.nan, 40.0, 3.0, 0.0], DAYS)
SPI = pd.Series([-1.0, -0.8, np.nan, 0.2, 0.3, 0.4], DAYS)
SOIL = pd.Series([np.nan, np.nan, 40.0, 45.0, np.nan, 50.0], DAYS)
CLASSES = pd.Series(["D3", "D2", None, "none", "none", "none"], DAYS)


def plot(**changed: Any) -> Figure:
    words: dict[str, Any] = {
        "rain_mm": RAIN,
        "panels": [
            Panel("SPI", {"SPI of 30 days": SPI, "SPI of 90 days": SPI.shift(1) - 0.5}),
            Panel("soil moisture,\npercentile", {"soil moisture": SOIL}, (0.0, 100.0)),
        ],
        "classes": CLASSES,
        "provenance": EXERCISE,
        "utc_offset_h": 6.5,
        "notes": ["no river gauge here"],
    }
    return plot_conditions("Yangon", **{**words, **changed})


def test_each_index_is_drawn_and_breaks_where_it_is_not_known() -> None:
    rain, spi, soil, _ = plot().axes
    assert len(bars(rain)) == 5
    drawn = line(spi, "SPI of 30 days")
    assert np.array_equal(drawn.to_numpy(), SPI.to_numpy(), equal_nan=True)
    assert drawn.index[0] == pd.Timestamp("2026-08-14 18:30"), "the middle of its day, local time"
    assert np.array_equal(line(soil, "soil moisture").to_numpy(), SOIL.to_numpy(), equal_nan=True)
    assert soil.get_ylim() == (0.0, 100.0)
    assert [artist.get_linestyle() for artist in spi.lines[:2]] == ["-", "--"]


def test_days_that_are_not_known_are_hatched_in_their_panel() -> None:
    rain, spi, soil, strip = plot().axes
    assert hatched_days(rain) == [("08-16 06:30", "08-17 06:30")]
    assert hatched_days(spi) == [], "the other index is known on that day"
    assert [first for first, _ in hatched_days(soil)] == [
        "08-14 06:30", "08-15 06:30", "08-18 06:30",
    ]  # fmt: skip
    assert hatched_days(strip) == [("08-16 06:30", "08-17 06:30")]
    assert "not known" in legend(plot())


def test_what_is_wholly_known_has_no_hatch() -> None:
    known = pd.Series(1.0, DAYS)
    figure = plot(
        rain_mm=known, panels=[Panel("SPI", {"SPI": known})], classes=known.map({1.0: "D1"})
    )
    assert "not known" not in legend(figure)


def test_each_day_has_the_colour_of_its_class() -> None:
    strip = plot().axes[-1]
    colours = [to_hex(cell.get_facecolor()) for cell in bars(strip)]
    assert colours == ["#e60000", "#ffaa00", NONE_COLOUR, NONE_COLOUR, NONE_COLOUR]


def test_it_says_what_a_reader_must_know() -> None:
    figure = plot()
    words = texts(figure)
    for word in ("Yangon: rain and drought", "no river gauge here", "local time (UTC+6:30)",
                 "rain, mm/day", "soil moisture,\npercentile", "EXERCISE"):  # fmt: skip
        assert word in words
    assert str(figure.get_label()).endswith("indices of 6 days. no river gauge here")


def test_its_picture(tmp_path: Path) -> None:
    compare(plot(width_px=PHONE_PX), "conditions", tmp_path)
