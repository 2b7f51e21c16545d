from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from pipeline.figures.canvas import HATCH
from pipeline.figures.maps import (
    NONE_COLOUR,
    RAIN_COLOURS,
    USDM_COLOURS,
    ZoneMap,
    plot_classes,
    plot_rain,
)
from tests.figures.figure_cases import EXERCISE, PHONE_PX, compare, legend, texts


def square(lon: float, lat: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    corners = [(0, 0), (2, 0), (2, 2), (0, 2)]
    return np.array([(lon + x, lat + y) for x, y in corners], dtype="float64")


ZONES = ZoneMap(
    outlines={name: square(100.0 + 2 * k, 15.0) for k, name in enumerate("abcd")},
    cities={"city:pakse": ("Pakse", 105.8, 15.1), "city:hue": ("Hue", 107.6, 16.5)},
    rivers=[np.array([(100.0, 16.0), (108.0, 16.5)])],
    marked="city:pakse",
)


def patch(figure: Figure, name: str) -> Polygon:
    (zone,) = [
        part
        for part in figure.axes[0].patches
        if part.get_label() == name and isinstance(part, Polygon)
    ]
    return zone


def colour(figure: Figure, name: str) -> str:
    return to_hex(patch(figure, name).get_facecolor())


def marker(figure: Figure, name: str) -> tuple[str, str]:
    (dot,) = [artist for artist in figure.axes[0].lines if artist.get_label() == name]
    return str(dot.get_marker()), to_hex(dot.get_markerfacecolor())


def test_classes_have_the_drought_monitor_s_colours() -> None:
    classes = {"a": "D0", "b": "D4", "c": "none", "d": "D2", "city:pakse": "D3", "city:hue": "D1"}
    figure = plot_classes("Drought class", ZONES, classes, provenance=EXERCISE)
    assert [colour(figure, name) for name in "abcd"] == [
        "#ffff00",
        "#730000",
        NONE_COLOUR,
        "#ffaa00",
    ]
    assert marker(figure, "city:pakse") == ("o", "#e60000")
    assert marker(figure, "city:hue") == ("o", "#fcd37f")
    assert legend(figure) == ["none", "D0", "D1", "D2", "D3", "D4"]
    words = texts(figure).split("\n")
    assert {"D0", "D4", "D2", "Pakse", "EXERCISE", "Drought class"} <= {*words}
    assert words.count("none") == 1, "in the legend alone"


def test_what_is_not_known_is_hatched_and_in_no_class() -> None:
    classes = {"a": None, "b": "none", "city:pakse": None, "city:hue": "none"}
    figure = plot_classes("Drought class", ZONES, classes, provenance=EXERCISE)
    for name in ("a", "c", "d"):
        assert patch(figure, name).get_hatch() == HATCH
        assert colour(figure, name) == "#ffffff"
    assert patch(figure, "b").get_hatch() is None
    assert marker(figure, "city:pakse") == ("X", "#ffffff")
    assert legend(figure)[-1] == "not known"


def test_rain_has_its_class_and_none_is_not_unknown() -> None:
    rain = {"a": 0.0, "b": 1.0, "c": 399.9, "d": math.nan, "city:pakse": 400.0, "city:hue": 25.0}
    figure = plot_rain("Rain of seven days, mm", ZONES, rain, provenance=EXERCISE)
    expected = [RAIN_COLOURS[0], RAIN_COLOURS[1], RAIN_COLOURS[6], "#ffffff"]
    assert [colour(figure, name) for name in "abcd"] == expected
    assert patch(figure, "d").get_hatch() == HATCH
    assert marker(figure, "city:pakse") == ("o", RAIN_COLOURS[7])
    assert marker(figure, "city:hue") == ("o", RAIN_COLOURS[3])
    assert legend(figure) == [
        "under 1 mm", "1 to 10", "10 to 25", "25 to 50", "50 to 100", "100 to 200", "200 to 400",
        "400 mm and more", "not known",
    ]  # fmt: skip
    assert {"0", "1", "400"} <= {text.get_text() for text in figure.axes[0].texts}


@pytest.mark.parametrize("colours", [RAIN_COLOURS, (NONE_COLOUR, *USDM_COLOURS.values())])
def test_classes_are_told_apart_without_hue(colours: tuple[str, ...]) -> None:
    """Each class is darker than the one before, as every kind of colour blindness sees it."""
    lightness = [float(np.dot(to_rgb(name), (0.2126, 0.7152, 0.0722))) for name in colours]
    assert all(step < 0.0 for step in np.diff(lightness))


def test_degrees_are_as_long_as_on_the_ground() -> None:
    figure = plot_rain("Rain", ZONES, {}, provenance=EXERCISE)
    middle = (14.4 + 17.6) / 2.0
    assert figure.axes[0].get_aspect() == pytest.approx(1.0 / math.cos(math.radians(middle)))
    assert figure.axes[0].get_xlim() == pytest.approx((99.4, 108.6))


def test_the_picture_of_classes(tmp_path: Path) -> None:
    classes = {"a": "D0", "b": "D4", "c": None, "d": "none", "city:pakse": "D3"}
    drought = plot_classes(
        "Drought class of 19 August", ZONES, classes, provenance=EXERCISE, width_px=PHONE_PX
    )
    compare(drought, "drought_map", tmp_path)


def test_the_picture_of_rain(tmp_path: Path) -> None:
    rain = {"a": 0.0, "b": 12.0, "c": 260.0, "d": math.nan, "city:pakse": 400.0, "city:hue": 3.0}
    wet = plot_rain("Rain of seven days, mm", ZONES, rain, provenance=EXERCISE, width_px=PHONE_PX)
    compare(wet, "rain_map", tmp_path)
