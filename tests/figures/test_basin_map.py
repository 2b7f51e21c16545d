from __future__ import annotations

import re

import shapely
from lxml import etree
from shapely.geometry.base import BaseGeometry

from pipeline.figures.basin_map import RANK, SIGNS, Spot, draw_basin_map

LAYERS: dict[str, list[BaseGeometry]] = {
    "zones": [shapely.box(100, 14, 105, 20)],
    "river": [shapely.LineString([(100, 30), (101, 20), (105, 10)])],
}


def spot(level: str, *, drought: bool = False, lat: float = 15.0) -> Spot:
    return Spot(lat, 105.0, f"{level}.html", f"A & B: {level}", level, drought=drought)


def draw(*spots: Spot) -> etree._Element:
    return etree.fromstring(draw_basin_map(LAYERS, spots, alt="The <basin>"))


def test_every_level_has_a_sign_of_its_own_and_the_urgent_lie_on_top() -> None:
    svg = draw(*(spot(level) for level in reversed(RANK)))
    links = svg.findall("a")
    assert [link.get("href") for link in links] == [f"{level}.html" for level in RANK]
    assert len(set(SIGNS.values())) == len(RANK)
    assert [link.findtext("title") for link in links][-1] == "A & B: emergency"


def test_a_drought_is_hatched() -> None:
    assert [link.find("circle[@class='dry']") is not None for link in draw(
        spot("watch", drought=True), spot("none")
    ).findall("a")] == [False, True]  # fmt: skip


def test_north_is_up_and_layers_are_drawn_to_the_pixel() -> None:
    places = [
        re.findall(r"[\d.]+", link.get("transform") or "")
        for link in draw(spot("none", lat=20.0), spot("watch", lat=10.0)).findall("a")
    ]
    assert float(places[0][1]) < float(places[1][1])
    paths = {path.get("class"): path.get("d") for path in draw().findall("path")}
    assert set(paths) == {"zones", "river"}
    assert re.fullmatch(r"M\d+ \d+l[-\d ]+z", paths["zones"] or "")
    assert re.fullmatch(r"M\d+ \d+l[-\d ]+", paths["river"] or "")


def test_a_city_beyond_the_map_has_no_link_that_nobody_sees() -> None:
    manila = Spot(14.6, 121.0, "manila.html", "Manila", "none", drought=False)
    assert [link.get("href") for link in draw(spot("none"), manila).findall("a")] == ["none.html"]
