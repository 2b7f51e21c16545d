"""What the script of a page needs, as JSON within the page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pipeline.alerts.formats import number_level
from pipeline.alerts.levels import RAISED
from pipeline.alerts.templates import read_templates
from pipeline.geography import places
from pipeline.geography.names import city_name
from pipeline.ground_reports.summary import morning
from pipeline.pages.edition import Edition
from pipeline.pages.frame import ROOT
from pipeline.pages.river import River
from pipeline.pages.words import read_words

SCRIPT_WORDS = (
    "age_hours", "age_future", "stale", "expired", "mark_week", "mark_day", "mark_under",
    "mark_below", "mark_not_below", "since_rain", "since_gauge", "since_sudden", "since_raised",
    "since_seen", "reports_flooded",
)  # fmt: skip
"""Words that the script fills in."""


def write_city_data(edition: Edition, city_id: str, river: River | None, language: str) -> str:
    """Write what the script of a city's page needs, as JSON for its element."""
    place = places.city(city_id, asof=edition.issue_time)
    data = describe_for_script(edition, [edition.cities[city_id]], language) | {
        "place": city_id,
        "offset_h": place.utc_offset_h,
        "status": edition.status,
        "since": morning(place, edition.issue_time).isoformat(),
    }
    if river is not None:
        stage = river.city["stage"]
        data |= {
            "percent": river.templates["percent"],
            "decimal": river.templates["decimal"],
            "station": river.station.code,
            "stage": stage and stage["m"],
            "days": river.collect_chances(),
        }
    return write_data(data)


def describe_for_script(
    edition: Edition, cities: Iterable[dict[str, Any]], language: str
) -> dict[str, Any]:
    """Describe what the script of every page needs: times, words, and names of cities."""
    words, templates = read_words(language), read_templates(language)
    cities = list(cities)
    return {
        "issued": edition.issue_time.isoformat(),
        "expires": edition.expires_at.isoformat(),
        "offset_h": places.city("can_tho", asof=edition.issue_time).utc_offset_h,
        "words": {key: words[key] for key in SCRIPT_WORDS},
        "root": ROOT,
        "names": {
            city["id"]: city_name(
                places.city(city["id"], asof=edition.issue_time), language,
                asof=edition.issue_time,
            )
            for city in cities
        },
        "gauges": {city["gauge"]["station"]: city["id"] for city in cities if city["gauge"]},
        "flood": templates["hazard"]["flood"],
        "levels": {level.value: number_level(level) for level in sorted(RAISED)},
    }  # fmt: skip


def write_data(data: dict[str, Any]) -> str:
    """Write data as JSON that cannot end its element."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
