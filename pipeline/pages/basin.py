"""The page of the basin in one language: map, table of the cities, counts, and what is missing."""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.alerts.formats import format_metres
from pipeline.alerts.levels import RAISED
from pipeline.alerts.templates import read_templates
from pipeline.figures.basin_map import RANK, Spot, draw_basin_map
from pipeline.geography import places
from pipeline.geography.names import city_name, country_name
from pipeline.pages.edition import Edition
from pipeline.pages.frame import environment, frame
from pipeline.pages.hazards import list_hazards
from pipeline.pages.script_data import describe_for_script, write_data
from pipeline.pages.words import read_words
from pipeline.settings import REFERENCE

LAYERS = {"zones": "basins", "border": "borders", "river": "rivers"}
"""File of each layer of the map, the lowest first."""


def write_basin_page(edition: Edition, language: str) -> bytes:
    """Write the page of the basin.

    Parameters
    ----------
    edition
        Published tree.
    language
        One of ``LANGUAGES``.
    """
    words = read_words(language)
    rows = [_describe_city(edition, city, language) for city in edition.cities.values()]
    rows.sort(key=lambda row: (-row["rank"], row["name"]))
    counts = Counter((row["country"], row["level"]) for row in rows if row["level"] != "none")
    context = {
        **frame(edition, language),
        "place": "index",
        "rows": rows,
        "map": draw_basin_map(read_layers(), [row["spot"] for row in rows], alt=words["basin"]),
        "counts": [
            (
                country,
                [
                    (level, words[f"level_{level}"], counts[country, level])
                    for level in reversed(RANK[1:])
                    if counts[country, level]
                ],
            )
            for country in sorted({row["country"] for row in rows})
        ],
        "legend": [(level, words[f"level_{level}"]) for level in reversed(RANK)],
        "missing": list(dict.fromkeys(row["text"] for row in edition.index["missing"])),
        "data": write_data(describe_for_script(edition, edition.cities.values(), language)),
    }
    return environment().get_template("basin.html.jinja").render(context).encode()


def _describe_city(edition: Edition, city: dict[str, Any], language: str) -> dict[str, Any]:
    words, templates = read_words(language), read_templates(language)
    place = places.city(city["id"], asof=edition.issue_time)
    name = city_name(place, language, asof=edition.issue_time)
    worst, *_ = listed = list_hazards(edition, city, language)
    hazards = {hazard["hazard"]: hazard for hazard in listed}
    stage = city["stage"]
    label = f"{name}{templates['colon']}{worst['name']}, {worst['word']}"
    return {
        "id": city["id"],
        "name": name,
        "country": country_name(city["country"], language),
        "hazards": hazards,
        "level": worst["level"],
        "rank": worst["rank"],
        "stage": format_metres(stage["m"], templates) if stage else "–",
        "stage_m": stage["m"] if stage else "",
        "trend": words[stage["trend"] or "trend_unknown"] if stage else "–",
        "spot": Spot(
            city["lat"], city["lon"], f"{city['id']}.html", label, worst["level"],
            drought="drought" in hazards and hazards["drought"]["level"] in RAISED,
            partly=worst["partly"],
        ),
    }  # fmt: skip


@lru_cache
def read_layers() -> dict[str, list[BaseGeometry]]:
    """Geometries of the project's own layers."""
    layers = {}
    for name, file in LAYERS.items():
        features = json.loads((REFERENCE / f"{file}.geojson").read_bytes())["features"]
        layers[name] = [
            shapely.from_geojson(json.dumps(feature["geometry"])) for feature in features
        ]
    return layers
